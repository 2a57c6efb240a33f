//! From requests to transactions: what the leader makes of a request, before anything of it is applied
//! (`PrepRequestProcessor`).
//!
//! Proposals are pipelined, so the tree lags behind what has been decided: a request is held against the
//! tree *and* the changes that are on their way (`outstandingChanges`). A request that fails becomes a
//! transaction too, one that does nothing.

use crate::sessions::SessionTracker;
use crate::tree::Tree;
use klab_machine::Mutant;
use klab_wire::zookeeper::{Acl, KeeperError, Op, Path, SessionId, TxnBody, Xid, Znode, Zxid};
use klab_wire::{ClientId, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A write as it reaches the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub session: SessionId,
    /// Which of that session.
    pub cxid: Xid,
    /// What.
    pub op: Op,
    /// The server that the client is connected to; none for what the leader does by itself.
    pub owner: Option<NodeId>,
    /// The name that the client has given.
    pub name: Option<ClientId>,
}

/// The changes that are decided and not yet applied.
#[derive(Clone, Debug, Default)]
pub struct Prep {
    changes: BTreeMap<Path, (Zxid, Option<Shape>)>,
    order: VecDeque<(Zxid, Path)>,
}

/// What the next request must know of a znode (`ChangeRecord`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    version: u32,
    cversion: u32,
    children: u32,
    owner: Option<SessionId>,
    acl: Acl,
}

/// One request being held against what is there.
struct Draft<'a> {
    prep: &'a Prep,
    tree: &'a Tree,
    /// What this request has changed so far.
    changed: Vec<(Path, Option<Shape>)>,
}

impl Prep {
    /// What a request becomes.
    pub fn prepare(
        &mut self,
        request: &Request,
        zxid: Zxid,
        (tree, sessions, now): (&Tree, &mut SessionTracker, Time),
    ) -> TxnBody {
        if let Op::CreateSession { timeout } = request.op {
            sessions.track(request.session, timeout, now);
        }
        let allowed = match (request.owner, &request.op) {
            (None, _) | (_, Op::CloseSession) => Ok(()),
            (Some(owner), _) => sessions.check(request.session, owner),
        };
        let mut draft = Draft { prep: self, tree, changed: Vec::new() };
        match allowed.and_then(|()| draft.make(request, &request.op)) {
            Ok(body) => {
                let changed = draft.changed;
                changed.into_iter().for_each(|(path, shape)| self.note(zxid, path, shape));
                body
            }
            Err(error) => TxnBody::Error(error),
        }
    }

    /// A transaction was applied: the tree knows it now.
    pub fn on_applied(&mut self, zxid: Zxid) {
        while let Some((_, path)) = self.order.pop_front_if(|(of, _)| *of <= zxid) {
            if self.changes.get(&path).is_some_and(|(of, _)| *of <= zxid) {
                self.changes.remove(&path);
            }
        }
    }

    fn note(&mut self, zxid: Zxid, path: Path, shape: Option<Shape>) {
        self.order.push_back((zxid, path.clone()));
        self.changes.insert(path, (zxid, shape));
    }
}

