//! Ways to spoil a legal history, and the anomaly that each must be called.

#![allow(clippy::ptr_arg, reason = "every way has one type, and some add events")]

use crate::legal::histories;
use crate::told::{How, Told, judged, violated};
use klab_check::Anomaly;
use proptest::prelude::*;
use proptest::sample::Index;

/// An acknowledged record.
#[derive(Clone, Copy, Debug)]
struct Acked {
    producer: u16,
    value: u64,
    partition: u32,
    offset: u64,
}

/// The acknowledged records, in the order in which they were answered.
fn acked(history: &[Told]) -> Vec<Acked> {
    let acked = history.iter().filter_map(|told| match *told {
        Told::Ends { producer, value, how: How::Acked { partition, offset } } => {
            Some(Acked { producer, value, partition, offset })
        }
        _ => None,
    });
    acked.collect()
}

/// The indexes of the polls that returned records like these.
fn polls(history: &[Told], like: impl Fn(u16, u32, &[(u64, u64)]) -> bool) -> Vec<usize> {
    let places = history.iter().enumerate().filter(|(_, told)| match told {
        Told::Polls { consumer, partition, records } => like(*consumer, *partition, records),
        _ => false,
    });
    places.map(|(place, _)| place).collect()
}

fn choose<T: Clone>(all: &[T], index: Index) -> Option<T> {
    (!all.is_empty()).then(|| all[index.index(all.len())].clone())
}

fn records(told: &mut Told) -> &mut Vec<(u64, u64)> {
    match told {
        Told::Polls { records, .. } => records,
        _ => panic!("this is a poll"),
    }
}

/// A way to spoil a history: false if this one has nothing to spoil in this way.
type Spoil = fn(&mut Vec<Told>, Index) -> bool;

/// An acknowledged record is in no poll.
fn drop_a_record(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(lost) = choose(&acked(history), index) else { return false };
    for told in history.iter_mut() {
        if let Told::Polls { records, .. } = told {
            records.retain(|(_, value)| *value != lost.value);
        }
    }
    true
}

/// An acknowledged record comes again, at the end of its partition.
fn duplicate_a_record(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(Acked { value, partition, .. }) = choose(&acked(history), index) else { return false };
    history.push(Told::Polls { consumer: 1, partition, records: vec![(100_000, value)] });
    true
}

/// One poll has the values of two neighbours the other way round.
fn swap_two_values(history: &mut Vec<Told>, index: Index) -> bool {
    let several = polls(history, |_, _, records| records.len() > 1);
    let Some(place) = choose(&several, index) else { return false };
    let records = records(&mut history[place]);
    let at = index.index(records.len() - 1);
    (records[at].1, records[at + 1].1) = (records[at + 1].1, records[at].1);
    true
}

/// A producer is told another offset.
fn rebind_an_offset(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(rebound) = choose(&acked(history), index) else { return false };
    for told in history.iter_mut() {
        if let Told::Ends { value, how: How::Acked { offset, .. }, .. } = told
            && *value == rebound.value
        {
            *offset = 100_000;
        }
    }
    true
}

/// A producer is told the offset of another record.
fn take_anothers_offset(history: &mut Vec<Told>, index: Index) -> bool {
    let all = acked(history);
    let Some(taker) = choose(&all, index) else { return false };
    let mut others = all.iter();
    let Some(other) =
        others.find(|one| one.partition == taker.partition && one.value != taker.value)
    else {
        return false;
    };
    for told in history.iter_mut() {
        if let Told::Ends { value, how: How::Acked { offset, .. }, .. } = told
            && *value == taker.value
        {
            *offset = other.offset;
        }
    }
    true
}

/// One poll returns a value that nobody sent.
fn change_a_value(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(place) = choose(&polls(history, |_, _, _| true), index) else { return false };
    let records = records(&mut history[place]);
    let at = index.index(records.len());
    records[at].1 += 1_000_000;
    true
}

/// A poll comes before one of its values is sent.
fn read_before_the_write(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(place) = choose(&polls(history, |_, _, _| true), index) else { return false };
    let poll = history.remove(place);
    let Told::Polls { records, .. } = &poll else { panic!("this is a poll") };
    let first = records[0].1;
    let begins = |told: &Told| matches!(told, Told::Begins { value, .. } if *value == first);
    let before = history.iter().position(begins).expect("it was sent");
    history.insert(before, poll);
    true
}

/// A consumer gets the records of a poll again.
fn repeat_a_poll(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(place) = choose(&polls(history, |_, _, _| true), index) else { return false };
    history.insert(place, history[place].clone());
    true
}

