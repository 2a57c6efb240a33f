//! Who asks that replicas move: the API (KIP-455), or before 2.4 `/admin/reassign_partitions`
//! (`processApiPartitionReassignment`, `processZkPartitionReassignment`). The latest request counts.

use super::KafkaController;
use super::event::Event;
use super::partition_states::{create, read};
use super::reassignment::ReassignStep;
use super::step::Step;
use super::task::{Task, data};
use crate::assignment::Refusal;
use klab_machine::Outbox;
use klab_wire::znodes::{ReassignPartitionsZNode, ReplicaAssignment, path};
use klab_wire::zookeeper::{KeeperError, Op};
use klab_wire::{
    AlterPartitionReassignmentsResponse, ErrorCode, ListPartitionReassignmentsResponse, NodeId,
    OngoingReassignment, PartitionResult, Request, Response, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Requests that are carried out, or replaced by others: the partition, and if it is not whatever was asked for it,
/// the replicas.
type Done = Vec<(TopicPartition, Option<Arc<[NodeId]>>)>;

/// What is still to be done about requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestStep {
    /// Is there one in ZooKeeper? A controller that takes over goes on with the rest afterwards.
    LookFor { resumes: bool },
    /// Whether there is, was read.
    LookedFor { resumes: bool },
    /// It was read.
    Read { resumes: bool },
    /// An administrator asks.
    Asked,
    /// What is asked for was begun.
    Answer(Vec<PartitionResult>),
    /// Take these out of the request in ZooKeeper.
    Remove(Done),
    /// Whether there is one, was read.
    RemoveFound(Done),
    /// It was read.
    RemoveRead(Done),
    /// What is left of it was written.
    Removed(ReassignPartitionsZNode),
    /// Tell all brokers how a partition stands.
    Tell(TopicPartition),
}

impl From<RequestStep> for Step {
    fn from(step: RequestStep) -> Self {
        Step::ReassignRequest(step)
    }
}

impl KafkaController {
    pub(super) fn reassign_request(
        &mut self,
        step: RequestStep,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        match step {
            RequestStep::LookFor { resumes } => {
                task.ask([Op::Exists { path: path::reassign_partitions(), watch: true }]);
                task.then([RequestStep::LookedFor { resumes }.into()]);
            }
            RequestStep::LookedFor { resumes } => {
                if task.answer().is_ok() {
                    task.ask([read(path::reassign_partitions())]);
                    task.then([RequestStep::Read { resumes }.into()]);
                } else if resumes {
                    task.then([ReassignStep::ResumeExcept(BTreeSet::new()).into()]);
                }
            }
            RequestStep::Read { resumes } => self.reassign_request_read(resumes, task),
            RequestStep::Asked => self.reassignments_asked(task),
            RequestStep::Answer(partitions) => {
                let Some(reply) = task.reply.take() else { return };
                let response =
                    AlterPartitionReassignmentsResponse { error: ErrorCode::None, partitions };
                reply.respond(Response::AlterPartitionReassignments(Box::new(response)), out);
            }
            RequestStep::Remove(done) => {
                task.ask([Op::Exists { path: path::reassign_partitions(), watch: true }]);
                task.then([RequestStep::RemoveFound(done).into()]);
            }
            RequestStep::RemoveFound(done) => {
                if task.answer().is_ok() {
                    task.ask([read(path::reassign_partitions())]);
                    task.then([RequestStep::RemoveRead(done).into()]);
                }
            }
            RequestStep::RemoveRead(done) => self.remove_requests(&done, task),
            RequestStep::Removed(rest) => {
                if task.answer() == Err(KeeperError::NoNode) {
                    let create = create(path::reassign_partitions(), rest.encode());
                    task.write([create], self.guard());
                }
            }
            RequestStep::Tell(partition) => self.send_update_metadata([&partition]),
        }
    }

    fn reassign_request_read(&mut self, resumes: bool, task: &mut Task) {
        let found = data(task.answer()).ok().flatten();
        let asked = found.and_then(|(found, _)| ReassignPartitionsZNode::decode(&found));
        let (mut steps, mut begun, mut failed) = (Vec::new(), BTreeSet::new(), Vec::new());
        for (partition, target) in asked.unwrap_or_default().0 {
            match self.reassignment_of(&partition, Some(&target)) {
                Ok(wanted) => {
                    begun.insert(partition.clone());
                    steps.push(ReassignStep::Begin(partition, wanted).into());
                }
                Err(_) => failed.push((partition, None)),
            }
        }
        if !failed.is_empty() {
            steps.push(RequestStep::Remove(failed).into());
        }
        if resumes {
            steps.push(ReassignStep::ResumeExcept(begun).into());
        }
        task.then(steps);
    }