impl Draft<'_> {
    fn make(&mut self, request: &Request, op: &Op) -> Result<TxnBody, KeeperError> {
        match op {
            Op::CreateSession { timeout } => Ok(TxnBody::CreateSession { timeout: *timeout }),
            Op::CloseSession => Ok(self.close_session(request.session)),
            Op::Create { .. } => self.create(request, op),
            Op::Delete { path, version } => self.delete(request, path, *version),
            Op::SetData { path, data, version } => {
                let mut shape = self.existing(path)?;
                permit(shape.acl.lets_write(request.name.as_ref()))?;
                check_version(shape.version, *version)?;
                shape.version += 1;
                let version = shape.version;
                self.change(path, Some(shape));
                Ok(TxnBody::SetData { path: path.clone(), data: data.clone(), version })
            }
            Op::Check { path, version } => {
                let shape = self.existing(path)?;
                permit(shape.acl.lets_read(request.name.as_ref()))?;
                check_version(shape.version, *version)?;
                Ok(TxnBody::Check { path: path.clone() })
            }
            Op::Multi(parts) => Ok(self.multi(request, parts)),
            _ => Err(KeeperError::BadArguments),
        }
    }

    /// All or nothing: if one fails, what the others would have changed is forgotten.
    fn multi(&mut self, request: &Request, parts: &[Op]) -> TxnBody {
        let mut bodies = Vec::with_capacity(parts.len());
        for (at, part) in (0..).zip(parts) {
            match self.make(request, part) {
                Ok(body) => bodies.push(body),
                Err(error) => {
                    self.changed.clear();
                    return TxnBody::FailedMulti { at, of: parts.len() as u32, error };
                }
            }
        }
        TxnBody::Multi(bodies)
    }

    fn create(&mut self, request: &Request, op: &Op) -> Result<TxnBody, KeeperError> {
        let Op::Create { path, data, acl, mode } = op else { unreachable!("the caller looked") };
        let parent_path = parent_of(path)?;
        let mut parent = self.existing(&parent_path)?;
        permit(parent.acl.lets_write(request.name.as_ref()))?;
        let path = match mode.sequential {
            true => Path::from(format!("{path}{:010}", parent.cversion)),
            false => path.clone(),
        };
        let acl = acl.fixed_up(request.name.as_ref()).ok_or(KeeperError::InvalidAcl)?;
        match () {
            _ if self.shape(&path).is_some() => return Err(KeeperError::NodeExists),
            _ if parent.owner.is_some() => return Err(KeeperError::NoChildrenForEphemerals),
            _ => {}
        }
        (parent.cversion, parent.children) = (parent.cversion + 1, parent.children + 1);
        let parent_cversion = parent.cversion;
        self.change(&parent_path, Some(parent));
        let owner = mode.ephemeral.then_some(request.session);
        let shape = Shape { version: 0, cversion: 0, children: 0, owner, acl: acl.clone() };
        self.change(&path, Some(shape));
        let (data, ephemeral) = (data.clone(), mode.ephemeral);
        Ok(TxnBody::Create { path, data, acl, ephemeral, parent_cversion })
    }

    fn delete(
        &mut self,
        request: &Request,
        path: &Path,
        version: Option<u32>,
    ) -> Result<TxnBody, KeeperError> {
        let parent_path = parent_of(path)?;
        let mut parent = self.existing(&parent_path)?;
        permit(parent.acl.lets_write(request.name.as_ref()))?;
        let shape = self.existing(path)?;
        check_version(shape.version, version)?;
        if shape.children > 0 {
            return Err(KeeperError::NotEmpty);
        }
        parent.children -= 1;
        self.change(&parent_path, Some(parent));
        self.change(path, None);
        Ok(TxnBody::Delete { path: path.clone() })
    }

    /// The session's ephemeral znodes: those of the tree that are not being deleted, and those that are being
    /// created.
    fn close_session(&mut self, session: SessionId) -> TxnBody {
        let is_own =
            |path: &Path| self.shape(path).is_some_and(|shape| shape.owner == Some(session));
        let known = self.tree.ephemerals(session).chain(self.prep.changes.keys());
        let paths: BTreeSet<Path> = known.filter(|path| is_own(path)).cloned().collect();
        for path in &paths {
            if let Some(parent) = path.parent()
                && let Some(mut shape) = self.shape(&parent)
            {
                shape.children = shape.children.saturating_sub(1);
                self.change(&parent, Some(shape));
            }
            self.change(path, None);
        }
        TxnBody::CloseSession { paths: paths.into_iter().collect() }
    }

    fn existing(&self, path: &Path) -> Result<Shape, KeeperError> {
        match path.is_valid() {
            true => self.shape(path).ok_or(KeeperError::NoNode),
            false => Err(KeeperError::BadArguments),
        }
    }

    /// A znode as it will be when everything decided so far is applied (`getRecordForPath`).
    fn shape(&self, path: &Path) -> Option<Shape> {
        if let Some((_, shape)) = self.changed.iter().rev().find(|(changed, _)| changed == path) {
            return shape.clone();
        }
        match self.prep.changes.get(path) {
            Some((_, shape)) => shape.clone(),
            None => self.tree.znode(path).map(Shape::of),
        }
    }

    fn change(&mut self, path: &Path, shape: Option<Shape>) {
        self.changed.push((path.clone(), shape));
    }
}

impl Shape {
    fn of(znode: &Znode) -> Self {
        Shape {
            version: znode.version,
            cversion: znode.cversion,
            children: znode.children.len() as u32,
            owner: znode.ephemeral_owner,
            acl: znode.acl.clone(),
        }
    }
}

fn parent_of(path: &Path) -> Result<Path, KeeperError> {
    let parent = path.is_valid().then(|| path.parent()).flatten();
    parent.ok_or(KeeperError::BadArguments)
}

fn permit(is_permitted: bool) -> Result<(), KeeperError> {
    if is_permitted { Ok(()) } else { Err(KeeperError::NoAuth) }
}

