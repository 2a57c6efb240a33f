//! Transactions: what the leader makes of requests, what every server logs and applies.
//!
//! A transaction is idempotent: it says what a znode becomes, not what to do to it. So it may be applied
//! again to a snapshot that has it already (`DataTree.processTxn`, fuzzy snapshots).

use super::{Acl, Data, KeeperError, Path, SessionId, Xid, Zxid};
use crate::{Span, Timestamp};
use serde::Serialize;

/// One transaction, with its header (`TxnHeader`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Txn {
    /// Its place in the order of all.
    pub zxid: Zxid,
    /// Whose request it was.
    pub session: SessionId,
    /// Which request of that session.
    pub cxid: Xid,
    /// The leader's wall clock.
    pub time: Timestamp,
    /// What it does.
    pub body: TxnBody,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum TxnBody {
    /// A session begins.
    CreateSession {
        /// After how long without a word it expires.
        timeout: Span,
    },
    /// A session ends, and with it these ephemeral znodes (`CloseSessionTxn`, ZOOKEEPER-3145).
    CloseSession {
        /// The znodes.
        paths: Vec<Path>,
    },
    /// A znode begins.
    Create {
        /// Its path, with the sequence number if it has one.
        path: Path,
        /// Its data.
        data: Data,
        /// Who may do what with it.
        acl: Acl,
        /// It ends with the transaction's session.
        ephemeral: bool,
        /// What the parent's `cversion` becomes.
        parent_cversion: u32,
    },
    /// A znode ends.
    Delete {
        /// Its path.
        path: Path,
    },
    /// A znode gets new data.
    SetData {
        /// Its path.
        path: Path,
        /// The data.
        data: Data,
        /// The version that this is.
        version: u32,
    },
    /// The version of a znode was as expected when the multi around this was made.
    Check {
        /// Its path.
        path: Path,
    },
    /// All of these, or none.
    Multi(Vec<TxnBody>),
    /// Nothing: the request was refused. Even that has its place in the order of all.
    Error(KeeperError),
    /// Nothing: one of the operations of a multi was refused.
    FailedMulti {
        /// Which, from 0.
        at: u32,
        /// How many there are.
        of: u32,
        /// Why.
        error: KeeperError,
    },
}

impl Txn {
    /// Bytes on the wire and in the log.
    pub fn size_in_bytes(&self) -> u32 {
        40 + self.body.size_in_bytes()
    }
}

impl TxnBody {
    fn size_in_bytes(&self) -> u32 {
        match self {
            TxnBody::CreateSession { .. } => 4,
            TxnBody::CloseSession { paths } => {
                4 + paths.iter().map(|path| 4 + path.0.len() as u32).sum::<u32>()
            }
            TxnBody::Create { path, data, .. } => 41 + path.0.len() as u32 + data.0.len() as u32,
            TxnBody::Delete { path } | TxnBody::Check { path } => 8 + path.0.len() as u32,
            TxnBody::SetData { path, data, .. } => 12 + path.0.len() as u32 + data.0.len() as u32,
            TxnBody::Multi(parts) => {
                4 + parts.iter().map(|part| 8 + part.size_in_bytes()).sum::<u32>()
            }
            TxnBody::Error(_) => 4,
            TxnBody::FailedMulti { of, .. } => 4 + 12 * of,
        }
    }

    /// What it does, in a word: the name of its operation.
    pub const fn name(&self) -> &'static str {
        match self {
            TxnBody::CreateSession { .. } => "createSession",
            TxnBody::CloseSession { .. } => "closeSession",
            TxnBody::Create { .. } => "create",
            TxnBody::Delete { .. } => "delete",
            TxnBody::SetData { .. } => "setData",
            TxnBody::Check { .. } => "check",
            TxnBody::Multi(_) => "multi",
            TxnBody::Error(_) | TxnBody::FailedMulti { .. } => "error",
        }
    }
}
