//! `every-operation-ends` and `cluster-converges`: what must happen in the end, once everything is healed.

use super::History;
use crate::findings::{Breach, Findings};
use crate::judge::{Convergence, End};
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_wire::NodeId;

/// Asks both, if the run was healed at all.
pub(super) fn judge(history: &History, end: &End, findings: &mut Findings) {
    if let Some(healed) = history.healed {
        findings.kept(Promise::EveryOperationEnds, history.ended);
        let pending = history.clients.values().flat_map(|client| client.pending.iter());
        for (id, call) in pending.filter(|(_, call)| call.at.time < healed) {
            let what = format!("call #{} of {} has not ended", id.0, call.at.node);
            findings.note(Promise::EveryOperationEnds, call.at, None, Err(Breach::of(what)));
        }
    }
    let at = Moment { step: u64::MAX, time: end.time, node: NodeId::voter(0) };
    let finding = match &end.convergence {
        Convergence::NotAwaited => return,
        Convergence::Reached { .. } => Ok(()),
        Convergence::Missed { reasons } => Err(Breach::of(reasons.join("; "))),
    };
    findings.note(Promise::ClusterConverges, at, None, finding);
}
