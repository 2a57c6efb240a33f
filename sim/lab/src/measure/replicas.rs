//! What facts say of the copies of each partition: how far the followers are behind, what is committed, how many
//! partitions are under-replicated, and how long produce requests wait in the purgatory for their high watermark.

use klab_machine::fact::{ControllerFact, Fact, LogFact, ReplicationFact, WorldFact};
use klab_machine::trace::Entry;
use klab_wire::{NodeId, Offset, Span, Time, TopicName, TopicPartition};
use std::collections::{BTreeMap, VecDeque};

/// Every partition's copies.
#[derive(Clone, Debug, Default)]
pub(super) struct Replicas {
    topics: Vec<(TopicName, Vec<Copies>)>,
    under_replicated: u64,
    /// Partition-nanoseconds.
    under_replicated_for: u128,
    since: Time,
    /// Since when produce requests wait, by the offset that each needs.
    parked: BTreeMap<(NodeId, TopicPartition, Offset), VecDeque<Time>>,
}

/// The copies of one partition.
#[derive(Clone, Debug, Default)]
struct Copies {
    leader: Option<NodeId>,
    ends: BTreeMap<NodeId, Offset>,
    committed: Offset,
    appended: u64,
    replicas: usize,
    is_under_replicated: bool,
}

/// What a fact says of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The leader appended a batch.
    Appended { records: u64 },
    /// Records came below the high watermark.
    Committed { records: u64 },
    /// A produce request has waited so long for that in the purgatory, for one of its partitions.
    Parked { took: Span },
}

