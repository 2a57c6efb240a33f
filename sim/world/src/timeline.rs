//! The present moment of a run, with the events still to come and the entries of what has come.
//!
//! One [queue](crate::queue), ordered by time and then by a sequence number: a run never depends on a
//! heap's whims.

use crate::network::Side;
use crate::queue::Queue;
use klab_machine::Told;
use klab_machine::fact::FactSet;
use klab_machine::fingerprint::Fingerprint;
use klab_machine::trace::{Entry, Fate, What};
use klab_wire::{NodeId, Time};
use std::hash::Hash;
use std::vec::Drain;

/// What is planned. Small on purpose: messages travel in their connection, not in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The oldest message on one way of a connection reaches its receiver.
    Arrival { connection: u32, generation: u32, way: Side },
    /// A sender has waited long enough for an acknowledgement.
    Retransmission { connection: u32, generation: u32, way: Side },
    /// A host answered a packet for a connection that it does not know.
    ResetArrival { connection: u32, generation: u32, end: Side },
    /// A leg of the three-way handshake is done.
    Handshake { connection: u32, generation: u32, leg: Leg },
    /// A timer of a machine may be due.
    Timer { machine: u32, slot: u32, armed: u32 },
    /// A piece of a message reaches its receiver's network card.
    Chunk { connection: u32, generation: u32, way: Side },
    /// An acknowledgement lets a sender send more.
    WindowOpened { connection: u32, generation: u32, way: Side },
    /// An input or a message goes on its way through its host.
    Staged { machine: u32, serial: u32 },
    /// A collection is over.
    Thaw { process: u32 },
    /// The disk of a log directory has finished the oldest of its operations.
    DiskDone { machine: u32, directory: u16, generation: u32 },
    /// The system writes dirty pages back.
    WriteBack { machine: u32, generation: u32 },
}

/// A leg of the handshake that opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leg {
    /// The first packet reaches the listener's host.
    Syn,
    /// The listener's answer reaches the initiator.
    SynAck,
    /// Nobody listened, and the initiator learns it.
    Refusal,
    /// No answer came; the first packet is sent again.
    Retry,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    now: Time,
    step: u64,
    queue: Queue<Event>,
    /// Events in the queue that are known to mean nothing any more.
    dead: u64,
    entries: Vec<Entry>,
    /// How many of the entries a caller has been shown.
    shown: usize,
    /// None if nobody asks for it.
    fingerprint: Option<Fingerprint>,
    /// The last step that is in the fingerprint.
    digested: u64,
    /// Whether somebody wants to see what became of messages.
    shows_fates: bool,
    /// The facts that nobody wants to see.
    hidden: FactSet,
}

/// Below this many events the queue is not worth tidying.
const WORTH_TIDYING: usize = 4_096;

