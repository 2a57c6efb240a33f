//! Elections that are asked for, or that time brings (`processReplicaLeaderElection`,
//! `checkAndTriggerAutoLeaderRebalance`, KIP-460).

use super::KafkaController;
use super::elections::Strategy;
use super::event::Event;
use super::partition_states::{PartitionStep, read};
use super::step::Step;
use super::task::{Task, data};
use klab_machine::fact::ControllerFact;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::znodes::{PartitionsZNode, path};
use klab_wire::zookeeper::Op;
use klab_wire::{
    ElectLeadersRequest, ElectLeadersResponse, ElectionType, ErrorCode, NodeId, PartitionResult,
    Request, Response, TopicName, TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is still to be done about elections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ElectionStep {
    /// Give leadership back to preferred replicas.
    Balance,
    /// That is done: look again in a while.
    Schedule,
    /// An administrator asks.
    Asked,
    /// These were asked for and do not need it, or cannot have it: the others were elected.
    Answer(ElectionType, Vec<PartitionResult>),
    /// Is there a request in ZooKeeper, as before KIP-460?
    LookForRequest,
    /// Whether there is, was read.
    LookedForRequest,
    /// It was read.
    RequestRead,
    /// It is carried out.
    RequestDone,
    /// This topic may have unclean leaders now.
    BringOnline(TopicName),
}

impl From<ElectionStep> for Step {
    fn from(step: ElectionStep) -> Self {
        Step::Election(step)
    }
}

impl KafkaController {
    pub(super) fn election(&mut self, step: ElectionStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ElectionStep::Balance => self.balance_leaders(task),
            ElectionStep::Schedule => self.schedule_balance(out),
            ElectionStep::Asked => self.elections_asked(task, out),
            ElectionStep::Answer(election, results) => answer(election, results, task, out),
            ElectionStep::LookForRequest => {
                let path = path::preferred_replica_election();
                task.ask([Op::Exists { path, watch: true }]);
                task.then([ElectionStep::LookedForRequest.into()]);
            }
            ElectionStep::LookedForRequest => {
                if task.answer().is_ok() {
                    task.ask([read(path::preferred_replica_election())]);
                    task.then([ElectionStep::RequestRead.into()]);
                }
            }
            ElectionStep::RequestRead => self.election_request_read(task),
            ElectionStep::RequestDone => self.election_request_done(task),
            ElectionStep::BringOnline(topic) => {
                let mut waiting = self.context.partitions_to_bring_online();
                waiting.retain(|partition| partition.topic == topic);
                let strategy = Strategy::Offline { allow_unclean: false };
                task.then([PartitionStep::BringOnline(waiting, strategy).into()]);
            }
        }
    }

    /// Each broker that leads too few of the partitions that it is preferred for gets them back.
    fn balance_leaders(&mut self, task: &mut Task) {
        let mut preferred: BTreeMap<NodeId, (usize, Vec<TopicPartition>)> = BTreeMap::new();
        for (partition, assignment) in self.context.partitions() {
            let Some(first) = assignment.replicas.first() else { continue };
            if self.context.is_queued_for_deletion(&partition.topic) {
                continue;
            }
            let (all, elsewhere) = preferred.entry(*first).or_default();
            *all += 1;
            let known = self.context.leadership(&partition);
            if known.is_some_and(|known| known.leader_and_isr.leader != Some(*first)) {
                elsewhere.push(partition);
            }
        }
        let tolerated = self.settings.config.leader_imbalance_per_broker_percentage as usize;
        let mut steps = Vec::new();
        for (broker, (all, mut elsewhere)) in preferred {
            if elsewhere.len() * 100 > all * tolerated {
                elsewhere.retain(|partition| self.could_lead(broker, partition));
                steps.push(PartitionStep::BringOnline(elsewhere, Strategy::Preferred).into());
            }
        }
        steps.push(ElectionStep::Schedule.into());
        task.then(steps);
    }

    fn could_lead(&self, broker: NodeId, partition: &TopicPartition) -> bool {
        let known = self.context.leadership(partition);
        known.is_some_and(|known| known.leader_and_isr.isr.contains(&broker))
            && self.context.is_online(broker, partition)
    }

    fn schedule_balance(&self, out: &mut Outbox) {
        let after = self.settings.config.leader_imbalance_check_interval_seconds;
        out.set_timer(Timer::Controller(ControllerTimer::BalanceLeaders), after);
    }

    fn elections_asked(&mut self, task: &mut Task, out: &mut Outbox) {
        let Some(Request::ElectLeaders(request)) =
            task.reply.as_ref().map(|reply| reply.request.clone())
        else {
            unreachable!("the event is of this request")
        };
        let ElectLeadersRequest { election, partitions, .. } = *request;
        let asked = partitions
            .unwrap_or_else(|| self.context.partitions().map(|(partition, _)| partition).collect());
        let (electable, results) = self.sorted_out(asked, election);
        for partition in &electable {
            let partition = partition.clone();
            out.state(ControllerFact::ElectionRequested { partition, election });
        }
        let strategy = match election {
            ElectionType::Preferred => Strategy::Preferred,
            ElectionType::Unclean => Strategy::Offline { allow_unclean: true },
        };
        task.elections.clear();
        task.then([
            PartitionStep::BringOnline(electable, strategy).into(),
            ElectionStep::Answer(election, results).into(),
        ]);
    }

    /// Those that can have an election and need one, and what is to be said to the others.
    fn sorted_out(
        &self,
        asked: Vec<TopicPartition>,
        election: ElectionType,
    ) -> (Vec<TopicPartition>, Vec<PartitionResult>) {
        let (mut electable, mut results) = (Vec::new(), Vec::new());
        for partition in asked {
            match self.refusal_of_election(&partition, election) {
                None => electable.push(partition),
                Some((error, message)) => {
                    let message = message.map(Arc::from);
                    results.push(PartitionResult { partition, error, message });
                }
            }
        }
        (electable, results)
    }

    fn refusal_of_election(
        &self,
        partition: &TopicPartition,
        election: ElectionType,
    ) -> Option<(ErrorCode, Option<&'static str>)> {
        if !self.context.exists(partition) {
            let message = "The partition does not exist.";
            return Some((ErrorCode::UnknownTopicOrPartition, Some(message)));
        }
        if self.context.is_queued_for_deletion(&partition.topic) {
            return Some((ErrorCode::InvalidTopicException, Some("The topic is being deleted")));
        }
        let leader = self.context.leader(partition);
        let is_needed = match election {
            ElectionType::Preferred => leader != self.context.replicas(partition).first().copied(),
            ElectionType::Unclean => !leader.is_some_and(|leader| self.context.is_live(leader)),
        };
        (!is_needed).then_some((ErrorCode::ElectionNotNeeded, None))
    }

    fn election_request_read(&mut self, task: &mut Task) {
        let asked = match data(task.answer()) {
            Ok(Some((found, _))) => PartitionsZNode::decode(&found).0,
            _ => return,
        };
        let (electable, _) = self.sorted_out(asked.into_iter().collect(), ElectionType::Preferred);
        task.then([
            PartitionStep::BringOnline(electable, Strategy::Preferred).into(),
            ElectionStep::RequestDone.into(),
        ]);
    }

    /// The next request is noticed only if it is looked for again (`removePartitionsFromPreferredReplicaElection`).
    fn election_request_done(&mut self, task: &mut Task) {
        let path = path::preferred_replica_election();
        task.write([Op::Delete { path, version: None }], self.guard());
        self.put(Event::PreferredReplicaElection);
    }
}

fn answer(
    election: ElectionType,
    mut partitions: Vec<PartitionResult>,
    task: &mut Task,
    out: &mut Outbox,
) {
    let Some(reply) = task.reply.take() else { return };
    let Request::ElectLeaders(request) = &reply.request else { unreachable!("it was looked at") };
    // Asked for all partitions, one that has the right leader is not worth a word.
    if request.partitions.is_none() {
        partitions.retain(|result| result.error != ErrorCode::ElectionNotNeeded);
    }
    for (partition, elected) in std::mem::take(&mut task.elections) {
        let error = match (elected, election) {
            (Ok(_), _) => ErrorCode::None,
            (Err(ErrorCode::EligibleLeadersNotAvailable), ElectionType::Preferred) => {
                ErrorCode::PreferredLeaderNotAvailable
            }
            (Err(error), _) => error,
        };
        partitions.push(PartitionResult { partition, error, message: None });
    }
    let response = ElectLeadersResponse { error: ErrorCode::None, partitions };
    reply.respond(Response::ElectLeaders(Box::new(response)), out);
}
