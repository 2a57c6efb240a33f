//! What is read off a run for a published number of the control plane: how soon a failure is noticed, how long elections,
//! a new controller and an orderly end take, what a fault leaves of the throughput.
//!
//! What became of a failure is what `klab compare` reads of it (`compare::reaction`); only brokers that go in order and the
//! elections within an ensemble are followed here.

#![allow(clippy::float_arithmetic, reason = "ratios are for people, and made in the lab")]

use crate::compare::account::Account;
use crate::compare::reaction::Reaction;
use crate::measure::Measured;
use crate::measure::row::Row;
use crate::plot::timeline::{Dip, dip};
use klab_machine::fact::{ControllerFact, Fact, ReplicationFact, WorldFact, ZooKeeperFact};
use klab_machine::trace::{Entry, What};
use klab_scenario::{At, Scenario};
use klab_wire::zookeeper::ServerState;
use klab_wire::{NodeId, Span, Time};

/// What a published number of the control plane is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// From the first failure to the first sign that somebody took note of it, in seconds.
    Noticed,
    /// From the first failure to the next active controller, in seconds.
    NextController,
    /// From the sign to the last new leader of a partition, in seconds.
    Elections,
    /// The same for each partition that got one, in microseconds.
    Election,
    /// The same for each partition that there is, in microseconds.
    Recovery,
    /// From a controller's election until it serves, for each partition that there is, in microseconds.
    Takeover,
    /// From the request to go to the orderly end of a broker, in seconds.
    Shutdown,
    /// The same for each partition that got another leader meanwhile, in microseconds.
    LeaderMove,
    /// The same for each partition that there is, in microseconds.
    ShutdownShare,
    /// From the time that servers of an ensemble look for a leader until one is elected, in milliseconds.
    EnsembleElection,
    /// What is acknowledged a second while the fault lasts, in percent of what was before it.
    Left,
    /// From the fault's beginning until what is acknowledged a second is back within a tenth of what was before it, in
    /// seconds.
    Back,
}

/// What has happened in a run so far that a number of the control plane may be about.
#[derive(Clone, Debug, Default)]
pub struct ControlPlane {
    account: Account,
    departure: Departure,
    ensemble: EnsembleElection,
}

/// The first broker that goes in order.
#[derive(Clone, Copy, Debug, Default)]
struct Departure {
    broker: Option<(NodeId, Time)>,
    gone: Option<Time>,
    /// How many partitions got another leader meanwhile.
    moved: u32,
}

/// The first election within an ensemble that a failure made necessary.
#[derive(Clone, Copy, Debug, Default)]
struct EnsembleElection {
    began: Option<Time>,
    ended: Option<Time>,
}

impl Control {
    /// What it is called, with its unit.
    pub fn name(self) -> &'static str {
        match self {
            Control::Noticed => "until somebody notices, s",
            Control::NextController => "until the next controller, s",
            Control::Elections => "until the last leader, s",
            Control::Election => "for each new leader, us",
            Control::Recovery => "until the last leader, for each partition, us",
            Control::Takeover => "until a new controller serves, for each partition, us",
            Control::Shutdown => "controlled shutdown, s",
            Control::LeaderMove => "controlled shutdown, for each leader, us",
            Control::ShutdownShare => "controlled shutdown, for each partition, us",
            Control::EnsembleElection => "election of the ensemble's leader, ms",
            Control::Left => "operations/s meanwhile, % of those before",
            Control::Back => "until 90 % are back, s",
        }
    }

    /// By how many hundredths klab may be off: a throughput is held more closely than a time.
    pub fn tolerance(self) -> f64 {
        if self == Control::Left { 0.15 } else { 0.25 }
    }

    /// What a run says of it; 0 where it did not happen.
    pub fn of(self, happened: &ControlPlane, measured: &Measured, scenario: &Scenario) -> f64 {
        let failure = happened.account.reactions.0.first();
        let departure = &happened.departure;
        match self {
            Control::Noticed => failure.and_then(until_noticed).map_or(0.0, seconds),
            Control::NextController => failure.and_then(until_controlled).map_or(0.0, seconds),
            Control::Elections => failure.and_then(until_led).map_or(0.0, seconds),
            Control::Election => {
                let leaders = failure.map_or(0, |failure| failure.leaders.len());
                each(failure.and_then(until_led), leaders as u32)
            }
            Control::Recovery => each(failure.and_then(until_led), partitions(scenario)),
            Control::Takeover => each(measured.takeover, partitions(scenario)),
            Control::Shutdown => departure.took().map_or(0.0, seconds),
            Control::LeaderMove => each(departure.took(), departure.moved),
            Control::ShutdownShare => each(departure.took(), partitions(scenario)),
            Control::EnsembleElection => happened.ensemble.took().map_or(0.0, seconds) * 1e3,
            Control::Left => left(measured, scenario.acts.first()),
            Control::Back => {
                let back = dip_of(measured, scenario.acts.first()).and_then(|dip| dip.back_after);
                back.map_or(0.0, seconds)
            }
        }
    }
}

