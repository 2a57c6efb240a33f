//! The log directory: logs opened at a start, checkpoints, fsyncs, retention, deletion, and the orderly
//! end (`LogManager`).
//!
//! The logs are opened when the metadata is published for the first time, and not before: only it tells what
//! they are configured with (`BrokerMetadataPublisher.initializeManagers`). A broker that is told to go before
//! that knows nothing of them, and must not swear that they are whole (KAFKA-15375).
//!
//! Facts: `LogDirOpened`, `HighWatermarksCheckpointed`, `ReplicaDeleted`, `LogDirFailed`, `BrokerShutDownCleanly`.

use crate::Broker;
use crate::fetch_session_cache::Moved;
use crate::metadata_source::Mode;
use crate::partition::Partition;
use klab_log::{
    Checkpoints, Log, LogConfig, delete_clean_shutdown, delete_strays, partitions_on,
    previous_broker_epoch, store_clean_shutdown, store_high_watermarks, store_log_starts,
    store_recovery_points,
};
use klab_machine::disk::MetaProperties;
use klab_machine::fact::ReplicationFact;
use klab_machine::timer::BrokerTimer;
use klab_machine::{
    Block, Change, DiskImage, File, FlushId, Identity, Mutant, Outbox, StorageFailure, Timer,
};
use klab_wire::config::switches::CleanShutdownMarker;
use klab_wire::{BrokerEpoch, Now, Offset, Span, TopicIdPartition, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The log directory.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// What the directory had when the process started, as long as nothing of it is opened.
    unopened: Option<DiskImage>,
    /// The fsync after which the clean-shutdown marker of the last life is gone for good.
    withdrawal: Option<FlushId>,
    /// Logs that were opened and that no replica has taken yet.
    found: BTreeMap<TopicIdPartition, Log>,
    /// Whose fsync is under way.
    flushes: BTreeMap<FlushId, TopicIdPartition>,
    /// Logs of deleted replicas, whose files go after `file.delete.delay.ms`.
    deleting: BTreeMap<TopicIdPartition, Log>,
    previous_broker_epoch: Option<BrokerEpoch>,
    /// The high watermarks to be written down, but for those that moved since they were written down before. A
    /// partition that has none is at 0.
    high_watermarks: BTreeMap<TopicIdPartition, Offset>,
    /// The orderly end has begun, and waits for these fsyncs.
    closing: Option<BTreeSet<FlushId>>,
}

impl Storage {
    /// Finds the log directory, and leaves its logs alone.
    pub fn find(identity: &Identity, disk: &DiskImage, out: &mut Outbox) -> Self {
        if !disk.contains(File::MetaProperties) {
            let (cluster, node, directory) =
                (identity.cluster.clone(), identity.node, identity.directory);
            let properties = MetaProperties { cluster, node, directory };
            out.store(File::MetaProperties, Change::Replace(Block::MetaProperties(properties)));
        }
        let previous_broker_epoch = previous_broker_epoch(disk);
        Storage { unopened: Some(disk.clone()), previous_broker_epoch, ..Storage::default() }
    }

    /// Deletes the clean-shutdown marker of the last life, if there is one; says whether that takes an fsync. Kafka
    /// does not wait for it (`CleanShutdownFileHandler.delete`), and a power cut may bring the marker back
    /// when the logs have moved on.
    pub fn withdraw_marker(&mut self, out: &mut Outbox) -> bool {
        let is_there = |disk: &DiskImage| disk.contains(File::CleanShutdown);
        if self.unopened.as_ref().is_some_and(is_there) {
            self.withdrawal = Some(delete_clean_shutdown(out));
        }
        self.withdrawal.is_some()
    }

    /// Whether this is the fsync that the marker's deletion waited for.
    fn is_withdrawn(&mut self, flush: FlushId) -> bool {
        self.withdrawal.take_if(|awaited| *awaited == flush).is_some()
    }

