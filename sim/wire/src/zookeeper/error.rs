//! What a server answers when it does not do what it was asked (`KeeperException.Code`).

use serde::Serialize;
use std::fmt;

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $word:literal;)*) => {
        /// An error, by ZooKeeper's name and code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum KeeperError {
            $($(#[doc = $doc])+ $name,)*
        }

        impl KeeperError {
            /// Every error.
            pub const ALL: &[KeeperError] = &[$(KeeperError::$name,)*];

            /// ZooKeeper's number.
            pub const fn code(self) -> i32 {
                match self {
                    $(KeeperError::$name => $code,)*
                }
            }

            /// ZooKeeper's name: `NONODE`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(KeeperError::$name => $word,)*
                }
            }
        }
    };
}

errors! {
    /// Another operation of the same multi has failed.
    RuntimeInconsistency = -2, "RUNTIMEINCONSISTENCY";
    /// The connection was lost while the request was under way: it may have been carried out.
    ConnectionLoss = -4, "CONNECTIONLOSS";
    /// The arguments make no sense, for example a path that is none.
    BadArguments = -8, "BADARGUMENTS";
    /// There is no such znode.
    NoNode = -101, "NONODE";
    /// The session has not given the name that the znode asks for.
    NoAuth = -102, "NOAUTH";
    /// The znode has another version.
    BadVersion = -103, "BADVERSION";
    /// An ephemeral znode has no children.
    NoChildrenForEphemerals = -108, "NOCHILDRENFOREPHEMERALS";
    /// There is such a znode already.
    NodeExists = -110, "NODEEXISTS";
    /// The znode has children.
    NotEmpty = -111, "NOTEMPTY";
    /// The session is over: its ephemeral znodes are gone.
    SessionExpired = -112, "SESSIONEXPIRED";
    /// The access control list names somebody that nobody is.
    InvalidAcl = -114, "INVALIDACL";
    /// The session has moved to another server, and this request came by the old one.
    SessionMoved = -118, "SESSIONMOVED";
}

impl fmt::Display for KeeperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
