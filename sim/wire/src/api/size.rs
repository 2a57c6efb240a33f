//! How many bytes a message takes on the wire.
//!
//! Batches are counted exactly; everything else by a header and a constant per entry that is close to
//! the flexible encoding of Kafka's schemas (KIP-482). Bandwidth is all that depends on it.

use super::{Request, Response};

/// Request header v2 with the size prefix and a short client id.
const REQUEST_HEADER: u32 = 30;
/// Response header v1 with the size prefix.
const RESPONSE_HEADER: u32 = 9;
/// A partition's entry in most requests and responses.
const PARTITION: u32 = 24;

impl Request {
    /// Bytes on the wire.
    pub fn size_in_bytes(&self) -> u32 {
        REQUEST_HEADER + self.body_size()
    }

    fn body_size(&self) -> u32 {
        match self {
            Request::Produce(r) => {
                16 + r.data.iter().map(|d| PARTITION + d.batch.size_in_bytes).sum::<u32>()
            }
            Request::Fetch(r) => {
                48 + 43 * r.partitions.len() as u32 + 20 * r.forgotten.len() as u32
            }
            Request::ListOffsets(r) => 8 + PARTITION * r.partitions.len() as u32,
            Request::Metadata(r) => 4 + 32 * r.topics.as_ref().map_or(0, Vec::len) as u32,
            Request::OffsetForLeaderEpoch(r) => 8 + PARTITION * r.partitions.len() as u32,
            Request::AlterPartition(r) => {
                16 + r
                    .partitions
                    .iter()
                    .map(|p| PARTITION + 12 * p.new_isr.len() as u32)
                    .sum::<u32>()
            }
            Request::LeaderAndIsr(r) => {
                let replica =
                    |p: &super::LeaderAndIsrPartitionState| 40 + 8 * p.replicas.len() as u32;
                24 + r.partitions.iter().map(replica).sum::<u32>()
            }
            Request::UpdateMetadata(r) => {
                let partition =
                    |p: &super::UpdateMetadataPartitionState| 32 + 8 * p.replicas.len() as u32;
                24 + 32 * r.live_brokers.len() as u32
                    + r.partitions.iter().map(partition).sum::<u32>()
            }
            Request::StopReplica(r) => 24 + PARTITION * r.partitions.len() as u32,
            Request::CreateTopics(r) => 12 + 64 * r.topics.len() as u32,
            Request::Envelope(r) => 16 + r.request.body_size(),
            _ => 48,
        }
    }
}

impl Response {
    /// Bytes on the wire.
    pub fn size_in_bytes(&self) -> u32 {
        RESPONSE_HEADER + self.body_size()
    }

    fn body_size(&self) -> u32 {
        match self {
            Response::Produce(r) => 8 + 36 * r.responses.len() as u32,
            Response::Fetch(r) => {
                16 + r.partitions.iter().map(|p| 44 + p.records_size()).sum::<u32>()
            }
            Response::FetchSnapshot(r) => {
                48 + r.batches.iter().map(|batch| batch.size_in_bytes).sum::<u32>()
            }
            Response::ListOffsets(r) => 8 + 2 * PARTITION * r.partitions.len() as u32,
            Response::Metadata(r) => {
                let partitions = |t: &super::MetadataTopic| {
                    t.partitions.iter().map(|p| 20 + 8 * p.replicas.len() as u32).sum::<u32>()
                };
                40 + 24 * r.brokers.len() as u32
                    + r.topics.iter().map(|topic| 32 + partitions(topic)).sum::<u32>()
            }
            Response::OffsetForLeaderEpoch(r) => 8 + PARTITION * r.partitions.len() as u32,
            Response::AlterPartition(r) => {
                8 + r.partitions.iter().map(|p| PARTITION + 4 * p.isr.len() as u32).sum::<u32>()
            }
            Response::LeaderAndIsr(r) => 4 + 22 * r.partitions.len() as u32,
            Response::StopReplica(r) => 4 + PARTITION * r.partitions.len() as u32,
            Response::ControlledShutdown(r) => 4 + PARTITION * r.remaining_partitions.len() as u32,
            Response::CreateTopics(r) => 8 + 64 * r.topics.len() as u32,
            Response::Envelope(r) => {
                8 + r.response.as_ref().map_or(0, |response| response.body_size())
            }
            _ => 40,
        }
    }
}
