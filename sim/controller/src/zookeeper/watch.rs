//! A watch has fired: its handler, if the controller still has one, queues an event
//! (`ZNodeChangeHandler`, `ZNodeChildChangeHandler`). What has changed is read when the event's turn comes.

use super::KafkaController;
use super::event::Event;
use super::listener::ListenerStep;
use klab_wire::TopicName;
use klab_wire::config::switches::ControllerEvents;
use klab_wire::znodes::path;
use klab_wire::zookeeper::{EventType, Path, WatcherEvent};

impl KafkaController {
    /// A watch has fired: its handler, if there still is one, queues an event.
    pub(super) fn watched(&mut self, WatcherEvent { event, path, .. }: &WatcherEvent) {
        if self.is_shut_down || !self.keeper.handles(path) {
            return;
        }
        match self.event_of(*event, path) {
            Some(Event::BrokerChange | Event::IsrChangeNotification)
                if self.settings.switches.controller_events == ControllerEvents::Carrying =>
            {
                self.begin_task(ListenerStep::Read(path.clone()).into(), None);
            }
            event => self.queue.extend(event),
        }
    }

    fn event_of(&self, event: EventType, at: &Path) -> Option<Event> {
        match (event, &*at.0) {
            (EventType::NodeDeleted, "/controller") => Some(Event::Reelect),
            (_, "/controller") => Some(Event::ControllerChange),
            (EventType::NodeChildrenChanged, "/brokers/ids") => Some(Event::BrokerChange),
            (EventType::NodeChildrenChanged, "/brokers/topics") => Some(Event::TopicChange),
            (EventType::NodeChildrenChanged, "/isr_change_notification") => {
                Some(Event::IsrChangeNotification)
            }
            (EventType::NodeCreated, "/admin/preferred_replica_election") => {
                Some(Event::PreferredReplicaElection)
            }
            (EventType::NodeCreated, _) if *at == path::broker_id(self.node()) => {
                Some(Event::Registered)
            }
            (EventType::NodeCreated, "/admin/reassign_partitions") => {
                Some(Event::ZkPartitionReassignment)
            }
            (EventType::NodeChildrenChanged, "/admin/delete_topics") => Some(Event::TopicDeletion),
            (EventType::NodeChildrenChanged, "/config/changes") => Some(Event::ConfigChange),
            (EventType::NodeDataChanged, _) => modified(at),
            _ => None,
        }
    }
}

/// A broker's, a topic's or a partition's znode has other data.
fn modified(at: &Path) -> Option<Event> {
    if let Some(broker) = at.0.strip_prefix("/brokers/ids/") {
        return path::broker_of(broker).map(Event::BrokerModifications);
    }
    if let Some(partition) = path::partition_of(at) {
        return Some(Event::PartitionReassignmentIsrChange(partition));
    }
    let topic = at.0.strip_prefix("/brokers/topics/")?;
    Some(Event::PartitionModifications(TopicName::from(topic)))
}
