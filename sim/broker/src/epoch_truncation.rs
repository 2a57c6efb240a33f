//! Cutting a log before the first fetch of an epoch, as followers did before fetches carried epochs
//! (`AbstractFetcherThread.maybeTruncate`, KIP-101, KIP-279).
//!
//! A partition that begins to follow waits, and its fetcher asks the leader where the partition's last
//! epoch ends (OffsetForLeaderEpoch), for all waiting partitions in one request. Since 2.7 the question
//! rides on the fetch (KIP-595), and nothing here is used.
//!
//! Fact: `DivergenceResolved`.

use crate::Broker;
use crate::fetcher::{FetcherId, FetcherRequest};
use crate::truncation::truncation_of;
use klab_machine::Outbox;
use klab_machine::fact::ReplicationFact;
use klab_wire::{
    EndOffsetForEpoch, EpochEndOffset, ErrorCode, Now, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderPartition, TopicIdPartition,
};

impl Broker {
    /// Asks where the epochs of these partitions end (`fetchEpochEndOffsets`).
    pub(crate) fn ask_epoch_ends(
        &mut self,
        id: FetcherId,
        truncating: &[TopicIdPartition],
        now: Now,
        out: &mut Outbox,
    ) {
        let asked = truncating.iter().filter_map(|id| {
            let log = &self.replicas.get(*id)?.log;
            Some(OffsetForLeaderPartition {
                partition: log.name().clone(),
                current_leader_epoch: None,
                leader_epoch: log.latest_epoch()?,
            })
        });
        let request = OffsetForLeaderEpochRequest {
            replica: Some(self.identity.node),
            partitions: asked.collect(),
        };
        self.ask_leader(id, request.into(), FetcherRequest::EpochEndOffsets, now, out);
    }

    /// The leader said where they end.
    pub(crate) fn epoch_ends_answered(
        &mut self,
        id: FetcherId,
        response: &OffsetForLeaderEpochResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        for answer in &response.partitions {
            let Some(partition) = self.metadata.image().topics.identified(&answer.partition) else {
                continue;
            };
            let Some(fetcher) = self.fetchers.get_mut(id) else { return };
            match answer.error {
                _ if !fetcher.is_truncating(partition) => {}
                ErrorCode::None => self.truncate_before_fetching(id, partition, answer, now, out),
                _ => fetcher.delay(partition, now.time),
            }
        }
    }

    /// Cuts the log, and fetches from there, or asks again (`truncateToEpochEndOffsets`).
    fn truncate_before_fetching(
        &mut self,
        id: FetcherId,
        partition: TopicIdPartition,
        answer: &EndOffsetForEpoch,
        now: Now,
        out: &mut Outbox,
    ) {
        let Some(replica) = self.replicas.get_mut(partition) else { return };
        let log = &mut replica.log;
        let leader = answer.leader_epoch.zip(answer.end_offset);
        let leader = leader.map(|(epoch, end_offset)| EpochEndOffset { epoch, end_offset });
        let local = leader.and_then(|leader| log.end_offset_for_epoch(leader.epoch));
        let cut = truncation_of(
            self.switches.truncation,
            leader,
            local,
            log.log_end(),
            log.high_watermark(),
        );
        let before = log.recovery_point();
        if cut.offset < log.log_end() {
            log.truncate_to(cut.offset, now, out);
            out.state(ReplicationFact::DivergenceResolved {
                partition: log.name().clone(),
                leader: id.source,
                epoch: leader.map(|leader| leader.epoch).unwrap_or_default(),
                to: cut.offset,
            });
        }
        let is_complete = cut.truncation_completed || log.latest_epoch().is_none();
        self.log_cut(partition, before, out);
        self.restart_at_end(id, partition);
        if let Some(fetcher) = self.fetchers.get_mut(id).filter(|_| is_complete) {
            fetcher.truncated(partition);
        }
    }
}
