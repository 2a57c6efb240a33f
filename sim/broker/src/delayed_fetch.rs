//! When a fetch that waits in purgatory is complete (`DelayedFetch.tryComplete`).

use crate::Broker;
use crate::fetch::FetchParams;
use crate::fetch_read::diverging_epoch;
use crate::fetch_session::{CachedPartition, FetchSession};
use crate::partition::Partition;
use klab_wire::ErrorCode;

/// Where a delayed fetch stands with one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Available {
    /// So many bytes.
    Bytes(u64),
    /// The fetch is complete, whatever the other partitions have.
    Complete,
}
impl Broker {
    /// Whether a parked fetch is complete (`DelayedFetch.tryComplete`).
    pub(crate) fn is_fetch_complete(&self, session: &FetchSession, params: &FetchParams) -> bool {
        let mut bytes = 0;
        for known in session.dirty() {
            match self.available(known, params) {
                Ok(Available::Bytes(more)) => bytes += more,
                Ok(Available::Complete) | Err(_) => return true,
            }
            if bytes >= u64::from(params.min_bytes) {
                return true;
            }
        }
        false
    }

    fn available(
        &self,
        known: &CachedPartition,
        params: &FetchParams,
    ) -> Result<Available, ErrorCode> {
        let fetch = &known.fetch;
        let Some(partition) = self.replicas.recall(known.replica, fetch.partition) else {
            return Ok(Available::Complete);
        };
        partition.check_log(fetch.current_leader_epoch, params.is_from_follower())?;
        let end = params.end_of(partition);
        if fetch.fetch_offset > end {
            return Ok(Available::Complete);
        }
        if diverging_epoch(partition, fetch)?.is_some() {
            return Ok(Available::Complete);
        }
        if fetch.fetch_offset >= end || self.is_held_back(partition, params) {
            return Ok(Available::Bytes(0));
        }
        if params.min_bytes <= 1 {
            return Ok(Available::Complete); // Any batch is enough, as with nearly every reader.
        }
        // A reader that is a segment behind has waited for nothing.
        Ok(match partition.log.bytes_between(fetch.fetch_offset, end) {
            Some(bytes) => Available::Bytes(bytes.min(u64::from(fetch.max_bytes))),
            None => Available::Complete,
        })
    }

    /// A throttled partition does not complete a delayed fetch.
    fn is_held_back(&self, partition: &Partition, params: &FetchParams) -> bool {
        let Some(follower) = params.replica else { return false };
        let index = partition.id().partition;
        partition.settings.is_leader_throttled(index, self.identity.node)
            && !partition.is_in_isr(follower.id)
    }
}
