//! What the servers of a ZooKeeper ensemble and their clients state.

use crate::permits::permitted_by;
use crate::story::Story;
use klab_check::{Promise, Setting, Status};
use klab_machine::fact::{SyncMode, ZooKeeperFact as F};
use klab_machine::operation::{Call, KeeperOutcome, Outcome};
use klab_wire::NodeId;
use klab_wire::zookeeper::{
    Acl, Answer, CreateMode, Data, Op, Path, ServerState, SessionId, Stat, Zxid,
};

const Z1: NodeId = NodeId::zookeeper(1);
const Z2: NodeId = NodeId::zookeeper(2);
const Z3: NodeId = NodeId::zookeeper(3);
const K1: NodeId = NodeId::zookeeper_client(1);
const K2: NodeId = NodeId::zookeeper_client(2);
const SESSION: SessionId = SessionId(7);

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(epoch, counter)
}

fn flushed(zxid: Zxid) -> F {
    F::TxnsFlushed { zxid }
}

fn established(epoch: u32, zxid: Zxid) -> F {
    F::EpochEstablished { epoch, zxid, history: 0 }
}

fn serves(zxid: Zxid) -> F {
    F::ServingStarted { epoch: 1, zxid, history: 0, state: ServerState::Following }
}

fn proposed(zxid: Zxid) -> F {
    F::TxnProposed { zxid, what: "create", session: SESSION }
}

fn applied(zxid: Zxid, history: u64) -> F {
    F::TxnApplied { zxid, history, tree: history }
}

/// Three servers; the first leads epoch 1.
fn ensemble() -> Story {
    Story::of_ensemble(&[Z1, Z2, Z3]).fact(Z1, established(1, Zxid::ZERO))
}

/// Its first transaction is on two platters and committed.
fn committed() -> Story {
    let story = ensemble().fact(Z1, proposed(z(1, 1)));
    let story = story.fact(Z1, flushed(z(1, 1))).fact(Z2, flushed(z(1, 1)));
    story.fact(Z1, F::TxnCommitted { zxid: z(1, 1) })
}

pub fn one_leader_per_epoch() -> [Story; 2] {
    let then = |epoch| ensemble().fact(Z2, established(epoch, Zxid::ZERO));
    [then(1), then(2)]
}

pub fn epochs_are_monotonic() -> [Story; 2] {
    let after = |epoch| {
        let story = ensemble().fact(Z1, F::AcceptedEpochStored { epoch: 3 });
        let loaded =
            F::DatabaseLoaded { accepted_epoch: epoch, current_epoch: 0, zxid: Zxid::ZERO };
        story.fact(Z1, loaded)
    };
    [after(2), after(3)]
}

#[test]
fn a_leader_goes_on_with_an_epoch_that_a_quorum_has_written_down() {
    let brings_in_line = |accepted: &[NodeId]| {
        let accepts =
            |story: Story, node: &NodeId| story.fact(*node, F::AcceptedEpochStored { epoch: 3 });
        let story = accepted.iter().fold(ensemble(), accepts);
        let (mode, from, to) = (SyncMode::Diff, Zxid::ZERO, Zxid::ZERO);
        story.fact(Z1, F::SyncModeChosen { learner: Z2, mode, from, to }).end()
    };
    // An observer's word does not count.
    let observer = NodeId::zookeeper(4);
    for (accepted, violations) in
        [(&[Z1, Z2][..], 0), (&[Z1, Z2, Z3], 0), (&[Z1], 1), (&[Z1, observer], 1)]
    {
        let verdict = brings_in_line(accepted);
        let found = verdict.promise(Promise::EnsembleEpochsAreMonotonic);
        assert_eq!(found.violations, violations, "{accepted:?}");
    }
}

/// *Local primary order*, for all pairs: as it is published, for some, the gap would pass.
pub fn primary_order() -> [Story; 2] {
    let then = |zxid| {
        let story = committed().fact(Z1, proposed(z(1, 2)));
        let story = story.fact(Z1, flushed(z(1, 2))).fact(Z2, flushed(z(1, 2)));
        let story = story.fact(Z1, F::TxnCommitted { zxid: z(1, 2) });
        story.fact(Z2, serves(Zxid::ZERO)).fact(Z2, applied(zxid, 5))
    };
    [then(z(1, 2)), then(z(1, 1))]
}

pub fn only_committed_is_applied() -> [Story; 2] {
    let then = |story: Story| story.fact(Z2, serves(Zxid::ZERO)).fact(Z2, applied(z(1, 1), 5));
    [then(ensemble().fact(Z1, proposed(z(1, 1)))), then(committed())]
}

pub fn majority_has_committed() -> [Story; 2] {
    let with = |second| {
        let story = ensemble().fact(Z1, proposed(z(1, 1)));
        let story = story.fact(Z1, flushed(z(1, 1))).fact(second, flushed(z(1, 1)));
        story.fact(Z1, F::TxnCommitted { zxid: z(1, 1) })
    };
    // An observer's platter does not count.
    [with(NodeId::zookeeper(4)), with(Z3)]
}

pub fn committed_survives() -> [Story; 2] {
    let then = |zxid| committed().fact(Z3, flushed(zxid)).fact(Z3, established(2, zxid));
    [then(Zxid::ZERO), then(z(1, 1))]
}

pub fn servers_agree() -> [Story; 2] {
    let then = |history| {
        let story = committed().fact(Z1, serves(Zxid::ZERO)).fact(Z2, serves(Zxid::ZERO));
        story.fact(Z1, applied(z(1, 1), 5)).fact(Z2, applied(z(1, 1), history))
    };
    [then(6), then(5)]
}

fn create(path: &str) -> Op {
    let (path, data) = (Path::from(path), Data::from("a"));
    Op::Create { path, data, acl: Acl::Open, mode: CreateMode::EPHEMERAL }
}

