//! The table of anomalies: what can be wrong with a history of sends and polls, by Jepsen's names.
//!
//! Jepsen's `kafka.clj` without what needs transactions (`:precommitted-read`, and the cycles between
//! transactions, which Kafka allows without them). Where the sentence here says more or less than Jepsen's
//! code, the file of the rule says why: each anomaly is a rule in a file of its name, and the internal ones
//! (`int-..`, within one operation) stand beside the external ones (from one operation to the next).

use crate::promise::Promise;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What is said about an anomaly in lists and explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AnomalyInfo {
    /// Which anomaly.
    pub anomaly: Anomaly,
    /// What it is, in one sentence.
    pub sentence: &'static str,
    /// The promise that it breaks.
    pub promise: Promise,
    /// The file of its rule, in `sim/check/src/history`.
    pub file: &'static str,
}

macro_rules! anomalies {
    ($($variant:ident $name:literal $promise:ident $file:literal $sentence:literal;)*) => {
        /// An anomaly of a history, by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Anomaly {
            $(#[doc = $sentence] $variant,)*
        }

        /// Every anomaly, in the order of the enum: the content of the log, the order of polls, the order of sends.
        pub const ANOMALIES: &[AnomalyInfo] = &[$(AnomalyInfo {
            anomaly: Anomaly::$variant,
            sentence: $sentence,
            promise: Promise::$promise,
            file: $file,
        },)*];

        impl Anomaly {
            /// Its published name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Anomaly::$variant => $name,)*
                }
            }
        }
    };
}

anomalies! {
    LostWrite "lost-write" NoAckedRecordIsLost "lost_write.rs"
        "An acknowledged record lies below what consumers have read, and nobody read it.";
    Unseen "unseen" NoAckedRecordIsLost "unseen.rs"
        "An acknowledged record is above everything that was read, when consumers have polled to the end.";
    Duplicate "duplicate" NoDuplicates "duplicate.rs"
        "One value stands at two offsets.";
    InconsistentOffsets "inconsistent-offsets" NoInconsistentOffsets "inconsistent_offsets.rs"
        "One offset stands for two values.";
    AbortedRead "G1a" FailedSendsAreNotRead "aborted_read.rs"
        "A value was read whose send certainly failed.";
    UnwrittenRead "unwritten-read" NoUnwrittenRecordIsRead "unwritten_read.rs"
        "A value was read that nobody sent.";
    NonmonotonicPoll "nonmonotonic-poll" PerPartitionOrder "nonmonotonic_poll.rs"
        "A poll begins at or below the offset at which the consumer's last poll ended.";
    PollSkip "poll-skip" PerPartitionOrder "poll_skip.rs"
        "A poll begins above the offset at which the last one ended, and a known record lies between them.";
    IntNonmonotonicPoll "int-nonmonotonic-poll" PerPartitionOrder "nonmonotonic_poll.rs"
        "Within one poll the offsets of a partition go back.";
    IntPollSkip "int-poll-skip" PerPartitionOrder "poll_skip.rs"
        "Within one poll the offsets of a partition pass over a known record.";
    NonmonotonicSend "nonmonotonic-send" PerPartitionOrder "nonmonotonic_send.rs"
        "A producer's later send got a lower offset than its earlier one.";
    IntNonmonotonicSend "int-nonmonotonic-send" PerPartitionOrder "nonmonotonic_send.rs"
        "Of the sends of one operation a later one got a lower offset.";
    IntSendSkip "int-send-skip" PerPartitionOrder "int_send_skip.rs"
        "Between the sends of one operation stands another's record. Kafka allows it: producers interleave.";
}

impl Anomaly {
    /// What there is to say about it.
    pub fn info(self) -> &'static AnomalyInfo {
        &ANOMALIES[self as usize]
    }

    /// The promise that it breaks.
    pub fn promise(self) -> Promise {
        self.info().promise
    }
}

impl FromStr for Anomaly {
    type Err = ();

    /// Finds an anomaly by its name; the error says only that there is none.
    fn from_str(name: &str) -> Result<Self, ()> {
        ANOMALIES.iter().map(|info| info.anomaly).find(|one| one.name() == name).ok_or(())
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Anomaly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_is_found_by_its_name_and_stands_at_its_place_in_the_table() {
        for (index, info) in ANOMALIES.iter().enumerate() {
            assert_eq!(info.anomaly as usize, index);
            assert_eq!(info.anomaly.name().parse(), Ok(info.anomaly));
        }
        assert_eq!("no-such-anomaly".parse::<Anomaly>(), Err(()));
    }
}
