//! A ZooKeeper ensemble in a world: its servers and clients from a scenario, who leads it, whether it has come
//! to rest.

use crate::Engine;
use crate::convergence::Unrest;
use crate::node::{Node, NodeSetup};
use klab_machine::Machine;
use klab_scenario::Load;
use klab_scenario::ensemble::{Ensemble, OldBehaviour, Workload as Work, ZooKeeperClient};
use klab_wire::zookeeper::ServerState;
use klab_wire::{NodeId, Span};
use klab_zookeeper::{Server, ServerSetup, ServerView, ZooKeeperSwitches};
use klab_zookeeper_client::{ApplicationSetup, SessionSetup, Workload};

/// What every server of an ensemble is configured with.
pub(crate) fn server_setup(ensemble: &Ensemble) -> ServerSetup {
    let has = |behaviour| ensemble.before == Some(behaviour);
    let switches = ZooKeeperSwitches {
        acknowledges_before_persisting: has(OldBehaviour::Zookeeper3911),
        epoch_before_transactions: has(OldBehaviour::Zookeeper4643),
        votes_without_its_log: has(OldBehaviour::Zookeeper2845),
        diff_over_a_foreign_ending: has(OldBehaviour::Zookeeper1154),
        forgets_unfinished_snapshots: has(OldBehaviour::Zookeeper3642),
        proposes_to_the_acknowledged: has(OldBehaviour::ProposesToTheAcknowledged),
        commits_what_it_acknowledged: has(OldBehaviour::CommitsTheAcknowledged),
    };
    let setup = ServerSetup::new(ensemble.participants(), ensemble.observing());
    ServerSetup {
        init_limit: ensemble.init_limit,
        sync_limit: ensemble.sync_limit,
        snap_count: ensemble.snap_count,
        commit_log_count: ensemble.commit_log_count,
        global_outstanding_limit: ensemble.global_outstanding_limit,
        switches,
        ..setup.with_tick(ensemble.tick_time)
    }
}

/// What an application is configured with that works for so long.
pub(crate) fn client_setup(
    ensemble: &Ensemble,
    client: &ZooKeeperClient,
    works_for: Span,
) -> NodeSetup {
    let servers = match client.servers.is_empty() {
        true => ensemble.nodes(),
        false => client.servers.clone(),
    };
    let session = SessionSetup { servers, chroot: None, timeout: client.session_timeout };
    NodeSetup::ZooKeeperClient(Box::new(ApplicationSetup {
        session,
        workload: workload(client),
        every: match client.rate {
            Load::Rate(rate) => Some(rate.per.divided_by(rate.count.max(1))),
            Load::Max => None,
        },
        in_flight: u32::from(client.in_flight),
        calls: client.calls,
        works_for: Some(works_for),
    }))
}

fn workload(client: &ZooKeeperClient) -> Workload {
    match client.workload {
        Work::Registers => Workload::Registers {
            keys: u32::from(client.keys),
            reads: u32::from(client.reads),
            size: client.value_size,
            synced: client.synced,
        },
        Work::Counter => Workload::Counter,
        Work::Lock => Workload::Lock { hold: client.hold },
        Work::Members => Workload::Members,
        Work::Watcher => Workload::Watcher,
        Work::Offsets => Workload::Offsets { partitions: u32::from(client.keys) },
        Work::Creates => Workload::Creates { size: client.value_size },
    }
}

/// The servers that are up, with what each shows of itself.
pub(crate) fn servers(engine: &Engine<Node>) -> impl Iterator<Item = (NodeId, ServerView)> {
    let machines =
        engine.nodes().flat_map(|node| engine.machines(node).map(move |machine| (node, machine)));
    machines.filter_map(|(node, machine)| match machine {
        Node::ZooKeeper(server) => Some((node, Server::view(server))),
        _ => None,
    })
}

/// Who leads: of those that serve as leaders, the one of the newest epoch.
pub(crate) fn leader(engine: &Engine<Node>) -> Option<(NodeId, ServerView)> {
    let leads = |view: &ServerView| view.state == ServerState::Leading && view.is_serving;
    let leading = servers(engine).filter(|(_, view)| leads(view));
    leading.max_by_key(|(_, view)| view.current_epoch)
}

/// The servers with a vote that follow the leader.
pub(crate) fn followers(engine: &Engine<Node>) -> Vec<NodeId> {
    let Some((leader, _)) = leader(engine) else { return Vec::new() };
    let follows = |view: &ServerView| {
        view.state == ServerState::Following && view.leader == Some(leader) && view.is_serving
    };
    servers(engine).filter(|(_, view)| follows(view)).map(|(node, _)| node).collect()
}

/// What keeps an ensemble from being at rest: it has a leader, everybody serves, and all have the same.
pub(crate) fn problems(ensemble: &Ensemble, engine: &Engine<Node>) -> Vec<Unrest> {
    let down = ensemble.nodes().into_iter().filter(|node| !engine.is_up(*node)).map(Unrest::Down);
    let mut problems: Vec<Unrest> = down.collect();
    let Some((leader, leading)) = leader(engine) else {
        problems.push(Unrest::NoEnsembleLeader);
        return problems;
    };
    for (server, view) in servers(engine) {
        if !view.is_serving || view.leader != Some(leader) {
            problems.push(Unrest::OutOfEnsemble { server, leader });
        } else if view.tree != leading.tree {
            problems.push(Unrest::TreeBehind { server, leader });
        }
    }
    problems
}
