//! A consumer's side of a fetch session with one broker (KIP-227, `FetchSessionHandler`).
//!
//! The first fetch names every partition; the broker remembers them, and later fetches name only those that
//! changed.

use klab_wire::{
    ErrorCode, FetchPartition, FetchResponse, FetchSession, Few, SessionEpoch, Span,
    TopicIdPartition,
};
use std::collections::BTreeMap;

/// A session, or the wish for one.
#[derive(Clone, Debug)]
pub(crate) struct FetchSessionHandler {
    next: FetchSession,
    partitions: BTreeMap<TopicIdPartition, Want>,
}

/// What is wanted of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// The partition's place in the assignment.
    pub(crate) index: u32,
    pub(crate) fetch: FetchPartition,
}

/// What the next request of a session says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) session: FetchSession,
    pub(crate) to_send: Few<FetchPartition>,
    pub(crate) to_forget: Vec<TopicIdPartition>,
}

impl FetchSessionHandler {
    pub(crate) fn new() -> Self {
        FetchSessionHandler { next: FetchSession::INITIAL, partitions: BTreeMap::new() }
    }

    /// The next request names every partition.
    pub(crate) fn is_full(&self) -> bool {
        !matches!(self.next.epoch, SessionEpoch::Incremental(_))
    }

    /// The next request, for what is wanted of the partitions that have changed; of all, if it
    /// [is full](Self::is_full) (`Builder.build`).
    pub(crate) fn build(
        &mut self,
        changed: impl IntoIterator<Item = (TopicIdPartition, Option<Want>)>,
    ) -> SessionRequest {
        let (mut to_send, mut to_forget) = (Few::new(), Vec::new());
        if self.is_full() {
            self.partitions.clear();
        }
        for (partition, want) in changed {
            let known = self.partitions.get_mut(&partition);
            match (known, want) {
                (Some(known), Some(want)) if *known == want => {}
                (_, None) => {
                    to_forget.extend(self.partitions.remove(&partition).map(|_| partition));
                }
                (known, Some(want)) => {
                    to_send.push(want.fetch);
                    match known {
                        Some(known) => *known = want,
                        None => {
                            self.partitions.insert(partition, want);
                        }
                    }
                }
            }
        }
        SessionRequest { session: self.next, to_send, to_forget }
    }

    /// What was wanted of a partition by the request that is in flight.
    pub(crate) fn asked(&self, partition: TopicIdPartition) -> Option<&Want> {
        self.partitions.get(&partition)
    }

    /// The partitions of the session, by their places in the assignment.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = u32> + '_ {
        self.partitions.values().map(|want| want.index)
    }

    /// Takes an answer in; false if its records must not be used (`handleResponse`).
    pub(crate) fn handle_response(&mut self, response: &FetchResponse) -> bool {
        if !response.error.is_ok() {
            self.next = match response.error {
                ErrorCode::FetchSessionIdNotFound => FetchSession::INITIAL,
                _ => self.close_existing_attempt_new(),
            };
            return false;
        }
        let is_incremental = matches!(self.next.epoch, SessionEpoch::Incremental(_));
        let is_throttled = response.partitions.is_empty() && response.throttle > Span::ZERO;
        let answers = &response.partitions;
        let has_extra = answers.iter().any(|told| !self.partitions.contains_key(&told.partition));
        if has_extra || is_throttled && !is_incremental {
            self.next = match is_incremental {
                true => self.close_existing_attempt_new(),
                false => FetchSession::INITIAL,
            };
            return false;
        }
        self.next = match (response.session, self.next.epoch) {
            (0, _) => FetchSession::INITIAL,
            (id, SessionEpoch::Incremental(n)) => incremental(id, n.checked_add(1).unwrap_or(1)),
            (id, _) => incremental(id, 1),
        };
        true
    }

    /// The request has failed: nobody knows what the broker remembers (`handleError`).
    pub(crate) fn handle_error(&mut self) {
        self.next = self.close_existing_attempt_new();
    }

    /// The last request of the session, which closes it; none if there is no session.
    pub(crate) fn close(&self) -> Option<FetchSession> {
        (self.next.id != 0).then_some(FetchSession { id: self.next.id, epoch: SessionEpoch::Final })
    }

    fn close_existing_attempt_new(&self) -> FetchSession {
        FetchSession { id: self.next.id, epoch: SessionEpoch::Initial }
    }
}

