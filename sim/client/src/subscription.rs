//! Where a consumer stands in each of its partitions (`SubscriptionState`).

use crate::consumer::FetchState;
use crate::metadata::LeaderAndEpoch;
use klab_wire::{
    EndOffsetForEpoch, LeaderEpoch, NodeId, Now, Offset, OffsetSpec, Time, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};

/// The partitions that a consumer has given itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    partitions: Vec<Subscription>,
    places: BTreeMap<TopicPartition, u32>,
    /// Those that cannot be fetched before something is found out.
    unsettled: BTreeSet<u32>,
    /// Those that have changed since somebody took note, each once.
    changed: Vec<u32>,
}

/// One partition of a consumer.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) partition: TopicPartition,
    pub(crate) is_paused: bool,
    pub(crate) high_watermark: Option<Offset>,
    /// Not before this is its lookup tried again.
    pub(crate) next_retry: Time,
    /// The replica to read from, until its time is over (KIP-392).
    preferred_read_replica: Option<(NodeId, Time)>,
    state: State,
    is_changed: bool,
}

/// `SubscriptionState.FetchStates`, with what each of them knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Initializing,
    Fetching(FetchPosition),
    AwaitReset(OffsetSpec),
    AwaitValidation(FetchPosition),
}

/// The offset of the next record, with what is needed to notice that the log has changed under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchPosition {
    pub(crate) offset: Offset,
    /// The epoch of the last record before it, if one was read.
    pub(crate) offset_epoch: Option<LeaderEpoch>,
    /// Who led when the position was last known to be good.
    pub(crate) current_leader: LeaderAndEpoch,
}

/// What the leader says about a position (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// Its log has everything up to the position.
    Valid,
    /// Its log parts from what was read here: the records between were lost.
    Truncated { end: Offset, epoch: LeaderEpoch },
    /// It does not even know the epoch.
    Unknown,
}

impl Subscriptions {
    /// Takes these partitions, all of which look for a position.
    pub(crate) fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        from: Option<OffsetSpec>,
    ) {
        let state = from.map_or(State::Initializing, State::AwaitReset);
        let subscribe = |partition| Subscription {
            partition,
            is_paused: false,
            high_watermark: None,
            next_retry: Time::ZERO,
            preferred_read_replica: None,
            state,
            is_changed: true,
        };
        self.partitions = partitions.into_iter().map(subscribe).collect();
        self.places = (0..).zip(&self.partitions).map(|(i, s)| (s.partition.clone(), i)).collect();
        self.unsettled = (0..self.partitions.len() as u32).collect();
        self.changed = self.unsettled.iter().copied().collect();
    }

    /// Every partition, in the order of the assignment.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Subscription)> {
        (0..).zip(&self.partitions)
    }

    /// No partition is assigned (yet).
    pub(crate) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// One partition, by its place in the assignment.
    pub(crate) fn get(&self, index: u32) -> &Subscription {
        &self.partitions[index as usize]
    }

    /// The place of a partition in the assignment.
    pub(crate) fn find(&self, partition: &TopicPartition) -> Option<u32> {
        self.places.get(partition).copied()
    }

    /// Changes one partition.
    pub(crate) fn change<R>(
        &mut self,
        index: u32,
        change: impl FnOnce(&mut Subscription) -> R,
    ) -> R {
        let subscription = &mut self.partitions[index as usize];
        let was_settled = subscription.is_settled();
        let result = change(subscription);
        match (was_settled, subscription.is_settled()) {
            (true, false) => {
                self.unsettled.insert(index);
            }
            (false, true) => {
                self.unsettled.remove(&index);
            }
            _ => {}
        }
        self.touch(index);
        result
    }

    /// Something about a partition has changed that is kept elsewhere.
    pub(crate) fn touch(&mut self, index: u32) {
        let subscription = &mut self.partitions[index as usize];
        if !std::mem::replace(&mut subscription.is_changed, true) {
            self.changed.push(index);
        }
    }

    /// Takes note of a partition that has changed, if there is one.
    pub(crate) fn note_changed(&mut self) -> Option<u32> {
        let index = self.changed.pop()?;
        self.partitions[index as usize].is_changed = false;
        Some(index)
    }

    /// Every partition can be fetched.
    pub(crate) fn are_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Those that cannot be fetched before something is found out.
    pub(crate) fn unsettled(&self) -> Vec<u32> {
        self.unsettled.iter().copied().collect()
    }

    /// Metadata has changed: every position is held against its leader of now.
    pub(crate) fn validate_all(&mut self, leader: impl Fn(&TopicPartition) -> LeaderAndEpoch) {
        for index in 0..self.partitions.len() as u32 {
            let leader = leader(&self.get(index).partition);
            self.change(index, |subscription| subscription.validate_for_leader(leader));
        }
    }
}

