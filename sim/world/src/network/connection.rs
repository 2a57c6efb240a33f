//! A connection: two ends, two ways, first in, first out.

use super::way::Way;
use super::{Delivery, Network, Side};
use crate::timeline::Timeline;
use klab_machine::trace::{Fate, Message, Outcome};
use klab_machine::{Address, ConnectionId, DisconnectReason, Input};
use klab_wire::{NodeId, Time};
use std::collections::VecDeque;

/// See the module. Its ends and ways are in the order of their [sides](Side).
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Grows with every reuse of the slot: what an event must show to be meant.
    pub(super) generation: u32,
    pub(super) state: State,
    pub(super) to: Address,
    pub(super) ends: [End; 2],
    pub(super) ways: [Way; 2],
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The slot is free.
    Free,
    /// The initiator waits for an answer to its first packet.
    Connecting {
        /// Since when.
        since: Time,
        /// How often the first packet was sent again.
        retries: u32,
    },
    /// Both ends have been told, or will be by what is on the way.
    Established,
}

/// What one of the two machines has of a connection.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) site: u32,
    pub(super) machine: u32,
    pub(super) node: NodeId,
    /// Its machine has not closed it and has not been told that it is over.
    pub(super) is_open: bool,
    /// Its machine has a request in hand, and gets no other from here (`Selector.mute`).
    pub(super) muted: bool,
    /// What has arrived behind that request.
    pub(super) unread: VecDeque<Input>,
}

impl Connection {
    pub(super) fn is_established(&self) -> bool {
        self.state == State::Established
    }

    /// What became of a message, as of nearly all: sent or delivered. `end` is the one that sent it.
    #[inline]
    pub(super) fn tell_message(
        &self,
        end: Side,
        message: Message,
        fate: Outcome,
        timeline: &mut Timeline,
    ) {
        if !timeline.follows_fates() {
            return; // As in a run for the verdict alone.
        }
        let [node, peer] = [end, end.other()].map(|end| self.ends[end.index()].node);
        let message = Some(message);
        timeline.tell_fate(node, Fate { peer, connection: self.id, message, fate });
    }

    /// What became of a message, or of the connection itself. `end` is the one that sent it, or that
    /// learns it.
    pub(super) fn tell(
        &self,
        end: Side,
        message: Option<Message>,
        fate: Outcome,
        timeline: &mut Timeline,
    ) {
        let [node, peer] = [end, end.other()].map(|end| self.ends[end.index()].node);
        timeline.tell_fate(node, Fate { peer, connection: self.id, message, fate });
    }

    /// Which end is this machine's.
    pub(super) fn end_of(&self, machine: u32) -> Side {
        if self.ends[0].machine == machine { Side::Opener } else { Side::Acceptor }
    }

    /// The ends that somebody at this host holds open.
    pub(super) fn open_ends_at(&self, site: u32) -> impl Iterator<Item = Side> + use<> {
        let holds = Side::BOTH.map(|end| {
            let end = &self.ends[end.index()];
            self.state != State::Free && end.is_open && end.site == site
        });
        Side::BOTH.into_iter().filter(move |end| holds[end.index()])
    }
}

impl End {
    pub(super) fn new(site: u32, machine: u32, node: NodeId) -> Self {
        End { site, machine, node, is_open: false, muted: false, unread: VecDeque::new() }
    }
}

impl Network {
    /// Gives something that arrived to the machine at this end, or lets it wait behind the request
    /// that the machine has in hand.
    #[inline]
    pub(super) fn receive(
        &mut self,
        index: u32,
        end: Side,
        input: Input,
        timeline: &mut Timeline,
    ) -> Delivery {
        let receiver = &mut self.connections[index as usize].ends[end.index()];
        if receiver.muted {
            receiver.unread.push_back(input);
            return None;
        }
        self.hand_over(index, end, input, timeline)
    }

    /// What was read goes to the machine at this end.
    #[inline]
    pub(super) fn hand_over(
        &mut self,
        index: u32,
        end: Side,
        input: Input,
        timeline: &mut Timeline,
    ) -> Delivery {
        let receiver = &mut self.connections[index as usize].ends[end.index()];
        match &input {
            Input::Request { .. } => receiver.muted = true,
            Input::Disconnected { reason, .. } => return self.end(index, end, *reason, timeline),
            _ => {}
        }
        Some((receiver.machine, input))
    }

    /// This end learns that the connection is over.
    #[cold]
    pub(super) fn end(
        &mut self,
        index: u32,
        end: Side,
        reason: DisconnectReason,
        timeline: &mut Timeline,
    ) -> Delivery {
        self.shut(index, end, reason, timeline);
        let connection = &self.connections[index as usize];
        let (id, machine) = (connection.id, connection.ends[end.index()].machine);
        self.release_if_over(index, timeline);
        Some((machine, Input::Disconnected { connection: id, reason }))
    }

    /// This end is not there any more: what it had not read is lost.
    pub(super) fn shut(
        &mut self,
        index: u32,
        end: Side,
        reason: DisconnectReason,
        timeline: &mut Timeline,
    ) {
        let shut = &mut self.connections[index as usize].ends[end.index()];
        (shut.is_open, shut.muted) = (false, false);
        shut.unread.clear();
        self.tell(index, end, None, Outcome::Ended(reason), timeline);
    }

    /// Frees the slot when neither end is there any more.
    pub(super) fn release_if_over(&mut self, index: u32, timeline: &mut Timeline) {
        if self.connections[index as usize].ends.iter().all(|end| !end.is_open) {
            self.release(index, timeline);
        }
    }

    /// Frees the slot; what was on the way is lost.
    pub(super) fn release(&mut self, index: u32, timeline: &mut Timeline) {
        for way in Side::BOTH {
            let connection = &mut self.connections[index as usize];
            let lost = std::mem::take(&mut connection.ways[way.index()].on_the_way);
            for message in lost.into_iter().filter_map(|transit| transit.message) {
                let fate = Outcome::LostWithConnection(DisconnectReason::Closed);
                self.tell(index, way, Some(message), fate, timeline);
            }
        }
        let connection = &mut self.connections[index as usize];
        connection.state = State::Free;
        connection.generation += 1;
        let id = connection.id;
        self.free.push(index);
        self.set_index(id, u32::MAX);
    }

    /// Something sent by `end` is lost because the other end is not there any more.
    pub(super) fn lose(
        &mut self,
        index: u32,
        end: Side,
        message: Option<Message>,
        reason: DisconnectReason,
        timeline: &mut Timeline,
    ) {
        if message.is_some() {
            self.tell(index, end, message, Outcome::LostWithConnection(reason), timeline);
        }
    }
}
