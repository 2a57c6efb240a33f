//! What an answer says about whether a batch was written.
//!
//! A checker must never be told "it did not happen" when it may have. Only errors that brokers raise
//! before they append are such a promise; what they raise while they wait for followers is not.

use klab_machine::Mutant;
use klab_wire::{Acks, ErrorCode};

/// Whether the broker that answered this has certainly not appended the batch, now or later.
pub(crate) fn was_certainly_rejected(error: ErrorCode, acks: Acks) -> bool {
    use ErrorCode::*;
    match error {
        _ if Mutant::TakesTimeoutsForFailures.lives() => true,
        // `UnifiedLog.append` and `ProducerStateManager` refuse these before they write.
        CorruptMessage
        | MessageTooLarge
        | RecordListTooLarge
        | InvalidRecord
        | InvalidTimestamp
        | UnsupportedForMessageFormat
        | UnsupportedCompressionType
        | OutOfOrderSequenceNumber
        | UnknownProducerId
        | InvalidProducerEpoch
        | ProducerFenced
        | InvalidTxnState => true,
        // `KafkaApis` and `ReplicaManager` refuse these before they look at the log.
        InvalidTopicException
        | TopicAuthorizationFailed
        | ClusterAuthorizationFailed
        | InvalidRequiredAcks
        | UnsupportedVersion
        | InvalidRequest
        | PolicyViolation
        | ThrottlingQuotaExceeded
        | NotEnoughReplicas => true,
        // Before the append with `acks=1`. With `acks=all` also when the leader lost its leadership, or the
        // partition, while the batch waited in purgatory (`DelayedProduce`): it may survive elsewhere.
        NotLeaderOrFollower | UnknownTopicOrPartition | FencedLeaderEpoch | UnknownLeaderEpoch => {
            acks != Acks::All
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_before_the_append_is_a_promise() {
        let cases = [
            (ErrorCode::NotEnoughReplicas, Acks::All, true),
            (ErrorCode::NotEnoughReplicasAfterAppend, Acks::All, false),
            (ErrorCode::MessageTooLarge, Acks::All, true),
            (ErrorCode::NotLeaderOrFollower, Acks::Leader, true),
            (ErrorCode::NotLeaderOrFollower, Acks::All, false),
            (ErrorCode::RequestTimedOut, Acks::All, false),
            (ErrorCode::NetworkException, Acks::Leader, false),
            (ErrorCode::KafkaStorageError, Acks::Leader, false),
            (ErrorCode::UnknownServerError, Acks::Leader, false),
        ];
        for (error, acks, rejected) in cases {
            assert_eq!(was_certainly_rejected(error, acks), rejected, "{error} {acks:?}");
        }
    }
}