/// A poll that another one of the same consumer follows is not there.
fn skip_a_poll(history: &mut Vec<Told>, index: Index) -> bool {
    let is_between = |place: &usize| {
        let Told::Polls { consumer, partition, .. } = &history[*place] else { return false };
        let same = |told: &Told| {
            matches!(told, Told::Polls { consumer: c, partition: p, .. }
            if (c, p) == (consumer, partition))
        };
        history[..*place].iter().any(same) && history[*place + 1..].iter().any(same)
    };
    let mut between = polls(history, |_, _, _| true);
    between.retain(is_between);
    let Some(place) = choose(&between, index) else { return false };
    history.remove(place);
    true
}

/// The records of one poll come in another order.
fn turn_a_poll_round(history: &mut Vec<Told>, index: Index) -> bool {
    let several = polls(history, |_, _, records| records.len() > 1);
    let Some(place) = choose(&several, index) else { return false };
    records(&mut history[place]).reverse();
    true
}

/// One poll leaves out a record in its middle.
fn leave_out_a_record(history: &mut Vec<Told>, index: Index) -> bool {
    let several = polls(history, |_, _, records| records.len() > 2);
    let Some(place) = choose(&several, index) else { return false };
    let records = records(&mut history[place]);
    records.remove(1 + index.index(records.len() - 2));
    true
}

/// A send that was acknowledged has failed, as its producer is told.
fn fail_a_send(history: &mut Vec<Told>, index: Index) -> bool {
    let Some(failed) = choose(&acked(history), index) else { return false };
    for told in history.iter_mut() {
        if let Told::Ends { value, how, .. } = told
            && *value == failed.value
        {
            *how = How::Failed;
        }
    }
    true
}

/// Two records of one producer stand in the log the other way round, as everybody saw it.
fn swap_two_sends(history: &mut Vec<Told>, index: Index) -> bool {
    let all = acked(history);
    let Some(one) = choose(&all, index) else { return false };
    let is_another = |other: &&Acked| {
        let same = (other.producer, other.partition) == (one.producer, one.partition);
        same && other.value != one.value
    };
    let Some(other) = all.iter().find(is_another) else { return false };
    let swapped = |value: u64| match value {
        value if value == one.value => other.value,
        value if value == other.value => one.value,
        value => value,
    };
    for told in history.iter_mut() {
        match told {
            Told::Polls { records, .. } => {
                records.iter_mut().for_each(|(_, value)| *value = swapped(*value));
            }
            Told::Ends { value, how: How::Acked { offset, .. }, .. } => {
                if *value == one.value {
                    *offset = other.offset;
                } else if *value == other.value {
                    *offset = one.offset;
                }
            }
            _ => {}
        }
    }
    true
}

/// Every way, and what it may be called: at least one of these must be found.
const WAYS: &[(&str, Spoil, &[Anomaly])] = &[
    ("drop a record", drop_a_record, &[Anomaly::LostWrite, Anomaly::Unseen]),
    ("duplicate a record", duplicate_a_record, &[Anomaly::Duplicate]),
    ("swap two values", swap_two_values, &[Anomaly::InconsistentOffsets]),
    ("rebind an offset", rebind_an_offset, &[Anomaly::Duplicate]),
    ("take another's offset", take_anothers_offset, &[Anomaly::InconsistentOffsets]),
    ("change a value", change_a_value, &[Anomaly::UnwrittenRead]),
    ("read before the write", read_before_the_write, &[Anomaly::UnwrittenRead]),
    ("repeat a poll", repeat_a_poll, &[Anomaly::NonmonotonicPoll]),
    ("skip a poll", skip_a_poll, &[Anomaly::PollSkip]),
    ("turn a poll round", turn_a_poll_round, &[Anomaly::IntNonmonotonicPoll]),
    ("leave out a record", leave_out_a_record, &[Anomaly::IntPollSkip]),
    ("fail a send", fail_a_send, &[Anomaly::AbortedRead]),
    ("swap two sends", swap_two_sends, &[Anomaly::NonmonotonicSend]),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_spoil_a_history_is_noticed(history in histories(), index in any::<Index>()) {
        for (name, spoil, called) in WAYS {
            let mut spoilt = history.clone();
            if !spoil(&mut spoilt, index) {
                continue;
            }
            let verdict = judged(&spoilt);
            let violated = violated(&verdict);
            let is_called = called.iter().any(|anomaly| violated.contains(anomaly));
            prop_assert!(is_called, "{name}: {violated:?} in {spoilt:#?}");
        }
    }
}
