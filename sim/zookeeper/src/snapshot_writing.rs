//! Fuzzy snapshots: written while transactions go on (`SyncRequestProcessor.shouldSnapshot`).
//!
//! The sessions and the first half of the tree are caught when it begins, the other half when it is written:
//! what happens meanwhile is in one half and not in the other. It is named after the last transaction that
//! was applied when it began; to apply what was logged behind that again makes it right.

use crate::database::Database;
use klab_machine::Outbox;
use klab_wire::Span;
use klab_wire::zookeeper::{Path, SessionId, Snapshot, Znode, Zxid};
use std::collections::BTreeMap;

/// A snapshot that is being written.
#[derive(Clone, Debug)]
pub struct Begun {
    zxid: Zxid,
    history: u64,
    sessions: BTreeMap<SessionId, Span>,
    first: BTreeMap<Path, Znode>,
    /// From this path on the tree is caught at the end.
    middle: Option<Path>,
}

impl Database {
    /// Begins a snapshot, if so many transactions have been logged since the last one and none is being
    /// written. Whether it has begun.
    pub fn begin_snapshot(&mut self, due_after: u32) -> bool {
        if self.since_snapshot <= due_after || self.begun.is_some() {
            return false;
        }
        let znodes = self.tree().znodes();
        let middle = znodes.keys().nth(znodes.len() / 2).cloned();
        let is_first = |path: &Path| middle.as_ref().is_none_or(|middle| path < middle);
        let first = znodes.iter().filter(|(path, _)| is_first(path));
        let first = first.map(|(path, znode)| (path.clone(), znode.clone())).collect();
        self.begun = Some(Begun {
            zxid: self.last_processed(),
            history: self.history(),
            sessions: self.sessions().clone(),
            first,
            middle,
        });
        self.since_snapshot = 0;
        self.log.roll();
        true
    }

    /// Writes a snapshot that was begun to its end. Gives its zxid, and whether anything happened meanwhile.
    pub fn finish_snapshot(&mut self, out: &mut Outbox) -> Option<(Zxid, bool)> {
        let begun = self.begun.take()?;
        let mut znodes = begun.first;
        if let Some(middle) = begun.middle {
            let rest = self.tree().znodes().range(middle..);
            znodes.extend(rest.map(|(path, znode)| (path.clone(), znode.clone())));
        }
        let fuzzy = begun.zxid != self.last_processed();
        let (sessions, history) = (begun.sessions, begun.history);
        self.store(Snapshot { zxid: begun.zxid, znodes, sessions, history }, out);
        Some((begun.zxid, fuzzy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::{DiskImage, Effect};
    use klab_wire::Timestamp;
    use klab_wire::zookeeper::{Acl, Data, Txn, TxnBody, Xid};
    use std::sync::Arc;

    fn create(counter: u32, path: &str) -> Arc<Txn> {
        let (path, data) = (Path::from(path), Data::default());
        let body = TxnBody::Create {
            path,
            data,
            acl: Acl::Open,
            ephemeral: false,
            parent_cversion: counter,
        };
        let (zxid, session) = (Zxid::new(1, counter), SessionId(1));
        Arc::new(Txn { zxid, session, cxid: Xid(1), time: Timestamp::default(), body })
    }

    /// Applies what is stored as a disk would.
    fn store(disk: &mut DiskImage, out: &mut Outbox) {
        for effect in out.drain() {
            if let Effect::Store { file, change } = effect {
                disk.apply(file, change);
            }
        }
    }

    #[test]
    fn a_fuzzy_snapshot_and_the_log_behind_it_make_the_tree_that_was() {
        let (mut disk, mut out) = (DiskImage::default(), Outbox::new(0));
        let mut database = Database::load(&disk, 500);
        let write = |database: &mut Database, counter, path: &str, out: &mut Outbox| {
            let txn = create(counter, path);
            database.append(txn.clone(), out);
            database.apply(&txn);
        };
        for (counter, path) in (1..).zip(["/a", "/b", "/y", "/z"]) {
            write(&mut database, counter, path, &mut out);
        }
        assert!(database.begin_snapshot(3));
        // These come while it is written: the one is in the half that was caught, the other is not.
        write(&mut database, 5, "/aa", &mut out);
        write(&mut database, 6, "/zz", &mut out);
        assert_eq!(database.finish_snapshot(&mut out), Some((Zxid::new(1, 4), true)));
        store(&mut disk, &mut out);
        let again = Database::load(&disk, 500);
        assert_eq!(again.tree(), database.tree());
        assert_eq!(
            (again.history(), again.last_processed()),
            (database.history(), Zxid::new(1, 6))
        );
    }

    #[test]
    fn what_is_not_committed_gets_into_no_snapshot_of_what_is() {
        let (mut disk, mut out) = (DiskImage::default(), Outbox::new(0));
        let mut database = Database::load(&disk, 500);
        for (counter, path) in (1..).zip(["/a", "/b", "/y", "/z"]) {
            let txn = create(counter, path);
            database.append(txn.clone(), &mut out);
            database.apply(&txn);
        }
        assert!(database.begin_snapshot(3));
        // This one is proposed while it is written, and the leader goes: it is applied before the election, and taken
        // away by the next leader.
        database.append(create(5, "/zz"), &mut out);
        database.fast_forward();
        assert_eq!(database.finish_snapshot(&mut out), None);
        database.truncate(Zxid::new(1, 4), &mut out);
        store(&mut disk, &mut out);
        for database in [&database, &Database::load(&disk, 500)] {
            assert_eq!(database.tree().znode(&"/zz".into()), None);
            assert_eq!(database.last_processed(), Zxid::new(1, 4));
        }
    }

    #[test]
    fn what_is_truncated_does_not_come_back() {
        let (mut disk, mut out) = (DiskImage::default(), Outbox::new(0));
        let mut database = Database::load(&disk, 500);
        for (counter, path) in (1..).zip(["/a", "/b", "/c"]) {
            database.append(create(counter, path), &mut out);
        }
        database.fast_forward();
        database.write_snapshot(&mut out);
        assert_eq!(database.truncate(Zxid::new(1, 2), &mut out).0, 1);
        store(&mut disk, &mut out);
        let again = Database::load(&disk, 500);
        assert_eq!((again.tree(), again.last_processed()), (database.tree(), Zxid::new(1, 2)));
        assert_eq!(again.tree().znode(&"/c".into()), None);
    }
}
