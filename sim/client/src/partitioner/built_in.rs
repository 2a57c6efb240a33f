//! The uniform sticky partitioner of KIP-794 (`BuiltInPartitioner`).
//!
//! Records without a key go to one partition until `batch.size` bytes went there, then to another one.
//! Which one is drawn: evenly, or, if the queues of the partitions differ, the shorter queues more often,
//! so that a slow broker gets less.

use super::among;

/// The sticky partition of one topic.
#[derive(Clone, Debug)]
pub(crate) struct BuiltInPartitioner {
    sticky_batch_size: u32,
    current: Option<Sticky>,
}

#[derive(Clone, Copy, Debug)]
struct Sticky {
    partition: u32,
    produced_bytes: u32,
}

/// How long the queues of a topic's partitions are, as a table to draw from: the shorter the queue, the
/// more likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionLoadStats {
    /// Each entry adds its partition's weight to the one before.
    cumulative_frequencies: Vec<u32>,
    partitions: Vec<u32>,
}

impl BuiltInPartitioner {
    /// A partitioner that stays for so many bytes.
    pub(crate) fn new(sticky_batch_size: u32) -> Self {
        BuiltInPartitioner { sticky_batch_size: sticky_batch_size.max(1), current: None }
    }

    /// The partition to stick to, if one is drawn.
    pub(crate) fn current(&self) -> Option<u32> {
        self.current.map(|sticky| sticky.partition)
    }

    /// Sticks to another partition from now on.
    pub(crate) fn switch_to(&mut self, partition: u32) {
        self.current = Some(Sticky { partition, produced_bytes: 0 });
    }

    /// Counts what went to the current partition; true if it is time for another one.
    ///
    /// While the last batch has room the switch waits, so that no fraction of a batch is left behind,
    /// but never beyond twice the size.
    pub(crate) fn count(&mut self, appended_bytes: u32, batches_are_full: bool) -> bool {
        let Some(sticky) = &mut self.current else { return false };
        sticky.produced_bytes = sticky.produced_bytes.saturating_add(appended_bytes);
        must_switch(sticky.produced_bytes, self.sticky_batch_size, batches_are_full)
    }

    /// The next partition for a drawn number.
    pub(crate) fn next(
        random: u32,
        partitions: u32,
        available: &[u32],
        load: Option<&PartitionLoadStats>,
    ) -> u32 {
        match load {
            Some(load) => load.pick(random),
            None => among(available, partitions, random),
        }
    }
}

fn must_switch(produced: u32, sticky_batch_size: u32, batches_are_full: bool) -> bool {
    produced >= sticky_batch_size && batches_are_full
        || produced >= sticky_batch_size.saturating_mul(2)
}

impl PartitionLoadStats {
    /// The table for these partitions and queue lengths; none if there is nothing to tell them apart.
    ///
    /// `all` counts the topic's partitions, those included that have been left out as unavailable.
    pub(crate) fn of(queues: &[(u32, u32)], all: u32) -> Option<Self> {
        if queues.is_empty() || all < 2 {
            return None;
        }
        let longest = queues.iter().map(|(_, length)| *length).max().unwrap_or(0);
        let are_equal = queues.iter().all(|(_, length)| *length == longest);
        if are_equal && queues.len() as u32 == all {
            return None;
        }
        let cumulative_frequencies = queues
            .iter()
            .scan(0, |sum, (_, length)| {
                *sum += longest + 1 - length;
                Some(*sum)
            })
            .collect();
        let partitions = queues.iter().map(|(partition, _)| *partition).collect();
        Some(PartitionLoadStats { cumulative_frequencies, partitions })
    }

    fn pick(&self, random: u32) -> u32 {
        let end = *self.cumulative_frequencies.last().expect("a table has an entry");
        let weighted = random % end;
        let index = self.cumulative_frequencies.partition_point(|sum| *sum <= weighted);
        self.partitions[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kip_794_the_partition_is_left_after_batch_size_bytes() {
        let cases = [
            (15_999, true, false),
            (16_000, true, true),
            (16_000, false, false),
            (31_999, false, false),
            (32_000, false, true),
        ];
        for (produced, full, switch) in cases {
            assert_eq!(must_switch(produced, 16_000, full), switch, "{produced} {full}");
        }
    }

    #[test]
    fn bytes_are_counted_from_the_switch() {
        let mut partitioner = BuiltInPartitioner::new(100);
        assert!(!partitioner.count(500, true), "nothing is stuck to yet");
        partitioner.switch_to(3);
        assert!(!partitioner.count(60, true));
        assert!(partitioner.count(60, true));
        partitioner.switch_to(4);
        assert!(!partitioner.count(60, true));
        assert_eq!(partitioner.current(), Some(4));
    }

    #[test]
    fn kip_794_shorter_queues_are_drawn_more_often() {
        // The example in BuiltInPartitioner.updatePartitionLoadStats: queues 0, 3, 1.
        let load = PartitionLoadStats::of(&[(0, 0), (1, 3), (2, 1)], 3).unwrap();
        assert_eq!(load.cumulative_frequencies, [4, 5, 8]);
        let picked: Vec<u32> = (0..9).map(|random| load.pick(random)).collect();
        assert_eq!(picked, [0, 0, 0, 0, 1, 2, 2, 2, 0]);
    }

    #[test]
    fn equal_queues_need_no_table_unless_partitions_are_left_out() {
        assert_eq!(PartitionLoadStats::of(&[(0, 2), (1, 2)], 2), None);
        assert_eq!(PartitionLoadStats::of(&[(0, 2)], 1), None);
        assert_eq!(PartitionLoadStats::of(&[], 3), None);
        let left_out = PartitionLoadStats::of(&[(0, 2), (2, 2)], 3).unwrap();
        assert_eq!((left_out.pick(0), left_out.pick(1)), (0, 2));
    }

    #[test]
    fn without_a_table_available_partitions_are_drawn_evenly() {
        assert_eq!(BuiltInPartitioner::next(7, 6, &[1, 4], None), 4);
        assert_eq!(BuiltInPartitioner::next(7, 6, &[], None), 1);
    }
}
