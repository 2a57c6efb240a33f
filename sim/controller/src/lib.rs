//! The controller: who leads, who is in the ISR, who is alive.
//!
//! The rules of who leads, who may be in sync, where replicas go and what configs may say are pure functions:
//! [`election`], [`isr`], [`placement`], [`reassignment`]. They have two hosts, as Kafka had two control planes:
//!
//! - [`Controller`], on the metadata log (`QuorumController`, KIP-631). One controller of the quorum is active: the
//!   leader of the log. It decides on its own state, which runs ahead of what is committed, appends what it
//!   decided, and answers when the records are committed. The others replay what is committed and wait.
//! - [`KafkaController`], on znodes ([`mod@zookeeper`]). One in each broker's process; whoever creates `/controller`
//!   is active. It reads everything when it takes over, writes with conditions, and tells each broker what
//!   concerns it.
//!
//! Around the rules, each request and each turn of a broker's fate has its own file in each host, which reads the
//! state, asks the rule, and returns what follows. In the first host `controller` is where decisions are carried
//! out, and `facts` where their meaning is stated, for both.
//!
//! # What is left out
//!
//! On the metadata log:
//!
//! - **Several log directories per broker** (KIP-858, `AssignReplicasToDirs`, offline directories in
//!   heartbeats): needs a directory per replica in `PartitionRegistration` and an index by directory.
//! - **Registration of controllers and changes of the voter set** (KIP-853, KIP-919): needs their
//!   records, and voters in the log instead of in the configuration. The levels that other controllers
//!   support are therefore not checked when a feature is updated.
//! - **Metadata transactions** (KIP-868): bootstrap records are one atomic batch instead.
//! - **ELR at a changed `min.insync.replicas`**: 4.1 clears it (`ClearElrRecord`); here it stays until
//!   the partition's next change.
//! - **`lastKnownElr` with more than the last leader** (`unclean.recovery.strategy`, not in Kafka yet).
//! - **A queue of events with deadlines**: requests are decided when they come in, so none expires before
//!   it is looked at; an overloaded controller shows in its host's service time only.
//! - **Which broker configs may change at run time** is checked by the broker that forwards the change,
//!   as in Kafka; policies (`CreateTopicPolicy`), quotas of mutations, ACLs and legacy `AlterConfigs`.
//! - **Combined mode**: a controller that is told to shut down ends its process; one that shares it with
//!   a broker would have to wait for the broker's controlled shutdown.
//!
//! On znodes:
//!
//! - **One session per process**: in Kafka a broker and its controller share a session, so that both are lost
//!   together. Here each of a process' two machines has its own; a controller stands for election only when its
//!   broker is registered. It takes a session that two machines of a process can embed.
//! - **Feature versioning** (`/feature`, KIP-584), `UpdateFeatures`, the migration to KRaft (`/migration`), delegation
//!   tokens, client quotas, ACLs: UNSUPPORTED_VERSION, or not there.
//! - **Failed log directories** that brokers note in `/log_dir_event_notification`: here a broker stops when its
//!   disk fails. Replicas that a LeaderAndIsr is answered KAFKA_STORAGE_ERROR for are offline, as in Kafka.
//! - **The threads of `ZkAdminManager`** run beside the controller, not on whichever broker is asked, and what they
//!   wait for is what the controller remembers, not what its broker's metadata cache has. ElectLeaders is answered
//!   when the elections are written (`DelayedElectLeader` waits for the cache). Replicas of new partitions are placed by the
//!   rule of KRaft, so that both modes place alike (`AdminUtils.assignReplicasToBrokers` differs in its shifts).
//! - **Partitions that are added while their topic is being deleted** stay in the topic's znode until it goes
//!   (`restorePartitionReplicaAssignment`).
//! - **What cannot happen here**: `handleIllegalState`, data that nobody could have written. A znode that cannot be
//!   read is as if it were empty.

mod active;
mod alter_partition;
mod assignment;
mod broker_change;
mod broker_control;
mod configs;
mod controller;
mod create_partitions;
mod create_topics;
mod decision;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
#[cfg(test)]
mod desk;
mod elect_leaders;
pub mod election;
mod facts;
mod features;
mod heartbeats;
pub mod isr;
mod partition_index;
mod pending;
pub mod placement;
mod producer_ids;
mod purgatory;
pub mod reassignment;
mod reassignments;
mod registration;
mod schedule;
mod setup;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod topic_name;
mod view;
pub mod zookeeper;

pub use controller::Controller;
pub use setup::{ControllerSetup, RAFT_NETWORK_CLIENT, bootstrap_records};
pub use view::{BrokerRegistrationView, ControllerView};
pub use zookeeper::{KafkaController, KafkaControllerSetup, KafkaControllerView};
