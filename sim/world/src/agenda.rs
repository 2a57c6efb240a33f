//! What will be done to the world, and when: acts of the scenario, their undoing, and whatever waits.

use klab_scenario::act::fault::RollingRestart;
use klab_wire::{NodeId, Span, Time};
use std::collections::BTreeMap;

/// See the module. Things of one time happen in the order in which they were put down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    items: BTreeMap<(Time, u64), Item>,
    put_down: u64,
    /// When the first of them is due: every step asks.
    next: Option<Time>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A server is started for the first time.
    StartServer(NodeId),
    /// Look whether the cluster is ready for its topics, and then for its clients.
    Deploy,
    /// A client starts.
    StartClient(NodeId),
    /// A client has done its work and goes.
    StopClient(NodeId),
    /// The act of this number in the scenario.
    Act(u32),
    /// A fault is over.
    Undo(Undo),
    /// The next random fault of the nemesis of this number.
    Strike(u32),
    /// The next moment of a rolling restart.
    Roll(Rolling),
    /// Load and faults are over: everything comes back.
    Heal,
    /// Look whether the cluster has come to rest.
    Converge,
}

/// How a fault is undone.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    /// Start it, if it is not in another life by then.
    Start {
        node: NodeId,
        life: u32,
    },
    Resume(NodeId),
    Heal {
        from: NodeId,
        to: NodeId,
    },
    SpeedUpLink {
        from: NodeId,
        to: NodeId,
    },
    SpeedUpDisk(NodeId),
    SpeedUpHost(NodeId),
    MendDisk(NodeId),
    EmptyDisk(NodeId),
    StepClock {
        node: NodeId,
        nanos: i64,
    },
}

/// A rolling restart under way.
#[derive(Clone, Debug)]
pub(crate) struct Rolling {
    pub(crate) restart: RollingRestart,
    /// Those still to come, the next one last.
    pub(crate) left: Vec<NodeId>,
    /// The one whose turn it is, and the life in which it was asked to go.
    pub(crate) current: Option<(NodeId, u32)>,
    /// When it was started again.
    pub(crate) started: Option<Time>,
}

/// How often something that waits looks again.
pub(crate) const LOOK_AGAIN: Span = Span::from_millis(100);

impl Agenda {
    pub(crate) fn put(&mut self, at: Time, item: Item) {
        self.items.insert((at, self.put_down), item);
        self.put_down += 1;
        self.look();
    }

    pub(crate) fn next_time(&self) -> Option<Time> {
        self.next
    }

    pub(crate) fn take(&mut self) -> Option<(Time, Item)> {
        let taken = self.items.pop_first().map(|((at, _), item)| (at, item));
        self.look();
        taken
    }

    /// Nothing of it will happen.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.look();
    }

    fn look(&mut self) {
        self.next = self.items.first_key_value().map(|((at, _), _)| *at);
    }
}
