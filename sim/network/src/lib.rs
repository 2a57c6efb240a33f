//! A machine's way to its peers: connections, requests in flight, time-outs, back-off.
//!
//! Follows Kafka's `NetworkClient` and `ClusterConnectionStates`: one connection per address, opened
//! when it is first needed, closed when its oldest request has waited for `request.timeout.ms`, and
//! opened again only after a back-off that doubles. Every request that was handed in comes back exactly
//! once: with its response, or failed.

mod backoff;
mod client;

pub use backoff::ExponentialBackoff;
pub use client::{FailedRequest, NetworkClient, NetworkConfig};
