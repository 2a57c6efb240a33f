//! What a deployment makes of a failure: when it was noticed, and by whom; who controls and who leads instead; when
//! everybody is back in sync.
//!
//! A failure is an act of the world upon somebody: a crash, a pause, a cut. It is **noticed** with the first fact by which
//! another one treats it as gone: its broker is fenced, its session expires, votes are asked for because it led, its
//! replicas leave an ISR.

use super::known::{Known, in_sync_of};
use klab_machine::fact::{
    ControllerFact, Fact, RaftFact, ReplicationFact, WorldFact, ZooKeeperFact,
};
use klab_machine::trace::Entry;
use klab_wire::{NodeId, Span, Time, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// More failures than these are not followed: nobody reads on.
const MOST: usize = 6;

/// One failure, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    /// When it began.
    pub at: Time,
    /// Whom it struck.
    pub nodes: BTreeSet<NodeId>,
    /// What happened to them.
    pub failure: Failure,
    /// When it was over: they run, or are reached, again.
    pub over: Option<Time>,
    /// The first sign that somebody took note.
    pub noticed: Option<Sign>,
    /// The controller that took over; it may be the old one, in its next life.
    pub controller: Option<(Time, NodeId)>,
    /// When each partition that had lost its leader had another.
    pub leaders: BTreeMap<TopicPartition, Time>,
    /// When whoever had left an ISR was back in all of them.
    pub back_in_sync: Option<Time>,
    /// Who had which part when it began.
    before: Known,
    /// The partitions of which it has cost somebody the ISR.
    out: BTreeSet<(TopicPartition, NodeId)>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Crashed,
    LostPower,
    Stopped,
    Paused,
    CutOff,
    SlowLink,
    SlowDisk,
    SlowHost,
    BadDisk,
}

/// By what a failure was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: NodeId,
    /// How.
    pub how: How,
}

/// The ways in which others take note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The controller fenced the broker.
    Fenced,
    /// The ensemble's leader let the session expire.
    SessionExpired,
    /// A voter asks for votes, since the quorum's leader is silent.
    QuorumVotes,
    /// A ZooKeeper server looks for another leader.
    EnsembleVotes,
    /// It was taken out of an ISR.
    LeftIsr,
    /// A partition's leader asks for that.
    IsrShrinkRequested,
    /// The broker said itself that it will go.
    SaidSo,
}

/// All failures of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reactions(pub Vec<Reaction>);

impl Failure {
    /// What it is, behind a node's name, and behind several.
    fn words(self) -> [&'static str; 2] {
        match self {
            Failure::Crashed => ["crashes", "crash"],
            Failure::LostPower => ["loses its power", "lose their power"],
            Failure::Stopped => ["stops", "stop"],
            Failure::Paused => ["is paused", "are paused"],
            Failure::CutOff => ["is cut off", "are cut off"],
            Failure::SlowLink => ["has a slow network", "have a slow network"],
            Failure::SlowDisk => ["has a slow disk", "have slow disks"],
            Failure::SlowHost => ["has a slow processor", "have slow processors"],
            Failure::BadDisk => ["has a bad disk", "have bad disks"],
        }
    }

    /// The failure that an act begins: who else it strikes, and what it is.
    fn begun_by(act: &WorldFact) -> Option<(Option<NodeId>, Failure)> {
        use WorldFact as F;
        Some(match act {
            F::ProcessCrashed {} => (None, Failure::Crashed),
            F::PowerCut { .. } => (None, Failure::LostPower),
            F::ProcessHalted {} => (None, Failure::Stopped),
            F::ProcessPaused {} => (None, Failure::Paused),
            F::LinkCut { to } => (Some(*to), Failure::CutOff),
            F::LinkSlowed { to, latency, loss_ppm } if (*latency, *loss_ppm) != (Span::ZERO, 0) => {
                (Some(*to), Failure::SlowLink)
            }
            F::DiskSlowed { percent } if *percent != 100 => (None, Failure::SlowDisk),
            F::HostSlowed { percent } if *percent != 100 => (None, Failure::SlowHost),
            F::DiskFailed { failing: true } | F::DiskFilled { full: true } => {
                (None, Failure::BadDisk)
            }
            _ => return None,
        })
    }

