//! A follower by the script: what it is told, and what it does, in order.

use klab_machine::fact::Fact;
use klab_machine::input::Listener;
use klab_machine::{
    Change, ConnectionId, DiskImage, Effect, FlushId, Identity, Input, Machine, Outbox,
};
use klab_wire::zookeeper::{
    Acl, Data, Frame, Notification, ServerState, SessionId, Txn, TxnBody, Vote, Xid, Zxid,
};
use klab_wire::{ClusterId, DirectoryId, IncarnationId, NodeId, Now, Time, Timestamp};
use klab_zookeeper::{Server, ServerSetup, ZooKeeperSwitches};
use std::sync::Arc;

const Z2: NodeId = NodeId::zookeeper(2);
const Z3: NodeId = NodeId::zookeeper(3);

const NOW: Now = Now { time: Time::ZERO, wall: Timestamp(0) };

struct Script {
    server: Server,
    out: Outbox,
    disk: DiskImage,
    /// The connection to the leader.
    leader: ConnectionId,
    flushes: Vec<FlushId>,
}

impl Script {
    /// z1 of three, which finds that z2 follows z3 and z3 leads, and connects to it.
    fn of_a_follower(switches: ZooKeeperSwitches) -> Self {
        let identity = Identity {
            node: NodeId::zookeeper(1),
            cluster: ClusterId::from("script"),
            directory: DirectoryId(1),
            incarnation: IncarnationId(1),
            rack: None,
            seed: 1,
        };
        let participants = (1..=3).map(NodeId::zookeeper).collect();
        let setup = ServerSetup { switches, ..ServerSetup::new(participants, Vec::new()) };
        let (disk, mut out) = (DiskImage::default(), Outbox::new(0));
        let server = Server::boot(identity, setup, &disk, NOW, &mut out);
        let leader = ConnectionId(u64::MAX);
        let mut script = Script { server, out, disk, leader, flushes: Vec::new() };
        for (connection, from, state) in [
            (ConnectionId(502), Z2, ServerState::Following),
            (ConnectionId(503), Z3, ServerState::Leading),
        ] {
            let listener = Listener::ZooKeeperElection;
            script.step(Input::Accepted { connection, from, listener });
            let vote = Some(Vote { peer_epoch: 1, zxid: Zxid::ZERO, leader: Z3 });
            let said = Notification { vote, round: 1, state };
            script.step(Input::Frame { connection, frame: Frame::Notification(Box::new(said)) });
        }
        script
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        self.server.step(NOW, input, &mut self.out);
        let effects: Vec<Effect> = self.out.drain().collect();
        let is_applied = |fact: &Fact| fact.name() == "TxnApplied";
        let applied = self.out.drain_facts().filter(is_applied).count();
        let mut lines: Vec<String> =
            effects.into_iter().filter_map(|effect| self.note(effect)).collect();
        lines.extend((0..applied).map(|_| "apply".to_string()));
        lines
    }

    /// What matters of an effect, in a line.
    fn note(&mut self, effect: Effect) -> Option<String> {
        match effect {
            Effect::Connect { connection, to } => {
                if to.listener == Listener::ZooKeeperQuorum {
                    self.leader = connection;
                }
                None
            }
            Effect::Store { file, change } => {
                self.disk.apply(file, change.clone());
                let what = match change {
                    Change::Append(_) => "append to",
                    _ => "write",
                };
                Some(format!("{what} {file}"))
            }
            Effect::Flush { file, then } => {
                self.flushes.push(then);
                Some(format!("flush {file}"))
            }
            Effect::Frame { connection, frame } if connection == self.leader => {
                Some(format!("say {}", frame.kind()))
            }
            _ => None,
        }
    }

    fn hears(&mut self, frame: Frame) -> Vec<String> {
        self.step(Input::Frame { connection: self.leader, frame })
    }

    /// The oldest fsync is done.
    fn flushed(&mut self) -> Vec<String> {
        let flush = self.flushes.remove(0);
        self.step(Input::Flushed(flush))
    }

    /// It has accepted epoch 1.
    fn accepted(mut self) -> Self {
        let connection = self.leader;
        assert_eq!(self.step(Input::Connected { connection }), ["say FOLLOWERINFO"]);
        self.hears(Frame::LeaderInfo(Zxid::start_of(1)));
        self.flushed();
        self
    }
}

