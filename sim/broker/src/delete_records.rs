//! DeleteRecords: a client moves the start of logs; it is done when every live replica has followed
//! (`Partition.deleteRecordsOnLeader`, `DelayedDeleteRecords`, KIP-107).

use crate::Broker;
use crate::fetch_session_cache::Moved;
use crate::purgatory::{AwaitingLowWatermark, ProduceKey, ReplyTo};
use klab_log::LogStartReason;
use klab_machine::Outbox;
use klab_wire::{DeleteRecordsRequest, DeletedRecords, ErrorCode, Now, Offset, TopicPartition};

impl Broker {
    /// A DeleteRecords request.
    pub(crate) fn handle_delete_records(
        &mut self,
        request: DeleteRecordsRequest,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        let number = self.purgatory.next_request();
        let mut results = Vec::with_capacity(request.partitions.len());
        for (index, (partition, to)) in (0..).zip(request.partitions) {
            let key = ProduceKey { request: number, index };
            results.push(self.delete_records_of(partition, to, key, out));
        }
        self.purgatory.park_deletion(reply_to, results, request.timeout, now, out);
    }

    fn delete_records_of(
        &mut self,
        partition: TopicPartition,
        to: Option<Offset>,
        key: ProduceKey,
        out: &mut Outbox,
    ) -> (DeletedRecords, bool) {
        let done = |error, low_watermark| DeletedRecords {
            partition: partition.clone(),
            error,
            low_watermark,
        };
        match self.delete_records(&partition, to, key, out) {
            Ok((low_watermark, true)) => (done(ErrorCode::RequestTimedOut, low_watermark), true),
            Ok((low_watermark, false)) => (done(ErrorCode::None, low_watermark), false),
            Err(error) => (done(error, None), false),
        }
    }

    /// Moves the log start of one partition, to the high watermark if no offset is given. Returns the
    /// low watermark, and whether it is still to reach that offset.
    fn delete_records(
        &mut self,
        partition: &TopicPartition,
        to: Option<Offset>,
        key: ProduceKey,
        out: &mut Outbox,
    ) -> Result<(Option<Offset>, bool), ErrorCode> {
        let id = self.identified(partition)?;
        self.hosted(id)?;
        let cluster = &self.metadata.image().cluster;
        let partition = self.replicas.get_mut(id).expect("the partition is hosted");
        partition.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        if !partition.settings.log.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let required = to.unwrap_or(partition.log.high_watermark());
        let reason = LogStartReason::ClientRecordDeletion;
        if partition.log.advance_log_start(required, reason, out)? {
            self.purgatory.sessions.partition_moved(partition, Moved::LogStart);
        }
        let low_watermark = partition.low_watermark(cluster);
        let waits = low_watermark < Some(required);
        if let Some(leader) = partition.leader_mut().filter(|_| waits) {
            leader.awaiting_low_watermark.push(AwaitingLowWatermark { required, key });
        }
        Ok((low_watermark, waits))
    }
}
