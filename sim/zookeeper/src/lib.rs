//! A server of a ZooKeeper ensemble: ZAB, the tree of znodes, sessions, watches.
//!
//! An ensemble agrees on one order of all writes. It **elects** a leader ([`election`]); the leader proposes
//! an epoch and **brings the others in line** ([`synchronisation`]), and then **broadcasts** each write: it is
//! committed when a majority has it on the platter. Every server applies what is committed to its own
//! [`tree`], and answers reads from there, perhaps with the past. Classes of ZooKeeper 3.9 are named where
//! their rules are followed.
//!
//! | concept | file | class |
//! |---|---|---|
//! | roles of a server | `server.rs` | `QuorumPeer` |
//! | votes | `election.rs`, `election_links.rs` | `FastLeaderElection`, `QuorumCnxManager` |
//! | the two epochs | `epochs.rs` | `QuorumPeer.setAcceptedEpoch` |
//! | a leader | `leader.rs`, `learner_handler.rs` | `Leader`, `LearnerHandler` |
//! | DIFF, TRUNC, SNAP | `synchronisation.rs`, `learner_sync.rs` | `LearnerHandler.syncFollower`, `Learner.syncWithLeader` |
//! | broadcast | `broadcast.rs`, `learner.rs` | `Leader.propose`, `Follower` |
//! | log and snapshots | `transaction_log.rs`, `snapshot_writing.rs`, `database.rs` | `FileTxnLog`, `ZKDatabase` |
//! | from requests to transactions | `prep.rs` | `PrepRequestProcessor` |
//! | znodes | `tree.rs` | `DataTree` |
//! | sessions | `sessions.rs` | `SessionTrackerImpl` |
//! | watches | `watches.rs` | `WatchManager` |
//! | clients | `clients.rs`, `serving.rs` | `CommitProcessor`, `FinalRequestProcessor` |
//!
//! # What is left out
//!
//! - Dynamic reconfiguration (`reconfig`, COMMITANDACTIVATE, INFORMANDACTIVATE), hierarchical quorums and
//!   weights, the oracle for ensembles of two. Quorums are majorities of a fixed list. It takes the sets of
//!   quorums that every count then needs.
//! - Observers that learn from followers (`ObserverMaster`), read-only mode, local sessions, containers and
//!   TTL nodes, persistent and recursive watches, quotas, `setACL`, `getACL`, `/zookeeper`.
//! - SASL and digests: a client gives a name and is believed.
//! - Throttling of snapshots and DIFFs (`LearnerSyncThrottler`), of large requests and of connections.
//! - Torn transactions at the end of a log: a power cut loses whole ones. It takes a checksum in a transaction.
//! - `autopurge`: logs and snapshots stay on the disk for good, as by default.
//! - The digest of the tree is not compared by the servers themselves (ZOOKEEPER-3114); the lab's judge does.
//! - Of the three ambiguities of the paper of Zab (ZOOKEEPER-3615) the second, a PROPOSE that comes twice: a leader decides
//!   in one step what a learner lacks and what it gets from then on, and both go down one connection, so that none does.
//!   The first and the third are switches (`setup.rs`), each with its exhibit in `scenarios/museum`.

mod broadcast;
mod clients;
mod core;
pub mod database;
pub mod election;
mod election_links;
mod epochs;
mod leader;
mod learner;
mod learner_handler;
mod learner_sync;
pub mod prep;
mod server;
mod serving;
pub mod sessions;
pub mod setup;
mod snapshot_writing;
pub mod synchronisation;
pub mod transaction_log;
pub mod tree;
mod view;
pub mod watches;

pub use server::Server;
pub use setup::{ServerSetup, ZooKeeperSwitches};
pub use view::ServerView;
