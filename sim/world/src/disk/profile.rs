//! What a disk is like.

use crate::pauses::Pauses;
use klab_wire::Span;

/// What a disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskProfile {
    /// How long an fsync takes beyond the transfer.
    pub fsync: Span,
    /// And up to so much longer, evenly: the platter has to turn.
    pub fsync_jitter: Span,
    /// How long a read of cold data waits for the head.
    pub seek: Span,
    /// Bytes per second; none for no limit.
    pub throughput: Option<u64>,
    /// After how long the system writes dirty pages back by itself (`dirty_expire_centisecs`).
    pub write_back: Span,
    /// How many bytes it holds; none for no limit.
    pub capacity: Option<u64>,
    /// How many log directories there are, each on a disk of its own. A partition's files are in one of them, all
    /// others in the first.
    pub directories: u16,
    /// From how many unwritten bytes on a disk writes back without a pause; 0 for not at all.
    pub dirty_background: u64,
    /// At how many unwritten bytes of a disk appends wait for it.
    pub dirty_limit: u64,
    /// Times in which a disk's journal holds up all appends.
    pub stalls: Pauses,
    /// How many bytes of memory keep what was written or read last; none for no limit.
    pub page_cache: Option<u64>,
}

impl Default for DiskProfile {
    /// Costs no time, never fills, forgets nothing while the power lasts.
    fn default() -> Self {
        DiskProfile {
            fsync: Span::ZERO,
            fsync_jitter: Span::ZERO,
            seek: Span::ZERO,
            throughput: None,
            write_back: Span::from_secs(30),
            capacity: None,
            directories: 1,
            dirty_background: 0,
            dirty_limit: 0,
            stalls: Pauses::default(),
            page_cache: None,
        }
    }
}

impl DiskProfile {
    /// How fast it writes dirty pages back by itself, if it does so all the time.
    pub(crate) fn speed_of_write_back(&self) -> Option<u64> {
        self.throughput.filter(|_| self.dirty_background > 0)
    }

    /// Nothing that is stored or read there keeps anybody waiting; an fsync may.
    pub(crate) fn is_free(&self) -> bool {
        self.page_cache.is_none() && self.dirty_background == 0 && self.stalls == Pauses::default()
    }
}

/// How long so many bytes take at a speed; none is no limit.
pub(crate) fn transfer_time(bytes: u64, per_second: Option<u64>) -> Span {
    let nanos = |speed| u128::from(bytes) * 1_000_000_000 / u128::from(speed);
    Span(per_second.map_or(0, |speed| nanos(speed) as u64))
}
