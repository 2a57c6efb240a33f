//! `no-acked-record-is-lost`, asked of the logs: what a run can know beyond its clients' history.
//!
//! For every record of an acknowledged send with an offset: the log of the last leader has at that offset the
//! batch that was acknowledged, or starts above it (retention and DeleteRecords are no loss). A partition
//! without a leader has lost what no replica has. What clients alone can tell is `lost_write.rs`.

use super::Judged;
use super::pieces::{Logs, Piece};
use crate::findings::{Breach, Findings};
use crate::picture::Batch;
use crate::promise::Promise;
use crate::verdict::Witness;
use klab_machine::Value;
use klab_wire::{Acks, NodeId};

/// Judges what became of the pieces; those of one batch and one client are one break.
pub(super) fn judge(judged: &Judged, findings: &mut Findings) {
    let leader = Logs::new(judged.permits.picture).leader;
    let lost: Vec<(&Piece, Option<&Batch>)> =
        judged.pieces.iter().filter_map(Piece::lost).collect();
    for group in lost.chunk_by(|one, other| belong_together(one, other)) {
        report(judged, leader, group, findings);
    }
}

fn report(
    judged: &Judged,
    leader: Option<NodeId>,
    group: &[(&Piece, Option<&Batch>)],
    findings: &mut Findings,
) {
    let ((first, batch), (last, _)) = (group[0], group[group.len() - 1]);
    let records = last.to.since(first.from);
    let client = first.client();
    let acks = match judged.permits.producer(client).acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    };
    let what = format!(
        "{} at {} ({}), acknowledged to {client} with acks={acks}, {}: {}",
        if records == 1 { "record" } else { "records" },
        span(first.from.0, last.to.0),
        values(group),
        if records == 1 { "is lost" } else { "are lost" },
        whereabouts(batch, leader, if records == 1 { "it" } else { "them" }),
    );
    let acked = Witness { at: first.ack.at, what: "is told that the broker has it".to_owned() };
    let picture = judged.permits.picture;
    let story = batch.zip(picture).map(|(batch, picture)| picture.story(batch)).unwrap_or_default();
    // The fault before the log lost it, or at least before its producer was told.
    let lost_at = story.iter().map(|witness| witness.at).max().unwrap_or(first.ack.at);
    let breach = Breach::of(what)
        .about(records)
        .permitted(judged.permits.of_loss(batch, client))
        .shown_by([acked])
        .shown_by(story)
        .shown_by(judged.topic.fault_before(lost_at));
    findings.broken(Promise::NoAckedRecordIsLost, first.ack.at, Some(judged.name), breach);
}

fn whereabouts(batch: Option<&Batch>, leader: Option<NodeId>, it: &str) -> String {
    match (batch, leader) {
        (None, _) => format!("no log ever had {it} there"),
        (Some(_), None) => format!("no replica has {it}, and none leads"),
        (Some(batch), Some(leader)) if batch.holders == 0 => {
            format!("no replica has {it}, {leader} leads")
        }
        (Some(_), Some(leader)) => format!("{leader}, which leads, does not have {it}"),
    }
}

/// Neighbours in one batch of one client.
fn belong_together(
    (one, its): &(&Piece, Option<&Batch>),
    (other, others): &(&Piece, Option<&Batch>),
) -> bool {
    let same = match (its, others) {
        (Some(a), Some(b)) => a.is(b.base, b.epoch, b.digest),
        (None, None) => true,
        _ => false,
    };
    same && one.client() == other.client() && one.to == other.from
}

fn span(from: u64, to: u64) -> String {
    match to - from {
        1 => format!("offset {from}"),
        _ => format!("offsets {from}..{}", to - 1),
    }
}

/// The values that are lost, in the order of their offsets; neighbours as a range.
fn values(group: &[(&Piece, Option<&Batch>)]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (piece, _) in group {
        let (first, count) = (piece.ack.value_at(piece.from), piece.to.since(piece.from));
        match ranges.last_mut() {
            Some((begin, length)) if *begin + *length == first => *length += count,
            _ => ranges.push((first, count)),
        }
    }
    let listed: Vec<String> =
        ranges.iter().take(8).map(|(first, count)| value_range(*first, *count)).collect();
    let more = if ranges.len() > listed.len() { ", .." } else { "" };
    match ranges[..] {
        [(_, 1)] => format!("value {}", listed[0]),
        _ => format!("values {}{more}", listed.join(", ")),
    }
}

fn value_range(first: u64, count: u64) -> String {
    match count {
        1 => Value(first).to_string(),
        _ => format!("{}..{}", Value(first), Value(first + count - 1).count()),
    }
}
