//! `no-unwritten-record-is-read` and `failed-sends-are-not-read`: where values come from.

use super::{Fate, Send, TopicHistory};
use crate::findings::{Breach, Findings};
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_wire::{NodeId, Offset, Time, TopicPartition};

/// Who sent which values of a topic, and what became of them, in the order of the values.
#[derive(Clone, Debug)]
pub(super) struct Writers {
    sends: Vec<Send>,
}

/// A value at a place, somewhere in a range of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) offset: Offset,
    pub(super) first_value: u64,
    pub(super) count: u64,
}

impl Writers {
    pub(super) fn new(mut sends: Vec<Send>) -> Self {
        sends.sort_by_key(|send| send.first_value);
        Writers { sends }
    }

    pub(super) fn writer_of(&self, value: u64) -> Option<NodeId> {
        self.send_of(value).map(|send| send.client)
    }

    fn send_of(&self, value: u64) -> Option<&Send> {
        let index = self.sends.partition_point(|send| send.end() <= value);
        self.sends.get(index).filter(|send| send.first_value <= value)
    }
}

impl Send {
    fn end(&self) -> u64 {
        self.first_value + u64::from(self.count)
    }
}

/// Asks of every value that was read whether it was sent, and whether that failed.
pub(super) fn judge(history: &TopicHistory, writers: &Writers, end: Time, findings: &mut Findings) {
    for place in places(history) {
        let at = Moment { step: u64::MAX, time: end, node: NodeId::consumer(0) };
        let name = TopicPartition::new(history.name.clone(), place.partition);
        findings.kept(Promise::NoUnwrittenRecordIsRead, place.count);
        findings.kept(Promise::FailedSendsAreNotRead, place.count);
        for (promise, breach) in trace(&place, writers) {
            findings.broken(promise, at, Some(&name), breach);
        }
    }
}

/// Follows the values of one range back to their sends.
fn trace(place: &Place, writers: &Writers) -> Vec<(Promise, Breach)> {
    let mut breaches = Vec::new();
    let (mut value, end) = (place.first_value, place.first_value + place.count);
    while value < end {
        let index = writers.sends.partition_point(|send| send.end() <= value);
        let next = writers.sends.get(index);
        let offset = place.offset.plus(value - place.first_value);
        let until = match next {
            Some(send) if send.first_value <= value => {
                if send.fate == Fate::Failed {
                    breaches.push(failed(send, value, offset));
                }
                send.end().min(end)
            }
            _ => {
                let until = next.map_or(end, |send| send.first_value.min(end));
                let what =
                    format!("values {value}..{} at offset {offset} were never sent", until - 1);
                let breach = Breach::of(what).about(until - value);
                breaches.push((Promise::NoUnwrittenRecordIsRead, breach));
                until
            }
        };
        value = until;
    }
    breaches
}

fn failed(send: &Send, value: u64, offset: Offset) -> (Promise, Breach) {
    let what = format!(
        "aborted read: value {value} of {} was read at offset {offset}, its send failed",
        send.client
    );
    (Promise::FailedSendsAreNotRead, Breach::of(what).about(1))
}

/// Everything that was read from a topic.
pub(super) fn places(history: &TopicHistory) -> impl Iterator<Item = Place> {
    let partitions = history.partitions.iter().zip(0..);
    partitions.flat_map(|(partition, index)| {
        partition.reads.iter().map(move |read| Place {
            partition: index,
            offset: read.offset,
            first_value: read.first_value,
            count: read.count,
        })
    })
}
