//! `every-operation-ends` and `cluster-converges`: what must happen in the end, once everything is healed.

use super::History;
use crate::findings::{Breach, Findings};
use crate::judge::{Convergence, End, Stuck};
use crate::picture::Cluster;
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_wire::NodeId;

/// Asks both, if the run was healed at all.
pub(super) fn judge(history: &History, cluster: &Cluster, end: &End, findings: &mut Findings) {
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
        Convergence::Missed { reasons } => {
            let what: Vec<&str> = reasons.iter().map(|stuck| &*stuck.what).collect();
            Err(Breach::of(what.join("; ")).permitted(permit(cluster, reasons)))
        }
    };
    findings.note(Promise::ClusterConverges, at, None, finding);
}

/// What permits that all of this is stuck: every replica that is out of sync has given up fetching, because its leader
/// had lost records by leave of a setting and got others in their place.
fn permit(cluster: &Cluster, reasons: &[Stuck]) -> Option<Setting> {
    let permits = reasons.iter().map(|stuck| {
        let (name, missing) = stuck.out_of_sync.as_ref()?;
        let partition = cluster.partition(name)?;
        let have_given_up = missing.iter().all(|node| partition.given_up.contains(node));
        partition.excuse.filter(|_| have_given_up)
    });
    permits.reduce(|one, other| one.and(other)).flatten()
}
