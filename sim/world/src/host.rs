//! A host's processor: cores, and what a step costs on one.
//!
//! With the costs of [`Costs::IDEAL`], the default, computing takes no time, and effects still leave in
//! order. With others a step occupies a core for its service time; inputs wait in line when all cores
//! are busy; effects leave when the service time has passed. One machine is stepped by at most one core
//! at a time: it is one lock in this model, coarser than Kafka's, whose request handlers share a
//! broker's state. Kafka's pools of network and I/O threads, and the hand-over between them, come with
//! the hardware profiles; [`Host::service_time`] is where they belong.

use klab_machine::Input;
use klab_wire::{Request, Response, Span};

/// What computing costs. Records and bytes count where a broker handles them: in a produce request
/// and in the answer to a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Any input.
    pub input: Span,
    /// A request, on top: parsing it, dispatching it, answering it.
    pub request: Span,
    /// A response, on top.
    pub response: Span,
    /// Each record that is appended as a leader, or was fetched.
    pub record: Span,
    /// Each byte of such records, in picoseconds.
    pub byte_picos: u64,
    /// Whether the time counts that machines say they spend.
    pub spends: bool,
}

impl Costs {
    /// Nothing costs anything.
    pub const IDEAL: Costs = Costs {
        input: Span::ZERO,
        request: Span::ZERO,
        response: Span::ZERO,
        record: Span::ZERO,
        byte_picos: 0,
        spends: false,
    };
}

/// One host's processor.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    cores: u32,
    busy: u32,
    costs: Costs,
    /// Computing costs nothing here: asked at every step.
    is_ideal: bool,
    percent: u32,
}

impl Host {
    pub(crate) fn new(cores: u32, costs: Costs) -> Self {
        let is_ideal = costs == Costs::IDEAL;
        Host { cores: cores.max(1), busy: 0, costs, is_ideal, percent: 100 }
    }

    /// Computing costs nothing here, whatever the input is.
    pub(crate) fn is_ideal(&self) -> bool {
        self.is_ideal
    }

    pub(crate) fn has_free_core(&self) -> bool {
        self.busy < self.cores
    }

    pub(crate) fn occupy_core(&mut self) {
        self.busy += 1;
    }

    pub(crate) fn release_core(&mut self) {
        self.busy -= 1;
    }

    /// The process is gone, and leaves all cores.
    pub(crate) fn release_all(&mut self) {
        self.busy = 0;
    }

    /// Makes everything take `percent` of its time.
    pub(crate) fn slow(&mut self, percent: u32) {
        self.percent = percent;
    }

    pub(crate) fn is_slowed(&self) -> bool {
        self.percent != 100
    }

    /// How long a core is busy with an input, before what the machine says that it spends.
    pub(crate) fn service_time(&self, input: &Input) -> Span {
        if self.is_ideal() {
            return Span::ZERO;
        }
        let costs = &self.costs;
        let extra = match input {
            Input::Request { request, .. } => costs.request + costs.content(request_load(request)),
            Input::Response { response, .. } => {
                costs.response + costs.content(response_load(response))
            }
            _ => Span::ZERO,
        };
        self.slowed(costs.input + extra)
    }

    /// How long a machine's own spending takes.
    pub(crate) fn spending(&self, cpu: Span) -> Span {
        if self.costs.spends { self.slowed(cpu) } else { Span::ZERO }
    }

    fn slowed(&self, span: Span) -> Span {
        span.times(u64::from(self.percent)).divided_by(100)
    }
}

/// Records and bytes that somebody has to look at.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    records: u64,
    bytes: u64,
}

impl Costs {
    fn content(&self, load: Load) -> Span {
        self.record.times(load.records) + Span(load.bytes * self.byte_picos / 1_000)
    }
}

fn request_load(request: &Request) -> Load {
    match request {
        Request::Produce(produce) => produce.data.iter().fold(Load::default(), |load, data| {
            load.with(data.batch.records_count, data.batch.size_in_bytes)
        }),
        _ => Load::default(),
    }
}

fn response_load(response: &Response) -> Load {
    match response {
        Response::Fetch(fetch) => {
            let batches = fetch.partitions.iter().flat_map(|partition| &partition.records);
            batches.fold(Load::default(), |load, batch| {
                load.with(batch.records_count, batch.size_in_bytes)
            })
        }
        _ => Load::default(),
    }
}

impl Load {
    fn with(self, records: u32, bytes: u32) -> Self {
        Load { records: self.records + u64::from(records), bytes: self.bytes + u64::from(bytes) }
    }
}
