//! The bench in ZooKeeper mode: a real server of an ensemble, a client of the test's own, and the test in the place of
//! the controller, which says LeaderAndIsr, StopReplica and UpdateMetadata.

use super::*;
use klab_machine::operation::KeeperOutcome;
use klab_machine::random::stream;
use klab_wire::znodes::path;
use klab_wire::zookeeper::{
    Acl, Answer, ClientRequest, CreateMode, Data, KeeperError, Op, Path, Xid,
};
use klab_zookeeper::{Server, ServerSetup};
use klab_zookeeper_client::{Event, Session, SessionSetup, Ticket};

/// The ensemble's only server.
pub const Z1: NodeId = NodeId::zookeeper(1);
/// The test's own client.
const CLIENT: NodeId = NodeId::zookeeper_client(1);
/// The broker whose controller the test is.
const CONTROLLER_BROKER: NodeId = b(9);
/// The timeout of every session.
const SESSION: Span = Span::from_secs(6);

#[derive(Clone, Debug)]
pub struct Ensemble {
    server: Server,
    client: Session,
    /// What came of the test's last request.
    outcome: Option<Result<Answer, KeeperError>>,
    /// Whose connection is to be lost under the answer to its next request that goes to this znode.
    to_sever: Option<(NodeId, Path)>,
    /// The same, when the request has been sent.
    severs: Option<(NodeId, Xid)>,
}

impl Ensemble {
    pub fn session_setup(&self) -> SessionSetup {
        session_setup()
    }

    fn watch(&mut self, from: NodeId, request: &ClientRequest) {
        let written = match &request.op {
            Op::Multi(ops) => ops.first().and_then(path_of),
            op => path_of(op),
        };
        if let Some((node, path)) = &self.to_sever
            && *node == from
            && written == Some(path)
        {
            self.to_sever = None;
            self.severs = Some((from, request.xid));
        }
    }
}

/// What a write is to.
fn path_of(op: &Op) -> Option<&Path> {
    match op {
        Op::Create { path, .. } | Op::SetData { path, .. } => Some(path),
        _ => None,
    }
}

fn session_setup() -> SessionSetup {
    SessionSetup { servers: vec![Z1], chroot: None, timeout: SESSION }
}

/// A replica's state as LeaderAndIsr tells it: leader, leader epoch, replicas, ISR, version of the znode.
pub fn told(
    leader: Option<u16>,
    leader_epoch: u32,
    replicas: &[u16],
    isr: &[u16],
    version: u32,
) -> LeaderAndIsrPartitionState {
    LeaderAndIsrPartitionState {
        id: P0,
        partition: orders(0),
        controller_epoch: ControllerEpoch(1),
        leader: leader.map(b),
        leader_epoch: LeaderEpoch(leader_epoch),
        isr: nodes(isr),
        partition_epoch: PartitionEpoch(version),
        replicas: nodes(replicas),
        adding_replicas: nodes(&[]),
        removing_replicas: nodes(&[]),
        is_new: false,
        leader_recovery_state: LeaderRecoveryState::Recovered,
    }
}

/// The same as UpdateMetadata tells it.
fn to_everybody(state: &LeaderAndIsrPartitionState) -> UpdateMetadataPartitionState {
    UpdateMetadataPartitionState {
        id: state.id,
        partition: state.partition.clone(),
        controller_epoch: state.controller_epoch,
        leader: state.leader,
        is_being_deleted: false,
        leader_epoch: state.leader_epoch,
        isr: state.isr.clone(),
        zk_version: state.partition_epoch,
        replicas: state.replicas.clone(),
        offline_replicas: nodes(&[]),
    }
}

/// A request of the controller, before it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub controller_epoch: u32,
    /// The registration that is spoken to; of now if none.
    pub broker_epoch: Option<BrokerEpoch>,
}

/// The controller of epoch 1 speaks to the brokers' present lives.
pub const NOW: Said = Said { controller_epoch: 1, broker_epoch: None };

impl Bench {
    /// Brokers 1 to `count` in ZooKeeper mode, registered; the controller has told them who is alive.
    pub fn in_zookeeper_mode(count: u16, settings: &[(&str, &str)], switches: Switches) -> Self {
        let config = BrokerConfig::resolve(Release::DEFAULT, settings.iter().copied()).unwrap();
        let mut bench = Bench { switches, ..Bench::without_brokers() };
        bench.start_ensemble();
        (1..=count).for_each(|number| bench.boot_without_controller(b(number), &config));
        bench.advance(1_000);
        (1..=count)
            .for_each(|number| assert_eq!(bench.say_who_is_alive(number, NOW), ErrorCode::None));
        bench
    }

