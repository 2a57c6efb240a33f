//! A map whose values are found without a search by whoever remembers where they are.
//!
//! A broker comes back to the same partitions and fetch sessions with every message. Who remembers a
//! [`Slot`] gets at the value by one comparison; a memory that is out of date costs a search, and is never
//! wrong.

use std::collections::BTreeMap;

/// Where a value is, or was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

/// Values by key, each in a slot of its own.
#[derive(Clone, Debug)]
pub struct Slots<K, V> {
    by_key: BTreeMap<K, Slot>,
    slots: Vec<Option<(K, V)>>,
    free: Vec<Slot>,
}

impl<K: Copy + Ord, V> Slots<K, V> {
    /// Nothing.
    pub fn new() -> Self {
        Slots { by_key: BTreeMap::new(), slots: Vec::new(), free: Vec::new() }
    }

    /// How many values there are.
    pub fn len(&self) -> u32 {
        self.by_key.len() as u32
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Where the value of a key is.
    pub fn slot_of(&self, key: K) -> Option<Slot> {
        self.by_key.get(&key).copied()
    }

    /// The value of a key, found by a search.
    pub fn get(&self, key: K) -> Option<&V> {
        self.in_slot(self.slot_of(key)?)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.in_slot_mut(self.slot_of(key)?)
    }

    /// The value of a key, which was in this slot.
    pub fn recall(&self, slot: Slot, key: K) -> Option<&V> {
        match self.slots.get(slot.0 as usize) {
            Some(Some((found, value))) if *found == key => Some(value),
            _ => self.get(key),
        }
    }

    /// The value of a key, to change it, which was in this slot. The memory is brought up to date.
    pub fn recall_mut(&mut self, slot: &mut Slot, key: K) -> Option<&mut V> {
        *slot = self.locate(*slot, key)?;
        self.in_slot_mut(*slot)
    }

    /// What is in a slot now.
    pub fn in_slot(&self, slot: Slot) -> Option<&V> {
        self.slots.get(slot.0 as usize)?.as_ref().map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn in_slot_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.slots.get_mut(slot.0 as usize)?.as_mut().map(|(_, value)| value)
    }

    /// Puts in a value that there was none for.
    pub fn insert(&mut self, key: K, value: V) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            Slot(self.slots.len() as u32 - 1)
        });
        self.slots[slot.0 as usize] = Some((key, value));
        let before = self.by_key.insert(key, slot);
        assert!(before.is_none(), "a key has one value");
        slot
    }

    /// Takes the value of a key out.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let slot = self.by_key.remove(&key)?;
        self.free.push(slot);
        self.slots[slot.0 as usize].take().map(|(_, value)| value)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = K> + '_ {
        self.by_key.keys().copied()
    }

    /// Where the values are, in the order of their keys.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_key.values().copied()
    }

    /// The values, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &V> + '_ {
        self.slots().filter_map(|slot| self.in_slot(slot))
    }

    /// The values, in the order of their keys, to change them: for work that is done now and then.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> + '_ {
        self.entries_mut().map(|(_, value)| value)
    }

    /// The same with their keys.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> + '_ {
        let mut entries: Vec<&mut (K, V)> = self.slots.iter_mut().flatten().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter().map(|(key, value)| (*key, value))
    }

    fn locate(&self, slot: Slot, key: K) -> Option<Slot> {
        match self.slots.get(slot.0 as usize) {
            Some(Some((found, _))) if *found == key => Some(slot),
            _ => self.slot_of(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_out_of_date_costs_a_search_and_is_never_wrong() {
        let mut slots = Slots::new();
        let first = slots.insert(7, "seven");
        assert_eq!(slots.recall(first, 7), Some(&"seven"));
        assert_eq!(slots.remove(7), Some("seven"));
        assert_eq!(slots.insert(3, "three"), first, "a slot is used again");
        assert_eq!((slots.recall(first, 7), slots.recall(first, 3)), (None, Some(&"three")));
        let again = slots.insert(7, "seven again");
        let mut memory = first;
        assert_eq!(slots.recall_mut(&mut memory, 7), Some(&mut "seven again"));
        assert_eq!(memory, again);
    }

    #[test]
    fn values_are_walked_in_the_order_of_their_keys() {
        let mut slots = Slots::new();
        for key in [5, 1, 3] {
            slots.insert(key, 10 * key);
        }
        assert_eq!(slots.iter().copied().collect::<Vec<_>>(), [10, 30, 50]);
        assert_eq!(slots.iter_mut().map(|value| *value).collect::<Vec<_>>(), [10, 30, 50]);
        assert_eq!(slots.keys().collect::<Vec<_>>(), [1, 3, 5]);
    }
}
