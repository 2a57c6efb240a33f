//! The tree of znodes: what transactions make of it (`DataTree`).
//!
//! To apply a transaction is idempotent, because it may meet a tree that has it already: a fuzzy snapshot
//! (`DataTree.processTxn`). What a transaction does was decided when it was made; here nothing is refused
//! but by a tree that is not the one it was made for.

use klab_machine::Mutant;
use klab_machine::fingerprint::Fingerprint;
use klab_wire::zookeeper::{
    Acl, Answer, Data, EventType, KeeperError, Path, SessionId, Txn, TxnBody, Znode, Zxid,
};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// All znodes of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    znodes: BTreeMap<Path, Znode>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Path>>,
    /// A sum over all znodes: it does not depend on the order in which they came
    /// (`DataTree.getTreeDigest`, ZOOKEEPER-3114).
    digest: u64,
}

/// What came of applying a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What its client is told.
    pub result: Result<Answer, KeeperError>,
    /// What watches are told, in order.
    pub events: Vec<(EventType, Path)>,
    /// The ephemeral znodes that went with their session.
    pub removed: Vec<Path>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::of(BTreeMap::from([(
            Path::root(),
            fresh(Data::default(), Acl::Open, Zxid::ZERO, None),
        )]))
    }
}

impl Tree {
    /// A tree of these znodes.
    pub fn of(znodes: BTreeMap<Path, Znode>) -> Self {
        let mut tree = Tree { znodes: BTreeMap::new(), ephemerals: BTreeMap::new(), digest: 0 };
        for (path, znode) in znodes {
            tree.insert(path, znode);
        }
        tree
    }

    /// A znode.
    pub fn znode(&self, path: &Path) -> Option<&Znode> {
        self.znodes.get(path)
    }

    /// All znodes, by path.
    pub fn znodes(&self) -> &BTreeMap<Path, Znode> {
        &self.znodes
    }

    /// The ephemeral znodes of a session.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &Path> {
        self.ephemerals.get(&session).into_iter().flatten()
    }

    /// What tells this tree from any other.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Applies a transaction.
    pub fn apply(&mut self, txn: &Txn) -> Applied {
        let mut applied =
            Applied { result: Ok(Answer::Done), events: Vec::new(), removed: Vec::new() };
        let result = self.carry_out(txn, &txn.body, &mut applied);
        Applied { result, ..applied }
    }

    fn carry_out(
        &mut self,
        txn: &Txn,
        body: &TxnBody,
        applied: &mut Applied,
    ) -> Result<Answer, KeeperError> {
        match body {
            TxnBody::Create { path, data, acl, ephemeral, parent_cversion } => {
                let owner = ephemeral.then_some(txn.session);
                let znode = fresh(data.clone(), acl.clone(), txn.zxid, owner);
                self.create(path, znode, *parent_cversion, applied)
            }
            TxnBody::Delete { path } => self.delete(path, txn.zxid, applied),
            TxnBody::SetData { path, data, version } => {
                self.set_data(path, data, *version, txn.zxid, applied)
            }
            TxnBody::CloseSession { paths } => {
                self.close_session(txn, paths, applied);
                Ok(Answer::Done)
            }
            TxnBody::Multi(parts) => {
                let results = parts.iter().map(|part| self.carry_out(txn, part, applied)).collect();
                Ok(Answer::Multi(results))
            }
            TxnBody::Error(error) => Err(*error),
            TxnBody::FailedMulti { at, of, error } => Ok(Answer::failed_multi(*at, *of, *error)),
            TxnBody::CreateSession { .. } | TxnBody::Check { .. } => Ok(Answer::Done),
        }
    }

    fn create(
        &mut self,
        path: &Path,
        znode: Znode,
        parent_cversion: u32,
        applied: &mut Applied,
    ) -> Result<Answer, KeeperError> {
        let (zxid, stat) = (znode.czxid, znode.stat());
        let parent = path.parent().ok_or(KeeperError::NodeExists)?;
        if !self.znodes.contains_key(&parent) {
            return Err(KeeperError::NoNode);
        }
        self.change(&parent, |parent| {
            parent.children.insert(path.name().into());
            if parent_cversion > parent.cversion {
                parent.cversion = parent_cversion;
                parent.pzxid = parent.pzxid.max(zxid);
            }
        });
        if self.znodes.contains_key(path) {
            return Err(KeeperError::NodeExists);
        }
        self.insert(path.clone(), znode);
        applied.events.push((EventType::NodeCreated, path.clone()));
        applied.events.push((EventType::NodeChildrenChanged, parent));
        Ok(Answer::Created { path: path.clone(), stat })
    }

    /// The parent learns it even if the znode is gone already: a fuzzy snapshot may have caught the one and
    /// not the other (ZOOKEEPER-3145).
    fn delete(
        &mut self,
        path: &Path,
        zxid: Zxid,
        applied: &mut Applied,
    ) -> Result<Answer, KeeperError> {
        let parent = path.parent().ok_or(KeeperError::BadArguments)?;
        self.change(&parent, |parent| {
            parent.children.remove(path.name());
            parent.pzxid = parent.pzxid.max(zxid);
        });
        let Some(znode) = self.znodes.remove(path) else { return Err(KeeperError::NoNode) };
        self.digest = self.digest.wrapping_sub(digest_of(path, &znode));
        if let Some(owner) = znode.ephemeral_owner {
            self.disown(owner, path);
        }
        applied.events.push((EventType::NodeDeleted, path.clone()));
        applied.events.push((EventType::NodeChildrenChanged, parent));
        Ok(Answer::Done)
    }

    fn set_data(
        &mut self,
        path: &Path,
        data: &Data,
        version: u32,
        zxid: Zxid,
        applied: &mut Applied,
    ) -> Result<Answer, KeeperError> {
        if !self.znodes.contains_key(path) {
            return Err(KeeperError::NoNode);
        }
        self.change(path, |znode| {
            (znode.data, znode.version, znode.mzxid) = (data.clone(), version, zxid);
        });
        applied.events.push((EventType::NodeDataChanged, path.clone()));
        Ok(Answer::Stat(self.znodes[path].stat()))
    }

    /// The znodes that the transaction names, and whatever else is still the session's.
    fn close_session(&mut self, txn: &Txn, paths: &[Path], applied: &mut Applied) {
        if Mutant::LeavesEphemerals.lives() {
            return;
        }
        let own: Vec<Path> = self.ephemerals(txn.session).cloned().collect();
        for path in paths.iter().chain(own.iter().filter(|path| !paths.contains(path))) {
            if self.delete(path, txn.zxid, applied).is_ok() {
                applied.removed.push(path.clone());
            }
        }
    }

    fn insert(&mut self, path: Path, znode: Znode) {
        self.digest = self.digest.wrapping_add(digest_of(&path, &znode));
        if let Some(owner) = znode.ephemeral_owner {
            self.ephemerals.entry(owner).or_default().insert(path.clone());
        }
        self.znodes.insert(path, znode);
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut Znode)) {
        if let Some(znode) = self.znodes.get_mut(path) {
            let before = digest_of(path, znode);
            change(znode);
            self.digest = self.digest.wrapping_sub(before).wrapping_add(digest_of(path, znode));
        }
    }

    fn disown(&mut self, owner: SessionId, path: &Path) {
        if let Some(paths) = self.ephemerals.get_mut(&owner) {
            paths.remove(path);
            if paths.is_empty() {
                self.ephemerals.remove(&owner);
            }
        }
    }
}

