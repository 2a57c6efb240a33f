//! The log against a naive one, a list of batches: appends, truncations, retention, crashes and power
//! cuts in any order.

use crate::testing::{PARTITION, Rig, records, sequenced};
use crate::{Checkpoints, LogConfig};
use klab_machine::{Block, Change, DiskImage, File};
use klab_wire::config::switches::RecoveryGap;
use klab_wire::{LeaderEpoch, Offset, ProducerId, RecordBatch, Span};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that can happen to a log.
#[derive(Clone, Debug)]
enum Step {
    /// So many records of a leader, of an idempotent producer or of none, in a new epoch or the old.
    Lead {
        count: u32,
        producer: Option<u64>,
        new_epoch: bool,
    },
    /// The same, fetched.
    Follow {
        count: u32,
        producer: Option<u64>,
        new_epoch: bool,
        gap: u32,
    },
    /// A new leader takes office.
    AssignEpoch,
    /// The batches from this one of so many parts of the log on go.
    Truncate {
        part: u32,
    },
    StartAfresh {
        ahead: u32,
    },
    Roll,
    /// So many parts of the log are committed, and so many of these deleted.
    DeleteRecords {
        committed: u32,
        deleted: u32,
    },
    Retain,
    Flush,
    Checkpoint,
    Restart(Stop),
}

/// How a process can end.
#[derive(Clone, Debug)]
enum Stop {
    Clean,
    Crash,
    /// So many unflushed batches were written back; the next one is torn.
    PowerCut {
        written_back: u32,
        torn: bool,
    },
}

/// What a batch of the naive log is.
#[derive(Clone, Debug, PartialEq)]
struct Batch {
    base: u64,
    last: u64,
    epoch: u32,
    /// The producer and its last sequence.
    producer: Option<(u64, u32)>,
}

/// The naive log beside the real one.
struct Pair {
    rig: Rig,
    batches: Vec<Batch>,
    start: u64,
    end: u64,
    /// The next sequence of each producer.
    sequences: BTreeMap<u64, u32>,
    /// A crash has brought the log start back.
    lost_start: bool,
    /// Batches that a power cut cannot take, by file.
    durable: BTreeMap<File, usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let producer = || prop::option::of(1..3_u64);
    prop_oneof![
        8 => (1..4_u32, producer(), prop::bool::weighted(0.2))
            .prop_map(|(count, producer, new_epoch)| Step::Lead { count, producer, new_epoch }),
        4 => (1..4_u32, producer(), prop::bool::weighted(0.2), 0..2_u32).prop_map(
            |(count, producer, new_epoch, gap)| Step::Follow { count, producer, new_epoch, gap }
        ),
        1 => Just(Step::AssignEpoch),
        2 => (0..5_u32).prop_map(|part| Step::Truncate { part }),
        1 => (0..3_u32).prop_map(|ahead| Step::StartAfresh { ahead }),
        1 => Just(Step::Roll),
        2 => (0..5_u32, 0..5_u32)
            .prop_map(|(committed, deleted)| Step::DeleteRecords { committed, deleted }),
        1 => Just(Step::Retain),
        2 => Just(Step::Flush),
        2 => Just(Step::Checkpoint),
        2 => stop().prop_map(Step::Restart),
    ]
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![
        Just(Stop::Clean),
        Just(Stop::Crash),
        (0..4_u32, any::<bool>())
            .prop_map(|(written_back, torn)| Stop::PowerCut { written_back, torn }),
    ]
}