    /// Opens every log of the directory, recovered if the last stop was not an orderly one
    /// (`LogManager.loadLogs`).
    pub fn open(&mut self, config: &Arc<LogConfig>, now: Now, out: &mut Outbox) {
        let Some(disk) = self.unopened.take() else { return };
        let checkpoints = Checkpoints::read(&disk);
        delete_strays(&disk, out);
        for (id, topic) in partitions_on(&disk) {
            let name = TopicPartition { topic, partition: id.partition };
            let mut log = Log::load(id, name, config.clone(), &disk, &checkpoints, now, out);
            self.claim(&mut log);
            self.found.insert(id, log);
        }
        out.state(ReplicationFact::LogDirOpened { logs: self.found.len() as u32 });
    }

    /// The registration under which the broker shut down in order, if it did (KIP-966).
    pub fn previous_broker_epoch(&self) -> Option<BrokerEpoch> {
        self.previous_broker_epoch
    }

    /// The log of a replica: the one that was found, or a new one.
    pub fn take(
        &mut self,
        id: TopicIdPartition,
        name: TopicPartition,
        config: Arc<LogConfig>,
        out: &mut Outbox,
    ) -> Log {
        // The files of a replica that was given up and comes back must not be taken for its own.
        self.delete_now(id, out);
        match self.found.remove(&id) {
            Some(mut log) => {
                log.configure(config);
                log
            }
            None => Log::create(id, name, config),
        }
    }

    /// Deletes what was found and belongs to no replica (`isStrayKraftReplica`).
    pub fn delete_found(&mut self, out: &mut Outbox) {
        std::mem::take(&mut self.found).into_values().for_each(|log| delete(log, out));
    }

    /// Deletes what was found of a partition that no replica has taken (ZooKeeper mode, where the controller says
    /// so).
    pub fn delete_found_named(&mut self, name: &TopicPartition, out: &mut Outbox) {
        let named = self.found.extract_if(.., |_, log| log.name() == name);
        named.for_each(|(_, log)| delete(log, out));
    }

    /// Deletes a log's files after a while, for readers that still have them open. They are no partition's
    /// from now on: a broker that starts meanwhile finds strays (Kafka renames the directory,
    /// `UnifiedLog.renameDir`).
    pub fn delete_later(&mut self, mut log: Log, after: Span, out: &mut Outbox) {
        log.forsake(out);
        let id = log.partition();
        self.deleting.insert(id, log);
        out.set_timer(Timer::Broker(BrokerTimer::DeleteLog(id)), after);
    }

    /// Deletes a log's files, if they are to be deleted.
    pub fn delete_now(&mut self, id: TopicIdPartition, out: &mut Outbox) {
        if let Some(log) = self.deleting.remove(&id) {
            out.stop_timer(Timer::Broker(BrokerTimer::DeleteLog(id)));
            log.delete(out);
        }
    }

    /// Notes the fsyncs that a replica's log has asked for.
    pub fn claim_flushes(&mut self, partition: &mut Partition) {
        self.claim(&mut partition.log);
    }

    /// A replica's high watermark may be another without having moved on: its log was opened, or cut.
    pub fn note_high_watermark(&mut self, log: &Log) {
        match log.high_watermark() {
            Offset(0) => self.high_watermarks.remove(&log.partition()),
            offset => self.high_watermarks.insert(log.partition(), offset),
        };
    }

    /// A replica is given up.
    pub fn forget_high_watermark(&mut self, id: TopicIdPartition) {
        self.high_watermarks.remove(&id);
    }

    /// Whose fsync is done.
    pub fn flushed(&mut self, flush: FlushId) -> Option<TopicIdPartition> {
        self.flushes.remove(&flush)
    }

    /// Closes what was found and belongs to no replica yet.
    fn close_found(&mut self, now: Now, out: &mut Outbox) {
        for (id, log) in &mut self.found {
            log.close(now, out);
            self.flushes.extend(log.claim_flushes().map(|flush| (flush, *id)));
        }
    }

    fn claim(&mut self, log: &mut Log) {
        let id = log.partition();
        self.flushes.extend(log.claim_flushes().map(|flush| (flush, id)));
    }
}

fn delete(log: Log, out: &mut Outbox) {
    out.state(ReplicationFact::ReplicaDeleted { partition: log.name().clone() });
    log.delete(out);
}

