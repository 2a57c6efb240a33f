//! Acts on the world: what a scenario's `[[at]]` and its nemeses do, and how it is undone.
//!
//! An act names processes by selectors; they are resolved when its time comes. Some faults last for a
//! while (`for`) and are undone afterwards. When two of them overlap on the same thing it stays
//! disturbed until the last one is over ([`holds`]).

mod holds;
mod undo;

pub(crate) use holds::{Held, Holds};

use crate::World;
use crate::agenda::{Item, LOOK_AGAIN, Rolling, Undo};
use crate::client_setup::offset_spec;
use crate::deployment::{ADMINISTRATOR, signed_nanos};
use crate::network::{Tamper, Tampering};
use crate::selection::select;
use crate::{administration, truth};
use klab_machine::fact::WorldFact;
use klab_machine::input::ConsumerCommand;
use klab_machine::random::{Stream, stream};
use klab_machine::trace::MessageKind;
use klab_machine::{Command, File};
use klab_scenario::act::consume::{Partitions, Seek};
use klab_scenario::act::fault::{
    Between, ClockStep, Corruption, Ends, Isolation, RollingRestart, SlowLink, Slowed, Tampered,
    Tampering as TamperingAct, Wait,
};
use klab_scenario::{Act, Administration, ConsumerAct, Fault, Position, Selector};
use klab_wire::{NodeId, Span, TopicIdPartition, TopicPartition};

impl World {
    /// Carries out the act of this number in the scenario.
    pub(crate) fn act(&mut self, number: u32) {
        let at = self.scenario.acts[number as usize].clone();
        let mut chance = stream(self.seed, "selector", [u64::from(number)]);
        match at.act {
            Act::Fault(fault) => self.commit(&fault, at.lasts, &mut chance),
            Act::Administer(act) => self.administer(&act),
            Act::Consume(act) => self.consume(&act, &mut chance),
        }
    }

    /// Does what a fault says, to last for this long; for good if nothing is said.
    pub(crate) fn commit(&mut self, fault: &Fault, lasts: Option<Span>, chance: &mut Stream) {
        match fault {
            Fault::Crash(nodes) => self.crash(nodes, lasts, chance),
            Fault::PowerCut(nodes) => self.cut_power(nodes, lasts, chance),
            Fault::Shutdown(nodes) => self.shut_down(nodes, lasts, chance),
            Fault::Start(nodes) => self.start_all(nodes, chance),
            Fault::Restart(nodes) => self.restart(nodes, chance),
            Fault::Pause(nodes) => self.pause(nodes, lasts, chance),
            Fault::Resume(nodes) => self.resume(nodes, chance),
            Fault::RollingRestart(restart) => self.begin_rolling(restart, chance),
            Fault::Cut(between) => self.cut(between, lasts, chance),
            Fault::Heal(ends) => self.heal_links(ends, chance),
            Fault::Isolate(isolation) => self.isolate(isolation, lasts, chance),
            Fault::SlowLink(slow) => self.slow_links(slow, lasts, chance),
            Fault::SlowDisk(slowed) => self.slow_disks(slowed, lasts, chance),
            Fault::SlowHost(slowed) => self.slow_hosts(slowed, lasts, chance),
            Fault::FailDisk(nodes) => self.fail_disks(nodes, lasts, chance),
            Fault::FillDisk(nodes) => self.fill_disks(nodes, lasts, chance),
            Fault::RepairDisk(nodes) => self.repair_disks(nodes, chance),
            Fault::ReplaceDisk(nodes) => self.replace_disks(nodes, chance),
            Fault::CorruptDisk(corruption) => self.corrupt_disks(corruption, chance),
            Fault::ClockStep(step) => self.step_clocks(step, chance),
            Fault::Drop(tampering) | Fault::Delay(tampering) => self.tamper(tampering, chance),
        }
    }

    /// Whom a selector means now. Says so if that is nobody.
    fn who(&mut self, selector: &Selector, chance: &mut Stream) -> Vec<NodeId> {
        let nodes = select(selector, &self.scenario, &self.engine, chance);
        if nodes.is_empty() {
            self.unmatched(selector.to_string());
        }
        nodes
    }

    fn unmatched(&mut self, selector: String) {
        self.engine.state(ADMINISTRATOR, WorldFact::SelectorUnmatched { selector });
    }

