//! When the leader does not have the offset that a follower fetches from
//! (`AbstractFetcherThread.fetchOffsetAndTruncate`).
//!
//! Either the leader's log ends before the follower's, after an unclean election: the follower's is cut.
//! Or it starts after the follower's end: the follower begins afresh there. The follower asks for the end
//! first, then for the start, and fetches nothing meanwhile.

use crate::Broker;
use crate::fetcher::{FetcherId, FetcherRequest};
use crate::truncation::claimed_epoch;
use klab_machine::Outbox;
use klab_wire::{
    ErrorCode, IsolationLevel, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, Now,
    Offset, OffsetSpec, TopicIdPartition,
};

impl Broker {
    /// The leader does not have the offset: asks where its log ends, and then where it starts
    /// (`fetchOffsetAndTruncate`).
    pub(crate) fn out_of_range(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        now: Now,
        out: &mut Outbox,
    ) {
        if let Some(fetcher) = self.fetchers.get_mut(id) {
            fetcher.begin_reset(partition);
        }
        let purpose = FetcherRequest::LatestOffset(partition);
        self.ask_offset(id, partition, OffsetSpec::Latest, purpose, now, out);
    }

    fn ask_offset(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        spec: OffsetSpec,
        purpose: FetcherRequest,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(replica) = self.replicas.get(partition) else { return };
        let asked = ListOffsetsPartition {
            partition: replica.name().clone(),
            current_leader_epoch: claimed_epoch(self.switches.truncation, replica.leader_epoch()),
            spec,
        };
        let request = ListOffsetsRequest {
            replica: Some(self.identity.node),
            isolation: IsolationLevel::ReadUncommitted,
            partitions: vec![asked],
        };
        self.ask_leader(id, request.into(), purpose, now, out);
    }

    /// A leader that ends before this log, after an unclean election: cuts the log to the leader's end.
    /// Else the log lies before the leader's start.
    pub(crate) fn latest_offset_answered(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        response: &ListOffsetsResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(leader_end) = self.listed_offset(id, partition, response, now) else { return };
        let Some(replica) = self.replicas.get_mut(partition) else { return };
        if leader_end < replica.log.log_end() {
            let before = replica.log.recovery_point();
            replica.log.truncate_to(leader_end, now, out);
            self.log_cut(partition, before, out);
            return self.restart_at_end(id, partition);
        }
        let purpose = FetcherRequest::EarliestOffset(partition);
        self.ask_offset(id, partition, OffsetSpec::Earliest, purpose, now, out);
    }

    pub(crate) fn earliest_offset_answered(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        response: &ListOffsetsResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(leader_start) = self.listed_offset(id, partition, response, now) else { return };
        let Some(replica) = self.replicas.get_mut(partition) else { return };
        if leader_start > replica.log.log_end() {
            let before = replica.log.recovery_point();
            replica.log.truncate_fully_and_start_at(leader_start, now, out);
            self.log_cut(partition, before, out);
        }
        self.restart_at_end(id, partition);
    }

    /// The offset that the leader told, if it did and the question still stands.
    fn listed_offset(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        response: &ListOffsetsResponse,
        now: Now,
    ) -> Option<Offset> {
        let fetcher =
            self.fetchers.get_mut(id).filter(|fetcher| fetcher.is_resetting(partition))?;
        let listed = response.partitions.first()?;
        match listed.error {
            ErrorCode::None => listed.offset,
            ErrorCode::FencedLeaderEpoch => {
                self.stop_fetching(partition);
                None
            }
            _ => {
                fetcher.delay(partition, now.time);
                None
            }
        }
    }
}