    /// Whether this act ends it.
    fn is_ended_by(self, act: &WorldFact) -> bool {
        use WorldFact as F;
        match self {
            Failure::Crashed | Failure::LostPower | Failure::Stopped => {
                matches!(act, F::ProcessStarted { .. })
            }
            Failure::Paused => matches!(act, F::ProcessResumed {}),
            Failure::CutOff => matches!(act, F::LinkHealed { .. }),
            Failure::SlowLink => {
                matches!(act, F::LinkSlowed { latency: Span::ZERO, loss_ppm: 0, .. })
            }
            Failure::SlowDisk => matches!(act, F::DiskSlowed { percent: 100 }),
            Failure::SlowHost => matches!(act, F::HostSlowed { percent: 100 }),
            Failure::BadDisk => {
                matches!(act, F::DiskFailed { failing: false } | F::DiskFilled { full: false })
            }
        }
    }
}

impl Reactions {
    /// Looks at a fact; `known` is what was known before it. Says whether a leader of the first failure's partitions is
    /// replaced by it.
    pub(super) fn watch(&mut self, entry: &Entry, fact: &Fact, known: &Known) -> bool {
        if let Fact::World(act) = fact {
            self.act(entry, act, known);
            return false;
        }
        let mut is_first_replaced = false;
        for (place, reaction) in self.0.iter_mut().enumerate() {
            let is_replaced = reaction.watch(entry, fact, known);
            is_first_replaced |= place == 0 && is_replaced;
        }
        is_first_replaced
    }

    fn act(&mut self, entry: &Entry, act: &WorldFact, known: &Known) {
        match Failure::begun_by(act) {
            Some((other, failure)) if entry.time > Time::ZERO => {
                self.begin(entry, other, failure, known);
            }
            Some(_) => {}
            None => {
                let is_over = |one: &&mut Reaction| {
                    one.over.is_none()
                        && one.nodes.contains(&entry.node)
                        && one.failure.is_ended_by(act)
                };
                self.0.iter_mut().filter(is_over).for_each(|one| one.over = Some(entry.time));
            }
        }
    }

    /// What strikes several at one moment is one failure; of cut links, whoever has a part in all of them is struck.
    fn begin(&mut self, entry: &Entry, other: Option<NodeId>, failure: Failure, known: &Known) {
        let struck: BTreeSet<NodeId> = [entry.node].into_iter().chain(other).collect();
        let same = |one: &&mut Reaction| one.at == entry.time && one.failure == failure;
        let has_room = self.0.len() < MOST;
        match self.0.iter_mut().rev().find(same) {
            Some(reaction) if other.is_some() => {
                let both: BTreeSet<NodeId> =
                    reaction.nodes.intersection(&struck).copied().collect();
                if !both.is_empty() {
                    reaction.nodes = both;
                }
            }
            Some(reaction) => reaction.nodes.extend(struck),
            None if has_room => {
                let before = known.clone();
                self.0.push(Reaction::new(entry.time, struck, failure, before));
            }
            None => {}
        }
    }
}

impl Reaction {
    fn new(at: Time, nodes: BTreeSet<NodeId>, failure: Failure, before: Known) -> Self {
        Reaction {
            at,
            nodes,
            failure,
            over: None,
            noticed: None,
            controller: None,
            leaders: BTreeMap::new(),
            back_in_sync: None,
            before,
            out: BTreeSet::new(),
        }
    }

    /// Whom it struck, and what happened: `b2 crashes`.
    pub(super) fn title(&self) -> String {
        let names: Vec<String> = self.nodes.iter().map(ToString::to_string).collect();
        let verb = self.failure.words()[usize::from(names.len() > 1)];
        format!("{} {verb}", names.join(" and "))
    }

    /// How long after it something came.
    pub(crate) fn after(&self, time: Time) -> Span {
        time.since(self.at)
    }

    /// Who controlled when it began.
    pub(super) fn controller_before(&self) -> Option<NodeId> {
        self.before.controller
    }

    /// Whether it struck the active controller.
    pub(super) fn struck_controller(&self) -> bool {
        self.before.controller.is_some_and(|node| self.nodes.contains(&node))
    }

    /// The partitions that those led whom it struck.
    pub(super) fn led(&self) -> impl Iterator<Item = &TopicPartition> {
        let leaders = self.before.leaders.iter();
        leaders.filter(|(_, (_, leader))| self.nodes.contains(leader)).map(|(name, _)| name)
    }

