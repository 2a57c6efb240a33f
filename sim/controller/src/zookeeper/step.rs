//! Everything that a thread of the controller can have to do: one line per concept, whose file has the rest.

use super::KafkaController;
use super::alter_partition::AlterPartitionStep;
use super::broker_change::BrokerStep;
use super::controlled_shutdown::ShutdownStep;
use super::elector::ElectorStep;
use super::failover::FailoverStep;
use super::isr_change::IsrChangeStep;
use super::leader_election::ElectionStep;
use super::partition_states::PartitionStep;
use super::replica_states::ReplicaStep;
use super::task::Task;
use super::topic_change::TopicStep;
use super::topic_creation::CreationStep;
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
    /// Somebody asks for elections.
    Election(ElectionStep),
    /// An administrator creates topics.
    Creation(CreationStep),
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
            Step::Election(step) => self.election(step, task, out),
            Step::Creation(step) => self.creation(step, task, now, out),
        }
    }
}