impl Pair {
    fn new() -> Self {
        let config = LogConfig {
            segment_bytes: 3 * u64::from(records(3).size_in_bytes),
            retention_bytes: Some(6 * u64::from(records(3).size_in_bytes)),
            timestamp_after_max: Span::MAX,
            // The followed log may be a compacted one.
            recovery_gap: RecoveryGap::Unnoticed,
            ..LogConfig::default()
        };
        Pair {
            rig: Rig::with(config),
            batches: Vec::new(),
            start: 0,
            end: 0,
            sequences: BTreeMap::new(),
            lost_start: false,
            durable: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Lead { count, producer, new_epoch } => self.lead(count, producer, new_epoch),
            Step::Follow { count, producer, new_epoch, gap } => {
                self.follow(count, producer, new_epoch, u64::from(gap));
            }
            Step::AssignEpoch => self.assign_epoch(),
            Step::Truncate { part } => self.truncate(part),
            Step::StartAfresh { ahead } => self.start_afresh(self.end + u64::from(ahead)),
            Step::Roll => self.rig.roll(),
            Step::DeleteRecords { committed, deleted } => self.delete_records(committed, deleted),
            Step::Retain => self.retain(),
            Step::Flush => self.flush(),
            Step::Checkpoint => self.checkpoint(),
            Step::Restart(ref stop) => self.restart(stop),
        }
        self.note_durable();
    }

    fn lead(&mut self, count: u32, producer: Option<u64>, new_epoch: bool) {
        self.rig.epoch += u32::from(new_epoch);
        let batch = self.next_batch(count, producer);
        let info = self.rig.append(batch.clone());
        assert_eq!((info.first_offset, info.duplicate), (Offset(self.end), false));
        self.push(&batch.assigned(Offset(self.end), LeaderEpoch(self.rig.epoch)));
        if producer.is_some() {
            assert_eq!(self.rig.append(batch).first_offset, info.first_offset, "a duplicate");
        }
    }

    fn follow(&mut self, count: u32, producer: Option<u64>, new_epoch: bool, gap: u64) {
        self.rig.epoch += u32::from(new_epoch);
        let base = Offset(self.end + gap);
        let batch = self.next_batch(count, producer).assigned(base, LeaderEpoch(self.rig.epoch));
        let fetched = [Arc::new(batch)];
        self.rig.act(|log, now, out| log.append_as_follower(&fetched, now, out)).unwrap();
        self.push(&fetched[0]);
    }

    fn next_batch(&mut self, count: u32, producer: Option<u64>) -> RecordBatch {
        let Some(id) = producer else { return records(count) };
        let next = self.sequences.entry(id).or_default();
        *next += count;
        sequenced(id, 0, *next - count, count)
    }

    fn push(&mut self, batch: &RecordBatch) {
        self.end = batch.next_offset().0;
        self.batches.push(Batch {
            base: batch.base_offset.0,
            last: batch.last_offset().0,
            epoch: batch.partition_leader_epoch.0,
            producer: batch.producer.map(|p| (p.id.0, batch.last_sequence().unwrap().0)),
        });
    }

    fn assign_epoch(&mut self) {
        self.rig.epoch += 1;
        let (epoch, end) = (LeaderEpoch(self.rig.epoch), Offset(self.end));
        self.rig.act(|log, _, out| log.assign_epoch_start(epoch, end, out));
    }

    /// Truncates to the end of the batch before, then writes recovery points, as
    /// `LogManager.truncateTo` does.
    fn truncate(&mut self, part: u32) {
        let Some(first) = self.batch_at(part).map(|batch| batch.base) else { return };
        let before = self.batches.iter().rfind(|batch| batch.last < first);
        let to = before.map_or(self.first_base(), |batch| batch.last + 1);
        assert_eq!(self.rig.truncate(to), to < self.end);
        self.batches.retain(|batch| batch.last < to);
        (self.start, self.end) = (self.start.min(to), to);
        self.rewind_sequences();
        self.checkpoint();
    }

    /// A producer goes on after the last batch that the log knows of it; one from before the log start
    /// may be known or not.
    fn rewind_sequences(&mut self) {
        let producers = &self.rig.log.producers;
        let last = |id| Some(producers.entry(ProducerId(id))?.last_sequence()?.0);
        self.sequences = (1..3).filter_map(|id| Some((id, last(id)? + 1))).collect();
    }

