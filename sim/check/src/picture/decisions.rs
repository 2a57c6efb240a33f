//! What controllers have decided, until it is in force.
//!
//! A controller states a decision when it makes it. In force it is when the quorum has committed the batch
//! that holds its records; a controller that falls before leaves decisions behind that nobody ever hears
//! of, and its successor decides from where the committed ones end. So each decision waits here for its
//! batch, and is thrown away with it.

use super::copies::Copies;
use crate::verdict::Moment;
use klab_machine::fact::ControllerFact;
use klab_wire::{LeaderEpoch, NodeId, Offset};
use std::collections::BTreeMap;

/// Decisions that are not in force yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions {
    /// Made, and waiting for their controller's next batch.
    unwritten: BTreeMap<NodeId, Vec<Decision>>,
    /// Written in a batch of the metadata log, in the order in which they were.
    written: Vec<Written>,
}

/// A decision, and when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) at: Moment,
    pub(crate) fact: ControllerFact,
    /// The end of its batch, once it is written.
    pub(crate) last: Offset,
}

/// The decisions whose records end with one batch.
#[derive(Clone, Debug)]
struct Written {
    /// When it was appended, and by whom.
    at: Moment,
    epoch: LeaderEpoch,
    last: Offset,
    decisions: Vec<Decision>,
}

impl Decisions {
    /// A controller decides.
    pub(crate) fn make(&mut self, at: Moment, fact: &ControllerFact) {
        let decision = Decision { at, fact: fact.clone(), last: Offset(0) };
        self.unwritten.entry(at.node).or_default().push(decision);
    }

    /// A controller lost its office or its life: what it had not written down is void.
    pub(crate) fn abandon(&mut self, node: NodeId) {
        self.unwritten.remove(&node);
    }

    /// A leader of the quorum appends a batch. What it has decided so far is in it, or in the last one of
    /// this step if there are several.
    pub(crate) fn write(&mut self, at: Moment, epoch: LeaderEpoch, last: Offset) {
        if let Some(earlier) = self.written.last_mut().filter(|earlier| earlier.at == at) {
            earlier.last = last;
        }
        if let Some(decisions) = self.unwritten.remove(&at.node) {
            self.written.push(Written { at, epoch, last, decisions });
        }
    }

    /// The quorum has committed everything below `to`: takes out what is in force from now on. What was
    /// in batches that lost their place to others is void.
    pub(crate) fn take_committed(&mut self, copies: &Copies, to: Offset) -> Vec<Decision> {
        let mut in_force = Vec::new();
        self.written.retain_mut(|written| {
            if written.last >= to {
                return true;
            }
            if copies.is_committed(written.last, written.epoch) {
                written.decisions.iter_mut().for_each(|decision| decision.last = written.last);
                in_force.append(&mut written.decisions);
            }
            false
        });
        in_force
    }
}
