//! One direction between two hosts: how long packets travel, how many are lost, whether any pass.

use super::card::Lane;
use super::tamper::Tamper;
use super::{Latency, Network, NetworkProfile};
use crate::timeline::Timeline;
use klab_machine::fact::{Fact, WorldFact};
use klab_machine::random::{Stream, stream};
use klab_machine::trace::What;
use klab_wire::{Span, Time};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Link {
    latency: Latency,
    loss_ppm: u32,
    /// Bytes per second of the link itself; none for no limit.
    bandwidth: Option<u64>,
    lane: Lane,
    pub(super) is_cut: bool,
    /// What a fault adds.
    extra: Span,
    extra_loss_ppm: u32,
    pub(super) tampers: Vec<Tamper>,
    /// Latencies and losses have streams of their own, so that a loss moves no latency.
    travel: Stream,
    losses: Stream,
}

/// The most that a packet carries (Ethernet's 1500 bytes less the headers of IP and TCP).
const SEGMENT: u32 = 1_448;
const MILLION: u64 = 1_000_000;

impl Link {
    fn new(seed: u64, from: u64, to: u64, profile: &NetworkProfile) -> Self {
        Link {
            latency: profile.latency,
            loss_ppm: profile.loss_ppm,
            bandwidth: None,
            lane: Lane::default(),
            is_cut: false,
            extra: Span::ZERO,
            extra_loss_ppm: 0,
            tampers: Vec::new(),
            travel: stream(seed, "link", [from, to]),
            losses: stream(seed, "loss", [from, to]),
        }
    }

    /// When a message that enters the link at `at` has come through.
    #[inline]
    pub(super) fn travel(&mut self, at: Time, bytes: u32) -> Time {
        self.lane.pass(at, bytes, self.bandwidth) + self.latency.draw(&mut self.travel) + self.extra
    }

    /// How long a packet travels at least.
    pub(super) fn shortest(&self) -> Span {
        self.latency.base + self.extra
    }

    /// Whether one of a message's packets is lost.
    pub(super) fn loses(&mut self, bytes: u32) -> bool {
        let loss = u64::from(self.loss_ppm) + u64::from(self.extra_loss_ppm);
        if loss == 0 {
            return false;
        }
        let segments = u64::from(bytes.div_ceil(SEGMENT).max(1));
        self.losses.chance_ppm((loss * segments).min(MILLION) as u32)
    }

    /// Whether the one packet that is sent again is lost as well.
    pub(super) fn loses_again(&mut self) -> bool {
        self.loses(1)
    }

    fn is_disturbed(&self) -> bool {
        self.is_cut
            || self.extra > Span::ZERO
            || self.extra_loss_ppm > 0
            || !self.tampers.is_empty()
    }
}

impl Network {
    /// The link from one host to another, made when it is first asked for.
    pub(super) fn link(&mut self, from: u32, to: u32) -> u32 {
        if let Some(&link) = self.links_by_ends.get(&(from, to)) {
            return link;
        }
        let key = |site: u32| self.sites[site as usize].node.key();
        self.links.push(Link::new(self.seed, key(from), key(to), &self.profile));
        let link = self.links.len() as u32 - 1;
        self.links_by_ends.insert((from, to), link);
        link
    }

    /// Gives a link its own latency, loss and bandwidth, for the whole run.
    pub(crate) fn set_link(
        &mut self,
        (from, to): (u32, u32),
        latency: Option<Latency>,
        loss_ppm: Option<u32>,
        bandwidth: Option<u64>,
    ) {
        let link = self.link(from, to);
        let link = &mut self.links[link as usize];
        link.latency = latency.unwrap_or(link.latency);
        link.loss_ppm = loss_ppm.unwrap_or(link.loss_ppm);
        link.bandwidth = bandwidth.or(link.bandwidth);
    }

    /// Cuts a link, or heals it.
    pub(crate) fn cut(&mut self, from: u32, to: u32, cut: bool, timeline: &mut Timeline) {
        let link = self.link(from, to);
        if std::mem::replace(&mut self.links[link as usize].is_cut, cut) == cut {
            return;
        }
        let node = self.sites[to as usize].node;
        let fact =
            if cut { WorldFact::LinkCut { to: node } } else { WorldFact::LinkHealed { to: node } };
        self.state(from, fact, timeline);
    }

    /// Makes a link slower and lossier by so much; by nothing, to make it normal again.
    pub(crate) fn slow(
        &mut self,
        (from, to): (u32, u32),
        extra: Span,
        extra_loss_ppm: u32,
        timeline: &mut Timeline,
    ) {
        let link = self.link(from, to);
        let link = &mut self.links[link as usize];
        (link.extra, link.extra_loss_ppm) = (extra, extra_loss_ppm);
        let to = self.sites[to as usize].node;
        let fact = WorldFact::LinkSlowed { to, latency: extra, loss_ppm: extra_loss_ppm };
        self.state(from, fact, timeline);
    }

    /// The links that a fault has changed.
    pub(crate) fn disturbed_links(&self) -> Vec<(u32, u32)> {
        let disturbed = |link: &u32| self.links[*link as usize].is_disturbed();
        self.links_by_ends
            .iter()
            .filter(|(_, link)| disturbed(link))
            .map(|(ends, _)| *ends)
            .collect()
    }

    /// Makes a link what it was before all faults.
    pub(crate) fn restore(&mut self, from: u32, to: u32, timeline: &mut Timeline) {
        self.cut(from, to, false, timeline);
        let link = self.link(from, to);
        self.links[link as usize].tampers.clear();
        let link = &self.links[link as usize];
        if link.extra > Span::ZERO || link.extra_loss_ppm > 0 {
            self.slow((from, to), Span::ZERO, 0, timeline);
        }
    }

    pub(super) fn state(&self, site: u32, fact: WorldFact, timeline: &mut Timeline) {
        timeline.tell(self.sites[site as usize].node, What::Fact(Fact::World(fact)));
    }
}
