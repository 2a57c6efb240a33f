//! `no-fenced-broker-in-isr`: a fenced broker is in no ISR that has another member.
//!
//! Vanlightly's `ValidControllerState` for v3.5. The last member of an ISR stays in it when it is fenced,
//! because it alone is known to have everything. With eligible leader replicas even that one leaves.

use crate::findings::{Breach, Finding};
use klab_wire::NodeId;

/// After a step of the controller.
pub(crate) fn check(isr: &[NodeId], is_fenced: impl Fn(NodeId) -> bool) -> Finding {
    match isr.iter().find(|member| is_fenced(**member)) {
        Some(member) if isr.len() > 1 => {
            Err(Breach::of(format!("{member} is fenced, and in the ISR {isr:?}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_broker_stays_only_as_the_last_member() {
        let [one, other] = [NodeId::broker(1), NodeId::broker(2)];
        assert!(check(&[one], |node| node == one).is_ok());
        assert!(check(&[one, other], |_| false).is_ok());
        assert!(check(&[one, other], |node| node == one).is_err());
    }
}
