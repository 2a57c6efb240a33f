//! What computing costs: a host's share of a hardware profile, made ready for the engine.
//!
//! What an input asks for is known before its step: requests are paid for first, and stepped then. What only the
//! step knows (how much a fetch found, how many records an application sent) is paid for afterwards, and
//! the step's own messages leave when that has passed.

use klab_machine::fact::{ControllerFact, Fact, ZooKeeperFact};
use klab_machine::trace::What;
use klab_machine::{Call, Effect, Input, Machine, Operation};
use klab_wire::zookeeper::Frame;
use klab_wire::{FetchResponse, FetchedPartition, MetadataResponse, Request, Response, Span};

/// A piece of work: once for the whole, and for each part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Once.
    pub whole: Span,
    /// For each partition or batch.
    pub part: Span,
    /// For each record.
    pub record: Span,
    /// For each byte, in picoseconds.
    pub byte_picos: u64,
}

/// What computing costs on one host. All zero, it costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// From a network thread to a request handler, and back; nothing is busy meanwhile.
    pub hand_off: Span,
    /// A network thread's work on a message.
    pub network: Work,
    /// A produce request: partitions, records and bytes in it.
    pub produce: Work,
    /// A fetch: partitions that it names.
    pub fetch: Work,
    /// A partition of a fetch session, at every look at the session: when a fetch comes, and when one that has waited is
    /// answered.
    pub session: Span,
    /// What a fetch found: partitions and bytes.
    pub fetched: Work,
    /// An answer to a follower's fetch: partitions, records and bytes in it.
    pub follower: Work,
    /// A metadata request: partitions in its answer.
    pub metadata: Work,
    /// Any other request.
    pub other: Span,
    /// A partition whose leader a controller changes.
    pub election: Span,
    /// Records that an application sends.
    pub producer: Work,
    /// A produce request that a sender thread sends: batches in it.
    pub sender: Work,
    /// An answer to a consumer's fetch: records and bytes in it.
    pub consumer: Work,
    /// What a ZooKeeper server does.
    pub keeper: Keeper,
    /// Whether the time counts that machines say they spend.
    pub spends: bool,
}

/// What a ZooKeeper server's work costs. Its processors (prepare, sync, commit, final) hand on to each other; the model has
/// one thread for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeper {
    /// A client's request with its answer.
    pub request: Span,
    /// A write at the leader.
    pub write: Span,
    /// A committed transaction.
    pub apply: Span,
    /// A packet from or to another server.
    pub packet: Span,
}

/// The threads of a machine, and so which of its inputs wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// One for everything.
    One,
    /// A broker's: request handlers (`num.io.threads`) behind network threads (`num.network.threads`), one for each
    /// replica fetcher, and one for the rest.
    Broker {
        /// `num.network.threads`.
        network: u32,
        /// `num.io.threads`.
        io: u32,
    },
    /// A client's: the application's own, and the sender's.
    Client,
}

impl Work {
    /// Only once.
    pub const fn once(whole: Span) -> Self {
        Work { whole, part: Span::ZERO, record: Span::ZERO, byte_picos: 0 }
    }

    /// What so much costs.
    pub(crate) fn of(&self, load: Load) -> Span {
        let bytes = Span(load.bytes * self.byte_picos / 1_000);
        self.whole + self.part.times(load.parts) + self.record.times(load.records) + bytes
    }
}

/// What somebody has to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    parts: u64,
    records: u64,
    bytes: u64,
}

impl Load {
    fn parts(parts: usize) -> Self {
        Load { parts: parts as u64, ..Load::default() }
    }

    pub(crate) fn bytes(bytes: u32) -> Self {
        Load { bytes: u64::from(bytes), ..Load::default() }
    }

    fn with(self, records: u32, bytes: u32) -> Self {
        let (records, bytes) = (u64::from(records), u64::from(bytes));
        Load { parts: self.parts, records: self.records + records, bytes: self.bytes + bytes }
    }
}

impl Costs {
    /// What is known of an input's work before it is done.
    pub(crate) fn before(&self, threads: Threads, input: &Input) -> Span {
        match (input, threads) {
            (Input::Request { request, .. }, _) => self.request(request),
            (Input::Response { response: Response::Fetch(fetch), .. }, Threads::Broker { .. }) => {
                self.follower.of(found(fetch))
            }
            (Input::Response { response: Response::Fetch(fetch), .. }, Threads::Client) => {
                self.consumer.of(found(fetch))
            }
            (Input::Frame { frame, .. }, _) => self.keeper.of(frame, true),
            _ => Span::ZERO,
        }
    }

