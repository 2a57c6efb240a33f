//! The words that the tests' scenarios may use.

use klab_scenario::Vocabulary;

/// A few facts, promises and concepts, as the lab would hand them in.
pub const VOCABULARY: Vocabulary<'static> = Vocabulary {
    facts: &["IsrShrunk", "IsrExpanded", "LeaderElected", "LinkCut", "ProcessCrashed"],
    promises: &["no-acked-record-is-lost", "high-watermark-is-monotonic", "order-is-kept"],
    concepts: &["in-sync-replicas", "leader-election", "performance"],
};
