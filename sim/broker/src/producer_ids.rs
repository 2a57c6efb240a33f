//! Producer ids for idempotent producers: the controller gives them out in blocks, the broker one by one
//! (`RPCProducerIdManager`, KIP-730).

use klab_wire::{AllocateProducerIdsResponse, ErrorCode, ProducerId, Span};

/// How long to wait after the controller refused a block (`RETRY_BACKOFF_MS`).
pub const RETRY: Span = Span::from_millis(50);

/// Ids from `next` up to but excluding `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Block {
    next: u64,
    end: u64,
    size: u32,
}

/// The ids that this broker may give out.
#[derive(Clone, Debug, Default)]
pub struct ProducerIds {
    current: Block,
    next: Option<Block>,
    requested: bool,
}

impl ProducerIds {
    /// Another id, never given before; COORDINATOR_LOAD_IN_PROGRESS while the controller has not sent
    /// any.
    pub fn generate(&mut self) -> Result<ProducerId, ErrorCode> {
        if self.current.is_empty() {
            self.current = self.next.take().unwrap_or_default();
        }
        if self.current.is_empty() {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        let id = ProducerId(self.current.next);
        self.current.next += 1;
        Ok(id)
    }

    /// Whether to ask the controller for a block now: nine tenths of the last one are gone, and nothing
    /// is asked or in store.
    pub fn wants_block(&mut self) -> bool {
        let wants = !self.requested && self.next.is_none() && self.current.is_nearly_empty();
        self.requested |= wants;
        wants
    }

    /// The controller answered. Says whether to ask again after [`RETRY`].
    pub fn block_answered(&mut self, answer: &AllocateProducerIdsResponse) -> bool {
        self.requested = false;
        if !answer.error.is_ok() {
            return true;
        }
        let (next, size) = (answer.first.0, answer.length);
        self.next = Some(Block { next, end: next + u64::from(size), size });
        false
    }

    /// No controller could be reached.
    pub fn block_failed(&mut self) {
        self.requested = false;
    }
}

impl Block {
    fn is_empty(&self) -> bool {
        self.next == self.end
    }

    fn is_nearly_empty(&self) -> bool {
        (self.end - self.next) * 10 <= u64::from(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first: u64, length: u32) -> AllocateProducerIdsResponse {
        AllocateProducerIdsResponse { error: ErrorCode::None, first: ProducerId(first), length }
    }

    #[test]
    fn kip_730_ids_come_from_blocks_and_the_next_block_is_fetched_in_time() {
        let mut ids = ProducerIds::default();
        assert_eq!(ids.generate(), Err(ErrorCode::CoordinatorLoadInProgress));
        assert!(ids.wants_block());
        assert!(!ids.wants_block(), "one request at a time");
        ids.block_answered(&block(100, 10));
        let given: Vec<u64> = (0..8).map(|_| ids.generate().unwrap().0).collect();
        assert_eq!(given, (100..108).collect::<Vec<_>>());
        assert!(!ids.wants_block());
        ids.generate().unwrap();
        assert!(ids.wants_block(), "nine tenths are gone");
        ids.block_answered(&block(500, 10));
        assert_eq!(ids.generate(), Ok(ProducerId(109)));
        assert_eq!(ids.generate(), Ok(ProducerId(500)));
    }

    #[test]
    fn a_refused_block_is_asked_for_again() {
        let mut ids = ProducerIds::default();
        assert!(ids.wants_block());
        let refused =
            AllocateProducerIdsResponse { error: ErrorCode::StaleBrokerEpoch, ..block(0, 0) };
        assert!(ids.block_answered(&refused));
        assert!(ids.wants_block());
    }
}