    fn start_ensemble(&mut self) {
        let identity = Identity {
            node: Z1,
            cluster: ClusterId::from("bench"),
            directory: DirectoryId(1),
            incarnation: IncarnationId(1),
            rack: None,
            seed: 1,
        };
        let (mut out, mut own) = (Outbox::new(1 << 50), Outbox::new(1 << 51));
        let setup = ServerSetup::new(vec![Z1], Vec::new());
        let server = Server::boot(identity, setup, &DiskImage::default(), self.at(), &mut out);
        let client = Session::new(session_setup(), stream(1, "bench", []), self.now, &mut own);
        self.outs.extend([(Z1, out), (CLIENT, own)]);
        self.ensemble =
            Some(Ensemble { server, client, outcome: None, to_sever: None, severs: None });
        [Z1, CLIENT].into_iter().for_each(|node| self.carry_out(node));
        self.run();
        self.advance(5_000);
    }

    // What the controller says.

    pub fn say_who_is_alive(&mut self, to: u16, said: Said) -> ErrorCode {
        self.say_update_metadata(to, said, Vec::new())
    }

    fn say_update_metadata(
        &mut self,
        to: u16,
        said: Said,
        partitions: Vec<UpdateMetadataPartitionState>,
    ) -> ErrorCode {
        let alive = self.brokers.keys().copied().chain([CONTROLLER_BROKER]);
        let live_brokers = alive.map(|node| MetadataBroker { node, rack: None }).collect();
        let asked = UpdateMetadataRequest {
            controller: CONTROLLER_BROKER,
            controller_epoch: ControllerEpoch(said.controller_epoch),
            broker_epoch: self.spoken_to(to, said),
            live_brokers,
            partitions,
        };
        match self.said(to, asked) {
            Response::UpdateMetadata(answer) => answer.error,
            other => panic!("{other:?} answers no UpdateMetadata"),
        }
    }

    /// Tells a broker what one replica is; gives the error of the request, and that of the replica.
    pub fn say_leader_and_isr(
        &mut self,
        to: u16,
        said: Said,
        state: LeaderAndIsrPartitionState,
    ) -> (ErrorCode, Option<ErrorCode>) {
        let asked = self.ask_leader_and_isr(to, said, state);
        match self.answer(asked).expect("a broker answers its controller at once") {
            Response::LeaderAndIsr(answer) => {
                (answer.error, answer.partitions.first().map(|one| one.error))
            }
            other => panic!("{other:?} answers no LeaderAndIsr"),
        }
    }

    /// The same, without waiting for an answer.
    pub fn ask_leader_and_isr(
        &mut self,
        to: u16,
        said: Said,
        state: LeaderAndIsrPartitionState,
    ) -> ConnectionId {
        let asked = LeaderAndIsrRequest {
            controller: CONTROLLER_BROKER,
            controller_epoch: ControllerEpoch(said.controller_epoch),
            broker_epoch: self.spoken_to(to, said),
            kind: LeaderAndIsrKind::Unknown,
            partitions: vec![state],
        };
        self.ask(b(to), asked)
    }

    /// Tells a broker how a partition stands, or that its topic goes.
    pub fn say_how_it_stands(&mut self, to: u16, state: &LeaderAndIsrPartitionState, goes: bool) {
        let told = UpdateMetadataPartitionState { is_being_deleted: goes, ..to_everybody(state) };
        assert_eq!(self.say_update_metadata(to, NOW, vec![told]), ErrorCode::None);
    }

    /// Tells brokers what one replica is, which all take for news, and how the partition stands.
    pub fn say_to_all(&mut self, brokers: &[u16], state: &LeaderAndIsrPartitionState) {
        for broker in brokers {
            let answer = self.say_leader_and_isr(*broker, NOW, state.clone());
            assert_eq!(answer, (ErrorCode::None, Some(ErrorCode::None)), "b{broker}");
            self.say_how_it_stands(*broker, state, false);
        }
    }

    /// Tells a broker to stop a replica; gives the error of the request, and that of the replica.
    pub fn say_stop_replica(
        &mut self,
        to: u16,
        said: Said,
        (leader_epoch, delete_partition): (StopEpoch, bool),
    ) -> (ErrorCode, Option<ErrorCode>) {
        let partition = orders(0);
        let state = StopReplicaPartitionState { partition, leader_epoch, delete_partition };
        let asked = StopReplicaRequest {
            controller: CONTROLLER_BROKER,
            controller_epoch: ControllerEpoch(said.controller_epoch),
            broker_epoch: self.spoken_to(to, said),
            partitions: vec![state],
        };
        match self.said(to, asked) {
            Response::StopReplica(answer) => {
                (answer.error, answer.partitions.first().map(|one| one.error))
            }
            other => panic!("{other:?} answers no StopReplica"),
        }
    }

    fn spoken_to(&self, to: u16, said: Said) -> Option<BrokerEpoch> {
        said.broker_epoch.or_else(|| self.epoch(to))
    }

