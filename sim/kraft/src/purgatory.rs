//! Fetches that wait at the leader until there is something to answer (`ThresholdPurgatory`).

use klab_machine::{ConnectionId, CorrelationId, Outbox};
use klab_wire::{FetchPartition, FetchResponse, FetchingReplica, Offset, Response, Time};
use std::collections::BTreeMap;

/// Where a request came in, and what its answer must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) connection: ConnectionId,
    pub(crate) correlation: CorrelationId,
}

impl Caller {
    /// Answers the request.
    pub(crate) fn answer(self, response: Response, out: &mut Outbox) {
        out.respond(self.connection, self.correlation, response);
    }
}

/// A fetch that waits.
#[derive(Clone, Debug)]
pub(crate) struct ParkedFetch {
    pub(crate) caller: Caller,
    pub(crate) replica: Option<FetchingReplica>,
    pub(crate) partition: FetchPartition,
    /// What it is answered when it has waited long enough: what could be said when it came.
    pub(crate) answer: FetchResponse,
    /// When that is.
    pub(crate) deadline: Time,
}

/// Every fetch that waits, oldest first. There is at most one per connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchPurgatory {
    parked: BTreeMap<u64, ParkedFetch>,
    next: u64,
}

impl FetchPurgatory {
    /// Lets a fetch wait, and names it.
    pub(crate) fn park(&mut self, fetch: ParkedFetch) -> u64 {
        let id = self.next;
        self.next += 1;
        self.parked.insert(id, fetch);
        id
    }

    /// Takes out a fetch that has waited long enough.
    pub(crate) fn expire(&mut self, id: u64) -> Option<ParkedFetch> {
        self.parked.remove(&id)
    }

    /// When a fetch will have waited long enough.
    pub(crate) fn deadline(&self, id: u64) -> Option<Time> {
        self.parked.get(&id).map(|fetch| fetch.deadline)
    }

    /// Takes out, oldest first, every fetch that now has something to be answered.
    pub(crate) fn complete(
        &mut self,
        log_end: Offset,
        high_watermark: Option<Offset>,
    ) -> Vec<(u64, ParkedFetch)> {
        let ready = |_: &u64, fetch: &mut ParkedFetch| {
            is_worth_an_answer(&fetch.partition, log_end, high_watermark)
        };
        self.parked.extract_if(.., ready).collect()
    }

    /// Takes out every fetch: this replica does not lead any more.
    pub(crate) fn complete_all(&mut self) -> BTreeMap<u64, ParkedFetch> {
        std::mem::take(&mut self.parked)
    }

    /// A fetch of this connection waits.
    pub(crate) fn has(&self, connection: ConnectionId) -> bool {
        self.parked.values().any(|fetch| fetch.caller.connection == connection)
    }

    /// The connection is gone, and nobody waits for the answer.
    pub(crate) fn forget(&mut self, connection: ConnectionId) -> Option<u64> {
        let of = |(_, fetch): &(&u64, &ParkedFetch)| fetch.caller.connection == connection;
        let id = self.parked.iter().find(of).map(|(id, _)| *id)?;
        self.parked.remove(&id);
        Some(id)
    }
}

/// There are records that the fetch has not seen, or (if it says what it knows, KIP-1166) a higher
/// high watermark.
pub(crate) fn is_worth_an_answer(
    fetch: &FetchPartition,
    log_end: Offset,
    high_watermark: Option<Offset>,
) -> bool {
    let has_news = match (fetch.high_watermark, high_watermark) {
        (Some(known), Some(high_watermark)) => high_watermark > known,
        _ => false,
    };
    log_end > fetch.fetch_offset || has_news
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{LeaderEpoch, TopicIdPartition};

    #[test]
    fn kip_1166_a_fetch_that_says_what_it_knows_is_answered_with_a_higher_high_watermark() {
        // The fetch offset is 8. Known high watermark, log end, the leader's high watermark, worth it.
        for (known, log_end, high_watermark, expected) in [
            (None, 8, Some(8), false),
            (None, 9, None, true),
            (Some(5), 8, Some(5), false),
            (Some(5), 8, Some(6), true),
            (Some(0), 8, None, false),
            (Some(0), 8, Some(1), true),
        ] {
            let fetch = FetchPartition {
                partition: TopicIdPartition::CLUSTER_METADATA,
                current_leader_epoch: Some(LeaderEpoch(1)),
                fetch_offset: Offset(8),
                last_fetched_epoch: Some(LeaderEpoch(1)),
                log_start_offset: None,
                high_watermark: known.map(Offset),
                max_bytes: 1,
            };
            let found = is_worth_an_answer(&fetch, Offset(log_end), high_watermark.map(Offset));
            assert_eq!(found, expected, "{known:?} {log_end} {high_watermark:?}");
        }
    }
}
