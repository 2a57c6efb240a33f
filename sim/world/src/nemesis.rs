//! Random faults: a nemesis strikes now and then, by its own streams.
//!
//! What strikes is a fault of the same kind as a scenario's own. When, what, whom and for how long come
//! from the stream of this nemesis, so that a second nemesis moves nothing of the first. With `swarm`
//! each seed enables a random subset of the families (Groce et al., "Swarm Testing", 2012): a run that
//! leaves some faults out can get further with the others.

use crate::World;
use crate::agenda::{Item, Undo};
use crate::selection::select;
use klab_machine::random::{Stream, stream};
use klab_scenario::act::fault::{Between, ClockStep, Isolation, SlowLink, Slowed};
use klab_scenario::nemesis::Family;
use klab_scenario::{Fault, Nemesis, Selector, SignedSpan};
use klab_wire::{NodeId, Span, Time};

/// What a nemesis keeps between two strikes.
#[derive(Clone, Debug)]
pub(crate) struct Striker {
    chance: Stream,
    families: Vec<Family>,
}

/// The bounds of what a strike draws.
const MOST_LATENCY: Span = Span::from_millis(500);
const MOST_LOSS_PPM: u64 = 100_000;
const MOST_PERCENT: u64 = 2_000;
const MOST_CLOCK_STEP: Span = Span::from_secs(10);

impl Striker {
    pub(crate) fn new(nemesis: &Nemesis, number: u32, seed: u64) -> Self {
        let chance = stream(seed, "nemesis", [u64::from(number)]);
        let mut swarm = stream(seed, "swarm", [u64::from(number)]);
        let families = match nemesis.swarm {
            true => subset(&nemesis.families, &mut swarm),
            false => nemesis.families.clone(),
        };
        Striker { chance, families }
    }

    /// How long until the next strike: exponentially distributed.
    pub(crate) fn pause(&mut self, nemesis: &Nemesis) -> Span {
        exponential(nemesis.every, &mut self.chance)
    }
}

impl World {
    /// Puts the next strike of a nemesis on the agenda, if its time is not over by then.
    pub(crate) fn await_strike(&mut self, number: u32) {
        let nemesis = &self.scenario.nemeses[number as usize];
        let until = nemesis.until.unwrap_or(self.scenario.run_for).min(self.scenario.run_for);
        let pause = self.strikers[number as usize].pause(nemesis);
        let next = self.now().max(Time(nemesis.from.0)) + pause;
        if next < Time(until.0) {
            self.agenda.put(next, Item::Strike(number));
        }
    }

    /// A nemesis strikes: one fault of one family at one victim, for a while.
    pub(crate) fn strike(&mut self, number: u32) {
        let nemesis = self.scenario.nemeses[number as usize].clone();
        let mut striker = self.strikers[number as usize].clone();
        let chance = &mut striker.chance;
        let family = striker.families[chance.below(striker.families.len() as u64) as usize];
        let lasts = Span(chance.between(nemesis.lasts.min.0, nemesis.lasts.max.0));
        let victims = select(&nemesis.nodes, &self.scenario, &self.engine, chance);
        if !victims.is_empty() {
            let victim = victims[chance.below(victims.len() as u64) as usize];
            self.strike_at(victim, family, lasts, chance);
        }
        self.strikers[number as usize] = striker;
        self.await_strike(number);
    }

    fn strike_at(&mut self, victim: NodeId, family: Family, lasts: Span, chance: &mut Stream) {
        let who = || Selector::Node(victim);
        let fault = match family {
            Family::Crash => Fault::Crash(who()),
            Family::PowerCut => Fault::PowerCut(who()),
            Family::Shutdown => Fault::Shutdown(who()),
            Family::Pause => Fault::Pause(who()),
            Family::Cut => Fault::Cut(self.random_link(victim, chance)),
            Family::Isolate => {
                Fault::Isolate(Isolation { nodes: who(), from: Selector::All, except: None })
            }
            Family::SlowLink => Fault::SlowLink(SlowLink {
                between: self.random_link(victim, chance),
                latency: Span(chance.between(1, MOST_LATENCY.0)),
                loss_ppm: chance.between(0, MOST_LOSS_PPM) as u32,
            }),
            Family::SlowHost => Fault::SlowHost(slowed(who(), chance)),
            Family::SlowDisk => Fault::SlowDisk(slowed(who(), chance)),
            Family::ReplaceDisk => {
                self.commit(&Fault::Crash(who()), Some(lasts), chance);
                Fault::ReplaceDisk(who())
            }
            Family::ClockStep => return self.step_and_step_back(victim, lasts, chance),
        };
        self.commit(&fault, Some(lasts), chance);
    }