impl Broker {
    /// An fsync is done.
    pub(crate) fn flush_done(&mut self, flush: FlushId, now: Now, out: &mut Outbox) {
        if self.storage.is_withdrawn(flush) {
            return self.go_into_service(now, out);
        }
        if let Some(id) = self.storage.flushed(flush) {
            if let Some(partition) = self.replicas.get_mut(id) {
                partition.log.flushed(flush, out);
            } else if let Some(log) = self.storage.found.get_mut(&id) {
                log.flushed(flush, out);
            }
            self.append_flushed(id, now, out);
            self.fetched_flushed(id, flush);
        }
        self.go_on_closing(flush, now, out);
    }

    /// The disk refused an access: with its one log directory the broker is gone
    /// (`LogDirFailureHandler`).
    pub(crate) fn log_dir_failed(&mut self, failure: StorageFailure, out: &mut Outbox) {
        out.state(ReplicationFact::LogDirFailed { error: format!("{failure:?}") });
        out.halt();
    }

    /// Starts the periodic work on the logs (`LogManager.startup`).
    pub(crate) fn schedule_log_tasks(&self, out: &mut Outbox) {
        let log = &self.config.log;
        let mut set = |timer, after: Span| {
            if after < Span::MAX {
                out.set_timer(Timer::Broker(timer), after);
            }
        };
        set(BrokerTimer::IsrExpiration, self.config.replica_lag_time_max_ms.divided_by(2));
        set(BrokerTimer::Retention, log.log_initial_task_delay_ms);
        set(BrokerTimer::CheckpointRecoveryPoints, log.log_initial_task_delay_ms);
        if log.log_flush_scheduler_interval_ms < Span::MAX {
            set(BrokerTimer::FlushLogs, log.log_initial_task_delay_ms);
        }
        let interval = self.config.producer_id_expiration_check_interval_ms;
        set(BrokerTimer::ExpireProducers, interval);
    }

