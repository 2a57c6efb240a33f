//! What can be done to links, disks, clocks and hosts. Each act states its fact.

use super::Engine;
use super::process::Process;
use crate::disk::Disk;
use crate::network::{Latency, Tamper};
use klab_machine::fact::WorldFact;
use klab_machine::{File, Machine};
use klab_wire::{NodeId, Span};

impl<M: Machine> Engine<M> {
    /// Gives a link its own properties, for the whole run; what is none stays.
    pub fn set_link(
        &mut self,
        from: NodeId,
        to: NodeId,
        latency: Option<Latency>,
        loss_ppm: Option<u32>,
        bandwidth: Option<u64>,
    ) {
        if let Some(ends) = self.ends(from, to) {
            self.network.set_link(ends, latency, loss_ppm, bandwidth);
        }
    }

    /// No packet passes from one node to another any more; the way back is another link.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        if let Some((from, to)) = self.ends(from, to) {
            self.network.cut(from, to, true, &mut self.timeline);
        }
    }

    /// Packets pass again.
    pub fn heal(&mut self, from: NodeId, to: NodeId) {
        if let Some((from, to)) = self.ends(from, to) {
            self.network.cut(from, to, false, &mut self.timeline);
        }
    }

    /// Makes a link slower and lossier than it was; by nothing, to make it normal again.
    pub fn slow_link(&mut self, from: NodeId, to: NodeId, extra: Span, loss_ppm: u32) {
        if let Some(ends) = self.ends(from, to) {
            self.network.slow(ends, extra, loss_ppm, &mut self.timeline);
        }
    }

    /// Drops or delays the next messages of a kind from one node to another.
    pub fn tamper(&mut self, from: NodeId, to: NodeId, tamper: Tamper) {
        if let Some((from, to)) = self.ends(from, to)
            && tamper.count > 0
        {
            self.network.tamper(from, to, tamper, &mut self.timeline);
        }
    }

    /// Makes a disk take this many percent of its times.
    pub fn slow_disk(&mut self, node: NodeId, percent: u32) {
        self.on_disks(node, |disk| disk.slow(percent), WorldFact::DiskSlowed { percent });
    }

    /// Fills a disk, so that nothing more can be stored, or empties it again.
    pub fn fill_disk(&mut self, node: NodeId, full: bool) {
        self.on_disks(node, |disk| disk.fill(full), WorldFact::DiskFilled { full });
    }

    /// Makes every access to a disk fail, or work again.
    pub fn fail_disk(&mut self, node: NodeId, failing: bool) {
        self.on_disks(node, |disk| disk.fail(failing), WorldFact::DiskFailed { failing });
    }

    /// Damages one stored batch of the files that match, by the seed. Tells whether there was one.
    pub fn corrupt_disk(&mut self, node: NodeId, matches: impl Fn(File) -> bool) -> bool {
        let Some(index) = self.by_node.get(&node).copied() else { return false };
        let range = self.processes[index as usize].range();
        let mut disks = self.machines[range].iter_mut().map(|hosted| &mut hosted.disk);
        let Some(file) = disks.find_map(|disk| disk.corrupt(&matches)) else { return false };
        self.say(index, WorldFact::DiskCorrupted { file: file.to_string() });
        true
    }

    /// Makes a host take this many percent of its computing times.
    pub fn slow_host(&mut self, node: NodeId, percent: u32) {
        self.act(node, |process| process.host.slow(percent), WorldFact::HostSlowed { percent });
    }

    /// Moves a process's wall clock.
    pub fn step_clock(&mut self, node: NodeId, nanos: i64) {
        let fact = WorldFact::ClockStepped { millis: nanos / 1_000_000 };
        self.act(node, |process| process.clock.offset += nanos, fact);
    }

    /// Makes links, disks and hosts what they were before all faults, and lets paused processes run on.
    /// What is down stays down.
    pub fn restore(&mut self) {
        for (from, to) in self.network.disturbed_links() {
            self.network.restore(from, to, &mut self.timeline);
        }
        let nodes: Vec<NodeId> = self.nodes().collect();
        for node in nodes {
            self.restore_host(node);
            self.resume(node);
        }
    }

    fn restore_host(&mut self, node: NodeId) {
        let Some(process) = self.process(node) else { return };
        let is_slowed = process.host.is_slowed();
        let Some(hosted) = self.machines.get(process.range().start) else { return };
        let (percent, is_full, is_failing) = hosted.disk.disturbance();
        if percent != 100 {
            self.slow_disk(node, 100);
        }
        if is_full {
            self.fill_disk(node, false);
        }
        if is_failing {
            self.fail_disk(node, false);
        }
        if is_slowed {
            self.slow_host(node, 100);
        }
    }

    fn on_disks(&mut self, node: NodeId, change: impl Fn(&mut Disk), fact: WorldFact) {
        let Some(index) = self.by_node.get(&node).copied() else { return };
        let range = self.processes[index as usize].range();
        self.machines[range].iter_mut().for_each(|hosted| change(&mut hosted.disk));
        self.say(index, fact);
    }

    fn act(&mut self, node: NodeId, change: impl FnOnce(&mut Process), fact: WorldFact) {
        let Some(index) = self.by_node.get(&node).copied() else { return };
        change(&mut self.processes[index as usize]);
        self.say(index, fact);
    }

    fn ends(&self, from: NodeId, to: NodeId) -> Option<(u32, u32)> {
        Some((*self.by_node.get(&from)?, *self.by_node.get(&to)?))
    }
}
