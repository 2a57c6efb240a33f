//! What a controller of ZooKeeper mode is configured with, and what it shows.

use klab_machine::Identity;
use klab_wire::config::{BrokerConfig, Switches};
use klab_wire::{BrokerEpoch, ControllerEpoch, NodeId, TopicName};
use klab_zookeeper_client::SessionSetup;

/// The configuration of a controller in ZooKeeper mode. Static: a restart reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaControllerSetup {
    /// `server.properties`.
    pub config: BrokerConfig,
    /// Which old behaviours it has.
    pub switches: Switches,
    /// `zookeeper.connect` and `zookeeper.session.timeout.ms`.
    pub zookeeper: SessionSetup,
}

/// What does not change while a controller lives.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) identity: Identity,
    pub(super) config: BrokerConfig,
    pub(super) switches: Switches,
}

/// What there is to see of a controller in ZooKeeper mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaControllerView {
    /// Who is the controller, so far as this one knows.
    pub controller: Option<NodeId>,
    /// Its own epoch, if it is the controller itself.
    pub epoch: Option<ControllerEpoch>,
    /// The brokers that it takes for alive, with their epochs.
    pub live_brokers: Vec<(NodeId, BrokerEpoch)>,
    /// Those of them that are on their way out.
    pub shutting_down: Vec<NodeId>,
    /// How many topics it knows.
    pub topics: u32,
    /// Those of them that shall go while it has nothing more to do about that: a refusal or an error has ended their
    /// deletion until a broker or another controller comes.
    pub stranded_deletions: Vec<TopicName>,
    /// How many events wait for the event thread.
    pub queued_events: u32,
    /// How many requests brokers have not answered yet.
    pub queued_requests: u32,
    /// The server of the ensemble that it is connected to.
    pub server: Option<NodeId>,
}