fn txn(counter: u32) -> Arc<Txn> {
    let body = TxnBody::Create {
        path: format!("/n{counter}").as_str().into(),
        data: Data::default(),
        acl: Acl::Open,
        ephemeral: false,
        parent_cversion: counter,
    };
    let (session, cxid, time) = (SessionId(1), Xid(1), Timestamp::default());
    Arc::new(Txn { zxid: Zxid::new(1, counter), session, cxid, time, body })
}

#[test]
fn zookeeper_335_an_epoch_is_accepted_only_when_it_is_written_down() {
    let mut script = Script::of_a_follower(ZooKeeperSwitches::default());
    let connection = script.leader;
    script.step(Input::Connected { connection });
    let told = script.hears(Frame::LeaderInfo(Zxid::start_of(1)));
    assert_eq!(told, ["write acceptedEpoch", "flush acceptedEpoch"]);
    assert_eq!(script.flushed(), ["say ACKEPOCH"]);
}

#[test]
fn zookeeper_3911_and_4643_first_the_transactions_then_the_epoch_then_the_acknowledgement() {
    let mut script = Script::of_a_follower(ZooKeeperSwitches::default()).accepted();
    assert!(script.hears(Frame::Diff(Zxid::new(1, 1))).is_empty());
    assert!(script.hears(Frame::Proposal(txn(1))).is_empty());
    assert!(script.hears(Frame::Commit(Zxid::new(1, 1))).is_empty());
    let told = script.hears(Frame::NewLeader(Zxid::start_of(1)));
    assert_eq!(told, ["append to version-2/log.100000001", "flush version-2/log.100000001"]);
    assert_eq!(script.flushed(), ["write currentEpoch", "flush currentEpoch"]);
    assert_eq!(script.flushed(), ["say ACK"]);
}

#[test]
fn before_zookeeper_4643_the_epoch_is_written_down_before_the_transactions() {
    let switches = ZooKeeperSwitches { epoch_before_transactions: true, ..Default::default() };
    let mut script = Script::of_a_follower(switches).accepted();
    script.hears(Frame::Diff(Zxid::new(1, 1)));
    script.hears(Frame::Proposal(txn(1)));
    script.hears(Frame::Commit(Zxid::new(1, 1)));
    let told = script.hears(Frame::NewLeader(Zxid::start_of(1)));
    assert_eq!(told, ["write currentEpoch", "flush currentEpoch"]);
    let then = script.flushed();
    assert_eq!(then, ["append to version-2/log.100000001", "flush version-2/log.100000001"]);
}

#[test]
fn what_comes_between_newleader_and_uptodate_is_logged_and_applied_at_uptodate() {
    let mut script = Script::of_a_follower(ZooKeeperSwitches::default()).accepted();
    script.hears(Frame::Diff(Zxid::ZERO));
    script.hears(Frame::NewLeader(Zxid::start_of(1)));
    assert_eq!(script.flushed(), ["say ACK"]);
    assert!(script.hears(Frame::Proposal(txn(1))).is_empty());
    assert!(script.hears(Frame::Commit(Zxid::new(1, 1))).is_empty());
    let told = script.hears(Frame::UpToDate);
    let log = "version-2/log.100000001";
    assert_eq!(told, ["say ACK", &format!("append to {log}"), &format!("flush {log}"), "apply"]);
}

#[test]
fn zab_a_follower_acknowledges_a_proposal_when_it_is_on_the_platter_and_applies_it_when_it_is_committed()
 {
    let mut script = Script::of_a_follower(ZooKeeperSwitches::default()).accepted();
    script.hears(Frame::Diff(Zxid::ZERO));
    script.hears(Frame::NewLeader(Zxid::start_of(1)));
    script.flushed();
    script.hears(Frame::UpToDate);
    let log = "version-2/log.100000001";
    let told = script.hears(Frame::Proposal(txn(1)));
    assert_eq!(told, [format!("append to {log}"), format!("flush {log}")]);
    // The second one waits for the fsync that is under way, and shares the next.
    assert_eq!(script.hears(Frame::Proposal(txn(2))), [format!("append to {log}")]);
    assert_eq!(script.flushed(), [format!("flush {log}"), "say ACK".into()]);
    assert_eq!(script.hears(Frame::Commit(Zxid::new(1, 1))), ["apply"]);
    assert_eq!(script.flushed(), ["say ACK"]);
}
