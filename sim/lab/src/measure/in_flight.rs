//! Batches on their way: sent by a producer and not answered yet.

use klab_machine::fact::ClientFact;
use klab_wire::{NodeId, Span, Time, TopicPartition};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The batches on their way, in the order in which they left.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    batches: BTreeMap<(NodeId, TopicPartition), VecDeque<Time>>,
    /// Each producer with each leader that it has sent to.
    connections: BTreeSet<(NodeId, NodeId)>,
}

impl InFlight {
    /// Takes note of a fact, and tells for how long a batch was on its way that is answered.
    pub(super) fn watch(&mut self, producer: NodeId, at: Time, fact: &ClientFact) -> Option<Span> {
        match fact {
            ClientFact::BatchSent { partition, leader, .. } => {
                self.connections.insert((producer, *leader));
                let batches = self.batches.entry((producer, partition.clone())).or_default();
                batches.push_back(at);
                None
            }
            ClientFact::BatchAcknowledged { partition, .. }
            | ClientFact::BatchRetried { partition, .. }
            | ClientFact::BatchFailed { partition, .. } => {
                let batches = self.batches.get_mut(&(producer, partition.clone()))?;
                batches.pop_front().map(|sent| at.since(sent))
            }
            _ => None,
        }
    }

    /// Over how many connections produce requests have gone.
    pub(super) fn connections(&self) -> u64 {
        self.connections.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Offset;

    #[test]
    fn a_batch_is_on_its_way_until_it_is_answered() {
        let mut in_flight = InFlight::default();
        let partition = TopicPartition::new("orders", 0);
        let sent = ClientFact::BatchSent {
            partition: partition.clone(),
            leader: NodeId::broker(1),
            records: 5,
            base_sequence: None,
            attempt: 1,
        };
        let base = Some(Offset(0));
        let answered = ClientFact::BatchAcknowledged { partition, base, records: 5 };
        let producer = NodeId::producer(1);
        assert_eq!(in_flight.watch(producer, Time(10), &sent), None);
        assert_eq!(in_flight.watch(producer, Time(15), &sent), None);
        assert_eq!(in_flight.watch(producer, Time(40), &answered), Some(Span(30)));
        assert_eq!(in_flight.watch(producer, Time(50), &answered), Some(Span(35)));
        assert_eq!(in_flight.watch(producer, Time(60), &answered), None);
        assert_eq!(in_flight.connections(), 1);
    }
}
