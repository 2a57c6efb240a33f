//! What was read from one partition: one value per offset, as far as readers agree.

use crate::verdict::Moment;
use klab_machine::operation::RecordRange;
use klab_wire::Offset;

/// Everything read so far, in the order of offsets, without overlaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    ranges: Vec<Read>,
}

/// Consecutive offsets with consecutive values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) offset: Offset,
    pub(super) first_value: u64,
    pub(super) count: u64,
}

/// Two polls saw different values at one offset, or at so many from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) at: Moment,
    pub(super) offset: Offset,
    /// What was seen first, and by the later one.
    pub(super) values: [u64; 2],
    pub(super) count: u64,
}

impl Read {
    pub(super) fn end(&self) -> Offset {
        self.offset.plus(self.count)
    }

    fn value_at(&self, offset: Offset) -> u64 {
        self.first_value + offset.since(self.offset)
    }

    fn is_continued_by(&self, offset: Offset, value: u64) -> bool {
        self.end() == offset && self.first_value + self.count == value
    }
}

impl Reads {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Read> {
        self.ranges.iter()
    }

    /// The value that was read at an offset.
    pub(super) fn value_at(&self, offset: Offset) -> Option<u64> {
        let read = self.reaching(offset).first().filter(|read| read.offset <= offset)?;
        Some(read.value_at(offset))
    }

    /// The first range that reaches into these offsets.
    pub(super) fn first_within(&self, from: Offset, to: Offset) -> Option<&Read> {
        self.reaching(from).first().filter(|read| read.offset < to)
    }

    /// The offset after the highest that was read.
    pub(super) fn end(&self) -> Offset {
        self.ranges.last().map_or(Offset(0), Read::end)
    }

    /// Of these offsets those at which not these values were read: each range with its length.
    pub(super) fn unconfirmed(
        &self,
        from: Offset,
        first_value: u64,
        count: u64,
    ) -> Vec<(Offset, u64)> {
        let (to, mut at, mut found) = (from.plus(count), from, Vec::new());
        for read in self.reaching(from).iter().take_while(|read| read.offset < to) {
            let (begin, end) = (read.offset.max(at), read.end().min(to));
            let agrees = read.value_at(begin) == first_value + begin.since(from);
            let missing_up_to = if agrees { begin } else { end };
            if missing_up_to > at {
                found.push((at, missing_up_to.since(at)));
            }
            at = end;
        }
        if at < to {
            found.push((at, to.since(at)));
        }
        found
    }

    /// The first offset of these at which another value was read, and that value.
    pub(super) fn differing(
        &self,
        from: Offset,
        first_value: u64,
        count: u64,
    ) -> Option<(Offset, u64)> {
        let to = from.plus(count);
        let mut reads = self.reaching(from).iter().take_while(|read| read.offset < to);
        reads.find_map(|read| {
            let offset = read.offset.max(from);
            let seen = read.value_at(offset);
            (seen != first_value + offset.since(from)).then_some((offset, seen))
        })
    }

    /// Whether all of these values were read at these offsets.
    pub(super) fn confirm(&self, from: Offset, first_value: u64, count: u64) -> bool {
        self.unconfirmed(from, first_value, count).is_empty()
    }

    /// What was read from here on.
    fn reaching(&self, from: Offset) -> &[Read] {
        &self.ranges[self.ranges.partition_point(|read| read.end() <= from)..]
    }

    /// Notes what a poll returned. Gives back where it differs from what was read before.
    pub(super) fn see(&mut self, at: Moment, range: &RecordRange) -> Vec<Conflict> {
        let (offset, end) = (range.offset, range.offset.plus(u64::from(range.count)));
        let (mut from, mut conflicts) = (offset, Vec::new());
        while from < end {
            let value = range.first_value + from.since(offset);
            let index = self.first_ending_after(from);
            from = match self.ranges.get(index) {
                Some(known) if known.offset <= from => {
                    let (seen, to) = (known.value_at(from), known.end().min(end));
                    if seen != value {
                        let (values, count) = ([seen, value], to.since(from));
                        conflicts.push(Conflict { at, offset: from, values, count });
                    }
                    to
                }
                next => {
                    let gap_end = next.map_or(end, |next| next.offset.min(end));
                    self.insert(index, from, value, gap_end.since(from));
                    gap_end
                }
            };
        }
        conflicts
    }

    fn first_ending_after(&self, offset: Offset) -> usize {
        match self.ranges.last() {
            Some(last) if last.end() > offset => {
                self.ranges.partition_point(|read| read.end() <= offset)
            }
            _ => self.ranges.len(),
        }
    }

    fn insert(&mut self, index: usize, offset: Offset, first_value: u64, count: u64) {
        let before = index.checked_sub(1).map(|before| &mut self.ranges[before]);
        match before.filter(|before| before.is_continued_by(offset, first_value)) {
            Some(before) => before.count += count,
            None => self.ranges.insert(index, Read { offset, first_value, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{NodeId, Time};

    #[test]
    fn what_was_read_is_kept_once_and_differences_are_found() {
        let mut reads = Reads::default();
        let mut see = |offset, first_value, count| {
            let at = Moment { step: 0, time: Time::ZERO, node: NodeId::consumer(1) };
            let range = RecordRange { offset: Offset(offset), first_value, count };
            let conflicts = reads.see(at, &range);
            (conflicts.iter().map(|one| (one.values, one.count)).collect::<Vec<_>>(), reads.clone())
        };
        assert_eq!(see(0, 100, 5).0, []);
        let (conflicts, reads) = see(5, 105, 5);
        assert_eq!((conflicts, reads.iter().count()), (vec![], 1));
        assert_eq!(see(20, 7, 2).0, []);
        let (conflicts, reads) = see(3, 103, 10);
        assert_eq!(conflicts, []);
        assert_eq!([12, 13].map(|at| reads.value_at(Offset(at))), [Some(112), None]);
        assert_eq!(reads.unconfirmed(Offset(5), 105, 8), []);
        let unconfirmed = [(Offset(13), 9), (Offset(22), 3)];
        assert_eq!(reads.unconfirmed(Offset(5), 105, 20), unconfirmed);
        assert_eq!(reads.differing(Offset(0), 100, 30), Some((Offset(20), 7)));
        assert!(reads.confirm(Offset(2), 102, 11) && !reads.confirm(Offset(2), 102, 12));
        assert_eq!(see(20, 8, 1).0, [([7, 8], 1)]);
        assert_eq!(see(12, 112, 9).0, [([7, 120], 1)]);
    }
}
