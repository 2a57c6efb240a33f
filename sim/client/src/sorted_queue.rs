//! A queue in order: nearly everything comes in at its back and leaves at its front, where both are cheap.

use std::collections::VecDeque;

/// Values in their order, each once.
#[derive(Clone, Debug)]
pub(crate) struct SortedQueue<T> {
    values: VecDeque<T>,
}

impl<T> Default for SortedQueue<T> {
    fn default() -> Self {
        SortedQueue { values: VecDeque::new() }
    }
}

impl<T: Ord> SortedQueue<T> {
    /// The lowest.
    pub(crate) fn first(&self) -> Option<&T> {
        self.values.front()
    }

    /// Takes the lowest out.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        self.values.pop_front()
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    /// Takes all out, in order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.values.drain(..)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Puts a value in its place.
    pub(crate) fn insert(&mut self, value: T) {
        if self.values.back().is_none_or(|last| *last < value) {
            return self.values.push_back(value);
        }
        if let Err(place) = self.values.binary_search(&value) {
            self.values.insert(place, value);
        }
    }

    /// Takes a value out, if it is in.
    pub(crate) fn remove(&mut self, value: &T) {
        if self.values.front() == Some(value) {
            self.values.pop_front();
        } else if let Ok(place) = self.values.binary_search(value) {
            self.values.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_order_and_stand_once() {
        let mut queue = SortedQueue::default();
        [3, 1, 4, 1, 5].into_iter().for_each(|value| queue.insert(value));
        queue.remove(&4);
        queue.remove(&9);
        assert_eq!(queue.iter().collect::<Vec<_>>(), [&1, &3, &5]);
        assert_eq!((queue.pop_first(), queue.first(), queue.len()), (Some(1), Some(&3), 2));
        queue.remove(&3);
        assert_eq!(queue.first(), Some(&5));
    }
}
