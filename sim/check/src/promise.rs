//! The table of promises: every invariant and every checker, by its published name.
//!
//! Sources: hachikuji/kafka-specification (TLA+), Vanlightly/kafka-tlaplus, Kafka's
//! `RaftEventSimulationTest`, Jepsen's `kafka.clj`. Where a published statement is weaker than it looks,
//! the sentence here is the restated one.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What is said about a promise in lists and explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PromiseInfo {
    /// Which promise.
    pub promise: Promise,
    /// The promise in one sentence.
    pub sentence: &'static str,
    /// The concept that it belongs to: a folder of scenarios.
    pub concept: &'static str,
    /// Where it was first stated.
    pub source: &'static str,
}

macro_rules! promises {
    ($($variant:ident $name:literal $concept:literal $source:literal $sentence:literal;)*) => {
        /// A promise, by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Promise {
            $(#[doc = $sentence] $variant,)*
        }

        /// Every promise, in the order of the enum: replication, controller, quorum, clients, liveness.
        pub const PROMISES: &[PromiseInfo] = &[$(PromiseInfo {
            promise: Promise::$variant,
            sentence: $sentence,
            concept: $concept,
            source: $source,
        },)*];

        impl Promise {
            /// Its published name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Promise::$variant => $name,)*
                }
            }
        }
    };
}

