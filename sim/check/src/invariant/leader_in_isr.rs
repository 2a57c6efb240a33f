//! `leader-in-isr`: a partition has no leader, or one that is in sync.
//!
//! hachikuji's `LeaderInIsr` has no case for "no leader". After an unclean election the ISR is the new
//! leader alone, so that the rule holds there too.

use crate::findings::{Breach, Finding};
use klab_wire::NodeId;

/// After a step of the controller.
pub(crate) fn check(leader: Option<NodeId>, isr: &[NodeId]) -> Finding {
    match leader {
        Some(leader) if !isr.contains(&leader) => {
            Err(Breach::of(format!("{leader} leads, and the ISR is {isr:?}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_in_sync_or_there_is_none() {
        let [one, other] = [NodeId::broker(1), NodeId::broker(2)];
        assert!(check(None, &[one]).is_ok());
        assert!(check(Some(one), &[one]).is_ok());
        assert!(check(Some(other), &[one]).is_err());
    }
}
