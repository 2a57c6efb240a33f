//! Feature levels are finalised (`FeatureControlManager.updateFeatures`, KIP-584, KIP-778).

use crate::active::Active;
use crate::assignment::Refusal;
use crate::decision::Decision;
use klab_metadata::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, MetadataVersion, supported_features,
};
use klab_wire::{
    ErrorCode, MetadataRecord, Response, SupportedFeature, UpdateFeaturesRequest,
    UpdateFeaturesResponse,
};
use std::sync::Arc;

impl Active {
    /// All updates take effect, or none.
    pub(crate) fn update_features(
        &mut self,
        request: &UpdateFeaturesRequest,
    ) -> Result<Decision, ErrorCode> {
        let checked = request.updates.iter().try_for_each(|(name, level)| {
            self.check_feature(name, *level, self.version_after(request))
        });
        let (error, message) = crate::assignment::told(&checked);
        let response =
            Response::UpdateFeatures(Box::new(UpdateFeaturesResponse { error, message }));
        if checked.is_err() || request.validate_only {
            return Ok(Decision::answer(response));
        }
        let record = |(name, level): &(Arc<str>, u16)| MetadataRecord::FeatureLevel {
            name: name.clone(),
            level: *level,
        };
        Ok(Decision::atomic(request.updates.iter().map(record).collect(), response))
    }

    /// The metadata version that the cluster will have.
    fn version_after(&self, request: &UpdateFeaturesRequest) -> MetadataVersion {
        let updated = request.updates.iter().find(|(name, _)| &**name == METADATA_VERSION);
        let level = updated.map(|(_, level)| MetadataVersion(*level));
        level.unwrap_or(self.image().features.metadata_version())
    }

    fn check_feature(
        &self,
        name: &str,
        level: u16,
        version: MetadataVersion,
    ) -> Result<(), Refusal> {
        let refused = |why: String| {
            let message = format!("Invalid update version {level} for feature {name}. {why}");
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message))
        };
        if let Some(node) = self.without_support(name, level) {
            return refused(format!("{node} does not support this feature at this level."));
        }
        if name == METADATA_VERSION
            && loses_metadata(self.image().features.metadata_version(), level)
        {
            return refused("The downgrade might delete metadata information.".into());
        }
        let is_elr = name == ELIGIBLE_LEADER_REPLICAS_VERSION && level > 0;
        if is_elr && version < MetadataVersion::IBP_4_0_IV1 {
            return refused("It depends on metadata.version 4.0-IV1.".into());
        }
        Ok(())
    }

    /// A node that does not understand the feature at this level (`reasonNotSupported`).
    fn without_support(&self, name: &str, level: u16) -> Option<String> {
        if !is_supported(&supported_features(), name, level) {
            return Some("The local controller".into());
        }
        let mut brokers = self.image().cluster.brokers();
        let behind = brokers.find(|(_, known)| !is_supported(known.features(), name, level));
        behind.map(|(broker, _)| format!("Broker {broker}"))
    }
}

fn is_supported(features: &[SupportedFeature], name: &str, level: u16) -> bool {
    let feature = features.iter().find(|feature| &*feature.name == name);
    feature.is_some_and(|f| (f.min_level..=f.max_level).contains(&level))
        || (level == 0 && name != METADATA_VERSION)
}

/// A version lies between the two whose records an older one does not understand
/// (`MetadataVersion.checkIfMetadataChanged`).
fn loses_metadata(from: MetadataVersion, to: u16) -> bool {
    (to + 1..=from.0).any(|level| MetadataVersion(level).changed_metadata())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;

    #[test]
    fn a_downgrade_loses_metadata_unless_nothing_changed_in_between() {
        assert!(!loses_metadata(MetadataVersion(25), 24));
        assert!(!loses_metadata(MetadataVersion(25), 23));
        assert!(loses_metadata(MetadataVersion(25), 22));
        assert!(!loses_metadata(MetadataVersion(20), 25), "an upgrade never does");
    }

    fn update(desk: &mut Desk, updates: &[(&str, u16)]) -> ErrorCode {
        let updates = updates.iter().map(|(name, level)| (Arc::from(*name), *level)).collect();
        match desk.ask(UpdateFeaturesRequest { updates, validate_only: false }) {
            Response::UpdateFeatures(answer) => answer.error,
            other => panic!("no answer to an update: {other:?}"),
        }
    }

    #[test]
    fn a_feature_is_finalised_at_a_level_that_everybody_supports() {
        let mut desk = Desk::new().with_brokers([1]);
        let elr = ELIGIBLE_LEADER_REPLICAS_VERSION;
        let cases: [(&[(&str, u16)], _); 6] = [
            (&[(elr, 1)], ErrorCode::None),
            (&[(elr, 2)], ErrorCode::InvalidUpdateVersion),
            (&[("no.such.feature", 1)], ErrorCode::InvalidUpdateVersion),
            (&[(METADATA_VERSION, 99)], ErrorCode::InvalidUpdateVersion),
            (&[(METADATA_VERSION, 7)], ErrorCode::InvalidUpdateVersion),
            (&[(elr, 0), (METADATA_VERSION, 24)], ErrorCode::None),
        ];
        for (updates, error) in cases {
            assert_eq!(update(&mut desk, updates), error, "{updates:?}");
        }
        assert_eq!(desk.controller.image().features.metadata_version(), MetadataVersion(24));
        assert!(!desk.controller.image().features.is_elr_enabled());
    }
}