promises! {
    HighWatermarkIsMonotonic "high-watermark-is-monotonic" "high-watermark"
        "Vanlightly, the prose of 1_kafka_replication_protocol.md"
        "Within one leadership the high watermark only grows, and never beyond the leader's log end.";
    FollowerHighWatermarkIsBehind "follower-high-watermark-is-behind" "high-watermark"
        "behaviour of ReplicaFetcherThread"
        "A follower never holds a record committed that no leader has committed.";
    LogMatching "log-matching" "log-truncation"
        "Vanlightly LogMatchingProperty"
        "Any two replicas have the same batches below the smaller of their two high watermarks.";
    SameBatchSamePast "same-batch-same-past" "log-truncation"
        "Raft, the Log Matching Property (Ongaro, section 3.5)"
        "Two replicas that have the same batch have the same batches before it.";
    LogIsContiguous "log-is-contiguous" "log-truncation"
        "UnifiedLog.append"
        "Every batch begins where the log ended; only compaction leaves gaps.";
    LogStartIsCommitted "log-start-is-committed" "retention"
        "UnifiedLog.maybeIncrementLogStartOffset, deleteOldSegments"
        "Only what is committed is deleted at the start of a log.";
    CommittedRecordsSurvive "committed-records-survive" "leader-election"
        "hachikuji StrongIsr, Vanlightly LeaderCompletenessProperty"
        "A new leader has every record that an earlier leader committed.";
    FlushedRecordsSurvive "flushed-records-survive" "durability"
        "Log.flush and the recovery point"
        "What a replica has flushed is there when its log is opened again, unless the disk was damaged.";
    CommittedRecordsAreFlushed "committed-records-are-flushed" "durability"
        "flush.messages, UnifiedLog.append"
        "With flush.messages=1 whoever is in the ISR when the leader commits has flushed what is committed.";
    CleanShutdownIsTrue "clean-shutdown-is-true" "durability"
        "klab's own B-CLEAN; LogManager.shutdown and loadLogs, KAFKA-15375"
        "A log that is opened as cleanly shut down has all that it had, and nothing that was deleted.";
    OneLeaderPerEpoch "one-leader-per-epoch" "leader-election"
        "Raft election safety, for partitions"
        "In one leader epoch of a partition at most one broker leads, over all epochs.";
    LeaderInIsr "leader-in-isr" "leader-election"
        "hachikuji LeaderInIsr, with the missing case for no leader"
        "A partition has no leader, or one that is in its ISR.";
    LeaderIsAlive "leader-is-alive" "leader-election"
        "PartitionChangeBuilder.isValidNewLeader, KAFKA-19522"
        "Whoever leads a partition is not fenced.";
    IsrIsSubsetOfReplicas "isr-is-subset-of-replicas" "in-sync-replicas"
        "Vanlightly ValidControllerIsrAndElr"
        "Every member of the ISR is a replica.";
    IsrNeverEmpty "isr-never-empty" "in-sync-replicas"
        "Vanlightly ValidControllerState (v3.5)"
        "Without eligible leader replicas the ISR keeps its last member.";
    IsrMemberHasCommittedRecords "isr-member-has-committed-records" "in-sync-replicas"
        "hachikuji ValidHighWatermark (AsyncIsr)"
        "A replica that enters the ISR, or is in it when the leader commits, has what is committed.";
    NoFencedBrokerInIsr "no-fenced-broker-in-isr" "broker-lifecycle"
        "Vanlightly ValidControllerState"
        "A fenced broker is in no ISR that has another member.";
    AckOnlyAfterCommit "ack-only-after-commit" "acks"
        "KIP-16, Partition.checkEnoughReplicasReachOffset"
        "With acks=all a produce request succeeds only when its records are committed by at least min.insync.replicas.";
    SequenceHasNoGap "sequence-has-no-gap-and-no-repeat" "idempotent-producer"
        "KIP-98, ProducerAppendInfo.checkSequence"
        "In a leader's log the sequences of one producer epoch follow each other without gap or repeat.";
    OneActiveControllerPerEpoch "one-active-controller-per-epoch" "metadata-quorum"
        "QuorumController"
        "In one epoch of the metadata quorum, or one controller epoch of ZooKeeper mode, at most one controller is active.";
    PartitionEpochIsMonotonic "partition-epoch-is-monotonic" "metadata-quorum"
        "KIP-497, PartitionRegistration.merge"
        "Under one controller every change of a partition's ISR has a higher partition epoch.";
    LeaderEpochIsMonotonic "leader-epoch-is-monotonic" "leader-election"
        "PartitionRegistration.merge"
        "Under one controller every election of a partition has a higher leader epoch.";
    BrokerEpochIsMonotonic "broker-epoch-is-monotonic" "broker-lifecycle"
        "KIP-631"
        "Every registration of a broker has a higher epoch, and no two brokers have the same.";
    NoFormerGenerationIsObeyed "no-former-generation-is-obeyed" "broker-lifecycle"
        "KIP-380, KAFKA-7235; ReplicaManager.controllerEpoch"
        "In ZooKeeper mode a broker does nothing that a former controller says, or that was said to a former life of its own.";
    EndOffsetIsMonotonic "end-offset-is-monotonic" "high-watermark"
        "KIP-207"
        "A client that asks again where a partition ends is never told a lower offset.";
    OneQuorumLeaderPerEpoch "one-quorum-leader-per-epoch" "metadata-quorum"
        "RaftEventSimulationTest SingleLeader, over all epochs instead of the highest"
        "In one epoch of the metadata quorum at most one voter leads.";
    QuorumEpochIsMonotonic "quorum-epoch-is-monotonic" "metadata-quorum"
        "RaftEventSimulationTest MonotonicEpoch"
        "The epoch that a node has written down never falls.";
    VotesOncePerEpoch "votes-once-per-epoch" "metadata-quorum"
        "Raft"
        "A voter gives at most one vote in an epoch, over all its lives.";
    MetadataHighWatermarkIsMonotonic "metadata-high-watermark-is-monotonic" "metadata-quorum"
        "RaftEventSimulationTest MonotonicHighWatermark"
        "The high watermark of the newest leader is never below one that a leader had before.";
    MajorityHasCommittedMetadata "majority-has-committed-metadata" "metadata-quorum"
        "RaftEventSimulationTest MajorityReachedHighWatermark"
        "What the leader of the quorum commits is on the platters of a majority of the voters.";
    CommittedMetadataAgrees "committed-metadata-agrees" "metadata-quorum"
        "RaftEventSimulationTest ConsistentCommittedData, Vanlightly MetadataLogMatchingProperty"
        "All replicas of the metadata log have the same batch at each committed offset.";
    NoTruncationBelowMetadataHighWatermark "no-truncation-below-metadata-high-watermark" "metadata-quorum"
        "RaftEventSimulationTest, the premise of ConsistentCommittedData"
        "No replica drops metadata that is committed, unless it had not flushed it and lost its power.";
    SnapshotAtLogStart "snapshot-at-log-start" "metadata-quorum"
        "RaftEventSimulationTest SnapshotAtLogStart, KAFKA-14238"
        "The metadata log is cut at the front only up to a snapshot that the replica has.";
    NoAckedRecordIsLost "no-acked-record-is-lost" "durability"
        "Jepsen :lost-write and :unseen"
        "Every acknowledged record is in the final leader's log at its offset, unless it was deleted in order, and no reader passed over it.";
    PerPartitionOrder "per-partition-order" "idempotent-producer"
        "Jepsen :nonmonotonic-send, :nonmonotonic-poll, :poll-skip"
        "A producer's records stand in a partition in the order in which they were sent, and a consumer reads them in that order, without a gap.";
    NoDuplicates "no-duplicates" "idempotent-producer"
        "Jepsen :duplicate, gated by idempotence"
        "No value stands at two places.";
    NoInconsistentOffsets "no-inconsistent-offsets" "durability"
        "Jepsen :inconsistent-offsets"
        "Whoever sees an offset sees the same value there.";
    NoUnwrittenRecordIsRead "no-unwritten-record-is-read" "idempotent-producer"
        "Jepsen, the premise of its version order"
        "Every value that is read was sent.";
    FailedSendsAreNotRead "failed-sends-are-not-read" "acks"
        "Jepsen :G1a"
        "A send that certainly failed is never read.";
    OneEnsembleLeaderPerEpoch "one-ensemble-leader-per-epoch" "zookeeper"
        "Zab.tla Leadership2, over all epochs"
        "In one epoch of a ZooKeeper ensemble at most one server becomes the established leader.";
    EnsembleEpochsAreMonotonic "ensemble-epochs-are-monotonic" "zookeeper"
        "QuorumPeer.setAcceptedEpoch, setCurrentEpoch; ZOOKEEPER-335"
        "The epochs that a server has told are written down and never fall, and it has no leader of an epoch that it has not accepted.";
    PrimaryOrder "primary-order" "zookeeper"
        "Zab.tla LocalPrimaryOrder restated for all pairs, GlobalPrimaryOrder, Integrity, PrimaryIntegrity"
        "Only the leader of an epoch proposes in it, and every server applies what was proposed in that order, without a gap.";
    OnlyCommittedTxnsAreApplied "only-committed-transactions-are-applied" "zookeeper"
        "Zab.tla, the premise of delivery"
        "A server that serves has applied nothing that is not committed.";
    MajorityHasCommittedTxns "majority-has-committed-transactions" "zookeeper"
        "Leader.tryToCommit; ZOOKEEPER-3911, ZOOKEEPER-4646"
        "What a leader commits, or begins its epoch with, is on the platters of a majority of those that vote.";
    CommittedTxnsSurvive "committed-transactions-survive" "zookeeper"
        "Remix LeaderLogCompleteness, CommittedLogDurability"
        "A leader begins its epoch with everything that was committed before, and nothing is committed that a later epoch lacks.";
    ServersAgreeOnThePast "servers-agree-on-the-past" "zookeeper"
        "Zab.tla PrefixConsistency, TotalOrder, Agreement"
        "Servers that have come equally far have applied the same transactions and have the same znodes.";
    EphemeralsEndWithTheirSession "ephemerals-end-with-their-session" "zookeeper"
        "DataTree.killSession; ZOOKEEPER-2355"
        "When a server learns that a session is over, the session's ephemeral znodes are gone there.";
    ViewNeverGoesBack "view-never-goes-back" "zookeeper"
        "ZooKeeper: single system image, FIFO client order"
        "In one session requests are answered in their order, and no answer shows an older state than one before it.";
    ZnodeWritesAreLinearizable "znode-writes-are-linearizable" "zookeeper"
        "Hunt et al. 2010: linearizable writes"
        "Writes of a znode take effect one after the other, each between its call and its answer, and whoever reads a version reads what was written.";
    SyncedReadsAreFresh "synced-reads-are-fresh" "zookeeper"
        "Hunt et al. 2010: sync followed by a read; Leader.processSync, ZOOKEEPER-1675"
        "A read behind a sync sees every write that had ended when the sync was called, but those of later leaders than the one that answered.";
    EveryOperationEnds "every-operation-ends" "recovery"
        "Vanlightly EventuallyWriteIsAcceptedOrRejected"
        "Every call that began before healing has ended when the run ends.";
    ClusterConverges "cluster-converges" "recovery"
        "Vanlightly EventuallyMetadataConverges, EventuallyUnfenced"
        "After healing the cluster comes to rest: every partition led, every replica in sync.";
}

impl Promise {
    /// What there is to say about it.
    pub fn info(self) -> &'static PromiseInfo {
        &PROMISES[self as usize]
    }
}

impl FromStr for Promise {
    type Err = ();

    /// Finds a promise by its name; the error says only that there is none.
    fn from_str(name: &str) -> Result<Self, ()> {
        PROMISES.iter().map(|info| info.promise).find(|promise| promise.name() == name).ok_or(())
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Promise {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_is_found_by_its_name_and_stands_at_its_place_in_the_table() {
        for (index, info) in PROMISES.iter().enumerate() {
            assert_eq!(info.promise as usize, index);
            assert_eq!(info.promise.name().parse(), Ok(info.promise));
        }
        assert_eq!("no-such-promise".parse::<Promise>(), Err(()));
    }
}
