//! The dynamic configs of a topic or broker (`ConfigEntityZNode`).

use super::{json, parsed};
use crate::zookeeper::Data;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `/config/topics/T`, `/config/brokers/N`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigEntityZNode(pub BTreeMap<Arc<str>, Arc<str>>);

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    version: u8,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

impl ConfigEntityZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        let config = self.0.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        json(&Fields { version: 1, config: config.collect() })
    }

    /// Data that is not of this kind configures nothing, as in Kafka.
    pub fn decode(data: &Data) -> Self {
        let read = parsed::<Fields>(data).map(|read| read.config).unwrap_or_default();
        let entries = read.into_iter().map(|(name, value)| (name.into(), value.into()));
        ConfigEntityZNode(entries.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_written_as_kafka_writes_them() {
        let configs = ConfigEntityZNode([("retention.ms".into(), "5".into())].into());
        assert_eq!(&*configs.encode().0, r#"{"version":1,"config":{"retention.ms":"5"}}"#);
        assert_eq!(ConfigEntityZNode::decode(&configs.encode()), configs);
        assert_eq!(ConfigEntityZNode::decode(&"".into()), ConfigEntityZNode::default());
    }
}