fn fresh(data: Data, acl: Acl, zxid: Zxid, ephemeral_owner: Option<SessionId>) -> Znode {
    Znode {
        data,
        acl,
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        version: 0,
        cversion: 0,
        ephemeral_owner,
        children: BTreeSet::new(),
    }
}

fn digest_of(path: &Path, znode: &Znode) -> u64 {
    let mut digest = Fingerprint::new();
    digest.add(&(path, &znode.data, &znode.acl, znode.czxid, znode.mzxid, znode.pzxid));
    digest.add(&(znode.version, znode.cversion, znode.ephemeral_owner));
    digest.finish()
}

/// The digest of a history with one transaction more.
pub fn history_with(history: u64, txn: &Txn) -> u64 {
    let mut digest = Fingerprint::new();
    history.hash(&mut digest);
    txn.hash(&mut digest);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Timestamp;
    use klab_wire::zookeeper::Xid;

    const SESSION: SessionId = SessionId(7);

    fn txn(counter: u32, body: TxnBody) -> Txn {
        let zxid = Zxid::new(1, counter);
        Txn { zxid, session: SESSION, cxid: Xid(1), time: Timestamp::default(), body }
    }

    fn create(path: &str, ephemeral: bool, parent_cversion: u32) -> TxnBody {
        let (path, data) = (Path::from(path), Data::default());
        TxnBody::Create { path, data, acl: Acl::Open, ephemeral, parent_cversion }
    }

    #[test]
    fn a_znode_is_created_below_its_parent_and_both_are_watched() {
        let mut tree = Tree::default();
        let applied = tree.apply(&txn(1, create("/a", false, 1)));
        let events =
            [(EventType::NodeCreated, "/a".into()), (EventType::NodeChildrenChanged, Path::root())];
        assert_eq!(applied.events, events);
        assert_eq!(tree.znode(&Path::root()).expect("there is a root").stat().num_children, 1);
        assert_eq!(tree.apply(&txn(2, create("/b/c", false, 1))).result, Err(KeeperError::NoNode));
    }

    #[test]
    fn a_closed_session_takes_its_ephemerals_with_it() {
        let mut tree = Tree::default();
        tree.apply(&txn(1, create("/lock", true, 1)));
        let applied = tree.apply(&txn(2, TxnBody::CloseSession { paths: vec!["/lock".into()] }));
        assert_eq!(applied.removed, [Path::from("/lock")]);
        assert_eq!(tree.znode(&"/lock".into()), None);
    }

    #[test]
    fn all_transactions_may_be_applied_again() {
        let history = [
            txn(1, create("/a", false, 1)),
            txn(2, create("/a/b", true, 1)),
            txn(3, TxnBody::SetData { path: "/a".into(), data: "x".into(), version: 1 }),
            txn(4, TxnBody::Delete { path: "/a/b".into() }),
            txn(5, create("/a/b", false, 2)),
            txn(
                6,
                TxnBody::Multi(vec![
                    TxnBody::Delete { path: "/a/b".into() },
                    create("/c", false, 2),
                ]),
            ),
        ];
        let mut once = Tree::default();
        history.iter().for_each(|txn| drop(once.apply(txn)));
        // A fuzzy snapshot may have caught any of them: to go over all again makes it right.
        for caught in 0..=history.len() {
            let mut tree = Tree::default();
            history[..caught].iter().for_each(|txn| drop(tree.apply(txn)));
            history.iter().for_each(|txn| drop(tree.apply(txn)));
            assert_eq!(tree, once, "after {caught}");
        }
    }
}
