//! A server's database: the tree, the sessions, the log, snapshots, and the last committed transactions
//! (`ZKDatabase`, `FileTxnSnapLog`).
//!
//! What is logged may run ahead of what is applied: a follower logs proposals and applies what is committed.
//! Whoever starts, or goes looking for a leader, applies all that it has logged: it may have been committed
//! (ZOOKEEPER-2845).

use crate::snapshot_writing::Begun;
use crate::transaction_log::TransactionLog;
use crate::tree::{Applied, Tree, history_with};
use klab_machine::{Block, Change, DiskImage, File, FlushId, Outbox};
use klab_wire::Span;
use klab_wire::zookeeper::{SessionId, Snapshot, Txn, TxnBody, Zxid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct Database {
    tree: Tree,
    sessions: BTreeMap<SessionId, Span>,
    last_processed: Zxid,
    history: u64,
    committed: VecDeque<Arc<Txn>>,
    /// How many committed transactions are kept in memory.
    window: usize,
    pub(crate) log: TransactionLog,
    snapshots: Vec<Arc<Snapshot>>,
    pub(crate) begun: Option<Begun>,
    pub(crate) since_snapshot: u32,
}

impl Database {
    /// What a disk holds: the latest snapshot, and everything that was logged behind it.
    pub fn load(disk: &DiskImage, window: u32) -> Self {
        let mut database = Database {
            tree: Tree::default(),
            sessions: BTreeMap::new(),
            last_processed: Zxid::ZERO,
            history: 0,
            committed: VecDeque::new(),
            window: window as usize,
            log: TransactionLog::found(logs(disk)),
            snapshots: snapshots(disk).collect(),
            begun: None,
            since_snapshot: 0,
        };
        database.restore();
        database
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// All sessions, with their timeouts (`sessionsWithTimeouts`).
    pub fn sessions(&self) -> &BTreeMap<SessionId, Span> {
        &self.sessions
    }

    /// The last transaction that was applied (`getDataTreeLastProcessedZxid`).
    pub fn last_processed(&self) -> Zxid {
        self.last_processed
    }

    /// The digest of everything that was applied, in order.
    pub fn history(&self) -> u64 {
        self.history
    }

    /// The last committed transactions, in order (`getCommittedLog`).
    pub fn committed(&self) -> &VecDeque<Arc<Txn>> {
        &self.committed
    }

    /// Applies a transaction to the tree and the sessions.
    pub fn apply(&mut self, txn: &Arc<Txn>) -> Applied {
        let applied = self.tree.apply(txn);
        match &txn.body {
            TxnBody::CreateSession { timeout } => drop(self.sessions.insert(txn.session, *timeout)),
            TxnBody::CloseSession { .. } => drop(self.sessions.remove(&txn.session)),
            _ => {}
        }
        self.last_processed = txn.zxid;
        self.history = history_with(self.history, txn);
        self.committed.push_back(txn.clone());
        if self.committed.len() > self.window {
            self.committed.pop_front();
        }
        applied
    }

    /// A new epoch begins: the leader's place in the order moves there (`Leader.startZkServer`).
    pub fn begin_epoch(&mut self, zxid: Zxid) {
        self.last_processed = zxid;
    }

    /// Logs a transaction: as far as the page cache.
    pub fn append(&mut self, txn: Arc<Txn>, out: &mut Outbox) {
        self.since_snapshot += 1;
        self.log.append(txn, out);
    }

    /// Applies everything that was logged (`fastForwardDataBase`).
    ///
    /// A snapshot that is being written is given up then: its name would be that of a committed transaction, and in it
    /// would be some that are not, and that no truncation takes out of it again. ZooKeeper's thread goes on writing
    /// (`SyncRequestProcessor.shutdown` does not wait for it).
    pub fn fast_forward(&mut self) {
        let logged: Vec<Arc<Txn>> = self.log.after(self.last_processed).cloned().collect();
        if !logged.is_empty() {
            self.begun = None;
        }
        for txn in &logged {
            self.apply(txn);
        }
    }

    /// Takes away everything behind a transaction. Gives the number of transactions taken, and the fsync to
    /// wait for.
    ///
    /// A snapshot that reaches further is taken away as well. ZooKeeper leaves it: then the truncated
    /// transactions come back from it.
    pub fn truncate(&mut self, to: Zxid, out: &mut Outbox) -> (u32, Option<FlushId>) {
        let (removed, flush) = self.log.truncate(to, out);
        while let Some(snapshot) = self.snapshots.pop_if(|snapshot| snapshot.zxid > to) {
            out.store(File::ZooKeeperSnapshot(snapshot.zxid), Change::Delete);
            out.flush(File::ZooKeeperSnapshot(snapshot.zxid));
        }
        self.begun = None;
        self.restore();
        self.last_processed = to;
        (removed, flush)
    }

    /// Replaces all that it has by a leader's state; not yet on the disk.
    pub fn install(&mut self, snapshot: &Snapshot) {
        self.begun = None;
        self.take_over(snapshot);
    }

    /// Writes the state down at once (`takeSnapshot`). Gives the fsync to wait for.
    pub fn write_snapshot(&mut self, out: &mut Outbox) -> FlushId {
        self.begun = None;
        self.store(self.snapshot(), out)
    }

    /// Stores a snapshot, and asks for its fsync.
    pub(crate) fn store(&mut self, snapshot: Snapshot, out: &mut Outbox) -> FlushId {
        let (file, snapshot) = (File::ZooKeeperSnapshot(snapshot.zxid), Arc::new(snapshot));
        out.store(file, Change::Replace(Block::ZooKeeperSnapshot(snapshot.clone())));
        self.snapshots.retain(|known| known.zxid != snapshot.zxid);
        self.snapshots.push(snapshot);
        self.snapshots.sort_by_key(|snapshot| snapshot.zxid);
        self.since_snapshot = 0;
        self.log.roll();
        out.flush(file)
    }

    /// What was logged from this transaction on and applied, so far as it is worth sending: a third of the last
    /// snapshot at most (`zookeeper.snapshotSizeFactor`), or the snapshot is cheaper. Empty if the log does not
    /// reach that far back.
    pub fn logged_from(&self, zxid: Zxid) -> Vec<Arc<Txn>> {
        let limit = self.snapshots.last().map_or(0, |snapshot| snapshot.size_in_bytes() / 3);
        if !self.log.reaches_back_to(zxid) || zxid < self.gap() {
            return Vec::new();
        }
        let before = Zxid(zxid.0.saturating_sub(1));
        let applied = |txn: &&Arc<Txn>| txn.zxid <= self.last_processed;
        let txns: Vec<Arc<Txn>> = self.log.after(before).take_while(applied).cloned().collect();
        let bytes: u32 = txns.iter().map(|txn| txn.size_in_bytes()).sum();
        if bytes > limit { Vec::new() } else { txns }
    }

    /// Up to here the log may lack transactions: what came with a leader's state was never logged here. To send
    /// a learner what the log has on both sides would leave it with a hole.
    fn gap(&self) -> Zxid {
        let came = self.snapshots.iter().rev().find(|snapshot| !self.log.has(snapshot.zxid));
        came.map_or(Zxid::ZERO, |snapshot| snapshot.zxid)
    }

    /// The state as a learner gets it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            zxid: self.last_processed,
            znodes: self.tree.znodes().clone(),
            sessions: self.sessions.clone(),
            history: self.history,
        }
    }

    fn restore(&mut self) {
        self.committed.clear();
        match self.snapshots.last().cloned() {
            Some(snapshot) => self.take_over(&snapshot),
            None => {
                (self.tree, self.sessions) = (Tree::default(), BTreeMap::new());
                (self.last_processed, self.history) = (Zxid::ZERO, 0);
            }
        }
        self.fast_forward();
    }

    fn take_over(&mut self, snapshot: &Snapshot) {
        self.tree = Tree::of(snapshot.znodes.clone());
        self.sessions = snapshot.sessions.clone();
        (self.last_processed, self.history) = (snapshot.zxid, snapshot.history);
        self.committed.clear();
    }
}

fn logs(disk: &DiskImage) -> impl Iterator<Item = (Zxid, Vec<Arc<Txn>>)> {
    let all = File::TransactionLog(Zxid::ZERO)..=File::TransactionLog(Zxid(u64::MAX));
    disk.files_in(all).filter_map(|file| {
        let File::TransactionLog(first) = file else { return None };
        let txn = |block: &Block| match block {
            Block::Txn(txn) => Some(txn.clone()),
            _ => None,
        };
        Some((first, disk.blocks(file).iter().filter_map(txn).collect()))
    })
}

fn snapshots(disk: &DiskImage) -> impl Iterator<Item = Arc<Snapshot>> {
    let all = File::ZooKeeperSnapshot(Zxid::ZERO)..=File::ZooKeeperSnapshot(Zxid(u64::MAX));
    disk.files_in(all).filter_map(|file| match disk.block(file) {
        Some(Block::ZooKeeperSnapshot(snapshot)) => Some(snapshot.clone()),
        _ => None,
    })
}
