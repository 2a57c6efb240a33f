//! A world: a deployment on the engine, with everything that its scenario does to it.

use crate::acts::Holds;
use crate::administration::{create_topics, lift_throttles};
use crate::agenda::{Agenda, Item, LOOK_AGAIN};
use crate::client_setup::{first_seeks, producer_setup};
use crate::deployment::{ADMINISTRATOR, deploy};
use crate::engine::Simulation;
use crate::ensemble;
use crate::hardware::latency;
use crate::nemesis::Striker;
use crate::node::{Node, NodeSetup, NodeView};
use crate::selection::select;
use crate::{Engine, Usage, truth, zookeeper_mode};
use klab_check::{Convergence, End};
use klab_machine::fact::{FactSet, WorldFact};
use klab_machine::fingerprint::Fingerprint;
use klab_machine::input::ConsumerCommand;
use klab_machine::random::stream;
use klab_machine::trace::Entry;
use klab_machine::{Command, Machine};
use klab_scenario::act::admin::Reassignment;
use klab_scenario::{Act, Administration, Scenario};
use klab_wire::{NodeId, NodeKind, Span, Time};
use std::sync::Arc;

/// See the module. Its clone is another universe with the same past.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) seed: u64,
    pub(crate) engine: Engine<Node>,
    pub(crate) agenda: Agenda,
    pub(crate) holds: Holds,
    pub(crate) strikers: Vec<Striker>,
    stage: Stage,
    /// Clients that have done their work and are not started again.
    retired: Vec<NodeId>,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// The servers start; there are no topics yet.
    Starting,
    /// The topics are being created.
    CreatingTopics,
    /// The clients are at work, and the faults as well.
    Running,
    /// Everything came back; the cluster has to come to rest.
    Healing,
    /// It is over.
    Over(Convergence),
}

