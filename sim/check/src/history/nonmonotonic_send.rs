//! `nonmonotonic-send`, and `int-nonmonotonic-send` within one operation: a later send got a lower offset.
//!
//! Calls are in order when one has returned before the next began; a producer's calls return at once, so that
//! their order is the order in which they began. A send that waits for memory or metadata has not returned, and
//! under an open load others overtake it: they may find room in a batch that is there already. So a send that
//! waited is held against those before it, and nothing is held against it.
//!
//! As in Jepsen, each send is compared with the one before it to the same partition. What is lost (as far as the
//! logs can be asked) is not there to be out of order.

use super::anomaly::Anomaly;
use super::faults::Faults;
use super::partition::Ack;
use super::permits::Permits;
use super::pieces::Piece;
use crate::findings::{Findings, Found};
use crate::promise::Promise;
use crate::verdict::Moment;
use klab_machine::Value;
use klab_wire::{NodeId, Offset, TopicPartition};
use std::collections::BTreeMap;

/// So many clients are looked through one by one.
const FEW: usize = 32;

/// Of each client the latest send to a partition that has been judged.
pub(super) type Latest = BTreeMap<NodeId, Send>;

/// An acknowledged send, or the piece of it that is still there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Send {
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) ack: Ack,
}

/// Asks of the sends of all clients to one partition, in the order in which each client sent them, whether
/// their offsets grow.
pub(super) fn judge(
    name: &TopicPartition,
    sends: &[Send],
    latest: &mut Latest,
    permits: &Permits,
    faults: &Faults,
    findings: &mut Findings,
) {
    for its in sends.chunk_by(|one, other| one.client() == other.client()) {
        let mut before = latest.get(&its[0].client()).copied();
        for send in its {
            findings.kept(Promise::PerPartitionOrder, 1);
            findings.looked_for(send.anomaly(), 1);
            if let Some(before) = before.filter(|before| send.from < before.to) {
                report(name, &before, send, permits, faults, findings);
            }
            before = if send.ack.waited { before } else { Some(*send) };
        }
        latest.extend(before.map(|before| (before.client(), before)));
    }
}

/// Whether pieces in the order of their offsets are in the order of each client's sends, too, as nearly all are:
/// then no send of theirs got a lower offset than one before it.
pub(super) fn are_in_order<'a>(mut pieces: impl Iterator<Item = &'a Piece<'a>>) -> bool {
    let mut latest: Vec<(NodeId, u32, Offset)> = Vec::new();
    pieces.all(|piece| {
        let (client, order) = (piece.client(), piece.ack.order);
        match latest.iter_mut().find(|(other, ..)| *other == client) {
            Some((_, before, end)) => {
                let is_in_order = *before <= order && *end <= piece.from;
                (*before, *end) = (order, piece.to);
                is_in_order
            }
            None => {
                latest.push((client, order, piece.to));
                latest.len() <= FEW
            }
        }
    })
}

/// Counts looks that found nothing.
pub(super) fn note(looks: u64, findings: &mut Findings) {
    findings.kept(Promise::PerPartitionOrder, looks);
    findings.looked_for(Anomaly::NonmonotonicSend, looks);
}

/// The order in which sends are judged.
pub(super) fn sort(sends: &mut [Send]) {
    sends.sort_unstable_by_key(|send| (send.client(), send.ack.order, send.from));
}

fn report(
    name: &TopicPartition,
    before: &Send,
    send: &Send,
    permits: &Permits,
    faults: &Faults,
    findings: &mut Findings,
) {
    let client = send.client();
    // Without logs to ask, the earlier one may be lost and its offset given again.
    let excuse = permits.of_overtaking(client).or_else(|| permits.of_loss(None, client));
    let at = |send: &Send| -> Moment { send.ack.at };
    let found = Found {
        anomaly: send.anomaly(),
        at: at(send),
        partition: name,
        records: send.to.since(send.from),
        permitted_by: excuse.or_else(|| permits.of_reuse(send.from)),
    };
    findings.found(found, || {
        let [first, second] = [before, send].map(|one| Value(one.ack.value_at(one.from)));
        let what = format!(
            "value {first} was sent before {second}, they stand at offsets {} and {}",
            before.from, send.from
        );
        let last = at(send).max(at(before));
        let witnesses = [before.ack.witness(), send.ack.witness()].into_iter();
        (what, witnesses.chain(faults.before(last)).collect())
    });
}

impl Send {
    pub(super) fn of(ack: &Ack) -> Self {
        Send { from: ack.offset, to: ack.end(), ack: *ack }
    }

    pub(super) const fn client(&self) -> NodeId {
        self.ack.at.node
    }

    const fn anomaly(&self) -> Anomaly {
        match self.ack.continues {
            true => Anomaly::IntNonmonotonicSend,
            false => Anomaly::NonmonotonicSend,
        }
    }
}
