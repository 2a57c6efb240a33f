//! A host's processor: cores, network threads, and pauses in which nothing runs.
//!
//! On [ideal](HostPlan::ideal) hardware, the default, computing takes no time. On other hardware an input waits for a
//! thread of its machine and for a core, and occupies both for its service time; see `engine/service.rs`.

use crate::costs::{Costs, Load, Threads};
use crate::pauses::{Paused, Pauses};
use klab_machine::random::Stream;
use klab_wire::{Span, Time};

/// What a process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPlan {
    /// How many things can be computed at once.
    pub cores: u32,
    /// The threads of its first machine; every other machine has one.
    pub threads: Threads,
    /// What computing costs.
    pub costs: Costs,
    /// Stop-the-world collections.
    pub collections: Pauses,
    /// The socket buffers of its connections.
    pub sockets: Sockets,
}

/// How many bytes may be on their way on a connection: those it accepted, and those it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// Of connections that the process accepts.
    pub accepted: Buffers,
    /// Of connections that it opens.
    pub opened: Buffers,
}

/// The buffers of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// What it can take in before somebody reads.
    pub receive: u64,
    /// What it can hold of what is sent and not acknowledged.
    pub send: u64,
}

impl Buffers {
    /// What the system makes of a socket for which nothing is set (the most of `tcp_rmem` and `tcp_wmem`).
    pub const OF_THE_SYSTEM: Buffers = Buffers { receive: 4 << 20, send: 4 << 20 };
}

impl HostPlan {
    /// Computing takes no time.
    pub fn ideal() -> Self {
        HostPlan {
            cores: 1,
            threads: Threads::One,
            costs: Costs::default(),
            collections: Pauses::default(),
            sockets: Sockets { accepted: Buffers::OF_THE_SYSTEM, opened: Buffers::OF_THE_SYSTEM },
        }
    }
}

/// One host's processor.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) costs: Costs,
    cores: u32,
    busy: u32,
    /// Computing costs nothing here: asked at every step.
    is_ideal: bool,
    percent: u32,
    collections: Paused,
    network: Pool,
    /// How long the cores have been busy with machines' threads, together.
    busy_time: Span,
    /// Requests that were taken in hand.
    requests: u64,
}

impl Host {
    /// Its processor; `is_free` says that nothing else there takes time either.
    pub(crate) fn new(plan: &HostPlan, is_free: bool, weather: Stream) -> Self {
        let network = match plan.threads {
            Threads::Broker { network, .. } => network,
            Threads::One | Threads::Client => 0,
        };
        Host {
            costs: plan.costs,
            cores: plan.cores.max(1),
            busy: 0,
            is_ideal: is_free && plan.costs == Costs::default(),
            percent: 100,
            collections: Paused::new(plan.collections, weather),
            network: Pool::new(network),
            busy_time: Span::ZERO,
            requests: 0,
        }
    }

    /// Nothing takes time here, whatever the input is.
    #[inline]
    pub(crate) fn is_ideal(&self) -> bool {
        self.is_ideal
    }

    pub(crate) fn has_free_core(&self) -> bool {
        self.busy < self.cores
    }

    /// A core is busy for so long.
    pub(crate) fn occupy_core(&mut self, time: Span) {
        self.busy += 1;
        self.busy_time += time;
    }

    pub(crate) fn release_core(&mut self) {
        self.busy -= 1;
    }

    /// The process is gone, and leaves all cores.
    pub(crate) fn release_all(&mut self) {
        self.busy = 0;
        self.network.forget();
    }

    /// Until when a collection lets nothing run, if there is one now.
    pub(crate) fn collects_until(&mut self, now: Time) -> Option<Time> {
        self.collections.until(now)
    }

    /// How long the collection lasts that [`Self::collects_until`] has found, if it is news.
    pub(crate) fn collection_noticed(&mut self) -> Option<Span> {
        self.collections.noticed()
    }

    /// When a network thread has dealt with a message of so many bytes that comes now.
    pub(crate) fn pass_network_thread(&mut self, now: Time, bytes: u32) -> Time {
        let work = self.slowed(self.costs.network.of(Load::bytes(bytes)));
        self.network.serve(now, work)
    }

    /// A request is taken in hand.
    pub(crate) fn count_request(&mut self) {
        self.requests += 1;
    }

    /// Makes everything take `percent` of its time.
    pub(crate) fn slow(&mut self, percent: u32) {
        self.percent = percent;
    }

    pub(crate) fn is_slowed(&self) -> bool {
        self.percent != 100
    }

    /// How long work takes here.
    pub(crate) fn slowed(&self, span: Span) -> Span {
        match self.percent {
            100 => span,
            percent => span.times(u64::from(percent)).divided_by(100),
        }
    }

    /// Cores, how long they have been busy, network threads, how long they have been busy, requests.
    pub(crate) fn meters(&self) -> Meters {
        Meters {
            cores: self.cores,
            cores_busy: self.busy_time + self.network.busy,
            network_threads: self.network.free_at.len() as u32,
            network_busy: self.network.busy,
            requests: self.requests,
        }
    }
}

/// What a host has counted.
pub(crate) struct Meters {
    pub(crate) cores: u32,
    pub(crate) cores_busy: Span,
    pub(crate) network_threads: u32,
    pub(crate) network_busy: Span,
    pub(crate) requests: u64,
}

/// Threads that take what comes in turn, each for as long as it is known to take.
#[derive(Clone, Debug)]
struct Pool {
    free_at: Vec<Time>,
    busy: Span,
}

impl Pool {
    fn new(threads: u32) -> Self {
        Pool { free_at: vec![Time::ZERO; threads as usize], busy: Span::ZERO }
    }

    /// When something is done that comes now. Without threads it is done at once.
    fn serve(&mut self, now: Time, work: Span) -> Time {
        let Some(thread) = self.free_at.iter_mut().min() else { return now };
        *thread = (*thread).max(now) + work;
        self.busy += work;
        *thread
    }

    fn forget(&mut self) {
        self.free_at.fill(Time::ZERO);
    }
}