    /// High watermarks are written down from time to time from now on. In ZooKeeper mode not before the first
    /// LeaderAndIsr has said which replicas there are (`startHighWatermarkCheckPointThread`).
    pub(crate) fn schedule_high_watermark_checkpoints(&self, out: &mut Outbox) {
        let interval = self.config.replica_high_watermark_checkpoint_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::CheckpointHighWatermarks), interval);
    }

    /// Writes the high watermarks down, if any has moved.
    pub(crate) fn checkpoint_high_watermarks(&mut self, out: &mut Outbox) {
        let interval = self.config.replica_high_watermark_checkpoint_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::CheckpointHighWatermarks), interval);
        let moved = self.purgatory.take_high_watermarks_moved();
        if !moved.is_empty() {
            self.store_high_watermarks(moved, out);
        }
    }

    /// Writes recovery points and log starts down from time to time.
    pub(crate) fn checkpoint_recovery_points(&mut self, out: &mut Outbox) {
        let interval = self.config.log.log_flush_offset_checkpoint_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::CheckpointRecoveryPoints), interval);
        self.store_recovery_points(out);
    }

    /// A replica's log was cut, and its high watermark may have gone back with it. If its recovery point has, which was
    /// here before, the points are written down anew: what is appended now is not flushed, though the old checkpoint says
    /// so (`LogManager.truncateTo`).
    pub(crate) fn log_cut(&mut self, id: TopicIdPartition, before: Offset, out: &mut Outbox) {
        let Some(partition) = self.replicas.get(id) else { return };
        self.storage.note_high_watermark(&partition.log);
        if partition.log.recovery_point() < before {
            self.store_recovery_points(out);
        }
    }

    /// Flushes the logs that are due (`flushDirtyLogs`).
    pub(crate) fn flush_dirty_logs(&mut self, now: Now, out: &mut Outbox) {
        let interval = self.config.log.log_flush_scheduler_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::FlushLogs), interval);
        for partition in self.replicas.iter_mut().filter(|p| p.log.is_flush_due(now)) {
            partition.log.flush(now, out);
            self.storage.claim_flushes(partition);
        }
    }

    /// Deletes segments past their retention (`cleanupLogs`).
    pub(crate) fn delete_old_segments(&mut self, now: Now, out: &mut Outbox) {
        let interval = self.config.log.log_retention_check_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::Retention), interval);
        for partition in self.replicas.iter_mut() {
            let before = partition.log.log_start();
            partition.log.delete_old_segments(now, out);
            self.storage.claim_flushes(partition);
            let start = partition.log.log_start();
            if start != before {
                self.purgatory.sessions.partition_moved(partition, Moved::LogStart);
                if let Some(fetcher) = self.fetchers.of(partition.id()) {
                    fetcher.log_start_moved(partition.id(), start);
                }
            }
        }
    }

    /// Forgets producers that have been silent for too long (KIP-854).
    pub(crate) fn expire_producers(&mut self, now: Now, out: &mut Outbox) {
        let interval = self.config.producer_id_expiration_check_interval_ms;
        out.set_timer(Timer::Broker(BrokerTimer::ExpireProducers), interval);
        for partition in self.replicas.iter_mut() {
            partition.log.expire_producers(now, out);
        }
    }

    /// The orderly end: every log is flushed, then the checkpoints and the marker are written
    /// (`LogManager.shutdown`). From here on the broker does nothing else. A marker of an earlier life stays if
    /// nothing was opened since; the recovery points are those of the open logs, and may be none.
    pub(crate) fn close_logs(&mut self, now: Now, out: &mut Outbox) {
        for partition in self.replicas.iter_mut() {
            partition.log.close(now, out);
            self.storage.claim_flushes(partition);
        }
        self.storage.close_found(now, out);
        let awaited = self.storage.flushes.keys().copied();
        let awaited = awaited.filter(|_| !Mutant::SwearsBeforeTheFsync.lives());
        self.storage.closing = Some(awaited.collect());
        self.finish_closing(now, out);
    }

    /// The orderly end has begun.
    pub(crate) fn is_closing(&self) -> bool {
        self.storage.closing.is_some()
    }

    fn go_on_closing(&mut self, flush: FlushId, now: Now, out: &mut Outbox) {
        if let Some(awaited) = &mut self.storage.closing
            && awaited.remove(&flush)
        {
            self.finish_closing(now, out);
        }
    }

    fn finish_closing(&mut self, now: Now, out: &mut Outbox) {
        if self.storage.closing.as_ref().is_none_or(|awaited| !awaited.is_empty()) {
            return;
        }
        self.store_recovery_points(out);
        if self.storage.unopened.is_none() {
            let moved = self.purgatory.take_high_watermarks_moved();
            self.store_high_watermarks(moved, out);
        }
        if self.storage.unopened.is_none()
            || self.switches.clean_shutdown_marker == CleanShutdownMarker::Always
        {
            store_clean_shutdown(self.lifecycle.epoch(), out);
            out.state(ReplicationFact::BrokerShutDownCleanly {});
        }
        if self.source.mode() == Mode::ZooKeeper && self.close_session(now, out) {
            return; // Its end is the process's end.
        }
        out.halt();
    }

    /// Every replica's log.
    fn logs(&self) -> impl Iterator<Item = &Log> {
        self.replicas.iter().map(|partition| &partition.log)
    }

    /// Every log that is open: in ZooKeeper mode there may be some that no replica has taken yet.
    fn open_logs(&self) -> impl Iterator<Item = &Log> {
        self.logs().chain(self.storage.found.values())
    }

    /// Writes the high watermarks down, of which these moved since that was done before.
    fn store_high_watermarks(&mut self, moved: Vec<TopicIdPartition>, out: &mut Outbox) {
        for id in moved {
            let Some(partition) = self.replicas.get_mut(id) else { continue };
            partition.is_to_checkpoint = false;
            self.storage.note_high_watermark(&partition.log);
        }
        let offsets = &self.storage.high_watermarks;
        let noted = |log: &Log| offsets.get(&log.partition()).copied().unwrap_or_default();
        debug_assert!(
            self.logs().all(|log| noted(log) == log.high_watermark())
                || Mutant::ForgetsHighWatermark.lives(),
            "a high watermark moved unnoticed"
        );
        store_high_watermarks(offsets.iter().map(|(id, offset)| (*id, *offset)), out);
        let partitions = self.replicas.len();
        out.state(ReplicationFact::HighWatermarksCheckpointed { partitions });
    }

    /// Writes recovery points and log starts down.
    pub(crate) fn store_recovery_points(&self, out: &mut Outbox) {
        store_recovery_points(self.open_logs(), out);
        store_log_starts(self.open_logs(), out);
    }
}