    fn last_sequences(&self) -> BTreeMap<u64, u32> {
        let visible = self.batches.iter().filter(|batch| batch.last >= self.start);
        visible.filter_map(|batch| batch.producer).collect()
    }

    fn start_afresh(&mut self, at: u64) {
        self.rig.act(|log, now, out| log.truncate_fully_and_start_at(Offset(at), now, out));
        self.batches.clear();
        self.sequences.clear();
        (self.start, self.end) = (at, at);
        self.checkpoint();
    }

    fn delete_records(&mut self, committed: u32, deleted: u32) {
        let Some(high_watermark) = self.batch_at(committed).map(|batch| batch.base) else { return };
        self.rig.log.update_high_watermark(Offset(high_watermark));
        let high_watermark = self.rig.log.high_watermark().0;
        let to = self.start + (high_watermark - self.start) * u64::from(deleted) / 5;
        self.rig.delete_records(to);
        self.start = self.start.max(to);
    }

    fn retain(&mut self) {
        self.rig.commit_all();
        self.rig.act(|log, now, out| log.delete_old_segments(now, out));
        self.follow_the_start();
    }

    /// Whole segments left at the start.
    fn follow_the_start(&mut self) {
        let start = self.rig.log.log_start().0;
        self.lost_start |= start < self.start;
        self.start = start;
        let first = self.first_base();
        self.batches.retain(|batch| batch.last >= first);
    }

    fn flush(&mut self) {
        self.rig.flush();
        assert_eq!(self.rig.log.recovery_point(), Offset(self.end));
    }

    fn checkpoint(&mut self) {
        self.rig.act(|log, _, out| {
            let logs = || std::iter::once(&*log);
            crate::store_recovery_points(logs(), out);
            crate::store_log_starts(logs(), out);
            crate::store_high_watermarks(
                logs().map(|log| (log.partition, log.high_watermark)),
                out,
            );
        });
    }

    fn restart(&mut self, stop: &Stop) {
        if matches!(stop, Stop::Clean) {
            self.rig.act(|log, now, out| log.close(now, out));
            self.rig.finish_flushes();
            self.checkpoint();
        }
        let flushed = self.flushed_end();
        if let Stop::PowerCut { written_back, torn } = *stop {
            self.cut_power(written_back as usize, torn);
        }
        let left = self.readable_offsets();
        let clean = matches!(stop, Stop::Clean);
        let checkpoints = Checkpoints { clean, ..Checkpoints::read(&self.rig.disk) };
        self.rig.restart(checkpoints);
        let end = self.rig.log.log_end().0;
        match stop {
            Stop::PowerCut { .. } => {
                assert!((flushed..=self.end).contains(&end), "flushed is safe")
            }
            _ => assert_eq!(end, self.end, "the page cache is safe"),
        }
        self.end = end;
        self.batches.retain(|batch| left.contains(&batch.base));
        self.follow_the_start();
        self.rewind_sequences();
    }

    /// The end of the last batch below the recovery point.
    fn flushed_end(&self) -> u64 {
        let flushed = self.rig.log.recovery_point().0;
        let below = self.batches.iter().rfind(|batch| batch.last < flushed);
        below.map_or(0, |batch| batch.last + 1)
    }

    /// The base offsets of the batches that the disk has, up to the first torn one.
    fn readable_offsets(&self) -> BTreeSet<u64> {
        let segments = self.rig.disk.files().filter(|file| matches!(file, File::Segment(..)));
        let blocks = segments.flat_map(|file| self.rig.disk.blocks(file));
        let batches = blocks.filter_map(|block| match block {
            Block::Batch(batch) => Some(batch),
            _ => None,
        });
        batches.take_while(|batch| batch.is_valid()).map(|batch| batch.base_offset.0).collect()
    }