    fn reassignments_asked(&mut self, task: &mut Task) {
        let Some(Request::AlterPartitionReassignments(request)) =
            task.reply.as_ref().map(|reply| &reply.request)
        else {
            unreachable!("the event is of this request")
        };
        let (mut results, mut begun, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
        for (partition, target) in &request.partitions {
            let checked = self.check_target(partition, target.as_deref());
            let wanted = checked.and_then(|()| self.reassignment_of(partition, target.as_deref()));
            let (error, message) = crate::assignment::told(&wanted);
            results.push(PartitionResult { partition: partition.clone(), error, message });
            if let Ok(wanted) = wanted {
                replaced.push((partition.clone(), None));
                begun.push(ReassignStep::Begin(partition.clone(), wanted).into());
            }
        }
        let mut steps: Vec<Step> = vec![RequestStep::Remove(replaced).into()];
        steps.extend(begun);
        steps.push(RequestStep::Answer(results).into());
        task.then(steps);
    }

    /// `validateReplicas`: those that come must be alive.
    fn check_target(
        &self,
        partition: &TopicPartition,
        target: Option<&[NodeId]>,
    ) -> Result<(), Refusal> {
        let Some(target) = target else { return Ok(()) };
        let adding = self.context.assignment(partition).reassign_to(target).adding_replicas;
        let may_be = |node| !adding.contains(&node) || self.context.is_live(node);
        crate::assignment::check_replicas(target, None, may_be)
    }

    /// What a request comes to: none cancels the reassignment that is under way (`maybeBuildReassignment`,
    /// `maybeTriggerPartitionReassignment`).
    fn reassignment_of(
        &self,
        partition: &TopicPartition,
        target: Option<&[NodeId]>,
    ) -> Result<ReplicaAssignment, Refusal> {
        let unknown = || {
            let message = "The partition does not exist.";
            Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
        };
        let known = self.context.assignment(partition);
        let wanted = match target {
            Some(target) => known.reassign_to(target),
            None if known.is_being_reassigned() => known.reassign_to(&known.origin_replicas()),
            None => return Err(ErrorCode::NoReassignmentInProgress.into()),
        };
        let exists = self.context.leadership(partition).is_some()
            && !self.context.is_queued_for_deletion(&partition.topic);
        exists.then_some(wanted).ok_or_else(unknown)
    }

    /// `maybeRemoveFromZkReassignment`.
    fn remove_requests(&mut self, done: &Done, task: &mut Task) {
        let Ok(Some((found, _))) = data(task.answer()) else { return };
        let asked = ReassignPartitionsZNode::decode(&found).unwrap_or_default().0;
        let is_done = |partition: &TopicPartition, target: &Arc<[NodeId]>| {
            done.iter().any(|(one, replicas)| {
                one == partition && replicas.as_ref().is_none_or(|replicas| replicas == target)
            })
        };
        let rest: BTreeMap<_, _> =
            asked.into_iter().filter(|(one, target)| !is_done(one, target)).collect();
        let path = path::reassign_partitions();
        if rest.is_empty() {
            task.write([Op::Delete { path, version: None }], self.guard());
            // The next request is noticed only if it is looked for again.
            self.put(Event::ZkPartitionReassignment);
        } else {
            let rest = ReassignPartitionsZNode(rest);
            task.write([Op::SetData { path, data: rest.encode(), version: None }], self.guard());
            task.then([RequestStep::Removed(rest).into()]);
        }
    }

    /// `processListPartitionReassignments`.
    pub(super) fn list_reassignments(&self, asked: Option<&[TopicPartition]>) -> Response {
        let all: Vec<TopicPartition> = match asked {
            Some(asked) => asked.to_vec(),
            None => self.context.being_reassigned.iter().cloned().collect(),
        };
        let ongoing = all.into_iter().filter_map(|partition| {
            let known = self.context.assignment(&partition);
            known.is_being_reassigned().then_some(OngoingReassignment {
                partition,
                replicas: known.replicas,
                adding: known.adding_replicas,
                removing: known.removing_replicas,
            })
        });
        let reassignments = ongoing.collect();
        let error = ErrorCode::None;
        let response = ListPartitionReassignmentsResponse { error, reassignments };
        Response::ListPartitionReassignments(Box::new(response))
    }
}
