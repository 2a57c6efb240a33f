//! A broker that is alive (`BrokerIdZNode`, `BrokerInfo`).

use super::{json, parsed};
use crate::zookeeper::Data;
use crate::{NodeId, RackId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `/brokers/ids/N`: ephemeral; its czxid is the broker's epoch (KIP-380).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerIdZNode {
    /// The broker: its host is its name.
    pub broker: NodeId,
    /// When it registered.
    pub timestamp: Timestamp,
    /// Where it stands.
    pub rack: Option<RackId>,
}

#[derive(Serialize)]
struct Written {
    version: u8,
    host: String,
    port: u16,
    jmx_port: i32,
    timestamp: String,
    endpoints: [String; 1],
    listener_security_protocol_map: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rack: Option<String>,
    features: BTreeMap<String, u16>,
}

#[derive(Deserialize)]
struct Read {
    timestamp: Option<String>,
    rack: Option<String>,
}

impl BrokerIdZNode {
    /// As Kafka writes it, in version 5.
    pub fn encode(&self) -> Data {
        json(&Written {
            version: 5,
            host: self.broker.to_string(),
            port: 9092,
            jmx_port: -1,
            timestamp: self.timestamp.to_string(),
            endpoints: [format!("PLAINTEXT://{}:9092", self.broker)],
            listener_security_protocol_map: BTreeMap::from([("PLAINTEXT", "PLAINTEXT")]),
            rack: self.rack.as_ref().map(ToString::to_string),
            features: BTreeMap::new(),
        })
    }

    /// The registration of this broker; none if it is not of this kind, which is a `KafkaException` in Kafka.
    pub fn decode(broker: NodeId, data: &Data) -> Option<Self> {
        let read: Read = parsed(data)?;
        let timestamp = read.timestamp.and_then(|text| text.parse().ok()).unwrap_or_default();
        let rack = read.rack.map(RackId::from);
        Some(BrokerIdZNode { broker, timestamp: Timestamp(timestamp), rack })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_written_as_kafka_writes_it() {
        let broker = NodeId::broker(2);
        let rack = Some(RackId::from("north"));
        let one = BrokerIdZNode { broker, timestamp: Timestamp(5), rack };
        let text = r#"{"version":5,"host":"b2","port":9092,"jmx_port":-1,"timestamp":"5","endpoints":["PLAINTEXT://b2:9092"],"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"rack":"north","features":{}}"#;
        assert_eq!(&*one.encode().0, text);
        assert_eq!(BrokerIdZNode::decode(broker, &one.encode()), Some(one));
        assert_eq!(BrokerIdZNode::decode(broker, &"".into()), None);
    }
}
