//! A ZooKeeper ensemble as the facts tell of it, and what ZAB promises of it.
//!
//! The published list (Zab.tla, ZOOKEEPER-3615) has weak spots; the statements here are the restated ones:
//! *local primary order* holds for all ordered pairs of one primary's broadcasts, not for some. Agreement,
//! total order and prefix consistency are one look: every server tells a digest of all that it has applied with
//! every transaction, and two servers that have come equally far must tell the same.

mod order;
mod sessions;
mod znodes;

use crate::findings::{Breach, Finding};
use crate::judge::Judge;
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::fact::ZooKeeperFact;
use klab_machine::{Operation, OperationId};
use klab_wire::NodeId;
use klab_wire::zookeeper::Zxid;
use order::Order;
use sessions::Sessions;
use std::collections::BTreeMap;
use znodes::Znodes;

/// What is known of an ensemble and its clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ensemble {
    /// The servers that vote.
    participants: Vec<NodeId>,
    servers: BTreeMap<NodeId, Server>,
    order: Order,
    sessions: Sessions,
    znodes: Znodes,
    /// A server lost its disk: nothing is promised about what it had promised.
    pub(crate) disk_lost: bool,
}

/// What one server has told.
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    accepted: u32,
    current: u32,
    /// Everything up to here is on its platter.
    durable: Zxid,
    /// The last transaction that it has applied since it began to serve; none while it does not.
    applied: Option<Zxid>,
    /// The epoch in which it serves; none while it does not.
    serves_in: Option<u32>,
}

/// What was looked at, and what was found.
type Look = (Promise, Finding);

impl Ensemble {
    pub(crate) fn new(participants: Vec<NodeId>) -> Self {
        Ensemble { participants, ..Ensemble::default() }
    }

    /// A process is gone: its calls never end, and it serves no more.
    pub(crate) fn end_life(&mut self, node: NodeId) {
        self.sessions.forget_client(node);
        self.znodes.abandon(node);
        if let Some(server) = self.servers.get_mut(&node) {
            (server.applied, server.serves_in) = (None, None);
        }
    }

    /// A server lost its disk, and begins anew.
    pub(crate) fn lose_disk(&mut self, node: NodeId) {
        self.disk_lost |= self.servers.remove(&node).is_some() || self.participants.contains(&node);
    }

