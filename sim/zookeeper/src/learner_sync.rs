//! A learner is brought in line (`Learner.syncWithLeader`).
//!
//! The order at NEWLEADER is the whole matter, and each of its steps was once a defect:
//!
//! 1. what was truncated stays away, what was installed is written down,
//! 2. the transactions that came with the synchronisation are logged and on the platter (ZOOKEEPER-3911,
//!    ZOOKEEPER-4646),
//! 3. only then the new epoch is written down (ZOOKEEPER-4643): or a server with a short log could win by
//!    its high epoch,
//! 4. only then NEWLEADER is acknowledged.
//!
//! What is proposed and committed between NEWLEADER and UPTODATE is logged and applied at UPTODATE.

use crate::core::{Core, set, stop};
use crate::learner::{Learner, Stage, Then};
use crate::server::Leave;
use klab_machine::fact::{SyncMode, ZooKeeperFact};
use klab_machine::timer::ZooKeeperTimer;
use klab_machine::{FlushId, Outbox};
use klab_wire::Now;
use klab_wire::zookeeper::{Frame, ServerState, Txn, Zxid};
use std::collections::VecDeque;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    epoch: u32,
    mode: SyncMode,
    /// What has come is applied to memory only, and goes to the disk with a snapshot at NEWLEADER; if not,
    /// it goes to the log.
    snapshot_needed: bool,
    /// The last proposal that came, for gaps to be seen (`enforceContinuousProposal`).
    last_queued: Option<Zxid>,
    not_logged: VecDeque<Arc<Txn>>,
    committed: VecDeque<Zxid>,
    /// NEWLEADER is acknowledged.
    pub(crate) is_acknowledged: bool,
}

impl Learner {
    /// DIFF, TRUNC or SNAP.
    pub(crate) fn begin_sync(
        &mut self,
        core: &mut Core,
        epoch: u32,
        first: Frame,
        out: &mut Outbox,
    ) -> Option<Leave> {
        let mode = match first {
            Frame::Diff(_) => SyncMode::Diff,
            Frame::Trunc(to) => {
                self.truncate(core, to, out);
                SyncMode::Trunc
            }
            Frame::Snap(snapshot) => {
                core.database.install(&snapshot);
                out.state(ZooKeeperFact::SnapshotInstalled { zxid: snapshot.zxid });
                SyncMode::Snap
            }
            Frame::Ping(ping) => {
                self.say(Frame::Ping(ping), out);
                return None;
            }
            _ => return Some(Leave("neither DIFF nor TRUNC nor SNAP")),
        };
        self.stage = Stage::Synchronising(Box::new(Sync {
            epoch,
            mode,
            snapshot_needed: mode != SyncMode::Diff,
            last_queued: None,
            not_logged: VecDeque::new(),
            committed: VecDeque::new(),
            is_acknowledged: false,
        }));
        None
    }

    fn truncate(&mut self, core: &mut Core, to: Zxid, out: &mut Outbox) {
        let (removed, flush) = core.database.truncate(to, out);
        out.state(ZooKeeperFact::TxnsTruncated { to, removed });
        self.waits_for = flush.map(|flush| (flush, Then::Truncated));
    }

    /// What follows.
    pub(crate) fn continue_sync(
        &mut self,
        core: &mut Core,
        frame: Frame,
        (now, out): (Now, &mut Outbox),
    ) -> Option<Leave> {
        let Stage::Synchronising(sync) = &mut self.stage else { return None };
        match frame {
            Frame::Proposal(txn) => return sync.propose(txn),
            Frame::Commit(zxid) => sync.commit(core, zxid, out),
            Frame::Inform(txn) => {
                let zxid = txn.zxid;
                if let Some(leave) = sync.propose(txn) {
                    return Some(leave);
                }
                sync.commit(core, zxid, out);
            }
            Frame::NewLeader(_) => self.new_leader(core, out),
            Frame::UpToDate => self.up_to_date(core, (now, out)),
            Frame::Ping(ping) => self.say(Frame::Ping(ping), out),
            _ => {}
        }
        None
    }

    /// A synchronisation that ends before NEWLEADER has put things into memory that are nowhere on the disk: they
    /// are written down before this server votes with them (ZOOKEEPER-3642).
    pub(crate) fn keep_unfinished(&mut self, core: &mut Core, out: &mut Outbox) {
        if let Stage::Synchronising(sync) = &self.stage
            && sync.snapshot_needed
            && !core.setup.switches.forgets_unfinished_snapshots
        {
            core.write_snapshot(out);
        }
    }

    /// NEWLEADER: the disk has to catch up before anything is said.
    fn new_leader(&mut self, core: &mut Core, out: &mut Outbox) {
        let Stage::Synchronising(sync) = &self.stage else { return };
        if core.setup.switches.epoch_before_transactions {
            let flush = core.enter_epoch(sync.epoch, out);
            self.waits_for = Some((flush, Then::WriteTxns));
            return;
        }
        self.write_txns(core, out);
    }

