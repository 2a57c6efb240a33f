//! Finds positions, and checks them against new leaders (`OffsetFetcher`, `OffsetFetcherUtils`,
//! `OffsetsForLeaderEpochUtils`).

use crate::consumer::ConsumerPurpose;
use crate::fetcher::{Surroundings, reset_to};
use crate::subscription::{FetchPosition, Validation};
use klab_machine::fact::ClientFact;
use klab_wire::config::{AutoOffsetReset, ConsumerConfig};
use klab_wire::{
    EndOffsetForEpoch, ErrorCode, IsolationLevel, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsResponse, ListedOffset, NodeId, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetSpec, Span, Time,
};
use std::collections::BTreeMap;

/// A consumer's questions about offsets.
#[derive(Clone, Debug)]
pub(crate) struct OffsetFetcher {
    policy: AutoOffsetReset,
    isolation: IsolationLevel,
    request_timeout: Span,
    retry_backoff: Span,
    metadata_version: u32,
    /// What the next poll fails with (`cachedValidatePositionsException` and its like).
    pending_error: Option<ErrorCode>,
}

/// Partitions by their place in the assignment, with what was asked of each.
pub(crate) type Asked<T> = Vec<(u32, T)>;

impl OffsetFetcher {
    pub(crate) fn new(config: &ConsumerConfig) -> Self {
        OffsetFetcher {
            policy: config.auto_offset_reset,
            isolation: config.isolation_level,
            request_timeout: config.common.request_timeout_ms,
            retry_backoff: config.common.retry_backoff_ms,
            metadata_version: 0,
            pending_error: None,
        }
    }

    /// Does what is needed for every partition to have a valid position (`updateFetchPositions`); an error
    /// is for the application.
    pub(crate) fn update_positions(
        &mut self,
        with: &mut Surroundings<'_>,
    ) -> Result<(), ErrorCode> {
        let version = with.network.metadata.update_version();
        if std::mem::replace(&mut self.metadata_version, version) != version {
            let metadata = &with.network.metadata;
            with.subscriptions.validate_all(|partition| metadata.current_leader(partition));
        }
        if let Some(error) = self.pending_error.take() {
            return Err(error);
        }
        if with.subscriptions.are_settled() {
            return Ok(());
        }
        let unsettled = with.subscriptions.unsettled();
        self.reset_initializing(&unsettled, with)?;
        self.send_resets(&unsettled, with);
        self.send_validations(&unsettled, with);
        Ok(())
    }

    /// Partitions without any position follow `auto.offset.reset` (`resetInitializingPositions`).
    fn reset_initializing(
        &self,
        unsettled: &[u32],
        with: &mut Surroundings<'_>,
    ) -> Result<(), ErrorCode> {
        let is_initializing = |index: &u32| {
            with.subscriptions.get(*index).fetch_state() == crate::FetchState::Initializing
        };
        let initializing: Vec<u32> = unsettled.iter().copied().filter(is_initializing).collect();
        if initializing.is_empty() {
            return Ok(());
        }
        // NoOffsetForPartitionException has no code of its own; it is a kind of invalid offset.
        let spec = reset_to(self.policy, with.now).ok_or(ErrorCode::OffsetOutOfRange)?;
        for index in initializing {
            with.subscriptions.change(index, |s| s.request_reset(spec));
        }
        Ok(())
    }

    fn send_resets(&self, unsettled: &[u32], with: &mut Surroundings<'_>) {
        let mut by_node: BTreeMap<NodeId, Asked<OffsetSpec>> = BTreeMap::new();
        for index in unsettled {
            let Some(spec) = with.subscriptions.get(*index).reset_due(with.now) else { continue };
            if let Some(leader) = self.reachable_leader(*index, with) {
                by_node.entry(leader).or_default().push((*index, spec));
            }
        }
        for (node, asked) in by_node {
            let partitions = asked.iter().map(|(index, spec)| {
                let partition = with.subscriptions.get(*index).partition.clone();
                let current_leader_epoch = with.network.metadata.current_leader(&partition).epoch;
                ListOffsetsPartition { partition, current_leader_epoch, spec: *spec }
            });
            let (replica, isolation) = (None, self.isolation);
            let request =
                ListOffsetsRequest { replica, isolation, partitions: partitions.collect() };
            self.hold_back(asked.iter().map(|(index, _)| *index), self.request_timeout, with);
            let purpose = ConsumerPurpose::ListOffsets(asked, with.now.time);
            with.network.send(node, request, purpose, with.now, with.out);
        }
    }

    fn send_validations(&self, unsettled: &[u32], with: &mut Surroundings<'_>) {
        let mut by_node: BTreeMap<NodeId, Asked<FetchPosition>> = BTreeMap::new();
        for index in unsettled {
            let subscription = with.subscriptions.get(*index);
            let Some(position) = subscription.validation_due(with.now) else { continue };
            if let Some(leader) = self.reachable_leader(*index, with) {
                by_node.entry(leader).or_default().push((*index, position));
            }
        }
        for (node, asked) in by_node {
            let question = |(index, position): &(u32, FetchPosition)| {
                Some(OffsetForLeaderPartition {
                    partition: with.subscriptions.get(*index).partition.clone(),
                    current_leader_epoch: position.current_leader.epoch,
                    leader_epoch: position.offset_epoch?,
                })
            };
            let partitions = asked.iter().filter_map(question).collect();
            let request = OffsetForLeaderEpochRequest { replica: None, partitions };
            self.hold_back(asked.iter().map(|(index, _)| *index), self.request_timeout, with);
            let purpose = ConsumerPurpose::OffsetForLeaderEpoch(asked);
            with.network.send(node, request, purpose, with.now, with.out);
        }
    }

