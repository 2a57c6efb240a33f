//! `isr-is-subset-of-replicas` and `isr-never-empty`.

use crate::findings::{Breach, Finding};
use klab_wire::NodeId;

/// After a step of the controller; nothing is known of a partition without replicas.
pub(crate) fn is_subset(isr: &[NodeId], replicas: &[NodeId]) -> Finding {
    match isr.iter().find(|member| !replicas.contains(member)) {
        Some(stranger) if !replicas.is_empty() => Err(Breach::of(format!(
            "{stranger} is in the ISR {isr:?}, but no replica: {replicas:?}"
        ))),
        _ => Ok(()),
    }
}

/// After a step of the controller. With eligible leader replicas an ISR may become empty (KIP-966).
pub(crate) fn is_not_empty(isr: &[NodeId], eligible_leader_replicas: bool) -> Finding {
    match isr.is_empty() && !eligible_leader_replicas {
        true => Err(Breach::of("the ISR lost its last member")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isr_has_only_replicas_and_keeps_the_last() {
        let [one, other] = [NodeId::broker(1), NodeId::broker(2)];
        assert!(is_subset(&[one], &[one, other]).is_ok());
        assert!(is_subset(&[one, other], &[one]).is_err());
        assert!(is_not_empty(&[one], false).is_ok());
        assert!(is_not_empty(&[], true).is_ok());
        assert!(is_not_empty(&[], false).is_err());
    }
}