impl Replicas {
    #[inline]
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact, tell: &mut impl FnMut(Stored)) {
        match fact {
            Fact::Log(fact) => self.watch_log(entry, fact, tell),
            Fact::Replication(fact) => self.watch_replica(entry, fact, tell),
            Fact::Controller(fact) => self.watch_controller(entry.time, fact),
            Fact::World(fact) if ends_a_process(fact) => {
                self.parked.retain(|(node, ..), _| *node != entry.node);
            }
            _ => {}
        }
    }

    fn watch_log(&mut self, entry: &Entry, fact: &LogFact, tell: &mut impl FnMut(Stored)) {
        match fact {
            LogFact::BatchAppended { partition, base, last, as_leader, .. } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.ends.insert(entry.node, last.plus(1));
                if *as_leader {
                    let records = last.since(*base) + 1;
                    copies.leader = Some(entry.node);
                    copies.appended += records;
                    tell(Stored::Appended { records });
                }
            }
            LogFact::LogTruncated { partition, to, .. }
            | LogFact::LogStartedAfresh { partition, at: to, .. }
            | LogFact::LogLoaded { partition, end: to, .. } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.ends.insert(entry.node, *to);
            }
            _ => {}
        }
    }

    fn watch_replica(
        &mut self,
        entry: &Entry,
        fact: &ReplicationFact,
        tell: &mut impl FnMut(Stored),
    ) {
        match fact {
            ReplicationFact::HighWatermarkAdvanced { partition, to, .. } => {
                if let Some(copies) = self.copies(partition) {
                    copies.commit(*to, tell);
                }
            }
            ReplicationFact::BecameLeader { partition, .. } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.leader = Some(entry.node);
            }
            ReplicationFact::ReplicaDeleted { partition } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.ends.remove(&entry.node);
            }
            ReplicationFact::ProduceParked { partition, required } => {
                let key = (entry.node, partition.clone(), *required);
                self.parked.entry(key).or_default().push_back(entry.time);
            }
            ReplicationFact::ProduceAnswered { partition, last, .. } => {
                let Some(last) = last else { return };
                let key = (entry.node, partition.clone(), last.plus(1));
                if let Some(since) = self.answer(&key) {
                    tell(Stored::Parked { took: entry.time.since(since) });
                }
            }
            _ => {}
        }
    }

    /// Since when the request has waited that is answered now, if it had to wait.
    fn answer(&mut self, key: &(NodeId, TopicPartition, Offset)) -> Option<Time> {
        let waiting = self.parked.get_mut(key)?;
        let since = waiting.pop_front();
        if waiting.is_empty() {
            self.parked.remove(key);
        }
        since
    }

    fn watch_controller(&mut self, time: Time, fact: &ControllerFact) {
        use ControllerFact as F;
        match fact {
            F::PartitionCreated { partition, replicas, isr, .. } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.replicas = replicas.len();
                self.count_isr(time, partition, isr.len());
            }
            F::ReassignmentCompleted { partition, replicas } => {
                let Some(copies) = self.copies(partition) else { return };
                copies.replicas = replicas.len();
            }
            F::LeaderElected { partition, isr, .. }
            | F::PartitionWentOffline { partition, isr, .. }
            | F::IsrChanged { partition, isr, .. } => self.count_isr(time, partition, isr.len()),
            F::LeaderElectedUncleanly { partition, .. } => self.count_isr(time, partition, 1),
            _ => {}
        }
    }

    fn count_isr(&mut self, time: Time, partition: &TopicPartition, in_sync: usize) {
        self.pass(time);
        let Some(copies) = self.copies(partition) else { return };
        let was = std::mem::replace(&mut copies.is_under_replicated, in_sync < copies.replicas);
        match (was, copies.is_under_replicated) {
            (false, true) => self.under_replicated += 1,
            (true, false) => self.under_replicated -= 1,
            _ => {}
        }
    }

    /// Time goes by.
    fn pass(&mut self, time: Time) {
        let span = time.since(self.since).0;
        self.under_replicated_for += u128::from(self.under_replicated) * u128::from(span);
        self.since = time;
    }

    /// The partition's copies; none of Kafka's own topics.
    fn copies(&mut self, partition: &TopicPartition) -> Option<&mut Copies> {
        if partition.topic.0.starts_with("__") {
            return None;
        }
        let known = self.topics.iter().position(|(name, _)| *name == partition.topic);
        let place = known.unwrap_or_else(|| {
            self.topics.push((partition.topic.clone(), Vec::new()));
            self.topics.len() - 1
        });
        let partitions = &mut self.topics[place].1;
        let index = partition.partition.0 as usize;
        if partitions.len() <= index {
            partitions.resize_with(index + 1, Copies::default);
        }
        Some(&mut partitions[index])
    }

    fn all(&self) -> impl Iterator<Item = &Copies> {
        self.topics.iter().flat_map(|(_, partitions)| partitions)
    }

    /// How many partitions have fewer in-sync replicas than replicas (`UnderReplicatedPartitions`).
    pub(super) fn under_replicated(&self) -> u64 {
        self.under_replicated
    }

    /// For how long partitions were under-replicated until now, summed over partitions.
    pub(super) fn under_replicated_for(&mut self, now: Time) -> Span {
        self.pass(now);
        Span(u64::try_from(self.under_replicated_for).unwrap_or(u64::MAX))
    }

    /// By how many records the slowest follower of any partition is behind its leader (`MaxLag`).
    pub(super) fn max_lag(&self) -> u64 {
        self.all().map(Copies::lag).max().unwrap_or(0)
    }

    /// How many produce requests wait for their records to be committed, each counted once a partition
    /// (`PurgatorySize`).
    pub(super) fn parked(&self) -> u64 {
        self.parked.values().map(|waiting| waiting.len() as u64).sum()
    }

    /// How many records were appended by the leader of each partition.
    pub(super) fn appended(&self) -> Vec<(TopicPartition, u64)> {
        let topics = self.topics.iter().flat_map(|(name, partitions)| {
            let numbered = (0..).zip(partitions);
            numbered.map(move |(index, copies)| (TopicPartition::new(name.clone(), index), copies))
        });
        topics.map(|(partition, copies)| (partition, copies.appended)).collect()
    }
}

/// What waits in a process goes down with it.
fn ends_a_process(fact: &WorldFact) -> bool {
    use WorldFact as F;
    matches!(fact, F::ProcessCrashed {} | F::PowerCut { .. } | F::ProcessHalted {})
}

