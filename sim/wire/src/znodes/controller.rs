//! Who is the controller, for the how many-th time, and of which cluster.

use super::{json, parsed};
use crate::zookeeper::Data;
use crate::{ClusterId, ControllerEpoch, NodeId, Timestamp};
use serde::{Deserialize, Serialize};

/// `/controller`: ephemeral, and so the election (`ControllerZNode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerZNode {
    /// The broker whose process hosts the controller.
    pub broker: NodeId,
    /// When it was elected.
    pub timestamp: Timestamp,
}

#[derive(Serialize)]
struct WrittenController {
    version: u8,
    brokerid: u16,
    timestamp: String,
    #[serde(rename = "kraftControllerEpoch")]
    kraft_controller_epoch: i32,
}

#[derive(Deserialize)]
struct ReadController {
    brokerid: u16,
    timestamp: Option<String>,
}

impl ControllerZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        json(&WrittenController {
            version: 2,
            brokerid: self.broker.number,
            timestamp: self.timestamp.to_string(),
            kraft_controller_epoch: -1,
        })
    }

    /// None if it is not of this kind: then nobody knows who the controller is.
    pub fn decode(data: &Data) -> Option<Self> {
        let read: ReadController = parsed(data)?;
        let timestamp = read.timestamp.and_then(|text| text.parse().ok()).unwrap_or_default();
        Some(ControllerZNode {
            broker: NodeId::broker(read.brokerid),
            timestamp: Timestamp(timestamp),
        })
    }
}

/// `/controller_epoch`: how often the controller was elected (`ControllerEpochZNode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerEpochZNode(pub ControllerEpoch);

impl ControllerEpochZNode {
    /// As Kafka writes it: the bare number.
    pub fn encode(self) -> Data {
        Data::from(self.0.to_string())
    }

    /// None if it is no number.
    pub fn decode(data: &Data) -> Option<Self> {
        data.0.parse().ok().map(|epoch| ControllerEpochZNode(ControllerEpoch(epoch)))
    }
}

/// `/cluster/id` (`ClusterIdZNode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdZNode(pub ClusterId);

#[derive(Serialize, Deserialize)]
struct ClusterIdFields {
    version: String,
    id: String,
}

impl ClusterIdZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        json(&ClusterIdFields { version: "1".into(), id: self.0.to_string() })
    }

    /// None if it is not of this kind: a broker does not start then.
    pub fn decode(data: &Data) -> Option<Self> {
        parsed::<ClusterIdFields>(data).map(|read| ClusterIdZNode(read.id.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_written_as_kafka_writes_it() {
        let one = ControllerZNode { broker: NodeId::broker(1), timestamp: Timestamp(1234) };
        let text = r#"{"version":2,"brokerid":1,"timestamp":"1234","kraftControllerEpoch":-1}"#;
        assert_eq!(&*one.encode().0, text);
        assert_eq!(ControllerZNode::decode(&one.encode()), Some(one));
        assert_eq!(ControllerZNode::decode(&"nonsense".into()), None);
    }

    #[test]
    fn epoch_and_cluster_are_read_back() {
        let epoch = ControllerEpochZNode(ControllerEpoch(7));
        assert_eq!(
            (&*epoch.encode().0, ControllerEpochZNode::decode(&"7".into())),
            ("7", Some(epoch))
        );
        let cluster = ClusterIdZNode("lab".into());
        assert_eq!(&*cluster.encode().0, r#"{"version":"1","id":"lab"}"#);
        assert_eq!(ClusterIdZNode::decode(&cluster.encode()), Some(cluster));
    }
}
