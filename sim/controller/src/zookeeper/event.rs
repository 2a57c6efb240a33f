//! What the event thread is woken for, in the order in which it came (`ControllerEvent`, `ControllerEventManager`).

use super::KafkaController;
use super::alter_partition::AlterPartitionStep;
use super::broker_change::{BrokerStep, BrokersFor};
use super::config_change::ConfigChangeStep;
use super::controlled_shutdown::ShutdownStep;
use super::elector::ElectorStep;
use super::isr_change::IsrChangeStep;
use super::leader_election::ElectionStep;
use super::partition_states::PartitionStep;
use super::producer_ids::ProducerIdStep;
use super::reassign_request::RequestStep;
use super::step::Step;
use super::topic_change::TopicStep;
use super::topic_deletion::DeletionStep;
use crate::purgatory::Reply;
use klab_machine::Outbox;
use klab_wire::zookeeper::Path;
use klab_wire::{
    ErrorCode, LeaderAndIsrResponse, NodeId, Request, StopReplicaResponse, TopicName,
    TopicPartition,
};

/// Something that has happened. What has changed in ZooKeeper is read when the event's turn comes, not when it
/// happens (KAFKA-5502).
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The controller begins.
    Startup,
    /// The broker is registered: stand for election.
    Registered,
    /// `/controller` has changed.
    ControllerChange,
    /// `/controller` is gone.
    Reelect,
    /// The session is over.
    Expire,
    /// `/brokers/ids` has changed.
    BrokerChange,
    /// A broker's znode has changed.
    BrokerModifications(NodeId),
    /// `/brokers/topics` has changed.
    TopicChange,
    /// A topic's znode has changed.
    PartitionModifications(TopicName),
    /// Leaders have changed ISRs by themselves.
    IsrChangeNotification,
    /// These brokers were registered when the watch on `/brokers/ids` fired (before KAFKA-5502).
    BrokersSeen(Vec<NodeId>),
    /// These notes of leaders were there when the watch on them fired (before KAFKA-5879).
    IsrNotesSeen(Vec<Path>),
    /// It is time to look for partitions that their preferred replica does not lead.
    AutoPreferredReplicaLeaderElection,
    /// `/admin/preferred_replica_election` is there.
    PreferredReplicaElection,
    /// `/admin/delete_topics` has changed.
    TopicDeletion,
    /// `/admin/reassign_partitions` is there.
    ZkPartitionReassignment,
    /// A leader has written the state of a partition on the move.
    PartitionReassignmentIsrChange(TopicPartition),
    /// `/config/changes` has changed.
    ConfigChange,
    /// A topic may have unclean leaders from now on.
    TopicUncleanLeaderElectionEnable(TopicName),
    /// Any topic may.
    UncleanLeaderElectionEnable,
    /// A broker has answered a LeaderAndIsr.
    LeaderAndIsrResponseReceived(NodeId, LeaderAndIsrResponse),
    /// A broker has answered a StopReplica that was to delete these replicas.
    StopReplicaResponseReceived(NodeId, StopReplicaResponse, Vec<TopicPartition>),
    /// Somebody asks something that the event thread answers.
    Asked(Reply),
}

impl Event {
    /// Whether the event thread answers a request; the other threads answer the rest.
    pub(super) fn answers(request: &Request) -> bool {
        matches!(
            request,
            Request::AlterPartition(_)
                | Request::ControlledShutdown(_)
                | Request::ElectLeaders(_)
                | Request::AlterPartitionReassignments(_)
                | Request::ListPartitionReassignments(_)
                | Request::AllocateProducerIds(_)
        )
    }
}