    fn watch(&mut self, at: Moment, fact: &ZooKeeperFact) -> Vec<Look> {
        use ZooKeeperFact as F;
        let real = |zxid: &Zxid| self.order.real(*zxid);
        let server = self.servers.entry(at.node).or_default();
        match fact {
            F::DatabaseLoaded { accepted_epoch, current_epoch, .. } => {
                vec![server.remember(*accepted_epoch, *current_epoch)]
            }
            F::AcceptedEpochStored { epoch } => {
                vec![server.remember(*epoch, server.current)]
            }
            F::CurrentEpochStored { epoch } => {
                vec![server.remember(server.accepted, *epoch)]
            }
            F::SyncModeChosen { .. } => vec![self.quorum_has_accepted(at.node)],
            F::TxnsFlushed { zxid } => {
                server.durable = server.durable.max(real(zxid));
                Vec::new()
            }
            F::TxnsTruncated { to, .. } => {
                server.durable = server.durable.min(real(to));
                Vec::new()
            }
            F::EpochEstablished { epoch, zxid, history } => {
                let having = self.having(real(zxid));
                let mut looks = self.order.establish(at.node, *epoch, (*zxid, *history));
                looks.push(self.quorum_has(self.order.real(*zxid), having));
                looks
            }
            F::ServingStarted { epoch, zxid, history, .. } => {
                let zxid = real(zxid);
                (server.applied, server.serves_in) = (Some(zxid), Some(*epoch));
                self.order.serve(zxid, *history)
            }
            F::ServingStopped { .. } => {
                (server.applied, server.serves_in) = (None, None);
                Vec::new()
            }
            F::TxnProposed { zxid, .. } => vec![self.order.propose(at.node, *zxid)],
            F::TxnCommitted { zxid } => {
                let having = self.having(*zxid);
                vec![self.order.commit(*zxid), self.quorum_has(*zxid, having)]
            }
            F::TxnApplied { zxid, history, tree } => {
                let before = server.applied.replace(*zxid);
                self.order.apply(before, *zxid, (*history, *tree))
            }
            F::EphemeralRemoved { path, session } => {
                self.sessions.removed(at, path, *session);
                Vec::new()
            }
            F::SessionClosed { session, .. } => vec![self.sessions.closed(at, *session)],
            F::SessionEstablished { session, server } => {
                let epoch = self.servers.get(server).and_then(|server| server.serves_in);
                self.znodes.connected(at.node, epoch);
                self.sessions.established(at.node, *session);
                Vec::new()
            }
            F::SessionLost { .. } => {
                self.sessions.forget_client(at.node);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// How many of those that vote have a transaction on their platters.
    fn having(&self, zxid: Zxid) -> u32 {
        let has =
            |node: &&NodeId| self.servers.get(node).is_some_and(|server| server.durable >= zxid);
        self.participants.iter().filter(has).count() as u32
    }

    /// A leader brings a learner in line: a quorum has told it that it accepts its epoch.
    fn quorum_has_accepted(&self, leader: NodeId) -> Look {
        let epoch = self.servers.get(&leader).map_or(0, |server| server.accepted);
        let has =
            |node: &&NodeId| self.servers.get(node).is_some_and(|server| server.accepted >= epoch);
        let having = self.participants.iter().filter(has).count();
        let of = self.participants.len();
        let finding = match having * 2 > of {
            true => Ok(()),
            false => Err(Breach::of(format!(
                "{leader} goes on with epoch {epoch}, and {having} of {of} voters have written it down"
            ))),
        };
        (Promise::EnsembleEpochsAreMonotonic, finding)
    }

    fn quorum_has(&self, zxid: Zxid, having: u32) -> Look {
        let of = self.participants.len() as u32;
        let finding = match zxid == Zxid::ZERO || having * 2 > of {
            true => Ok(()),
            false => {
                let what =
                    format!("{zxid} counts as committed, and {having} of {of} voters have it");
                Err(Breach::of(what))
            }
        };
        (Promise::MajorityHasCommittedTxns, finding)
    }
}

impl Server {
    /// What was told must have been written down, and never falls; nobody has a leader of an epoch that it has
    /// not accepted.
    fn remember(&mut self, accepted: u32, current: u32) -> Look {
        let finding = match () {
            _ if accepted < self.accepted => {
                Err(Breach::of(format!("accepted epoch {accepted} after {}", self.accepted)))
            }
            _ if current < self.current => {
                Err(Breach::of(format!("current epoch {current} after {}", self.current)))
            }
            _ if current > accepted => {
                Err(Breach::of(format!("current epoch {current} above the accepted {accepted}")))
            }
            _ => Ok(()),
        };
        (self.accepted, self.current) = (accepted, current);
        (Promise::EnsembleEpochsAreMonotonic, finding)
    }
}

impl Judge {
    pub(crate) fn watch_ensemble(&mut self, at: Moment, fact: &ZooKeeperFact) {
        for look in self.ensemble.watch(at, fact) {
            self.note_ensemble(at, look);
        }
    }

    /// A client of the ensemble calls, or is answered.
    pub(crate) fn watch_keeper(&mut self, at: Moment, operation: &Operation) {
        let looks = match operation {
            Operation::Began { id, call: klab_machine::Call::ZooKeeper(op) } => {
                self.ensemble.begin(at, *id, op);
                Vec::new()
            }
            Operation::Ended { id, outcome: klab_machine::Outcome::ZooKeeper(outcome) } => {
                self.ensemble.end(at, *id, outcome)
            }
            _ => return,
        };
        for look in looks {
            self.note_ensemble(at, look);
        }
    }

    fn note_ensemble(&mut self, at: Moment, (promise, finding): Look) {
        let permitted = self.ensemble.disk_lost.then_some(Setting::VoterDiskLost);
        let finding = finding.map_err(|breach| breach.permitted(permitted));
        self.findings.note(promise, at, None, finding);
    }
}

impl Ensemble {
    fn begin(&mut self, at: Moment, id: OperationId, op: &klab_wire::zookeeper::Op) {
        self.sessions.begin(at.node, op);
        self.znodes.begin(at, id, op);
    }

    fn end(
        &mut self,
        at: Moment,
        id: OperationId,
        outcome: &klab_machine::operation::KeeperOutcome,
    ) -> Vec<Look> {
        let Some(op) = self.znodes.op(at.node, id) else { return Vec::new() };
        let mut looks: Vec<Look> =
            self.sessions.end(at.node, id, &op, outcome).into_iter().collect();
        looks.extend(self.znodes.end(at, id, outcome));
        looks
    }
}
