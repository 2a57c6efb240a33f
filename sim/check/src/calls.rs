//! The calls of one client that have not ended.

use klab_machine::operation::OperationId;
use std::collections::VecDeque;

/// What is known of each call that has not ended, by its number.
///
/// A client numbers its calls one after the other, and they end in nearly the same order: a call is looked for
/// where it must be if no number was left out.
#[derive(Clone, Debug)]
pub(crate) struct Calls<T> {
    /// In the order of their numbers. A call that has ended leaves its place empty until it is the first.
    begun: VecDeque<(OperationId, Option<T>)>,
}

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Calls { begun: VecDeque::new() }
    }
}

impl<T> Calls<T> {
    pub(crate) fn begin(&mut self, id: OperationId, call: T) {
        match self.begun.back() {
            Some((latest, _)) if *latest > id => {
                let place = self.begun.partition_point(|(one, _)| *one < id);
                self.begun.insert(place, (id, Some(call)));
            }
            _ => self.begun.push_back((id, Some(call))),
        }
    }

    /// A call ends. Gives it back if it was still going on.
    pub(crate) fn end(&mut self, id: OperationId) -> Option<T> {
        let place = self.find(id)?;
        let call = self.begun[place].1.take();
        while self.begun.front().is_some_and(|(_, first)| first.is_none()) {
            self.begun.pop_front();
        }
        call
    }

    fn find(&self, id: OperationId) -> Option<usize> {
        let (first, _) = self.begun.front()?;
        let place = id.0.checked_sub(first.0)? as usize;
        match self.begun.get(place) {
            Some((there, _)) if *there == id => Some(place),
            _ => self.begun.binary_search_by_key(&id, |(one, _)| *one).ok(),
        }
    }

    /// No call will end any more.
    pub(crate) fn abandon(&mut self) {
        self.begun.clear();
    }

    /// The call that began last.
    pub(crate) fn latest_mut(&mut self) -> Option<&mut T> {
        self.begun.iter_mut().rev().find_map(|(_, call)| call.as_mut())
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (OperationId, &T)> {
        self.begun.iter().filter_map(|(id, call)| Some((*id, call.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(calls: &Calls<char>) -> String {
        calls.iter().map(|(_, call)| *call).collect()
    }

    #[test]
    fn calls_end_in_any_order_and_only_once() {
        let mut calls = Calls::default();
        for (id, call) in [(3, 'a'), (4, 'b'), (5, 'c'), (9, 'e'), (8, 'd')] {
            calls.begin(OperationId(id), call);
        }
        assert_eq!((left(&calls).as_str(), calls.latest_mut()), ("abcde", Some(&mut 'e')));
        let ends = [(4, Some('b')), (4, None), (9, Some('e')), (7, None), (3, Some('a'))];
        for (id, call) in ends.into_iter().chain([(2, None), (3, None), (8, Some('d'))]) {
            assert_eq!(calls.end(OperationId(id)), call, "call {id}");
        }
        assert_eq!((left(&calls).as_str(), calls.latest_mut()), ("c", Some(&mut 'c')));
    }
}