    /// Each file keeps what was flushed, and some of what was not.
    fn cut_power(&mut self, written_back: usize, torn: bool) {
        let mut disk = DiskImage::default();
        for file in self.rig.disk.files() {
            let blocks = self.rig.disk.blocks(file);
            let durable = self.durable.get(&file).copied().unwrap_or(0);
            let is_segment = matches!(file, File::Segment(..));
            let kept = if is_segment { durable + written_back } else { blocks.len() };
            disk.apply(file, Change::Create);
            for (place, block) in blocks.iter().take(kept).enumerate() {
                let torn = is_segment && torn && place >= durable && place + 1 == kept;
                disk.apply(file, Change::Append(if torn { tear(block) } else { block.clone() }));
            }
        }
        self.rig.disk = disk;
    }

    /// What lies below the recovery point is on the platter.
    fn note_durable(&mut self) {
        let flushed = self.rig.log.recovery_point();
        let partition = PARTITION;
        self.durable = (self.rig.log.segments.iter())
            .map(|segment| {
                let durable = segment.batches().filter(|batch| batch.last_offset() < flushed);
                (segment.file(partition), durable.count())
            })
            .collect();
    }

    fn batch_at(&self, part: u32) -> Option<&Batch> {
        let visible: Vec<_> = self.batches.iter().filter(|b| b.base >= self.start).collect();
        visible.get(visible.len() * part as usize / 5).copied()
    }

    fn first_base(&self) -> u64 {
        self.rig.log.segments.first().base.0
    }

    fn check(&self) {
        let log = &self.rig.log;
        assert_eq!((log.log_start().0, log.log_end().0), (self.start, self.end));
        let (low, high) = (log.log_start(), log.log_end());
        assert!((low..=high).contains(&log.high_watermark()));
        assert!(log.recovery_point() <= high);
        self.check_batches();
        self.check_epochs();
        self.check_producers();
        self.check_disk();
    }

    fn check_batches(&self) {
        let found: Vec<_> = self.rig.ranges();
        let expected: Vec<_> = self.batches.iter().map(|batch| (batch.base, batch.last)).collect();
        assert_eq!(found, expected);
    }

    /// Every offset has its epoch, but for those that DeleteRecords took and a crash brought back.
    fn check_epochs(&self) {
        let epochs = self.rig.log.epochs();
        let known = epochs.entries().first().map_or(self.end, |entry| entry.1.0);
        let start = if self.lost_start { known.max(self.start) } else { self.start };
        for batch in self.batches.iter().filter(|batch| batch.last >= start) {
            let of = |offset| epochs.epoch_of(Offset(offset)).map(|epoch| epoch.0);
            let (first, last) = (of(batch.base.max(start)), of(batch.last));
            assert_eq!((first, last), (Some(batch.epoch), Some(batch.epoch)));
        }
        assert!(epochs.entries().iter().all(|entry| entry.1.0 <= self.end));
        assert!(
            epochs.entries().windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
        );
    }

    fn check_producers(&self) {
        for (id, last) in self.last_sequences() {
            let known =
                self.rig.log.producers.entry(ProducerId(id)).expect("a producer in the log");
            assert_eq!(known.last_sequence().map(|sequence| sequence.0), Some(last), "{id}");
        }
    }

    /// The disk holds what memory holds.
    fn check_disk(&self) {
        for segment in self.rig.log.segments.iter() {
            let blocks = self.rig.disk.blocks(segment.file(PARTITION));
            let batches: Vec<_> = segment.batches().cloned().map(Block::Batch).collect();
            assert_eq!(blocks, batches);
        }
        let segments = self.rig.disk.files().filter(|file| matches!(file, File::Segment(..)));
        assert!(segments.count() as u32 <= self.rig.log.segment_count());
    }
}

fn tear(block: &Block) -> Block {
    let Block::Batch(batch) = block else { return block.clone() };
    Block::Batch(Arc::new(RecordBatch { crc: !batch.crc, ..(**batch).clone() }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_log_is_its_batches_whatever_happens_to_it(steps in prop::collection::vec(step(), 1..40)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
            pair.check();
        }
    }
}
