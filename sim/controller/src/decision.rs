//! What the active controller decides on a request (`ControllerResult`).

use klab_machine::fact::ControllerFact;
use klab_wire::{MetadataRecord, NodeId, Response};

/// As many records as one decision of a user may need, and as one batch may hold
/// (`QuorumController.MAX_RECORDS_PER_USER_OP`, `MAX_RECORDS_PER_BATCH`).
pub(crate) const MAX_RECORDS: usize = 10_000;

/// Records to append, and what to answer when they are committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) records: Vec<MetadataRecord>,
    /// None if nobody asked.
    pub(crate) response: Option<Response>,
    /// All records or none: one batch holds them.
    pub(crate) is_atomic: bool,
    /// What is worth knowing beside what the records say.
    pub(crate) facts: Vec<ControllerFact>,
    /// This broker's controlled shutdown is under way: it waits for the end of these records.
    pub(crate) shuts_down: Option<NodeId>,
}

impl Decision {
    /// Nothing to change.
    pub(crate) fn answer(response: Response) -> Self {
        Decision { response: Some(response), ..Decision::of(Vec::new()) }
    }

    /// Records that may go into several batches, and that nobody asked for.
    pub(crate) fn of(records: Vec<MetadataRecord>) -> Self {
        let (is_atomic, facts) = (false, Vec::new());
        Decision { records, response: None, is_atomic, facts, shuts_down: None }
    }

    /// Records that may go into several batches, with the answer for when all are committed.
    pub(crate) fn with_response(records: Vec<MetadataRecord>, response: Response) -> Self {
        Decision { response: Some(response), ..Decision::of(records) }
    }

    /// Records that take effect together, with the answer for when they are committed.
    pub(crate) fn atomic(records: Vec<MetadataRecord>, response: Response) -> Self {
        Decision { is_atomic: true, ..Decision::with_response(records, response) }
    }
}
