//! The end of a run: `[heal]`. Everything comes back, and the cluster has to converge.

use crate::amount::text;
use crate::problem::Complaint;
use crate::reader::Table;
use klab_wire::Span;
use serde::Serialize;

/// How a run ends.
///
/// At `run-for` the load and the faults are over: links heal, what is down or paused comes back, disks
/// and hosts are as fast as ever, moves are no longer throttled. From then on nothing may be wrong for
/// ever: no partition stays under-replicated, every operation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Heal {
    /// How long nobody looks; not at all if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub settle: Span,
    /// After how long, counted from then, the cluster must have converged; 60s if nothing is said,
    /// which is twice `replica.lag.time.max.ms`. A run ends as soon as it has.
    #[serde(serialize_with = "text::span")]
    pub converge_within: Span,
}

impl Default for Heal {
    fn default() -> Self {
        Heal { settle: Span::ZERO, converge_within: Span::from_secs(60) }
    }
}

impl Heal {
    pub(crate) fn read(root: &Table<'_>) -> Self {
        let default = Heal::default();
        let Some(table) = root.table("heal", "[heal]") else { return default };
        let heal = Heal {
            settle: table.or("settle", default.settle),
            converge_within: table.or("converge-within", default.converge_within),
        };
        if heal.converge_within == Span::ZERO {
            let message = "`converge-within` takes more than no time: healing is not instant";
            table.complain(table.key_span("converge-within"), Complaint::new(message));
        }
        table.finish();
        heal
    }
}
