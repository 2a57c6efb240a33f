//! Planted histories: for every promise one that breaks it and must be rejected, and a near miss that keeps
//! it and must pass. An oracle without these could be blind, and nobody would know.

mod clients;
mod controller;
mod deletion;
mod ensemble;
mod expectations;
mod permits;
mod properties;
mod quorum;
mod replication;
mod story;
mod summaries;
mod zookeeper_mode;

use klab_check::{PROMISES, Promise, Status};
use story::Story;

/// What was planted for a promise: the history that breaks it, and the one that almost does.
fn planted(promise: Promise) -> [Story; 2] {
    use Promise as P;
    match promise {
        P::HighWatermarkIsMonotonic => replication::high_watermark_is_monotonic(),
        P::FollowerHighWatermarkIsBehind => replication::follower_high_watermark_is_behind(),
        P::LogMatching => replication::log_matching(),
        P::SameBatchSamePast => replication::same_batch_same_past(),
        P::LogIsContiguous => replication::log_is_contiguous(),
        P::LogStartIsCommitted => replication::log_start_is_committed(),
        P::CommittedRecordsSurvive => replication::committed_records_survive(),
        P::FlushedRecordsSurvive => replication::flushed_records_survive(),
        P::CommittedRecordsAreFlushed => replication::committed_records_are_flushed(),
        P::CleanShutdownIsTrue => replication::clean_shutdown_is_true(),
        P::OneLeaderPerEpoch => replication::one_leader_per_epoch(),
        P::AckOnlyAfterCommit => replication::ack_only_after_commit(),
        P::SequenceHasNoGap => replication::sequence_has_no_gap(),
        P::LeaderInIsr => controller::leader_in_isr(),
        P::LeaderIsAlive => controller::leader_is_alive(),
        P::IsrIsSubsetOfReplicas => controller::isr_is_subset_of_replicas(),
        P::IsrNeverEmpty => controller::isr_never_empty(),
        P::IsrMemberHasCommittedRecords => controller::isr_member_has_committed_records(),
        P::NoFencedBrokerInIsr => controller::no_fenced_broker_in_isr(),
        P::OneActiveControllerPerEpoch => controller::one_active_controller_per_epoch(),
        P::PartitionEpochIsMonotonic => controller::partition_epoch_is_monotonic(),
        P::LeaderEpochIsMonotonic => controller::leader_epoch_is_monotonic(),
        P::EndOffsetIsMonotonic => clients::end_offset_is_monotonic(),
        P::BrokerEpochIsMonotonic => controller::broker_epoch_is_monotonic(),
        P::NoFormerGenerationIsObeyed => controller::no_former_generation_is_obeyed(),
        P::OneQuorumLeaderPerEpoch => quorum::one_quorum_leader_per_epoch(),
        P::QuorumEpochIsMonotonic => quorum::quorum_epoch_is_monotonic(),
        P::VotesOncePerEpoch => quorum::votes_once_per_epoch(),
        P::MetadataHighWatermarkIsMonotonic => quorum::metadata_high_watermark_is_monotonic(),
        P::MajorityHasCommittedMetadata => quorum::majority_has_committed_metadata(),
        P::CommittedMetadataAgrees => quorum::committed_metadata_agrees(),
        P::NoTruncationBelowMetadataHighWatermark => quorum::no_truncation_below(),
        P::SnapshotAtLogStart => quorum::snapshot_at_log_start(),
        P::NoAckedRecordIsLost => clients::no_acked_record_is_lost(),
        P::PerPartitionOrder => clients::per_partition_order(),
        P::NoDuplicates => clients::no_duplicates(),
        P::NoInconsistentOffsets => clients::no_inconsistent_offsets(),
        P::NoUnwrittenRecordIsRead => clients::no_unwritten_record_is_read(),
        P::FailedSendsAreNotRead => clients::failed_sends_are_not_read(),
        P::OneEnsembleLeaderPerEpoch => ensemble::one_leader_per_epoch(),
        P::EnsembleEpochsAreMonotonic => ensemble::epochs_are_monotonic(),
        P::PrimaryOrder => ensemble::primary_order(),
        P::OnlyCommittedTxnsAreApplied => ensemble::only_committed_is_applied(),
        P::MajorityHasCommittedTxns => ensemble::majority_has_committed(),
        P::CommittedTxnsSurvive => ensemble::committed_survives(),
        P::ServersAgreeOnThePast => ensemble::servers_agree(),
        P::EphemeralsEndWithTheirSession => ensemble::ephemerals_end(),
        P::ViewNeverGoesBack => ensemble::view_never_goes_back(),
        P::ZnodeWritesAreLinearizable => ensemble::writes_are_linearizable(),
        P::SyncedReadsAreFresh => ensemble::synced_reads_are_fresh(),
        P::EveryOperationEnds => clients::every_operation_ends(),
        P::ClusterConverges => clients::cluster_converges(),
    }
}

#[test]
fn every_promise_rejects_the_history_that_breaks_it() {
    for info in PROMISES {
        let [broken, _] = planted(info.promise);
        let verdict = broken.end();
        let found = verdict.promise(info.promise);
        assert_eq!(found.status, Status::Violated, "{}: {found:#?}", info.promise);
        assert!(!found.proofs.is_empty(), "{} is broken without a proof", info.promise);
        assert_eq!(verdict.exit_code, 1, "{}", info.promise);
    }
}

#[test]
fn every_promise_lets_the_near_miss_pass() {
    for info in PROMISES {
        let [_, near_miss] = planted(info.promise);
        let verdict = near_miss.end();
        assert_eq!(verdict.promise(info.promise).status, Status::Kept, "{}", info.promise);
        let broken = verdict.promises.iter().find(|found| found.violations > 0);
        assert!(broken.is_none(), "the near miss of {} breaks {broken:#?}", info.promise);
        assert_eq!(verdict.exit_code, 0, "{}", info.promise);
    }
}
