//! How a leader brings a learner in line: with a DIFF, a TRUNC, or a SNAP (`LearnerHandler.syncFollower`).
//!
//! The learner says what it has logged last. If the leader has that transaction among the last ones that it
//! committed, what follows is sent; if not, but an older one that both must have, the learner is to take
//! away what is behind that; if the learner is too far behind, or from another past, it gets everything.

use klab_machine::Mutant;
use klab_machine::fact::SyncMode;
use klab_wire::zookeeper::{Txn, Zxid};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a leader has to choose from.
#[derive(Clone, Copy, Debug)]
pub struct Stock<'a> {
    /// The last transactions that it has committed, in order.
    pub committed: &'a VecDeque<Arc<Txn>>,
    /// The last one that it has applied; at the beginning of an epoch, that beginning.
    pub last_processed: Zxid,
    /// What its log has behind the learner's last transaction, if the log reaches that far back; an empty
    /// list if not.
    pub logged: &'a [Arc<Txn>],
    /// What lies between two of its own it takes for its own (ZOOKEEPER-1154).
    pub trusts_numbers: bool,
}

/// What a leader sends first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How.
    pub mode: SyncMode,
    /// What DIFF or TRUNC carries.
    pub zxid: Zxid,
    /// The committed transactions that follow.
    pub txns: Vec<Arc<Txn>>,
    /// Where the learner is then; proposals behind this are sent to it as well.
    pub reaches: Zxid,
}

/// Chooses for a learner whose last logged transaction is `peer`.
pub fn choose(peer: Zxid, stock: Stock<'_>) -> Plan {
    let committed = stock.committed;
    let first = committed.front().map_or(stock.last_processed, |txn| txn.zxid);
    let last = committed.back().map_or(stock.last_processed, |txn| txn.zxid);
    let plan = match () {
        _ if peer == stock.last_processed => Some(Plan::of(SyncMode::Diff, peer, peer)),
        _ if peer > last && !peer.is_start_of_epoch() => {
            match Mutant::NeverTruncatesLearners.lives() {
                true => Some(Plan::of(SyncMode::Diff, peer, peer)),
                false => Some(Plan::of(SyncMode::Trunc, last, last)),
            }
        }
        _ if last >= peer && first <= peer => {
            from_committed((peer, stock.trusts_numbers), last, committed.iter())
        }
        _ if peer < first && !stock.logged.is_empty() => {
            let behind = committed
                .iter()
                .filter(|txn| stock.logged.last().is_none_or(|logged| logged.zxid < txn.zxid));
            let all = stock.logged.iter().chain(behind);
            from_committed((peer, stock.trusts_numbers), last, all)
        }
        _ => None,
    };
    plan.unwrap_or_else(|| Plan::of(SyncMode::Snap, stock.last_processed, stock.last_processed))
}

impl Plan {
    fn of(mode: SyncMode, zxid: Zxid, reaches: Zxid) -> Self {
        Plan { mode, zxid, txns: Vec::new(), reaches }
    }
}

