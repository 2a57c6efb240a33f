//! What travels between ZooKeeper servers and their clients: the vocabulary of an ensemble as plain data.
//!
//! Everything of ZooKeeper travels as [`Frame`]s: one-way messages that arrive in the order in which they
//! were sent. Its servers read on while earlier requests are under way (`NIOServerCnxn`), and send watch
//! events that nobody asked for, so requests and answers find each other by [`Xid`] and by their order, not
//! as Kafka's do. Names, codes and fields are those of `zookeeper.jute`; only those that a model needs.

mod acl;
mod client;
mod error;
mod frame;
mod ids;
mod learner;
mod notification;
mod snapshot;
mod stat;
mod txn;

pub use acl::Acl;
pub use client::{
    Answer, ClientRequest, ConnectRequest, ConnectResponse, CreateMode, EventType, Op, Reply,
    SetWatches, WatcherEvent,
};
pub use error::KeeperError;
pub use frame::{Frame, FrameKind};
pub use ids::{Data, Path, SessionId, Xid, Zxid};
pub use learner::{
    AckEpoch, ForwardedRequest, LearnerInfo, LearnerPing, RevalidateAnswer, RevalidateRequest,
    SyncAnswer,
};
pub use notification::{Notification, ServerState, Vote};
pub use snapshot::{Snapshot, Znode};
pub use stat::Stat;
pub use txn::{Txn, TxnBody};
