//! The invariants: pure rules over values, one file per oracle, each with the table it must satisfy.
//!
//! The functions beside the picture (`watch`) read, ask, and note what was found.

pub(crate) mod ack_only_after_commit;
pub(crate) mod broker_epoch;
pub(crate) mod clean_shutdown_is_true;
pub(crate) mod committed_is_flushed;
pub(crate) mod committed_metadata_agrees;
pub(crate) mod committed_records_survive;
pub(crate) mod control_generation;
pub(crate) mod end_offset_is_monotonic;
pub(crate) mod epochs_are_monotonic;
pub(crate) mod flushed_records_survive;
pub(crate) mod high_watermark;
pub(crate) mod isr_member_has_committed_records;
pub(crate) mod isr_rules;
pub(crate) mod leader_in_isr;
pub(crate) mod leader_is_alive;
pub(crate) mod log_is_contiguous;
pub(crate) mod log_matching;
pub(crate) mod log_start_is_committed;
pub(crate) mod majority_has_committed_metadata;
pub(crate) mod no_fenced_broker_in_isr;
pub(crate) mod one_leader_per_epoch;
pub(crate) mod quorum_state;
pub(crate) mod sequence_has_no_gap;
pub(crate) mod shared_past;
pub(crate) mod snapshot_at_log_start;
