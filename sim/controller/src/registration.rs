//! Brokers come and go by hand: registration and its removal (`ClusterControlManager.registerBroker`,
//! KIP-631).
//!
//! A registration's epoch is the offset of its record. The same life of a broker that registers again
//! keeps its epoch (KAFKA-16952); another life gets a new one, is fenced, and may not take the place of
//! one that is alive.

use crate::active::{Active, Asked};
use crate::broker_change::BrokerChange;
use crate::decision::Decision;
use klab_machine::Mutant;
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
        let response = Response::BrokerRegistration(Box::new(BrokerRegistrationResponse {
            error: ErrorCode::None,
            broker_epoch: Some(record.epoch),
        }));
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
        let is_alive = self.heartbeats.has_valid_session(request.broker, asked.now.time)
            && !Mutant::TrustsTheReborn.lives();
        if is_another_life && is_alive {
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
            registration.log_dirs().iter().any(|directory| distinct.contains(directory))
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
        if Mutant::TrustsTheReborn.lives() {
            return Vec::new();
        }
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
        let response = Response::UnregisterBroker(Box::new(UnregisterBrokerResponse {
            error: ErrorCode::None,
        }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::{Offset, Span, SupportedFeature};

    const B1: NodeId = NodeId::broker(1);

    #[test]
    fn a_registration_s_epoch_is_the_offset_of_its_record_and_it_begins_fenced() {
        let mut desk = Desk::new();
        let epoch = desk.register(1, 1).unwrap();
        let batch = desk.log.iter().find(|batch| batch.last_offset() >= Offset(epoch.0)).unwrap();
        let place = (epoch.0 - batch.base_offset.0) as usize;
        assert!(matches!(batch.metadata()[place], MetadataRecord::RegisterBroker(_)));
        assert!(desk.controller.image().cluster.broker(B1).unwrap().fenced);
    }

    #[test]
    fn kafka_16952_the_same_life_keeps_its_epoch_and_its_state() {
        let mut desk = Desk::new().with_brokers([1]);
        let epoch = desk.epoch(1);
        assert_eq!(desk.register(1, 1), Ok(epoch));
        assert!(desk.controller.image().cluster.is_active(B1));
    }

    #[test]
    fn another_life_may_register_only_when_the_session_of_the_first_is_over() {
        let mut desk = Desk::new().with_brokers([1]);
        let first = desk.epoch(1);
        assert_eq!(desk.register(1, 2), Err(ErrorCode::DuplicateBrokerRegistration));
        desk.pass(Span::from_secs(10));
        assert!(desk.register(1, 2).unwrap() > first);
    }

    #[test]
    fn a_late_request_of_the_last_life_does_not_take_the_place_of_one_that_has_just_registered() {
        let mut desk = Desk::new();
        let epoch = desk.register(1, 2).unwrap();
        assert_eq!(desk.register(1, 1), Err(ErrorCode::DuplicateBrokerRegistration));
        assert_eq!(desk.register(1, 2), Ok(epoch));
    }

    #[test]
    fn what_does_not_belong_here_is_refused() {
        let mut desk = Desk::new().with_brokers([1]);
        let feature = |name: &str, min_level, max_level| SupportedFeature {
            name: name.into(),
            min_level,
            max_level,
        };
        let good = desk.registration(2, 1);
        let cases = [
            (
                BrokerRegistrationRequest { cluster: "other".into(), ..good.clone() },
                ErrorCode::InconsistentClusterId,
            ),
            (
                BrokerRegistrationRequest { log_dirs: vec![], ..good.clone() },
                ErrorCode::InvalidRegistration,
            ),
            (
                BrokerRegistrationRequest { log_dirs: vec![DirectoryId(9); 2], ..good.clone() },
                ErrorCode::InvalidRegistration,
            ),
            // The directory of broker 1.
            (
                BrokerRegistrationRequest { log_dirs: vec![DirectoryId(101)], ..good.clone() },
                ErrorCode::InvalidRegistration,
            ),
            (
                BrokerRegistrationRequest { features: vec![], ..good.clone() },
                ErrorCode::UnsupportedVersion,
            ),
            (
                BrokerRegistrationRequest {
                    features: vec![feature(METADATA_VERSION, 1, 24)],
                    ..good.clone()
                },
                ErrorCode::UnsupportedVersion,
            ),
        ];
        for (request, error) in cases {
            match desk.ask(request.clone()) {
                Response::BrokerRegistration(answer) => {
                    assert_eq!(answer.error, error, "{request:?}")
                }
                other => panic!("no answer to a registration: {other:?}"),
            }
        }
        assert!(desk.register(2, 1).is_ok());
    }

    #[test]
    fn an_unregistered_broker_leads_nothing_and_is_gone() {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        let request = UnregisterBrokerRequest { broker: B1 };
        for error in [ErrorCode::None, ErrorCode::BrokerIdNotRegistered] {
            let answer = Response::UnregisterBroker(Box::new(UnregisterBrokerResponse { error }));
            assert_eq!(desk.ask(request.clone()), answer);
        }
        assert_eq!(desk.partition("orders", 0).isr, nodes([2]));
        assert!(desk.controller.image().cluster.broker(B1).is_none());
        assert_eq!(desk.heartbeat(1).error, ErrorCode::StaleBrokerEpoch);
    }

    /// A broker that was the last of its ISR and comes back from `previous`.
    fn back_from(previous: Option<BrokerEpoch>) -> klab_wire::PartitionRegistration {
        let mut desk =
            Desk::with([("eligible.leader.replicas.enable", "true")]).with_brokers([1, 2]);
        desk.create_with("orders", &[&[1, 2]], &[("min.insync.replicas", "2")]);
        desk.live(Span::from_secs(12), &[2]);
        assert_eq!(desk.partition("orders", 0).elr, nodes([1]));
        let previous_broker_epoch = previous.map(|epoch| BrokerEpoch(epoch.0.max(desk.epoch(1).0)));
        let request =
            BrokerRegistrationRequest { previous_broker_epoch, ..desk.registration(1, 2) };
        desk.ask(request);
        desk.partition("orders", 0)
    }

    #[test]
    fn kip_966_only_a_broker_that_shut_down_in_order_stays_eligible() {
        assert_eq!(back_from(Some(BrokerEpoch(0))).elr, nodes([1]));
        assert_eq!(back_from(None).elr, nodes([]));
    }
}
