//! The names that a history has for processes and partitions, and the ids that the judge has.

use klab_wire::{NodeId, PartitionId, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// Names so far.
#[derive(Clone, Debug, Default)]
pub struct Names {
    processes: BTreeMap<String, NodeId>,
    foreign: BTreeMap<NodeId, String>,
    keys: BTreeMap<String, TopicPartition>,
    /// Partitions whose name is that of their topic.
    whole: BTreeSet<TopicName>,
    per_partition: bool,
}

impl Names {
    /// Values are unique within a partition only: every key is a topic of its own.
    pub fn judge_by_partition(&mut self) {
        self.per_partition = true;
    }

    /// The process of this name: klab's own (`p1`), or any other.
    pub fn process(&mut self, name: &str) -> Option<NodeId> {
        if let Some(node) = self.processes.get(name) {
            return Some(*node);
        }
        let node = name.parse().ok().or_else(|| self.next_foreign())?;
        if name != node.to_string() {
            self.foreign.insert(node, name.to_string());
        }
        self.processes.insert(name.to_string(), node);
        Some(node)
    }

    /// Counted from above, out of the way of klab's own.
    fn next_foreign(&self) -> Option<NodeId> {
        let number = u16::MAX.checked_sub(u16::try_from(self.foreign.len()).ok()?)?;
        Some(NodeId::consumer(number)).filter(|_| number > 1024)
    }

    /// The partition with this key. `orders-0` is partition 0 of the topic `orders`; any other key is the name
    /// of a topic, and of its one partition.
    pub fn partition(&mut self, key: &str) -> TopicPartition {
        if let Some(partition) = self.keys.get(key) {
            return partition.clone();
        }
        let partition = self.parse(key);
        self.keys.insert(key.to_string(), partition.clone());
        partition
    }

    fn parse(&mut self, key: &str) -> TopicPartition {
        let parts = key.rsplit_once('-').filter(|_| !self.per_partition);
        let parts = parts.and_then(|(topic, index)| Some((topic, index.parse::<u32>().ok()?)));
        match parts {
            // Every partition below it gets its history, too.
            Some((topic, index)) if index < 1 << 16 && !topic.is_empty() => {
                TopicPartition::new(topic, index)
            }
            _ => {
                let topic: TopicName = key.into();
                self.whole.insert(topic.clone());
                TopicPartition { topic, partition: PartitionId(0) }
            }
        }
    }

    /// What the history calls a process.
    pub fn of_process(&self, node: NodeId) -> String {
        self.foreign.get(&node).cloned().unwrap_or_else(|| node.to_string())
    }

    /// What the history calls a partition.
    pub fn of_partition(&self, partition: &TopicPartition) -> String {
        let name = partition.to_string();
        match self.whole.contains(&partition.topic) && !self.keys.contains_key(&name) {
            true => partition.topic.to_string(),
            false => name,
        }
    }

    /// The processes that have other names than the judge has for them.
    pub fn foreign(&self) -> &BTreeMap<NodeId, String> {
        &self.foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_klabs_own_or_foreign() {
        let mut names = Names::default();
        let own = names.process("p1").expect("a process");
        assert_eq!((own, names.of_process(own)), (NodeId::producer(1), "p1".into()));
        let foreign = ["0", "worker 7", "0"].map(|name| names.process(name).expect("a process"));
        assert_eq!(foreign[0], foreign[2]);
        assert_eq!(foreign.map(|node| names.of_process(node)), ["0", "worker 7", "0"]);
    }

    #[test]
    fn a_key_is_a_partition_or_a_topic() {
        let mut names = Names::default();
        for (key, topic, index) in [("a-b-12", "a-b", 12), ("7", "7", 0), ("a-", "a-", 0)] {
            let partition = names.partition(key);
            assert_eq!(partition, TopicPartition::new(topic, index));
            assert_eq!(names.of_partition(&partition), key);
        }
        names = Names::default();
        names.judge_by_partition();
        assert_eq!(names.partition("a-1"), TopicPartition::new("a-1", 0));
    }
}
