//! `sequence-has-no-gap-and-no-repeat`: a producer's sequences in a leader's log follow each other.
//!
//! KIP-98, `ProducerAppendInfo.checkSequence`: a new producer epoch starts at sequence 0; a producer that
//! the log does not know (new, expired, deleted by retention) may start anywhere.

use crate::findings::{Breach, Finding};
use crate::picture::ProducerTail;
use klab_wire::{BatchProducer, Sequence};

/// A leader appended this batch after what the log had of its producer.
pub(crate) fn check(known: Option<ProducerTail>, batch: BatchProducer) -> Finding {
    let (Some(base), Some(known)) = (batch.base_sequence, known) else { return Ok(()) };
    let fits = match batch.epoch.cmp(&known.epoch) {
        std::cmp::Ordering::Equal => base == known.next,
        std::cmp::Ordering::Greater => base == Sequence(0),
        std::cmp::Ordering::Less => false,
    };
    match fits {
        true => Ok(()),
        false => Err(Breach::of(format!(
            "producer {} epoch {} appended sequence {base}, the log expects {} of epoch {}",
            batch.id, batch.epoch, known.next, known.epoch
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{ProducerEpoch, ProducerId};

    #[test]
    fn sequences_continue_wrap_and_start_over_with_a_new_epoch() {
        let known =
            |epoch, next| Some(ProducerTail { epoch: ProducerEpoch(epoch), next: Sequence(next) });
        let cases = [
            (None, 0, 7, true),
            (known(0, 7), 0, 7, true),
            (known(0, 7), 0, 8, false),
            (known(0, 7), 0, 6, false),
            (known(0, 7), 1, 0, true),
            (known(0, 7), 1, 7, false),
            (known(1, 7), 0, 7, false),
        ];
        for (known, epoch, base, kept) in cases {
            let batch = BatchProducer {
                id: ProducerId(1),
                epoch: ProducerEpoch(epoch),
                base_sequence: Some(Sequence(base)),
            };
            assert_eq!(check(known, batch).is_ok(), kept, "{known:?} {batch:?}");
        }
    }
}
