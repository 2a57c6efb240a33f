//! What was done to the deployment so far: a proof names the last fault before it.

use crate::verdict::{Moment, Witness};
use klab_machine::fact::WorldFact;

/// The faults so far, in the order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    faults: Vec<(Moment, String)>,
}

impl Faults {
    /// Notes what the world did, if it is a fault and not the end of one.
    pub(crate) fn watch(&mut self, at: Moment, fact: &WorldFact) {
        if is_fault(fact) {
            self.note(at, fact.to_string().trim_end().to_owned());
        }
    }

    pub(crate) fn note(&mut self, at: Moment, what: String) {
        self.faults.push((at, what));
    }

    /// The last fault before a moment.
    pub(super) fn before(&self, at: Moment) -> Option<Witness> {
        let after = self.faults.partition_point(|(fault, _)| fault.step <= at.step);
        let (at, what) = self.faults.get(after.checked_sub(1)?)?;
        Some(Witness { at: *at, what: format!("fault: {what}") })
    }
}

/// Whether this is done to the deployment, and is not the end of such a thing.
pub const fn is_fault(fact: &WorldFact) -> bool {
    use WorldFact as F;
    match fact {
        F::ProcessStarted { .. }
        | F::ProcessResumed {}
        | F::LinkHealed { .. }
        | F::SelectorUnmatched { .. }
        | F::HealingBegan {}
        | F::CollectionNoticed { .. } => false,
        F::DiskSlowed { percent } | F::HostSlowed { percent } => *percent != 100,
        F::DiskFilled { full } => *full,
        F::DiskFailed { failing } => *failing,
        F::LinkSlowed { latency, loss_ppm, .. } => latency.0 != 0 || *loss_ppm != 0,
        F::ProcessCrashed {}
        | F::PowerCut { .. }
        | F::ProcessHalted {}
        | F::ProcessPaused {}
        | F::ShutdownRequested {}
        | F::LinkCut { .. }
        | F::DiskCorrupted { .. }
        | F::DiskReplaced {}
        | F::ClockStepped { .. }
        | F::MessagesTampered { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{NodeId, Time};

    #[test]
    fn the_last_fault_before_a_moment_is_found_and_the_end_of_one_is_none() {
        let at = |step| Moment { step, time: Time(step), node: NodeId::broker(1) };
        let mut faults = Faults::default();
        faults.watch(at(3), &WorldFact::ProcessCrashed {});
        faults.watch(at(5), &WorldFact::ProcessStarted { life: 2 });
        faults.watch(at(7), &WorldFact::ProcessPaused {});
        let before = |step| faults.before(at(step)).map(|witness| witness.at.step);
        assert_eq!([2, 3, 6, 9].map(before), [None, Some(3), Some(3), Some(7)]);
    }
}
