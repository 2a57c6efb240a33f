//! Transaction ids, sessions, paths: what everything in an ensemble is called by.

use crate::NodeId;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// A transaction's id: the epoch of its leader in the upper half, a counter in the lower (`ZxidUtils`).
///
/// Printed as the papers write it: `(1,3)` is the third transaction of epoch 1. `(1,0)` is no transaction:
/// it stands for the beginning of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Zxid(pub u64);

impl Zxid {
    /// Before every transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// The transaction `counter` of an epoch.
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Zxid(((epoch as u64) << 32) | counter as u64)
    }

    /// The beginning of an epoch: what NEWLEADER carries.
    pub const fn start_of(epoch: u32) -> Self {
        Zxid::new(epoch, 0)
    }

    /// The epoch of the leader that proposed it.
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Which transaction of its epoch, from 1.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The next one of the same epoch.
    pub const fn next(self) -> Self {
        Zxid(self.0 + 1)
    }

    /// It stands for the beginning of an epoch, not for a transaction.
    pub const fn is_start_of_epoch(self) -> bool {
        self.counter() == 0
    }

    /// Nothing can lie between this transaction and `next`, as far as the numbers tell: it is the next of
    /// its epoch, or the first of a later one.
    pub const fn may_be_followed_by(self, next: Zxid) -> bool {
        next.0 == self.0 + 1 || (next.epoch() > self.epoch() && next.counter() == 1)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("({},{})", self.epoch(), self.counter()))
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A client's session, as the whole ensemble knows it.
///
/// As in `SessionTrackerImpl.initializeNextSessionId`, the upper byte is the server that opened it; the rest
/// is the server's time in milliseconds and a counter. Printed in hexadecimal, as ZooKeeper does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

impl SessionId {
    /// No session: what a client that has none yet asks with, and what the ensemble's own transactions have.
    pub const NONE: SessionId = SessionId(0);

    /// The first session that a server opens when it starts to serve at this time.
    pub const fn first_of(server: NodeId, millis: u64) -> Self {
        SessionId(((server.number as u64) << 56) | ((millis << 16) & 0x00ff_ffff_ffff_0000))
    }

    /// The next one of the same server.
    pub const fn next(self) -> Self {
        SessionId(self.0 + 1)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#x}", self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number by which an answer finds its request in a session; the client counts from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Xid(pub i32);

impl Xid {
    /// Of pings (`ClientCnxn.PING_XID`).
    pub const PING: Xid = Xid(-2);
    /// Of authentications (`ClientCnxn.AUTHPACKET_XID`).
    pub const AUTH: Xid = Xid(-4);
    /// Of watches that are set again (`ClientCnxn.SET_WATCHES_XID`).
    pub const SET_WATCHES: Xid = Xid(-8);
    /// Of what the ensemble does without a request, such as closing a session that has expired.
    pub const NONE: Xid = Xid(0);
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A znode's path: `/brokers/ids/1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Path(pub Arc<str>);

impl Path {
    /// The root, which always exists.
    pub fn root() -> Self {
        Path::from("/")
    }

    /// The path of the znode that this one is in; none for the root.
    pub fn parent(&self) -> Option<Path> {
        let end = self.0.rfind('/')?;
        match (end, self.0.len()) {
            (_, 1) => None,
            (0, _) => Some(Path::root()),
            _ => Some(Path::from(&self.0[..end])),
        }
    }

    /// The last part: what `getChildren` of the parent shows.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// A child of this znode.
    pub fn child(&self, name: &str) -> Path {
        match &*self.0 {
            "/" => Path::from(format!("/{name}")),
            own => Path::from(format!("{own}/{name}")),
        }
    }

    /// This path as seen from a connection string with a chroot.
    pub fn under(&self, chroot: Option<&Path>) -> Path {
        match (chroot, &*self.0) {
            (None, _) => self.clone(),
            (Some(chroot), "/") => chroot.clone(),
            (Some(chroot), own) => Path::from(format!("{chroot}{own}")),
        }
    }

    /// It begins with a slash and has no empty part (`PathUtils.validatePath`).
    pub fn is_valid(&self) -> bool {
        &*self.0 == "/"
            || (self.0.starts_with('/') && self.0.split('/').skip(1).all(|part| !part.is_empty()))
    }
}

impl From<&str> for Path {
    fn from(path: &str) -> Self {
        Path(path.into())
    }
}

impl From<String> for Path {
    fn from(path: String) -> Self {
        Path(path.into())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a znode holds. ZooKeeper's is bytes; all that a model writes is text: numbers, Kafka's JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Data(pub Arc<str>);

impl Default for Data {
    fn default() -> Self {
        Data::from("")
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Data(text.into())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Data(text.into())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zxid_is_ordered_by_epoch_and_then_by_its_counter() {
        assert!(Zxid::new(1, 7) < Zxid::new(2, 0));
        assert!(Zxid::new(2, 1) < Zxid::new(2, 2));
        assert_eq!((Zxid::new(3, 9).epoch(), Zxid::new(3, 9).counter()), (3, 9));
    }

    #[test]
    fn what_may_follow_a_zxid() {
        let zxid = Zxid::new(1, 3);
        for (next, may) in [
            (Zxid::new(1, 4), true),
            (Zxid::new(1, 5), false),
            (Zxid::new(1, 3), false),
            (Zxid::new(2, 1), true),
            (Zxid::new(2, 2), false),
        ] {
            assert_eq!(zxid.may_be_followed_by(next), may, "{next}");
        }
    }

    #[test]
    fn a_path_knows_its_parent_and_its_name() {
        for (path, parent, name) in
            [("/", None, ""), ("/a", Some("/"), "a"), ("/a/b", Some("/a"), "b")]
        {
            let path = Path::from(path);
            assert_eq!((path.parent(), path.name()), (parent.map(Path::from), name));
        }
        assert_eq!(Path::root().child("a").child("b"), Path::from("/a/b"));
    }

    #[test]
    fn a_path_is_valid_if_none_of_its_parts_is_empty() {
        for (path, valid) in
            [("/", true), ("/a/b", true), ("a", false), ("/a//b", false), ("/a/", false)]
        {
            assert_eq!(Path::from(path).is_valid(), valid, "{path}");
        }
    }

    #[test]
    fn a_chroot_comes_before_every_path() {
        let kafka = Path::from("/kafka");
        assert_eq!(Path::from("/brokers").under(Some(&kafka)), Path::from("/kafka/brokers"));
        assert_eq!(Path::root().under(Some(&kafka)), kafka);
        assert_eq!(Path::from("/brokers").under(None), Path::from("/brokers"));
    }
}
