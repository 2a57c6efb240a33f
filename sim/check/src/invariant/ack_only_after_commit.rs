//! `ack-only-after-commit`: with `acks=all`, success means committed, by enough replicas.
//!
//! KIP-16 and `Partition.checkEnoughReplicasReachOffset`: the delayed produce request is answered when
//! the high watermark has passed its last record, and with NOT_ENOUGH_REPLICAS_AFTER_APPEND if the ISR is
//! too small by then.

use crate::findings::{Breach, Finding};
use klab_wire::{Acks, ErrorCode, Offset};

/// A leader's answer to a produce request, and what was true when it gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) acks: Acks,
    pub(crate) error: ErrorCode,
    pub(crate) last: Option<Offset>,
    pub(crate) high_watermark: Offset,
    /// How many the leader knows to be in sync: the controller may know better.
    pub(crate) in_sync: u32,
    /// What is below was committed when enough were in sync, and could be acknowledged then: the answer may
    /// have waited for other partitions of the request.
    pub(crate) acknowledgeable: Offset,
    /// How many it must be, as the leader knows it.
    pub(crate) min_isr: u32,
}

/// Whether the answer was due.
pub(crate) fn check(answer: Answer) -> Finding {
    let Answer { last: Some(last), acks: Acks::All, error: ErrorCode::None, .. } = answer else {
        return Ok(());
    };
    let Answer { high_watermark, in_sync, acknowledgeable, min_isr, .. } = answer;
    if acknowledgeable > last {
        return Ok(());
    }
    if high_watermark <= last {
        return Err(Breach::of(format!(
            "offset {last} was acknowledged at high watermark {high_watermark}"
        )));
    }
    if in_sync < min_isr {
        return Err(Breach::of(format!(
            "offset {last} was acknowledged with {in_sync} replicas in sync, {min_isr} are needed"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Answer = Answer {
        acks: Acks::All,
        error: ErrorCode::None,
        last: Some(Offset(4)),
        high_watermark: Offset(5),
        in_sync: 2,
        acknowledgeable: Offset(0),
        min_isr: 2,
    };

    #[test]
    fn success_needs_the_high_watermark_beyond_the_record_and_enough_replicas() {
        let cases = [
            (DUE, true),
            (Answer { high_watermark: Offset(4), ..DUE }, false),
            (Answer { in_sync: 1, ..DUE }, false),
            (Answer { in_sync: 1, acknowledgeable: Offset(4), ..DUE }, false),
            (Answer { in_sync: 1, acknowledgeable: Offset(5), ..DUE }, true),
            (Answer { high_watermark: Offset(4), acks: Acks::Leader, ..DUE }, true),
            (Answer { in_sync: 1, error: ErrorCode::NotEnoughReplicasAfterAppend, ..DUE }, true),
        ];
        for (answer, kept) in cases {
            assert_eq!(check(answer).is_ok(), kept, "{answer:?}");
        }
    }
}
