//! Who a fault is about, by name or by the role that somebody has at that moment.
//!
//! `b2` is always the second broker; `leader of orders-0` is whoever leads when the time comes. A
//! selector is resolved by the world at the time of its act, and may match nobody.

use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::Readable;
use klab_wire::{NodeId, NodeKind, RackId, TopicName, TopicPartition};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use toml_edit::Item;

/// Some processes of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `b2`: this process.
    Node(NodeId),
    /// `payments`: the producers or consumers that the scenario gave this name.
    Named(String),
    /// `brokers`: all brokers.
    Brokers,
    /// `voters`: all voters of the metadata quorum; in combined mode they are brokers.
    Voters,
    /// `zookeepers`: all servers of the ZooKeeper ensemble.
    ZooKeepers,
    /// `producers`: all producers.
    Producers,
    /// `consumers`: all consumers.
    Consumers,
    /// `clients`: all producers, consumers and the administrator's tool.
    Clients,
    /// `all`: every process.
    All,
    /// `down`: every process that does not run.
    Down,
    /// `any broker`: one of the live brokers, by the seed.
    AnyBroker,
    /// `any voter`: one of the live voters, by the seed.
    AnyVoter,
    /// `controller`: the active controller.
    Controller,
    /// `zookeeper leader`: the server that leads the ensemble.
    ZooKeeperLeader,
    /// `zookeeper followers`: the servers with a vote that follow it.
    ZooKeeperFollowers,
    /// `any zookeeper follower`: one of them, by the seed.
    AnyZooKeeperFollower,
    /// `zookeeper clients`: all applications on clients of the ensemble.
    ZooKeeperClients,
    /// `leader of orders-0`.
    LeaderOf(TopicPartition),
    /// `followers of orders-0`: all replicas but the leader.
    FollowersOf(TopicPartition),
    /// `any follower of orders-0`: one of them, by the seed.
    AnyFollowerOf(TopicPartition),
    /// `follower 1 of orders-0`: the first of them, in the order of the assignment.
    FollowerOf(u16, TopicPartition),
    /// `replicas of orders-0`: all of them.
    ReplicasOf(TopicPartition),
    /// `isr of orders-0`: those in sync.
    IsrOf(TopicPartition),
    /// `coordinator of billing`: the group's or transaction's coordinator.
    CoordinatorOf(String),
    /// `rack a`: every process that stands there.
    Rack(RackId),
    /// `b1, b2`: all of these.
    Several(Vec<Selector>),
}

/// The forms that a selector can take, for whoever has to choose one.
pub const FORMS: &[&str] = &[
    "b1",
    "v1",
    "leader of orders-0",
    "followers of orders-0",
    "any follower of orders-0",
    "follower 1 of orders-0",
    "replicas of orders-0",
    "isr of orders-0",
    "controller",
    "coordinator of billing",
    "zookeeper leader",
    "zookeeper followers",
    "any zookeeper follower",
    "zookeeper clients",
    "brokers",
    "voters",
    "zookeepers",
    "producers",
    "consumers",
    "clients",
    "any broker",
    "any voter",
    "rack a",
    "down",
    "all",
];

/// The selectors that are plain words.
const WORDS: &[(&str, Selector)] = &[
    ("brokers", Selector::Brokers),
    ("voters", Selector::Voters),
    ("zookeepers", Selector::ZooKeepers),
    ("producers", Selector::Producers),
    ("consumers", Selector::Consumers),
    ("clients", Selector::Clients),
    ("all", Selector::All),
    ("down", Selector::Down),
    ("any broker", Selector::AnyBroker),
    ("any voter", Selector::AnyVoter),
    ("controller", Selector::Controller),
    ("zookeeper leader", Selector::ZooKeeperLeader),
    ("zookeeper followers", Selector::ZooKeeperFollowers),
    ("any zookeeper follower", Selector::AnyZooKeeperFollower),
    ("zookeeper clients", Selector::ZooKeeperClients),
];

/// The roles that somebody has in a partition.
const ROLES: &[&str] =
    &["leader", "followers", "any follower", "replicas", "isr", "coordinator", "follower 1"];

impl Selector {
    /// Whether the same processes are meant at every time of the run.
    pub fn is_static(&self) -> bool {
        use Selector::*;
        match self {
            Node(_) | Named(_) | Brokers | Voters | ZooKeepers | Producers | Consumers
            | Clients | ZooKeeperClients | All | Rack(_) => true,
            Several(parts) => parts.iter().all(Selector::is_static),
            Down | AnyBroker | AnyVoter | Controller | ZooKeeperLeader | ZooKeeperFollowers
            | AnyZooKeeperFollower | LeaderOf(_) | FollowersOf(_) | AnyFollowerOf(_)
            | FollowerOf(..) | ReplicasOf(_) | IsrOf(_) | CoordinatorOf(_) => false,
        }
    }

