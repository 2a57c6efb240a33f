//! What faults hold disturbed, and how many of them do.

use klab_wire::NodeId;
use std::collections::BTreeMap;

/// Something that a fault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    Down(NodeId),
    Paused(NodeId),
    Link(NodeId, NodeId),
    LinkSpeed(NodeId, NodeId),
    DiskSpeed(NodeId),
    DiskFailure(NodeId),
    DiskSpace(NodeId),
    HostSpeed(NodeId),
}

/// See the module. A fault without an end holds for ever, or until an act says the opposite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(BTreeMap<Held, u32>);

impl Holds {
    /// One more fault holds it.
    pub(crate) fn take(&mut self, held: Held) {
        *self.0.entry(held).or_default() += 1;
    }

    /// One of the faults is over. Tells whether nothing holds it any more.
    pub(crate) fn release(&mut self, held: Held) -> bool {
        match self.0.get_mut(&held) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => {
                self.0.remove(&held);
                true
            }
            // An act has said the opposite meanwhile: there is nothing left to undo.
            None => false,
        }
    }

    /// An act says the opposite: nothing holds it.
    pub(crate) fn forget(&mut self, held: Held) {
        self.0.remove(&held);
    }

    /// The processes that faults keep down, or have asked to go.
    pub(crate) fn kept_down(&self) -> Vec<NodeId> {
        let node = |held: &Held| match held {
            Held::Down(node) => Some(*node),
            _ => None,
        };
        self.0.keys().filter_map(node).collect()
    }

    /// Nothing holds anything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_faults_hold_is_free_when_both_are_over() {
        let (mut holds, held) = (Holds::default(), Held::Paused(NodeId::broker(1)));
        holds.take(held);
        holds.take(held);
        assert!(!holds.release(held));
        assert!(holds.release(held));
        holds.take(held);
        holds.forget(held);
        assert!(!holds.release(held), "what was resumed by hand is not resumed again");
    }
}
