//! Metadata records and requests in a few words.

use super::*;

/// A broker's registration, unfenced, in this rack.
pub fn registration(broker: NodeId, rack: Option<&str>) -> MetadataRecord {
    MetadataRecord::RegisterBroker(Arc::new(RegisterBrokerRecord {
        broker,
        incarnation: IncarnationId(0),
        epoch: epoch_of(broker),
        rack: rack.map(RackId::from),
        fenced: false,
        in_controlled_shutdown: false,
        log_dirs: Arc::new([DirectoryId(u64::from(broker.number))]),
        features: Arc::new([]),
    }))
}

/// A broker is fenced, or unfenced.
pub fn fenced(broker: NodeId, fenced: bool) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange {
        broker,
        epoch: epoch_of(broker),
        fenced: Some(fenced),
        in_controlled_shutdown: None,
    }
}

pub fn partition_record(index: u32, state: PartitionRegistration) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        topic: TOPIC,
        partition: PartitionId(index),
        registration: Arc::new(state),
    })
}

pub fn topic_config(name: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config {
        resource: ConfigResource::Topic("orders".into()),
        name: name.into(),
        value: Some(value.into()),
    }
}

pub fn fetch(index: u32, offset: u64) -> FetchPartition {
    FetchPartition {
        partition: partition(index),
        current_leader_epoch: None,
        fetch_offset: Offset(offset),
        last_fetched_epoch: None,
        log_start_offset: None,
        high_watermark: None,
        max_bytes: 1 << 20,
    }
}

pub fn consumer_fetch(
    session: FetchSession,
    partitions: Vec<FetchPartition>,
    wait: u64,
) -> FetchRequest {
    FetchRequest {
        cluster: None,
        replica: None,
        max_wait: Span::from_millis(wait),
        min_bytes: 1,
        max_bytes: 50 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session,
        partitions: partitions.into(),
        forgotten: vec![],
        rack: None,
    }
}
