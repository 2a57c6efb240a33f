//! Which parts of which files are in memory, so that a read costs nothing.
//!
//! Memory keeps the bytes that were written or read last, first in, first out. A file is marked every
//! mebibyte; a mark holds when its part last came into memory, counted in bytes that came in since.

use klab_machine::File;
use std::collections::BTreeMap;

/// A mark stands for so many bytes of a file.
const GRAIN: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct PageCache {
    /// How many bytes fit; none for no limit, and then nothing is marked.
    capacity: Option<u64>,
    came_in: u64,
    files: BTreeMap<File, Marks>,
}

#[derive(Clone, Debug, Default)]
struct Marks {
    size: u64,
    /// When each part came in, by [`PageCache::came_in`]; none for never.
    parts: Vec<Option<u64>>,
}

impl PageCache {
    pub(super) fn new(capacity: Option<u64>) -> Self {
        PageCache { capacity, came_in: 0, files: BTreeMap::new() }
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.capacity.is_none()
    }

    /// Bytes were appended to a file: they are in memory.
    pub(super) fn written(&mut self, file: File, bytes: u64) {
        if self.is_unlimited() {
            return;
        }
        self.came_in += bytes;
        let marks = self.files.entry(file).or_default();
        let first = marks.size / GRAIN;
        marks.size += bytes;
        marks.touch(first, marks.size.div_ceil(GRAIN), self.came_in);
    }

    /// Bytes of a file are read, and are in memory from now on. Tells how many were not before.
    pub(super) fn read(&mut self, file: File, position: u64, bytes: u64) -> u64 {
        let Some(capacity) = self.capacity else { return 0 };
        let (first, end) = (position / GRAIN, (position + bytes).div_ceil(GRAIN));
        let marks = self.files.entry(file).or_default();
        let is_cold = |part: u64| {
            let came_in = marks.parts.get(part as usize).copied().flatten();
            came_in.is_none_or(|at| self.came_in - at > capacity)
        };
        let cold = (first..end).filter(|part| is_cold(*part)).count() as u64 * GRAIN;
        let cold = cold.min(bytes);
        self.came_in += cold;
        marks.touch(first, end, self.came_in);
        cold
    }
}

impl Marks {
    fn touch(&mut self, first: u64, end: u64, at: u64) {
        if self.parts.len() < end as usize {
            self.parts.resize(end as usize, None);
        }
        self.parts[first as usize..end as usize].fill(Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_is_free_to_read_and_what_was_pushed_out_is_not() {
        let mut cache = PageCache::new(Some(2 * GRAIN));
        cache.written(File::QuorumState, GRAIN);
        assert_eq!(cache.read(File::QuorumState, 0, 1000), 0);
        cache.written(File::CleanShutdown, 3 * GRAIN);
        assert_eq!(cache.read(File::QuorumState, 0, 1000), 1000);
        assert_eq!(cache.read(File::QuorumState, 0, 1000), 0, "the read brought it in");
    }

    #[test]
    fn unlimited_memory_keeps_everything_and_no_marks() {
        let mut cache = PageCache::new(None);
        cache.written(File::QuorumState, 1 << 40);
        assert_eq!(cache.read(File::QuorumState, 0, 1 << 40), 0);
        assert!(cache.files.is_empty());
    }
}