/// What follows the learner's last transaction, if both have it; what follows the last one before it, if the
/// learner's own is of the same epoch as what came next; nothing if their pasts part in another epoch
/// (`queueCommittedProposals`, ZOOKEEPER-1154).
fn from_committed<'a>(
    (peer, trusts_numbers): (Zxid, bool),
    last: Zxid,
    committed: impl Iterator<Item = &'a Arc<Txn>>,
) -> Option<Plan> {
    let mut before = None;
    let mut plan: Option<Plan> = None;
    for txn in committed {
        let zxid = txn.zxid;
        if zxid < peer {
            before = Some(zxid);
            continue;
        }
        let plan = match &mut plan {
            Some(plan) => plan,
            None if zxid == peer || peer.is_start_of_epoch() || trusts_numbers => {
                plan.insert(Plan::of(SyncMode::Diff, last, peer))
            }
            None if zxid.epoch() != peer.epoch() => return None,
            None => plan.insert(Plan::of(SyncMode::Trunc, before?, peer)),
        };
        if zxid > plan.reaches {
            plan.txns.push(txn.clone());
            plan.reaches = zxid;
        }
    }
    match plan {
        None if peer.is_start_of_epoch() => Some(Plan::of(SyncMode::Diff, last, peer)),
        plan => plan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Timestamp;
    use klab_wire::zookeeper::{KeeperError, SessionId, TxnBody, Xid};

    fn z(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(epoch, counter)
    }

    fn txns(zxids: &[(u32, u32)]) -> VecDeque<Arc<Txn>> {
        let txn = |(epoch, counter): &(u32, u32)| {
            let body = TxnBody::Error(KeeperError::NoNode);
            let (session, cxid, time) = (SessionId(1), Xid(1), Timestamp::default());
            Arc::new(Txn { zxid: z(*epoch, *counter), session, cxid, time, body })
        };
        zxids.iter().map(txn).collect()
    }

    /// The mode, what it carries, and what follows, for a leader that has these committed.
    fn chosen(peer: (u32, u32), committed: &[(u32, u32)]) -> (SyncMode, Zxid, Vec<Zxid>) {
        let committed = txns(committed);
        let last_processed = committed.back().map_or(Zxid::ZERO, |txn| txn.zxid);
        let stock =
            Stock { committed: &committed, last_processed, logged: &[], trusts_numbers: false };
        let plan = choose(z(peer.0, peer.1), stock);
        (plan.mode, plan.zxid, plan.txns.iter().map(|txn| txn.zxid).collect())
    }

    #[test]
    fn learner_handler_sync_follower_chooses_by_what_the_learner_has_logged() {
        use SyncMode::{Diff, Snap, Trunc};
        let own = [(1, 2), (1, 3), (1, 4)];
        for (peer, mode, carries, follows) in [
            ((1, 4), Diff, z(1, 4), vec![]),
            ((1, 3), Diff, z(1, 4), vec![z(1, 4)]),
            ((1, 2), Diff, z(1, 4), vec![z(1, 3), z(1, 4)]),
            ((1, 1), Snap, z(1, 4), vec![]),
            ((1, 6), Trunc, z(1, 4), vec![]),
            ((0, 0), Snap, z(1, 4), vec![]),
        ] {
            assert_eq!(chosen(peer, &own), (mode, carries, follows), "{peer:?}");
        }
    }

    #[test]
    fn zookeeper_1154_what_lies_between_two_epochs_and_nobody_else_has_is_not_kept() {
        let own = [(7, 71), (7, 72), (7, 73), (8, 1), (8, 2)];
        // Epoch 7 ended without the learner's (7,74); what came next is of another epoch.
        assert_eq!(chosen((7, 74), &own).0, SyncMode::Snap);
        assert_eq!(chosen((7, 73), &own).2, [z(8, 1), z(8, 2)]);
    }

    #[test]
    fn a_learner_whose_own_ending_of_an_epoch_was_not_committed_is_cut_back_to_the_common_point() {
        let own = [(7, 1), (7, 2), (7, 5)];
        assert_eq!(chosen((7, 4), &own), (SyncMode::Trunc, z(7, 2), vec![z(7, 5)]));
    }

    #[test]
    fn the_beginning_of_an_epoch_is_no_transaction_and_is_not_cut_away() {
        let own = [(1, 1), (1, 2)];
        assert_eq!(chosen((2, 0), &own).0, SyncMode::Snap);
        assert_eq!(chosen((1, 0), &[(0, 9), (1, 1)]), (SyncMode::Diff, z(1, 1), vec![z(1, 1)]));
    }

    #[test]
    fn what_memory_does_not_reach_the_log_may() {
        let (committed, logged) = (txns(&[(1, 5), (1, 6)]), txns(&[(1, 3), (1, 4), (1, 5)]));
        let logged: Vec<_> = logged.into_iter().collect();
        let last_processed = z(1, 6);
        let stock =
            Stock { committed: &committed, last_processed, logged: &logged, trusts_numbers: false };
        let plan = choose(z(1, 3), stock);
        let follows: Vec<Zxid> = plan.txns.iter().map(|txn| txn.zxid).collect();
        assert_eq!((plan.mode, follows), (SyncMode::Diff, vec![z(1, 4), z(1, 5), z(1, 6)]));
    }
}
