//! The memory for records that are not yet acknowledged (`BufferPool`, `buffer.memory`).
//!
//! A batch holds a whole buffer of `batch.size` from its first record on. When memory runs out, sends
//! wait first in, first out: what is given back goes to the one that has waited longest, piece by
//! piece if need be, so that a large record is not starved by small ones.

use std::collections::VecDeque;

/// A send that waits for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// The memory of one producer, by its bytes.
#[derive(Clone, Debug)]
pub(crate) struct BufferPool {
    total: u64,
    available: u64,
    waiters: VecDeque<Waiter>,
}

#[derive(Clone, Debug)]
struct Waiter {
    ticket: Ticket,
    size: u64,
    accumulated: u64,
}

impl BufferPool {
    /// A pool of so many bytes.
    pub(crate) fn new(total: u64) -> Self {
        BufferPool { total, available: total, waiters: VecDeque::new() }
    }

    /// Takes `size` bytes, if there are so many.
    pub(crate) fn take(&mut self, size: u64) -> bool {
        let is_enough = self.available >= size;
        if is_enough {
            self.available -= size;
        }
        is_enough
    }

    /// Joins the queue for `size` bytes, which there are not, under `ticket`. A size beyond the pool is the
    /// caller's mistake: it would wait for ever.
    pub(crate) fn wait(&mut self, size: u64, ticket: Ticket) {
        assert!(size <= self.total, "{size} bytes never fit into {}", self.total);
        self.waiters.push_back(Waiter { ticket, size, accumulated: 0 });
        self.serve();
    }

    /// Gives memory back; the sends that now have enough come out, in the order they waited.
    pub(crate) fn deallocate(&mut self, size: u64) -> Vec<Ticket> {
        self.available += size;
        assert!(self.available <= self.total, "more was given back than was taken");
        self.serve()
    }

    /// A send waits no longer; what it had gathered goes to the next.
    pub(crate) fn give_up(&mut self, ticket: Ticket) -> Vec<Ticket> {
        let Some(index) = self.waiters.iter().position(|waiter| waiter.ticket == ticket) else {
            return Vec::new();
        };
        let gathered = self.waiters.remove(index).map_or(0, |waiter| waiter.accumulated);
        self.deallocate(gathered)
    }

    /// Whether any send waits (`queued() > 0`): every batch is sent at once then.
    pub(crate) fn is_exhausted(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Bytes that batches hold or waiters have gathered.
    pub(crate) fn used(&self) -> u64 {
        self.total - self.available
    }

    /// Only the first waiter gathers; the next one begins when it has enough.
    fn serve(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        while let Some(first) = self.waiters.front_mut() {
            let piece = self.available.min(first.size - first.accumulated);
            first.accumulated += piece;
            self.available -= piece;
            if first.accumulated < first.size {
                break;
            }
            granted.push(first.ticket);
            self.waiters.pop_front();
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_until_it_runs_out_and_waiters_are_served_in_order() {
        let mut pool = BufferPool::new(100);
        assert!(pool.take(60));
        assert!(!pool.take(60));
        pool.wait(60, Ticket(1));
        assert!(!pool.take(30), "the first has taken the rest");
        pool.wait(30, Ticket(2));
        assert_eq!(pool.deallocate(60), [Ticket(1), Ticket(2)]);
        assert_eq!(pool.used(), 90);
        assert!(!pool.is_exhausted());
    }

    #[test]
    fn a_large_waiter_gathers_memory_piece_by_piece() {
        let mut pool = BufferPool::new(100);
        assert!(pool.take(100));
        pool.wait(25, Ticket(10));
        assert_eq!(pool.deallocate(10), []);
        assert_eq!(pool.deallocate(10), []);
        assert!(!pool.take(5), "the large one is first");
        pool.wait(5, Ticket(11));
        assert_eq!(pool.deallocate(10), [Ticket(10), Ticket(11)]);
    }

    #[test]
    fn who_gives_up_leaves_what_it_gathered_to_the_next() {
        let mut pool = BufferPool::new(100);
        assert!(pool.take(90));
        pool.wait(50, Ticket(1));
        pool.wait(10, Ticket(2));
        assert_eq!(pool.give_up(Ticket(1)), [Ticket(2)]);
        assert_eq!(pool.give_up(Ticket(1)), []);
        assert_eq!(pool.deallocate(90), []);
        assert_eq!(pool.used(), 10);
    }
}
