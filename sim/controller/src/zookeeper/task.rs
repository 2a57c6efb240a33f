//! What a thread of the controller has still to do, as data.
//!
//! Kafka's event thread is a call stack that blocks on ZooKeeper. Here the stack is a list of steps: a step reads,
//! decides, and either puts further steps on top (a call) or asks ZooKeeper (it blocks); the step below it finds
//! the answers. What Kafka throws takes the rest of the steps away.

use super::step::Step;
use crate::purgatory::Reply;
use klab_wire::znodes::{LeaderAndIsr, path};
use klab_wire::zookeeper::{Answer, Data, KeeperError, Op, Stat};
use klab_wire::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Which task: 0 is the event thread, the others are requests of administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) u64);

impl TaskId {
    /// The event thread (`ControllerEventThread`).
    pub(super) const EVENT_THREAD: TaskId = TaskId(0);
}

/// What came of an operation.
pub(super) type Outcome = Result<Answer, KeeperError>;

/// What became of elections: who leads from now on, or why there was none.
pub(super) type Elections = BTreeMap<TopicPartition, Result<LeaderAndIsr, ErrorCode>>;

/// Something to ask ZooKeeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// The operation; if it is guarded, a multi that begins with the check of the controller's epoch.
    pub(super) op: Op,
    /// It is done only by the controller of the present epoch.
    pub(super) is_guarded: bool,
}

/// The version of `/controller_epoch` that a write of the controller checks (KAFKA-6082); none for a write that
/// checks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guard(pub(super) Option<u32>);

impl Guard {
    /// `KafkaZkClient.wrapRequestWithControllerWrites`.
    fn around(self, op: Op) -> Ask {
        let Some(version) = self.0 else { return Ask { op, is_guarded: false } };
        let check = Op::Check { path: path::controller_epoch(), version: Some(version) };
        Ask { op: Op::Multi(vec![check, op]), is_guarded: true }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Task {
    /// The next one is the last.
    steps: Vec<Step>,
    /// What is to be asked, each list when the one before it is answered.
    asks: VecDeque<Vec<Ask>>,
    /// What has come of what was asked; none for what is not answered yet.
    answers: Vec<Option<Outcome>>,
    missing: u32,
    /// Who waits for this.
    pub(super) reply: Option<Reply>,
    /// What came of the elections that were held last.
    pub(super) elections: Elections,
}

impl Task {
    /// A task that begins with this step, and answers this request.
    pub(super) fn new(first: Step, reply: Option<Reply>) -> Self {
        Task { steps: vec![first], reply, ..Task::default() }
    }

    /// These steps come next, in this order, before what was to come.
    pub(super) fn then(&mut self, steps: impl IntoIterator<Item = Step>) {
        let at = self.steps.len();
        self.steps.extend(steps);
        self.steps[at..].reverse();
    }

    /// The next step, unless ZooKeeper is to answer first.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        if self.is_waiting() { None } else { self.steps.pop() }
    }

    /// It waits for ZooKeeper, or has something to ask.
    pub(super) fn is_waiting(&self) -> bool {
        self.missing > 0 || !self.asks.is_empty()
    }

    /// There is nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        self.steps.is_empty() && !self.is_waiting()
    }

    /// Everything that was left to do is dropped.
    pub(super) fn abandon(&mut self) {
        self.steps.clear();
        self.asks.clear();
        self.answers.clear();
        self.missing = 0;
        self.elections.clear();
    }

    /// Asks; the next step finds the answers in the same order.
    pub(super) fn ask(&mut self, ops: impl IntoIterator<Item = Op>) {
        self.write(ops, Guard(None));
    }

    /// Asks for something that only the controller of an epoch may do.
    pub(super) fn write(&mut self, ops: impl IntoIterator<Item = Op>, guard: Guard) {
        if self.asks.is_empty() && self.missing == 0 {
            self.answers.clear();
        }
        let batch: Vec<Ask> = ops.into_iter().map(|op| guard.around(op)).collect();
        if !batch.is_empty() {
            self.asks.push_back(batch);
        }
    }

    /// What is to be asked now, each with the place of its answer.
    pub(super) fn next_asks(&mut self) -> Vec<(u32, Ask)> {
        if self.missing > 0 {
            return Vec::new();
        }
        let batch = self.asks.pop_front().unwrap_or_default();
        let first = self.answers.len() as u32;
        self.missing = batch.len() as u32;
        self.answers.extend(batch.iter().map(|_| None));
        (first..).zip(batch).collect()
    }

    /// An answer has come.
    pub(super) fn answered(&mut self, place: u32, outcome: Outcome) {
        self.missing -= 1;
        self.answers[place as usize] = Some(outcome);
    }

    /// The answers to what was asked last.
    pub(super) fn answers(&mut self) -> Vec<Outcome> {
        let all = std::mem::take(&mut self.answers).into_iter();
        all.map(|outcome| outcome.expect("a step follows when everything is answered")).collect()
    }

    /// The one answer to what was asked last.
    pub(super) fn answer(&mut self) -> Outcome {
        self.answers().pop().expect("something was asked")
    }
}

/// A znode's data and state, if it exists.
pub(super) fn data(outcome: Outcome) -> Result<Option<(Data, Stat)>, KeeperError> {
    match outcome {
        Ok(Answer::Data { data, stat }) => Ok(Some((data, stat))),
        Err(KeeperError::NoNode) => Ok(None),
        Err(error) => Err(error),
        Ok(other) => unreachable!("{other} does not answer a read"),
    }
}

/// A znode's children; none if it does not exist.
pub(super) fn children(outcome: Outcome) -> Vec<Arc<str>> {
    match outcome {
        Ok(Answer::Children { names, .. }) => names,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zookeeper::elector::ElectorStep;

    #[test]
    fn a_step_waits_until_all_that_was_asked_is_answered() {
        let mut task = Task::new(Step::Elector(ElectorStep::Elect), None);
        let read = || Op::GetData { path: path::controller(), watch: false };
        task.ask([read(), read()]);
        task.ask([read()]);
        assert_eq!(task.next_asks().iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 1]);
        task.answered(1, Err(KeeperError::NoNode));
        assert!(task.next_step().is_none() && task.next_asks().is_empty());
        task.answered(0, Ok(Answer::Done));
        assert_eq!(task.next_asks().len(), 1);
        task.answered(2, Ok(Answer::Done));
        assert_eq!(task.next_step(), Some(Step::Elector(ElectorStep::Elect)));
        let done = || Ok(Answer::Done);
        assert_eq!(task.answers(), [done(), Err(KeeperError::NoNode), done()]);
    }

    #[test]
    fn kafka_6082_a_write_of_the_controller_is_a_multi_that_checks_its_epoch_first() {
        let delete = Op::Delete { path: path::controller(), version: None };
        let check = Op::Check { path: path::controller_epoch(), version: Some(3) };
        let guarded = Guard(Some(3)).around(delete.clone());
        assert_eq!(guarded.op, Op::Multi(vec![check, delete.clone()]));
        assert_eq!(Guard(None).around(delete.clone()).op, delete);
    }
}
