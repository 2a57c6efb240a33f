//! A log's segments by their base offsets (`LogSegments`); the last one is active: it takes the appends.

use crate::segment::Segment;
use klab_wire::Offset;

/// One segment at least. The active one stands apart, so that a log with one segment, as most have,
/// allocates nothing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    older: Vec<Segment>,
    active: Segment,
}

impl Segments {
    /// One empty segment.
    pub fn starting_at(base: Offset) -> Self {
        Segments { older: Vec::new(), active: Segment::new(base) }
    }

    /// Segments as they were found, oldest first.
    pub fn of(mut segments: Vec<Segment>) -> Option<Self> {
        let active = segments.pop()?;
        Some(Segments { older: segments, active })
    }

    pub fn active(&self) -> &Segment {
        &self.active
    }

    pub fn active_mut(&mut self) -> &mut Segment {
        &mut self.active
    }

    pub fn first(&self) -> &Segment {
        self.older.first().unwrap_or(&self.active)
    }

    pub fn len(&self) -> u32 {
        self.older.len() as u32 + 1
    }

    pub fn at(&self, place: u32) -> &Segment {
        self.older.get(place as usize).unwrap_or(&self.active)
    }

    /// Where the next segment begins; none of the active one.
    pub fn end_of(&self, place: u32) -> Option<Offset> {
        (place + 1 < self.len()).then(|| self.at(place + 1).base)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Segment> + '_ {
        self.older.iter().chain(std::iter::once(&self.active))
    }

    /// The place of the segment that holds `offset`, or would (`floorSegment`); none below the first.
    pub fn floor(&self, offset: Offset) -> Option<u32> {
        if offset >= self.active.base {
            return Some(self.older.len() as u32);
        }
        let later = self.older.partition_point(|segment| segment.base <= offset);
        later.checked_sub(1).map(|place| place as u32)
    }

    /// The segments from the one that holds `offset` on.
    pub fn from(&self, offset: Offset) -> impl Iterator<Item = &Segment> + '_ {
        self.iter().skip(self.floor(offset).unwrap_or(0) as usize)
    }

    pub fn size_in_bytes(&self) -> u64 {
        self.iter().map(|segment| segment.size).sum()
    }

    /// Begins a new active segment.
    pub fn push(&mut self, base: Offset) {
        let sealed = std::mem::replace(&mut self.active, Segment::new(base));
        self.older.push(sealed);
    }

    /// Removes the oldest `count` segments; the active one stays.
    pub fn remove_oldest(&mut self, count: u32) -> Vec<Segment> {
        self.older.drain(..count as usize).collect()
    }

    /// Removes the segments whose base is above `offset`; the one below becomes active.
    pub fn remove_above(&mut self, offset: Offset) -> Vec<Segment> {
        let mut removed = Vec::new();
        while self.active.base > offset {
            let Some(below) = self.older.pop() else { break };
            removed.push(std::mem::replace(&mut self.active, below));
        }
        removed
    }
}
