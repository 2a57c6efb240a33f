//! Answers that wait for the commit of what they tell (`DeferredEventQueue`).

use klab_machine::{ConnectionId, CorrelationId, Outbox};
use klab_wire::{EnvelopeResponse, ErrorCode, Offset, Request, Response};
use std::collections::VecDeque;

/// Answers in the order of the offsets that they wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purgatory {
    deferred: VecDeque<Deferred>,
}

#[derive(Clone, Debug)]
struct Deferred {
    offset: Offset,
    reply: Reply,
    response: Response,
}

/// Where an answer goes, and what was asked.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) connection: ConnectionId,
    pub(crate) correlation: CorrelationId,
    pub(crate) request: Request,
    /// The request came in an Envelope, and so goes the answer (KIP-590).
    pub(crate) is_enveloped: bool,
}

impl Reply {
    /// Answers.
    pub(crate) fn respond(self, response: Response, out: &mut Outbox) {
        let response = match self.is_enveloped {
            false => response,
            true => Response::Envelope(Box::new(EnvelopeResponse {
                error: ErrorCode::None,
                response: Some(response),
            })),
        };
        out.respond(self.connection, self.correlation, response);
    }

    /// Refuses. That this is not the active controller is told to the forwarding broker, which will
    /// look for the right one; anything else is its client's matter.
    pub(crate) fn refuse(self, error: ErrorCode, out: &mut Outbox) {
        if self.is_enveloped && error == ErrorCode::NotController {
            let response = Response::Envelope(Box::new(EnvelopeResponse { error, response: None }));
            out.respond(self.connection, self.correlation, response);
        } else if let Some(response) = self.request.error_response(error) {
            self.respond(response, out);
        }
    }
}

impl Purgatory {
    /// How many answers wait.
    pub(crate) fn len(&self) -> u32 {
        self.deferred.len() as u32
    }

    /// An answer waits until the record at `offset` is committed.
    pub(crate) fn defer(&mut self, offset: Offset, reply: Reply, response: Response) {
        debug_assert!(self.deferred.back().is_none_or(|last| last.offset <= offset));
        self.deferred.push_back(Deferred { offset, reply, response });
    }

    /// Everything up to this offset is committed.
    pub(crate) fn complete_up_to(&mut self, committed: Offset, out: &mut Outbox) {
        while self.deferred.front().is_some_and(|first| first.offset <= committed) {
            let Some(Deferred { reply, response, .. }) = self.deferred.pop_front() else { return };
            reply.respond(response, out);
        }
    }

    /// What waits may never be committed.
    pub(crate) fn fail_all(&mut self, out: &mut Outbox) {
        for Deferred { reply, .. } in self.deferred.drain(..) {
            reply.refuse(ErrorCode::NotController, out);
        }
    }
}
