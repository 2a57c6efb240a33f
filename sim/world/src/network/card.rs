//! A host's network card: what leaves and what comes in waits in line, each in its own direction.

use crate::disk::transfer_time;
use crate::usage::{Resource, ResourceKind};
use klab_wire::{Span, Time};

/// A full-duplex card.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// Bytes per second in each direction; none for no limit.
    bandwidth: Option<u64>,
    leaving: Lane,
    arriving: Lane,
}

/// One direction: busy until some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    free_at: Time,
    busy: Span,
    bytes: u64,
}

impl Card {
    pub(super) fn new(bandwidth: Option<u64>) -> Self {
        Card { bandwidth, leaving: Lane::default(), arriving: Lane::default() }
    }

    /// What has passed so far, outwards and inwards.
    pub(super) fn usage(&self, now: Time) -> [Resource; 2] {
        let out = self.leaving.usage(ResourceKind::CardOut, now);
        [out, self.arriving.usage(ResourceKind::CardIn, now)]
    }

    /// When a message that is handed over now has left.
    pub(super) fn leave(&mut self, now: Time, bytes: u32) -> Time {
        self.leaving.pass(now, bytes, self.bandwidth)
    }

    /// When a message whose first byte comes in now is complete.
    pub(super) fn arrive(&mut self, now: Time, bytes: u32) -> Time {
        self.arriving.pass(now, bytes, self.bandwidth)
    }
}

impl Lane {
    /// When `bytes` that come now have passed, behind everything that came before.
    pub(super) fn pass(&mut self, now: Time, bytes: u32, bandwidth: Option<u64>) -> Time {
        if bandwidth.is_none() {
            return now;
        }
        let time: Span = transfer_time(u64::from(bytes), bandwidth);
        self.free_at = self.free_at.max(now) + time;
        self.busy += time;
        self.bytes += u64::from(bytes);
        self.free_at
    }

    fn usage(&self, kind: ResourceKind, now: Time) -> Resource {
        let waiting = self.free_at.since(now).0;
        Resource { kind, capacity: 1, busy: self.busy, bytes: self.bytes, waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_in_line_and_the_directions_do_not_wait_for_each_other() {
        let mut card = Card::new(Some(1_000_000_000));
        assert_eq!(card.leave(Time(0), 1_000), Time(1_000));
        assert_eq!(card.leave(Time(0), 1_000), Time(2_000));
        assert_eq!(card.arrive(Time(0), 500), Time(500));
        assert_eq!(card.leave(Time(9_000), 1_000), Time(10_000));
    }
}
