//! All copies together, held against logs that are kept the plain way.

use super::*;
use crate::verdict::Moment;
use klab_wire::{LeaderEpoch, NodeId, Offset, Time};
use proptest::prelude::*;

const AT: Moment = Moment { step: 0, time: Time::ZERO, node: NodeId::broker(1) };

fn batch(base: u64, count: u64, epoch: u32) -> Batch {
    let offsets = (Offset(base), Offset(base + count - 1));
    Batch::appended(AT, offsets, LeaderEpoch(epoch), u64::from(epoch))
}

fn cut(from: u64, to: u64, cause: CutCause) -> Cut {
    Cut { at: AT, from: Offset(from), to: Offset(to), cause, damaged: false, elections: 0 }
}

/// What one of three replicas does: append a batch of its epoch, or lose its end.
#[derive(Clone, Copy, Debug)]
enum Act {
    Append { replica: usize, count: u64, epoch: u32 },
    Cut { replica: usize, back: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let append = (0..3_usize, 1..4_u64, 0..3_u32).prop_map(|(replica, count, epoch)| Act::Append {
        replica,
        count,
        epoch,
    });
    let cut = (0..3_usize, 0..9_u64).prop_map(|(replica, back)| Act::Cut { replica, back });
    proptest::collection::vec(prop_oneof![4 => append, 1 => cut], 0..60)
}

/// Three logs kept the plain way: each a list of (base, last, epoch).
type Logs = [Vec<(u64, u64, u32)>; 3];

fn end_of(log: &[(u64, u64, u32)]) -> u64 {
    log.last().map_or(0, |(_, last, _)| last + 1)
}

fn act(copies: &mut Copies, logs: &mut Logs, act: Act) {
    match act {
        Act::Append { replica, count, epoch } => {
            let base = end_of(&logs[replica]);
            logs[replica].push((base, base + count - 1, epoch * 10 + count as u32));
            let told = batch(base, count, epoch * 10 + count as u32);
            copies.append(NodeId::broker(replica as u16 + 1), &told);
        }
        Act::Cut { replica, back } => {
            let log = &mut logs[replica];
            let keep = log.len().saturating_sub(back as usize);
            let (from, to) = (end_of(log), end_of(&log[..keep]));
            log.truncate(keep);
            let node = NodeId::broker(replica as u16 + 1);
            copies.cut(node, cut(from, to, CutCause::Truncated));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_copies_together_say_what_each_log_says(acts in acts()) {
        let (mut copies, mut logs) = (Copies::default(), Logs::default());
        acts.into_iter().for_each(|one| act(&mut copies, &mut logs, one));
        for (log, number) in logs.iter().zip(1..) {
            let Some(slot) = copies.find(NodeId::broker(number)) else {
                prop_assert!(log.is_empty());
                continue;
            };
            let held = copies.batches.iter().filter(|batch| batch.is_held_by(slot));
            let held: Vec<_> = held.map(|b| (b.base.0, b.last.0, b.epoch.0)).collect();
            prop_assert_eq!(&held, log);
            let mut from = 0;
            for (base, last, epoch) in log {
                let mut there = copies.at(Offset((base + last) / 2), &mut from);
                prop_assert!(there.any(|b| b.is_held_by(slot) && b.epoch.0 == *epoch));
            }
        }
    }

    #[test]
    fn replicas_disagree_exactly_where_their_logs_differ(acts in acts()) {
        let (mut copies, mut logs) = (Copies::default(), Logs::default());
        acts.into_iter().for_each(|one| act(&mut copies, &mut logs, one));
        for replica in &mut copies.replicas {
            replica.high_watermark = replica.end.unwrap_or_default();
        }
        let differs = |one: &[(u64, u64, u32)], other: &[(u64, u64, u32)]| {
            one.iter().zip(other).any(|(a, b)| a != b)
        };
        let plain = differs(&logs[0], &logs[1]) || differs(&logs[0], &logs[2]);
        prop_assert_eq!(copies.disagreement(NodeId::broker(1)).is_some(), plain);
    }
}

#[test]
fn what_was_flushed_is_not_counted_as_lost_with_the_page_cache() {
    let node = NodeId::broker(1);
    let mut copies = Copies::default();
    for base in [0, 1, 2] {
        copies.append(node, &batch(base, 1, 0));
    }
    copies.commit(node, Offset(0), Offset(2), Promised { replicas: 1, flushed: false });
    copies.replica_mut(node).expect("it has a slot").flushed = Offset(1);
    let lost = copies.cut(node, cut(3, 0, CutCause::Reloaded));
    assert_eq!(lost.committed_from, Some(Offset(0)));
    let lossy: Vec<_> = copies.batches.iter().map(|batch| batch.lost_by).collect();
    assert_eq!(lossy, [0, 1, 1]);
}

#[test]
fn what_every_replica_has_deleted_is_forgotten() {
    let mut copies = Copies::default();
    for node in [NodeId::broker(1), NodeId::broker(2)] {
        copies.append(node, &batch(0, 3, 0));
        copies.append(node, &batch(3, 3, 0));
    }
    copies.start_at(NodeId::broker(1), Offset(3));
    assert_eq!(copies.batches.len(), 2);
    copies.start_at(NodeId::broker(2), Offset(3));
    assert_eq!(copies.batches.len(), 2, "a power cut may still show what was flushed");
    for number in [1, 2] {
        copies.replica_mut(NodeId::broker(number)).expect("it has a slot").flushed = Offset(3);
    }
    copies.start_at(NodeId::broker(2), Offset(3));
    assert_eq!(copies.batches.len(), 1);
}