    fn said(&mut self, to: u16, request: impl Into<Request>) -> Response {
        let asked = self.ask(b(to), request);
        self.answer(asked).expect("a broker answers its controller at once")
    }

    /// Under which epoch a broker is registered, so far as it knows.
    pub fn epoch(&self, broker: u16) -> Option<BrokerEpoch> {
        self.brokers[&b(broker)].lifecycle.epoch()
    }

    // What is in the ensemble.

    /// Asks the ensemble for something.
    pub fn keeper(&mut self, op: Op) -> Result<Answer, KeeperError> {
        let now = self.now;
        let mut out = self.outs.remove(&CLIENT).expect("the test's client has an outbox");
        let ensemble = self.ensemble.as_mut().expect("this is ZooKeeper mode");
        ensemble.client.submit(Ticket(0), op, now, &mut out);
        self.outs.insert(CLIENT, out);
        self.carry_out(CLIENT);
        self.run();
        let ensemble = self.ensemble.as_mut().expect("as above");
        ensemble.outcome.take().expect("the ensemble answers at once")
    }

    /// Creates a znode with everything that it is in.
    pub fn create_znode(&mut self, at: &Path, data: Data) {
        let parents = std::iter::successors(at.parent(), Path::parent);
        let mut parents: Vec<Path> = parents.filter(|path| *path != Path::root()).collect();
        parents.reverse();
        let (acl, mode) = (Acl::Open, CreateMode::PERSISTENT);
        for path in parents {
            let op = Op::Create { path, data: Data::default(), acl: acl.clone(), mode };
            let created = self.keeper(op);
            assert!(matches!(created, Ok(_) | Err(KeeperError::NodeExists)), "{created:?}");
        }
        let created = self.keeper(Op::Create { path: at.clone(), data, acl, mode });
        assert!(created.is_ok(), "{created:?}");
    }

    /// What a znode holds.
    pub fn znode(&self, at: &Path) -> Option<String> {
        let ensemble = self.ensemble.as_ref().expect("this is ZooKeeper mode");
        ensemble.server.tree().znode(at).map(|znode| znode.data.to_string())
    }

    /// Whether a broker's own znode is there.
    pub fn is_registered(&self, broker: u16) -> bool {
        self.znode(&path::broker_id(b(broker))).is_some()
    }

    /// The broker's next write to a znode is carried out, and its connection is lost under the answer.
    pub fn lose_the_answer(&mut self, broker: u16, to: Path) {
        let ensemble = self.ensemble.as_mut().expect("this is ZooKeeper mode");
        ensemble.to_sever = Some((b(broker), to));
    }

    // How all that is carried.

    pub(super) fn is_of_the_ensemble(&self, node: NodeId) -> bool {
        self.ensemble.is_some() && (node == Z1 || node == CLIENT)
    }

    pub(super) fn deliver_to_the_ensemble(&mut self, node: NodeId, input: Input) {
        let now = self.at();
        let mut out = self.outs.remove(&node).expect("both have an outbox");
        let ensemble = self.ensemble.as_mut().expect("it is of the ensemble");
        match node {
            Z1 => ensemble.server.step(now, input, &mut out),
            _ => {
                for event in ensemble.client.handle(input, now.time, &mut out) {
                    if let Event::Answered(_, _, outcome) = event {
                        ensemble.outcome = Some(KeeperOutcome::result(outcome));
                    }
                }
            }
        }
        self.outs.insert(node, out);
        self.carry_out(node);
    }

    pub(super) fn frame(&mut self, from: NodeId, connection: ConnectionId, frame: Frame) {
        let Some((client, server)) = self.ends.get(&connection).copied() else { return };
        let to = if from == client { server } else { client };
        let ensemble = self.ensemble.as_mut().expect("frames are ZooKeeper's");
        match &frame {
            Frame::ClientRequest(request) => ensemble.watch(from, request),
            Frame::Reply(reply) if ensemble.severs == Some((to, reply.xid)) => {
                ensemble.severs = None;
                self.ends.remove(&connection);
                let reason = DisconnectReason::Broken;
                let end = |end| (end, Input::Disconnected { connection, reason });
                return self.queue.extend([client, server].map(end));
            }
            _ => {}
        }
        if !self.cut.contains(&(from, to)) {
            self.queue.push_back((to, Input::Frame { connection, frame }));
        }
    }

    pub(super) fn tell_the_ensemble_of_the_end(
        &mut self,
        who: NodeId,
        connection: ConnectionId,
        ends: Option<(NodeId, NodeId)>,
    ) {
        let Some((client, server)) = ends else { return };
        let other = if who == client { server } else { client };
        let is_frames = self.is_of_the_ensemble(client) || self.is_of_the_ensemble(server);
        if is_frames && !self.cut.contains(&(who, other)) {
            let reason = DisconnectReason::Closed;
            self.queue.push_back((other, Input::Disconnected { connection, reason }));
        }
    }
}