    /// Writes down what came with the synchronisation.
    pub(crate) fn write_txns(&mut self, core: &mut Core, out: &mut Outbox) {
        let waits = !core.setup.switches.acknowledges_before_persisting;
        let Stage::Synchronising(sync) = &mut self.stage else { return };
        let flush = match sync.snapshot_needed {
            true => Some(sync.write_snapshot(core, out)),
            false => sync.log_committed(core, waits, out),
        };
        match flush.filter(|_| waits) {
            Some(flush) => self.waits_for = Some((flush, Then::EnterEpoch)),
            None => self.enter_epoch(core, out),
        }
    }

    /// The transactions are on the platter: now the epoch.
    pub(crate) fn enter_epoch(&mut self, core: &mut Core, out: &mut Outbox) {
        let Stage::Synchronising(sync) = &self.stage else { return };
        let flush = core.enter_epoch(sync.epoch, out);
        self.waits_for = Some((flush, Then::AckNewLeader));
    }

    /// The epoch is on the platter: now NEWLEADER is acknowledged.
    pub(crate) fn acknowledge_new_leader(&mut self, core: &mut Core, out: &mut Outbox) {
        let leader = self.leader;
        let Stage::Synchronising(sync) = &mut self.stage else { return };
        let (epoch, mode) = (sync.epoch, sync.mode);
        sync.is_acknowledged = true;
        let zxid = core.database.last_processed();
        out.state(ZooKeeperFact::LearnerSynchronised { leader, mode, epoch, zxid });
        set(ZooKeeperTimer::LeaderSilent, core.setup.sync_timeout(), out);
        self.say(Frame::Ack(Zxid::start_of(epoch)), out);
    }

    /// UPTODATE: a quorum is in line. What came since NEWLEADER is logged and, if committed, applied.
    fn up_to_date(&mut self, core: &mut Core, (now, out): (Now, &mut Outbox)) {
        let Stage::Synchronising(sync) = std::mem::replace(&mut self.stage, Stage::UpToDate) else {
            unreachable!("the caller looked");
        };
        self.say(Frame::Ack(Zxid::start_of(sync.epoch)), out);
        stop(ZooKeeperTimer::InitLimit, out);
        core.update_vote(sync.epoch);
        let state = match self.observes {
            true => ServerState::Observing,
            false => ServerState::Following,
        };
        core.start_serving(state, now.time, out);
        // The third ambiguity of the paper: the transaction of COMMIT-LD is the leader's last committed one.
        let committed = match core.setup.switches.commits_what_it_acknowledged {
            true => sync.not_logged.iter().map(|txn| txn.zxid).collect(),
            false => sync.committed,
        };
        for txn in sync.not_logged {
            self.log(core, txn, out);
        }
        if self.observes {
            self.unacknowledged.clear();
        }
        for zxid in committed {
            self.commit(core, zxid, out);
        }
    }
}

impl Sync {
    /// A proposal comes; it must be the next one.
    fn propose(&mut self, txn: Arc<Txn>) -> Option<Leave> {
        if self.last_queued.is_some_and(|last| !last.may_be_followed_by(txn.zxid)) {
            return Some(Leave("the synchronisation has a gap"));
        }
        self.last_queued = Some(txn.zxid);
        self.not_logged.push_back(txn);
        None
    }

    /// What is committed goes to memory at once if a snapshot follows, else to the log first.
    fn commit(&mut self, core: &mut Core, zxid: Zxid, out: &mut Outbox) {
        if !self.snapshot_needed {
            return self.committed.push_back(zxid);
        }
        if let Some(txn) = self.not_logged.pop_front_if(|txn| txn.zxid == zxid) {
            core.apply(&txn, out);
        }
    }

    /// What was installed or is left of a truncation, and what was applied on top of it. ZooKeeper does not
    /// wait for this fsync after a TRUNC; the transactions in it are then nowhere else.
    fn write_snapshot(&mut self, core: &mut Core, out: &mut Outbox) -> FlushId {
        self.snapshot_needed = false;
        core.write_snapshot(out)
    }

    /// Logs and applies what is committed (`appendRequest`, `processTxn`); what is not stays where it is.
    fn log_committed(
        &mut self,
        core: &mut Core,
        flushes: bool,
        out: &mut Outbox,
    ) -> Option<FlushId> {
        let mut any = false;
        while let Some(zxid) = self.committed.pop_front() {
            let Some(txn) = self.not_logged.pop_front_if(|txn| txn.zxid == zxid) else { continue };
            any = true;
            core.database.append(txn.clone(), out);
            core.apply(&txn, out);
        }
        (any && flushes).then(|| core.database.log.flush_now(out)).flatten()
    }
}
