//! The concepts that the lab teaches: one folder of scenarios each.

/// A concept: what it is, where Kafka has it, where klab has it.
#[derive(Clone, Copy, Debug)]
pub struct Concept {
    /// Its name, which is that of its folder below `scenarios/`.
    pub name: &'static str,
    /// What it is, in a sentence or two.
    pub sentence: &'static str,
    /// Kafka's classes and KIPs.
    pub source: &'static str,
    /// The file of klab to read first.
    pub file: &'static str,
}

/// Every concept, in the order in which a class would meet them.
pub const CONCEPTS: &[Concept] = &[
    Concept {
        name: "leader-election",
        sentence: "Each partition has one leader, elected by the controller from the in-sync \
                   replicas; every election raises the leader epoch.",
        source: "PartitionChangeBuilder, ReplicationControlManager",
        file: "sim/controller/src/election.rs",
    },
    Concept {
        name: "in-sync-replicas",
        sentence: "The in-sync replicas (ISR) are those that have kept up with the leader; a \
                   follower that lags for replica.lag.time.max.ms leaves, and returns once it has \
                   caught up.",
        source: "Partition.scala, AlterPartitionManager; KIP-497, KIP-841, KIP-903",
        file: "sim/broker/src/isr.rs",
    },
    Concept {
        name: "high-watermark",
        sentence: "A record is committed, and shown to consumers, when every in-sync replica has \
                   it: when the high watermark has passed it.",
        source: "Partition.maybeIncrementLeaderHW; KIP-207, KIP-497",
        file: "sim/broker/src/high_watermark.rs",
    },
    Concept {
        name: "acks",
        sentence: "A producer chooses whose acknowledgement counts: nobody's (0), the leader's \
                   (1), or that of all in-sync replicas, of which min.insync.replicas must exist.",
        source: "ProducerConfig.ACKS_CONFIG, DelayedProduce",
        file: "sim/broker/src/produce.rs",
    },
    Concept {
        name: "log-truncation",
        sentence: "A follower whose log diverges from its leader's cuts it back to where they \
                   agree, found by leader epochs.",
        source: "AbstractFetcherThread, LeaderEpochFileCache; KIP-101, KIP-279, KIP-320",
        file: "sim/log/src/epochs.rs",
    },
    Concept {
        name: "unclean-leader-election",
        sentence: "When every in-sync replica is gone, a partition either waits for one, or takes \
                   a leader that may lack committed records.",
        source: "unclean.leader.election.enable; KIP-106, KIP-704",
        file: "sim/controller/src/election.rs",
    },
    Concept {
        name: "durability",
        sentence: "An acknowledged record is in the page caches of the in-sync replicas; it \
                   survives what does not take all of those at once, unless it is flushed.",
        source: "flush.messages, flush.ms, LogLoader",
        file: "sim/log/src/load.rs",
    },
    Concept {
        name: "metadata-quorum",
        sentence: "The cluster's metadata is a log, replicated by Raft among the controllers; its \
                   leader is the active controller.",
        source: "KafkaRaftClient, QuorumController; KIP-500, KIP-595, KIP-996",
        file: "sim/kraft/src/raft.rs",
    },
    Concept {
        name: "broker-lifecycle",
        sentence: "A broker registers, sends heartbeats, is fenced when it falls silent and \
                   unfenced when it has caught up; in a controlled shutdown its leaders move away \
                   first.",
        source: "BrokerLifecycleManager, BrokerHeartbeatManager; KIP-631",
        file: "sim/broker/src/lifecycle.rs",
    },
    Concept {
        name: "idempotent-producer",
        sentence: "A producer numbers its batches, so that a leader can tell a retry from a new \
                   batch: no duplicates, no reordering.",
        source: "ProducerStateManager, TransactionManager; KIP-98, KIP-360",
        file: "sim/log/src/producer_state.rs",
    },
    Concept {
        name: "partitioning",
        sentence: "A record's key decides its partition; without a key the producer sticks to one \
                   partition for a batch.",
        source: "BuiltInPartitioner; KIP-480, KIP-794",
        file: "sim/client/src/partitioner/mod.rs",
    },
    Concept {
        name: "reassignment",
        sentence: "Replicas move between brokers by adding the new ones, waiting until they are \
                   in sync, and removing the old ones.",
        source: "PartitionReassignmentReplicas; KIP-455, KIP-73",
        file: "sim/controller/src/reassignment.rs",
    },
    Concept {
        name: "size-limits",
        sentence: "A record passes three gates: the producer's max.request.size, the broker's \
                   message.max.bytes, and the socket's socket.request.max.bytes.",
        source: "KafkaProducer.ensureValidRecordSize, LogValidator, SocketServer",
        file: "sim/broker/src/produce.rs",
    },
    Concept {
        name: "consumer-position",
        sentence: "A consumer reads on from its position; when the log no longer has it, \
                   auto.offset.reset decides where to go on.",
        source: "SubscriptionState, OffsetFetcher; KIP-320",
        file: "sim/client/src/subscription.rs",
    },
    Concept {
        name: "follower-fetching",
        sentence: "A consumer may read from a replica in its own rack.",
        source: "RackAwareReplicaSelector; KIP-392",
        file: "sim/broker/src/replica_selector.rs",
    },
    Concept {
        name: "retention",
        sentence: "Old segments are deleted by age and size, whether anybody has read them or not.",
        source: "UnifiedLog.deleteOldSegments",
        file: "sim/log/src/retention.rs",
    },
    Concept {
        name: "recovery",
        sentence: "After the last fault the deployment heals, and has to come to rest: every \
                   partition led, every replica in sync, every call ended.",
        source: "klab's own judge; Vanlightly's liveness properties",
        file: "sim/check/src/history/liveness.rs",
    },
    Concept {
        name: "performance",
        sentence: "How fast the lab itself is.",
        source: "klab's own benches",
        file: "sim/benches/reference.rs",
    },
    Concept {
        name: "zookeeper",
        sentence: "An ensemble of ZooKeeper servers agrees on one order of all writes: a leader \
                   proposes, a majority logs, the leader commits; reads are local and may be stale.",
        source: "QuorumPeer, FastLeaderElection, Leader, Learner; the ZAB paper",
        file: "sim/zookeeper/src/lib.rs",
    },
    Concept {
        name: "zookeeper-mode",
        sentence: "Before KRaft a broker was alive as long as its znode was, one broker was the \
                   controller, and told the others what their replicas are; while the ensemble has \
                   no quorum the replicas serve on as they are.",
        source: "KafkaServer, KafkaController, KafkaZkClient, ReplicaManager.becomeLeaderOrFollower",
        file: "sim/broker/src/zookeeper/mod.rs",
    },
    Concept {
        name: "network",
        sentence: "A link can be slow, lossy, or cut in one direction; what was sent before a cut \
                   may arrive long after it.",
        source: "klab's own world; SocketServer mutes a channel while it serves a request of it",
        file: "sim/world/src/network/link.rs",
    },
    Concept {
        name: "published",
        sentence: "What others measured on real hardware, beside what the same settings come to on \
                   klab's: throughput and latency come from requests, cards, disks, buffers and \
                   windows, by one set of constants for each hardware profile.",
        source: "Kreps 2014; OpenMessaging benchmarks of 2019 to 2021",
        file: "sim/scenario/src/hardware.rs",
    },
];

/// The concept of this name.
pub fn concept(name: &str) -> Option<&'static Concept> {
    CONCEPTS.iter().find(|concept| concept.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_concept_names_a_file_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for concept in CONCEPTS {
            assert!(root.join(concept.file).is_file(), "{}: {}", concept.name, concept.file);
        }
    }
}