impl ControlPlane {
    /// Takes note of an entry of the trace.
    pub fn watch(&mut self, entry: &Entry) {
        self.account.watch(entry);
        if let What::Fact(fact) = &entry.what {
            self.departure.watch(entry, fact);
            let has_failed = !self.account.reactions.0.is_empty();
            self.ensemble.watch(entry.time, fact, has_failed);
        }
    }
}

impl Departure {
    fn watch(&mut self, entry: &Entry, fact: &Fact) {
        match (fact, self.broker) {
            (Fact::World(WorldFact::ShutdownRequested {}), None) => {
                self.broker = Some((entry.node, entry.time));
            }
            (Fact::Controller(ControllerFact::LeaderElected { .. }), Some(_)) => {
                self.moved += u32::from(self.gone.is_none());
            }
            (Fact::Replication(ReplicationFact::BrokerShutDownCleanly {}), Some((broker, _)))
                if broker == entry.node =>
            {
                self.gone = self.gone.or(Some(entry.time));
            }
            _ => {}
        }
    }

    fn took(&self) -> Option<Span> {
        Some(self.gone?.since(self.broker?.1))
    }
}

impl EnsembleElection {
    fn watch(&mut self, time: Time, fact: &Fact, has_failed: bool) {
        match fact {
            Fact::ZooKeeper(ZooKeeperFact::LeaderElectionStarted { .. }) if has_failed => {
                self.began = self.began.or(Some(time));
            }
            Fact::ZooKeeper(ZooKeeperFact::ZooKeeperLeaderElected { state, .. })
                if self.began.is_some() && *state == ServerState::Leading =>
            {
                self.ended = self.ended.or(Some(time));
            }
            _ => {}
        }
    }

    fn took(&self) -> Option<Span> {
        Some(self.ended?.since(self.began?))
    }
}

fn until_noticed(failure: &Reaction) -> Option<Span> {
    failure.noticed.map(|sign| failure.after(sign.at))
}

fn until_controlled(failure: &Reaction) -> Option<Span> {
    failure.controller.map(|(time, _)| failure.after(time))
}

/// From the sign to the last partition that the struck ones had led.
fn until_led(failure: &Reaction) -> Option<Span> {
    Some(failure.leaders.values().max()?.since(failure.noticed?.at))
}

fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1e9
}

/// A time shared out, in microseconds.
fn each(span: Option<Span>, among: u32) -> f64 {
    match (span, among) {
        (Some(span), 1..) => span.0 as f64 / 1e3 / f64::from(among),
        _ => 0.0,
    }
}

fn partitions(scenario: &Scenario) -> u32 {
    scenario.topics.iter().map(|topic| topic.partitions).sum()
}

/// What the first fault did to throughput.
fn dip_of(measured: &Measured, fault: Option<&At>) -> Option<Dip> {
    Some(dip(measured.load(), measured.interval, Time(fault?.time.0)))
}

