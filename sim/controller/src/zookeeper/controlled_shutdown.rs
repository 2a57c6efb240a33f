//! A broker is on its way out (`processControlledShutdown`): its partitions get other leaders, and it leaves the
//! ISRs, before it goes.

use super::KafkaController;
use super::context::PartitionAndReplica;
use super::elections::Strategy;
use super::partition_states::PartitionStep;
use super::replica_states::ReplicaStep;
use super::states::ReplicaState;
use super::step::Step;
use super::task::Task;
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::config::switches::BrokerEpochs;
use klab_wire::{
    ControlledShutdownRequest, ControlledShutdownResponse, ErrorCode, NodeId, Request, Response,
    TopicPartition,
};

/// What is still to be done for a broker that wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShutdownStep {
    /// It asks.
    Begin,
    /// Its partitions have other leaders: it is to stop following.
    StopFollowing(NodeId, Vec<TopicPartition>),
    /// It has left the ISRs: tell it what it still leads.
    Answer(NodeId),
}

impl From<ShutdownStep> for Step {
    fn from(step: ShutdownStep) -> Self {
        Step::Shutdown(step)
    }
}

impl KafkaController {
    pub(super) fn shutdown(&mut self, step: ShutdownStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ShutdownStep::Begin => self.begin_shutdown(task, out),
            ShutdownStep::StopFollowing(broker, partitions) => {
                self.stop_following(broker, partitions, task);
            }
            ShutdownStep::Answer(broker) => {
                let remaining = self.context.partitions_led_by(broker);
                if remaining.is_empty() {
                    out.state(ControllerFact::ControlledShutdownAllowed { broker });
                }
                answer(task, Ok(remaining), out);
            }
        }
    }

    fn begin_shutdown(&mut self, task: &mut Task, out: &mut Outbox) {
        let Some(Request::ControlledShutdown(request)) =
            task.reply.as_ref().map(|reply| reply.request.clone())
        else {
            unreachable!("the event is of this request")
        };
        let broker = request.broker;
        if let Err(error) = self.may_shut_down(&request) {
            return answer(task, Err(error), out);
        }
        if self.context.shutting_down.insert(broker) {
            out.state(ControllerFact::ControlledShutdownStarted { broker });
        }
        let (led, followed) = self.partitions_to_move(broker);
        task.then([
            PartitionStep::BringOnline(led, Strategy::ControlledShutdown).into(),
            ShutdownStep::StopFollowing(broker, followed).into(),
            ShutdownStep::Answer(broker).into(),
        ]);
    }

    /// A request of a former life is not for this one (KIP-380).
    fn may_shut_down(&self, request: &ControlledShutdownRequest) -> Result<(), ErrorCode> {
        let known = self.context.live_brokers.get(&request.broker);
        let known = known.ok_or(ErrorCode::BrokerNotAvailable)?.epoch;
        let asks = self.settings.switches.broker_epoch == BrokerEpochs::On;
        match request.broker_epoch {
            Some(epoch) if asks && epoch < known => Err(ErrorCode::StaleBrokerEpoch),
            _ => Ok(()),
        }
    }

    /// Those that it leads, and those that it follows; of those with one replica there is nowhere to go.
    fn partitions_to_move(&self, broker: NodeId) -> (Vec<TopicPartition>, Vec<TopicPartition>) {
        let all = self.context.partitions().filter(|(partition, assignment)| {
            assignment.replicas.len() > 1
                && assignment.replicas.contains(&broker)
                && self.context.leadership(partition).is_some()
                && !self.context.is_queued_for_deletion(&partition.topic)
        });
        all.map(|(partition, _)| partition)
            .partition(|partition| self.context.leader(partition) == Some(broker))
    }

    fn stop_following(&mut self, broker: NodeId, partitions: Vec<TopicPartition>, task: &mut Task) {
        for partition in &partitions {
            self.batch.add_stop_replica(broker, partition, false, &self.context);
        }
        self.send_batch();
        let replica = |partition| PartitionAndReplica { partition, replica: broker };
        let replicas = partitions.into_iter().map(replica).collect();
        task.then([ReplicaStep::Change(replicas, ReplicaState::Offline).into()]);
    }
}

fn answer(task: &mut Task, result: Result<Vec<TopicPartition>, ErrorCode>, out: &mut Outbox) {
    let Some(reply) = task.reply.take() else { return };
    let (error, remaining_partitions) = match result {
        Ok(remaining) => (ErrorCode::None, remaining),
        Err(error) => (error, Vec::new()),
    };
    let response = ControlledShutdownResponse { error, remaining_partitions };
    reply.respond(Response::ControlledShutdown(Box::new(response)), out);
}
