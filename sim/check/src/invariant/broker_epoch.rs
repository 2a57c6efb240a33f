//! `broker-epoch-is-monotonic`: a registration's epoch tells it from all others (KIP-631).
//!
//! Asked of what brokers were told, because only a committed registration is told.

use crate::findings::{Breach, Finding};
use klab_wire::{BrokerEpoch, NodeId};
use std::collections::BTreeMap;

/// A broker learned its registration; notes it.
pub(crate) fn check(
    registrations: &mut BTreeMap<BrokerEpoch, NodeId>,
    last: &mut BTreeMap<NodeId, BrokerEpoch>,
    broker: NodeId,
    epoch: BrokerEpoch,
) -> Finding {
    let holder = *registrations.entry(epoch).or_insert(broker);
    let before = last.insert(broker, epoch);
    match before {
        _ if holder != broker => {
            Err(Breach::of(format!("both {holder} and {broker} have broker epoch {epoch}")))
        }
        Some(before) if before > epoch => {
            Err(Breach::of(format!("broker epoch {epoch} was given after {before}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_epoch_is_given_once_and_grows() {
        let (mut all, mut last) = (BTreeMap::new(), BTreeMap::new());
        let mut learn = |broker, epoch| {
            check(&mut all, &mut last, NodeId::broker(broker), BrokerEpoch(epoch)).is_ok()
        };
        assert!(learn(1, 10));
        assert!(learn(1, 10));
        assert!(learn(2, 11));
        assert!(learn(1, 15));
        assert!(!learn(2, 15));
        assert!(!learn(1, 10));
    }
}
