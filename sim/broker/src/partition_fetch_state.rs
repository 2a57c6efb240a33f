//! Where a follower stands with one partition, and what its fetcher says of it (`PartitionFetchState`).

use crate::slots::Slot;
use crate::truncation::claimed_epoch;
use klab_wire::config::switches::Truncation;
use klab_wire::{FetchPartition, LeaderEpoch, Offset, Time, TopicIdPartition};

/// Where a follower stands with one partition (`PartitionFetchState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFetchState {
    /// Where to fetch from: the end of the log.
    pub fetch_offset: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of the last record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Where the log starts.
    pub log_start_offset: Offset,
    /// Where the replica is among the broker's.
    pub replica: Slot,
    /// How far the leader is ahead, once known.
    pub lag: Option<u64>,
    /// Subject to the follower's replication quota.
    pub is_throttled: bool,
    /// It is left alone until then.
    pub(crate) delayed_until: Option<Time>,
    /// It waits for the leader's word on where its log starts and ends.
    pub(crate) is_resetting: bool,
    /// Its log must be cut before it is fetched (`Truncating`, before KIP-595).
    pub(crate) is_truncating: bool,
    /// What the session has of it.
    pub(crate) in_session: Option<Told>,
    /// It stands in its fetcher's list of what to tell the session.
    pub(crate) is_changed: bool,
}

/// What a leader's session was told of a partition (`FetchRequest.PartitionData`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    fetch_offset: Offset,
    leader_epoch: LeaderEpoch,
    last_fetched_epoch: Option<LeaderEpoch>,
    log_start_offset: Offset,
}

impl PartitionFetchState {
    /// A partition about to be fetched.
    pub fn new(
        fetch_offset: Offset,
        leader_epoch: LeaderEpoch,
        last_fetched_epoch: Option<LeaderEpoch>,
        log_start_offset: Offset,
        is_throttled: bool,
    ) -> Self {
        PartitionFetchState {
            fetch_offset,
            leader_epoch,
            last_fetched_epoch,
            log_start_offset,
            replica: Slot::default(),
            lag: None,
            is_throttled,
            delayed_until: None,
            is_resetting: false,
            is_truncating: false,
            in_session: None,
            is_changed: false,
        }
    }

    /// The partition goes on from here; says whether that is elsewhere than before.
    pub(crate) fn advance(&mut self, to: Offset, epoch: Option<LeaderEpoch>, lag: u64) -> bool {
        let moves = self.fetch_offset != to || self.last_fetched_epoch != epoch;
        self.fetch_offset = to;
        self.last_fetched_epoch = epoch;
        self.lag = Some(lag);
        self.is_resetting = false;
        moves
    }

    /// The last question was for what it would ask for now.
    pub(crate) fn was_asked_from_here(&self) -> bool {
        self.in_session.is_some_and(|told| {
            (told.fetch_offset, told.leader_epoch) == (self.fetch_offset, self.leader_epoch)
        })
    }

    fn to_tell(&self) -> Told {
        Told {
            fetch_offset: self.fetch_offset,
            leader_epoch: self.leader_epoch,
            last_fetched_epoch: self.last_fetched_epoch,
            log_start_offset: self.log_start_offset,
        }
    }

    /// The leader is not ahead.
    fn is_in_sync(&self) -> bool {
        self.lag == Some(0)
    }
}

/// A partition can be fetched now. Only who is behind is held back by a quota, or it would fall out of
/// the ISR (KIP-73).
pub(crate) fn is_ready(state: &PartitionFetchState, holds_back: bool) -> bool {
    let is_held_back = holds_back && state.is_throttled && !state.is_in_sync();
    let is_busy = state.is_resetting || state.is_truncating;
    state.delayed_until.is_none() && !is_busy && !is_held_back
}

/// The session has something else of it (`FetchSessionHandler.Builder.build`). The epoch of the last
/// record counts: after a cut that only took an epoch without records nothing else is new, and a leader
/// that is not told sees the same divergence for ever.
pub(crate) fn is_news(state: &PartitionFetchState) -> bool {
    state.in_session != Some(state.to_tell())
}

pub(crate) fn ask(
    id: TopicIdPartition,
    state: &mut PartitionFetchState,
    max_bytes: u32,
    rule: Truncation,
) -> FetchPartition {
    state.in_session = Some(state.to_tell());
    FetchPartition {
        partition: id,
        current_leader_epoch: claimed_epoch(rule, state.leader_epoch),
        fetch_offset: state.fetch_offset,
        last_fetched_epoch: state.last_fetched_epoch.filter(|_| rule == Truncation::Kip320),
        log_start_offset: Some(state.log_start_offset),
        high_watermark: None,
        max_bytes,
    }
}
