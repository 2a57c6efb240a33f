//! Facts: noteworthy truths that machines (and the world) state about a step.
//!
//! A fact is stated where the change is made, in Kafka's words, in the past tense. One file per area;
//! names are unique over all of them, because scenarios and explanations call a fact by its name alone.

mod client;
mod controller;
mod log;
mod raft;
mod replication;
mod set;
mod world;
mod zookeeper;

pub use client::ClientFact;
pub use controller::ControllerFact;
pub use log::{DeletionReason, LogFact};
pub use raft::RaftFact;
pub use replication::ReplicationFact;
pub use set::FactSet;
pub use world::WorldFact;
pub use zookeeper::{SyncMode, ZooKeeperFact};

use serde::Serialize;
use std::fmt;

/// Declares one area's facts: an enum with names, fields by name, and a line of text for each.
macro_rules! facts {
    (@partition partition $value:ident) => {
        Some($value)
    };
    (@partition $other:ident $value:ident) => {
        None
    };
    (
        $(#[$area_doc:meta])*
        $area:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? } => $text:literal;
            )*
        }
    ) => {
        $(#[$area_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        #[allow(missing_docs, reason = "fields are named in full; the fact's sentence says the rest")]
        pub enum $area {
            $($(#[doc = $doc])* $name { $($(#[$field_doc])* $field: $type),* },)*
        }

        impl $area {
            /// The facts of this area: each name with its sentence.
            pub const SENTENCES: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*))),*];

            /// The fact's name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $($area::$name { .. } => stringify!($name),)*
                }
            }

            /// Which fact of its area it is: its place in the table.
            pub(super) const fn number(&self) -> u32 {
                enum Number { $($name,)* }
                match self {
                    $($area::$name { .. } => Number::$name as u32,)*
                }
            }

            /// The partition that it is about, if it is about one.
            #[allow(unused_variables, reason = "only the field `partition` is looked at")]
            pub fn partition(&self) -> Option<&klab_wire::TopicPartition> {
                match self {
                    $($area::$name { $($field),* } => {
                        [None, $(facts!(@partition $field $field)),*].into_iter().flatten().next()
                    })*
                }
            }

            /// A field's value as text, if the fact has a field of that name.
            #[allow(unused_variables, reason = "a fact may have no fields")]
            pub fn field(&self, wanted: &str) -> Option<String> {
                match self {
                    $($area::$name { $($field),* } => match wanted {
                        $(stringify!($field) => Some(format!("{:?}", $field)),)*
                        _ => None,
                    },)*
                }
            }
        }

        impl std::fmt::Display for $area {
            #[allow(unused_variables, reason = "a fact's line need not show every field")]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($area::$name { $($field),* } => {
                        f.write_str(concat!(stringify!($name), " "))?;
                        $(let $field = $crate::fact::Plain($field);)*
                        write!(f, $text)
                    })*
                }
            }
        }
    };
}
use facts;

/// A field as a reader wants it: an optional value without its `Some(..)`.
struct Plain<'a, T>(&'a T);

impl<T: fmt::Display> fmt::Display for Plain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for Plain<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        let value = text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')'));
        f.write_str(match text.as_str() {
            "None" => "none",
            text => value.unwrap_or(text),
        })
    }
}

macro_rules! areas {
    ($($(#[$doc:meta])* $variant:ident($area:ident);)*) => {
        /// A noteworthy truth about a step.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum Fact {
            $($(#[$doc])* $variant($area),)*
        }

        $(impl From<$area> for Fact {
            fn from(fact: $area) -> Self {
                Fact::$variant(fact)
            }
        })*

        impl Fact {
            /// Every fact's name, area by area.
            pub fn names() -> impl Iterator<Item = &'static str> {
                Self::sentences().map(|(_, name, _)| name)
            }

            /// Every fact: its area, its name, and what it says.
            pub fn sentences() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
                [$((stringify!($variant), $area::SENTENCES)),*].into_iter().flat_map(|(area, facts)| {
                    facts.iter().map(move |(name, sentence)| (area, *name, sentence.trim()))
                })
            }

            /// The fact's name.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Fact::$variant(fact) => fact.name(),)*
                }
            }

            /// Which fact it is: the place of its name among [all names](Fact::names).
            #[inline]
            pub const fn number(&self) -> u32 {
                let mut before = 0;
                $(
                    if let Fact::$variant(fact) = self {
                        return before + fact.number();
                    }
                    before += $area::SENTENCES.len() as u32;
                )*
                before
            }

            /// A field's value as text, if the fact has a field of that name.
            pub fn field(&self, wanted: &str) -> Option<String> {
                match self {
                    $(Fact::$variant(fact) => fact.field(wanted),)*
                }
            }
        }

        impl fmt::Display for Fact {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Fact::$variant(fact) => fact.fmt(f),)*
                }
            }
        }
    };
}

areas! {
    /// What was done to the deployment: acts of the scenario and their consequences.
    World(WorldFact);
    /// The partition log.
    Log(LogFact);
    /// The metadata quorum.
    Raft(RaftFact);
    /// The controller.
    Controller(ControllerFact);
    /// Replication and serving on the brokers.
    Replication(ReplicationFact);
    /// Producers, consumers and applications.
    Client(ClientFact);
    /// A ZooKeeper ensemble and its clients.
    ZooKeeper(ZooKeeperFact);
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{LeaderEpoch, Offset, TopicPartition};

    #[test]
    fn every_name_is_used_once() {
        let mut names: Vec<_> = Fact::names().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_fact_reads_as_its_name_and_a_line() {
        let fact = Fact::from(ReplicationFact::HighWatermarkAdvanced {
            partition: TopicPartition::new("orders", 0),
            epoch: LeaderEpoch(2),
            from: Offset(5),
            to: Offset(9),
        });
        assert_eq!(fact.to_string(), "HighWatermarkAdvanced orders-0 from 5 to 9 (epoch 2)");
        assert_eq!(fact.field("to").as_deref(), Some("9"));
        assert_eq!(fact.field("nothing"), None);
        assert_eq!(Fact::names().nth(fact.number() as usize), Some(fact.name()));
        let leader = Some(klab_wire::NodeId::broker(2));
        let partition = TopicPartition::new("orders", 0);
        let fact = Fact::from(ReplicationFact::BecameFollower {
            partition,
            epoch: LeaderEpoch(1),
            leader,
        });
        assert_eq!(fact.to_string(), "BecameFollower orders-0 epoch 1 of b2");
    }
}
