//! What clients and servers say to each other: `ConnectRequest`, requests with their `xid`, replies, events.

use super::{Acl, Data, KeeperError, Path, SessionId, Stat, Xid, Zxid};
use crate::{ClientId, Span};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The first frame of a connection: a client asks for a session, or for the one that it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectRequest {
    /// The latest transaction that the client has seen: a server that has not seen it turns the client away
    /// (`ZooKeeperServer.processConnectRequest`).
    pub last_zxid_seen: Zxid,
    /// The session timeout that the client would like.
    pub timeout: Span,
    /// The session that it has, or [`SessionId::NONE`].
    pub session: SessionId,
    /// What proves that the session is its own.
    pub password: u64,
}

/// The answer: a session, or (with a timeout of zero) that the one asked for has expired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectResponse {
    /// The session timeout that holds; zero if there is no such session any more.
    pub timeout: Span,
    /// The session.
    pub session: SessionId,
    /// What will prove that it is the client's own.
    pub password: u64,
}

/// A request in a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientRequest {
    /// Its number in the session.
    pub xid: Xid,
    /// What is asked.
    pub op: Op,
}

/// What lasts when its session ends, and what is numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct CreateMode {
    /// It ends with its session.
    pub ephemeral: bool,
    /// Its parent's `cversion` in ten digits is put behind its name.
    pub sequential: bool,
}

impl CreateMode {
    /// It stays until it is deleted.
    pub const PERSISTENT: CreateMode = CreateMode { ephemeral: false, sequential: false };
    /// It ends with its session.
    pub const EPHEMERAL: CreateMode = CreateMode { ephemeral: true, sequential: false };
    /// Numbered by its parent.
    pub const PERSISTENT_SEQUENTIAL: CreateMode = CreateMode { ephemeral: false, sequential: true };
    /// Both.
    pub const EPHEMERAL_SEQUENTIAL: CreateMode = CreateMode { ephemeral: true, sequential: true };
}

/// What a client can ask (`ZooDefs.OpCode`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Op {
    /// Begin a session. No client sends it: a server makes it of a [`ConnectRequest`].
    CreateSession {
        /// After how long without a word it expires.
        timeout: Span,
    },
    /// End the session.
    CloseSession,
    /// Begin a znode.
    Create {
        /// Its path.
        path: Path,
        /// Its data.
        data: Data,
        /// Who may do what with it.
        acl: Acl,
        /// Whether it is ephemeral, whether it is numbered.
        mode: CreateMode,
    },
    /// End a znode that has no children.
    Delete {
        /// Its path.
        path: Path,
        /// Its version; none for any.
        version: Option<u32>,
    },
    /// Give a znode new data.
    SetData {
        /// Its path.
        path: Path,
        /// The data.
        data: Data,
        /// Its version; none for any.
        version: Option<u32>,
    },
    /// Go on only if a znode has this version; of use in a multi.
    Check {
        /// Its path.
        path: Path,
        /// Its version; none for any, so long as it exists.
        version: Option<u32>,
    },
    /// All of these, or none.
    Multi(Vec<Op>),
    /// Is there such a znode?
    Exists {
        /// Its path.
        path: Path,
        /// Tell me once when it begins, changes or ends.
        watch: bool,
    },
    /// What does it hold?
    GetData {
        /// Its path.
        path: Path,
        /// Tell me once when it changes or ends.
        watch: bool,
    },
    /// What is in it?
    GetChildren {
        /// Its path.
        path: Path,
        /// Tell me once when that changes or it ends.
        watch: bool,
    },
    /// Let the server that I am connected to catch up with the leader.
    Sync {
        /// A path; it means nothing.
        path: Path,
    },
    /// I am another connection of the same session: these are the watches that I had.
    SetWatches(SetWatches),
    /// I am still here.
    Ping,
    /// This is my name (`addAuthInfo`, or SASL).
    Auth {
        /// The name.
        name: ClientId,
    },
}

/// The watches of a client that has reconnected (`SetWatches`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct SetWatches {
    /// What the client has seen: what changed later is told at once.
    pub relative_zxid: Zxid,
    /// Znodes whose data is watched.
    pub data: Vec<Path>,
    /// Znodes that did not exist and are waited for.
    pub exist: Vec<Path>,
    /// Znodes whose children are watched.
    pub child: Vec<Path>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    /// Which request.
    pub xid: Xid,
    /// For a write its own transaction, for a read the last one that the server has applied.
    pub zxid: Zxid,
    /// What came of it.
    pub result: Result<Answer, KeeperError>,
}

/// What came of a request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// The znode has this path.
    Created {
        /// The path, with its number.
        path: Path,
        /// Its state.
        stat: Stat,
    },
    /// The znode's state.
    Stat(Stat),
    /// The znode's data and state.
    Data {
        /// The data.
        data: Data,
        /// The state.
        stat: Stat,
    },
    /// The znode's children, in the order of their names.
    Children {
        /// Their names.
        names: Vec<Arc<str>>,
        /// The state of the parent.
        stat: Stat,
    },
    /// What came of each operation of a multi.
    Multi(Vec<Result<Answer, KeeperError>>),
}

/// What a watch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum EventType {
    /// The znode begins.
    NodeCreated,
    /// The znode ends.
    NodeDeleted,
    /// The znode has new data.
    NodeDataChanged,
    /// The znode has other children.
    NodeChildrenChanged,
}

