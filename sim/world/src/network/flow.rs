//! One way of a connection on hardware that has cards: messages cut into chunks, with TCP's window.
//!
//! A chunk queues at its sender's card, travels, and queues at its receiver's card, each first in, first out, so that
//! connections share a card chunk by chunk. What is on its way and not acknowledged never exceeds the window: the
//! receiver's socket buffer, or the sender's. A connection therefore never carries more than a window per round trip,
//! and at a full card each gets a share in proportion to its window.
//!
//! A message is complete with its last chunk. What faults do to it is decided then, for the message as a whole; what
//! a stalled connection sends again is sent whole ([`way`](super::way)).

use super::Network;
use super::way::Way;
use crate::timeline::{Event, Timeline};
use klab_wire::Time;
use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// How many bytes may be on their way unacknowledged.
    window: u64,
    outstanding: u64,
    /// What of each message has not been given to the card yet, the oldest message first.
    unsent: VecDeque<u32>,
    /// Chunks between the cards, and whether each is the last of its message.
    travelling: VecDeque<(u32, bool)>,
    /// When acknowledgements of chunks that have arrived will be back.
    acknowledged: VecDeque<(Time, u32)>,
    /// When the last chunk reaches the receiver's card.
    last: Time,
    /// Chunks that were given up: their events mean nothing.
    stale: u32,
    /// An event at the next acknowledgement is planned.
    is_awaiting: bool,
}

impl Flow {
    pub(super) fn new(window: u64) -> Self {
        Flow {
            window,
            outstanding: 0,
            unsent: VecDeque::new(),
            travelling: VecDeque::new(),
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
    fn next_chunk(&mut self, largest: u32) -> Option<(u32, bool)> {
        let left = self.unsent.front_mut()?;
        let chunk = (*left).min(largest);
        if self.outstanding > 0 && self.outstanding + u64::from(chunk) > self.window {
            return None;
        }
        *left -= chunk;
        let is_last = *left == 0;
        if is_last {
            self.unsent.pop_front();
        }
        self.outstanding += u64::from(chunk);
        self.travelling.push_back((chunk, is_last));
        Some((chunk, is_last))
    }

    /// When to look again whether there is room, if something waits for it and nobody looks yet.
    fn await_room(&mut self) -> Option<Time> {
        let (at, _) = *self.acknowledged.front()?;
        let waits = !self.unsent.is_empty() && !self.is_awaiting;
        self.is_awaiting |= waits;
        waits.then_some(at)
    }
}

impl Network {
    /// A message of so many bytes waits to be cut and sent.
    pub(super) fn send_in_chunks(
        &mut self,
        index: u32,
        way: u8,
        bytes: u32,
        timeline: &mut Timeline,
    ) {
        let overhead = self.profile.overhead;
        if let Some(flow) = self.flow(index, way) {
            flow.unsent.push_back(bytes.max(1) + overhead);
            self.pump(index, way, timeline);
        }
    }

    /// A chunk comes to the receiver's card.
    pub(crate) fn chunk_arrived(
        &mut self,
        index: u32,
        generation: u32,
        way: u8,
        timeline: &mut Timeline,
    ) {
        let connection = &mut self.connections[index as usize];
        if connection.generation != generation {
            return;
        }
        let receiver = connection.ends[usize::from(1 - way)].site;
        let back = connection.ways[usize::from(1 - way)].link;
        let Way { flow, on_the_way, .. } = &mut connection.ways[usize::from(way)];
        let flow = flow.as_mut().expect("chunks come on ways that have a flow");
        if flow.stale > 0 {
            flow.stale -= 1;
            return;
        }
        let Some((bytes, is_last)) = flow.travelling.pop_front() else { return };
        let complete = self.sites[receiver as usize].card.arrive(timeline.now(), bytes);
        let acknowledged = complete + self.links[back as usize].shortest();
        flow.acknowledged.push_back((acknowledged, bytes));
        if let Some(at) = flow.await_room() {
            timeline.plan(at, Event::WindowOpened { connection: index, generation, way });
        }
        if is_last && let Some(transit) = on_the_way.iter_mut().find(|transit| transit.is_unsent())
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
        way: u8,
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
    fn pump(&mut self, index: u32, way: u8, timeline: &mut Timeline) {
        let largest = self.profile.chunk;
        let connection = &mut self.connections[index as usize];
        let (generation, site) = (connection.generation, connection.ends[usize::from(way)].site);
        let sender = &mut connection.ways[usize::from(way)];
        let link = &mut self.links[sender.link as usize];
        let Some(flow) = &mut sender.flow else { return };
        flow.settle(timeline.now());
        while let Some((chunk, _)) = flow.next_chunk(largest) {
            let left = self.sites[site as usize].card.leave(timeline.now(), chunk);
            flow.last = link.travel(left, chunk).max(flow.last);
            timeline.plan(flow.last, Event::Chunk { connection: index, generation, way });
        }
        if let Some(at) = flow.await_room() {
            timeline.plan(at, Event::WindowOpened { connection: index, generation, way });
        }
    }

    fn flow(&mut self, index: u32, way: u8) -> Option<&mut Flow> {
        self.connections[index as usize].ways[usize::from(way)].flow.as_mut()
    }
}
