//! Legal histories: a cluster that does everything right, and changes that keep a history legal.

use crate::told::{How, Told, judged, violated};
use proptest::prelude::*;
use std::collections::BTreeMap;

pub const PARTITIONS: u32 = 2;
const CONSUMERS: u16 = 2;

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A producer sends to a partition, whose log leaves a hole before the record; the answer takes so many
    /// more steps.
    Send { producer: u16, partition: u32, hole: u64, fate: Fate, answered_after: usize },
    /// A consumer polls a partition, at most so many records.
    Poll { consumer: u16, partition: u32, most: usize },
}

/// What becomes of a send, and what its producer is told of it.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Acked,
    WrittenButUnknown,
    NotWrittenAndUnknown,
    Failed,
}

#[derive(Default)]
struct Cluster {
    told: Vec<Told>,
    logs: [Vec<(u64, u64)>; PARTITIONS as usize],
    read: BTreeMap<(u16, u32), usize>,
    answers: Vec<(usize, Told)>,
    sent: u64,
}

impl Cluster {
    fn step(&mut self, step: Step) {
        match step {
            Step::Send { producer, partition, hole, fate, answered_after } => {
                let how = self.send(producer, partition, hole, fate);
                let answer = Told::Ends { producer, value: self.sent, how };
                self.answers.push((answered_after, answer));
            }
            Step::Poll { consumer, partition, most } => self.poll(consumer, partition, most),
        }
        for (after, _) in &mut self.answers {
            *after = after.saturating_sub(1);
        }
        let due = self.answers.extract_if(.., |(after, _)| *after == 0);
        self.told.extend(due.map(|(_, answer)| answer));
    }

    fn send(&mut self, producer: u16, partition: u32, hole: u64, fate: Fate) -> How {
        self.sent += 1;
        let value = self.sent;
        self.told.push(Told::Begins { producer, value });
        let log = &mut self.logs[partition as usize];
        let offset = log.last().map_or(0, |(last, _)| last + 1) + hole;
        match fate {
            Fate::Acked => {
                log.push((offset, value));
                How::Acked { partition, offset }
            }
            Fate::WrittenButUnknown => {
                log.push((offset, value));
                How::Unknown
            }
            Fate::NotWrittenAndUnknown => How::Unknown,
            Fate::Failed => How::Failed,
        }
    }

    fn poll(&mut self, consumer: u16, partition: u32, most: usize) {
        let log = &self.logs[partition as usize];
        let next = self.read.entry((consumer, partition)).or_default();
        let records: Vec<_> = log.iter().skip(*next).take(most).copied().collect();
        *next += records.len();
        if !records.is_empty() {
            self.told.push(Told::Polls { consumer, partition, records });
        }
    }
}

/// The history of these steps; in the end everything is answered and read.
pub fn history(steps: &[Step]) -> Vec<Told> {
    let mut cluster = Cluster::default();
    steps.iter().for_each(|step| cluster.step(*step));
    let answers = std::mem::take(&mut cluster.answers);
    cluster.told.extend(answers.into_iter().map(|(_, answer)| answer));
    for consumer in 1..=CONSUMERS {
        (0..PARTITIONS).for_each(|partition| cluster.poll(consumer, partition, usize::MAX));
    }
    cluster.told
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        6 => Just(Fate::Acked),
        1 => Just(Fate::WrittenButUnknown),
        1 => Just(Fate::NotWrittenAndUnknown),
        1 => Just(Fate::Failed),
    ];
    let hole = prop_oneof![3 => Just(0), 1 => 1..4_u64];
    let send = (1..4_u16, 0..PARTITIONS, hole, fate, 1..6_usize);
    let send = send.prop_map(|(producer, partition, hole, fate, answered_after)| Step::Send {
        producer,
        partition,
        hole,
        fate,
        answered_after,
    });
    let poll = (1..=CONSUMERS, 0..PARTITIONS, 1..5_usize);
    let poll =
        poll.prop_map(|(consumer, partition, most)| Step::Poll { consumer, partition, most });
    prop_oneof![3 => send, 2 => poll]
}

/// Any legal history.
pub fn histories() -> impl Strategy<Value = Vec<Told>> {
    proptest::collection::vec(step(), 20..120).prop_map(|steps| history(&steps))
}

fn assert_valid(history: &[Told]) -> Result<(), TestCaseError> {
    let verdict = judged(history);
    let violated = violated(&verdict);
    prop_assert!(violated.is_empty(), "{violated:?} in {history:#?}\n{verdict:#?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_history_is_valid(history in histories()) {
        assert_valid(&history)?;
    }

    #[test]
    fn unknown_outcomes_keep_it_legal(history in histories(), which in any::<u64>()) {
        let mut history = history;
        for (told, bit) in history.iter_mut().zip(0..) {
            if let Told::Ends { how: how @ How::Acked { .. }, .. } = told
                && which >> (bit % 64) & 1 == 1
            {
                *how = How::Unknown;
            }
        }
        assert_valid(&history)?;
    }

    #[test]
    fn sends_that_never_end_keep_it_legal(history in histories(), which in any::<u64>()) {
        let mut bit = 0;
        let mut history = history;
        history.retain(|told| {
            bit += 1;
            !matches!(told, Told::Ends { .. }) || which >> (bit % 64) & 1 == 0
        });
        assert_valid(&history)?;
    }

    #[test]
    fn gaps_between_offsets_keep_it_legal(history in histories(), factor in 2..9_u64) {
        let sparse = |offset: &mut u64| *offset = *offset * factor + 1;
        let mut history = history;
        for told in &mut history {
            match told {
                Told::Ends { how: How::Acked { offset, .. }, .. } => sparse(offset),
                Told::Polls { records, .. } => {
                    records.iter_mut().for_each(|(offset, _)| sparse(offset));
                }
                _ => {}
            }
        }
        assert_valid(&history)?;
    }

    #[test]
    fn late_acknowledgements_keep_it_legal(history in histories(), which in any::<u64>()) {
        let mut bit = 0;
        let is_late = |told: &Told| {
            bit += 1;
            matches!(told, Told::Ends { .. }) && which >> (bit % 64) & 1 == 1
        };
        let (late, mut history): (Vec<Told>, Vec<Told>) = history.into_iter().partition(is_late);
        history.extend(late.into_iter().rev());
        assert_valid(&history)?;
    }

    #[test]
    fn operations_whose_beginning_is_not_told_keep_it_legal(history in histories()) {
        // Their order is that of their ends then: only what ends in the order of the log is sure to be in order.
        let mut history = history;
        history.retain(|told| !matches!(told, Told::Begins { .. }));
        let verdict = judged(&history);
        let violated = violated(&verdict);
        let order = klab_check::Anomaly::NonmonotonicSend;
        prop_assert!(violated.iter().all(|anomaly| *anomaly == order), "{violated:?}");
    }
}
