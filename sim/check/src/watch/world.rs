//! Acts on the world: what they did to disks, and whom they did not find.

use crate::judge::{Judge, Starting};
use crate::picture::CutCause;
use crate::verdict::Moment;
use klab_machine::fact::WorldFact;
use klab_wire::{NodeId, Offset, TopicPartition};
use std::collections::BTreeSet;

impl Judge {
    pub(super) fn watch_world(&mut self, at: Moment, fact: &WorldFact) {
        self.history.faults.watch(at, fact);
        match fact {
            WorldFact::DiskReplaced {} => self.lose_disk(at),
            WorldFact::DiskCorrupted { .. } => {
                self.cluster.damaged.insert(at.node);
                self.quorum.disk_lost |= self.quorum.voters.contains(&at.node);
                self.ensemble.lose_disk(at.node);
            }
            WorldFact::SelectorUnmatched { selector } => {
                self.unmatched_selectors.push(selector.clone());
            }
            WorldFact::ProcessStarted { .. } => {
                self.end_start();
                self.starting = Some(Starting { at, has_metadata: false });
                self.opening.insert(at.node, BTreeSet::new());
                self.cluster.restarted.insert(at.node, at);
                self.cluster.applied.remove(&at.node);
                self.history.restart(at.node);
            }
            WorldFact::ProcessHalted {} => self.end_life(at.node),
            WorldFact::ProcessCrashed {} => {
                self.end_life(at.node);
                self.cluster.stop_uncleanly(at.node);
            }
            WorldFact::PowerCut { .. } => {
                self.end_life(at.node);
                self.cluster.stop_uncleanly(at.node);
                self.endanger(at.node);
            }
            WorldFact::HealingBegan {} => self.history.heal(at.time),
            _ => {}
        }
    }

    fn end_life(&mut self, node: NodeId) {
        self.history.abandon(node);
        self.decisions.abandon(node);
        self.ensemble.end_life(node);
        self.cluster.obeyed.remove(&node);
    }

    fn lose_disk(&mut self, at: Moment) {
        for name in self.cluster.partitions_on(at.node) {
            self.cut(at, &name, Offset(0), CutCause::DiskLost);
        }
        self.quorum.disk_lost |= self.quorum.voters.contains(&at.node);
        self.ensemble.lose_disk(at.node);
        self.quorum.nodes.remove(&at.node);
        if self.quorum.copies.end(at.node).is_some() {
            self.cut(at, &TopicPartition::cluster_metadata(), Offset(0), CutCause::DiskLost);
        }
    }
}
