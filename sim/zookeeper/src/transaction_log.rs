//! The transaction log: files of transactions, appended to and fsynced in groups (`FileTxnLog`,
//! `SyncRequestProcessor`).
//!
//! One fsync is under way at a time; what is appended meanwhile goes with the next. So the more there is to
//! do, the more transactions share an fsync.

use klab_machine::{Block, Change, File, FlushId, Outbox};
use klab_wire::zookeeper::{Txn, Zxid};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct TransactionLog {
    files: Vec<LogFile>,
    /// The fsync that is under way, and up to which transaction it reaches.
    flushing: Option<(FlushId, Zxid)>,
    /// Everything up to this one is on the platter.
    flushed: Zxid,
    /// The next transaction begins a new file, so soon as the old one is on the platter.
    rolls: bool,
}

#[derive(Clone, Debug)]
struct LogFile {
    name: Zxid,
    txns: Vec<Arc<Txn>>,
}

impl TransactionLog {
    /// What a disk holds. The page cache may know more than the platter: [`flush`](Self::flush) it.
    pub fn found(files: impl Iterator<Item = (Zxid, Vec<Arc<Txn>>)>) -> Self {
        let files = files.map(|(name, txns)| LogFile { name, txns }).collect();
        TransactionLog { files, ..TransactionLog::default() }
    }

    /// The last transaction.
    pub fn last(&self) -> Option<Zxid> {
        self.files.iter().rev().find_map(|file| file.txns.last()).map(|txn| txn.zxid)
    }

    /// Everything up to this transaction is on the platter.
    pub fn flushed(&self) -> Zxid {
        self.flushed
    }

    /// The transactions behind this one, in order.
    pub fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Arc<Txn>> {
        let from =
            self.files.partition_point(|file| file.txns.last().is_none_or(|txn| txn.zxid <= zxid));
        self.files[from..].iter().flat_map(|file| &file.txns).filter(move |txn| txn.zxid > zxid)
    }

    /// The log reaches back to this transaction: it has it, or begins right behind it.
    pub fn reaches_back_to(&self, zxid: Zxid) -> bool {
        let first = self.files.iter().find_map(|file| file.txns.first());
        first.is_some_and(|txn| txn.zxid <= zxid)
    }

    /// The log has this transaction.
    pub fn has(&self, zxid: Zxid) -> bool {
        let file = self
            .files
            .iter()
            .rev()
            .find(|file| file.txns.first().is_some_and(|txn| txn.zxid <= zxid));
        file.is_some_and(|file| file.txns.binary_search_by_key(&zxid, |txn| txn.zxid).is_ok())
    }

    /// Appends a transaction: as far as the page cache.
    pub fn append(&mut self, txn: Arc<Txn>, out: &mut Outbox) {
        if self.files.is_empty() || (self.rolls && self.flushing.is_none() && self.is_flushed()) {
            self.rolls = false;
            self.files.push(LogFile { name: txn.zxid, txns: Vec::new() });
        }
        let file = self.files.last_mut().expect("one has been begun");
        out.store(File::TransactionLog(file.name), Change::Append(Block::Txn(txn.clone())));
        file.txns.push(txn);
    }

    /// The next transaction begins a new file (`rollLog`).
    pub fn roll(&mut self) {
        self.rolls = true;
    }

    /// Asks for an fsync of what has been appended, if none is under way.
    pub fn flush(&mut self, out: &mut Outbox) {
        if self.flushing.is_some() || self.is_flushed() {
            return;
        }
        if let (Some(file), Some(last)) = (self.files.last(), self.last()) {
            self.flushing = Some((out.flush(File::TransactionLog(file.name)), last));
        }
    }

    /// Asks for an fsync of everything that has been appended, whatever is under way. Gives what to wait for.
    pub fn flush_now(&mut self, out: &mut Outbox) -> Option<FlushId> {
        let (name, last) = (self.files.last()?.name, self.last()?);
        let flush = out.flush(File::TransactionLog(name));
        self.flushing = Some((flush, last));
        Some(flush)
    }

    /// Everything is on the platter, and no fsync is under way.
    pub fn is_settled(&self) -> bool {
        self.flushing.is_none() && self.is_flushed()
    }

    /// Asks for an fsync of everything there is, whoever wrote it: of what was found at the start nobody
    /// knows whether the platter has it.
    pub fn flush_all(&mut self, out: &mut Outbox) {
        let flushes: Vec<FlushId> =
            self.files.iter().map(|file| out.flush(File::TransactionLog(file.name))).collect();
        self.flushing = flushes.last().zip(self.last()).map(|(flush, last)| (*flush, last));
    }

    /// An fsync is done. Whether it was this log's.
    pub fn on_flushed(&mut self, flush: FlushId, out: &mut Outbox) -> bool {
        let Some((_, to)) = self.flushing.filter(|(waited, _)| *waited == flush) else {
            return false;
        };
        (self.flushing, self.flushed) = (None, to);
        self.flush(out);
        true
    }

    /// Everything that was appended is on the platter.
    pub fn is_flushed(&self) -> bool {
        self.last().is_none_or(|last| last <= self.flushed)
    }

    /// Takes away everything behind a transaction (`FileTxnLog.truncate`), and gives the number of
    /// transactions taken and the fsync that makes it last.
    pub fn truncate(&mut self, to: Zxid, out: &mut Outbox) -> (u32, Option<FlushId>) {
        let mut removed = 0;
        while let Some(file) = self.files.pop_if(|file| file.name > to) {
            removed += file.txns.len() as u32;
            out.store(File::TransactionLog(file.name), Change::Delete);
            out.flush(File::TransactionLog(file.name));
        }
        let Some(file) = self.files.last_mut() else { return (removed, None) };
        let kept = file.txns.partition_point(|txn| txn.zxid <= to);
        removed += (file.txns.len() - kept) as u32;
        file.txns.truncate(kept);
        out.store(File::TransactionLog(file.name), Change::Truncate(kept as u64));
        let flush = out.flush(File::TransactionLog(file.name));
        let last = self.last().unwrap_or(Zxid::ZERO);
        self.flushed = self.flushed.min(last);
        self.flushing = Some((flush, last));
        (removed, Some(flush))
    }
}
