//! The numbers by which values, and the calls that send them, are told apart over a whole run: [`Value`].

use klab_machine::{Identity, OperationId, Value};

/// The next number of each kind; one per client process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    next: u64,
    /// The first number that is somebody else's.
    end: u64,
}

impl Numbers {
    /// The numbers of a process in this life.
    pub(crate) fn of(identity: &Identity) -> Self {
        Numbers { next: Value::first_of(identity.node, identity.incarnation).0, end: u64::MAX }
    }

    /// Takes so many consecutive numbers; the first of them.
    pub(crate) fn take(&mut self, count: u32) -> u64 {
        let first = self.next;
        self.next += u64::from(count);
        first
    }

    /// Keeps so many numbers for somebody.
    pub(crate) fn keep(&mut self, count: u32) -> Numbers {
        let next = self.take(count);
        Numbers { next, end: next + u64::from(count) }
    }

    /// Takes so many numbers of those kept, if there are so many left.
    pub(crate) fn take_of_kept(&mut self, count: u32) -> Option<u64> {
        let first = self.next;
        (first + u64::from(count) <= self.end).then(|| self.take(count))
    }

    /// Takes the number of a call.
    pub(crate) fn operation(&mut self) -> OperationId {
        OperationId(self.take(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{ClusterId, DirectoryId, IncarnationId, NodeId};

    fn numbers(producer: u16, life: u64) -> Numbers {
        Numbers::of(&Identity {
            node: NodeId::producer(producer),
            cluster: ClusterId::from("c"),
            directory: DirectoryId(0),
            incarnation: IncarnationId(life),
            rack: None,
            seed: 0,
        })
    }

    #[test]
    fn no_number_is_used_by_two_producers_or_two_lives() {
        let mut first = numbers(1, 0);
        assert_eq!(first.take(3), 1 << 40);
        assert_eq!(first.operation(), OperationId((1 << 40) + 3));
        assert_eq!(numbers(1, 2).take(1), (1 << 40) + (2 << 32));
    }
}
