//! KIP-595: elections, replication by Fetch, truncation, resignation.

use crate::cluster::{Cluster, Shape, key};
use klab_machine::Fact;
use klab_machine::fact::RaftFact;
use klab_wire::{
    BeginQuorumEpochRequest, ClusterId, DescribeQuorumRequest, EndQuorumEpochRequest, ErrorCode,
    FetchPartition, FetchRequest, FetchSession, FetchingReplica, Few, IsolationLevel, LeaderEpoch,
    MetadataRecord, NodeId, Offset, OffsetAndEpoch, Request, Response, Span, TopicIdPartition,
    VoteRequest,
};

const V1: NodeId = NodeId::voter(1);

#[test]
fn kip_595_every_quorum_elects_a_leader_whose_first_record_is_committed() {
    for voters in 1..=5 {
        let shape = Shape { voters, observers: 2, ..Shape::default() };
        let mut cluster = Cluster::start(u64::from(voters), &shape);
        let leader = cluster.elect();
        let raft = cluster.nodes[&leader].raft();
        assert!(raft.high_watermark() > Some(Offset(0)), "{voters} voters");
        cluster.append_and_commit(leader, 3);
    }
}

#[test]
fn kip_595_the_other_voters_elect_a_leader_when_the_first_one_crashes() {
    let mut cluster = Cluster::start(1, &Shape::default());
    let first = cluster.elect();
    let epoch = cluster.epoch(first);
    cluster.append_and_commit(first, 3);
    cluster.crash(first, true);
    cluster.run(Span::from_millis(1));
    assert!(cluster.run_until(Span::from_secs(10), |it| it.leader().is_some()));
    let second = cluster.leader().expect("there is one");
    assert!(second != first && cluster.epoch(second) > epoch);
    cluster.append_and_commit(second, 3);
    cluster.boot(first);
    cluster.append_and_commit(second, 3);
    assert_eq!(cluster.nodes[&first].raft().leader(), Some(second));
}

#[test]
fn kip_595_a_diverging_epoch_tells_a_follower_where_to_truncate() {
    let mut cluster = Cluster::start(2, &Shape::default());
    let first = cluster.elect();
    let committed = cluster.append_and_commit(first, 3);
    cluster.isolate(first);
    for _ in 0..5 {
        cluster.append(first).expect("it does not know yet that it is alone");
        cluster.run(Span::from_millis(10));
    }
    let elected = |it: &Cluster| it.leader().is_some_and(|leader| leader != first);
    assert!(cluster.run_until(Span::from_secs(20), elected));
    let second = cluster.leader().expect("there is one");
    cluster.append(second);
    cluster.network.heal();
    cluster.append_and_commit(second, 1);
    let truncated = cluster.facts.iter().any(|(_, node, fact)| {
        *node == first
            && fact.name() == "LogTruncated"
            && fact.field("to") == Some(format!("{}", committed.0 + 1))
    });
    assert!(truncated, "the old leader drops what it could not commit, and nothing else");
}

#[test]
fn kip_595_a_leader_that_loses_its_quorum_resigns() {
    let mut cluster = Cluster::start(3, &Shape::default());
    let leader = cluster.elect();
    cluster.isolate(leader);
    let resigned = |it: &Cluster| {
        it.facts.iter().any(|(_, node, fact)| {
            let lost = matches!(
                fact,
                Fact::Raft(RaftFact::QuorumLeaderResigned { lost_quorum: true, .. })
            );
            lost && *node == leader
        })
    };
    assert!(cluster.run_until(Span::from_millis(3_500), resigned), "in 1.5 fetch timeouts");
    assert!(!cluster.nodes[&leader].host.is_writable);
}

#[test]
fn kip_595_a_leader_that_shuts_down_is_succeeded_without_waiting_for_timeouts() {
    let mut cluster = Cluster::start(4, &Shape::default());
    let first = cluster.elect();
    cluster.append_and_commit(first, 3);
    let before = cluster.now().time;
    cluster.with(first, |raft, now, out| raft.shut_down(now, out));
    let succeeded = |it: &Cluster| it.leader().is_some_and(|leader| leader != first);
    assert!(cluster.run_until(Span::from_secs(10), succeeded));
    let took = cluster.now().time - before;
    assert!(took < Span::from_millis(900), "took {took}, the election timeout is 1s");
    let gone = |it: &Cluster| it.nodes[&first].raft().is_shut_down();
    assert!(cluster.run_until(Span::from_secs(5), gone));
}

