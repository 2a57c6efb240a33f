//! Where each value of a topic stands, as far as anybody saw it.

use super::TopicHistory;
use super::pieces::Piece;
use klab_machine::operation::RecordRange;
use klab_wire::{Offset, PartitionId, TopicPartition};

/// Consecutive values at consecutive offsets of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) offset: Offset,
    pub(super) first_value: u64,
    pub(super) count: u64,
    /// Somebody read it there; otherwise it is acknowledged to be there.
    pub(super) is_read: bool,
}

impl Place {
    pub(super) const fn end(&self) -> u64 {
        self.first_value + self.count
    }

    pub(super) const fn offset_of(&self, value: u64) -> Offset {
        self.offset.plus(value - self.first_value)
    }

    pub(super) fn name_in(&self, history: &TopicHistory) -> TopicPartition {
        let partition = PartitionId(self.partition);
        TopicPartition { topic: history.name.clone(), partition }
    }

    /// Whether a value that both have stands at one place: they are two looks at the same records.
    pub(super) fn is_in_line_with(&self, later: &Place) -> bool {
        self.partition == later.partition && self.offset_of(later.first_value) == later.offset
    }

    /// Of what an acknowledged send has in this partition.
    fn of(partition: u32, piece: &Piece) -> Self {
        let (offset, first_value, count) = piece.place();
        Place { partition, offset, first_value, count, is_read: false }
    }
}

/// All places of a topic, in the order of values: what was read, what is acknowledged and not lost, and the
/// claims that a reader confirms.
pub(super) fn all(history: &TopicHistory, pieces: &[Vec<Piece>]) -> Vec<Place> {
    let mut places = Vec::new();
    for (partition, pieces) in (0..).zip(pieces) {
        let kept = pieces.iter().filter(|piece| piece.is_kept());
        places.extend(kept.map(|piece| Place::of(partition, piece)));
        places.extend(read(history, partition));
    }
    sort(&mut places);
    confirm_claims(history, &mut places);
    places
}

/// Everything that was read from a partition, whether its reader came to an end or not.
fn read(history: &TopicHistory, partition: u32) -> impl Iterator<Item = Place> {
    let its = &history.partitions[partition as usize];
    let reads = its.reads.iter().map(|read| (read.offset, read.first_value, read.count));
    let glimpses = its.glimpses.iter().filter(|glimpse| glimpse.polled).map(|glimpse| {
        let range = &glimpse.range;
        (range.offset, range.first_value, u64::from(range.count))
    });
    let conflicts = its.conflicts.iter().map(|one| (one.offset, one.values[1], one.count));
    reads.chain(conflicts).chain(glimpses).map(move |(offset, first_value, count)| Place {
        partition,
        offset,
        first_value,
        count,
        is_read: true,
    })
}

/// The order in which duplicates and writers are looked for.
fn sort(places: &mut [Place]) {
    // Nearly all values stand at one place: comparing them alone is half of the work.
    places.sort_unstable_by_key(|place| place.first_value);
    for same in places.chunk_by_mut(|one, other| one.first_value == other.first_value) {
        same.sort_unstable_by_key(|place| (place.partition, place.offset));
    }
}

/// A send of which nobody knows how it ended may have been told an offset. If somebody read its value, it has
/// happened, and stands there.
fn confirm_claims(history: &TopicHistory, places: &mut Vec<Place>) {
    let partitions = (0..).zip(&history.partitions);
    let mut claims = partitions.flat_map(|(partition, its)| {
        let claims = its.glimpses.iter().filter(|glimpse| !glimpse.polled);
        claims.map(move |claim| (partition, claim.range))
    });
    let Some(first) = claims.next() else { return };
    let read = read_values(places);
    let place = |(partition, range): (u32, RecordRange)| Place {
        partition,
        offset: range.offset,
        first_value: range.first_value,
        count: u64::from(range.count),
        is_read: false,
    };
    let confirmed = [first].into_iter().chain(claims).map(place);
    let confirmed: Vec<Place> =
        confirmed.filter(|place| outside(&read, place.first_value, 1).is_none()).collect();
    places.extend(confirmed);
    sort(places);
}

/// The values that somebody read, as ranges without overlaps, in their order.
pub(super) fn read_values(places: &[Place]) -> Vec<(u64, u64)> {
    let mut values: Vec<(u64, u64)> = Vec::new();
    for place in places.iter().filter(|place| place.is_read) {
        match values.last_mut() {
            Some((_, end)) if place.first_value <= *end => *end = place.end().max(*end),
            _ => values.push((place.first_value, place.end())),
        }
    }
    values
}

/// Of these values those outside of all ranges: the first, and how many.
pub(super) fn outside(ranges: &[(u64, u64)], first: u64, count: u64) -> Option<(u64, u64)> {
    let (mut value, end, mut found) = (first, first + count, None);
    let after = ranges.partition_point(|(_, end)| *end <= first);
    let next = ranges[after..].iter().take_while(|(begin, _)| *begin < end).copied();
    for (begin, its_end) in next.chain([(end, end)]) {
        if begin > value {
            let (_, count) = found.get_or_insert((value, 0));
            *count += begin - value;
        }
        value = its_end.max(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_of_what_was_read_are_found() {
        let read = [(10, 20), (30, 40)];
        assert_eq!(outside(&read, 12, 8), None);
        assert_eq!(outside(&read, 12, 9), Some((20, 1)));
        assert_eq!(outside(&read, 5, 50), Some((5, 5 + 10 + 15)));
        assert_eq!(outside(&[], 5, 2), Some((5, 2)));
    }
}