impl KafkaController {
    /// The event thread takes an event up. Most mean something to the active controller only.
    pub(super) fn begin(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Startup => self.go_on([ElectorStep::Start.into()]),
            Event::Registered => self.go_on([ElectorStep::Stand.into()]),
            Event::ControllerChange => self.go_on([ElectorStep::LookAgain.into()]),
            Event::Reelect => {
                self.go_on([ElectorStep::LookAgain.into(), ElectorStep::Stand.into()]);
            }
            Event::Expire => self.expire(out),
            Event::Asked(reply) => self.answer(reply, out),
            _ if !self.is_active() => {}
            Event::BrokerChange => self.go_on([BrokerStep::Read(BrokersFor::Change).into()]),
            Event::BrokerModifications(broker) => {
                self.go_on([BrokerStep::ReadModified(broker).into()]);
            }
            Event::TopicChange => self.go_on([TopicStep::ReadAll.into()]),
            Event::PartitionModifications(topic) => {
                self.go_on([TopicStep::ReadModified(topic).into()]);
            }
            Event::IsrChangeNotification => self.go_on([IsrChangeStep::Read.into()]),
            Event::BrokersSeen(ids) => {
                self.go_on([BrokerStep::ReadThese(BrokersFor::Change, ids).into()]);
            }
            Event::IsrNotesSeen(notes) => self.go_on([IsrChangeStep::ReadThese(notes).into()]),
            Event::AutoPreferredReplicaLeaderElection => {
                self.go_on([ElectionStep::Balance.into()]);
            }
            Event::PreferredReplicaElection => self.go_on([ElectionStep::LookForRequest.into()]),
            Event::TopicUncleanLeaderElectionEnable(topic) => {
                self.go_on([ElectionStep::BringOnline(topic).into()]);
            }
            Event::UncleanLeaderElectionEnable => {
                self.go_on([PartitionStep::BringAllOnline.into()])
            }
            Event::LeaderAndIsrResponseReceived(broker, response) => {
                let mut thread = std::mem::take(&mut self.thread);
                self.leader_and_isr_answered(broker, &response, &mut thread);
                self.thread = thread;
            }
            Event::StopReplicaResponseReceived(broker, response, asked) => {
                let mut thread = std::mem::take(&mut self.thread);
                self.stop_replica_answered(broker, &response, asked, &mut thread);
                self.thread = thread;
            }
            Event::TopicDeletion => self.go_on([DeletionStep::Read.into()]),
            Event::ZkPartitionReassignment => {
                self.go_on([RequestStep::LookFor { resumes: false }.into()]);
            }
            Event::PartitionReassignmentIsrChange(partition) => {
                let mut thread = std::mem::take(&mut self.thread);
                self.look_after_reassignments([&partition], &mut thread);
                self.thread = thread;
            }
            Event::ConfigChange => self.go_on([ConfigChangeStep::LookFor { acts: true }.into()]),
        }
    }

    fn go_on<const N: usize>(&mut self, steps: [Step; N]) {
        self.thread.then(steps);
    }

    /// `processExpire`, and then `RegisterBrokerAndReelect` in the new session.
    fn expire(&mut self, out: &mut Outbox) {
        if self.is_active() {
            self.resign(out);
        }
        self.active_controller = None;
        self.put(Event::Reelect);
    }

    fn answer(&mut self, reply: Reply, out: &mut Outbox) {
        if !self.is_active() {
            return reply.refuse(ErrorCode::NotController, out);
        }
        let step = match &reply.request {
            Request::AlterPartition(_) => AlterPartitionStep::Decide.into(),
            Request::ControlledShutdown(_) => ShutdownStep::Begin.into(),
            Request::ElectLeaders(_) => ElectionStep::Asked.into(),
            Request::AlterPartitionReassignments(_) => RequestStep::Asked.into(),
            Request::AllocateProducerIds(_) => ProducerIdStep::Begin.into(),
            Request::ListPartitionReassignments(request) => {
                let response = self.list_reassignments(request.partitions.as_deref());
                return reply.respond(response, out);
            }
            _ => return reply.refuse(ErrorCode::UnsupportedVersion, out),
        };
        self.thread.reply = Some(reply);
        self.go_on([step]);
    }
}
