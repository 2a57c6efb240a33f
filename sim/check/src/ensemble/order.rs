//! The order of transactions: who may propose, what is committed, what each server has applied.

use super::Look;
use crate::findings::{Breach, Finding};
use crate::invariant::one_leader_per_epoch;
use crate::promise::Promise;
use klab_wire::zookeeper::Zxid;
use klab_wire::{LeaderEpoch, NodeId};
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    /// On top of which transaction each epoch was established.
    established: BTreeMap<u32, Zxid>,
    /// The last proposal of each epoch.
    proposed: BTreeMap<u32, Zxid>,
    /// The latest transaction that is committed.
    committed: Zxid,
    /// The latest one that the leader of each epoch has committed, or begun with.
    committed_in: BTreeMap<u32, Zxid>,
    /// What servers that had come this far told: the digest of all transactions, and that of the tree.
    told: BTreeMap<Zxid, (u64, Option<u64>)>,
}

impl Order {
    /// A quorum has accepted a leader, and has all that it has. *Established leader*, *leader log
    /// completeness*: it is the only one of its epoch, and lacks nothing that was committed.
    pub(super) fn establish(
        &mut self,
        node: NodeId,
        epoch: u32,
        (zxid, history): (Zxid, u64),
    ) -> Vec<Look> {
        let zxid = self.real(zxid);
        let one = one_leader_per_epoch::lead(&mut self.leaders, LeaderEpoch(epoch), node);
        // A leader that stood still may learn late that a quorum had accepted it, when a later epoch has begun.
        let earlier = self.committed_in.range(..epoch).map(|(_, zxid)| *zxid).max();
        let completeness = match earlier.filter(|earlier| zxid < *earlier) {
            Some(earlier) => {
                let what = format!("epoch {epoch} begins on {zxid}, and {earlier} was committed");
                Err(Breach::of(what))
            }
            None => Ok(()),
        };
        self.established.insert(epoch, zxid);
        self.committed_in.insert(epoch, zxid);
        self.committed = self.committed.max(zxid);
        vec![
            (Promise::OneEnsembleLeaderPerEpoch, one),
            (Promise::CommittedTxnsSurvive, completeness),
            (Promise::ServersAgreeOnThePast, self.agree(zxid, history, None)),
        ]
    }

    /// *Primary integrity*, *local primary order*: only the leader of an epoch proposes in it, one after the
    /// other.
    pub(super) fn propose(&mut self, node: NodeId, zxid: Zxid) -> Look {
        let epoch = zxid.epoch();
        let last = self.proposed.insert(epoch, zxid).unwrap_or(Zxid::start_of(epoch));
        let finding = match self.leaders.get(&LeaderEpoch(epoch)) {
            Some(leader) if *leader == node && zxid == last.next() => Ok(()),
            Some(leader) if *leader == node => {
                Err(Breach::of(format!("{zxid} was proposed behind {last}")))
            }
            leader => Err(Breach::of(format!("{node} proposed {zxid}, led by {leader:?}"))),
        };
        (Promise::PrimaryOrder, finding)
    }

    /// Nothing is committed that an epoch which began later does not have.
    pub(super) fn commit(&mut self, zxid: Zxid) -> Look {
        let mut later = self.established.range(zxid.epoch() + 1..);
        let finding = match later.find(|(_, base)| **base < zxid) {
            Some((epoch, base)) => {
                let what = format!("{zxid} was committed after epoch {epoch} had begun on {base}");
                Err(Breach::of(what))
            }
            None => Ok(()),
        };
        self.committed = self.committed.max(zxid);
        let latest = self.committed_in.entry(zxid.epoch()).or_insert(zxid);
        *latest = zxid.max(*latest);
        (Promise::CommittedTxnsSurvive, finding)
    }

    /// The last transaction before the beginning of an epoch, if that is meant: a leader that begins its epoch
    /// calls that its last (`Leader.startZkServer`).
    pub(super) fn real(&self, zxid: Zxid) -> Zxid {
        match zxid.is_start_of_epoch() {
            true => self.established.get(&zxid.epoch()).copied().unwrap_or(zxid),
            false => zxid,
        }
    }

    /// A server begins to serve with what it has.
    pub(super) fn serve(&mut self, zxid: Zxid, history: u64) -> Vec<Look> {
        vec![
            (Promise::OnlyCommittedTxnsAreApplied, self.is_committed(zxid)),
            (Promise::ServersAgreeOnThePast, self.agree(zxid, history, None)),
        ]
    }

    /// A server that serves applies a transaction. *Integrity*, *total order*, *agreement*, *global primary
    /// order*: it was proposed and committed, it is the next one, and whoever applied it came by the same way.
    pub(super) fn apply(
        &mut self,
        before: Option<Zxid>,
        zxid: Zxid,
        (history, tree): (u64, u64),
    ) -> Vec<Look> {
        let is_proposed = self.proposed.get(&zxid.epoch()).is_some_and(|last| zxid <= *last);
        let is_next = before.is_none_or(|before| before.may_be_followed_by(zxid));
        let order = match (is_proposed, is_next) {
            (true, true) => Ok(()),
            (false, _) => Err(Breach::of(format!("{zxid} was applied, and nobody proposed it"))),
            (_, false) => Err(Breach::of(format!("{zxid} was applied behind {before:?}"))),
        };
        vec![
            (Promise::PrimaryOrder, order),
            (Promise::OnlyCommittedTxnsAreApplied, self.is_committed(zxid)),
            (Promise::ServersAgreeOnThePast, self.agree(zxid, history, Some(tree))),
        ]
    }

    fn is_committed(&self, zxid: Zxid) -> Finding {
        match zxid > self.committed {
            true => Err(Breach::of(format!(
                "{zxid} is shown, and only {} is committed",
                self.committed
            ))),
            false => Ok(()),
        }
    }

    fn agree(&mut self, zxid: Zxid, history: u64, tree: Option<u64>) -> Finding {
        let known = self.told.entry(zxid).or_insert((history, tree));
        let other_past = known.0 != history;
        let other_tree = known.1.zip(tree).is_some_and(|(known, tree)| known != tree);
        known.1 = known.1.or(tree);
        match (other_past, other_tree) {
            (true, _) => Err(Breach::of(format!("two servers came to {zxid} by different ways"))),
            (_, true) => Err(Breach::of(format!("two servers have different znodes at {zxid}"))),
            _ => Ok(()),
        }
    }
}
