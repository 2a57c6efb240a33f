//! The sticky partition of KIP-480: the same one until a new batch begins (`StickyPartitionCache`).

use super::among;

/// The partition that records stick to.
#[derive(Clone, Debug, Default)]
pub(crate) struct StickyPartitionCache {
    current: Option<u32>,
}

impl StickyPartitionCache {
    /// The current partition; the first is drawn.
    pub(crate) fn partition(
        &mut self,
        partitions: u32,
        available: &[u32],
        draw: impl FnMut() -> u32,
    ) -> u32 {
        match self.current {
            Some(current) => current,
            None => self.next(partitions, available, draw),
        }
    }

    /// A record would begin a new batch: another partition is drawn, if there is another.
    pub(crate) fn next(
        &mut self,
        partitions: u32,
        available: &[u32],
        mut draw: impl FnMut() -> u32,
    ) -> u32 {
        let mut next = among(available, partitions, draw());
        while Some(next) == self.current && available.len() > 1 {
            next = among(available, partitions, draw());
        }
        self.current = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kip_480_a_new_batch_goes_to_another_partition() {
        let mut numbers = [2, 2, 3].into_iter();
        let mut draw = || numbers.next().expect("three draws");
        let mut cache = StickyPartitionCache::default();
        assert_eq!(cache.partition(6, &[0, 1, 5, 4], &mut draw), 5);
        assert_eq!(cache.partition(6, &[0, 1, 5, 4], &mut draw), 5);
        // The second draw hits the same partition and is repeated.
        assert_eq!(cache.next(6, &[0, 1, 5, 4], &mut draw), 4);
    }
}
