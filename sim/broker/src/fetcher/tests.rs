//! What a fetcher asks next, by what became of it so far.

use super::*;
use klab_machine::random::stream;
use klab_network::{ExponentialBackoff, NetworkConfig};
use klab_wire::config::switches::Truncation;
use klab_wire::{PartitionId, TopicId};

fn id(partition: u32) -> TopicIdPartition {
    TopicIdPartition { topic: TopicId(7), partition: PartitionId(partition) }
}

fn fetcher(partitions: u32) -> Fetcher {
    let name = FetcherId { source: NodeId::broker(1), number: 0 };
    let backoff = ExponentialBackoff { initial: Span::ZERO, max: Span::ZERO };
    let network = NetworkConfig {
        request_timeout: Span::from_secs(30),
        setup_timeout: Span::from_secs(10),
        reconnect_backoff: backoff,
    };
    let config = FetcherConfig {
        max_wait: Span::from_millis(500),
        min_bytes: 1,
        max_bytes: 10_000,
        partition_max_bytes: 1_000,
        backoff: Span::from_secs(1),
        truncation: Truncation::Kip320,
    };
    let client = NetworkClient::new(1, network, stream(1, "fetcher", []));
    let mut fetcher = Fetcher::new(name, client, config);
    (0..partitions).for_each(|p| fetcher.add(id(p), state(0, false)));
    fetcher
}

fn state(offset: u64, is_throttled: bool) -> PartitionFetchState {
    PartitionFetchState::new(Offset(offset), LeaderEpoch(3), None, Offset(0), is_throttled)
}

fn replica() -> FetchingReplica {
    FetchingReplica { id: NodeId::broker(2), directory: None, epoch: None }
}

/// Partitions and forgotten ones of the next fetch.
fn next(fetcher: &mut Fetcher, quota: bool, now: Time) -> Option<(Vec<u32>, Vec<u32>)> {
    let request = fetcher.next_fetch(replica(), || quota, now)?;
    let index = |id: TopicIdPartition| id.partition.0;
    Some((
        request.partitions.iter().map(|fetch| index(fetch.partition)).collect(),
        request.forgotten.iter().map(|forgotten| index(*forgotten)).collect(),
    ))
}

fn answered(fetcher: &mut Fetcher, error: ErrorCode, session: u32) {
    let response = FetchResponse { error, session, ..FetchResponse::default() };
    fetcher.session_answered(&response);
}

const T: fn(u64) -> Time = |millis| Time(millis * 1_000_000);

#[test]
fn kip_227_after_the_first_request_only_what_changed_is_said() {
    let mut fetcher = fetcher(3);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0, 1, 2], vec![])));
    answered(&mut fetcher, ErrorCode::None, 9);
    fetcher.advance(id(1), Offset(4), Some(LeaderEpoch(3)), 0);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![1], vec![])));
    answered(&mut fetcher, ErrorCode::None, 9);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![], vec![])));
    fetcher.remove(id(2));
    fetcher.log_start_moved(id(0), Offset(1));
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0], vec![2])));
}

#[test]
fn kip_227_a_lost_session_starts_over_with_everything() {
    for (error, closes) in
        [(ErrorCode::FetchSessionIdNotFound, 0), (ErrorCode::InvalidFetchSessionEpoch, 9)]
    {
        let mut fetcher = fetcher(2);
        next(&mut fetcher, false, T(0));
        answered(&mut fetcher, ErrorCode::None, 9);
        next(&mut fetcher, false, T(0));
        answered(&mut fetcher, error, 0);
        assert_eq!(fetcher.session, FetchSession { id: closes, epoch: SessionEpoch::Initial });
        assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0, 1], vec![])));
    }
}

#[test]
fn a_partition_with_an_error_leaves_the_session_until_its_back_off_has_passed() {
    let mut fetcher = fetcher(2);
    next(&mut fetcher, false, T(0));
    answered(&mut fetcher, ErrorCode::None, 9);
    fetcher.delay(id(0), T(0));
    assert!(fetcher.expects(id(0)).is_none() && fetcher.expects(id(1)).is_some());
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![], vec![0])));
    assert_eq!(fetcher.next_wake(T(0)), Some(Span::from_secs(1)));
    assert_eq!(next(&mut fetcher, false, T(1_000)), Some((vec![0], vec![])));
}

#[test]
fn a_back_off_that_ends_while_an_answer_is_awaited_wakes_nobody() {
    let mut fetcher = fetcher(2);
    fetcher.delay(id(0), T(0));
    fetcher.requests_in_flight = 1;
    assert_eq!(fetcher.next_wake(T(1_000)), None, "else it would be woken again and again");
    fetcher.request_done();
    assert_eq!(next(&mut fetcher, false, T(1_000)), Some((vec![0, 1], vec![])));
    assert_eq!(fetcher.next_wake(T(1_000)), None);
}

#[test]
fn nothing_leaves_while_an_fsync_or_an_answer_is_awaited() {
    let mut fetcher = fetcher(1);
    fetcher.unflushed.insert(FlushId(4));
    assert_eq!(next(&mut fetcher, false, T(0)), None);
    fetcher.unflushed.clear();
    fetcher.requests_in_flight = 1;
    assert_eq!(next(&mut fetcher, false, T(0)), None);
    fetcher.request_done();
    fetcher.pause(T(0));
    assert_eq!(next(&mut fetcher, false, T(999)), None);
    assert!(next(&mut fetcher, false, T(1_000)).is_some());
}

#[test]
fn kip_73_a_throttled_partition_is_left_out_only_while_it_is_behind_and_the_quota_used_up() {
    let mut fetcher = fetcher(1);
    fetcher.add(id(1), state(0, true));
    assert_eq!(next(&mut fetcher, true, T(0)), Some((vec![0], vec![])));
    answered(&mut fetcher, ErrorCode::None, 9);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![1], vec![])));
    assert_eq!(next(&mut fetcher, true, T(0)), Some((vec![], vec![1])));
    next(&mut fetcher, false, T(0));
    fetcher.advance(id(1), Offset(5), Some(LeaderEpoch(3)), 0);
    assert_eq!(next(&mut fetcher, true, T(0)), Some((vec![1], vec![])), "it is in sync");
}

#[test]
fn a_throttled_partition_tells_its_session_of_another_last_epoch_and_log_start_too() {
    let mut fetcher = fetcher(0);
    fetcher.add(id(0), state(5, true));
    fetcher.advance(id(0), Offset(5), Some(LeaderEpoch(2)), 0);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0], vec![])));
    answered(&mut fetcher, ErrorCode::None, 9);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![], vec![])), "nothing is new");
    fetcher.advance(id(0), Offset(5), Some(LeaderEpoch(1)), 0);
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0], vec![])), "an epoch was cut off");
    fetcher.log_start_moved(id(0), Offset(3));
    assert_eq!(next(&mut fetcher, false, T(0)), Some((vec![0], vec![])));
}
