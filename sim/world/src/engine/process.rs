//! A process: what a crash kills. One node id, its host, its clock, one or more machines, each with a log
//! directory on a disk of its own (as with `metadata.log.dir`).

use super::blocked::Syncing;
use super::departures::Departures;
use super::lanes::Lanes;
use super::service::Stage;
use crate::clock::Clock;
use crate::costs::Threads;
use crate::disk::{Disk, DiskProfile};
use crate::host::{Host, HostPlan};
use crate::timers::Timers;
use klab_machine::random::Stream;
use klab_machine::{ConnectionId, Input, Listener, Machine, Outbox};
use klab_wire::{DirectoryId, NodeId, RackId};
use std::collections::{BTreeMap, VecDeque};
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
    /// What it runs on.
    pub host: HostPlan,
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
            host: HostPlan::ideal(),
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
    /// Lanes of its machines that wait for a core, the longest first.
    pub(super) waiting: VecDeque<(u32, u32)>,
    /// What came while it was paused.
    pub(super) held: Vec<(u32, u32)>,
    /// The end of a collection is planned.
    pub(super) thaws: bool,
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
    /// It is being stepped, or its last step's effects are being carried out.
    pub(super) is_stepping: bool,
    /// Its threads, on a host that is not ideal.
    pub(super) lanes: Lanes,
    /// What events will bring on there, and how many such events there have been.
    pub(super) stages: BTreeMap<u32, Stage>,
    pub(super) staged: u32,
    /// What it has sent and what has not left.
    pub(super) departures: Departures,
    /// Its threads that are in an fsync.
    pub(super) syncing: Vec<Syncing>,
    /// It is lined up for service.
    pub(super) is_ready: bool,
}

impl Process {
    pub(super) fn new<C>(plan: &ProcessPlan<C>, first_machine: u32, weather: Stream) -> Self {
        Process {
            node: plan.node,
            rack: plan.rack.clone(),
            state: ProcessState::Down,
            life: 0,
            leaving: None,
            clock: plan.clock,
            host: Host::new(&plan.host, plan.disk.is_free(), weather),
            waiting: VecDeque::new(),
            held: Vec::new(),
            thaws: false,
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

    /// Which of its machines is asked to go when this one has gone; none if its going ends the process. One
    /// that goes in order ends with its last machine.
    pub(super) fn next_to_leave(&self, machine: u32) -> Option<u32> {
        let place = machine - self.first_machine;
        (self.leaving == Some(place) && place + 1 < self.machines).then_some(place + 1)
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
        threads: Threads,
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
            is_stepping: false,
            lanes: Lanes::new(threads),
            stages: BTreeMap::new(),
            staged: 0,
            departures: Departures::default(),
            syncing: Vec::new(),
            is_ready: false,
        }
    }
}

/// The connection of a request that gets no answer: nothing else will take its mute away.
pub(super) fn unanswered_request(input: &Input) -> Option<ConnectionId> {
    match input {
        Input::Request { connection, request, .. } if !request.expects_response() => {
            Some(*connection)
        }
        _ => None,
    }
}