#[test]
fn kip_595_an_observer_finds_the_leader_through_any_voter() {
    let shape = Shape { observers: 1, ..Shape::default() };
    let mut cluster = Cluster::start(5, &shape);
    let first = cluster.elect();
    cluster.append_and_commit(first, 1);
    cluster.crash(first, false);
    cluster.run(Span::from_secs(1));
    let elected = |it: &Cluster| it.leader().is_some();
    assert!(cluster.run_until(Span::from_secs(10), elected));
    let second = cluster.leader().expect("there is one");
    cluster.append_and_commit(second, 1);
    assert_eq!(cluster.nodes[&NodeId::broker(1)].raft().leader(), Some(second));
}

#[test]
fn kip_595_a_vote_survives_the_power() {
    let mut cluster = Cluster::start(6, &Shape::default());
    let epoch = LeaderEpoch(50);
    let ask = |cluster: &mut Cluster, candidate: u16| {
        let answer = cluster.ask(V1, vote(candidate, epoch.0));
        matches!(answer, Response::Vote(answer) if answer.vote_granted)
    };
    assert!(ask(&mut cluster, 2));
    cluster.crash(V1, true);
    cluster.boot(V1);
    cluster.run(Span::from_millis(50));
    assert!(!ask(&mut cluster, 3), "it has voted for v2 in this epoch");
    assert!(ask(&mut cluster, 2), "and may say so again");
}

#[test]
fn kip_595_a_former_leader_comes_back_resigned_in_its_epoch() {
    let mut cluster = Cluster::start(7, &Shape { voters: 2, ..Shape::default() });
    let leader = cluster.elect();
    let epoch = cluster.epoch(leader);
    cluster.crash(leader, false);
    cluster.boot(leader);
    cluster.run(Span::from_millis(50));
    let raft = cluster.nodes[&leader].raft();
    assert_eq!((raft.view().role, raft.epoch()), ("Resigned", epoch));
    assert!(!raft.is_leader() && raft.leader().is_none());
}

#[test]
fn only_the_leader_appends_and_only_in_its_epoch() {
    let mut cluster = Cluster::start(10, &Shape::default());
    let leader = cluster.elect();
    let epoch = cluster.epoch(leader);
    let follower = cluster.others(leader)[0];
    for (node, epoch, expected) in [
        (follower, epoch, Err(ErrorCode::NotLeaderOrFollower)),
        (leader, LeaderEpoch(epoch.0 + 1), Err(ErrorCode::NotLeaderOrFollower)),
        (leader, epoch, Ok(cluster.nodes[&leader].raft().next_append_offset())),
    ] {
        let records = vec![MetadataRecord::NoOp];
        let found = cluster.with(node, |raft, now, out| raft.append(now, epoch, records, out));
        assert_eq!(found, expected, "{node} in epoch {epoch}");
    }
}

#[test]
fn kip_595_a_wrong_request_is_answered_with_its_error() {
    let mut cluster = Cluster::start(8, &Shape::default());
    let first = cluster.elect();
    cluster.crash(first, false);
    let leader = cluster.elect();
    cluster.boot(first);
    cluster.run(Span::from_secs(1));
    let epoch = cluster.epoch(leader).0;
    let follower = cluster.others(leader)[0];
    let stranger = ClusterId::from("another");
    let strange = |mut request: FetchRequest| {
        request.cluster = Some(stranger.clone());
        request
    };
    let cases: Vec<(NodeId, Request, ErrorCode)> = vec![
        (leader, strange(fetch(epoch, 0, 0)).into(), ErrorCode::InconsistentClusterId),
        (leader, fetch(epoch - 1, 0, 0).into(), ErrorCode::FencedLeaderEpoch),
        (leader, fetch(epoch + 1, 0, 0).into(), ErrorCode::UnknownLeaderEpoch),
        (follower, fetch(epoch, 0, 0).into(), ErrorCode::NotLeaderOrFollower),
        (leader, fetch(epoch, 0, epoch + 1).into(), ErrorCode::InvalidRequest),
        (
            leader,
            VoteRequest { cluster: stranger.clone(), ..vote(2, epoch) }.into(),
            ErrorCode::InconsistentClusterId,
        ),
        (leader, vote(2, epoch - 1).into(), ErrorCode::FencedLeaderEpoch),
        (leader, vote(9, epoch).into(), ErrorCode::InconsistentVoterSet),
        (
            leader,
            VoteRequest { last: end(5, epoch), ..vote(2, epoch) }.into(),
            ErrorCode::InvalidRequest,
        ),
        (
            follower,
            VoteRequest { voter: key(leader), ..vote(2, epoch) }.into(),
            ErrorCode::InvalidVoterKey,
        ),
        (follower, begin(leader, epoch - 1).into(), ErrorCode::FencedLeaderEpoch),
        (follower, begin(NodeId::voter(9), epoch).into(), ErrorCode::InconsistentVoterSet),
        (follower, end_epoch(leader, epoch - 1).into(), ErrorCode::FencedLeaderEpoch),
        (follower, DescribeQuorumRequest {}.into(), ErrorCode::NotLeaderOrFollower),
        (leader, DescribeQuorumRequest {}.into(), ErrorCode::None),
    ];
    for (node, request, expected) in cases {
        let shown = format!("{request:?}");
        assert_eq!(error(&cluster.ask(node, request)), expected, "{shown}");
    }
    assert_eq!(cluster.leader(), Some(leader), "nothing of this disturbs the leader");
}

