//! Heartbeats and what follows from them, or from their absence: fencing, unfencing, controlled shutdown
//! (`ReplicationControlManager.processBrokerHeartbeat`, KIP-631, KIP-841).

use crate::active::Active;
use crate::broker_change::BrokerChange;
use crate::decision::Decision;
use crate::heartbeats::{BrokerControlState, Wish};
use klab_machine::Mutant;
use klab_machine::fact::ControllerFact;
use klab_metadata::MetadataVersion;
use klab_wire::config::switches::Unfencing;
use klab_wire::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, ErrorCode, MetadataRecord, NodeId, Now,
    Offset, Response,
};

impl Active {
    pub(crate) fn broker_heartbeat(
        &mut self,
        now: Now,
        request: &BrokerHeartbeatRequest,
        committed_end: Offset,
    ) -> Result<Decision, ErrorCode> {
        let broker = request.broker;
        self.check_broker_epoch(broker, request.broker_epoch)?;
        let is_caught_up = is_caught_up(
            self.settings.switches.unfencing,
            request.current_metadata_offset,
            self.registered_at(broker),
            committed_end,
        );
        let current = self.heartbeats.state(broker);
        let next = current.after(Wish {
            want_fence: request.want_fence,
            want_shut_down: request.want_shut_down,
            is_caught_up,
            leads: self.pending.index.leads(broker),
            others_know: self.heartbeats.others_know(broker),
        });
        let records = match current == next {
            true => Vec::new(),
            false => self.transition(broker, next),
        };
        self.heartbeats.touch(broker, next.is_fenced(), request.current_metadata_offset, now.time);
        self.heartbeats.heard(broker, next != BrokerControlState::ShutdownNow, now.time);
        let response = Response::BrokerHeartbeat(Box::new(BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up,
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerControlState::ShutdownNow,
        }));
        let facts = shutdown_fact(broker, next).into_iter().collect();
        let shuts_down = (next == BrokerControlState::ControlledShutdown).then_some(broker);
        Ok(Decision { facts, shuts_down, ..Decision::with_response(records, response) })
    }

    /// The record from which on the broker knows of its own registration.
    fn registered_at(&self, broker: NodeId) -> Offset {
        self.registered_at.get(&broker).copied().unwrap_or(Offset(0))
    }

    fn transition(&self, broker: NodeId, next: BrokerControlState) -> Vec<MetadataRecord> {
        match next {
            BrokerControlState::Fenced | BrokerControlState::ShutdownNow => self.fence(broker),
            BrokerControlState::Unfenced => self.unfence(broker),
            BrokerControlState::ControlledShutdown => self.begin_controlled_shutdown(broker),
        }
    }

    /// It leaves every ISR first: it must not be elected on its way out.
    fn fence(&self, broker: NodeId) -> Vec<MetadataRecord> {
        let mut records = match Mutant::LeavesTheFencedInSync.lives() {
            true => Vec::new(),
            false => self.changes_for(BrokerChange::Leaves(broker)),
        };
        records.extend(self.registration_change(broker, Some(true), None));
        records
    }

    fn unfence(&self, broker: NodeId) -> Vec<MetadataRecord> {
        let unfenced = self.registration_change(broker, Some(false), None);
        let changes = self.changes_for(BrokerChange::Arrives(broker));
        unfenced.into_iter().chain(changes).collect()
    }

    fn begin_controlled_shutdown(&self, broker: NodeId) -> Vec<MetadataRecord> {
        let image = self.image();
        let is_known = image.features.metadata_version() >= MetadataVersion::IBP_3_3_IV3;
        let is_new =
            image.cluster.broker(broker).is_some_and(|known| !known.in_controlled_shutdown);
        let change = (is_known && is_new)
            .then(|| self.registration_change(broker, None, Some(true)))
            .flatten();
        if Mutant::LeavesTheClosingInSync.lives() {
            return change.into_iter().collect();
        }
        change.into_iter().chain(self.changes_for(BrokerChange::Leaves(broker))).collect()
    }

    fn registration_change(
        &self,
        broker: NodeId,
        fenced: Option<bool>,
        in_controlled_shutdown: Option<bool>,
    ) -> Option<MetadataRecord> {
        let epoch = self.image().cluster.broker(broker)?.epoch();
        Some(MetadataRecord::BrokerRegistrationChange {
            broker,
            epoch,
            fenced,
            in_controlled_shutdown,
        })
    }

    /// Fences the broker that has been silent for too long, one at a time, so that the next one is judged
    /// by what this one's fencing has changed (`maybeFenceOneStaleBroker`).
    pub(crate) fn fence_stale_broker(&mut self, now: Now) -> Option<Decision> {
        self.session_check_is_due();
        let broker = self.heartbeats.stale(now.time)?;
        let records = self.fence(broker);
        self.heartbeats.fence(broker);
        Some(Decision::of(records))
    }
}

/// A new broker knows enough to serve. To ask for the end of the log was KAFKA-13959: where the end moves
/// on as fast as a broker hears of it, the broker is never there.
fn is_caught_up(rule: Unfencing, known: Offset, registered_at: Offset, end: Offset) -> bool {
    match rule {
        Unfencing::AtTheEnd => known >= end,
        Unfencing::AtRegistration => known > registered_at,
    }
}