    /// Whether there can be somebody whom it means.
    pub(crate) fn check(&self, scope: &Scope<'_>) -> Result<(), Complaint> {
        use Selector::*;
        match self {
            Node(node) => scope.check_node(*node),
            Named(name) => scope.check_client_name(name),
            LeaderOf(partition)
            | FollowersOf(partition)
            | AnyFollowerOf(partition)
            | FollowerOf(_, partition)
            | ReplicasOf(partition)
            | IsrOf(partition) => scope.check_partition(partition),
            CoordinatorOf(group) => Err(Complaint::new(format!(
                "there is no group `{group}`: consumer groups are not built yet"
            ))),
            Rack(rack) => scope.check_rack(rack),
            Voters | AnyVoter => scope.check_mode(NodeKind::Voter),
            ZooKeepers | ZooKeeperLeader | ZooKeeperFollowers | AnyZooKeeperFollower
            | ZooKeeperClients => scope.check_mode(NodeKind::ZooKeeper),
            Several(parts) => parts.iter().try_for_each(|part| part.check(scope)),
            Brokers | Producers | Consumers | Clients | All | Down | AnyBroker | Controller => {
                Ok(())
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Selector::*;
        if let Some((word, _)) = WORDS.iter().find(|(_, selector)| selector == self) {
            return f.write_str(word);
        }
        match self {
            Node(node) => write!(f, "{node}"),
            Named(name) => f.write_str(name),
            LeaderOf(partition) => write!(f, "leader of {partition}"),
            FollowersOf(partition) => write!(f, "followers of {partition}"),
            AnyFollowerOf(partition) => write!(f, "any follower of {partition}"),
            FollowerOf(number, partition) => write!(f, "follower {number} of {partition}"),
            ReplicasOf(partition) => write!(f, "replicas of {partition}"),
            IsrOf(partition) => write!(f, "isr of {partition}"),
            CoordinatorOf(group) => write!(f, "coordinator of {group}"),
            Rack(rack) => write!(f, "rack {rack}"),
            Several(parts) => {
                let texts: Vec<_> = parts.iter().map(Selector::to_string).collect();
                f.write_str(&texts.join(", "))
            }
            _ => unreachable!("every selector that is a word stands in WORDS"),
        }
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Selector {
    type Err = String;

    /// Reads a selector, or gives the sentence that says what is wrong with it.
    fn from_str(text: &str) -> Result<Self, String> {
        read(text).map_err(|complaint| complaint.message)
    }
}

impl Readable for Selector {
    const FORM: &'static str = "a selector such as \"b1\" or \"leader of orders-0\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        match item.as_str() {
            Some(text) => read(text),
            None => Err(Self::refused(item)),
        }
    }
}

fn read(text: &str) -> Result<Selector, Complaint> {
    let mut parts = text.split(',').map(read_one).collect::<Result<Vec<_>, _>>()?;
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => Ok(Selector::Several(parts)),
    }
}

fn read_one(text: &str) -> Result<Selector, Complaint> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    if let Some((_, selector)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(selector.clone());
    }
    match words.as_slice() {
        [] => Err(Complaint::new("a selector may not be empty")),
        ["rack", rack] => Ok(Selector::Rack(RackId::from(*rack))),
        [role @ .., "of", whom] => read_role(&role.join(" "), whom),
        [name] => Ok(name.parse().map_or_else(|()| Selector::Named(text), Selector::Node)),
        _ => Err(Complaint::unknown(
            format!("`{text}` is no selector"),
            &text,
            FORMS.iter().copied(),
        )),
    }
}

fn read_role(role: &str, whom: &str) -> Result<Selector, Complaint> {
    if role == "coordinator" {
        return Ok(Selector::CoordinatorOf(whom.into()));
    }
    let partition = || partition(whom).ok_or_else(|| not_a_partition(whom));
    match role.split_once(' ') {
        None if role == "leader" => Ok(Selector::LeaderOf(partition()?)),
        None if role == "followers" => Ok(Selector::FollowersOf(partition()?)),
        None if role == "replicas" => Ok(Selector::ReplicasOf(partition()?)),
        None if role == "isr" => Ok(Selector::IsrOf(partition()?)),
        Some(("any", "follower")) => Ok(Selector::AnyFollowerOf(partition()?)),
        Some(("follower", number)) => match number.parse() {
            Ok(number) if number > 0 => Ok(Selector::FollowerOf(number, partition()?)),
            _ => Err(Complaint::new(format!("followers are counted from 1, not `{number}`"))),
        },
        _ => Err(Complaint::unknown(
            format!("there is no role `{role}`"),
            role,
            ROLES.iter().copied(),
        )),
    }
}

/// Reads `orders-0`.
pub(crate) fn partition(text: &str) -> Option<TopicPartition> {
    let (topic, index) = text.rsplit_once('-')?;
    let is_number = !index.is_empty() && index.bytes().all(|digit| digit.is_ascii_digit());
    let partition = index.parse().ok().filter(|_| is_number)?;
    (!topic.is_empty()).then(|| TopicPartition::new(TopicName::from(topic), partition))
}

fn not_a_partition(text: &str) -> Complaint {
    Complaint::new(format!("`{text}` is no partition"))
        .label("a partition is its topic and its index: `orders-0`")
}

impl Readable for TopicPartition {
    const FORM: &'static str = "a partition such as \"orders-0\"";

    fn read(item: &Item) -> Result<Self, Complaint> {
        item.as_str().and_then(partition).ok_or_else(|| Self::refused(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_printed_as_it_was_written() {
        for text in FORMS.iter().chain(&["b1, b2", "payments", "leader of with-dash-12, b3"]) {
            assert_eq!(text.parse::<Selector>().expect(text).to_string(), *text);
        }
    }

    #[test]
    fn what_is_no_selector_is_told_so() {
        let message = |text: &str| text.parse::<Selector>().unwrap_err();
        assert_eq!(message("leeder of orders-0"), "there is no role `leeder`");
        assert_eq!(message("leader of orders"), "`orders` is no partition");
        assert_eq!(message("follower 0 of orders-0"), "followers are counted from 1, not `0`");
        assert_eq!(message("the leader"), "`the leader` is no selector");
        assert_eq!(message("b1,"), "a selector may not be empty");
    }
}