    /// One direction between the victim and somebody else.
    fn random_link(&self, victim: NodeId, chance: &mut Stream) -> Between {
        let others: Vec<NodeId> = self.engine.nodes().filter(|node| *node != victim).collect();
        let other = Selector::Node(others[chance.below(others.len() as u64) as usize]);
        let victim = Selector::Node(victim);
        match chance.below(2) {
            0 => Between { from: victim, to: other, both: false },
            _ => Between { from: other, to: victim, both: false },
        }
    }

    fn step_and_step_back(&mut self, victim: NodeId, lasts: Span, chance: &mut Stream) {
        let span = Span(chance.between(1, MOST_CLOCK_STEP.0));
        let backwards = chance.below(2) == 0;
        let by = SignedSpan { backwards, span };
        let step = ClockStep { nodes: Selector::Node(victim), by };
        self.commit(&Fault::ClockStep(step), None, chance);
        let nanos = crate::deployment::signed_nanos(SignedSpan { backwards: !backwards, span });
        let over = self.now() + lasts;
        self.agenda.put(over, Item::Undo(Undo::StepClock { node: victim, nanos }));
    }
}

fn slowed(nodes: Selector, chance: &mut Stream) -> Slowed {
    Slowed { nodes, percent: chance.between(200, MOST_PERCENT) as u32 }
}

/// Each family with even odds, and at least one.
fn subset(families: &[Family], chance: &mut Stream) -> Vec<Family> {
    let drawn: Vec<Family> =
        families.iter().copied().filter(|_| chance.chance_ppm(500_000)).collect();
    match drawn.is_empty() {
        true => vec![families[chance.below(families.len() as u64) as usize]],
        false => drawn,
    }
}

/// An exponentially distributed span, without logarithms: von Neumann's method compares uniform draws.
/// Runs of falling draws that end after an odd number give the fraction; each other adds one mean.
fn exponential(mean: Span, chance: &mut Stream) -> Span {
    for whole in 0_u64.. {
        let first = chance.below(1 << 32);
        if falling_run(first, chance) % 2 == 1 {
            let units = (u128::from(whole) << 32) | u128::from(first);
            return Span(u64::try_from((u128::from(mean.0) * units) >> 32).unwrap_or(u64::MAX));
        }
    }
    unreachable!("half of all runs end odd")
}

fn falling_run(first: u64, chance: &mut Stream) -> u32 {
    let (mut last, mut length) = (first, 1);
    loop {
        let next = chance.below(1 << 32);
        if next >= last {
            return length;
        }
        (last, length) = (next, length + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_exponential_by_their_mean_and_by_their_median() {
        let mut chance = stream(1, "test", []);
        let mut pauses: Vec<u64> = (0..20_000)
            .map(|_| exponential(Span::from_millis(1_000), &mut chance).as_millis())
            .collect();
        pauses.sort_unstable();
        let mean = pauses.iter().sum::<u64>() / 20_000;
        assert!((980..1_020).contains(&mean), "{mean}");
        // ln 2 of the mean.
        assert!((675..711).contains(&pauses[10_000]), "{}", pauses[10_000]);
    }

    #[test]
    fn a_swarm_is_a_subset_that_is_never_empty() {
        let families = [Family::Crash, Family::Pause, Family::Cut];
        let mut chance = stream(2, "test", []);
        let mut sizes = [0; 4];
        (0..400).for_each(|_| sizes[subset(&families, &mut chance).len()] += 1);
        assert_eq!(sizes[0], 0);
        assert!(sizes[1..].iter().all(|count| *count > 20), "{sizes:?}");
    }
}
