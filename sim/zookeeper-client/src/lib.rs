//! A client of a ZooKeeper ensemble: a session that survives its connections, and workloads on it.
//!
//! [`Session`] is a component, as `NetworkClient` is: an application embeds it, feeds it what arrives, and is
//! given [`Event`]s. So Kafka's brokers use it in ZooKeeper mode, and [`Application`] does, the machine behind
//! `[[zookeeper-client]]`.
//!
//! | concept | file | class |
//! |---|---|---|
//! | connections, pings, answers | `session.rs` | `ClientCnxn` |
//! | what comes before every path | `chroot.rs` | `ConnectStringParser` |
//! | which server next | `host_provider.rs` | `StaticHostProvider` |
//! | watches of a client | `watch_registry.rs` | `ZKWatchManager` |
//! | registers, counters, members | `application.rs`, `workload.rs` | |
//! | the lock recipe | `lock.rs` | `WriteLock` |
//! | creates that are waited for, and deletes that are not | `creates.rs` | |
//! | consumer offsets as before `__consumer_offsets` | `offsets.rs` | `ZookeeperConsumerConnector` |
//!
//! # What is left out
//!
//! - A client that ends its session by itself after 4/3 of the timeout: newer than 3.9, where a client without a
//!   server waits for as long as it takes.
//! - Read-only mode, SASL, a list of servers that changes while the client runs.
//! - Callbacks have no order among each other but that of the events given.

mod application;
mod chroot;
mod creates;
mod host_provider;
mod lock;
mod offsets;
mod session;
mod watch_registry;
mod workload;

pub use application::{Application, ApplicationSetup, ApplicationView};
pub use host_provider::HostProvider;
pub use session::{Event, Session, SessionSetup, Ticket};
pub use workload::Workload;