/// A watch fires (`WatcherEvent`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatcherEvent {
    /// What has happened.
    pub event: EventType,
    /// To which znode.
    pub path: Path,
    /// By which transaction.
    pub zxid: Zxid,
}

impl Op {
    /// It goes through the leader and becomes a transaction.
    pub const fn is_write(&self) -> bool {
        matches!(
            self,
            Op::CreateSession { .. }
                | Op::CloseSession
                | Op::Create { .. }
                | Op::Delete { .. }
                | Op::SetData { .. }
                | Op::Check { .. }
                | Op::Multi(_)
        )
    }

    /// ZooKeeper's name of it.
    pub const fn name(&self) -> &'static str {
        match self {
            Op::CreateSession { .. } => "createSession",
            Op::CloseSession => "closeSession",
            Op::Create { .. } => "create",
            Op::Delete { .. } => "delete",
            Op::SetData { .. } => "setData",
            Op::Check { .. } => "check",
            Op::Multi(_) => "multi",
            Op::Exists { .. } => "exists",
            Op::GetData { .. } => "getData",
            Op::GetChildren { .. } => "getChildren",
            Op::Sync { .. } => "sync",
            Op::SetWatches(_) => "setWatches",
            Op::Ping => "ping",
            Op::Auth { .. } => "auth",
        }
    }

    /// The znode that it is about, if it is about one.
    pub const fn path(&self) -> Option<&Path> {
        match self {
            Op::Create { path, .. }
            | Op::Delete { path, .. }
            | Op::SetData { path, .. }
            | Op::Check { path, .. }
            | Op::Exists { path, .. }
            | Op::GetData { path, .. }
            | Op::GetChildren { path, .. }
            | Op::Sync { path } => Some(path),
            _ => None,
        }
    }

    /// Bytes on the wire.
    pub fn size_in_bytes(&self) -> u32 {
        let path = self.path().map_or(0, |path| 4 + path.0.len() as u32);
        let rest = match self {
            Op::Create { data, .. } => 31 + data.0.len() as u32,
            Op::SetData { data, .. } => 8 + data.0.len() as u32,
            Op::Multi(parts) => parts.iter().map(|part| 9 + part.size_in_bytes()).sum(),
            Op::SetWatches(watches) => {
                let all = watches.data.iter().chain(&watches.exist).chain(&watches.child);
                20 + all.map(|path| 4 + path.0.len() as u32).sum::<u32>()
            }
            _ => 4,
        };
        path + rest
    }
}

impl Answer {
    /// What a client is shown of a multi of which nothing was carried out: the operation that failed, by its
    /// place; those before it would have been fine, and those after it were not looked at
    /// (`DataTree.processTxn`).
    pub fn failed_multi(at: u32, of: u32, error: KeeperError) -> Answer {
        let part = |place: u32| match place.cmp(&at) {
            std::cmp::Ordering::Less => Ok(Answer::Done),
            std::cmp::Ordering::Equal => Err(error),
            std::cmp::Ordering::Greater => Err(KeeperError::RuntimeInconsistency),
        };
        Answer::Multi((0..of).map(part).collect())
    }

    /// Bytes on the wire.
    pub fn size_in_bytes(&self) -> u32 {
        match self {
            Answer::Done => 0,
            Answer::Created { path, .. } => 4 + path.0.len() as u32 + Stat::SIZE,
            Answer::Stat(_) => Stat::SIZE,
            Answer::Data { data, .. } => 4 + data.0.len() as u32 + Stat::SIZE,
            Answer::Children { names, .. } => {
                4 + names.iter().map(|name| 4 + name.len() as u32).sum::<u32>() + Stat::SIZE
            }
            Answer::Multi(parts) => {
                let size = |part: &Result<Answer, KeeperError>| {
                    part.as_ref().map_or(4, Answer::size_in_bytes)
                };
                parts.iter().map(|part| 9 + size(part)).sum()
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Op::Create { path, data, mode, .. } => {
                let kind = match (mode.ephemeral, mode.sequential) {
                    (false, false) => "",
                    (true, false) => " ephemeral",
                    (false, true) => " sequential",
                    (true, true) => " ephemeral sequential",
                };
                write!(f, "{name} {path} {data:?}{kind}")
            }
            Op::SetData { path, data, version } => {
                write!(f, "{name} {path} {data:?}")?;
                version.iter().try_for_each(|version| write!(f, " at version {version}"))
            }
            Op::Delete { path, version } | Op::Check { path, version } => {
                write!(f, "{name} {path}")?;
                version.iter().try_for_each(|version| write!(f, " at version {version}"))
            }
            Op::Exists { path, watch }
            | Op::GetData { path, watch }
            | Op::GetChildren { path, watch } => {
                write!(f, "{name} {path}{}", if *watch { " and watch" } else { "" })
            }
            Op::Multi(parts) => {
                f.write_str("multi")?;
                let mut parts = parts.iter().enumerate();
                parts.try_for_each(|(at, part)| {
                    write!(f, "{}{part}", if at == 0 { ": " } else { "; " })
                })
            }
            Op::Sync { path } => write!(f, "{name} {path}"),
            _ => f.write_str(name),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => f.write_str("done"),
            Answer::Created { path, .. } => write!(f, "{path}"),
            Answer::Stat(stat) => write!(f, "version {}", stat.version),
            Answer::Data { data, stat } => write!(f, "{data:?} version {}", stat.version),
            Answer::Children { names, .. } => write!(f, "{names:?}"),
            Answer::Multi(parts) => write!(f, "{} operations", parts.len()),
        }
    }
}
