//! Faults as bands of time: from the moment something went wrong to the moment it was right again.

use klab_machine::fact::{ControllerFact, Fact, WorldFact};
use klab_machine::trace::{Entry, What};
use klab_wire::{NodeId, Span, Time};
use std::collections::BTreeSet;

/// Watches a run for what a reader of its pictures should know.
#[derive(Clone, Debug, Default)]
pub struct Bands {
    bands: Vec<Band>,
}

/// A part of a run, or a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// When it begins.
    pub from: Time,
    /// When it ends; a moment has no end, and neither has what lasts until the run's.
    pub to: Option<Time>,
    /// What it is, in a few words.
    pub label: String,
    /// Whether it is a moment.
    pub is_moment: bool,
    kind: Kind,
    nodes: BTreeSet<NodeId>,
}

/// What went wrong; the same kind ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Down,
    Paused,
    Cut(NodeId),
    SlowLink(NodeId),
    SlowDisk,
    FullDisk,
    FailingDisk,
    SlowHost,
    News,
}

impl Bands {
    /// Looks at an entry of the trace.
    pub fn watch(&mut self, entry: &Entry) {
        match &entry.what {
            What::Fact(Fact::World(fact)) if entry.time > Time::ZERO => self.act(entry, fact),
            What::Fact(Fact::Controller(fact)) => self.decision(entry, fact),
            _ => {}
        }
    }

    fn act(&mut self, entry: &Entry, fact: &WorldFact) {
        use WorldFact as F;
        match fact {
            F::ProcessCrashed {} => self.begin(entry, Kind::Down, "crashed"),
            F::PowerCut { .. } => self.begin(entry, Kind::Down, "without power"),
            F::ProcessHalted {} => self.begin(entry, Kind::Down, "stopped"),
            F::ProcessStarted { .. } => self.end(entry, Kind::Down),
            F::ProcessPaused {} => self.begin(entry, Kind::Paused, "paused"),
            F::ProcessResumed {} => self.end(entry, Kind::Paused),
            F::LinkCut { to } => self.begin(entry, Kind::Cut(*to), "cut off"),
            F::LinkHealed { to } => self.end(entry, Kind::Cut(*to)),
            F::LinkSlowed { to, latency: Span::ZERO, loss_ppm: 0 } => {
                self.end(entry, Kind::SlowLink(*to))
            }
            F::LinkSlowed { to, .. } => self.begin(entry, Kind::SlowLink(*to), "slow network"),
            F::DiskSlowed { percent: 100 } => self.end(entry, Kind::SlowDisk),
            F::DiskSlowed { .. } => self.begin(entry, Kind::SlowDisk, "slow disk"),
            F::DiskFilled { full: true } => self.begin(entry, Kind::FullDisk, "disk full"),
            F::DiskFilled { full: false } => self.end(entry, Kind::FullDisk),
            F::DiskFailed { failing: true } => self.begin(entry, Kind::FailingDisk, "disk failing"),
            F::DiskFailed { failing: false } => self.end(entry, Kind::FailingDisk),
            F::HostSlowed { percent: 100 } => self.end(entry, Kind::SlowHost),
            F::HostSlowed { .. } => self.begin(entry, Kind::SlowHost, "slow host"),
            _ => {}
        }
    }

    fn decision(&mut self, entry: &Entry, fact: &ControllerFact) {
        match fact {
            ControllerFact::LeaderElected { .. } if !self.bands.is_empty() => {
                self.news(entry, "new leaders".to_string());
            }
            ControllerFact::ControllerActivated { .. } if !self.bands.is_empty() => {
                self.news(entry, format!("{} controls", entry.node));
            }
            ControllerFact::IsrChanged { isr, .. } if !self.bands.is_empty() => {
                self.news(entry, format!("ISR of {}", isr.len()));
            }
            _ => {}
        }
    }

    /// Something goes wrong. What goes wrong with several at one time is one band.
    fn begin(&mut self, entry: &Entry, kind: Kind, what: &str) {
        let same = |band: &&mut Band| band.from == entry.time && band.label.ends_with(what);
        if let Some(band) = self.bands.iter_mut().rev().find(same) {
            band.nodes.insert(entry.node);
            return;
        }
        let label = format!("{} {what}", entry.node);
        self.add(Band { label, is_moment: false, kind, ..Band::at(entry) });
    }

    /// It is right again.
    fn end(&mut self, entry: &Entry, kind: Kind) {
        let alike = |one: Kind| std::mem::discriminant(&one) == std::mem::discriminant(&kind);
        let is_open = |band: &&mut Band| {
            band.to.is_none() && alike(band.kind) && band.nodes.contains(&entry.node)
        };
        if let Some(band) = self.bands.iter_mut().find(is_open) {
            band.to = Some(entry.time);
        }
    }

    /// A moment; of many alike within a tenth of a second the first.
    fn news(&mut self, entry: &Entry, label: String) {
        const CLOSE: Span = Span::from_millis(100);
        let is_close = |band: &Band| band.label == label && entry.time.since(band.from) < CLOSE;
        if !self.bands.iter().rev().any(is_close) {
            self.add(Band { label, is_moment: true, ..Band::at(entry) });
        }
    }

    fn add(&mut self, band: Band) {
        const MOST: usize = 12;
        if self.bands.len() < MOST {
            self.bands.push(band);
        }
    }

    /// What was seen, in the order of time.
    pub fn finish(&self) -> &[Band] {
        &self.bands
    }
}

impl Band {
    fn at(entry: &Entry) -> Self {
        Band {
            from: entry.time,
            to: None,
            label: String::new(),
            is_moment: true,
            kind: Kind::News,
            nodes: [entry.node].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bands(acts: &[(u64, u16, WorldFact)]) -> Vec<(String, u64, Option<u64>)> {
        let mut bands = Bands::default();
        for (seconds, broker, fact) in acts {
            let what = What::Fact(Fact::World(fact.clone()));
            let time = Time(seconds * 1_000_000_000);
            bands.watch(&Entry { step: 0, time, node: NodeId::broker(*broker), what });
        }
        let seconds = |time: Time| time.0 / 1_000_000_000;
        let told = bands.finish().iter();
        told.map(|band| (band.label.clone(), seconds(band.from), band.to.map(seconds))).collect()
    }

    #[test]
    fn a_fault_lasts_until_it_is_mended() {
        let acts = [
            (0, 1, WorldFact::ProcessStarted { life: 1 }),
            (5, 1, WorldFact::ProcessCrashed {}),
            (6, 2, WorldFact::DiskSlowed { percent: 800 }),
            (9, 1, WorldFact::ProcessStarted { life: 2 }),
        ];
        let wanted =
            [("b1 crashed".to_string(), 5, Some(9)), ("b2 slow disk".to_string(), 6, None)];
        assert_eq!(bands(&acts), wanted);
    }

    #[test]
    fn the_links_of_one_isolation_are_one_band() {
        let to = NodeId::broker(3);
        let acts = [
            (5, 1, WorldFact::LinkCut { to }),
            (5, 2, WorldFact::LinkCut { to }),
            (8, 2, WorldFact::LinkHealed { to }),
        ];
        assert_eq!(bands(&acts), [("b1 cut off".to_string(), 5, Some(8))]);
    }
}
