//! The messages by which a cluster is run, as against those that carry records: what each control plane says, and how
//! often.
//!
//! A control message is one between two servers, and neither part of replication nor an answer: requests of brokers and
//! controllers to each other, packets of a ZooKeeper ensemble, and what Kafka's servers ask of it.

use klab_machine::trace::{Fate, MessageKind, Outcome};
use klab_wire::{ApiKey, FrameKind, NodeId, NodeKind};
use std::collections::BTreeMap;

/// How many of each kind have arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages(pub BTreeMap<&'static str, Count>);

/// So many, with so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub messages: u64,
    pub bytes: u64,
}

impl Messages {
    pub(super) fn watch(&mut self, sender: NodeId, fate: &Fate) {
        let Some(message) = fate.message.filter(|_| fate.fate == Outcome::Delivered) else {
            return;
        };
        if let Some(name) = control(message.kind, sender, fate.peer) {
            let count = self.0.entry(name).or_default();
            count.messages += 1;
            count.bytes += u64::from(message.bytes);
        }
    }

    pub(super) fn total(&self) -> Count {
        self.0.values().fold(Count::default(), |sum, one| Count {
            messages: sum.messages + one.messages,
            bytes: sum.bytes + one.bytes,
        })
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |count| count.messages)
    }
}

/// What a control message is called; none if it is no control message.
fn control(kind: MessageKind, from: NodeId, to: NodeId) -> Option<&'static str> {
    let is_server = |node: NodeId| {
        matches!(node.kind, NodeKind::Broker | NodeKind::Voter | NodeKind::ZooKeeper)
    };
    let are_brokers = from.kind == NodeKind::Broker && to.kind == NodeKind::Broker;
    if !is_server(from) || !is_server(to) {
        return None;
    }
    match kind {
        MessageKind::Response(_) => None,
        MessageKind::Request(ApiKey::Fetch | ApiKey::OffsetForLeaderEpoch) if are_brokers => None,
        MessageKind::Request(ApiKey::Produce) => None,
        MessageKind::Request(ApiKey::Fetch) => Some("Fetch of the metadata log"),
        MessageKind::Frame(FrameKind::Reply | FrameKind::ConnectResponse) => None,
        MessageKind::Frame(FrameKind::ClientRequest) => Some("request to ZooKeeper"),
        MessageKind::Frame(FrameKind::WatcherEvent) => Some("watch event of ZooKeeper"),
        kind => Some(kind.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_answers_and_what_clients_say_are_no_control_messages() {
        let [b1, b2, v1] = [NodeId::broker(1), NodeId::broker(2), NodeId::voter(1)];
        let [z1, p1] = [NodeId::zookeeper(1), NodeId::producer(1)];
        let (fetch, heartbeat) = (ApiKey::Fetch, ApiKey::BrokerHeartbeat);
        let proposal = MessageKind::Frame(FrameKind::Proposal);
        let cases = [
            (MessageKind::Request(fetch), b1, b2, None),
            (MessageKind::Request(fetch), b1, v1, Some("Fetch of the metadata log")),
            (MessageKind::Request(heartbeat), b1, v1, Some("BrokerHeartbeat")),
            (MessageKind::Response(heartbeat), v1, b1, None),
            (MessageKind::Request(ApiKey::Metadata), p1, b1, None),
            (MessageKind::Request(ApiKey::Produce), p1, b1, None),
            (proposal, z1, NodeId::zookeeper(2), Some("PROPOSAL")),
            (MessageKind::Frame(FrameKind::ClientRequest), b1, z1, Some("request to ZooKeeper")),
            (MessageKind::Frame(FrameKind::Reply), z1, b1, None),
        ];
        for (kind, from, to, name) in cases {
            assert_eq!(control(kind, from, to), name, "{} from {from} to {to}", kind.name());
        }
    }
}
