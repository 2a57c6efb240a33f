//! One way of a connection on hardware that has cards: messages cut into chunks, with TCP's window.
//!
//! A chunk queues at its sender's card, travels, and queues at its receiver's card, each first in, first out, so that
//! connections share a card chunk by chunk. What is on its way and not acknowledged never exceeds the window: the
//! receiver's socket buffer, or the sender's. A connection therefore never carries more than a window per round trip,
//! and at a full card each gets a share in proportion to its window.
//!
//! Who has a request in hand does not read the next one (`Selector.mute`): it waits in the socket, and what does not fit
//! there waits at its sender until the answer has left. A large request therefore begins to come across, but for a window
//! of it, when the one before is done: requests in flight hide a round trip, and not the transfer.
//!
//! A message is complete with its last chunk. What faults do to it is decided then, for the message as a whole; what
//! a stalled connection sends again is sent whole ([`way`](super::way)).

use super::way::Way;
use super::{Network, Side};
use crate::timeline::{Event, Timeline};
use klab_wire::{Span, Time};
use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// How many bytes may be on their way unacknowledged.
    window: u64,
    outstanding: u64,
    /// What of each message has not been given to the card yet, the oldest message first.
    unsent: VecDeque<Unsent>,
    /// Chunks between the cards.
    travelling: VecDeque<Chunk>,
    /// Chunks that nobody has read, and when the receiver's card has them.
    unread: VecDeque<(Time, Chunk)>,
    /// The receiver has read a request and not dealt with it: it reads nothing.
    is_muted: bool,
    /// When acknowledgements of chunks that have arrived will be back.
    acknowledged: VecDeque<(Time, u32)>,
    /// When the last chunk reaches the receiver's card.
    last: Time,
    /// Chunks that were given up: their events mean nothing.
    stale: u32,
    /// An event at the next acknowledgement is planned.
    is_awaiting: bool,
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
struct Unsent {
    bytes: u32,
    is_request: bool,
}

/// A piece of a message.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bytes: u32,
    /// The last of its message.
    is_last: bool,
    /// The last of a request: when it has been read, nothing is until the request is dealt with.
    mutes: bool,
}

impl Flow {
    pub(super) fn new(window: u64) -> Self {
        Flow {
            window,
            outstanding: 0,
            unsent: VecDeque::new(),
            travelling: VecDeque::new(),
            unread: VecDeque::new(),
            is_muted: false,
            acknowledged: VecDeque::new(),
            last: Time::ZERO,
            stale: 0,
            is_awaiting: false,
        }
    }

    /// Everything on the way is given up: it will be sent again whole.
    pub(super) fn reset(&mut self) {
        self.unsent.clear();
        self.stale += self.travelling.len() as u32;
        self.travelling.clear();
        self.unread.clear();
        self.is_muted = false;
        self.acknowledged.clear();
        self.outstanding = 0;
    }

    /// Acknowledgements that have come by now make room.
    fn settle(&mut self, now: Time) {
        while let Some((_, bytes)) = self.acknowledged.pop_front_if(|(at, _)| *at <= now) {
            self.outstanding -= u64::from(bytes);
        }
    }

    /// The next chunk, if there is one and the window has room for it.
    fn next_chunk(&mut self, largest: u32) -> Option<u32> {
        let left = self.unsent.front_mut()?;
        let bytes = left.bytes.min(largest);
        if self.outstanding > 0 && self.outstanding + u64::from(bytes) > self.window {
            return None;
        }
        left.bytes -= bytes;
        let is_last = left.bytes == 0;
        let mutes = is_last && left.is_request;
        if is_last {
            self.unsent.pop_front();
        }
        self.outstanding += u64::from(bytes);
        self.travelling.push_back(Chunk { bytes, is_last, mutes });
        Some(bytes)
    }

    /// The receiver reads what is there, up to the end of a request. Its acknowledgement takes so long to come back.
    fn read(&mut self, now: Time, back: Span) {
        while !self.is_muted
            && let Some((complete, chunk)) = self.unread.pop_front()
        {
            self.is_muted = chunk.mutes;
            self.acknowledged.push_back((complete.max(now) + back, chunk.bytes));
        }
    }

