//! The controller in ZooKeeper mode (`KafkaController` of 3.9): the other host of the rules of who leads and who is
//! in sync.
//!
//! Every broker's process hosts one; whoever creates the ephemeral `/controller` is active. Its state is in
//! ZooKeeper: it reads all of it when it takes over, watches it, and writes it with conditions. What it decides,
//! it tells every broker that it concerns, in requests that carry its epoch.
//!
//! | concept | file | class |
//! |---|---|---|
//! | the machine: inputs, threads, answers | `controller.rs` | `KafkaController` |
//! | watches | `watch.rs`, `listener.rs` | `ZNodeChangeHandler` |
//! | what wakes the event thread | `event.rs` | `ControllerEvent` |
//! | what a thread has still to do | `task.rs`, `step.rs` | `ControllerEventThread` |
//! | requests to ZooKeeper | `keeper.rs` | `KafkaZkClient` |
//! | what is remembered | `context.rs`, `states.rs` | `ControllerContext` |
//! | who is the controller | `elector.rs` | `KafkaController.elect` |
//! | taking over | `failover.rs` | `onControllerFailover` |
//! | who leads | `elections.rs`, `partition_states.rs` | `Election`, `ZkPartitionStateMachine` |
//! | who follows | `replica_states.rs` | `ZkReplicaStateMachine` |
//! | what brokers are told | `request_batch.rs`, `channels.rs` | `ControllerChannelManager` |
//! | brokers, topics that come and go | `broker_change.rs`, `topic_change.rs`, `topic_deletion.rs` | `processBrokerChange`, `TopicDeletionManager` |
//! | ISRs | `alter_partition.rs`, `isr_change.rs` | `processAlterPartition` |
//! | elections that are asked for | `leader_election.rs`, `config_change.rs` | `processReplicaLeaderElection` |
//! | replicas that move | `reassignment.rs`, `reassign_request.rs` | `onPartitionReassignment` |
//! | administrators | `topic_creation.rs`, `topic_admin.rs`, `config_admin.rs`, `purgatory.rs` | `ZkAdminManager`, `AdminZkClient` |

mod alter_partition;
mod broker_change;
mod channels;
mod config_admin;
mod config_change;
mod context;
mod controlled_shutdown;
mod controller;
#[cfg(test)]
mod desk;
pub mod elections;
mod elector;
mod event;
mod facts;
mod failover;
mod isr_change;
mod keeper;
mod leader_election;
mod listener;
mod partition_states;
mod producer_ids;
mod purgatory;
mod reassign_request;
mod reassignment;
mod replica_states;
mod request_batch;
mod setup;
pub mod states;
mod step;
mod task;
#[cfg(test)]
mod tests;
mod topic_admin;
mod topic_change;
mod topic_creation;
mod topic_deletion;
mod watch;

pub use controller::KafkaController;
pub use setup::{KafkaControllerSetup, KafkaControllerView};