impl World {
    /// The world of a scenario, before its first moment. Everything follows from these two.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let scenario = Arc::new(scenario.clone());
        let engine = deploy(&scenario, seed);
        let strikers = (0..).zip(&scenario.nemeses);
        let strikers =
            strikers.map(|(number, nemesis)| Striker::new(nemesis, number, seed)).collect();
        let mut world = World {
            scenario,
            seed,
            engine,
            agenda: Agenda::default(),
            holds: Holds::default(),
            strikers,
            stage: Stage::Starting,
            retired: Vec::new(),
        };
        world.set_links();
        world.plan();
        world
    }

    /// The same world for an observer who looks neither at what becomes of messages nor at these facts of
    /// machines; its fingerprint has it all the same.
    pub fn without(mut self, facts: FactSet) -> Self {
        self.engine.hide(facts);
        self
    }

    /// The same world without a fingerprint, before its first moment: for a thousand runs of which only the
    /// verdict is asked.
    pub fn undigested(mut self) -> Self {
        self.engine.leave_undigested();
        self
    }

    /// The true time.
    pub fn now(&self) -> Time {
        self.engine.now()
    }

    /// The engine that it runs on: processes, machines, disks.
    pub fn engine(&self) -> &Engine<Node> {
        &self.engine
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What every machine of a process shows of itself; nothing while it is down.
    pub fn views(&self, node: NodeId) -> Vec<NodeView> {
        self.engine.machines(node).map(Machine::view).collect()
    }

    /// How busy the hardware of every process has been so far; nothing for a process on ideal hardware.
    pub fn usage(&self) -> Vec<Usage> {
        self.engine.usage()
    }

    /// Fetches that wait in the purgatories of all brokers, and the partitions that they wait at, once for each fetch.
    pub fn delayed_fetches(&self) -> (u64, u64) {
        let each = truth::brokers(&self.engine).map(|(_, broker)| broker.delayed_fetches());
        each.fold((0, 0), |sum, (fetches, at)| (sum.0 + u64::from(fetches), sum.1 + at))
    }

    /// How the run ended; none while it goes on.
    pub fn end(&self) -> Option<End> {
        match &self.stage {
            Stage::Over(convergence) => {
                Some(End { time: self.now(), convergence: convergence.clone() })
            }
            _ => None,
        }
    }

    /// Runs until a time or the end of the run, and shows every entry of the trace.
    pub fn run(&mut self, until: Time, observe: &mut impl FnMut(&Entry)) {
        while self.next_time().is_some_and(|next| next <= until) {
            self.step().into_iter().flatten().for_each(&mut *observe);
        }
        if self.end().is_none() {
            self.engine.advance(until);
        }
    }

    /// Runs to the end, and shows every entry of the trace.
    pub fn run_to_end(&mut self, observe: &mut impl FnMut(&Entry)) -> End {
        while let Some(entries) = self.steps() {
            entries.iter().for_each(&mut *observe);
        }
        self.end().expect("a run has an end: healing is on the agenda from the start")
    }

    /// Starts a process, if it is down and not retired.
    pub(crate) fn start(&mut self, node: NodeId) {
        if self.retired.contains(&node) || self.engine.is_up(node) {
            return;
        }
        match node.kind {
            NodeKind::Producer => self.start_producer(node),
            NodeKind::Consumer => self.start_consumer(node),
            NodeKind::ZooKeeperClient => self.start_zookeeper_client(node),
            _ => self.engine.start(node),
        }
    }

    fn set_links(&mut self) {
        let mut no_chance = stream(self.seed, "link ends", []);
        for link in &self.scenario.links {
            let from = select(&link.from, &self.scenario, &self.engine, &mut no_chance);
            let to = select(&link.to, &self.scenario, &self.engine, &mut no_chance);
            let latency = link.latency.map(latency);
            for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))) {
                self.engine.set_link(a, b, latency, link.loss_ppm, link.bandwidth);
                if link.both {
                    self.engine.set_link(b, a, latency, link.loss_ppm, link.bandwidth);
                }
            }
        }
    }

    fn plan(&mut self) {
        let scenario = self.scenario.clone();
        for node in scenario.cluster.nodes() {
            let own = scenario.cluster.overrides(node);
            let at = own.and_then(|own| own.starts_at).unwrap_or_default();
            self.agenda.put(Time(at.0), Item::StartServer(node));
        }
        self.agenda.put(Time::ZERO, Item::StartClient(ADMINISTRATOR));
        self.agenda.put(Time::ZERO, Item::Deploy);
        for (number, at) in (0..).zip(&scenario.acts) {
            self.agenda.put(Time(at.time.0), Item::Act(number));
        }
        (0..scenario.nemeses.len() as u32).for_each(|number| self.await_strike(number));
        self.agenda.put(Time(scenario.run_for.0), Item::Heal);
    }

    /// Lets the next thing happen; false if nothing will ever happen again. What is on the agenda comes before what
    /// happens by itself at the same time.
    fn go_on(&mut self) -> bool {
        if matches!(self.stage, Stage::Over(_)) {
            return false;
        }
        self.engine.step_before(self.agenda.next_time()) || self.act_on_agenda()
    }

    fn act_on_agenda(&mut self) -> bool {
        let Some((at, item)) = self.agenda.take() else { return false };
        self.engine.advance(at);
        self.engine.begin_act();
        self.carry_out(item);
        true
    }

    fn carry_out(&mut self, item: Item) {
        match item {
            Item::StartServer(node) | Item::StartClient(node) => self.start(node),
            Item::Deploy => self.deploy(),
            Item::StopClient(node) => self.retire(node),
            Item::Act(number) => self.act(number),
            Item::Undo(undo) => self.undo(undo),
            Item::Strike(number) => self.strike(number),
            Item::Roll(rolling) => self.roll(rolling),
            Item::Heal => self.heal(),
            Item::Converge => self.converge(),
        }
    }

    /// As a script that deploys would: wait for the brokers, create the topics, wait until every live
    /// broker knows them, let the clients in.
    fn deploy(&mut self) {
        if self.scenario.cluster.is_bare() {
            return self.open_ensemble();
        }
        if self.stage == Stage::Starting && self.has_brokers() {
            for request in create_topics(&self.scenario.topics) {
                self.engine.command(ADMINISTRATOR, Command::Administer(request));
            }
            self.stage = Stage::CreatingTopics;
        }
        if self.stage == Stage::CreatingTopics && self.has_topics() {
            self.stage = Stage::Running;
            return self.let_clients_in();
        }
        let again = self.now() + LOOK_AGAIN;
        self.agenda.put(again, Item::Deploy);
    }

    /// So soon as an ensemble serves, its clients are let in.
    fn open_ensemble(&mut self) {
        if ensemble::leader(&self.engine).is_some() {
            self.stage = Stage::Running;
            return self.let_clients_in();
        }
        let again = self.now() + LOOK_AGAIN;
        self.agenda.put(again, Item::Deploy);
    }

    /// Every broker that has been started is alive to the active controller.
    fn has_brokers(&self) -> bool {
        if self.scenario.cluster.is_in_zookeeper_mode() {
            return zookeeper_mode::has_brokers(&self.engine);
        }
        let Some((_, active)) = truth::active_controller(&self.engine) else { return false };
        truth::brokers(&self.engine).all(|(node, _)| active.image().cluster.is_active(node))
    }

    /// The topics exist, and every live broker's metadata has them.
    fn has_topics(&self) -> bool {
        if self.scenario.cluster.is_in_zookeeper_mode() {
            let names = self.scenario.topics.iter().map(|topic| &topic.name);
            return zookeeper_mode::has_topics(&self.engine, names);
        }
        let Some((_, active)) = truth::active_controller(&self.engine) else { return false };
        let names = || self.scenario.topics.iter().map(|topic| &topic.name);
        names().all(|name| active.image().topics.named(name).is_some())
            && truth::brokers(&self.engine)
                .all(|(_, broker)| names().all(|name| broker.image().topics.named(name).is_some()))
    }

    fn let_clients_in(&mut self) {
        let scenario = self.scenario.clone();
        let now = self.now();
        for (node, producer) in scenario.producer_nodes() {
            self.agenda.put(now.max(Time(producer.start.0)), Item::StartClient(node));
        }
        for (node, client) in scenario.zookeeper_client_nodes() {
            self.agenda.put(now.max(Time(client.start.0)), Item::StartClient(node));
        }
        for (node, consumer, _) in scenario.consumer_nodes() {
            self.agenda.put(now.max(Time(consumer.start.0)), Item::StartClient(node));
            if let Some(stop) = consumer.stop {
                self.agenda.put(now.max(Time(stop.0)), Item::StopClient(node));
            }
        }
    }

    /// Its workload ends with the run, or when the scenario says.
    fn start_zookeeper_client(&mut self, node: NodeId) {
        let scenario = self.scenario.clone();
        let found = scenario.zookeeper_client_nodes().find(|(id, _)| *id == node);
        if let (Some(ensemble), Some((_, client))) = (&scenario.zookeeper, found) {
            let until = client.stop.unwrap_or(scenario.run_for);
            let works_for = until.saturating_sub(Span(self.now().0));
            let setup = ensemble::client_setup(ensemble, client, works_for);
            self.engine.reconfigure(node, 0, setup);
        }
        self.engine.start(node);
    }

    /// A producer's workload is timed from the start of its process, in every life anew.
    fn start_producer(&mut self, node: NodeId) {
        let scenario = self.scenario.clone();
        let found = scenario.producer_nodes().find(|(id, _)| *id == node);
        if let Some((_, producer)) = found {
            let setup = producer_setup(&scenario, producer, Span(self.now().0));
            self.engine.reconfigure(node, 0, NodeSetup::Producer(Box::new(setup)));
        }
        self.engine.start(node);
    }

    fn start_consumer(&mut self, node: NodeId) {
        self.engine.start(node);
        let scenario = self.scenario.clone();
        let Some((_, consumer, place)) = scenario.consumer_nodes().find(|(id, ..)| *id == node)
        else {
            return;
        };
        for (partition, offset) in first_seeks(&scenario, consumer, place) {
            let seek = ConsumerCommand::SeekTo(partition, offset);
            self.engine.command(node, Command::Consume(seek));
        }
    }

    fn retire(&mut self, node: NodeId) {
        self.retired.push(node);
        self.engine.shut_down(node);
    }

    /// Load and faults are over. Whoever has been started and is down comes back, clients included.
    fn heal(&mut self) {
        self.agenda.clear();
        let kept_down = self.holds.kept_down();
        self.holds.clear();
        self.stage = Stage::Healing;
        self.engine.state(ADMINISTRATOR, WorldFact::HealingBegan {});
        self.engine.restore();
        let nodes: Vec<NodeId> = self.engine.nodes().collect();
        let is_server = |node: &NodeId| self.scenario.cluster.nodes().contains(node);
        let coming: Vec<NodeId> = nodes
            .into_iter()
            .filter(|node| self.engine.life(*node) > 0 || is_server(node))
            .collect();
        for node in coming {
            // One that was asked to go in order and has not gone yet comes back when it has.
            match kept_down.contains(&node) && self.engine.is_up(node) {
                true => self.hold_until_gone(node),
                false => self.start(node),
            }
        }
        self.lift_throttles();
        let look = self.now() + self.scenario.heal.settle;
        self.agenda.put(look, Item::Converge);
    }

    /// A move that is throttled below the rate of what was produced meanwhile would not end for hours
    /// (KIP-73 leaves that to the operator): like a fault, the throttle is over.
    fn lift_throttles(&mut self) {
        let is_throttle = |act: &Act| match act {
            Act::Administer(Administration::Reassign(Reassignment { throttle, .. })) => {
                throttle.is_some()
            }
            _ => false,
        };
        if self.scenario.acts.iter().any(|at| is_throttle(&at.act)) {
            let brokers = (1..=self.scenario.cluster.brokers).map(NodeId::broker);
            let request = lift_throttles(brokers);
            self.engine.command(ADMINISTRATOR, Command::Administer(request));
        }
    }

    /// Starts the servers that have ended by themselves, as `Restart=on-failure` of systemd does. A broker
    /// ends so when it finds no controller within `initial.broker.registration.timeout.ms`. While faults go
    /// on nobody does: what such an end leads to is part of the experiment.
    fn supervise(&mut self) {
        for node in self.scenario.cluster.nodes() {
            self.start(node);
        }
    }

    /// Looks whether the cluster has come to rest.
    fn converge(&mut self) {
        self.supervise();
        let reasons = self.unrest();
        let heal = self.scenario.heal;
        let limit = Time(self.scenario.run_for.0) + heal.settle + heal.converge_within;
        if reasons.is_empty() {
            self.stage = Stage::Over(Convergence::Reached { at: self.now() });
        } else if self.now() >= limit {
            self.stage = Stage::Over(Convergence::Missed { reasons: self.stuck() });
        } else {
            let again = (self.now() + LOOK_AGAIN).min(limit);
            self.agenda.put(again, Item::Converge);
        }
    }
}

/// How many entries are looked at together: as many as stay in a processor's cache.
const WORTH_A_LOOK: usize = 256;

impl Simulation for World {
    fn next_time(&self) -> Option<Time> {
        if matches!(self.stage, Stage::Over(_)) {
            return None;
        }
        let agenda = self.agenda.next_time();
        match (agenda, self.engine.next_time()) {
            (Some(agenda), Some(engine)) => Some(agenda.min(engine)),
            (agenda, engine) => agenda.or(engine),
        }
    }

    fn step(&mut self) -> Option<&[Entry]> {
        self.go_on().then(|| self.engine.entries())
    }

    fn steps(&mut self) -> Option<&[Entry]> {
        let mut goes_on = self.go_on();
        while goes_on && self.engine.unshown() < WORTH_A_LOOK {
            goes_on = self.go_on();
        }
        (goes_on || self.engine.unshown() > 0).then(|| self.engine.entries())
    }

    fn fingerprint(&self) -> Option<&Fingerprint> {
        self.engine.fingerprint()
    }
}