    /// Plans to look again whether there is room, if something waits for it and nobody looks yet.
    fn await_room(&mut self, look: Event, timeline: &mut Timeline) {
        let Some((at, _)) = self.acknowledged.front() else { return };
        if !self.unsent.is_empty() && !std::mem::replace(&mut self.is_awaiting, true) {
            timeline.plan(*at, look);
        }
    }
}

impl Network {
    /// A message of so many bytes waits to be cut and sent.
    pub(super) fn send_in_chunks(
        &mut self,
        index: u32,
        way: Side,
        bytes: u32,
        is_request: bool,
        timeline: &mut Timeline,
    ) {
        let bytes = bytes.max(1) + self.profile.overhead;
        if let Some(flow) = self.flow(index, way) {
            flow.unsent.push_back(Unsent { bytes, is_request });
            self.pump(index, way, timeline);
        }
    }

    /// The server has dealt with the request it had in hand: it reads on.
    #[inline]
    pub(super) fn read_on(&mut self, index: u32, timeline: &mut Timeline) {
        let connection = &mut self.connections[index as usize];
        let back = connection.ways[1].link;
        let Some(flow) = &mut connection.ways[0].flow else { return };
        flow.is_muted = false;
        flow.read(timeline.now(), self.links[back as usize].shortest());
        let generation = connection.generation;
        let look = Event::WindowOpened { connection: index, generation, way: Side::Opener };
        flow.await_room(look, timeline);
    }

    /// A chunk comes to the receiver's card.
    pub(crate) fn chunk_arrived(
        &mut self,
        index: u32,
        generation: u32,
        way: Side,
        timeline: &mut Timeline,
    ) {
        let connection = &mut self.connections[index as usize];
        if connection.generation != generation {
            return;
        }
        let receiver = connection.ends[way.other().index()].site;
        let back = connection.ways[way.other().index()].link;
        let Way { flow, on_the_way, .. } = &mut connection.ways[way.index()];
        let flow = flow.as_mut().expect("chunks come on ways that have a flow");
        if flow.stale > 0 {
            flow.stale -= 1;
            return;
        }
        let Some(chunk) = flow.travelling.pop_front() else { return };
        let now = timeline.now();
        let complete = self.sites[receiver as usize].card.arrive(now, chunk.bytes);
        flow.unread.push_back((complete, chunk));
        flow.read(now, self.links[back as usize].shortest());
        flow.await_room(Event::WindowOpened { connection: index, generation, way }, timeline);
        if chunk.is_last
            && let Some(transit) = on_the_way.iter_mut().find(|transit| transit.is_unsent())
        {
            let at = transit.complete(complete);
            timeline.plan(at, Event::Arrival { connection: index, generation, way });
        }
    }

    /// An acknowledgement is back.
    pub(crate) fn window_opened(
        &mut self,
        index: u32,
        generation: u32,
        way: Side,
        timeline: &mut Timeline,
    ) {
        if self.connections[index as usize].generation != generation {
            return;
        }
        if let Some(flow) = self.flow(index, way) {
            flow.is_awaiting = false;
            self.pump(index, way, timeline);
        }
    }

    /// Gives the card as much as the window lets.
    fn pump(&mut self, index: u32, way: Side, timeline: &mut Timeline) {
        let largest = self.profile.chunk;
        let connection = &mut self.connections[index as usize];
        let (generation, site) = (connection.generation, connection.ends[way.index()].site);
        let sender = &mut connection.ways[way.index()];
        let link = &mut self.links[sender.link as usize];
        let Some(flow) = &mut sender.flow else { return };
        flow.settle(timeline.now());
        while let Some(chunk) = flow.next_chunk(largest) {
            let left = self.sites[site as usize].card.leave(timeline.now(), chunk);
            flow.last = link.travel(left, chunk).max(flow.last);
            timeline.plan(flow.last, Event::Chunk { connection: index, generation, way });
        }
        flow.await_room(Event::WindowOpened { connection: index, generation, way }, timeline);
    }

    fn flow(&mut self, index: u32, way: Side) -> Option<&mut Flow> {
        self.connections[index as usize].ways[way.index()].flow.as_mut()
    }
}
