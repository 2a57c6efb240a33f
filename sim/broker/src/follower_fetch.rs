//! A follower's fetch, as its leader takes note of it: the offset it fetches from is the end of its log
//! (`Partition.updateFollowerFetchState`).
//!
//! Fact: `FollowerFetched`.

use crate::partition::{Local, Partition};
use crate::purgatory::Purgatory;
use crate::replica::FetchRegistration;
use klab_machine::Outbox;
use klab_machine::fact::ReplicationFact;
use klab_wire::{
    AlterPartitionData, BrokerEpoch, ErrorCode, FetchPartition, FetchingReplica, NodeId, Offset,
};

/// A follower's fetch of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerFetch {
    /// The follower.
    pub follower: NodeId,
    /// Its registration.
    pub epoch: Option<BrokerEpoch>,
    /// Where it fetches from.
    pub offset: Offset,
    /// Where its log starts.
    pub log_start_offset: Option<Offset>,
}

impl FollowerFetch {
    /// What a fetch says of one partition.
    pub fn of(replica: FetchingReplica, fetch: &FetchPartition) -> Self {
        FollowerFetch {
            follower: replica.id,
            epoch: replica.epoch,
            offset: fetch.fetch_offset,
            log_start_offset: fetch.log_start_offset,
        }
    }
}

/// Takes note of a follower's fetch, and of what it brings about: it may join the ISR, which is asked
/// for, more may be committed, records may be gone everywhere (`updateFollowerFetchState`).
pub(crate) fn note_fetch(
    purgatory: &mut Purgatory,
    partition: &mut Partition,
    fetch: FollowerFetch,
    local: &Local<'_>,
    out: &mut Outbox,
) -> Result<Option<AlterPartitionData>, ErrorCode> {
    let moved = partition.note_follower_fetch(fetch, local, out)?;
    let change = partition.maybe_expand_isr(fetch.follower, local, out);
    if moved && partition.maybe_advance_high_watermark(local, out) {
        purgatory.high_watermark_moved(partition, out);
    }
    if partition.leader().is_some_and(|leader| !leader.awaiting_low_watermark.is_empty()) {
        purgatory.low_watermark_moved(partition, local.cluster, out);
    }
    Ok(change)
}

impl Partition {
    /// Takes note of a follower's fetch (`updateFetchStateOrThrow`). Says whether its log end moved.
    ///
    /// A fetch of an earlier life of the broker, as far as this broker's metadata tells, is refused.
    pub fn note_follower_fetch(
        &mut self,
        fetch: FollowerFetch,
        local: &Local<'_>,
        out: &mut Outbox,
    ) -> Result<bool, ErrorCode> {
        let known = local.cluster.broker(fetch.follower).filter(|broker| !broker.fenced);
        let is_stale = known.zip(fetch.epoch).is_some_and(|(known, epoch)| known.epoch() > epoch);
        if is_stale {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let leader_end = self.visible_end();
        let replica = self.replica_mut(fetch.follower).ok_or(ErrorCode::UnknownLeaderEpoch)?;
        let moved = replica.log_end_offset != Some(fetch.offset);
        let registration = FetchRegistration::of_fetch(fetch.epoch);
        replica.note_fetch(
            fetch.offset,
            fetch.log_start_offset,
            local.now,
            leader_end,
            registration,
        );
        if moved {
            out.state(ReplicationFact::FollowerFetched {
                partition: self.name().clone(),
                follower: fetch.follower,
                end: fetch.offset,
            });
        }
        Ok(moved)
    }
}
