//! Acts on the world: what they did to disks, and whom they did not find.

use crate::judge::Judge;
use crate::picture::CutCause;
use crate::verdict::Moment;
use klab_machine::fact::WorldFact;
use klab_wire::{Offset, TopicPartition};

impl Judge {
    pub(super) fn watch_world(&mut self, at: Moment, fact: &WorldFact) {
        match fact {
            WorldFact::DiskReplaced {} => self.lose_disk(at),
            WorldFact::DiskCorrupted { .. } => {
                self.cluster.damaged.insert(at.node);
                self.quorum.disk_lost |= self.quorum.voters.contains(&at.node);
            }
            WorldFact::SelectorUnmatched { selector } => {
                self.unmatched_selectors.push(selector.clone());
            }
            WorldFact::ProcessStarted { .. } => {
                self.cluster.restarted.insert(at.node);
                self.history.restart(at.node);
            }
            WorldFact::ProcessCrashed {} | WorldFact::ProcessHalted {} => {
                self.history.abandon(at.node);
            }
            WorldFact::PowerCut { .. } => {
                self.history.abandon(at.node);
                self.endanger(at.node);
            }
            WorldFact::HealingBegan {} => self.history.heal(at.time),
            _ => {}
        }
    }

    fn lose_disk(&mut self, at: Moment) {
        for name in self.cluster.partitions_on(at.node) {
            self.cut(at, &name, Offset(0), CutCause::DiskLost);
        }
        self.quorum.disk_lost |= self.quorum.voters.contains(&at.node);
        self.quorum.nodes.remove(&at.node);
        if self.quorum.copies.end(at.node).is_some() {
            self.cut(at, &TopicPartition::cluster_metadata(), Offset(0), CutCause::DiskLost);
        }
    }
}
