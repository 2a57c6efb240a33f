//! An idempotent producer's identity: asked for before the first batch, and renewed when sequences are
//! beyond repair (`TransactionManager`, KIP-360).

use super::{ProducerPurpose, Sender};
use crate::sequences::{EpochBump, Rewrite};
use klab_machine::Outbox;
use klab_machine::fact::ClientFact;
use klab_wire::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse, Now, Time};

/// Where the request for an identity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdentityRequest {
    /// To be sent, at this time at the earliest.
    Due(Time),
    InFlight,
}

impl Sender {
    pub(super) fn has_identity(&mut self, now: Now, out: &mut Outbox) -> bool {
        let Some(sequences) = &mut self.sequences else { return true };
        sequences.resolve();
        if let EpochBump::Bumped((producer, epoch), rewrites) = sequences.bump_epoch() {
            out.state(ClientFact::ProducerEpochBumped { producer, epoch });
            self.rewrite(rewrites);
        }
        let has_one = self.sequences.as_ref().is_some_and(|s| s.identity().is_some());
        if !has_one {
            self.ask_for_identity(now, out);
        }
        has_one
    }

    fn rewrite(&mut self, rewrites: Vec<Rewrite>) {
        for Rewrite { batch, producer } in rewrites {
            let batch = self.accumulator.batch_mut(batch).expect("sequences track living batches");
            batch.producer = Some(producer);
            batch.sequence_was_reset = true;
        }
    }

    pub(super) fn identity_due(&self) -> Option<Time> {
        match self.identity_request {
            IdentityRequest::Due(at) => Some(at),
            IdentityRequest::InFlight => None,
        }
    }

    fn ask_for_identity(&mut self, now: Now, out: &mut Outbox) {
        if self.identity_due().is_none_or(|due| due > now.time) {
            return;
        }
        let Some(node) = self.network.least_loaded_node(now) else {
            return self.network.await_any(now, out);
        };
        if !self.network.is_ready(node) {
            return self.network.connect(node, now, out);
        }
        let request = InitProducerIdRequest { current: None };
        self.network.send(node, request, ProducerPurpose::InitProducerId, now, out);
        self.identity_request = IdentityRequest::InFlight;
    }

    pub(super) fn ask_again(&mut self, now: Now) {
        self.identity_request = IdentityRequest::Due(now.time + self.config.backoff.initial);
    }

    pub(super) fn identified(
        &mut self,
        response: InitProducerIdResponse,
        now: Now,
        out: &mut Outbox,
    ) {
        match (response.error, response.producer) {
            (ErrorCode::None, Some((producer, epoch))) => {
                out.state(ClientFact::ProducerIdAssigned { producer, epoch });
                self.identity_request = IdentityRequest::Due(Time::ZERO);
                let sequences = self.sequences.as_mut().expect("only an idempotent producer asks");
                let rewrites = sequences.assign((producer, epoch));
                self.rewrite(rewrites);
            }
            (error, _) if error.is_retriable() => self.ask_again(now),
            (error, _) => self.fatal = Some(error),
        }
    }
}
