//! ListOffsets and OffsetForLeaderEpoch: which offset a time, a special position or an epoch stands for
//! (`Partition.fetchOffsetForTimestamp`, `lastOffsetForLeaderEpoch`).
//!
//! Right after an election the high watermark lags behind what is committed. Until it has reached the
//! start of the leader's epoch, a client that asks for the end is told to come back
//! (OFFSET_NOT_AVAILABLE, KIP-207): otherwise the end would be seen to go back.

use crate::Broker;
use crate::partition::Partition;
use crate::truncation::epoch_end_offset;
use klab_log::TimestampAndOffset;
use klab_wire::config::Switches;
use klab_wire::config::switches::ListOffsetsLatest;
use klab_wire::{
    EndOffsetForEpoch, ErrorCode, IsolationLevel, LeaderEpoch, ListOffsetsPartition,
    ListOffsetsRequest, ListOffsetsResponse, ListedOffset, Offset, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetSpec,
};

impl Broker {
    /// A ListOffsets request.
    pub(crate) fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let isolation = request.replica.is_none().then_some(request.isolation);
        let answer = |asked| self.list_offset(asked, isolation);
        ListOffsetsResponse { partitions: request.partitions.iter().map(answer).collect() }
    }

    /// An OffsetForLeaderEpoch request.
    pub(crate) fn offsets_for_leader_epoch(
        &self,
        request: &OffsetForLeaderEpochRequest,
    ) -> OffsetForLeaderEpochResponse {
        let answer = |asked| self.end_offset_for(asked);
        let partitions = request.partitions.iter().map(answer).collect();
        OffsetForLeaderEpochResponse { partitions }
    }

    fn list_offset(
        &self,
        asked: &ListOffsetsPartition,
        isolation: Option<IsolationLevel>,
    ) -> ListedOffset {
        let found = self
            .identified(&asked.partition)
            .and_then(|id| self.hosted(id))
            .and_then(|partition| partition.list_offset(asked, isolation, &self.switches));
        let place = found.unwrap_or_default();
        ListedOffset {
            partition: asked.partition.clone(),
            error: found.err().unwrap_or_default(),
            timestamp: place.and_then(|place| place.timestamp),
            offset: place.map(|place| place.offset),
            leader_epoch: place.and_then(|place| place.leader_epoch),
        }
    }

    fn end_offset_for(&self, asked: &OffsetForLeaderPartition) -> EndOffsetForEpoch {
        let end = self.identified(&asked.partition).and_then(|id| self.hosted(id)).and_then(|p| {
            p.check_log(asked.current_leader_epoch, true)?;
            Ok(epoch_end_offset(self.switches.truncation, &p.log, asked.leader_epoch))
        });
        let found = end.unwrap_or_default();
        EndOffsetForEpoch {
            partition: asked.partition.clone(),
            error: end.err().unwrap_or_default(),
            leader_epoch: found.map(|end| end.epoch),
            end_offset: found.map(|end| end.end_offset),
        }
    }
}

impl Partition {
    /// Looks a position up. `isolation` is none for a follower, which sees everything.
    fn list_offset(
        &self,
        asked: &ListOffsetsPartition,
        isolation: Option<IsolationLevel>,
        switches: &Switches,
    ) -> Result<Option<TimestampAndOffset>, ErrorCode> {
        self.check_log(asked.current_leader_epoch, true)?;
        let last_fetchable = match isolation {
            Some(IsolationLevel::ReadCommitted) => self.log.last_stable_offset(),
            Some(IsolationLevel::ReadUncommitted) => self.log.high_watermark(),
            None => self.visible_end(),
        };
        let is_fenced = switches.list_offsets_latest == ListOffsetsLatest::Fenced;
        let lags = is_fenced && isolation.is_some() && self.high_watermark_lags();
        let found = match asked.spec {
            OffsetSpec::Latest => Some(latest(last_fetchable, self.leader_epoch())),
            OffsetSpec::Earliest => return Ok(self.log.offset_for(OffsetSpec::Earliest)),
            spec => self.log.offset_for(spec),
        };
        visible(found, asked.spec, last_fetchable, lags)
    }

    /// The high watermark has not reached the start of this leader's epoch.
    fn high_watermark_lags(&self) -> bool {
        let start = self.leader().map(|leader| leader.epoch_start_offset);
        start.is_some_and(|start| start > self.log.high_watermark())
    }
}

fn latest(offset: Offset, epoch: LeaderEpoch) -> TimestampAndOffset {
    TimestampAndOffset { timestamp: None, offset, leader_epoch: Some(epoch) }
}

/// What of a position that was found may be told (`ReplicaManager.fetchOffset`).
fn visible(
    found: Option<TimestampAndOffset>,
    spec: OffsetSpec,
    last_fetchable: Offset,
    high_watermark_lags: bool,
) -> Result<Option<TimestampAndOffset>, ErrorCode> {
    let is_below = found.is_some_and(|found| found.offset < last_fetchable);
    match spec {
        OffsetSpec::Earliest => Ok(found),
        OffsetSpec::Latest if !high_watermark_lags => Ok(found),
        _ if is_below => Ok(found),
        _ if high_watermark_lags => Err(ErrorCode::OffsetNotAvailable),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::Timestamp;

    #[test]
    fn kip_207_nothing_at_or_above_the_high_watermark_is_told_while_it_lags() {
        let (latest_spec, at) = (OffsetSpec::Latest, OffsetSpec::At(Timestamp(5)));
        let unavailable = Err(ErrorCode::OffsetNotAvailable);
        // Asked, found offset, last fetchable offset, lags; told.
        let cases = [
            (latest_spec, Some(7), 7, false, Ok(Some(7))),
            (latest_spec, Some(7), 7, true, unavailable),
            (OffsetSpec::Earliest, Some(7), 7, true, Ok(Some(7))),
            (at, Some(6), 7, true, Ok(Some(6))),
            (at, Some(7), 7, true, unavailable),
            (at, Some(7), 7, false, Ok(None)),
            (at, None, 7, true, unavailable),
            (at, None, 7, false, Ok(None)),
            (OffsetSpec::MaxTimestamp, Some(9), 7, false, Ok(None)),
        ];
        for (spec, offset, last_fetchable, lags, expected) in cases {
            let found = offset.map(|offset| latest(Offset(offset), LeaderEpoch(1)));
            let told = visible(found, spec, Offset(last_fetchable), lags);
            assert_eq!(told.map(|told| told.map(|t| t.offset.0)), expected, "{spec:?} {offset:?}");
        }
    }
}
