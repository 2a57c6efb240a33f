//! Leaders ask for ISRs (`processAlterPartition`, KIP-497).
//!
//! Who may be in an ISR is the rule of both hosts ([`crate::isr`]); what the controller remembers may be behind
//! ZooKeeper, so the write is conditional. That broker epochs of members are compared (KIP-903) came with KRaft.

use super::KafkaController;
use super::partition_states::{decoded, read_state, written_version};
use super::step::Step;
use super::task::{Outcome, Task, data};
use crate::isr::{self, Candidate, IsrProposal};
use klab_machine::Outbox;
use klab_machine::fact::ControllerFact;
use klab_wire::config::switches::{BrokerEpochs, IneligibleReplicas, IsrWriteInDoubt};
use klab_wire::znodes::LeaderAndIsr;
use klab_wire::zookeeper::KeeperError;
use klab_wire::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResponse, AlteredPartition, ErrorCode,
    IsrMember, NodeId, Request, Response, TopicIdPartition, TopicPartition,
};

/// What is still to be done for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AlterPartitionStep {
    /// Decide which wishes are granted.
    Decide,
    /// They were written.
    Written(Vec<Wish>),
    /// They were read again.
    ReadAgain(Vec<Wish>),
}

/// One partition's wish, and what has come of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    id: TopicIdPartition,
    partition: TopicPartition,
    fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It is so already, or has been written.
    Done(LeaderAndIsr),
    Refused(ErrorCode),
    /// From this state to that one.
    Granted(LeaderAndIsr, LeaderAndIsr),
}

impl Wish {
    /// It was written, or somebody else, or an earlier try, has written: what there is now counts.
    const fn is_to_be_read(&self) -> bool {
        matches!(self.fate, Fate::Done(_) | Fate::Granted(..))
    }
}

impl From<AlterPartitionStep> for Step {
    fn from(step: AlterPartitionStep) -> Self {
        Step::AlterPartition(step)
    }
}

impl KafkaController {
    pub(super) fn alter_partition(
        &mut self,
        step: AlterPartitionStep,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        match step {
            AlterPartitionStep::Decide => self.decide_isrs(task, out),
            AlterPartitionStep::Written(wishes) => self.isrs_written(wishes, task, out),
            AlterPartitionStep::ReadAgain(wishes) => self.isrs_read_again(wishes, task, out),
        }
    }

    fn decide_isrs(&mut self, task: &mut Task, out: &mut Outbox) {
        let Some(Request::AlterPartition(request)) =
            task.reply.as_ref().map(|reply| reply.request.clone())
        else {
            unreachable!("the event is of this request")
        };
        let known = self.context.live_brokers.get(&request.broker);
        let tells_lives_apart = self.settings.switches.broker_epoch == BrokerEpochs::On;
        let is_another_life = |epoch| tells_lives_apart && epoch != request.broker_epoch;
        if known.is_none_or(|known| is_another_life(known.epoch)) {
            return answer(task, Err(ErrorCode::StaleBrokerEpoch), out);
        }
        let wishes: Vec<Wish> =
            request.partitions.iter().map(|data| self.wish(&request, data, out)).collect();
        let writes: Vec<_> =
            granted(&wishes).map(|(partition, after)| self.write_state(partition, after)).collect();
        task.write(writes, self.guard());
        task.then([AlterPartitionStep::Written(wishes).into()]);
    }

    fn wish(
        &self,
        request: &AlterPartitionRequest,
        data: &AlterPartitionData,
        out: &mut Outbox,
    ) -> Wish {
        let id = data.partition;
        let Some(partition) = self.named(id) else {
            let partition = TopicPartition { topic: "".into(), partition: id.partition };
            return Wish { id, partition, fate: Fate::Refused(ErrorCode::UnknownTopicId) };
        };
        let fate = self.fate(request.broker, &partition, data);
        if let Fate::Refused(error) = fate {
            let (partition, broker) = (partition.clone(), request.broker);
            out.state(ControllerFact::AlterPartitionRejected { partition, broker, error });
        }
        Wish { id, partition, fate }
    }

    fn fate(&self, sender: NodeId, partition: &TopicPartition, data: &AlterPartitionData) -> Fate {
        let Some(known) = self.context.leadership(partition) else {
            return Fate::Refused(ErrorCode::UnknownTopicOrPartition);
        };
        let known = &known.leader_and_isr;
        let wanted = LeaderAndIsr {
            leader: Some(sender),
            leader_epoch: data.leader_epoch,
            isr: data.new_isr.iter().map(|member| member.broker).collect(),
            leader_recovery_state: data.leader_recovery_state,
            partition_epoch: data.partition_epoch,
        };
        // That it is so already comes before that it was asked in an old version.
        let is_so = wanted.is_but_for_its_version(known);
        match self.validate(sender, partition, data) {
            Ok(()) | Err(ErrorCode::InvalidUpdateVersion) if is_so => Fate::Done(known.clone()),
            Ok(()) => Fate::Granted(known.clone(), wanted),
            Err(error) => Fate::Refused(error),
        }
    }

    fn validate(
        &self,
        sender: NodeId,
        partition: &TopicPartition,
        data: &AlterPartitionData,
    ) -> Result<(), ErrorCode> {
        let members: Vec<IsrMember> =
            data.new_isr.iter().map(|one| IsrMember { epoch: None, ..*one }).collect();
        let proposal = IsrProposal {
            sender,
            leader_epoch: data.leader_epoch,
            partition_epoch: data.partition_epoch,
            isr: &members,
            leader_recovery_state: data.leader_recovery_state,
        };
        let registration = self.registration(partition);
        isr::validate(&registration, &proposal, |node| Some(self.candidate(node)))
    }

