//! Heartbeats and what follows from them, or from their absence: fencing, unfencing, controlled shutdown
//! (`ReplicationControlManager.processBrokerHeartbeat`, KIP-631, KIP-841).

use crate::active::Active;
use crate::broker_change::BrokerChange;
use crate::decision::Decision;
use crate::heartbeats::{BrokerControlState, Wish};
use klab_machine::fact::ControllerFact;
use klab_metadata::MetadataVersion;
use klab_wire::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, ErrorCode, MetadataRecord, NodeId, Now,
    Offset, Response,
};

impl Active {
    pub(crate) fn broker_heartbeat(
        &mut self,
        now: Now,
        request: &BrokerHeartbeatRequest,
    ) -> Result<Decision, ErrorCode> {
        let broker = request.broker;
        self.check_broker_epoch(broker, request.broker_epoch)?;
        let is_caught_up = request.current_metadata_offset > self.registered_at(broker);
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
        let response = Response::BrokerHeartbeat(BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up,
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerControlState::ShutdownNow,
        });
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
        let mut records = self.changes_for(BrokerChange::Leaves(broker));
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

fn shutdown_fact(broker: NodeId, next: BrokerControlState) -> Option<ControllerFact> {
    let is_allowed = next == BrokerControlState::ShutdownNow;
    is_allowed.then_some(ControllerFact::ControlledShutdownAllowed { broker })
}
