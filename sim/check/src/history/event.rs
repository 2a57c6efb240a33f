//! An event of a history that was recorded elsewhere, in Jepsen's terms.

use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::operation::{OperationId, PolledRecords};
use klab_wire::{Offset, TopicPartition};

/// What is known of a recorded history beside its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSettings {
    /// Consumers subscribe, so that a group moves them about; otherwise they assign their partitions.
    pub subscribe: bool,
    /// In the end consumers polled until they had everything.
    pub final_polls: bool,
    /// Consumers start at the beginning of a partition (`auto.offset.reset=earliest`).
    pub from_beginning: bool,
}

/// What an event says of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// It begins.
    Invoke,
    /// It has ended well.
    Ok,
    /// It has certainly not happened.
    Fail,
    /// It may have happened, or may still.
    Info,
}

/// One line of a history.
#[derive(Clone, Debug)]
pub struct Event {
    /// The line's number for a step, the time, and the process.
    pub at: Moment,
    /// The operation's number, for a process that has several at a time.
    pub id: Option<OperationId>,
    /// What happens to the operation.
    pub kind: Type,
    /// A send had to wait for memory or metadata, and later ones need not have waited for it.
    pub waited: bool,
    /// What the operation consists of.
    pub micros: Vec<Micro>,
    /// The partitions that a rebalance took or gave in between.
    pub rebalanced: Vec<TopicPartition>,
}

/// One part of an operation.
#[derive(Clone, Debug)]
pub enum Micro {
    /// A record, or a counted range of them, is sent.
    Send {
        /// Where to. Only the topic is known before the send has ended.
        partition: TopicPartition,
        /// The first value.
        first_value: u64,
        /// How many.
        count: u32,
        /// The offset of the first, as far as it was told.
        offset: Option<Offset>,
    },
    /// The consumer polls, and gets these in the end.
    Poll(Vec<PolledRecords>),
    /// The consumer has these partitions from now on.
    Assign {
        /// All of them.
        partitions: Vec<TopicPartition>,
        /// It seeks to their beginning.
        seek_to_beginning: bool,
    },
    /// The consumer goes on somewhere else in these partitions: a seek, a reset.
    Seek(Vec<TopicPartition>),
    /// The client is closed, and made anew.
    Crash,
    /// Records below this offset are deleted in order: by retention, or because somebody asked for it.
    Delete {
        /// Of which partition.
        partition: TopicPartition,
        /// The new start of the log.
        below: Offset,
    },
    /// Something is done to the deployment.
    Fault(String),
}

/// What is wrong with an event, in a sentence with the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl RecordedSettings {
    pub(super) fn permit_of_rebalance(self) -> Option<Setting> {
        self.subscribe.then_some(Setting::Subscribe)
    }
}

impl Default for RecordedSettings {
    fn default() -> Self {
        RecordedSettings { subscribe: false, final_polls: false, from_beginning: true }
    }
}

impl Event {
    /// What was done to the deployment, if that is what it is about.
    pub(super) fn fault(&self) -> Option<String> {
        self.micros.iter().find_map(|micro| match micro {
            Micro::Fault(what) => Some(what.clone()),
            _ => None,
        })
    }

    /// The parts that are sends.
    pub(super) fn sends(&self) -> impl Iterator<Item = SendPart<'_>> {
        self.micros.iter().filter_map(|micro| match micro {
            Micro::Send { partition, first_value, count, offset } => Some(SendPart {
                partition,
                first_value: *first_value,
                count: *count,
                offset: *offset,
            }),
            _ => None,
        })
    }
}

/// A part that is a send.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendPart<'a> {
    pub(super) partition: &'a TopicPartition,
    pub(super) first_value: u64,
    pub(super) count: u32,
    pub(super) offset: Option<Offset>,
}

impl SendPart<'_> {
    pub(super) const fn values(&self) -> (u64, u32) {
        (self.first_value, self.count)
    }
}
