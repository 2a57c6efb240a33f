//! Where replicas are put: striped over racks, and over the brokers in each (`StripedReplicaPlacer`).
//!
//! Each partition takes its replicas from the racks in turn, and each begins one rack later; within a
//! rack brokers take turns the same way. So replicas are spread over racks first and over brokers
//! second, and neighbouring partitions have different leaders. Where the turns begin is drawn. Fenced
//! brokers are taken only when the others of their rack are used up, and never as leaders.

use klab_wire::{NodeId, RackId};
use std::collections::BTreeMap;

/// A broker that may get replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableBroker {
    /// The broker.
    pub broker: NodeId,
    /// Where it stands.
    pub rack: Option<RackId>,
    /// It is not alive now.
    pub fenced: bool,
}

/// Why there is no placement; all of them are `INVALID_REPLICATION_FACTOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacementError {
    /// Somebody asked for no replicas at all.
    NoReplicas,
    /// Nobody could lead.
    AllFenced,
    /// More replicas than brokers.
    TooFewBrokers {
        /// How many replicas were asked for.
        replicas: u16,
        /// How many brokers there are.
        brokers: u32,
    },
}

impl std::fmt::Display for PlacementError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlacementError::NoReplicas => f.write_str("the replication factor must be positive"),
            PlacementError::AllFenced => f.write_str("all brokers are currently fenced"),
            PlacementError::TooFewBrokers { replicas, brokers } => write!(
                f,
                "a replication factor of {replicas} needs more than the {brokers} registered broker(s)"
            ),
        }
    }
}

/// The replicas of each of so many new partitions, the leader first.
///
/// `draw(n)` is a random number below n.
pub fn place(
    brokers: impl IntoIterator<Item = UsableBroker>,
    partitions: u32,
    replicas: u16,
    draw: impl FnMut(u64) -> u64,
) -> Result<Vec<Vec<NodeId>>, PlacementError> {
    let mut racks = RackList::of(brokers, draw);
    racks.check(replicas)?;
    Ok((0..partitions).map(|_| racks.place(replicas)).collect())
}

/// Brokers that take turns. Each epoch begins one place further on and hands every broker out once.
#[derive(Default)]
struct BrokerList {
    brokers: Vec<NodeId>,
    index: usize,
    offset: usize,
    epoch: u64,
}

impl BrokerList {
    fn start(&mut self, draw: &mut impl FnMut(u64) -> u64) {
        if !self.brokers.is_empty() {
            self.brokers.sort_unstable();
            self.offset = draw(self.brokers.len() as u64) as usize;
        }
    }

    fn next(&mut self, epoch: u64) -> Option<NodeId> {
        let size = self.brokers.len();
        if size > 0 && self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % size;
        }
        if self.index >= size {
            return None;
        }
        self.index += 1;
        Some(self.brokers[(self.index - 1 + self.offset) % size])
    }
}

#[derive(Default)]
struct Rack {
    fenced: BrokerList,
    unfenced: BrokerList,
}

impl Rack {
    fn next(&mut self, epoch: u64) -> Option<NodeId> {
        self.unfenced.next(epoch).or_else(|| self.fenced.next(epoch))
    }
}

struct RackList<D> {
    draw: D,
    racks: Vec<Rack>,
    brokers: u32,
    unfenced: u64,
    epoch: u64,
    offset: usize,
}

