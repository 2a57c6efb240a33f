//! What a machine asks of the world, in order, and what it tells of itself in between.

use crate::fact::FactSet;
use crate::trace::What;
use crate::{Address, Change, ConnectionId, CorrelationId, Fact, File, FlushId, Operation, Timer};
use klab_wire::{Frame, Request, Response, Span};
use std::vec::Drain;

/// A request to the world. The machine never learns how it was carried out.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a connection; `Connected` or `Disconnected` will follow.
    Connect {
        /// The number it shall have.
        connection: ConnectionId,
        /// Where to.
        to: Address,
    },
    /// Close a connection in order; what is in flight on it is lost.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Send a request.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// What the response will carry.
        correlation: CorrelationId,
        /// The request.
        request: Request,
    },
    /// Answer a request.
    Respond {
        /// On which connection.
        connection: ConnectionId,
        /// Which request.
        correlation: CorrelationId,
        /// The response.
        response: Response,
    },
    /// Say something on a stream that has no questions and answers.
    Frame {
        /// On which connection.
        connection: ConnectionId,
        /// What.
        frame: Frame,
    },
    /// Wake me after this span of my own clock; a timer of that name that is set already moves.
    SetTimer {
        /// The timer.
        timer: Timer,
        /// From now.
        after: Span,
    },
    /// Forget a timer.
    StopTimer {
        /// The timer.
        timer: Timer,
    },
    /// Change a file. The change reaches the page cache: it survives a crash of the process, not of
    /// the power.
    Store {
        /// The file.
        file: File,
        /// The change.
        change: Change,
    },
    /// Bring everything stored in a file so far to the platter (fsync); `Flushed` will follow.
    Flush {
        /// The file.
        file: File,
        /// What `Flushed` shall carry.
        then: FlushId,
    },
    /// Read from a file. The content is in memory anyway: this costs time only.
    Read {
        /// The file.
        file: File,
        /// From which byte.
        position: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// This step has used so much processor time beyond what its messages cost.
    Spend {
        /// How much.
        cpu: Span,
    },
    /// End this process at once (`Exit.halt`): nothing more is written.
    Halt,
}

/// A fact or an operation that a step tells, for the trace.
#[derive(Clone, Debug)]
pub struct Told {
    /// After how many of the step's effects.
    pub after: u32,
    /// What is told.
    pub what: What,
}

/// The effects of one step, in the order in which they are carried out, and what it tells.
///
/// Effects leave the host when the step's service time has passed. Order is structural: "persist,
/// then send" is `flush` now and `send` when the flush is reported done. What is told waits in a list of its
/// own, each with its place: it is several times as large as an effect, and only observers take it up.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    effects: Vec<Effect>,
    told: Vec<Told>,
    connections: u64,
    flushes: u64,
    is_quiet: bool,
    untold: FactSet,
}

impl Outbox {
    /// An empty outbox of a process, whose connections will be numbered from `first_connection`.
    ///
    /// Numbers must be unique in the world: the world gives every life of a process its own range.
    pub fn new(first_connection: u64) -> Self {
        Outbox { connections: first_connection, ..Outbox::default() }
    }

    /// The same outbox for a world in which nobody wants to be told these facts.
    pub fn without(self, untold: FactSet) -> Self {
        Outbox { untold, ..self }
    }

    /// Asks for a connection, and names it.
    pub fn connect(&mut self, to: Address) -> ConnectionId {
        let connection = ConnectionId(self.connections);
        self.connections += 1;
        self.effects.push(Effect::Connect { connection, to });
        connection
    }

    /// Closes a connection in order.
    pub fn close(&mut self, connection: ConnectionId) {
        self.effects.push(Effect::Close { connection });
    }

    /// Sends a request.
    pub fn send(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        request: impl Into<Request>,
    ) {
        self.effects.push(Effect::Send { connection, correlation, request: request.into() });
    }

    /// Answers a request.
    pub fn respond(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        response: Response,
    ) {
        self.effects.push(Effect::Respond { connection, correlation, response });
    }

    /// Says something on a stream that has no questions and answers.
    pub fn frame(&mut self, connection: ConnectionId, frame: Frame) {
        self.effects.push(Effect::Frame { connection, frame });
    }

    /// Sets a timer, or moves it.
    pub fn set_timer(&mut self, timer: Timer, after: Span) {
        self.effects.push(Effect::SetTimer { timer, after });
    }

    /// Forgets a timer.
    pub fn stop_timer(&mut self, timer: Timer) {
        self.effects.push(Effect::StopTimer { timer });
    }

    /// Changes a file, as far as the page cache.
    pub fn store(&mut self, file: File, change: Change) {
        self.effects.push(Effect::Store { file, change });
    }

    /// Asks for an fsync of a file, and names it.
    pub fn flush(&mut self, file: File) -> FlushId {
        let then = FlushId(self.flushes);
        self.flushes += 1;
        self.effects.push(Effect::Flush { file, then });
        then
    }

    /// Says that a file is read: costs time only.
    pub fn read(&mut self, file: File, position: u64, bytes: u64) {
        self.effects.push(Effect::Read { file, position, bytes });
    }

    /// Uses processor time beyond what the messages of this step cost.
    pub fn spend(&mut self, cpu: Span) {
        self.effects.push(Effect::Spend { cpu });
    }

    /// Records the beginning or the end of a client call.
    pub fn record(&mut self, operation: Operation) {
        self.tell(What::Operation(operation));
    }

    /// States a fact, where the change is made. Which fact it is is known there, and so whether anybody wants it; if so, it
    /// is put together where it will lie.
    #[inline(always)]
    pub fn state(&mut self, fact: impl Into<Fact>) {
        let fact = fact.into();
        if !self.is_quiet && !self.untold.has(&fact) {
            self.tell(What::Fact(fact));
        }
    }

    #[inline(always)]
    fn tell(&mut self, what: What) {
        self.told.push(Told { after: self.effects.len() as u32, what });
    }

    /// Does something, and if `quiet`, without stating the facts of it: for a part that the modelled
    /// process does not have.
    pub fn quietly<T>(&mut self, quiet: bool, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.is_quiet;
        self.is_quiet |= quiet;
        let done = act(self);
        self.is_quiet = before;
        done
    }

    /// Ends this process at once.
    pub fn halt(&mut self) {
        self.effects.push(Effect::Halt);
    }

    /// The step has asked for nothing and told nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.told.is_empty()
    }

    /// The effects so far, for a test or a component that looks at what it has asked for.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Takes the effects out, in order; the outbox keeps its memory and its numbering.
    pub fn drain(&mut self) -> Drain<'_, Effect> {
        self.effects.drain(..)
    }

    /// Takes the effects out together with what is told between them.
    pub fn drain_all(&mut self) -> (Drain<'_, Effect>, Drain<'_, Told>) {
        (self.effects.drain(..), self.told.drain(..))
    }

    /// Takes out the facts that were stated, for a test; operations are forgotten.
    pub fn drain_facts(&mut self) -> impl Iterator<Item = Fact> {
        self.told.drain(..).filter_map(|told| match told.what {
            What::Fact(fact) => Some(fact),
            _ => None,
        })
    }
}
