//! Which replica a consumer had better read from (`RackAwareReplicaSelector`, KIP-392).
//!
//! Reading from a replica in one's own rack costs no traffic between racks. The leader chooses, because
//! only it knows who has the offset.

use klab_wire::{NodeId, Offset, RackId, Span};

/// A replica that could serve the offset (`ReplicaView`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaView<'a> {
    /// The broker.
    pub broker: NodeId,
    /// Where it stands.
    pub rack: Option<&'a RackId>,
    /// Where its log ends.
    pub log_end_offset: Offset,
    /// How long ago it was last caught up.
    pub time_since_caught_up: Span,
}

/// The replica in the consumer's rack that is furthest; the leader itself if it stands there.
///
/// `leader` is one of the `replicas`. Without a rack, or when nobody stands in it, the leader serves.
pub fn rack_aware<'a>(
    rack: Option<&RackId>,
    leader: NodeId,
    replicas: impl IntoIterator<Item = ReplicaView<'a>>,
) -> NodeId {
    let Some(rack) = rack.filter(|rack| !rack.0.is_empty()) else { return leader };
    let mut best: Option<ReplicaView<'_>> = None;
    for replica in replicas.into_iter().filter(|replica| replica.rack == Some(rack)) {
        if replica.broker == leader {
            return leader;
        }
        if best.is_none_or(|best| rank(&replica) > rank(&best)) {
            best = Some(replica);
        }
    }
    best.map_or(leader, |best| best.broker)
}

/// `ReplicaView.comparator`: the longer log, then the one that was caught up last, then the higher id.
fn rank(view: &ReplicaView<'_>) -> impl Ord {
    (view.log_end_offset, std::cmp::Reverse(view.time_since_caught_up), view.broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(rack: Option<&str>, replicas: &[(u16, &str, u64, u64)]) -> u16 {
        let rack = rack.map(RackId::from);
        let racks: Vec<RackId> = replicas.iter().map(|r| RackId::from(r.1)).collect();
        let views =
            replicas.iter().zip(&racks).map(|((broker, _, end, since), rack)| ReplicaView {
                broker: NodeId::broker(*broker),
                rack: Some(rack),
                log_end_offset: Offset(*end),
                time_since_caught_up: Span::from_millis(*since),
            });
        rack_aware(rack.as_ref(), NodeId::broker(1), views).number
    }

    #[test]
    fn kip_392_the_furthest_replica_of_the_rack_serves_or_else_the_leader() {
        let replicas = [(1, "a", 9, 0), (2, "b", 8, 5), (3, "b", 9, 7), (4, "b", 9, 3)];
        for (rack, chosen) in
            [(Some("a"), 1), (Some("b"), 4), (Some("c"), 1), (Some(""), 1), (None, 1)]
        {
            assert_eq!(choose(rack, &replicas), chosen, "{rack:?}");
        }
        assert_eq!(choose(Some("a"), &[(1, "a", 5, 0), (2, "a", 9, 0)]), 1, "the leader first");
    }
}
