//! Leaders have changed ISRs by themselves, and noted it (`processIsrChangeNotification`, before KIP-497): the
//! controller reads what they wrote, and tells the brokers.

use super::KafkaController;
use super::partition_states::{read, read_state};
use super::step::Step;
use super::task::{Task, children, data};
use klab_machine::Outbox;
use klab_wire::TopicPartition;
use klab_wire::znodes::{PartitionsZNode, path};
use klab_wire::zookeeper::{Op, Path};
use std::collections::BTreeSet;

/// What is still to be done about such notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IsrChangeStep {
    /// Which are there?
    Read,
    /// That was read: read them.
    NamesRead,
    /// Read these.
    ReadThese(Vec<Path>),
    /// They were read.
    NotesRead(Vec<Path>),
    /// The states that they name were read.
    StatesRead(Vec<TopicPartition>),
    /// These are done with.
    Delete(Vec<Path>),
    /// Which are there? A new controller reads all states anyway.
    DeleteAll,
    /// That was read: delete them.
    DeleteRead,
}

impl From<IsrChangeStep> for Step {
    fn from(step: IsrChangeStep) -> Self {
        Step::IsrChange(step)
    }
}

impl KafkaController {
    pub(super) fn isr_change(&mut self, step: IsrChangeStep, task: &mut Task, _: &mut Outbox) {
        match step {
            IsrChangeStep::Read => {
                ask_for_names(task);
                task.then([IsrChangeStep::NamesRead.into()]);
            }
            IsrChangeStep::NamesRead => {
                let notes = paths(task);
                task.then([IsrChangeStep::ReadThese(notes).into()]);
            }
            IsrChangeStep::ReadThese(notes) => {
                task.ask(notes.iter().cloned().map(read));
                task.then([IsrChangeStep::NotesRead(notes).into()]);
            }
            IsrChangeStep::NotesRead(notes) => self.isr_notes_read(notes, task),
            IsrChangeStep::StatesRead(partitions) => {
                let answers = task.answers();
                self.remember_states(&partitions, answers);
                self.send_update_metadata(&partitions);
                self.look_after_reassignments(&partitions, task);
            }
            IsrChangeStep::Delete(notes) => {
                let delete = |path| Op::Delete { path, version: None };
                task.write(notes.into_iter().map(delete), self.guard());
            }
            IsrChangeStep::DeleteAll => {
                ask_for_names(task);
                task.then([IsrChangeStep::DeleteRead.into()]);
            }
            IsrChangeStep::DeleteRead => {
                let notes = paths(task);
                task.then([IsrChangeStep::Delete(notes).into()]);
            }
        }
    }

    fn isr_notes_read(&mut self, notes: Vec<Path>, task: &mut Task) {
        let answers = if notes.is_empty() { Vec::new() } else { task.answers() };
        let mut partitions = BTreeSet::new();
        for outcome in answers {
            if let Ok(Some((found, _))) = data(outcome) {
                partitions.extend(PartitionsZNode::decode(&found).0);
            }
        }
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let mut steps = Vec::new();
        if !partitions.is_empty() {
            task.ask(partitions.iter().map(read_state));
            steps.push(IsrChangeStep::StatesRead(partitions).into());
        }
        steps.push(IsrChangeStep::Delete(notes).into());
        task.then(steps);
    }
}

fn ask_for_names(task: &mut Task) {
    task.ask([Op::GetChildren { path: path::isr_change_notifications(), watch: true }]);
}

fn paths(task: &mut Task) -> Vec<Path> {
    let names = children(task.answer());
    names.iter().map(|name| path::isr_change_notifications().child(name)).collect()
}
