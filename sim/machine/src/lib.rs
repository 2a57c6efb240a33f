//! The contract between a machine and the world that runs it.
//!
//! A [`Machine`] is a protocol participant as a pure state machine: a broker, a voter, a client. The
//! world hands it one [`Input`] at a time and carries out the [`Effect`]s that it writes into its
//! [`Outbox`]. What is worth knowing about a step is stated as a [`Fact`]; what a client calls is
//! recorded as an [`Operation`]. Traces, invariants, plots and explanations all read these two.
//!
//! What is absent here on purpose: a clock, a socket, a file, a thread, entropy. A machine gets the
//! time with every step and draws from [`random::Stream`]s that follow from its seed.

pub mod disk;
pub mod effect;
pub mod fact;
pub mod fingerprint;
pub mod input;
pub mod mutant;
pub mod operation;
pub mod random;
pub mod timer;
pub mod trace;
pub mod value;

pub use disk::{Block, Change, DiskImage, File, FlushId};
pub use effect::{Effect, Outbox, Told};
pub use fact::Fact;
pub use input::{
    Address, Command, ConnectionId, CorrelationId, DisconnectReason, Input, Listener,
    StorageFailure,
};
pub use mutant::Mutant;
pub use operation::{Call, Operation, OperationId, Outcome};
pub use timer::Timer;
pub use value::Value;

use klab_wire::{ClusterId, DirectoryId, IncarnationId, NodeId, Now, RackId};
use std::fmt::Debug;

/// A protocol participant with no clock, socket, disk or entropy of its own.
///
/// `step` is total: it never fails and never blocks. A peer's mistake is answered with an error
/// message; a mistake of our own is an assertion. All state is plain data, so `Clone` is a snapshot.
pub trait Machine: Clone + Debug {
    /// What it is configured with. Static: a restart reads it again.
    type Config: Clone + Debug;
    /// What a reader of the lab wants to see, in Kafka's own words.
    type View;

    /// Starts, or starts again: everything it knows from before is on the disk.
    fn boot(
        identity: Identity,
        config: Self::Config,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self;

    /// Handles one input.
    fn step(&mut self, now: Now, input: Input, out: &mut Outbox);

    /// What to show of it.
    fn view(&self) -> Self::View;

    /// How many partitions one of its fetch sessions has. Who answers a fetch looks at all of them, which takes time: KIP-227
    /// spares the messages, and not that. Hosts on which computing costs nothing do not ask.
    fn session_size(&self, _session: u32) -> u64 {
        0
    }
}

/// Who a machine is, in this life of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its process.
    pub node: NodeId,
    /// The cluster it was formatted for.
    pub cluster: ClusterId,
    /// Its log directory; another one after the disk was replaced.
    pub directory: DirectoryId,
    /// Which life of the process this is.
    pub incarnation: IncarnationId,
    /// Where it stands.
    pub rack: Option<RackId>,
    /// What its random streams follow from. The same in every life; mix in the incarnation for
    /// draws that must differ between lives.
    pub seed: u64,
}
