//! The block of producer ids that was given out last (`ProducerIdBlockZNode`).

use super::{json, parsed};
use crate::zookeeper::Data;
use crate::{NodeId, ProducerId};
use serde::{Deserialize, Serialize};

/// `/latest_producer_id_block`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlockZNode {
    /// Who got it.
    pub broker: NodeId,
    /// Its first id.
    pub first: ProducerId,
    /// Its last id.
    pub last: ProducerId,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    version: u8,
    broker: u16,
    block_start: String,
    block_end: String,
}

impl ProducerIdBlockZNode {
    /// As Kafka writes it.
    pub fn encode(&self) -> Data {
        json(&Fields {
            version: 1,
            broker: self.broker.number,
            block_start: self.first.to_string(),
            block_end: self.last.to_string(),
        })
    }

    /// None if no block was given out yet: the znode is created empty.
    pub fn decode(data: &Data) -> Option<Self> {
        let read: Fields = parsed(data)?;
        Some(ProducerIdBlockZNode {
            broker: NodeId::broker(read.broker),
            first: ProducerId(read.block_start.parse().ok()?),
            last: ProducerId(read.block_end.parse().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_written_as_kafka_writes_it() {
        let (first, last) = (ProducerId(1000), ProducerId(1999));
        let block = ProducerIdBlockZNode { broker: NodeId::broker(3), first, last };
        let text = r#"{"version":1,"broker":3,"block_start":"1000","block_end":"1999"}"#;
        assert_eq!(&*block.encode().0, text);
        assert_eq!(ProducerIdBlockZNode::decode(&block.encode()), Some(block));
        assert_eq!(ProducerIdBlockZNode::decode(&"".into()), None);
    }
}
