//! Kafka's error codes: what a peer is told when it got something wrong.
//!
//! Names, numbers and the two classes are those of `Errors.java` and the exception behind each entry:
//! *retriable* (`RetriableException`) and *stale metadata* (`InvalidMetadataException`: ask for fresh
//! metadata, then try again).

use serde::Serialize;
use std::fmt;

macro_rules! errors {
    ($($variant:ident = $code:literal, $name:literal, $class:ident;)*) => {
        /// An entry of Kafka's `Errors`. "No error" is [`ErrorCode::None`], as on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(i16)]
        #[allow(missing_docs, reason = "Kafka's own names; `Errors.java` has a sentence for each")]
        pub enum ErrorCode {
            #[default]
            None = 0,
            $($variant = $code,)*
        }

        impl ErrorCode {
            /// Every code there is, in the order of this table.
            pub const ALL: &[ErrorCode] = &[ErrorCode::None, $(ErrorCode::$variant,)*];

            /// Kafka's name: `NOT_LEADER_OR_FOLLOWER`.
            pub const fn name(self) -> &'static str {
                match self {
                    ErrorCode::None => "NONE",
                    $(ErrorCode::$variant => $name,)*
                }
            }

            const fn class(self) -> Class {
                match self {
                    ErrorCode::None => Class::Final,
                    $(ErrorCode::$variant => Class::$class,)*
                }
            }
        }
    };
}

#[derive(PartialEq)]
enum Class {
    Final,
    Retriable,
    StaleMetadata,
}

errors! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", Final;
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", Final;
    CorruptMessage = 2, "CORRUPT_MESSAGE", Retriable;
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", StaleMetadata;
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", Final;
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", StaleMetadata;
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", StaleMetadata;
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", Retriable;
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", Final;
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", StaleMetadata;
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", Final;
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", Final;
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", Final;
    NetworkException = 13, "NETWORK_EXCEPTION", StaleMetadata;
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", Retriable;
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", Retriable;
    NotCoordinator = 16, "NOT_COORDINATOR", Retriable;
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", Final;
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", Final;
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", Retriable;
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable;
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", Final;
    IllegalGeneration = 22, "ILLEGAL_GENERATION", Final;
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", Final;
    InvalidGroupId = 24, "INVALID_GROUP_ID", Final;
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", Final;
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", Final;
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", Final;
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", Final;
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", Final;
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", Final;
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", Final;
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", Final;
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", Final;
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", Final;
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", Final;
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", Final;
    InvalidPartitions = 37, "INVALID_PARTITIONS", Final;
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", Final;
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", Final;
    InvalidConfig = 40, "INVALID_CONFIG", Final;
    NotController = 41, "NOT_CONTROLLER", Retriable;
    InvalidRequest = 42, "INVALID_REQUEST", Final;
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Final;
    PolicyViolation = 44, "POLICY_VIOLATION", Final;
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Final;
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", Final;
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", Final;
    InvalidTxnState = 48, "INVALID_TXN_STATE", Final;
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", Final;
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", Final;
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", Retriable;
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", Final;
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Final;
    SecurityDisabled = 54, "SECURITY_DISABLED", Final;
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", Final;
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", StaleMetadata;
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", Final;
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", Final;
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", Final;
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", Final;
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", Final;
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", Final;
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", Final;
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", Final;
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", Final;
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", Final;
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", Final;
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", Final;
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", Final;
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", Retriable;
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", Retriable;
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", StaleMetadata;
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", Final;
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", StaleMetadata;
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", Retriable;
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", Final;
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", Final;
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", Retriable;
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", Final;
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", StaleMetadata;
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", Final;
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", Final;
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", StaleMetadata;
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", StaleMetadata;
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", Final;
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", Final;
    InvalidRecord = 87, "INVALID_RECORD", Final;
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", Retriable;
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", Retriable;
    ProducerFenced = 90, "PRODUCER_FENCED", Final;
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", Final;
    DuplicateResource = 92, "DUPLICATE_RESOURCE", Final;
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", Final;
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", Final;
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", Final;
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", Final;
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", Final;
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", Final;
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", Final;
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", StaleMetadata;
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", Final;
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", Final;
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", StaleMetadata;
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", Final;
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", Final;
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", Retriable;
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", Final;
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", Final;
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", Final;
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", Final;
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", Final;
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", Final;
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", Final;
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", Final;
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", Final;
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", Final;
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", Final;
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", Final;
    InvalidRegistration = 119, "INVALID_REGISTRATION", Final;
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", Final;
    InvalidRecordState = 121, "INVALID_RECORD_STATE", Final;
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", Retriable;
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", Retriable;
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", Final;
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", Final;
    DuplicateVoter = 126, "DUPLICATE_VOTER", Final;
    VoterNotFound = 127, "VOTER_NOT_FOUND", Final;
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", Final;
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Nothing went wrong.
    pub const fn is_ok(self) -> bool {
        matches!(self, ErrorCode::None)
    }

    /// The same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.class() != Class::Final
    }

    /// The sender's metadata is out of date.
    pub fn is_stale_metadata(self) -> bool {
        self.class() == Class::StaleMetadata
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_metadata_is_a_reason_to_retry_and_a_fenced_producer_is_not() {
        assert!(ErrorCode::NotLeaderOrFollower.is_stale_metadata());
        assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
        assert!(ErrorCode::NotEnoughReplicas.is_retriable());
        assert!(!ErrorCode::NotEnoughReplicas.is_stale_metadata());
        assert!(!ErrorCode::ProducerFenced.is_retriable());
        assert_eq!(ErrorCode::FencedLeaderEpoch.code(), 74);
    }
}