    /// The leader of a partition, if it is known and connecting to it need not wait.
    fn reachable_leader(&self, index: u32, with: &mut Surroundings<'_>) -> Option<NodeId> {
        let partition = &with.subscriptions.get(index).partition;
        let Some(leader) = with.network.metadata.current_leader(partition).leader else {
            with.network.metadata.request_update();
            return None;
        };
        if with.network.is_backing_off(leader, with.now) {
            with.network.connect(leader, with.now, with.out);
            return None;
        }
        Some(leader)
    }

    fn hold_back(
        &self,
        indexes: impl Iterator<Item = u32>,
        span: Span,
        with: &mut Surroundings<'_>,
    ) {
        for index in indexes {
            let until = with.now.time + span;
            with.subscriptions.change(index, |s| s.next_retry = until);
        }
    }

    /// A question was not answered, or in vain: it is asked again, with fresh metadata.
    pub(crate) fn retry_later(
        &self,
        indexes: impl Iterator<Item = u32>,
        with: &mut Surroundings<'_>,
    ) {
        self.hold_back(indexes, self.retry_backoff, with);
        with.network.metadata.request_update();
    }

    /// A broker has told offsets (`onSuccessfulResponseForResettingPositions`).
    pub(crate) fn listed(
        &mut self,
        asked: &Asked<OffsetSpec>,
        at: Time,
        response: &ListOffsetsResponse,
        with: &mut Surroundings<'_>,
    ) {
        for ((index, spec), told) in asked.iter().zip(&response.partitions) {
            match told.error {
                ErrorCode::None => {
                    self.state_end(*index, *spec, at, told, with);
                    self.reset(*index, *spec, told, with);
                }
                ErrorCode::TopicAuthorizationFailed => self.pending_error = Some(told.error),
                _ => self.retry_later([*index].into_iter(), with),
            }
        }
    }

    fn state_end(
        &self,
        index: u32,
        spec: OffsetSpec,
        asked: Time,
        told: &ListedOffset,
        with: &mut Surroundings<'_>,
    ) {
        if let (OffsetSpec::Latest, Some(end)) = (spec, told.offset) {
            let partition = with.subscriptions.get(index).partition.clone();
            let ago = with.now.time.since(asked);
            with.out.state(ClientFact::EndOffsetLearned { partition, end, ago });
        }
    }

    fn reset(
        &self,
        index: u32,
        spec: OffsetSpec,
        told: &ListedOffset,
        with: &mut Surroundings<'_>,
    ) {
        let Some(offset) = told.offset else {
            // No record is as late as asked: the end is what comes next (KIP-1106).
            with.subscriptions.change(index, |s| s.request_reset(OffsetSpec::Latest));
            return;
        };
        let partition = with.subscriptions.get(index).partition.clone();
        let current_leader = with.network.metadata.current_leader(&partition);
        if let Some(epoch) = told.leader_epoch {
            with.network.metadata.update_last_seen_epoch(&partition, epoch);
        }
        // Without an epoch: a position that was looked up just now needs no validation.
        let position = FetchPosition { offset, offset_epoch: None, current_leader };
        if with.subscriptions.change(index, |s| s.complete_reset(spec, position)) {
            with.out.state(ClientFact::PositionReset { partition, to: offset });
        }
    }

    /// A leader has told where epochs end (`onSuccessfulResponseForValidatingPositions`).
    pub(crate) fn validated(
        &mut self,
        asked: &Asked<FetchPosition>,
        response: &OffsetForLeaderEpochResponse,
        with: &mut Surroundings<'_>,
    ) {
        for ((index, position), told) in asked.iter().zip(&response.partitions) {
            match told.error {
                ErrorCode::None => self.complete_validation(*index, *position, told, with),
                ErrorCode::TopicAuthorizationFailed => self.pending_error = Some(told.error),
                _ => self.retry_later([*index].into_iter(), with),
            }
        }
    }

    /// `maybeCompleteValidation`: on a truncated log the application loses its place, goes back to where the
    /// logs part, or, with `auto.offset.reset=none`, is told.
    fn complete_validation(
        &mut self,
        index: u32,
        asked: FetchPosition,
        told: &EndOffsetForEpoch,
        with: &mut Surroundings<'_>,
    ) {
        let subscription = with.subscriptions.get(index);
        let Some(validation) = subscription.validated(asked, told) else { return };
        if validation == Validation::Valid {
            return with.subscriptions.change(index, |s| s.seek_validated(asked));
        }
        let partition = subscription.partition.clone();
        let epoch_end = told.end_offset.unwrap_or_default();
        let position = asked.offset;
        with.out.state(ClientFact::LogTruncationDetected { partition, position, epoch_end });
        match (validation, reset_to(self.policy, with.now)) {
            (_, None) => self.pending_error = Some(ErrorCode::OffsetOutOfRange),
            (Validation::Truncated { end, epoch }, Some(_)) => {
                let position = FetchPosition { offset: end, offset_epoch: Some(epoch), ..asked };
                with.subscriptions.change(index, |s| s.seek_validated(position));
            }
            (_, Some(spec)) => with.subscriptions.change(index, |s| s.request_reset(spec)),
        }
    }
}