    /// What one effect of a step adds to its work.
    pub(crate) fn after(&self, effect: &Effect) -> Span {
        match effect {
            Effect::Respond { response: Response::Fetch(fetch), .. } => {
                self.fetched.of(found(fetch))
            }
            Effect::Respond { response: Response::Metadata(metadata), .. } => {
                self.metadata.part.times(partitions(metadata))
            }
            Effect::Send { request: Request::Produce(produce), .. } => {
                self.sender.of(Load::parts(produce.data.len()))
            }
            Effect::Frame { frame, .. } => self.keeper.of(frame, false),
            Effect::Spend { cpu } if self.spends => *cpu,
            _ => Span::ZERO,
        }
    }

    /// What a step has done when it tells this: an application's send is work too.
    pub(crate) fn telling(&self, what: &What) -> Span {
        match what {
            What::Operation(Operation::Began { call: Call::Send { count, .. }, .. }) => {
                self.producer.record.times(u64::from(*count))
            }
            What::Fact(Fact::Controller(ControllerFact::LeaderElected { .. })) => self.election,
            What::Fact(Fact::ZooKeeper(ZooKeeperFact::TxnProposed { .. })) => self.keeper.write,
            What::Fact(Fact::ZooKeeper(ZooKeeperFact::TxnApplied { .. })) => self.keeper.apply,
            _ => Span::ZERO,
        }
    }

    /// What a fetch costs that comes for a session, beyond what it names.
    pub(crate) fn session_of<M: Machine>(&self, machine: Option<&M>, input: &Input) -> Span {
        match (input, machine) {
            (Input::Request { request: Request::Fetch(fetch), .. }, Some(machine))
                if self.session > Span::ZERO =>
            {
                let named = fetch.partitions.len() as u64;
                self.session.times(machine.session_size(fetch.session.id).max(named))
            }
            _ => Span::ZERO,
        }
    }

    /// What it costs to answer a fetch that has waited for somebody else's step: every partition of its session is looked at
    /// once more (`DelayedFetch.tryComplete`, and again `ReplicaManager.readFromLog`), by the thread that has appended.
    pub(crate) fn completing<M: Machine>(&self, machine: Option<&M>, effect: &Effect) -> Span {
        match (effect, machine) {
            (Effect::Respond { response: Response::Fetch(fetch), .. }, Some(machine))
                if self.session > Span::ZERO =>
            {
                self.session.times(machine.session_size(fetch.session))
            }
            _ => Span::ZERO,
        }
    }

    fn request(&self, request: &Request) -> Span {
        match request {
            Request::Produce(produce) => {
                let load = produce.data.iter().fold(Load::default(), |load, data| {
                    load.with(data.batch.records_count, data.batch.size_in_bytes)
                });
                self.produce.of(Load { parts: produce.data.len() as u64, ..load })
            }
            Request::Fetch(fetch) => self.fetch.of(Load::parts(fetch.partitions.len())),
            Request::Metadata(_) => self.metadata.whole,
            _ => self.other,
        }
    }
}

impl Keeper {
    /// A frame that comes, or goes. A client's answer is paid for with its request.
    fn of(&self, frame: &Frame, comes: bool) -> Span {
        match frame {
            Frame::ClientRequest(_) | Frame::ConnectRequest(_) if comes => self.request,
            Frame::ClientRequest(_) | Frame::ConnectRequest(_) => Span::ZERO,
            Frame::Reply(_) | Frame::ConnectResponse(_) | Frame::WatcherEvent(_) => Span::ZERO,
            _ => self.packet,
        }
    }
}

/// The records of an answer, and the partitions that have any.
fn found(fetch: &FetchResponse) -> Load {
    let brings = |partition: &&FetchedPartition| !partition.records.is_empty();
    let parts = fetch.partitions.iter().filter(brings);
    parts.fold(Load::default(), |load, partition| {
        let load = Load { parts: load.parts + 1, ..load };
        let batches = partition.records.iter();
        batches.fold(load, |load, batch| load.with(batch.records_count, batch.size_in_bytes))
    })
}

fn partitions(metadata: &MetadataResponse) -> u64 {
    metadata.topics.iter().map(|topic| topic.partitions.len() as u64).sum()
}