    fn watch(&mut self, entry: &Entry, fact: &Fact, known: &Known) -> bool {
        self.take_note(entry, fact, known);
        match fact {
            Fact::Controller(ControllerFact::ControllerActivated { .. }) => {
                let next = self.struck_controller().then_some((entry.time, entry.node));
                self.controller = self.controller.or(next);
            }
            Fact::Controller(fact) => self.follow_isr(entry.time, fact, known),
            Fact::Replication(ReplicationFact::BecameLeader { partition, epoch, .. }) => {
                let lost = self.before.leaders.get(partition);
                let is_replaced = lost.is_some_and(|(before, leader)| {
                    self.nodes.contains(leader)
                        && epoch > before
                        && !self.nodes.contains(&entry.node)
                });
                if is_replaced && !self.leaders.contains_key(partition) {
                    self.leaders.insert(partition.clone(), entry.time);
                    return true;
                }
            }
            _ => {}
        }
        false
    }

    /// The first sign counts; of those of one decision the one that is its reason: replicas leave an ISR because their
    /// broker is fenced.
    fn take_note(&mut self, entry: &Entry, fact: &Fact, known: &Known) {
        let is_of_the_decision = |sign: &Sign| sign.at == entry.time && sign.by == entry.node;
        if self.nodes.contains(&entry.node)
            || self.noticed.as_ref().is_some_and(|sign| !is_of_the_decision(sign))
        {
            return;
        }
        match (self.sign(fact, known), &self.noticed) {
            (Some(how @ How::Fenced), _) | (Some(how), None) => {
                self.noticed = Some(Sign { at: entry.time, by: entry.node, how });
            }
            _ => {}
        }
    }

    /// Whether a fact treats somebody whom it struck as gone.
    fn sign(&self, fact: &Fact, known: &Known) -> Option<How> {
        let struck = |node: &NodeId| self.nodes.contains(node);
        let led = |leader: Option<NodeId>| leader.is_some_and(|leader| struck(&leader));
        match fact {
            Fact::Controller(
                ControllerFact::BrokerFenced { broker }
                | ControllerFact::BrokerUnregistered { broker },
            ) => struck(broker).then_some(How::Fenced),
            Fact::Controller(ControllerFact::ControlledShutdownStarted { broker }) => {
                struck(broker).then_some(How::SaidSo)
            }
            Fact::Controller(fact) => {
                let (partition, isr) = in_sync_of(fact)?;
                let before = known.in_sync.get(partition)?;
                let has_left = |node: &NodeId| struck(node) && !isr.contains(node);
                before.iter().any(has_left).then_some(How::LeftIsr)
            }
            Fact::ZooKeeper(ZooKeeperFact::SessionExpired { session }) => {
                known.sessions.get(session).is_some_and(struck).then_some(How::SessionExpired)
            }
            Fact::ZooKeeper(
                ZooKeeperFact::LeaderLost { .. } | ZooKeeperFact::LeaderElectionStarted { .. },
            ) => led(self.before.ensemble_leader).then_some(How::EnsembleVotes),
            Fact::Raft(RaftFact::PreVoteStarted { .. } | RaftFact::ElectionStarted { .. }) => {
                led(self.before.quorum_leader).then_some(How::QuorumVotes)
            }
            Fact::Replication(ReplicationFact::IsrShrinkRequested { followers, .. }) => {
                followers.iter().any(struck).then_some(How::IsrShrinkRequested)
            }
            _ => None,
        }
    }

    /// Who was in an ISR before it may leave it, and come back.
    fn follow_isr(&mut self, time: Time, fact: &ControllerFact, known: &Known) {
        let Some((partition, isr)) = in_sync_of(fact) else { return };
        let Some(before) = known.in_sync.get(partition) else { return };
        for node in self.nodes.iter().filter(|node| before.contains(node) != isr.contains(node)) {
            let place = (partition.clone(), *node);
            match isr.contains(node) {
                false => {
                    self.out.insert(place);
                    self.back_in_sync = None;
                }
                true => {
                    if self.out.remove(&place) && self.out.is_empty() {
                        self.back_in_sync = Some(time);
                    }
                }
            }
        }
    }
}