impl Copies {
    fn commit(&mut self, to: Offset, tell: &mut impl FnMut(Stored)) {
        if to > self.committed {
            tell(Stored::Committed { records: to.since(self.committed) });
            self.committed = to;
        }
    }

    fn lag(&self) -> u64 {
        let end = self.leader.and_then(|leader| self.ends.get(&leader)).copied();
        let slowest = self.ends.values().min().copied();
        end.zip(slowest).map_or(0, |(end, slowest)| end.since(slowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::trace::What;
    use klab_wire::{LeaderEpoch, PartitionEpoch};

    #[derive(Default)]
    struct Story {
        replicas: Replicas,
        told: Vec<Stored>,
    }

    fn orders() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    impl Story {
        fn state(&mut self, millis: u64, broker: u16, fact: impl Into<Fact>) {
            let fact = fact.into();
            let (node, what) = (NodeId::broker(broker), What::Fact(fact.clone()));
            let entry = Entry { step: 0, time: Time(millis * 1_000_000), node, what };
            self.replicas.watch(&entry, &fact, &mut |stored| self.told.push(stored));
        }

        fn append(&mut self, millis: u64, broker: u16, base: u64, last: u64) {
            let (base, last) = (Offset(base), Offset(last));
            let (epoch, as_leader) = (LeaderEpoch(0), broker == 1);
            let fact = LogFact::BatchAppended {
                partition: orders(),
                epoch,
                base,
                last,
                digest: 0,
                first_value: None,
                producer: None,
                as_leader,
            };
            self.state(millis, broker, fact);
        }
    }

    #[test]
    fn a_follower_is_behind_by_what_it_lacks_and_what_all_have_is_committed() {
        let mut story = Story::default();
        story.append(1, 1, 0, 9);
        story.append(2, 1, 10, 29);
        assert_eq!(story.replicas.max_lag(), 0, "no follower has stored anything yet");
        story.append(3, 2, 0, 9);
        assert_eq!(story.replicas.max_lag(), 20);
        let (from, to) = (Offset(0), Offset(30));
        let advanced = ReplicationFact::HighWatermarkAdvanced {
            partition: orders(),
            epoch: LeaderEpoch(0),
            from,
            to,
        };
        story.told.clear();
        story.state(5, 1, advanced);
        assert_eq!(story.told, [Stored::Committed { records: 30 }]);
        assert_eq!(story.replicas.appended(), [(orders(), 30)]);
    }

    #[test]
    fn under_replicated_time_is_summed_over_partitions() {
        let mut story = Story::default();
        let all = [1, 2, 3].map(NodeId::broker);
        let created = ControllerFact::PartitionCreated {
            partition: orders(),
            leader: Some(all[0]),
            replicas: all.into(),
            isr: all.into(),
        };
        story.state(0, 1, created);
        for (millis, in_sync) in [(1_000, 2), (3_000, 3)] {
            let isr = all[..in_sync].into();
            let partition_epoch = PartitionEpoch(1);
            let fact = ControllerFact::IsrChanged { partition: orders(), isr, partition_epoch };
            story.state(millis, 1, fact);
            assert_eq!(story.replicas.under_replicated(), u64::from(in_sync < 3));
        }
        let total = story.replicas.under_replicated_for(Time(9_000_000_000));
        assert_eq!(total, Span::from_secs(2));
    }

    #[test]
    fn a_produce_request_waits_until_it_is_answered() {
        let mut story = Story::default();
        let required = Offset(10);
        story.state(1, 1, ReplicationFact::ProduceParked { partition: orders(), required });
        assert_eq!(story.replicas.parked(), 1);
        let answered = ReplicationFact::ProduceAnswered {
            partition: orders(),
            client: NodeId::producer(1),
            acks: klab_wire::Acks::All,
            base: Some(Offset(0)),
            last: Some(Offset(9)),
            error: klab_wire::ErrorCode::None,
        };
        story.state(2, 1, answered);
        assert_eq!(story.replicas.parked(), 0);
        assert_eq!(story.told, [Stored::Parked { took: Span::from_millis(1) }]);
    }
}
