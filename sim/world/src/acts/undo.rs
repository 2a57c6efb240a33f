//! How faults that last for a while end.

use super::Held;
use crate::World;
use crate::agenda::{Item, LOOK_AGAIN, Undo};
use klab_wire::{NodeId, Span};

impl World {
    /// A fault holds something: for a while, and then it is undone, or for good.
    pub(super) fn hold(&mut self, held: Held, lasts: Option<Span>, undo: Undo) {
        self.holds.take(held);
        if let Some(lasts) = lasts {
            let over = self.now() + lasts;
            self.agenda.put(over, Item::Undo(undo));
        }
    }

    /// A process on its way out is started when it is gone.
    pub(crate) fn hold_until_gone(&mut self, node: NodeId) {
        let life = self.engine.life(node);
        self.hold(Held::Down(node), Some(LOOK_AGAIN), Undo::Start { node, life });
    }

    /// A fault is over.
    pub(crate) fn undo(&mut self, undo: Undo) {
        if let Undo::Start { node, life } = undo {
            return self.bring_back(node, life);
        }
        if held_by(&undo).is_some_and(|held| !self.holds.release(held)) {
            return; // Another fault still holds it.
        }
        match undo {
            Undo::Start { .. } => unreachable!("handled above"),
            Undo::Resume(node) => self.engine.resume(node),
            Undo::Heal { from, to } => self.engine.heal(from, to),
            Undo::SpeedUpLink { from, to } => self.engine.slow_link(from, to, Span::ZERO, 0),
            Undo::SpeedUpDisk(node) => self.engine.slow_disk(node, 100),
            Undo::SpeedUpHost(node) => self.engine.slow_host(node, 100),
            Undo::MendDisk(node) => self.engine.fail_disk(node, false),
            Undo::EmptyDisk(node) => self.engine.fill_disk(node, false),
            Undo::StepClock { node, nanos } => self.engine.step_clock(node, nanos),
        }
    }

    /// Starts what a fault ended. One that was asked to go in order and has not gone yet is waited for.
    fn bring_back(&mut self, node: NodeId, life: u32) {
        if self.engine.is_up(node) && self.engine.life(node) == life {
            let again = self.now() + LOOK_AGAIN;
            return self.agenda.put(again, Item::Undo(Undo::Start { node, life }));
        }
        if self.holds.release(Held::Down(node)) {
            self.start(node);
        }
    }
}

/// What a fault held; a clock's step holds nothing.
fn held_by(undo: &Undo) -> Option<Held> {
    match undo {
        Undo::Start { node, .. } => Some(Held::Down(*node)),
        Undo::Resume(node) => Some(Held::Paused(*node)),
        Undo::Heal { from, to } => Some(Held::Link(*from, *to)),
        Undo::SpeedUpLink { from, to } => Some(Held::LinkSpeed(*from, *to)),
        Undo::SpeedUpDisk(node) => Some(Held::DiskSpeed(*node)),
        Undo::SpeedUpHost(node) => Some(Held::HostSpeed(*node)),
        Undo::MendDisk(node) => Some(Held::DiskFailure(*node)),
        Undo::EmptyDisk(node) => Some(Held::DiskSpace(*node)),
        Undo::StepClock { .. } => None,
    }
}
