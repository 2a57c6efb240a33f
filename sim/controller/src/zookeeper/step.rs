//! Everything that a thread of the controller can have to do: one line per concept, whose file has the rest.

use super::KafkaController;
use super::alter_partition::AlterPartitionStep;
use super::broker_change::BrokerStep;
use super::config_admin::ConfigStep;
use super::config_change::ConfigChangeStep;
use super::controlled_shutdown::ShutdownStep;
use super::elector::ElectorStep;
use super::failover::FailoverStep;
use super::isr_change::IsrChangeStep;
use super::leader_election::ElectionStep;
use super::listener::ListenerStep;
use super::partition_states::PartitionStep;
use super::producer_ids::ProducerIdStep;
use super::reassign_request::RequestStep;
use super::reassignment::ReassignStep;
use super::replica_states::ReplicaStep;
use super::task::Task;
use super::topic_admin::TopicAdminStep;
use super::topic_change::TopicStep;
use super::topic_creation::CreationStep;
use super::topic_deletion::DeletionStep;
use klab_machine::Outbox;
use klab_wire::Now;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Who is the controller.
    Elector(ElectorStep),
    /// A new controller takes over.
    Failover(FailoverStep),
    /// Partitions get leaders.
    Partitions(PartitionStep),
    /// Replicas come, stop and go.
    Replicas(ReplicaStep),
    /// Brokers come and go.
    Brokers(BrokerStep),
    /// Topics and partitions come and go.
    Topics(TopicStep),
    /// Leaders ask for ISRs.
    AlterPartition(AlterPartitionStep),
    /// Leaders have changed ISRs by themselves.
    IsrChange(IsrChangeStep),
    /// A broker is on its way out.
    Shutdown(ShutdownStep),
    /// A watch has fired, and an event shall carry what is there.
    Listener(ListenerStep),
    /// Somebody asks for elections.
    Election(ElectionStep),
    /// Topics go.
    Deletion(DeletionStep),
    /// Replicas move.
    Reassign(ReassignStep),
    /// Somebody asks that replicas move.
    ReassignRequest(RequestStep),
    /// Somebody has changed configs.
    ConfigChange(ConfigChangeStep),
    /// A broker asks for producer ids.
    ProducerIds(ProducerIdStep),
    /// An administrator creates topics.
    Creation(CreationStep),
    /// An administrator deletes topics, or lets them grow.
    TopicAdmin(TopicAdminStep),
    /// An administrator changes configs.
    Configs(ConfigStep),
}

impl KafkaController {
    pub(super) fn take(&mut self, step: Step, task: &mut Task, now: Now, out: &mut Outbox) {
        match step {
            Step::Elector(step) => self.elector(step, task, now, out),
            Step::Failover(step) => self.failover(step, task, out),
            Step::Partitions(step) => self.partitions(step, task, out),
            Step::Replicas(step) => self.replicas(step, task, out),
            Step::Brokers(step) => self.brokers(step, task, out),
            Step::Topics(step) => self.topics(step, task, out),
            Step::AlterPartition(step) => self.alter_partition(step, task, out),
            Step::IsrChange(step) => self.isr_change(step, task, out),
            Step::Shutdown(step) => self.shutdown(step, task, out),
            Step::Listener(step) => self.listener(step, task),
            Step::Election(step) => self.election(step, task, out),
            Step::Deletion(step) => self.deletion(step, task, out),
            Step::Reassign(step) => self.reassign(step, task, out),
            Step::ReassignRequest(step) => self.reassign_request(step, task, out),
            Step::ConfigChange(step) => self.config_change(step, task),
            Step::ProducerIds(step) => self.producer_ids(step, task, out),
            Step::TopicAdmin(step) => self.topic_admin(step, task, now, out),
            Step::Configs(step) => self.configs(step, task, out),
            Step::Creation(step) => self.creation(step, task, now, out),
        }
    }
}
