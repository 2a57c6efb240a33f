//! A broker as a test plays it: it is registered, says yes to everything, and remembers what it has heard.

use klab_machine::operation::KeeperOutcome;
use klab_machine::timer::ZooKeeperClientTimer;
use klab_machine::{Input, Outbox, Timer};
use klab_wire::*;
use klab_zookeeper_client::{Event, Session, Ticket};

/// A broker as the test plays it: it registers, and says yes to everything.
pub struct Broker {
    pub(super) session: Session,
    pub heard: Vec<Request>,
    pub epoch: Option<BrokerEpoch>,
}

impl Broker {
    pub(super) fn step(&mut self, now: Time, input: Input, out: &mut Outbox) {
        let events = match input {
            Input::Frame { connection, frame } => self.session.hear(connection, frame, now, out),
            Input::Connected { connection } => {
                self.session.connected(connection, now, out);
                Vec::new()
            }
            Input::Disconnected { connection, .. } => {
                self.session.disconnected(connection, now, out)
            }
            Input::Timer(Timer::ZooKeeperClient(timer)) => {
                assert_ne!(timer, ZooKeeperClientTimer::Workload);
                self.session.timer(timer, now, out)
            }
            Input::Request { connection, correlation, request } => {
                out.respond(connection, correlation, yes(&request));
                self.heard.push(request);
                Vec::new()
            }
            _ => Vec::new(),
        };
        for event in events {
            if let Event::Answered(Ticket(1), _, outcome) = event
                && let KeeperOutcome::Answered(zxid, _) = outcome
            {
                self.epoch = Some(BrokerEpoch(zxid.0));
            }
        }
    }
}

fn yes(request: &Request) -> Response {
    let error = ErrorCode::None;
    match request {
        Request::LeaderAndIsr(request) => {
            let fine =
                |one: &LeaderAndIsrPartitionState| LeaderAndIsrPartitionError { id: one.id, error };
            let partitions = request.partitions.iter().map(fine).collect();
            Response::LeaderAndIsr(Box::new(LeaderAndIsrResponse { error, partitions }))
        }
        Request::UpdateMetadata(_) => {
            Response::UpdateMetadata(Box::new(UpdateMetadataResponse { error }))
        }
        Request::StopReplica(request) => {
            let fine = |one: &StopReplicaPartitionState| StopReplicaPartitionError {
                partition: one.partition.clone(),
                error,
            };
            let partitions = request.partitions.iter().map(fine).collect();
            Response::StopReplica(Box::new(StopReplicaResponse { error, partitions }))
        }
        other => panic!("no controller asks a broker {other:?}"),
    }
}

pub(super) fn in_words(request: &Request) -> String {
    match request {
        Request::LeaderAndIsr(request) => {
            let one = |state: &LeaderAndIsrPartitionState| {
                let LeaderAndIsrPartitionState { partition, leader, leader_epoch, isr, .. } = state;
                let new = if state.is_new { " new" } else { "" };
                let leader = leader.map_or("nobody".into(), |leader| leader.to_string());
                format!("{partition} {leader}/{leader_epoch} {isr:?}{new}")
            };
            let all: Vec<_> = request.partitions.iter().map(one).collect();
            format!("LeaderAndIsr {}: {}", request.controller_epoch, all.join(", "))
        }
        Request::UpdateMetadata(request) => {
            let live: Vec<_> =
                request.live_brokers.iter().map(|one| one.node.to_string()).collect();
            let one = |state: &UpdateMetadataPartitionState| match state.is_being_deleted {
                true => format!("{} goes", state.partition),
                false => format!(
                    "{} {}",
                    state.partition,
                    state.leader.map_or("nobody".into(), |leader| leader.to_string())
                ),
            };
            let all: Vec<_> = request.partitions.iter().map(one).collect();
            format!("UpdateMetadata [{}]: {}", live.join(" "), all.join(", "))
        }
        Request::StopReplica(request) => {
            let one = |state: &StopReplicaPartitionState| {
                let delete = if state.delete_partition { " for good" } else { "" };
                format!("{}{delete}", state.partition)
            };
            let all: Vec<_> = request.partitions.iter().map(one).collect();
            format!("StopReplica {}", all.join(", "))
        }
        other => panic!("no controller asks a broker {other:?}"),
    }
}
