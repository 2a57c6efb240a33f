//! `end-offset-is-monotonic`: the end of a partition, as one client is told it, never goes back (KIP-207).
//!
//! Asked client by client: two that ask two leaders at once may well be told different ends. And question by
//! question: an answer that a cut link held up tells of the time when it was asked for.

use crate::findings::{Breach, Finding};
use crate::verdict::Moment;
use klab_wire::{Offset, Time};

/// A client learned where the partition ends, in answer to a question of this time. `told` is what it was told
/// before, ever higher; notes it.
pub(crate) fn check(
    told: &mut Vec<(Time, Offset)>,
    at: Moment,
    asked: Time,
    end: Offset,
) -> Finding {
    let known = told.iter().rev().find(|(time, _)| *time <= asked).map(|(_, end)| *end);
    if told.last().is_none_or(|(_, highest)| end > *highest) {
        told.push((at.time, end));
    }
    match known.filter(|known| end < *known) {
        None => Ok(()),
        Some(known) => {
            let client = at.node;
            Err(Breach::of(format!("{client} was told that it ends at {known}, then {end}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::NodeId;

    #[test]
    fn a_client_that_knows_the_end_is_not_told_a_lower_one() {
        let mut told = Vec::new();
        let mut learns = |time, asked, end| {
            let at = Moment { step: 0, time: Time(time), node: NodeId::consumer(1) };
            check(&mut told, at, Time(asked), Offset(end)).is_ok()
        };
        assert!(learns(10, 9, 10));
        assert!(learns(12, 11, 10));
        assert!(learns(20, 19, 12));
        assert!(learns(22, 13, 10), "asked before 12 was known");
        assert!(!learns(23, 13, 9), "10 was known then");
        assert!(!learns(30, 29, 11));
        assert!(learns(40, 39, 12));
    }
}