impl Subscription {
    /// What it waits for, in Kafka's words.
    pub(crate) fn fetch_state(&self) -> FetchState {
        match self.state {
            State::Initializing => FetchState::Initializing,
            State::Fetching(_) => FetchState::Fetching,
            State::AwaitReset(_) => FetchState::AwaitReset,
            State::AwaitValidation(_) => FetchState::AwaitValidation,
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self.state, State::Fetching(_))
    }

    /// The position, valid or to be validated.
    pub(crate) fn position(&self) -> Option<FetchPosition> {
        match self.state {
            State::Fetching(position) | State::AwaitValidation(position) => Some(position),
            State::Initializing | State::AwaitReset(_) => None,
        }
    }

    /// The position, if records may be fetched and handed out from there.
    pub(crate) fn valid_position(&self) -> Option<FetchPosition> {
        match self.state {
            State::Fetching(position) => Some(position),
            _ => None,
        }
    }

    /// The position, if it may be fetched from now (`isFetchable`).
    pub(crate) fn fetchable_position(&self) -> Option<FetchPosition> {
        self.valid_position().filter(|_| !self.is_paused)
    }

    /// What is to be looked up, if its time has come.
    pub(crate) fn reset_due(&self, now: Now) -> Option<OffsetSpec> {
        match self.state {
            State::AwaitReset(spec) if self.next_retry <= now.time => Some(spec),
            _ => None,
        }
    }

    /// The position to be validated, if its time has come.
    pub(crate) fn validation_due(&self, now: Now) -> Option<FetchPosition> {
        match self.state {
            State::AwaitValidation(position) if self.next_retry <= now.time => Some(position),
            _ => None,
        }
    }

    /// The position is to be looked up (`requestOffsetReset`).
    pub(crate) fn request_reset(&mut self, to: OffsetSpec) {
        self.state = State::AwaitReset(to);
        self.next_retry = Time::ZERO;
    }

    /// The lookup has found this. False if nobody wants it any more (`maybeSeekUnvalidated`).
    pub(crate) fn complete_reset(&mut self, asked: OffsetSpec, position: FetchPosition) -> bool {
        let is_wanted = self.state == State::AwaitReset(asked);
        if is_wanted {
            self.seek_unvalidated(position);
        }
        is_wanted
    }

    /// Goes on at another position; it is validated if it says which epoch it is from.
    pub(crate) fn seek_unvalidated(&mut self, position: FetchPosition) {
        self.next_retry = Time::ZERO;
        let can_be_validated =
            position.offset_epoch.is_some() && position.current_leader.epoch.is_some();
        self.state = match can_be_validated {
            true => State::AwaitValidation(position),
            false => State::Fetching(position),
        };
    }

    /// Goes on after records that were handed out.
    pub(crate) fn advance(&mut self, offset: Offset, epoch: LeaderEpoch) {
        let State::Fetching(position) = &mut self.state else {
            unreachable!("records are handed out from valid positions")
        };
        (position.offset, position.offset_epoch) = (offset, Some(epoch));
    }

    /// Holds the position against the leader of now (`maybeValidatePosition`).
    pub(crate) fn validate_for_leader(&mut self, leader: LeaderAndEpoch) {
        let Some(position) = self.position() else { return };
        if leader.leader.is_some() && position.current_leader != leader {
            self.seek_unvalidated(FetchPosition { current_leader: leader, ..position });
            self.preferred_read_replica = None;
        }
    }

    /// The leader has answered (`maybeCompleteValidation`); none if the question is no longer of interest.
    pub(crate) fn validated(
        &self,
        asked: FetchPosition,
        answer: &EndOffsetForEpoch,
    ) -> Option<Validation> {
        if self.state != State::AwaitValidation(asked) {
            return None;
        }
        Some(match (answer.end_offset, answer.leader_epoch) {
            (Some(end), Some(epoch)) if end < asked.offset => Validation::Truncated { end, epoch },
            (Some(_), Some(_)) => Validation::Valid,
            _ => Validation::Unknown,
        })
    }

    /// The position is good (`seekValidated`).
    pub(crate) fn seek_validated(&mut self, position: FetchPosition) {
        self.state = State::Fetching(position);
        self.next_retry = Time::ZERO;
    }

    /// The replica to read from in the leader's stead, if there is one.
    pub(crate) fn preferred_read_replica(&self, now: Now) -> Option<NodeId> {
        self.preferred_read_replica.filter(|(_, until)| now.time <= *until).map(|(node, _)| node)
    }