fn check_version(version: u32, expected: Option<u32>) -> Result<(), KeeperError> {
    match expected {
        Some(expected) if expected != version && !Mutant::IgnoresZnodeVersions.lives() => {
            Err(KeeperError::BadVersion)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::zookeeper::{CreateMode, Data};
    use klab_wire::{Span, Timestamp};
    use std::sync::Arc;

    const SESSION: SessionId = SessionId(1);
    const Z1: NodeId = NodeId::zookeeper(1);

    struct Bench {
        prep: Prep,
        tree: Tree,
        sessions: SessionTracker,
        next: u32,
    }

    impl Bench {
        fn new() -> Self {
            let sessions = BTreeMap::from([(SESSION, Span::from_secs(10))]);
            let sessions = SessionTracker::new(&sessions, Span::from_secs(2), Time::ZERO);
            Bench { prep: Prep::default(), tree: Tree::default(), sessions, next: 1 }
        }

        fn ask(&mut self, op: Op) -> TxnBody {
            let zxid = Zxid::new(1, self.next);
            self.next += 1;
            let request =
                Request { session: SESSION, cxid: Xid(1), op, owner: Some(Z1), name: None };
            self.prep.prepare(&request, zxid, (&self.tree, &mut self.sessions, Time::ZERO))
        }

        /// Asks, and applies what comes of it.
        fn carry_out(&mut self, op: Op) {
            let body = self.ask(op);
            let zxid = Zxid::new(1, self.next - 1);
            let (cxid, time) = (Xid(1), Timestamp::default());
            let txn = klab_wire::zookeeper::Txn { zxid, session: SESSION, cxid, time, body };
            self.tree.apply(&Arc::new(txn));
            self.prep.on_applied(zxid);
        }
    }

    fn create(path: &str, mode: CreateMode) -> Op {
        Op::Create { path: path.into(), data: Data::default(), acl: Acl::Open, mode }
    }

    fn set(path: &str, version: Option<u32>) -> Op {
        Op::SetData { path: path.into(), data: "x".into(), version }
    }

    fn delete(path: &str) -> Op {
        Op::Delete { path: path.into(), version: None }
    }

    #[test]
    fn a_request_sees_what_is_decided_and_not_applied_yet() {
        let mut bench = Bench::new();
        assert!(matches!(bench.ask(create("/a", CreateMode::PERSISTENT)), TxnBody::Create { .. }));
        let again = bench.ask(create("/a", CreateMode::PERSISTENT));
        assert_eq!(again, TxnBody::Error(KeeperError::NodeExists));
        assert!(matches!(bench.ask(set("/a", Some(0))), TxnBody::SetData { version: 1, .. }));
        assert_eq!(bench.ask(set("/a", Some(0))), TxnBody::Error(KeeperError::BadVersion));
        assert!(matches!(bench.ask(delete("/a")), TxnBody::Delete { .. }));
        assert_eq!(bench.ask(set("/a", None)), TxnBody::Error(KeeperError::NoNode));
    }

    #[test]
    fn a_sequential_znode_is_numbered_with_how_many_its_parent_has_had() {
        let mut bench = Bench::new();
        for expected in ["/lock-0000000000", "/lock-0000000001"] {
            let body = bench.ask(create("/lock-", CreateMode::EPHEMERAL_SEQUENTIAL));
            assert!(matches!(body, TxnBody::Create { path, .. } if path == expected.into()));
        }
    }

    #[test]
    fn a_multi_is_all_or_nothing() {
        let mut bench = Bench::new();
        bench.carry_out(create("/epoch", CreateMode::PERSISTENT));
        let check = |version| Op::Check { path: "/epoch".into(), version: Some(version) };
        let multi = |version| Op::Multi(vec![create("/a", CreateMode::PERSISTENT), check(version)]);
        let failed = TxnBody::FailedMulti { at: 1, of: 2, error: KeeperError::BadVersion };
        assert_eq!(bench.ask(multi(7)), failed);
        assert!(matches!(bench.ask(multi(0)), TxnBody::Multi(_)), "nothing is left of the first");
    }

    #[test]
    fn a_closed_session_takes_with_it_what_is_still_being_created() {
        let mut bench = Bench::new();
        bench.carry_out(create("/a", CreateMode::EPHEMERAL));
        bench.carry_out(create("/b", CreateMode::EPHEMERAL));
        bench.ask(delete("/a"));
        bench.ask(create("/c", CreateMode::EPHEMERAL));
        let paths = vec!["/b".into(), "/c".into()];
        assert_eq!(bench.ask(Op::CloseSession), TxnBody::CloseSession { paths });
    }

    #[test]
    fn what_cannot_be_done() {
        let mut bench = Bench::new();
        bench.carry_out(create("/e", CreateMode::EPHEMERAL));
        bench.carry_out(create("/p", CreateMode::PERSISTENT));
        bench.carry_out(create("/p/c", CreateMode::PERSISTENT));
        for (op, error) in [
            (create("/x/y", CreateMode::PERSISTENT), KeeperError::NoNode),
            (create("/e/y", CreateMode::PERSISTENT), KeeperError::NoChildrenForEphemerals),
            (create("//", CreateMode::PERSISTENT), KeeperError::BadArguments),
            (delete("/p"), KeeperError::NotEmpty),
            (delete("/"), KeeperError::BadArguments),
        ] {
            assert_eq!(bench.ask(op.clone()), TxnBody::Error(error), "{op}");
        }
    }
}
