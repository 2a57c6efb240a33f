//! `leader-is-alive`: who leads is not fenced.
//!
//! An election takes a broker that the controller hears of. A fenced one serves nobody, and nothing would
//! move the lead away from it: it has been fenced already (KAFKA-19522).

use crate::findings::{Breach, Finding};
use klab_wire::NodeId;

/// This broker leads, if any does.
pub(crate) fn check(leader: Option<NodeId>, is_fenced: impl Fn(NodeId) -> bool) -> Finding {
    match leader.filter(|leader| is_fenced(*leader)) {
        None => Ok(()),
        Some(leader) => Err(Breach::of(format!("{leader} leads and is fenced"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_not_fenced_and_no_leader_is_no_breach() {
        let (b1, b2) = (NodeId::broker(1), NodeId::broker(2));
        let is_fenced = |broker| broker == b2;
        assert!(check(None, is_fenced).is_ok() && check(Some(b1), is_fenced).is_ok());
        assert!(check(Some(b2), is_fenced).is_err());
    }
}
