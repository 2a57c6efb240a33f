//! The registered brokers (`ClusterImage`, `BrokerRegistration`).

use crate::Delta;
use klab_wire::{
    BrokerEpoch, DirectoryId, IncarnationId, MetadataBroker, NodeId, RackId, RegisterBrokerRecord,
    SupportedFeature,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The brokers that have registered, alive or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    brokers: BTreeMap<NodeId, BrokerRegistration>,
}

/// One broker's registration, as it is now.
#[derive(Clone, Debug)]
pub struct BrokerRegistration {
    /// The log's own record, which all images share. Its `fenced` and `in_controlled_shutdown` are of
    /// the moment when it was written and no part of the registration: a snapshot does not know them.
    record: Arc<RegisterBrokerRecord>,
    /// It may not lead, nor be in an ISR.
    pub fenced: bool,
    /// It is on its way out.
    pub in_controlled_shutdown: bool,
}

impl BrokerRegistration {
    /// The registration's epoch.
    pub fn epoch(&self) -> BrokerEpoch {
        self.record.epoch
    }

    /// Which life of the broker process registered.
    pub fn incarnation(&self) -> IncarnationId {
        self.record.incarnation
    }

    /// Where the broker stands.
    pub fn rack(&self) -> Option<&RackId> {
        self.record.rack.as_ref()
    }

    /// Its log directories that are online.
    pub fn log_dirs(&self) -> &[DirectoryId] {
        &self.record.log_dirs
    }

    /// The feature levels that it supports.
    pub fn features(&self) -> &[SupportedFeature] {
        &self.record.features
    }

    /// Neither fenced nor on its way out: it may lead and join an ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    fn is_of_record_like(&self, other: &RegisterBrokerRecord) -> bool {
        let RegisterBrokerRecord {
            broker,
            incarnation,
            epoch,
            rack,
            fenced: _,
            in_controlled_shutdown: _,
            log_dirs,
            features,
        } = &*self.record;
        (broker, incarnation, epoch) == (&other.broker, &other.incarnation, &other.epoch)
            && (rack, log_dirs, features) == (&other.rack, &other.log_dirs, &other.features)
    }
}

impl PartialEq for BrokerRegistration {
    fn eq(&self, other: &Self) -> bool {
        self.fenced == other.fenced
            && self.in_controlled_shutdown == other.in_controlled_shutdown
            && (Arc::ptr_eq(&self.record, &other.record) || self.is_of_record_like(&other.record))
    }
}

impl Eq for BrokerRegistration {}

impl ClusterImage {
    /// A broker's registration.
    pub fn broker(&self, broker: NodeId) -> Option<&BrokerRegistration> {
        self.brokers.get(&broker)
    }

    /// Every registered broker, in order.
    pub fn brokers(&self) -> impl Iterator<Item = (NodeId, &BrokerRegistration)> + '_ {
        self.brokers.iter().map(|(broker, registration)| (*broker, registration))
    }

    /// How many brokers are registered.
    pub fn len(&self) -> u32 {
        self.brokers.len() as u32
    }

    /// Nobody has registered.
    pub fn is_empty(&self) -> bool {
        self.brokers.is_empty()
    }

    /// A broker may lead and join an ISR (`ClusterControlManager.isActive`).
    pub fn is_active(&self, broker: NodeId) -> bool {
        self.broker(broker).is_some_and(BrokerRegistration::is_active)
    }

    /// A broker is registered and not fenced; it may be on its way out.
    pub fn is_unfenced(&self, broker: NodeId) -> bool {
        self.broker(broker).is_some_and(|registration| !registration.fenced)
    }

    /// Exactly these are alive (ZooKeeper mode): who has come or gone. What is not said of a broker is not known
    /// here either: the epoch and the life of its registration.
    pub(crate) fn replace_alive(&mut self, alive: &[MetadataBroker]) -> BTreeSet<NodeId> {
        let registration = |broker: &MetadataBroker| RegisterBrokerRecord {
            broker: broker.node,
            incarnation: IncarnationId(0),
            epoch: BrokerEpoch(0),
            rack: broker.rack.clone(),
            fenced: false,
            in_controlled_shutdown: false,
            log_dirs: Arc::new([]),
            features: Arc::new([]),
        };
        let known: BTreeSet<NodeId> = self.brokers.keys().copied().collect();
        let now: BTreeSet<NodeId> = alive.iter().map(|broker| broker.node).collect();
        self.brokers.retain(|broker, _| now.contains(broker));
        for broker in alive.iter().filter(|broker| !known.contains(&broker.node)) {
            let record = Arc::new(registration(broker));
            let new = BrokerRegistration { record, fenced: false, in_controlled_shutdown: false };
            self.brokers.insert(broker.node, new);
        }
        known.symmetric_difference(&now).copied().collect()
    }

    pub(crate) fn register(&mut self, record: &Arc<RegisterBrokerRecord>, delta: &mut Delta) {
        let registration = BrokerRegistration {
            record: record.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
        };
        self.brokers.insert(record.broker, registration);
        delta.brokers.insert(record.broker);
    }

    pub(crate) fn unregister(&mut self, broker: NodeId, delta: &mut Delta) {
        self.brokers.remove(&broker).expect("only a registered broker is unregistered");
        delta.brokers.insert(broker);
    }

    pub(crate) fn change(
        &mut self,
        broker: NodeId,
        epoch: BrokerEpoch,
        fenced: Option<bool>,
        in_controlled_shutdown: Option<bool>,
        delta: &mut Delta,
    ) {
        let registration =
            self.brokers.get_mut(&broker).expect("only a registered broker's registration changes");
        assert_eq!(registration.epoch(), epoch, "the change is of {broker}'s present registration");
        registration.fenced = fenced.unwrap_or(registration.fenced);
        registration.in_controlled_shutdown =
            in_controlled_shutdown.unwrap_or(registration.in_controlled_shutdown);
        delta.brokers.insert(broker);
    }

    /// The registration as one record, for a snapshot.
    pub(crate) fn record_of(registration: &BrokerRegistration) -> Arc<RegisterBrokerRecord> {
        let BrokerRegistration { record, fenced, in_controlled_shutdown } = registration;
        if (record.fenced, record.in_controlled_shutdown) == (*fenced, *in_controlled_shutdown) {
            return record.clone();
        }
        Arc::new(RegisterBrokerRecord {
            fenced: *fenced,
            in_controlled_shutdown: *in_controlled_shutdown,
            ..RegisterBrokerRecord::clone(record)
        })
    }
}
