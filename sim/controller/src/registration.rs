//! Brokers come and go by hand: registration and its removal (`ClusterControlManager.registerBroker`,
//! KIP-631).
//!
//! A registration's epoch is the offset of its record. The same life of a broker that registers again
//! keeps its epoch (KAFKA-16952); another life gets a new one, is fenced, and may not take the place of
//! one that is alive.

use crate::active::{Active, Asked};
use crate::broker_change::BrokerChange;
use crate::decision::Decision;
use klab_metadata::{BrokerRegistration, FeaturesImage, METADATA_VERSION, MetadataVersion};
use klab_wire::{
    BrokerEpoch, BrokerRegistrationRequest, BrokerRegistrationResponse, DirectoryId, ErrorCode,
    MetadataRecord, NodeId, RegisterBrokerRecord, Response, UnregisterBrokerRequest,
    UnregisterBrokerResponse,
};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Active {
    pub(crate) fn register_broker(
        &mut self,
        asked: Asked<'_>,
        request: &BrokerRegistrationRequest,
    ) -> Result<Decision, ErrorCode> {
        self.check_registration(asked, request)?;
        let existing = self.image().cluster.broker(request.broker);
        let same_life = existing.filter(|known| known.incarnation() == request.incarnation);
        let (mut records, record) = match same_life {
            Some(known) => (Vec::new(), amended(known, request)),
            None => {
                let records = self.clean_up_after(existing, request);
                let epoch = BrokerEpoch(asked.next_offset.plus(records.len() as u64).0);
                (records, new_registration(epoch, request))
            }
        };
        let response = Response::BrokerRegistration(BrokerRegistrationResponse {
            error: ErrorCode::None,
            broker_epoch: Some(record.epoch),
        });
        records.push(MetadataRecord::RegisterBroker(Arc::new(record)));
        Ok(Decision::atomic(records, response))
    }

    fn check_registration(
        &self,
        asked: Asked<'_>,
        request: &BrokerRegistrationRequest,
    ) -> Result<(), ErrorCode> {
        if request.cluster != self.settings.identity.cluster {
            return Err(ErrorCode::InconsistentClusterId);
        }
        let existing = self.image().cluster.broker(request.broker);
        let is_another_life = existing.is_some_and(|e| e.incarnation() != request.incarnation);
        if is_another_life && self.heartbeats.has_valid_session(request.broker, asked.now.time) {
            return Err(ErrorCode::DuplicateBrokerRegistration);
        }
        if !self.are_own_directories(request.broker, &request.log_dirs) {
            return Err(ErrorCode::InvalidRegistration);
        }
        if !supports_finalized_features(request, &self.image().features) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        Ok(())
    }

    /// At least one directory, each once, and none of another broker's (KIP-858).
    fn are_own_directories(&self, broker: NodeId, directories: &[DirectoryId]) -> bool {
        let distinct: BTreeSet<_> = directories.iter().collect();
        let mut others = self.image().cluster.brokers().filter(|(other, _)| *other != broker);
        let is_taken = others.any(|(_, registration)| {
            registration.record.log_dirs.iter().any(|directory| distinct.contains(directory))
        });
        !directories.is_empty() && distinct.len() == directories.len() && !is_taken
    }

    /// What another life of the broker left behind. If that one did not end in order, its logs may lack
    /// their tails: it is in no ISR any more, and not eligible (KIP-966). If it did, it is as if it had
    /// been fenced.
    fn clean_up_after(
        &self,
        existing: Option<&BrokerRegistration>,
        request: &BrokerRegistrationRequest,
    ) -> Vec<MetadataRecord> {
        let broker = request.broker;
        let known = existing.map(BrokerRegistration::epoch);
        let was_clean = known.is_some() && request.previous_broker_epoch == known;
        if was_clean || !self.image().features.is_elr_enabled() {
            return self.changes_for(BrokerChange::Leaves(broker));
        }
        self.changes_for(BrokerChange::ShutsDownUncleanly(broker))
    }

    pub(crate) fn unregister_broker(
        &mut self,
        request: &UnregisterBrokerRequest,
    ) -> Result<Decision, ErrorCode> {
        let broker = request.broker;
        let registration =
            self.image().cluster.broker(broker).ok_or(ErrorCode::BrokerIdNotRegistered)?;
        let mut records = self.changes_for(BrokerChange::Unregisters(broker));
        records.push(MetadataRecord::UnregisterBroker { broker, epoch: registration.epoch() });
        let response =
            Response::UnregisterBroker(UnregisterBrokerResponse { error: ErrorCode::None });
        Ok(Decision::with_response(records, response))
    }
}

fn new_registration(
    epoch: BrokerEpoch,
    request: &BrokerRegistrationRequest,
) -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        broker: request.broker,
        incarnation: request.incarnation,
        epoch,
        rack: request.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: request.log_dirs.iter().copied().collect(),
        features: request.features.iter().cloned().collect(),
    }
}

fn amended(
    known: &BrokerRegistration,
    request: &BrokerRegistrationRequest,
) -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        fenced: known.fenced,
        in_controlled_shutdown: known.in_controlled_shutdown,
        ..new_registration(known.epoch(), request)
    }
}

/// The broker understands every feature at its finalised level; one that says nothing of the metadata
/// version understands the oldest (`processRegistrationFeature`).
fn supports_finalized_features(
    request: &BrokerRegistrationRequest,
    finalized: &FeaturesImage,
) -> bool {
    let range_of = |name: &str| {
        let feature = request.features.iter().find(|feature| &*feature.name == name);
        let unsaid = if name == METADATA_VERSION { MetadataVersion::MINIMUM.0 } else { 0 };
        feature.map_or(unsaid..=unsaid, |feature| feature.min_level..=feature.max_level)
    };
    let version = finalized.metadata_version().0;
    range_of(METADATA_VERSION).contains(&version)
        && finalized.levels().all(|(name, level)| range_of(name).contains(&level))
        && request.features.iter().all(|feature| {
            &*feature.name == METADATA_VERSION
                || range_of(&feature.name).contains(&finalized.level(&feature.name))
        })
}