fn set(data: &str) -> Op {
    Op::SetData { path: "/r0".into(), data: data.into(), version: None }
}

fn read() -> Op {
    Op::GetData { path: "/r0".into(), watch: false }
}

fn stat(version: u32) -> Stat {
    Stat {
        czxid: z(1, 1),
        mzxid: z(1, 1),
        pzxid: z(1, 1),
        version,
        cversion: 0,
        ephemeral_owner: None,
        data_length: 1,
        num_children: 0,
    }
}

trait Keeper {
    fn asks(self, client: NodeId, id: u64, op: Op) -> Self;
    fn told(self, client: NodeId, id: u64, zxid: Zxid, answer: Answer) -> Self;
    fn writes(self, client: NodeId, id: u64, data: &str, version: u32) -> Self;
    fn saw(self, client: NodeId, id: u64, data: &str, version: u32) -> Self;
}

impl Keeper for Story {
    fn asks(self, client: NodeId, id: u64, op: Op) -> Self {
        self.began(client, id, Call::ZooKeeper(Box::new(op)))
    }

    fn told(self, client: NodeId, id: u64, zxid: Zxid, answer: Answer) -> Self {
        let outcome = KeeperOutcome::Answered(zxid, answer);
        self.ended(client, id, Outcome::ZooKeeper(Box::new(outcome)))
    }

    fn writes(self, client: NodeId, id: u64, data: &str, version: u32) -> Self {
        self.asks(client, id, set(data)).told(
            client,
            id,
            z(1, version),
            Answer::Stat(stat(version)),
        )
    }

    fn saw(self, client: NodeId, id: u64, data: &str, version: u32) -> Self {
        let answer = Answer::Data { data: data.into(), stat: stat(version) };
        self.told(client, id, z(1, version), answer)
    }
}

fn session() -> Story {
    let story = ensemble();
    let server = Z1;
    let story = story.fact(K1, F::SessionEstablished { session: SESSION, server });
    story.fact(K2, F::SessionEstablished { session: SESSION.next(), server })
}

pub fn ephemerals_end() -> [Story; 2] {
    let created = || {
        let answer = Answer::Created { path: "/e".into(), stat: stat(0) };
        session().asks(K1, 1, create("/e")).told(K1, 1, z(1, 1), answer)
    };
    let closed = F::SessionClosed { session: SESSION, ephemerals: 1 };
    let removed = F::EphemeralRemoved { path: "/e".into(), session: SESSION };
    let broken = created().fact(Z1, closed.clone());
    [broken, created().fact(Z1, removed).and(Z1, closed)]
}

pub fn view_never_goes_back() -> [Story; 2] {
    let then = |version| {
        let story = session().writes(K2, 1, "a", 1).writes(K2, 2, "b", 2);
        let story = story.asks(K1, 3, read()).saw(K1, 3, "b", 2).asks(K1, 4, read());
        story.saw(K1, 4, if version == 1 { "a" } else { "b" }, version)
    };
    [then(1), then(2)]
}

pub fn writes_are_linearizable() -> [Story; 2] {
    // The second write began when the first had ended.
    let then = |version| session().writes(K1, 1, "a", 2).writes(K2, 2, "b", version);
    [then(1), then(3)]
}

pub fn synced_reads_are_fresh() -> [Story; 2] {
    let then = |data, version| {
        let story = session().writes(K2, 1, "a", 1).writes(K2, 2, "b", 2);
        let sync = Op::Sync { path: "/r0".into() };
        let story = story.asks(K1, 3, sync).told(K1, 3, z(1, 1), Answer::Done);
        story.asks(K1, 4, read()).saw(K1, 4, data, version)
    };
    [then("a", 1), then("b", 2)]
}

/// k1 is connected to z1, which follows in epoch 1. A write of epoch 1 ends, z2 begins epoch 2, and a write of that ends.
/// Then a `sync` of k1 is answered, by whom it was connected to before or by z2, and it reads this.
fn behind_a_change_of_leaders(asks: NodeId, data: &str, version: u32) -> Story {
    let at = |server| F::SessionEstablished { session: SESSION, server };
    let story = ensemble().fact(Z1, serves(Zxid::ZERO)).fact(K1, at(Z1));
    let story = story.writes(K2, 1, "a", 1).fact(Z2, established(2, z(1, 1)));
    let led =
        F::ServingStarted { epoch: 2, zxid: z(1, 1), history: 0, state: ServerState::Leading };
    let story = story.fact(Z2, led).asks(K2, 2, set("b"));
    let story = story.told(K2, 2, z(2, 1), Answer::Stat(stat(2)));
    let story = if asks == Z1 { story } else { story.fact(K1, at(asks)) };
    let story = story.asks(K1, 3, Op::Sync { path: "/r0".into() });
    let story = story.told(K1, 3, z(1, 1), Answer::Done);
    story.asks(K1, 4, read()).saw(K1, 4, data, version)
}

#[test]
fn a_deposed_leader_may_answer_a_sync_and_misses_what_its_successors_have_made_and_nothing_else() {
    let fresh = Promise::SyncedReadsAreFresh;
    let judged = |asks, data, version| behind_a_change_of_leaders(asks, data, version).end();
    assert_eq!(permitted_by(&judged(Z1, "a", 1), fresh), [Setting::SyncOfDeposedLeader]);
    for (asks, data, version, status) in [
        (Z1, "", 0, Status::Violated),
        (Z2, "a", 1, Status::Violated),
        (Z2, "b", 2, Status::Kept),
        (Z1, "b", 2, Status::Kept),
    ] {
        let verdict = judged(asks, data, version);
        assert_eq!(verdict.promise(fresh).status, status, "{asks} {version}");
    }
}