fn shutdown_fact(broker: NodeId, next: BrokerControlState) -> Option<ControllerFact> {
    let is_allowed = next == BrokerControlState::ShutdownNow;
    is_allowed.then_some(ControllerFact::ControlledShutdownAllowed { broker })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::Span;

    #[test]
    fn kafka_13959_who_is_one_record_behind_is_caught_up_if_it_knows_its_registration() {
        // What the broker knows, the offset of its registration, the end of the log; then and now.
        let cases = [(8, 7, 8, true, true), (8, 7, 9, false, true), (7, 7, 7, true, false)];
        for (known, registered_at, end, at_the_end, at_registration) in cases {
            let [known, registered_at, end] = [known, registered_at, end].map(Offset);
            let is_caught_up = |rule| is_caught_up(rule, known, registered_at, end);
            assert_eq!(is_caught_up(Unfencing::AtTheEnd), at_the_end);
            assert_eq!(is_caught_up(Unfencing::AtRegistration), at_registration);
        }
    }

    #[test]
    fn a_broker_is_unfenced_when_it_has_applied_its_own_registration() {
        let mut desk = Desk::new();
        let epoch = desk.register(1, 1).unwrap();
        let behind = BrokerHeartbeatRequest {
            current_metadata_offset: Offset(epoch.0),
            ..desk.heartbeat_of(1)
        };
        let answer = desk.heartbeat_with(behind);
        assert!(answer.is_fenced && !answer.is_caught_up);
        let answer = desk.heartbeat(1);
        assert!(!answer.is_fenced && answer.is_caught_up);
        assert!(desk.told().contains(&"BrokerUnfenced b1".to_string()));
    }

    #[test]
    fn a_heartbeat_of_another_registration_is_stale() {
        let mut desk = Desk::new().with_brokers([1]);
        let request = BrokerHeartbeatRequest {
            broker_epoch: klab_wire::BrokerEpoch(0),
            ..desk.heartbeat_of(1)
        };
        assert_eq!(desk.heartbeat_with(request).error, ErrorCode::StaleBrokerEpoch);
    }

    #[test]
    fn a_silent_broker_is_fenced_and_its_leadership_moves() {
        let mut desk = Desk::new().with_brokers([1, 2, 3]);
        desk.create("orders", &[&[1, 2, 3]]);
        desk.live(Span::from_secs(12), &[2, 3]);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.isr), (Some(NodeId::broker(2)), nodes([2, 3])));
        assert_eq!(
            desk.told(),
            [
                "LeaderElected orders-0 leader b2 epoch 1 isr [b2, b3]",
                "IsrChanged orders-0 isr [b2, b3] (partition epoch 1)",
                "BrokerFenced b1",
            ]
        );
    }

    #[test]
    fn brokers_that_fall_silent_together_are_fenced_one_by_one() {
        let mut desk = Desk::new().with_brokers([1, 2, 3]);
        desk.create("orders", &[&[1, 2, 3]]);
        desk.pass(Span::from_secs(30));
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.isr.len()), (None, 1), "the last of the ISR stays in it");
        let fenced = desk.told().iter().filter(|fact| fact.starts_with("BrokerFenced")).count();
        assert_eq!(fenced, 3);
    }

    #[test]
    fn an_offline_partition_is_led_again_when_a_member_of_its_isr_comes_back() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1]]);
        desk.live(Span::from_secs(12), &[2]);
        assert_eq!(desk.partition("orders", 0).leader, None);
        assert!(desk.told().iter().any(|fact| fact.starts_with("PartitionWentOffline orders-0")));
        desk.heartbeat(1);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.isr), (Some(NodeId::broker(1)), nodes([1])));
    }

    #[test]
    fn a_controlled_shutdown_moves_leaders_and_ends_when_all_others_know() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        desk.heartbeat(2);
        let answer = desk.shut_down(1);
        assert!(!answer.is_fenced && !answer.should_shut_down);
        assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(2)));
        assert_eq!(desk.partition("orders", 0).isr, nodes([2]));
        assert!(!desk.shut_down(1).should_shut_down, "b2 has not applied it yet");
        desk.heartbeat(2);
        let answer = desk.shut_down(1);
        assert!(answer.should_shut_down && answer.is_fenced);
        assert!(desk.told().ends_with(&[
            "ControlledShutdownAllowed b1".to_string(),
            "BrokerFenced b1".to_string()
        ]));
    }

    #[test]
    fn a_broker_that_leads_nothing_may_go_at_once() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        assert!(desk.shut_down(1).should_shut_down);
    }

    #[test]
    fn a_new_active_controller_gives_every_broker_a_whole_session() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.pass(Span::from_secs(8));
        let mut desk = desk.restarted();
        desk.told();
        desk.pass(Span::from_secs(2));
        assert!(desk.controller.image().cluster.is_active(NodeId::broker(1)));
        desk.pass(Span::from_secs(8));
        assert!(!desk.controller.image().cluster.is_active(NodeId::broker(1)));
    }
}