    /// The replica that was last named, even if its time is over.
    pub(crate) fn read_replica(&self) -> Option<NodeId> {
        self.preferred_read_replica.map(|(node, _)| node)
    }

    /// The leader names a nearer replica; true if it is another one than before.
    pub(crate) fn prefer(&mut self, node: NodeId, until: Time) -> bool {
        let is_other = self.preferred_read_replica.is_none_or(|(known, _)| known != node);
        if is_other {
            self.preferred_read_replica = Some((node, until));
        }
        is_other
    }

    /// Reads from the leader again; true if it did not.
    pub(crate) fn clear_preferred_read_replica(&mut self) -> bool {
        self.preferred_read_replica.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::ErrorCode;

    fn leader(node: u16, epoch: u32) -> LeaderAndEpoch {
        LeaderAndEpoch { leader: Some(NodeId::broker(node)), epoch: Some(LeaderEpoch(epoch)) }
    }

    fn position(offset: u64, epoch: Option<u32>) -> FetchPosition {
        FetchPosition {
            offset: Offset(offset),
            offset_epoch: epoch.map(LeaderEpoch),
            current_leader: leader(1, 4),
        }
    }

    fn at(position: FetchPosition) -> Subscription {
        let mut subscriptions = Subscriptions::default();
        subscriptions.assign([TopicPartition::new("t", 0)], Some(OffsetSpec::Earliest));
        assert!(subscriptions.change(0, |s| s.complete_reset(OffsetSpec::Earliest, position)));
        subscriptions.get(0).clone()
    }

    #[test]
    fn kip_320_a_new_leader_makes_a_position_with_an_epoch_wait_for_validation() {
        let mut read = at(position(9, None));
        read.advance(Offset(12), LeaderEpoch(4));
        read.validate_for_leader(leader(1, 4));
        assert_eq!(read.fetch_state(), FetchState::Fetching, "the leader is the same");
        read.validate_for_leader(LeaderAndEpoch { leader: None, epoch: Some(LeaderEpoch(5)) });
        assert_eq!(read.fetch_state(), FetchState::Fetching, "there is no leader to ask");
        read.validate_for_leader(leader(2, 5));
        assert_eq!(read.fetch_state(), FetchState::AwaitValidation);

        let mut unread = at(position(9, None));
        unread.validate_for_leader(leader(2, 5));
        assert_eq!(unread.valid_position().map(|p| p.current_leader), Some(leader(2, 5)));
    }

    #[test]
    fn kip_320_an_epoch_that_ends_before_the_position_means_truncation() {
        let cases = [
            (Some(12), Some(4), Some(Validation::Valid)),
            (Some(20), Some(4), Some(Validation::Valid)),
            (
                Some(10),
                Some(3),
                Some(Validation::Truncated { end: Offset(10), epoch: LeaderEpoch(3) }),
            ),
            (None, None, Some(Validation::Unknown)),
        ];
        let mut subscription = at(position(9, None));
        subscription.advance(Offset(12), LeaderEpoch(4));
        subscription.validate_for_leader(leader(2, 5));
        let asked = subscription.position().unwrap();
        for (end, epoch, verdict) in cases {
            let answer = EndOffsetForEpoch {
                partition: TopicPartition::new("t", 0),
                error: ErrorCode::None,
                leader_epoch: epoch.map(LeaderEpoch),
                end_offset: end.map(Offset),
            };
            assert_eq!(subscription.validated(asked, &answer), verdict);
            let stale = FetchPosition { offset: Offset(11), ..asked };
            assert_eq!(subscription.validated(stale, &answer), None, "another position was asked");
        }
    }

    #[test]
    fn a_reset_that_was_overtaken_by_another_changes_nothing() {
        let mut subscription = at(position(9, None));
        subscription.request_reset(OffsetSpec::Latest);
        assert!(!subscription.complete_reset(OffsetSpec::Earliest, position(0, None)));
        assert_eq!(subscription.position(), None);
        assert!(subscription.complete_reset(OffsetSpec::Latest, position(5, None)));
    }

    #[test]
    fn kip_392_a_preferred_replica_is_forgotten_after_its_time() {
        let mut subscription = at(position(9, None));
        let now = |time| Now { time: Time(time), wall: klab_wire::Timestamp(0) };
        assert!(subscription.prefer(NodeId::broker(2), Time(100)));
        assert!(!subscription.prefer(NodeId::broker(2), Time(200)), "its time does not grow");
        assert_eq!(subscription.preferred_read_replica(now(100)), Some(NodeId::broker(2)));
        assert_eq!(subscription.preferred_read_replica(now(101)), None);
    }
}
