//! `committed-metadata-agrees` and `no-truncation-below-metadata-high-watermark`.
//!
//! `ConsistentCommittedData` of `RaftEventSimulationTest`, asked at every commit instead of once at the
//! end, of content digests instead of a counter's value.
//!
//! Truncation is a decision. That a power cut takes what was not flushed is none: brokers, which only observe
//! the quorum, never flush their copy and fetch again what they lost.

use crate::findings::{Breach, Finding};
use crate::picture::Copies;
use klab_wire::{NodeId, Offset};

/// A replica of the metadata log learned that more is committed.
pub(crate) fn agrees(copies: &mut Copies, node: NodeId) -> Finding {
    super::log_matching::check(copies, node)
}

/// A replica of the metadata log lost its end, and with it from here on what it had no right to drop.
pub(crate) fn truncates(dropped_from: Option<Offset>, to: Offset) -> Finding {
    match dropped_from {
        None => Ok(()),
        Some(from) => Err(Breach::of(format!(
            "the metadata log was cut to {to}, and what it had from {from} on was committed"
        ))),
    }
}