impl Timeline {
    pub(crate) fn new() -> Self {
        Timeline {
            now: Time::ZERO,
            step: 0,
            queue: Queue::new(),
            dead: 0,
            entries: Vec::new(),
            shown: 0,
            fingerprint: Some(Fingerprint::new()),
            digested: 0,
            shows_fates: true,
            hidden: FactSet::default(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn steps(&self) -> u64 {
        self.step
    }

    pub(crate) fn events(&self) -> u64 {
        self.queue.planned()
    }

    /// Plans an event; one for the past happens now.
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        self.queue.push(at.max(self.now), event);
    }

    /// When the next event is due.
    pub(crate) fn next_time(&self) -> Option<Time> {
        self.queue.next_time()
    }

    /// Moves on to the next event, if it comes before a time.
    #[inline]
    pub(crate) fn next_before(&mut self, limit: Option<Time>) -> Option<Event> {
        let (at, event) = self.queue.pop_before(limit)?;
        self.now = at;
        Some(event)
    }

    /// Moves on to a time at or before the next event.
    pub(crate) fn advance(&mut self, to: Time) {
        debug_assert!(self.next_time().is_none_or(|next| to <= next), "events are not skipped");
        self.now = self.now.max(to);
    }

    /// Begins a step: entries that somebody has been shown are forgotten.
    #[inline]
    pub(crate) fn begin_step(&mut self) {
        self.step += 1;
        if self.shown > 0 {
            self.forget_shown();
        }
    }

    #[cold]
    fn forget_shown(&mut self) {
        match self.shown == self.entries.len() {
            true => self.entries.clear(),
            false => drop(self.entries.drain(..self.shown)),
        }
        self.shown = 0;
    }

    /// What was begun turns out to be no step: nothing has happened.
    pub(crate) fn take_step_back(&mut self) {
        self.step -= 1;
    }

    /// How many entries nobody has been shown.
    #[inline]
    pub(crate) fn unshown(&self) -> usize {
        self.entries.len() - self.shown
    }

    /// What has been told since the last time somebody asked.
    pub(crate) fn show(&mut self) -> &[Entry] {
        let from = self.shown;
        self.shown = self.entries.len();
        &self.entries[from..]
    }

    /// Tells something: it enters the trace and the fingerprint.
    pub(crate) fn tell(&mut self, node: NodeId, what: What) {
        self.digest(node, &what);
        self.entries.push(Entry { step: self.step, time: self.now, node, what });
    }

    /// Tells the first of what a machine tells: what comes after so many of its effects at the most.
    #[inline]
    pub(crate) fn tell_first(&mut self, node: NodeId, told: &mut Drain<'_, Told>, effects: u32) {
        let is_first = |first: &Told| first.after <= effects;
        if told.as_slice().first().is_some_and(is_first) {
            let count = told.as_slice().iter().take_while(|told| is_first(told)).count();
            self.tell_next(node, told, count);
        }
    }

    /// Each is digested where it is, and moved once, if somebody wants to see it.
    fn tell_next(&mut self, node: NodeId, told: &mut Drain<'_, Told>, count: usize) {
        let (step, time) = (self.step, self.now);
        let entry = |told: Told| Entry { step, time, node, what: told.what };
        if self.fingerprint.is_none() {
            return self.entries.extend(told.take(count).map(entry));
        }
        for told in told.take(count) {
            self.digest(node, &told.what);
            if !self.hides(&told.what) {
                self.entries.push(entry(told));
            }
        }
    }

    #[inline]
    fn hides(&self, what: &What) -> bool {
        matches!(what, What::Fact(fact) if self.hidden.has(fact))
    }

    /// The first entry of a step brings the step itself into the fingerprint.
    #[inline]
    fn digest(&mut self, node: NodeId, what: &impl Hash) {
        let Some(fingerprint) = &mut self.fingerprint else { return };
        if std::mem::replace(&mut self.digested, self.step) != self.step {
            fingerprint.add(&(self.step, self.now.0));
        }
        fingerprint.add(&(node, what));
    }

    /// Somebody wants to know what becomes of messages, or the fingerprint does.
    #[inline]
    pub(crate) fn follows_fates(&self) -> bool {
        self.shows_fates || self.fingerprint.is_some()
    }

    /// Tells what became of a message or a connection: half of a trace.
    pub(crate) fn tell_fate(&mut self, node: NodeId, fate: Fate) {
        self.digest(node, &fate);
        if self.shows_fates {
            self.show_fate(node, fate);
        }
    }

    /// Out of line: whoever judges a thousand runs sees no fates.
    #[cold]
    fn show_fate(&mut self, node: NodeId, fate: Fate) {
        self.entries.push(Entry { step: self.step, time: self.now, node, what: What::Fate(fate) });
    }

    /// From now on nobody is shown what became of messages, nor these facts of machines; the fingerprint has it
    /// all the same.
    pub(crate) fn hide(&mut self, facts: FactSet) {
        self.shows_fates = false;
        self.hidden = facts;
    }

    /// Nobody wants the fingerprint either: what is hidden is not even told.
    pub(crate) fn leave_undigested(&mut self) {
        self.fingerprint = None;
    }

    /// The facts that machines need not tell.
    pub(crate) fn untold(&self) -> FactSet {
        match self.fingerprint {
            Some(_) => FactSet::default(),
            None => self.hidden,
        }
    }

    pub(crate) fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// One event in the queue means nothing any more.
    pub(crate) fn bury(&mut self) {
        self.dead += 1;
    }

    /// A buried event means something again, or has left the queue.
    pub(crate) fn unbury(&mut self) {
        self.dead = self.dead.saturating_sub(1);
    }

    /// Most of the queue means nothing any more.
    pub(crate) fn wants_tidying(&self) -> bool {
        self.queue.len() > WORTH_TIDYING && self.dead * 2 > self.queue.len() as u64
    }

    /// Keeps only what still means something. Order is kept: it is in the events' own numbers.
    pub(crate) fn tidy(&mut self, mut is_live: impl FnMut(Event) -> bool) {
        self.queue.retain(|event| is_live(*event));
        self.dead = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(slot: u32) -> Event {
        Event::Timer { machine: 0, slot, armed: 0 }
    }

    #[test]
    fn an_event_for_the_past_happens_now() {
        let mut timeline = Timeline::new();
        timeline.advance(Time(9));
        timeline.plan(Time(2), timer(1));
        assert_eq!(timeline.next_time(), Some(Time(9)));
    }
}
