//! A value for each partition that a producer writes to, found by the partition's place.

use crate::batch::Slot;

/// Values by topic and partition. As wide as the highest partition that ever had one.
#[derive(Clone, Debug)]
pub(crate) struct PerSlot<T> {
    topics: Vec<Vec<Option<T>>>,
}

impl<T> Default for PerSlot<T> {
    fn default() -> Self {
        PerSlot { topics: Vec::new() }
    }
}

impl<T> PerSlot<T> {
    /// A partition's value, if it has one.
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.topics.get(slot.topic as usize)?.get(slot.partition as usize)?.as_ref()
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.topics.get_mut(slot.topic as usize)?.get_mut(slot.partition as usize)?.as_mut()
    }

    /// Gives a partition another value than it had.
    pub(crate) fn insert(&mut self, slot: Slot, value: T) {
        *self.place(slot) = Some(value);
    }

    /// Takes a partition's value away.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.topics.get_mut(slot.topic as usize)?.get_mut(slot.partition as usize)?.take()
    }

    /// The value of a partition, which has one from now on.
    pub(crate) fn entry(&mut self, slot: Slot) -> &mut T
    where
        T: Default,
    {
        self.place(slot).get_or_insert_default()
    }

    /// The partitions that have a value, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..).zip(&self.topics).flat_map(|(topic, partitions)| {
            let has_value = move |(partition, value): (u32, &Option<T>)| {
                value.as_ref().map(|_| Slot { topic, partition })
            };
            (0..).zip(partitions).filter_map(has_value)
        })
    }

    fn place(&mut self, slot: Slot) -> &mut Option<T> {
        let partitions = grown_to(&mut self.topics, slot.topic, Vec::new);
        grown_to(partitions, slot.partition, || None)
    }
}

fn grown_to<T>(values: &mut Vec<T>, index: u32, empty: impl FnMut() -> T) -> &mut T {
    let index = index as usize;
    if values.len() <= index {
        values.resize_with(index + 1, empty);
    }
    &mut values[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partitions_with_a_value_are_listed() {
        let slot = |topic, partition| Slot { topic, partition };
        let mut values = PerSlot::default();
        values.insert(slot(1, 3), 7);
        *values.entry(slot(0, 2)) += 1;
        assert_eq!(values.slots().collect::<Vec<_>>(), [slot(0, 2), slot(1, 3)]);
        assert_eq!((values.get(slot(1, 3)), values.get(slot(1, 2))), (Some(&7), None));
        assert_eq!((values.remove(slot(1, 3)), values.remove(slot(9, 9))), (Some(7), None));
        assert_eq!(values.slots().collect::<Vec<_>>(), [slot(0, 2)]);
    }
}
