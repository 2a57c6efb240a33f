//! Where Kafka keeps what (`kafka.zk.ZkData`).

use crate::zookeeper::Path;
use crate::{ConfigResource, NodeId, PartitionId, TopicName, TopicPartition};

/// The active controller, as long as its session lives.
pub fn controller() -> Path {
    "/controller".into()
}

/// How often the controller was elected; its version is what every write of a controller checks.
pub fn controller_epoch() -> Path {
    "/controller_epoch".into()
}

/// The identity of the cluster.
pub fn cluster_id() -> Path {
    "/cluster/id".into()
}

/// The brokers that are alive.
pub fn broker_ids() -> Path {
    "/brokers/ids".into()
}

/// A broker that is alive. The transaction that created this znode is the broker's epoch (KIP-380).
pub fn broker_id(broker: NodeId) -> Path {
    format!("/brokers/ids/{}", broker.number).into()
}

/// The broker that a child of `/brokers/ids` stands for.
pub fn broker_of(name: &str) -> Option<NodeId> {
    name.parse().ok().map(NodeId::broker)
}

/// The topics.
pub fn topics() -> Path {
    "/brokers/topics".into()
}

/// A topic: its identity, and who holds its replicas.
pub fn topic(topic: &TopicName) -> Path {
    format!("/brokers/topics/{topic}").into()
}

/// What a topic's partitions are in.
pub fn partitions(topic: &TopicName) -> Path {
    format!("/brokers/topics/{topic}/partitions").into()
}

/// What a partition's state is in.
pub fn partition(partition: &TopicPartition) -> Path {
    format!("/brokers/topics/{}/partitions/{}", partition.topic, partition.partition).into()
}

/// A partition's leader and ISR.
pub fn state(partition: &TopicPartition) -> Path {
    format!("/brokers/topics/{}/partitions/{}/state", partition.topic, partition.partition).into()
}

/// The partition whose state is at this path.
pub fn partition_of(path: &Path) -> Option<TopicPartition> {
    let rest = path.0.strip_prefix("/brokers/topics/")?.strip_suffix("/state")?;
    let (topic, partition) = rest.split_once("/partitions/")?;
    let partition = PartitionId(partition.parse().ok()?);
    Some(TopicPartition { topic: topic.into(), partition })
}

/// Kafka's word for the kind of a resource (`ConfigType`).
pub fn config_type(resource: &ConfigResource) -> &'static str {
    match resource {
        ConfigResource::Topic(_) => "topics",
        ConfigResource::Broker(_) => "brokers",
    }
}

/// Kafka's path of a resource below `/config`: `topics/orders`, `brokers/<default>` (`ConfigEntityName.DEFAULT`).
pub fn config_entity(resource: &ConfigResource) -> String {
    match resource {
        ConfigResource::Topic(name) => format!("topics/{name}"),
        ConfigResource::Broker(Some(broker)) => format!("brokers/{}", broker.number),
        ConfigResource::Broker(None) => "brokers/<default>".into(),
    }
}

/// The resource that such a path names.
pub fn config_resource(entity: &str) -> Option<ConfigResource> {
    match entity.split_once('/')? {
        ("topics", name) => Some(ConfigResource::Topic(name.into())),
        ("brokers", "<default>") => Some(ConfigResource::Broker(None)),
        ("brokers", number) => Some(ConfigResource::Broker(Some(broker_of(number)?))),
        _ => None,
    }
}

/// The dynamic configs of all resources of a kind.
pub fn configs(kind: &str) -> Path {
    format!("/config/{kind}").into()
}

/// The dynamic configs of a resource.
pub fn config(resource: &ConfigResource) -> Path {
    format!("/config/{}", config_entity(resource)).into()
}

/// What tells of changes to configs.
pub fn config_changes() -> Path {
    "/config/changes".into()
}

/// A new child of it, which ZooKeeper numbers.
pub fn config_change() -> Path {
    "/config/changes/config_change_".into()
}

/// What tells of ISRs that leaders have changed by themselves.
pub fn isr_change_notifications() -> Path {
    "/isr_change_notification".into()
}

/// A new child of it, which ZooKeeper numbers.
pub fn isr_change_notification() -> Path {
    "/isr_change_notification/isr_change_".into()
}

/// What tells of log directories that have failed.
pub fn log_dir_event_notifications() -> Path {
    "/log_dir_event_notification".into()
}

/// The topics that shall go.
pub fn delete_topics() -> Path {
    "/admin/delete_topics".into()
}

/// A topic that shall go.
pub fn delete_topic(topic: &TopicName) -> Path {
    format!("/admin/delete_topics/{topic}").into()
}

/// Reassignments asked for by the tool of before 2.4.
pub fn reassign_partitions() -> Path {
    "/admin/reassign_partitions".into()
}

/// Preferred elections asked for by the tool of before 2.2.
pub fn preferred_replica_election() -> Path {
    "/admin/preferred_replica_election".into()
}

/// The block of producer ids that was given out last.
pub fn producer_id_block() -> Path {
    "/latest_producer_id_block".into()
}

/// What consumers of before 0.9 keep.
pub fn consumers() -> Path {
    "/consumers".into()
}

/// The offset of a consumer group of before 0.9 in a partition (`ConsumerOffset`).
pub fn consumer_offset(group: &str, partition: &TopicPartition) -> Path {
    format!("/consumers/{group}/offsets/{}/{}", partition.topic, partition.partition).into()
}

/// What has to be there before anything else: whoever starts first creates it (`ZkData.PersistentZkPaths`).
pub fn persistent() -> Vec<Path> {
    let configs = ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups"];
    let mut paths = vec![
        consumers(),
        broker_ids(),
        topics(),
        config_changes(),
        delete_topics(),
        "/brokers/seqid".into(),
        isr_change_notifications(),
        producer_id_block(),
        log_dir_event_notifications(),
    ];
    paths.extend(configs.map(self::configs));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_again_by_the_path_of_its_state() {
        let orders = TopicPartition::new("orders", 7);
        assert_eq!(&*state(&orders).0, "/brokers/topics/orders/partitions/7/state");
        assert_eq!(partition_of(&state(&orders)), Some(orders.clone()));
        assert_eq!(partition_of(&partition(&orders)), None);
    }

    #[test]
    fn a_resource_is_found_again_by_its_entity_path() {
        let cases = [
            (ConfigResource::Topic("orders".into()), "topics/orders"),
            (ConfigResource::Broker(Some(NodeId::broker(2))), "brokers/2"),
            (ConfigResource::Broker(None), "brokers/<default>"),
        ];
        for (resource, entity) in cases {
            assert_eq!(config_entity(&resource), entity);
            assert_eq!(config_resource(entity), Some(resource));
        }
        assert_eq!(config_resource("users/alice"), None);
    }
}
