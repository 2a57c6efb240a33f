//! A controller that was just elected takes over (`KafkaController.onControllerFailover`).
//!
//! First it looks after what may change, then it reads everything: so no change is missed. The brokers hear who is
//! alive before they hear what their replicas are (KAFKA-4443).

use super::KafkaController;
use super::broker_change::{BrokerStep, BrokersFor};
use super::config_change::ConfigChangeStep;
use super::context::PartitionAndReplica;
use super::isr_change::IsrChangeStep;
use super::leader_election::ElectionStep;
use super::partition_states::{PartitionStep, decoded, read, read_state};
use super::reassign_request::RequestStep;
use super::replica_states::ReplicaStep;
use super::states::{PartitionState, ReplicaState};
use super::step::Step;
use super::task::{Task, children, data};
use super::topic_change::{assignments_in, topics_read};
use super::topic_deletion::DeletionStep;
use klab_machine::fact::ControllerFact;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::config::switches::UpdateMetadataFirst;
use klab_wire::znodes::path;
use klab_wire::zookeeper::Op;
use klab_wire::{Span, TopicName, TopicPartition};

/// What a failover has still to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailoverStep {
    /// Look after what may change.
    RegisterHandlers,
    /// What leaders have noted of their ISRs is read anyway.
    DeleteIsrNotifications,
    /// Who is alive?
    ReadBrokers,
    /// Which topics are there?
    ReadTopics,
    /// That was read: read them.
    TopicsRead,
    /// They were read.
    AssignmentsRead,
    /// Look after brokers that change.
    WatchBrokers,
    /// Who leads, and who is in sync?
    ReadStates,
    /// That was read.
    StatesRead,
    /// Which topics shall go?
    ReadDeletions,
    /// Tell the brokers who is alive.
    SendUpdateMetadata,
    /// Bring replicas on live brokers online, the others offline.
    StartReplicas,
    /// Elect leaders where there are none.
    StartPartitions,
    /// Replicas that are on the move, and requests to move some.
    ResumeReassignments,
    /// Topics that go.
    ResumeDeletions,
    /// What was asked for while there was no controller.
    ReadElections,
    /// Begin to look after the preferred replicas.
    StartScheduler,
}

impl From<FailoverStep> for Step {
    fn from(step: FailoverStep) -> Self {
        Step::Failover(step)
    }
}

/// How long after its election a controller first looks whether preferred replicas lead.
const FIRST_BALANCE: Span = Span::from_secs(5);

impl FailoverStep {
    /// In this order.
    pub(super) const ALL: [FailoverStep; 15] = [
        FailoverStep::RegisterHandlers,
        FailoverStep::DeleteIsrNotifications,
        FailoverStep::ReadBrokers,
        FailoverStep::ReadTopics,
        FailoverStep::TopicsRead,
        FailoverStep::WatchBrokers,
        FailoverStep::ReadStates,
        FailoverStep::ReadDeletions,
        FailoverStep::SendUpdateMetadata,
        FailoverStep::StartReplicas,
        FailoverStep::StartPartitions,
        FailoverStep::ResumeReassignments,
        FailoverStep::ResumeDeletions,
        FailoverStep::ReadElections,
        FailoverStep::StartScheduler,
    ];
}

impl KafkaController {
    pub(super) fn failover(&mut self, step: FailoverStep, task: &mut Task, out: &mut Outbox) {
        match step {
            FailoverStep::RegisterHandlers => self.register_handlers(task),
            FailoverStep::DeleteIsrNotifications => task.then([IsrChangeStep::DeleteAll.into()]),
            FailoverStep::ReadBrokers => {
                task.then([BrokerStep::Read(BrokersFor::Failover).into()]);
            }
            FailoverStep::ReadTopics => {
                task.ask([Op::GetChildren { path: path::topics(), watch: true }]);
            }
            FailoverStep::TopicsRead => self.failover_topics_read(task),
            FailoverStep::AssignmentsRead => self.failover_assignments_read(task, out),
            FailoverStep::WatchBrokers => self.watch_brokers(task),
            FailoverStep::ReadStates => self.read_states(task),
            FailoverStep::StatesRead => self.failover_states_read(task, out),
            FailoverStep::SendUpdateMetadata => {
                if self.settings.switches.update_metadata_first == UpdateMetadataFirst::On {
                    self.send_update_metadata([]);
                }
            }
            FailoverStep::StartReplicas => self.start_replicas(task),
            FailoverStep::StartPartitions => self.start_partitions(task),
            FailoverStep::ReadDeletions => task.then([
                ConfigChangeStep::LookFor { acts: false }.into(),
                DeletionStep::ReadForFailover.into(),
            ]),
            FailoverStep::ResumeReassignments => {
                task.then([RequestStep::LookFor { resumes: true }.into()]);
            }
            FailoverStep::ResumeDeletions => task.then([DeletionStep::Resume.into()]),
            FailoverStep::ReadElections => task.then([ElectionStep::LookForRequest.into()]),
            FailoverStep::StartScheduler => self.start_scheduler(out),
        }
    }