#[test]
fn kip_595_describe_quorum_shows_voters_and_observers() {
    let mut cluster = Cluster::start(9, &Shape { observers: 1, ..Shape::default() });
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 2);
    cluster.run(Span::from_secs(1));
    let Response::DescribeQuorum(answer) = cluster.ask(leader, DescribeQuorumRequest {}) else {
        panic!("another answer");
    };
    let end = cluster.nodes[&leader].raft().log_end();
    assert_eq!((answer.leader, answer.high_watermark), (Some(leader), Some(end)));
    assert_eq!(answer.current_voters.len(), 3);
    assert!(answer.current_voters.iter().all(|voter| voter.log_end_offset == Some(end)));
    let observers: Vec<NodeId> = answer.observers.iter().map(|it| it.replica.id).collect();
    assert_eq!(observers, [NodeId::broker(1)]);
}

fn error(response: &Response) -> ErrorCode {
    match response {
        Response::Vote(answer) => answer.error,
        Response::BeginQuorumEpoch(answer) | Response::EndQuorumEpoch(answer) => answer.error,
        Response::DescribeQuorum(answer) => answer.error,
        Response::Fetch(answer) => {
            answer.partitions.first().map_or(answer.error, |fetched| fetched.error)
        }
        other => panic!("another answer: {other:?}"),
    }
}

fn end(offset: u64, epoch: u32) -> OffsetAndEpoch {
    OffsetAndEpoch { offset: Offset(offset), epoch: LeaderEpoch(epoch) }
}

fn vote(candidate: u16, epoch: u32) -> VoteRequest {
    VoteRequest {
        cluster: ClusterId::from("test"),
        voter: key(V1),
        candidate: key(NodeId::voter(candidate)),
        candidate_epoch: LeaderEpoch(epoch),
        last: end(1_000, epoch.saturating_sub(1)),
        pre_vote: false,
    }
}

fn begin(leader: NodeId, epoch: u32) -> BeginQuorumEpochRequest {
    let cluster = ClusterId::from("test");
    BeginQuorumEpochRequest { cluster, voter: key(V1), leader, leader_epoch: LeaderEpoch(epoch) }
}

fn end_epoch(leader: NodeId, epoch: u32) -> EndQuorumEpochRequest {
    let cluster = ClusterId::from("test");
    let leader_epoch = LeaderEpoch(epoch);
    EndQuorumEpochRequest { cluster, leader, leader_epoch, preferred_candidates: Vec::new() }
}

fn fetch(epoch: u32, offset: u64, last_epoch: u32) -> FetchRequest {
    let observer = key(NodeId::broker(7));
    FetchRequest {
        cluster: Some(ClusterId::from("test")),
        replica: Some(FetchingReplica {
            id: observer.id,
            directory: Some(observer.directory),
            epoch: None,
        }),
        max_wait: Span::ZERO,
        min_bytes: 0,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        session: FetchSession::LEGACY,
        partitions: Few::from([FetchPartition {
            partition: TopicIdPartition::CLUSTER_METADATA,
            current_leader_epoch: Some(LeaderEpoch(epoch)),
            fetch_offset: Offset(offset),
            last_fetched_epoch: Some(LeaderEpoch(last_epoch)),
            log_start_offset: None,
            high_watermark: None,
            max_bytes: 1 << 20,
        }]),
        forgotten: Vec::new(),
        rack: None,
    }
}
