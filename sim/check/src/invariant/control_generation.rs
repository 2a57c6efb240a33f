//! `no-former-generation-is-obeyed`: a broker does nothing that was said by a controller that is no more, or to a
//! life of its own that is no more (KIP-380).
//!
//! C-GEN. A controller's requests travel for as long as they like: by the time one arrives there may be another
//! controller, and the broker may have died and come back. Which life was spoken to the request says in every
//! release, whether the broker looks at it or not.

use crate::findings::{Breach, Finding};
use klab_wire::{BrokerEpoch, ControllerEpoch, NodeId};

/// Who said what to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) api: &'static str,
    pub(crate) controller: NodeId,
    pub(crate) controller_epoch: ControllerEpoch,
    pub(crate) meant_for: Option<BrokerEpoch>,
}

/// A broker of this registration obeys, which has obeyed this controller before; notes it.
pub(crate) fn check(
    known: &mut ControllerEpoch,
    said: Said,
    broker_epoch: Option<BrokerEpoch>,
) -> Finding {
    let Said { api, controller, controller_epoch, meant_for } = said;
    let newest = std::mem::replace(known, controller_epoch.max(*known));
    if controller_epoch < newest {
        return Err(Breach::of(format!(
            "{api} of {controller}, controller of epoch {controller_epoch}, after one of epoch {newest}"
        )));
    }
    match (meant_for, broker_epoch) {
        (Some(meant), Some(own)) if meant < own => Err(Breach::of(format!(
            "{api} of {controller} was meant for broker epoch {meant}, and this is {own}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_former_controller_is_obeyed_nor_what_was_said_to_a_former_life() {
        let said = |controller_epoch, meant_for: Option<u64>| Said {
            api: "StopReplica",
            controller: NodeId::broker(1),
            controller_epoch: ControllerEpoch(controller_epoch),
            meant_for: meant_for.map(BrokerEpoch),
        };
        let mut known = ControllerEpoch(0);
        let mut obeys = |said| check(&mut known, said, Some(BrokerEpoch(20))).is_ok();
        assert!(obeys(said(1, Some(20))));
        assert!(obeys(said(1, None)));
        assert!(obeys(said(2, Some(21))), "the controller may hear of a registration first");
        assert!(!obeys(said(2, Some(19))));
        assert!(!obeys(said(1, Some(20))));
    }
}