/// The rate from the first fault's beginning to its end, in percent of the rate before.
fn left(measured: &Measured, fault: Option<&At>) -> f64 {
    let (Some(fault), Some(dip)) = (fault, dip_of(measured, fault)) else { return 0.0 };
    let from = Time(fault.time.0);
    let to = fault.lasts.map_or(measured.load_end, |lasts| from + lasts);
    let is_within = |row: &&Row| row.at >= from && row.at + measured.interval <= to;
    let acked: Vec<u64> = measured.load().iter().filter(is_within).map(|row| row.acked).collect();
    let time = seconds(measured.interval) * acked.len() as f64;
    match dip.before {
        0 => 0.0,
        before => 100.0 * acked.iter().sum::<u64>() as f64 / time / before as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_scenario::{Act, Fault, Selector};
    use klab_wire::{LeaderEpoch, TopicPartition};

    const B2: NodeId = NodeId::broker(2);
    const B3: NodeId = NodeId::broker(3);

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::from_millis(millis)
    }

    fn told(happened: &mut ControlPlane, millis: u64, node: NodeId, fact: impl Into<Fact>) {
        let what = What::Fact(fact.into());
        happened.watch(&Entry { step: 0, time: at(millis), node, what });
    }

    fn elected(partition: u32) -> ControllerFact {
        let partition = TopicPartition::new("orders", partition);
        ControllerFact::LeaderElected {
            partition,
            leader: B3,
            epoch: LeaderEpoch(1),
            isr: [B3].into(),
        }
    }

    #[test]
    fn a_controlled_shutdown_is_shared_out_among_the_leaders_that_moved_meanwhile() {
        let mut happened = ControlPlane::default();
        told(&mut happened, 5, B3, elected(7));
        told(&mut happened, 10, B2, WorldFact::ShutdownRequested {});
        told(&mut happened, 11, B3, elected(0));
        told(&mut happened, 12, B3, elected(1));
        told(&mut happened, 14, B2, ReplicationFact::BrokerShutDownCleanly {});
        told(&mut happened, 20, B3, elected(2));
        assert_eq!(happened.departure.took(), Some(Span::from_millis(4)));
        assert_eq!(each(happened.departure.took(), happened.departure.moved), 2_000.0);
    }

    #[test]
    fn an_ensembles_election_lasts_from_the_first_that_looks_for_a_leader_until_one_leads() {
        let mut happened = ControlPlane::default();
        let zxid = klab_wire::zookeeper::Zxid::default();
        let began = || ZooKeeperFact::LeaderElectionStarted { round: 2, epoch: 1, zxid };
        let leads = |state| {
            let leader = NodeId::zookeeper(2);
            ZooKeeperFact::ZooKeeperLeaderElected { round: 2, leader, zxid, state }
        };
        let [z1, z2, z3] = [1, 2, 3].map(NodeId::zookeeper);
        told(&mut happened, 1, z1, began());
        told(&mut happened, 2, z1, leads(ServerState::Leading));
        assert_eq!(happened.ensemble.took(), None, "that was no failure");
        told(&mut happened, 1_000, z3, WorldFact::ProcessCrashed {});
        told(&mut happened, 1_010, z1, began());
        told(&mut happened, 1_020, z2, began());
        told(&mut happened, 1_210, z1, leads(ServerState::Following));
        told(&mut happened, 1_215, z2, leads(ServerState::Leading));
        assert_eq!(happened.ensemble.took(), Some(Span::from_millis(205)));
    }

    #[test]
    fn what_a_fault_leaves_is_held_against_the_time_before_it() {
        let second = Span::from_secs(1);
        let acked = [0, 100, 100, 60, 50, 90, 100];
        let rows = (0..).zip(acked);
        let rows = rows.map(|(nth, acked)| Row { at: at(nth * 1_000), acked, ..Row::default() });
        let measured = Measured {
            rows: rows.collect(),
            interval: second,
            load_end: at(7_000),
            ..Measured::default()
        };
        let act = Act::Fault(Fault::Crash(Selector::Node(B2)));
        let crash = At { time: second.times(3), act, lasts: Some(second.times(2)) };
        assert_eq!(left(&measured, Some(&crash)), 55.0);
        let back = dip_of(&measured, Some(&crash)).and_then(|dip| dip.back_after);
        assert_eq!(back, Some(second.times(2)));
    }
}