    fn crash(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold_down(node, lasts);
            self.engine.crash(node);
        }
    }

    fn cut_power(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold_down(node, lasts);
            self.engine.cut_power(node);
        }
    }

    fn shut_down(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold_down(node, lasts);
            self.engine.shut_down(node);
        }
    }

    fn hold_down(&mut self, node: NodeId, lasts: Option<Span>) {
        let life = self.engine.life(node);
        self.hold(Held::Down(node), lasts, Undo::Start { node, life });
    }

    fn start_all(&mut self, nodes: &Selector, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.holds.forget(Held::Down(node));
            self.start(node);
        }
    }

    fn restart(&mut self, nodes: &Selector, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.holds.forget(Held::Down(node));
            self.engine.crash(node);
            self.start(node);
        }
    }

    fn pause(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold(Held::Paused(node), lasts, Undo::Resume(node));
            self.engine.pause(node);
        }
    }

    fn resume(&mut self, nodes: &Selector, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.holds.forget(Held::Paused(node));
            self.engine.resume(node);
        }
    }

    fn begin_rolling(&mut self, restart: &RollingRestart, chance: &mut Stream) {
        let mut left = self.who(&restart.nodes, chance);
        left.sort_unstable();
        left.reverse();
        let restart = restart.clone();
        self.roll(Rolling { restart, left, current: None, started: None });
    }

    /// The next moment of a rolling restart: stop one in order, start it again, wait, go on.
    pub(crate) fn roll(&mut self, mut rolling: Rolling) {
        match rolling.current {
            None => {
                let Some(node) = rolling.left.pop() else { return };
                rolling.current = Some((node, self.engine.life(node)));
                self.holds.take(Held::Down(node));
                self.engine.shut_down(node);
            }
            Some((node, life)) if rolling.started.is_none() => {
                if !self.engine.is_up(node) || self.engine.life(node) != life {
                    self.holds.forget(Held::Down(node));
                    self.start(node);
                    rolling.started = Some(self.now());
                }
            }
            Some(_) => {
                if self.has_waited(rolling.restart.wait, rolling.started) {
                    (rolling.current, rolling.started) = (None, None);
                }
            }
        }
        let again = self.now() + LOOK_AGAIN;
        self.agenda.put(again, Item::Roll(rolling));
    }

    fn has_waited(&self, wait: Wait, started: Option<klab_wire::Time>) -> bool {
        match wait {
            Wait::InSync => self.is_fully_replicated(),
            Wait::For(span) => started.is_some_and(|at| self.now().since(at) >= span),
        }
    }

    fn cut(&mut self, between: &Between, lasts: Option<Span>, chance: &mut Stream) {
        for (from, to) in self.links(between, chance) {
            self.cut_one(from, to, lasts);
        }
    }

    fn cut_one(&mut self, from: NodeId, to: NodeId, lasts: Option<Span>) {
        self.hold(Held::Link(from, to), lasts, Undo::Heal { from, to });
        self.engine.cut(from, to);
    }

    fn heal_links(&mut self, ends: &Ends, chance: &mut Stream) {
        let Ends { from, to } = ends.clone();
        for (from, to) in self.links(&Between { from, to, both: true }, chance) {
            self.holds.forget(Held::Link(from, to));
            self.engine.heal(from, to);
        }
    }

    fn isolate(&mut self, isolation: &Isolation, lasts: Option<Span>, chance: &mut Stream) {
        let inside = self.who(&isolation.nodes, chance);
        let from = self.who(&isolation.from, chance);
        let except = isolation.except.as_ref().map(|except| self.who(except, chance));
        let except = except.unwrap_or_default();
        let outside = from.into_iter().filter(|node| !inside.contains(node));
        for other in outside.filter(|node| !except.contains(node)) {
            for node in &inside {
                self.cut_one(*node, other, lasts);
                self.cut_one(other, *node, lasts);
            }
        }
    }

    fn slow_links(&mut self, slow: &SlowLink, lasts: Option<Span>, chance: &mut Stream) {
        for (from, to) in self.links(&slow.between, chance) {
            self.hold(Held::LinkSpeed(from, to), lasts, Undo::SpeedUpLink { from, to });
            self.engine.slow_link(from, to, slow.latency, slow.loss_ppm);
        }
    }

    fn slow_disks(&mut self, slowed: &Slowed, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(&slowed.nodes, chance) {
            self.hold(Held::DiskSpeed(node), lasts, Undo::SpeedUpDisk(node));
            self.engine.slow_disk(node, slowed.percent);
        }
    }

    fn slow_hosts(&mut self, slowed: &Slowed, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(&slowed.nodes, chance) {
            self.hold(Held::HostSpeed(node), lasts, Undo::SpeedUpHost(node));
            self.engine.slow_host(node, slowed.percent);
        }
    }

    fn fail_disks(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold(Held::DiskFailure(node), lasts, Undo::MendDisk(node));
            self.engine.fail_disk(node, true);
        }
    }

    fn fill_disks(&mut self, nodes: &Selector, lasts: Option<Span>, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.hold(Held::DiskSpace(node), lasts, Undo::EmptyDisk(node));
            self.engine.fill_disk(node, true);
        }
    }

    fn repair_disks(&mut self, nodes: &Selector, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.holds.forget(Held::DiskFailure(node));
            self.holds.forget(Held::DiskSpace(node));
            self.engine.fail_disk(node, false);
            self.engine.fill_disk(node, false);
        }
    }

    fn replace_disks(&mut self, nodes: &Selector, chance: &mut Stream) {
        for node in self.who(nodes, chance) {
            self.engine.replace_disk(node);
        }
    }

    fn corrupt_disks(&mut self, corruption: &Corruption, chance: &mut Stream) {
        let log = self.log_of(&corruption.partition);
        for node in self.who(&corruption.nodes, chance) {
            let is_in_log =
                |file| matches!(file, File::Segment(partition, _) if Some(partition) == log);
            if !self.engine.corrupt_disk(node, is_in_log) {
                self.unmatched(format!("a batch of {} on {node}", corruption.partition));
            }
        }
    }

    fn log_of(&self, partition: &TopicPartition) -> Option<TopicIdPartition> {
        if *partition == TopicPartition::cluster_metadata() {
            return Some(TopicIdPartition::CLUSTER_METADATA);
        }
        truth::metadata(&self.engine)?.topics.identified(partition)
    }

    fn step_clocks(&mut self, step: &ClockStep, chance: &mut Stream) {
        for node in self.who(&step.nodes, chance) {
            self.engine.step_clock(node, signed_nanos(step.by));
        }
    }

    /// Requests travel from the one to the other, responses the other way.
    fn tamper(&mut self, act: &TamperingAct, chance: &mut Stream) {
        let what = act.by.map_or(Tampering::Drop, Tampering::Delay);
        let tamper = Tamper { kind: Some(message_kind(act)), count: act.count, what };
        let (from, to) = (act.from.clone(), act.to.clone());
        for (from, to) in self.links(&Between { from, to, both: false }, chance) {
            match act.response {
                false => self.engine.tamper(from, to, tamper),
                true => self.engine.tamper(to, from, tamper),
            }
        }
    }

    /// Every link from the ones to the others, and back if that is meant as well.
    fn links(&mut self, between: &Between, chance: &mut Stream) -> Vec<(NodeId, NodeId)> {
        let from = self.who(&between.from, chance);
        let to = self.who(&between.to, chance);
        let mut links = Vec::new();
        for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))) {
            if a != b {
                links.push((a, b));
                links.extend(between.both.then_some((b, a)));
            }
        }
        links
    }

    fn administer(&mut self, act: &Administration) {
        for request in administration::requests(act, truth::metadata(&self.engine).as_deref()) {
            self.engine.command(ADMINISTRATOR, Command::Administer(request));
        }
    }

    fn consume(&mut self, act: &ConsumerAct, chance: &mut Stream) {
        let (who, command) = match act {
            ConsumerAct::Seek(seek) => (&seek.consumer, seek_command(seek)),
            ConsumerAct::PausePartitions(Partitions { consumer, partitions }) => {
                (consumer, ConsumerCommand::Pause(partitions.clone()))
            }
            ConsumerAct::ResumePartitions(Partitions { consumer, partitions }) => {
                (consumer, ConsumerCommand::Resume(partitions.clone()))
            }
        };
        for node in self.who(who, chance) {
            self.engine.command(node, Command::Consume(command.clone()));
        }
    }
}

fn seek_command(seek: &Seek) -> ConsumerCommand {
    let partition = seek.partition.clone();
    match (seek.to, offset_spec(seek.to)) {
        (Position::Offset(offset), _) => ConsumerCommand::SeekTo(partition, offset),
        (_, Some(spec)) => ConsumerCommand::Seek(partition, spec),
        (_, None) => unreachable!("whatever is no offset is looked up"),
    }
}

fn message_kind(act: &TamperingAct) -> MessageKind {
    match (act.api, act.response) {
        (Tampered::Api(api), false) => MessageKind::Request(api),
        (Tampered::Api(api), true) => MessageKind::Response(api),
        (Tampered::Frame(kind), _) => MessageKind::Frame(kind),
    }
}