const fn incremental(id: u32, epoch: u32) -> FetchSession {
    FetchSession { id, epoch: SessionEpoch::Incremental(epoch) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{FetchedPartition, Offset, PartitionId, TopicId};

    fn id(partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(7), partition: PartitionId(partition) }
    }

    fn wanted(positions: &[(u32, u64)]) -> Vec<(TopicIdPartition, Option<Want>)> {
        let one = |(partition, offset): &(u32, u64)| {
            let fetch = FetchPartition {
                partition: id(*partition),
                current_leader_epoch: None,
                fetch_offset: Offset(*offset),
                last_fetched_epoch: None,
                log_start_offset: None,
                high_watermark: None,
                max_bytes: 100,
            };
            (id(*partition), Some(Want { index: *partition, fetch }))
        };
        positions.iter().map(one).collect()
    }

    fn response(session: u32, error: ErrorCode, partitions: &[u32]) -> FetchResponse {
        let told = |p: &u32| FetchedPartition::of_error(id(*p), ErrorCode::None);
        let partitions = partitions.iter().map(told).collect();
        FetchResponse { throttle: Span::ZERO, error, session, partitions }
    }

    fn sent(request: &SessionRequest) -> Vec<u32> {
        request.to_send.iter().map(|p| p.partition.partition.0).collect()
    }

    #[test]
    fn kip_227_a_session_names_only_what_changed() {
        let mut handler = FetchSessionHandler::new();
        let first = handler.build(wanted(&[(0, 5), (1, 6)]));
        assert_eq!((first.session, sent(&first)), (FetchSession::INITIAL, vec![0, 1]));
        assert!(handler.handle_response(&response(9, ErrorCode::None, &[0, 1])));
        let second = handler.build(wanted(&[(0, 7), (1, 6), (2, 0)]));
        assert_eq!((second.session, sent(&second)), (incremental(9, 1), vec![0, 2]));
        assert!(handler.handle_response(&response(9, ErrorCode::None, &[])));
        let third = handler.build([(id(1), None)]);
        assert_eq!((third.session, sent(&third)), (incremental(9, 2), vec![]));
        assert_eq!(third.to_forget, [id(1)]);
        assert_eq!(handler.close(), Some(FetchSession { id: 9, epoch: SessionEpoch::Final }));
    }

    #[test]
    fn kip_227_a_broker_without_sessions_gets_full_fetches() {
        let mut handler = FetchSessionHandler::new();
        handler.build(wanted(&[(0, 5)]));
        assert!(handler.handle_response(&response(0, ErrorCode::None, &[0])));
        let next = handler.build(wanted(&[(0, 5)]));
        assert_eq!((next.session, sent(&next)), (FetchSession::INITIAL, vec![0]));
        assert_eq!(handler.close(), None);
    }

    #[test]
    fn kip_227_a_lost_session_begins_again() {
        let new_session = FetchSession { id: 9, epoch: SessionEpoch::Initial };
        let cases = [
            (ErrorCode::FetchSessionIdNotFound, FetchSession::INITIAL),
            (ErrorCode::InvalidFetchSessionEpoch, new_session),
        ];
        for (error, session) in cases {
            let mut handler = FetchSessionHandler::new();
            handler.build(wanted(&[(0, 5)]));
            handler.handle_response(&response(9, ErrorCode::None, &[0]));
            handler.build(wanted(&[(0, 5)]));
            assert!(!handler.handle_response(&response(0, error, &[])));
            let next = handler.build(wanted(&[(0, 5)]));
            assert_eq!((next.session, sent(&next)), (session, vec![0]));
        }
    }

    #[test]
    fn an_answer_for_a_partition_that_was_not_asked_for_ends_the_session() {
        let mut handler = FetchSessionHandler::new();
        handler.build(wanted(&[(0, 5)]));
        assert!(!handler.handle_response(&response(9, ErrorCode::None, &[0, 1])));
        assert_eq!(handler.build(wanted(&[(0, 5)])).session, FetchSession::INITIAL);
    }
}