    fn register_handlers(&mut self, task: &mut Task) {
        for path in [
            path::broker_ids(),
            path::topics(),
            path::delete_topics(),
            path::isr_change_notifications(),
            path::config_changes(),
        ] {
            self.keeper.handle_children(path);
        }
        for path in [path::preferred_replica_election(), path::reassign_partitions()] {
            self.keeper.handle_data(path.clone());
            task.ask([Op::Exists { path, watch: true }]);
        }
    }

    /// `initializeControllerContext`.
    fn failover_topics_read(&mut self, task: &mut Task) {
        let names = children(task.answer());
        self.context.all_topics = names.into_iter().map(TopicName::from).collect();
        for topic in &self.context.all_topics {
            self.keeper.handle_data(path::topic(topic));
        }
        task.ask(self.context.all_topics.iter().map(|topic| read(path::topic(topic))));
        task.then([FailoverStep::AssignmentsRead.into()]);
    }

    fn failover_assignments_read(&mut self, task: &mut Task, out: &mut Outbox) {
        let topics: Vec<TopicName> = self.context.all_topics.iter().cloned().collect();
        let read = topics_read(topics, task);
        self.give_topic_ids(&read, task, out);
        for (partition, assignment) in assignments_in(&read) {
            if assignment.is_being_reassigned() {
                let (adding, removing) =
                    (assignment.adding_replicas.clone(), assignment.removing_replicas.clone());
                let name = partition.clone();
                out.state(ControllerFact::ReassignmentResumed {
                    partition: name,
                    adding,
                    removing,
                });
                self.context.being_reassigned.insert(partition.clone());
            }
            self.context.assign(&partition, assignment);
        }
    }

    fn watch_brokers(&mut self, task: &mut Task) {
        self.context.clear_leadership();
        self.context.shutting_down.clear();
        let brokers: Vec<_> = self.context.live_or_shutting_down().collect();
        self.register_broker_handlers(&brokers, task);
    }

    fn read_states(&mut self, task: &mut Task) {
        let partitions: Vec<TopicPartition> =
            self.context.partitions().map(|(partition, _)| partition).collect();
        task.ask(partitions.iter().map(read_state));
        task.then([FailoverStep::StatesRead.into()]);
    }

    fn failover_states_read(&mut self, task: &mut Task, out: &mut Outbox) {
        let partitions: Vec<TopicPartition> =
            self.context.partitions().map(|(partition, _)| partition).collect();
        let answers = if partitions.is_empty() { Vec::new() } else { task.answers() };
        for (partition, outcome) in partitions.into_iter().zip(answers) {
            if let Ok(Some((found, stat))) = data(outcome)
                && let Some(state) = decoded(&found, stat)
            {
                self.context.put_leadership(&partition, state);
            }
        }
        for broker in self.context.live_or_shutting_down() {
            self.channels.add(broker);
            out.state(ControllerFact::BrokerUnfenced { broker });
        }
        for broker in self.context.missing_brokers() {
            out.state(ControllerFact::BrokerFenced { broker });
        }
    }

    /// `ReplicaStateMachine.startup`.
    fn start_replicas(&mut self, task: &mut Task) {
        let (mut online, mut offline) = (Vec::new(), Vec::new());
        let mut replicas = Vec::new();
        for (partition, assignment) in self.context.partitions() {
            for replica in assignment.replicas.iter() {
                let partition = partition.clone();
                replicas.push(PartitionAndReplica { partition, replica: *replica });
            }
        }
        for replica in replicas {
            let is_online = self.context.is_online(replica.replica, &replica.partition);
            let state = match is_online {
                true => ReplicaState::Online,
                // The replica's topic may be on its way out: it could not be deleted when its broker was gone.
                false => ReplicaState::DeletionIneligible,
            };
            self.context.put_replica_state(&replica, state);
            if is_online {
                online.push(replica)
            } else {
                offline.push(replica)
            };
        }
        task.then([
            ReplicaStep::Change(online, ReplicaState::Online).into(),
            ReplicaStep::Change(offline, ReplicaState::Offline).into(),
        ]);
    }

    /// `PartitionStateMachine.startup`.
    fn start_partitions(&mut self, task: &mut Task) {
        let partitions: Vec<TopicPartition> =
            self.context.partitions().map(|(partition, _)| partition).collect();
        for partition in partitions {
            let state = match self.context.leadership(&partition) {
                None => PartitionState::New,
                Some(known) => match known.leader_and_isr.leader {
                    Some(leader) if self.context.is_online(leader, &partition) => {
                        PartitionState::Online
                    }
                    _ => PartitionState::Offline,
                },
            };
            self.context.put_partition_state(&partition, state);
        }
        task.then([PartitionStep::BringAllOnline.into()]);
    }

    fn start_scheduler(&mut self, out: &mut Outbox) {
        if self.settings.switches.update_metadata_first == UpdateMetadataFirst::Off {
            let all = self.context.partitions_with_leaders();
            self.send_update_metadata(&all);
        }
        if self.settings.config.auto_leader_rebalance_enable {
            out.set_timer(Timer::Controller(ControllerTimer::BalanceLeaders), FIRST_BALANCE);
        }
    }

    /// Tells all brokers who is alive, and how these partitions stand (`sendUpdateMetadataRequest`).
    pub(super) fn send_update_metadata<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) {
        let brokers: Vec<_> = self.context.live_or_shutting_down().collect();
        self.batch.add_update_metadata(brokers, partitions, &self.context);
        self.send_batch();
    }
}
