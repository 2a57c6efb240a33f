//! A process: what a crash kills. One node id, its host, its clock, one or more machines, each with a log
//! directory on a disk of its own (as with `metadata.log.dir`).

use crate::clock::Clock;
use crate::disk::{Disk, DiskProfile};
use crate::host::{Costs, Host};
use crate::timers::Timers;
use klab_machine::{ConnectionId, Effect, Input, Listener, Machine, Outbox};
use klab_wire::{DirectoryId, NodeId, RackId, Span, Time};
use std::collections::VecDeque;
use std::ops::Range;

/// How to set up a process. A combined KRaft process has two machines: a broker and a controller.
#[derive(Clone, Debug)]
pub struct ProcessPlan<C> {
    /// Its name.
    pub node: NodeId,
    /// Where it stands.
    pub rack: Option<RackId>,
    /// Its machines, each with what it listens for.
    pub machines: Vec<(C, Vec<Listener>)>,
    /// Its clock.
    pub clock: Clock,
    /// The disk that each of its machines has its log directory on.
    pub disk: DiskProfile,
    /// How many cores its host has.
    pub cores: u32,
    /// What computing costs there.
    pub costs: Costs,
}

impl<C> ProcessPlan<C> {
    /// A process of one machine on a host that costs nothing, with a clock that tells true time.
    pub fn ideal(node: NodeId, config: C, listeners: Vec<Listener>) -> Self {
        ProcessPlan {
            node,
            rack: None,
            machines: vec![(config, listeners)],
            clock: Clock::default(),
            disk: DiskProfile::default(),
            cores: 1,
            costs: Costs::IDEAL,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) node: NodeId,
    pub(super) rack: Option<RackId>,
    pub(super) state: ProcessState,
    /// Which life this is; 0 before the first.
    pub(super) life: u32,
    /// It was asked to go in order: at which of its machines the orderly end has come, by its place.
    pub(super) leaving: Option<u32>,
    pub(super) clock: Clock,
    pub(super) host: Host,
    first_machine: u32,
    machines: u32,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessState {
    /// It is not there.
    Down,
    Running,
    /// It is there and does nothing: a stopped or swapped-out process, a long garbage collection.
    Paused,
}

/// A machine as its process hosts it.
#[derive(Clone, Debug)]
pub(super) struct Hosted<M: Machine> {
    pub(super) process: u32,
    pub(super) config: M::Config,
    pub(super) listeners: Vec<Listener>,
    /// Its log directory, and the disk that it is on.
    pub(super) directory: DirectoryId,
    pub(super) disk: Disk,
    /// How many disks it has had.
    pub(super) disks: u32,
    /// None while the process is down.
    pub(super) machine: Option<M>,
    pub(super) timers: Timers,
    pub(super) outbox: Outbox,
    pub(super) inbox: VecDeque<Input>,
    /// The step whose effects have not left yet.
    pub(super) service: Option<Service>,
    /// How many steps have taken time: what the event at the end of one must show to be meant.
    pub(super) services: u32,
    /// It is lined up for service.
    pub(super) is_ready: bool,
}

/// What is left to do when a step's service time has passed, besides its effects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// The connection of a request that gets no answer.
    pub(super) unanswered: Option<ConnectionId>,
}

impl Process {
    pub(super) fn new<C>(plan: &ProcessPlan<C>, first_machine: u32) -> Self {
        Process {
            node: plan.node,
            rack: plan.rack.clone(),
            state: ProcessState::Down,
            life: 0,
            leaving: None,
            clock: plan.clock,
            host: Host::new(plan.cores, plan.costs),
            first_machine,
            machines: plan.machines.len() as u32,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state != ProcessState::Down
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == ProcessState::Running
    }

    /// A machine of it could be stepped now.
    pub(super) fn can_serve(&self) -> bool {
        self.is_running() && self.host.has_free_core()
    }

    /// The places of its machines in the engine.
    pub(super) fn range(&self) -> Range<usize> {
        self.first_machine as usize..(self.first_machine + self.machines) as usize
    }
}

impl<M: Machine> Hosted<M> {
    pub(super) fn new(
        process: u32,
        config: M::Config,
        listeners: Vec<Listener>,
        disk: Disk,
    ) -> Self {
        Hosted {
            process,
            config,
            listeners,
            directory: DirectoryId(0),
            disk,
            disks: 0,
            machine: None,
            timers: Timers::default(),
            outbox: Outbox::default(),
            inbox: VecDeque::new(),
            service: None,
            services: 0,
            is_ready: false,
        }
    }

    /// No step of it is in service.
    pub(super) fn is_idle(&self) -> bool {
        self.service.is_none()
    }

    /// What a step costs by what its machine says: time it spends, and reads that go to the disk.
    pub(super) fn cost_of_step(&mut self, host: &Host, now: Time) -> Span {
        let disk = &mut self.disk;
        self.outbox.effects().iter().fold(Span::ZERO, |cost, effect| match effect {
            Effect::Spend { cpu } => cost + host.spending(*cpu),
            Effect::Read { file, position, bytes } => {
                cost + disk.read(*file, *position, *bytes, now + cost)
            }
            _ => cost,
        })
    }
}