    fn candidate(&self, node: NodeId) -> Candidate {
        let is_active = match self.settings.switches.ineligible_replicas {
            IneligibleReplicas::Admitted => true,
            IneligibleReplicas::Refused => self.context.is_live(node),
        };
        let epoch = self.context.live_brokers.get(&node).map(|known| known.epoch);
        Candidate { is_active, epoch: epoch.unwrap_or_default() }
    }

    fn isrs_written(&mut self, mut wishes: Vec<Wish>, task: &mut Task, out: &mut Outbox) {
        let is_written = granted(&wishes).next().is_some();
        let answers = if is_written { task.answers() } else { Vec::new() };
        let mut outcomes = answers.into_iter();
        let looks_again = self.settings.switches.isr_write_in_doubt == IsrWriteInDoubt::Recognised;
        for Wish { partition, fate, .. } in &mut wishes {
            let Fate::Granted(before, after) = fate else { continue };
            let outcome = outcomes.next().expect("every granted wish is written");
            *fate = match written_version(outcome) {
                Ok(version) => {
                    let after = LeaderAndIsr { partition_epoch: version, ..after.clone() };
                    self.state_change(partition, before, &after, out);
                    Fate::Done(after)
                }
                Err(KeeperError::BadVersion) if looks_again => continue,
                Err(KeeperError::BadVersion) => Fate::Refused(ErrorCode::InvalidUpdateVersion),
                Err(_) => Fate::Refused(ErrorCode::UnknownServerError),
            };
        }
        let to_read = wishes.iter().filter(|wish| wish.is_to_be_read());
        task.ask(to_read.map(|wish| read_state(&wish.partition)));
        task.then([AlterPartitionStep::ReadAgain(wishes).into()]);
    }

    /// What is remembered is what ZooKeeper says; all brokers hear of it, and then the leader has its answer.
    fn isrs_read_again(&mut self, mut wishes: Vec<Wish>, task: &mut Task, out: &mut Outbox) {
        let is_read = wishes.iter().any(Wish::is_to_be_read);
        let mut answers = if is_read { task.answers() } else { Vec::new() }.into_iter();
        let mut done = Vec::new();
        for wish in wishes.iter_mut().filter(|wish| wish.is_to_be_read()) {
            let outcome = answers.next().expect("each of them was read");
            self.settle_doubt(wish, &outcome, out);
            if let Fate::Done(_) = wish.fate {
                self.remember_state(&wish.partition, outcome);
                done.push(wish.partition.clone());
            }
        }
        let touched: Vec<&TopicPartition> = wishes
            .iter()
            .filter(|wish| wish.fate != Fate::Refused(ErrorCode::UnknownTopicId))
            .map(|wish| &wish.partition)
            .collect();
        self.send_update_metadata(touched);
        answer(task, Ok(wishes.iter().map(altered).collect()), out);
        self.look_after_reassignments(&done, task);
    }

    /// Somebody has written the partition's state since it was read: perhaps this controller, by a request whose
    /// answer was lost with its connection (`ReplicationUtils.checkLeaderAndIsrZkData`).
    fn settle_doubt(&self, wish: &mut Wish, outcome: &Outcome, out: &mut Outbox) {
        let Fate::Granted(before, after) = &wish.fate else { return };
        let found = self.usable_state(outcome.clone()).ok();
        let is_own = |found: &LeaderAndIsr| after.is_but_for_its_version(found);
        wish.fate = match found.filter(is_own) {
            Some(found) => {
                self.state_change(&wish.partition, before, &found, out);
                Fate::Done(found)
            }
            None => Fate::Refused(ErrorCode::InvalidUpdateVersion),
        };
    }

    /// `updateLeaderAndIsrCache`.
    pub(super) fn remember_states(&mut self, partitions: &[TopicPartition], answers: Vec<Outcome>) {
        for (partition, outcome) in partitions.iter().zip(answers) {
            self.remember_state(partition, outcome);
        }
    }

    fn remember_state(&mut self, partition: &TopicPartition, outcome: Outcome) {
        if let Ok(Some((found, stat))) = data(outcome)
            && let Some(state) = decoded(&found, stat)
        {
            self.context.put_leadership(partition, state);
        }
    }
}

fn granted(wishes: &[Wish]) -> impl Iterator<Item = (&TopicPartition, &LeaderAndIsr)> {
    wishes.iter().filter_map(|wish| match &wish.fate {
        Fate::Granted(_, after) => Some((&wish.partition, after)),
        _ => None,
    })
}

fn altered(wish: &Wish) -> AlteredPartition {
    match &wish.fate {
        Fate::Done(state) => AlteredPartition {
            partition: wish.id,
            error: ErrorCode::None,
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            isr: state.isr.to_vec(),
            leader_recovery_state: state.leader_recovery_state,
            partition_epoch: state.partition_epoch,
        },
        Fate::Refused(error) => AlteredPartition::refused(wish.id, *error),
        Fate::Granted(..) => unreachable!("it was written, or it was not"),
    }
}

fn answer(task: &mut Task, result: Result<Vec<AlteredPartition>, ErrorCode>, out: &mut Outbox) {
    let Some(reply) = task.reply.take() else { return };
    let (error, partitions) = match result {
        Ok(partitions) => (ErrorCode::None, partitions),
        Err(error) => (error, Vec::new()),
    };
    let response = AlterPartitionResponse { error, partitions };
    reply.respond(Response::AlterPartition(Box::new(response)), out);
}
