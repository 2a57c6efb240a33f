//! Finalised features (`FeaturesImage`, KIP-584) and what the metadata version gates.

use crate::Delta;
use klab_wire::SupportedFeature;
use klab_wire::config::Release;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The feature whose level is the metadata version (KIP-778).
pub const METADATA_VERSION: &str = "metadata.version";

/// The feature that turns eligible leader replicas on (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";

/// The level of each finalised feature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeaturesImage {
    levels: BTreeMap<Arc<str>, u16>,
}

/// A level of [`METADATA_VERSION`] (`MetadataVersion`): what every node of the cluster understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub u16);

impl MetadataVersion {
    /// 3.0-IV1, the oldest one of KRaft.
    pub const MINIMUM: MetadataVersion = MetadataVersion(1);
    /// 3.2-IV0: leader recovery state (KIP-704).
    pub const IBP_3_2_IV0: MetadataVersion = MetadataVersion(3);
    /// 3.3-IV1: no-op records (KIP-835).
    pub const IBP_3_3_IV1: MetadataVersion = MetadataVersion(5);
    /// 3.3-IV3: brokers in controlled shutdown are known as such (KIP-841).
    pub const IBP_3_3_IV3: MetadataVersion = MetadataVersion(7);
    /// 3.5-IV1: broker epochs in AlterPartition (KIP-903).
    pub const IBP_3_5_IV1: MetadataVersion = MetadataVersion(10);
    /// 3.6-IV0: a shrinking ISR no longer counts the leader epoch up (KAFKA-15021).
    pub const IBP_3_6_IV0: MetadataVersion = MetadataVersion(12);
    /// 4.0-IV1: eligible leader replicas (KIP-966).
    pub const IBP_4_0_IV1: MetadataVersion = MetadataVersion(23);
    /// 4.0-IV3, the latest of 4.0.
    pub const LATEST: MetadataVersion = MetadataVersion(25);

    /// A record's meaning changed with this version, so that what was written in it may not be
    /// understood below it (`MetadataVersion.didMetadataChange`).
    pub const fn changed_metadata(self) -> bool {
        !matches!(self.0, 2 | 4 | 9 | 10 | 12 | 16 | 18..=22 | 24 | 25)
    }

    /// The one that a cluster formatted by this release gets (`MetadataVersion.LATEST_PRODUCTION` of
    /// its time). What is older than KRaft gets the minimum.
    pub fn of(release: Release) -> MetadataVersion {
        const LATEST_OF: [((u8, u8), u16); 10] = [
            ((4, 0), 25),
            ((3, 9), 21),
            ((3, 8), 20),
            ((3, 7), 19),
            ((3, 6), 14),
            ((3, 5), 11),
            ((3, 4), 8),
            ((3, 3), 7),
            ((3, 2), 3),
            ((3, 1), 2),
        ];
        let known =
            LATEST_OF.iter().find(|((major, minor), _)| release >= Release::new(*major, *minor));
        known.map_or(MetadataVersion::MINIMUM, |(_, level)| MetadataVersion(*level))
    }
}

/// The features that klab's brokers and controllers know, each with the levels that they support
/// (`QuorumFeatures.defaultFeatureMap`): what a broker says when it registers.
pub fn supported_features() -> Vec<SupportedFeature> {
    let feature = |name, min_level, max_level| SupportedFeature {
        name: Arc::from(name),
        min_level,
        max_level,
    };
    vec![
        feature(METADATA_VERSION, MetadataVersion::MINIMUM.0, MetadataVersion::LATEST.0),
        feature(ELIGIBLE_LEADER_REPLICAS_VERSION, 0, 1),
    ]
}

impl FeaturesImage {
    /// A feature's level; 0 if it is not finalised.
    pub fn level(&self, name: &str) -> u16 {
        self.levels.get(name).copied().unwrap_or(0)
    }

    /// Every finalised feature with its level.
    pub fn levels(&self) -> impl Iterator<Item = (&Arc<str>, u16)> + '_ {
        self.levels.iter().map(|(name, level)| (name, *level))
    }

    /// The metadata version; the oldest one until a record says more.
    pub fn metadata_version(&self) -> MetadataVersion {
        MetadataVersion(self.level(METADATA_VERSION)).max(MetadataVersion::MINIMUM)
    }

    /// Eligible leader replicas are in force (KIP-966).
    pub fn is_elr_enabled(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0
    }

    pub(crate) fn set(&mut self, name: &Arc<str>, level: u16, delta: &mut Delta) {
        match level {
            0 => self.levels.remove(name),
            level => self.levels.insert(name.clone(), level),
        };
        delta.features_changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_formats_clusters_with_its_own_metadata_version() {
        let of = |major, minor| MetadataVersion::of(Release::new(major, minor));
        assert_eq!(of(2, 8), MetadataVersion::MINIMUM);
        assert_eq!(of(3, 3), MetadataVersion::IBP_3_3_IV3);
        assert_eq!(of(3, 5), MetadataVersion(11));
        assert_eq!(of(4, 0), MetadataVersion::LATEST);
        assert_eq!(of(4, 3), MetadataVersion::LATEST);
    }
}
