//! Envelope (58): a broker forwards a client's request to the active controller (KIP-590).

use super::{Request, Response};
use crate::ErrorCode;

/// The client's request, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeRequest {
    /// The request.
    pub request: Request,
}

/// The controller's answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeResponse {
    /// What went wrong.
    pub error: ErrorCode,
    /// The answer; none if the receiver is not the controller.
    pub response: Option<Response>,
}
