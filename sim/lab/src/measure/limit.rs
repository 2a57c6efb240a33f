//! What the limit was: why there were not more records a second.
//!
//! 1. Something was busy nearly all the time: the busiest resource, from nine tenths of what it can do.
//! 2. Else, if everything that the scenario asks for came through: the producers' rate; or the consumers, if they read
//!    less than that.
//! 3. Else, if the connections' requests waited for followers at least half of the time: the latency of replication. A
//!    broker has one request of a connection in service at a time (`SocketServer` mutes the channel), and with `acks=all`
//!    each waits for two rounds of the followers' fetches.
//! 4. Else, if about as many requests were in flight as there may be: the time that a request takes, one after the other.
//! 5. Else, if `send()` had to wait for memory: the buffer pool. A batch holds a whole buffer however full it is, so that
//!    many partitions use up `buffer.memory` with batches that are nearly empty.

#![allow(clippy::float_arithmetic, reason = "rates are for people, and made in the lab")]

use super::Counted;
use super::measured::Measured;
use super::usage::{Utilisation, words};
use klab_wire::{NodeId, NodeKind};
use klab_world::ResourceKind;
use serde::Serialize;
use std::fmt;

/// From how many thousandths on a resource is the limit.
pub const BUSY: u64 = 900;
/// From how many thousandths of the offered rate on the producers' rate is the limit.
const ENOUGH: f64 = 0.98;
/// From how many thousandths of the connections' time on replication is the limit.
const MOST: u64 = 500;
/// From how many thousandths of the requests that may be in flight on they are the limit.
const FULL: u64 = 800;

/// What the limit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Limit {
    /// A resource that was busy nearly all the time.
    Resource {
        /// What of a process.
        #[serde(skip)]
        resource: ResourceKind,
        /// The busiest.
        node: NodeId,
        /// How busy it was.
        permille: u64,
        /// How many other processes' were as busy.
        others: u32,
    },
    /// The producers sent no more.
    ProducersRate,
    /// The applications on an ensemble's clients asked for no more.
    ClientsRate,
    /// The consumers read less than was written.
    Consumers,
    /// Requests waited for the followers.
    Replication {
        /// How much of the connections' time that was, in thousandths.
        permille: u64,
    },
    /// As many requests were in flight as there may be.
    RequestsInFlight,
    /// Producers waited for memory.
    BufferPool,
    /// None of these.
    Nothing,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Resource { resource, node, permille, others } => {
                write!(f, "{} of {node}", words_of(*resource, node.kind))?;
                if *others > 0 {
                    write!(f, " and {others} more")?;
                }
                write!(f, ", {} % busy", permille / 10)
            }
            Limit::ProducersRate => f.write_str("the producers' rate"),
            Limit::ClientsRate => f.write_str("the clients' rate"),
            Limit::Consumers => f.write_str("the consumers' own work"),
            Limit::Replication { permille } => {
                write!(
                    f,
                    "the latency of replication, {} % of each connection's time",
                    permille / 10
                )
            }
            Limit::RequestsInFlight => f.write_str("the time of a request, one after the other"),
            Limit::BufferPool => f.write_str("the producers' buffer pool"),
            Limit::Nothing => f.write_str("nothing that stands out"),
        }
    }
}

impl Limit {
    /// The same without its numbers: equal for equal limits.
    pub fn kind(&self) -> String {
        match self {
            Limit::Resource { resource, node, .. } => {
                let whose = match node.kind {
                    NodeKind::Producer => "a producer",
                    NodeKind::Consumer => "a consumer",
                    NodeKind::Broker => "a broker",
                    NodeKind::ZooKeeper => "a ZooKeeper server",
                    _ => "a controller",
                };
                // Which of several disks it was is chance.
                match resource {
                    ResourceKind::Disk(_) => format!("a disk of {whose}"),
                    _ => format!("{} of {whose}", words_of(*resource, node.kind)),
                }
            }
            Limit::Replication { .. } => "the latency of replication".to_string(),
            other => other.to_string(),
        }
    }

    /// The limit of a run.
    pub fn of(measured: &Measured) -> Self {
        let rates = &measured.rates;
        let came_through =
            rates.called >= rates.offered * ENOUGH && rates.acked >= rates.called * ENOUGH;
        match busiest(&measured.utilisations) {
            Some(resource) => resource,
            None if measured.counted == Counted::Operations => match came_through {
                true => Limit::ClientsRate,
                false => Limit::RequestsInFlight,
            },
            None if came_through && rates.polled < rates.to_poll * ENOUGH => Limit::Consumers,
            None if came_through => Limit::ProducersRate,
            None if measured.way.replicating >= MOST => {
                Limit::Replication { permille: measured.way.replicating.min(1_000) }
            }
            None if measured.way.in_flight >= FULL => Limit::RequestsInFlight,
            None if measured.way.blocked > 0 => Limit::BufferPool,
            None => Limit::Nothing,
        }
    }
}

/// A ZooKeeper server's thread has everything to do.
fn words_of(resource: ResourceKind, kind: NodeKind) -> String {
    match (resource, kind) {
        (ResourceKind::Background, NodeKind::ZooKeeper) => "the request processors".to_string(),
        _ => words(resource),
    }
}

/// The busiest resource, if it is busy enough.
fn busiest(utilisations: &[Utilisation]) -> Option<Limit> {
    // Of equals the first: servers come before clients.
    let busiest = utilisations.iter().rev().max_by_key(|one| one.permille)?;
    if busiest.permille < BUSY {
        return None;
    }
    let as_busy = |one: &&Utilisation| {
        one.resource == busiest.resource
            && one.node.kind == busiest.node.kind
            && one.permille >= BUSY
    };
    Some(Limit::Resource {
        resource: busiest.resource,
        node: busiest.node,
        permille: busiest.permille.min(1_000),
        others: utilisations.iter().filter(as_busy).count() as u32 - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Rates, Way};

    fn measured(called: f64, acked: f64, way: Way, busy: &[(u16, u64)]) -> Measured {
        let utilisation = |(broker, permille): &(u16, u64)| Utilisation {
            node: NodeId::broker(*broker),
            resource: ResourceKind::CardIn,
            permille: *permille,
            max_permille: 1_000,
            waiting: 0,
            bytes_per_second: 0,
        };
        Measured {
            rates: Rates { offered: 1_000.0, called, acked, ..Rates::default() },
            way,
            utilisations: busy.iter().map(utilisation).collect(),
            ..Measured::default()
        }
    }

    #[test]
    fn the_limit_is_what_was_busy_or_else_what_was_waited_for() {
        let way = |replicating, in_flight, blocked| Way { replicating, in_flight, blocked };
        let cases = [
            (1_000.0, 1_000.0, way(900, 0, 0), vec![(1, 500)], "the producers' rate"),
            (
                1_000.0,
                990.0,
                way(0, 0, 0),
                vec![(1, 890), (2, 970), (3, 930)],
                "the network card (in) of b2 and 1 more, 97 % busy",
            ),
            (
                600.0,
                600.0,
                way(730, 900, 4),
                vec![(1, 400)],
                "the latency of replication, 73 % of each connection's time",
            ),
            (600.0, 600.0, way(100, 900, 4), vec![], "the time of a request, one after the other"),
            (600.0, 600.0, way(100, 300, 4), vec![], "the producers' buffer pool"),
            (1_000.0, 600.0, way(100, 0, 0), vec![], "nothing that stands out"),
        ];
        for (called, acked, way, busy, wanted) in cases {
            assert_eq!(Limit::of(&measured(called, acked, way, &busy)).to_string(), wanted);
        }
    }
}
