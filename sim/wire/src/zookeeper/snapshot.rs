//! The whole state of a server at one place in the order of transactions: what SNAP sends and a snapshot
//! file holds.

use super::{Acl, Data, Path, SessionId, Stat, Zxid};
use crate::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A znode (`DataNode`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Znode {
    /// What it holds.
    pub data: Data,
    /// Who may do what with it.
    pub acl: Acl,
    /// The transaction that created it.
    pub czxid: Zxid,
    /// The transaction that changed its data last.
    pub mzxid: Zxid,
    /// The transaction that changed its children last.
    pub pzxid: Zxid,
    /// How often its data has changed.
    pub version: u32,
    /// How many children it has had: what a sequential child is numbered with.
    pub cversion: u32,
    /// The session whose end is its end.
    pub ephemeral_owner: Option<SessionId>,
    /// The names of its children.
    pub children: BTreeSet<Arc<str>>,
}

impl Znode {
    /// What a server tells of it.
    pub fn stat(&self) -> Stat {
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            version: self.version,
            // Counted are creations; told are changes, deletions included (`DataNode.copyStat`).
            cversion: (self.cversion * 2).saturating_sub(self.children.len() as u32),
            ephemeral_owner: self.ephemeral_owner,
            data_length: self.data.0.len() as u32,
            num_children: self.children.len() as u32,
        }
    }
}

/// A server's state.
///
/// It may be *fuzzy*: written while transactions went on, so that some znodes are newer than `zxid`. To
/// apply the transactions behind `zxid` again makes it right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Everything up to this transaction is in it.
    pub zxid: Zxid,
    /// All znodes.
    pub znodes: BTreeMap<Path, Znode>,
    /// All sessions, with their timeouts.
    pub sessions: BTreeMap<SessionId, Span>,
    /// The digest of all transactions up to `zxid`, by which runs of the lab hold servers against each other.
    pub history: u64,
}

impl Snapshot {
    /// Bytes on the wire and on the disk.
    pub fn size_in_bytes(&self) -> u32 {
        let znode =
            |(path, znode): (&Path, &Znode)| 80 + (path.0.len() + znode.data.0.len()) as u32;
        64 + self.znodes.iter().map(znode).sum::<u32>() + 12 * self.sessions.len() as u32
    }
}