impl<D: FnMut(u64) -> u64> RackList<D> {
    fn of(usable: impl IntoIterator<Item = UsableBroker>, mut draw: D) -> Self {
        let mut racks: BTreeMap<Option<RackId>, Rack> = BTreeMap::new();
        let (mut brokers, mut unfenced) = (0, 0);
        for UsableBroker { broker, rack, fenced } in usable {
            let rack = racks.entry(rack).or_default();
            let list = if fenced { &mut rack.fenced } else { &mut rack.unfenced };
            list.brokers.push(broker);
            brokers += 1;
            unfenced += u64::from(!fenced);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for rack in &mut racks {
            rack.fenced.start(&mut draw);
            rack.unfenced.start(&mut draw);
        }
        let offset = if racks.is_empty() { 0 } else { draw(racks.len() as u64) as usize };
        RackList { draw, racks, brokers, unfenced, epoch: 0, offset }
    }

    fn check(&self, replicas: u16) -> Result<(), PlacementError> {
        if replicas == 0 {
            Err(PlacementError::NoReplicas)
        } else if self.unfenced == 0 {
            Err(PlacementError::AllFenced)
        } else if u32::from(replicas) > self.brokers {
            Err(PlacementError::TooFewBrokers { replicas, brokers: self.brokers })
        } else {
            Ok(())
        }
    }

    /// The replicas of the next partition.
    fn place(&mut self, replicas: u16) -> Vec<NodeId> {
        self.shuffle_when_all_have_led();
        if self.offset == self.racks.len() {
            self.offset = 0;
        }
        let mut placed = Vec::with_capacity(usize::from(replicas));
        let leading_rack = self.place_leader(&mut placed);
        self.place_followers(&mut placed, replicas, leading_rack);
        self.epoch += 1;
        self.offset += 1;
        placed
    }

    /// The leader comes from the first rack, from this partition's on, that has a broker alive.
    fn place_leader(&mut self, placed: &mut Vec<NodeId>) -> usize {
        let mut rack = self.offset;
        loop {
            if let Some(leader) = self.racks[rack].unfenced.next(self.epoch) {
                placed.push(leader);
                return rack;
            }
            rack = (rack + 1) % self.racks.len();
        }
    }

    /// The others come from the racks in turn; the leader's is passed over once, it has had its turn.
    fn place_followers(&mut self, placed: &mut Vec<NodeId>, replicas: u16, leading_rack: usize) {
        let mut passed_over = Some(leading_rack);
        let mut rack = self.offset;
        while placed.len() < usize::from(replicas) {
            if passed_over == Some(rack) {
                passed_over = None;
            } else {
                placed.extend(self.racks[rack].next(self.epoch));
            }
            rack = (rack + 1) % self.racks.len();
        }
    }

    /// After as many partitions as there are leaders the turns would repeat.
    fn shuffle_when_all_have_led(&mut self) {
        if self.epoch == self.unfenced && self.unfenced > 1 {
            shuffle(&mut self.racks, &mut self.draw);
            for rack in &mut self.racks {
                shuffle(&mut rack.fenced.brokers, &mut self.draw);
                shuffle(&mut rack.unfenced.brokers, &mut self.draw);
            }
            self.epoch = 0;
        }
    }
}

/// `Collections.shuffle`.
fn shuffle<T>(list: &mut [T], draw: &mut impl FnMut(u64) -> u64) {
    for place in (1..list.len()).rev() {
        list.swap(place, draw(place as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;
    use std::collections::BTreeSet;

    /// Brokers 1, 2, ... as (rack, fenced).
    fn brokers(racks: &[(&str, bool)]) -> Vec<UsableBroker> {
        let broker = |(index, (rack, fenced)): (usize, &(&str, bool))| UsableBroker {
            broker: NodeId::broker(index as u16 + 1),
            rack: (!rack.is_empty()).then(|| (*rack).into()),
            fenced: *fenced,
        };
        racks.iter().enumerate().map(broker).collect()
    }

    /// The placement when every draw is 0.
    fn striped(racks: &[(&str, bool)], partitions: u32, replicas: u16) -> Vec<Vec<u16>> {
        let placed = place(brokers(racks), partitions, replicas, |_| 0).unwrap();
        placed.iter().map(|replicas| replicas.iter().map(|node| node.number).collect()).collect()
    }

    #[test]
    fn replicas_are_striped_over_the_racks() {
        // Racks a: 1 2 3, b: 4 5 6, c: 7 8 9, as in the placer's own example.
        let racks = [("a", false), ("a", false), ("a", false), ("b", false), ("b", false)];
        let racks =
            [&racks[..], &[("b", false), ("c", false), ("c", false), ("c", false)]].concat();
        assert_eq!(striped(&racks, 3, 3), [[1, 4, 7], [5, 8, 2], [9, 3, 6]]);
    }

    #[test]
    fn without_racks_the_brokers_take_turns_at_leading() {
        let racks = [("", false); 4];
        assert_eq!(striped(&racks, 4, 3), [[1, 2, 3], [2, 3, 4], [3, 4, 1], [4, 1, 2]]);
    }

    #[test]
    fn a_fenced_broker_comes_last_and_does_not_lead() {
        let racks = [("", true), ("", false), ("", false)];
        assert_eq!(striped(&racks, 2, 3), [[2, 3, 1], [3, 2, 1]]);
        let rack_of_fenced = [("a", true), ("b", false), ("c", false)];
        assert_eq!(striped(&rack_of_fenced, 1, 3), [[2, 1, 3]]);
    }

    #[test]
    fn a_single_live_broker_leads_everything() {
        let racks = [("", false), ("", true)];
        assert_eq!(striped(&racks, 3, 2), [[1, 2], [1, 2], [1, 2]]);
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let placed = |racks: &[(&str, bool)], replicas| place(brokers(racks), 1, replicas, |_| 0);
        let alive = [("", false); 2];
        let too_few = PlacementError::TooFewBrokers { replicas: 3, brokers: 2 };
        assert_eq!(placed(&alive, 0), Err(PlacementError::NoReplicas));
        assert_eq!(placed(&[("", true)], 1), Err(PlacementError::AllFenced));
        assert_eq!(placed(&alive, 3), Err(too_few));
    }

    fn drawn(seed: u64, racks: &[(&str, bool)]) -> Vec<Vec<NodeId>> {
        let mut stream = stream(seed, "placement", []);
        place(brokers(racks), 90, 3, |bound| stream.below(bound)).unwrap()
    }

    fn led_by(placed: &[Vec<NodeId>], is_leader: impl Fn(&NodeId) -> bool) -> usize {
        placed.iter().filter(|replicas| is_leader(&replicas[0])).count()
    }

    #[test]
    fn whatever_is_drawn_every_broker_leads_as_often_as_any_other() {
        for seed in 0..50 {
            let placed = drawn(seed, &[("", false); 9]);
            for broker in (1..=9).map(NodeId::broker) {
                assert_eq!(led_by(&placed, |leader| *leader == broker), 10);
            }
        }
    }

    #[test]
    fn whatever_is_drawn_every_partition_is_on_all_racks_and_every_rack_leads_as_often() {
        let racks = ["a", "b", "c"].map(|rack| [(rack, false); 3]).concat();
        let rack_of = |node: &NodeId| (node.number - 1) / 3;
        for seed in 0..50 {
            let placed = drawn(seed, &racks);
            for replicas in &placed {
                assert_eq!(replicas.iter().map(rack_of).collect::<BTreeSet<_>>().len(), 3);
            }
            for rack in 0..3 {
                assert_eq!(led_by(&placed, |leader| rack_of(leader) == rack), 30);
            }
        }
    }
}
