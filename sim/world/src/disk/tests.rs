//! Where fsyncs wait for each other.

use super::*;
use klab_machine::random::stream;
use klab_wire::{Offset, Timestamp, TopicId};

const FSYNC: Span = Span::from_millis(1);

fn segment(partition: u32) -> File {
    let topic = TopicId::CLUSTER_METADATA;
    let partition = klab_wire::PartitionId(partition);
    File::Segment(TopicIdPartition { topic, partition }, Offset(0))
}

/// Three partitions are appended to and flushed, one after the other. When each of the fsyncs is done.
fn fsyncs_over(directories: u16) -> Vec<Time> {
    fsyncs_of(DiskProfile { fsync: FSYNC, directories, ..DiskProfile::default() })
}

fn fsyncs_of(profile: DiskProfile) -> Vec<Time> {
    let mut disk = Disk::new(0, profile, stream(1, "test", []));
    let mut timeline = Timeline::new();
    for flush in 0..3 {
        let file = segment(flush);
        let batch = RecordBatch::of_counted(0, 1, 100, Timestamp(0), None);
        let append = Change::Append(Block::Batch(Arc::new(batch)));
        disk.store(file, append, &mut timeline).expect("the disk works");
        let then = Flushed { life: 1, flush: FlushId(u64::from(flush)) };
        disk.flush(file, then, &mut timeline).expect("the disk works");
    }
    let mut done = Vec::new();
    while let Some(event) = timeline.next_before(None) {
        if let Event::DiskDone { directory, generation, .. } = event
            && disk.done(directory, generation).is_some()
        {
            done.push(timeline.now());
        }
    }
    done
}

#[test]
fn fsyncs_of_one_disk_wait_for_each_other_and_those_of_two_do_not() {
    let at = |millis| Time(FSYNC.0 * millis);
    assert_eq!(fsyncs_over(1), [at(1), at(2), at(3)]);
    assert_eq!(fsyncs_over(2), [at(1), at(1), at(2)]);
}

#[test]
fn where_the_platter_stands_an_fsync_finds_by_chance() {
    let jitter = Span::from_millis(8);
    let profile = DiskProfile { fsync: FSYNC, fsync_jitter: jitter, ..DiskProfile::default() };
    let done = fsyncs_of(profile);
    let starts = [Time::ZERO, done[0], done[1]];
    let took: Vec<Span> = starts.iter().zip(&done).map(|(from, to)| to.since(*from)).collect();
    assert!(took.iter().all(|one| (FSYNC..=FSYNC + jitter).contains(one)), "{took:?}");
    assert!(took[0] != took[1] && took[1] != took[2], "{took:?}");
    assert_eq!(fsyncs_of(profile), done, "the same stream gives the same");
}
