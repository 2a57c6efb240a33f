//! One way of a connection: what TCP makes of delay, loss and a cut link.
//!
//! A message that is lost, or that a cut link swallows, stalls its way: it is [sent again](super::retransmission),
//! and everything behind it waits, so that order is kept.

use super::flow::Flow;
use super::retransmission::Stall;
use super::tamper::Tampering;
use super::{Delivery, Network, Side};
use crate::timeline::{Event, Timeline};
use klab_machine::trace::{Message, MessageKind, Outcome};
use klab_machine::{DisconnectReason, Input};
use klab_wire::{Span, Time};
use std::collections::VecDeque;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) link: u32,
    /// What was sent and has not arrived, oldest first.
    pub(super) on_the_way: VecDeque<Transit>,
    pub(super) last_arrival: Time,
    /// How it is sent where there are windows.
    pub(super) flow: Option<Flow>,
    pub(super) stall: Option<Stall>,
    /// A fault has dropped a message: nothing behind it can arrive either.
    hangs: bool,
    /// The sender's host has lost its power: what does not get across at once is never sent again.
    is_forsaken: bool,
}

/// A message between its two ends.
#[derive(Clone, Debug)]
pub(super) struct Transit {
    /// When it arrives; [`Time::MAX`] while its way is stalled, or its last chunk is not there.
    pub(super) arrives: Time,
    pub(super) bytes: u32,
    /// One of its packets is lost this time.
    pub(super) is_lost: bool,
    /// It has passed the receiver's card.
    pub(super) is_in: bool,
    /// How much longer a fault holds it up, once it is there.
    held: Span,
    /// Its name in the trace; none for what only TCP sends.
    pub(super) message: Option<Message>,
    /// What its receiver will be handed.
    input: Input,
}

impl Transit {
    /// Its last chunk has not arrived, or its way is stalled.
    pub(super) fn is_unsent(&self) -> bool {
        self.arrives == Time::MAX
    }

    /// An event has come too early: for one of those behind it, which is let in when this one is.
    #[cold]
    fn await_card(&self, connection: u32, generation: u32, way: Side, timeline: &mut Timeline) {
        if self.is_in && !self.is_unsent() {
            timeline.plan(self.arrives, Event::Arrival { connection, generation, way });
        }
    }

    /// Its last chunk has arrived. Tells when it counts as there.
    pub(super) fn complete(&mut self, at: Time) -> Time {
        self.arrives = at + self.held;
        self.arrives
    }
}

impl Way {
    pub(super) fn new(link: u32, window: Option<u64>) -> Self {
        Way {
            flow: window.map(Flow::new),
            link,
            on_the_way: VecDeque::new(),
            last_arrival: Time::ZERO,
            stall: None,
            hangs: false,
            is_forsaken: false,
        }
    }

    fn is_blocked(&self) -> bool {
        self.stall.is_some_and(|stall| stall.blocks)
    }

    /// The sender's system is gone or cut off: what it had not got across dies with it.
    pub(super) fn drop_what_is_held(&mut self) {
        if self.is_blocked() {
            self.on_the_way.clear();
        }
        self.stall = None;
    }

    /// The sender's host has lost its power: what is on the way is sent this once.
    pub(super) fn forsake(&mut self) {
        self.drop_what_is_held();
        self.is_forsaken = true;
    }
}

impl Network {
    /// Sends a message with everything that links and faults do to it.
    #[inline]
    pub(super) fn dispatch(
        &mut self,
        index: u32,
        way: Side,
        message: Message,
        input: Input,
        timeline: &mut Timeline,
    ) {
        let connection = &self.connections[index as usize];
        if !connection.is_established() || !connection.ends[way.index()].is_open {
            return;
        }
        connection.tell_message(way, message, Outcome::Sent, timeline);
        let Way { link, hangs, .. } = &connection.ways[way.index()];
        match *hangs || !self.links[*link as usize].tampers.is_empty() {
            true => self.dispatch_tampered(index, way, message, input, timeline),
            false => self.put_on_the_way(index, way, message.bytes, Some(message), input, timeline),
        }
    }

    /// Sends a message on a way that a fault tampers with.
    #[cold]
    fn dispatch_tampered(
        &mut self,
        index: u32,
        way: Side,
        message: Message,
        input: Input,
        timeline: &mut Timeline,
    ) {
        let Way { link, hangs, .. } = self.connections[index as usize].ways[way.index()];
        let tampering = if hangs { Some(Tampering::Drop) } else { self.tampered(link, &message) };
        if tampering == Some(Tampering::Drop) {
            self.connections[index as usize].ways[way.index()].hangs = true;
            return self.tell(index, way, Some(message), Outcome::Dropped, timeline);
        }
        self.post(index, way, message.bytes, Some(message), input, timeline);
        if let Some(Tampering::Delay(delay)) = tampering {
            self.delay_newest(index, way, delay, timeline);
        }
    }

    /// Posts what is no ordinary message, and rare.
    pub(super) fn post(
        &mut self,
        index: u32,
        way: Side,
        bytes: u32,
        message: Option<Message>,
        input: Input,
        timeline: &mut Timeline,
    ) {
        self.put_on_the_way(index, way, bytes, message, input, timeline);
    }

    #[inline(always)]
    fn put_on_the_way(
        &mut self,
        index: u32,
        way: Side,
        bytes: u32,
        message: Option<Message>,
        input: Input,
        timeline: &mut Timeline,
    ) {
        let connection = &mut self.connections[index as usize];
        let (generation, site) = (connection.generation, connection.ends[way.index()].site);
        let sender = &mut connection.ways[way.index()];
        if sender.flow.is_some() {
            return self.post_in_chunks(index, way, bytes, message, input, timeline);
        }
        let link = &mut self.links[sender.link as usize];
        let left = self.sites[site as usize].card.leave(timeline.now(), bytes);
        let is_lost = link.loses(bytes);
        let mut arrives = link.travel(left, bytes).max(sender.last_arrival);
        if sender.is_blocked() {
            arrives = Time::MAX;
        } else {
            sender.last_arrival = arrives;
            timeline.plan(arrives, Event::Arrival { connection: index, generation, way });
        }
        let held = Span::ZERO;
        let transit = Transit { arrives, bytes, is_lost, is_in: false, held, message, input };
        sender.on_the_way.push_back(transit);
    }

    /// Puts something on the way that goes in chunks. A stalled way takes it along when it goes on.
    fn post_in_chunks(
        &mut self,
        index: u32,
        way: Side,
        bytes: u32,
        message: Option<Message>,
        input: Input,
        timeline: &mut Timeline,
    ) {
        let sender = &mut self.connections[index as usize].ways[way.index()];
        let is_lost = self.links[sender.link as usize].loses(bytes);
        let (arrives, held) = (Time::MAX, Span::ZERO);
        let transit = Transit { arrives, bytes, is_lost, is_in: true, held, message, input };
        sender.on_the_way.push_back(transit);
        if !sender.is_blocked() {
            let is_request = matches!(message, Some(Message { kind: MessageKind::Request(_), .. }));
            self.send_in_chunks(index, way, bytes, is_request, timeline);
        }
    }

    /// Tells the other end that nothing more will come.
    pub(super) fn post_end(
        &mut self,
        index: u32,
        way: Side,
        reason: DisconnectReason,
        timeline: &mut Timeline,
    ) {
        let connection = self.connections[index as usize].id;
        self.post(index, way, 0, None, Input::Disconnected { connection, reason }, timeline);
    }

    fn delay_newest(&mut self, index: u32, way: Side, delay: Span, timeline: &mut Timeline) {
        let connection = &mut self.connections[index as usize];
        let generation = connection.generation;
        let sender = &mut connection.ways[way.index()];
        let Some(newest) = sender.on_the_way.back_mut() else { return };
        newest.held = delay;
        if newest.arrives < Time::MAX {
            newest.arrives += delay;
            sender.last_arrival = newest.arrives;
            let event = Event::Arrival { connection: index, generation, way };
            timeline.plan(newest.arrives, event);
        }
    }

    /// The oldest message on a way may be there.
    pub(crate) fn arrival(
        &mut self,
        index: u32,
        generation: u32,
        way: Side,
        timeline: &mut Timeline,
    ) -> Delivery {
        let connection = &mut self.connections[index as usize];
        let sender = &mut connection.ways[way.index()];
        let receiver = &connection.ends[way.other().index()];
        if connection.generation != generation || sender.is_blocked() {
            return None;
        }
        let oldest = sender.on_the_way.front_mut()?;
        if oldest.arrives > timeline.now() {
            oldest.await_card(index, generation, way, timeline);
            return None;
        }
        let site = &mut self.sites[receiver.site as usize];
        if !oldest.is_in {
            // The bytes come in one behind the other through the receiver's card.
            oldest.is_in = true;
            let complete = site.card.arrive(timeline.now(), oldest.bytes);
            if complete > timeline.now() {
                oldest.arrives = complete;
                timeline.plan(complete, Event::Arrival { connection: index, generation, way });
                return None;
            }
        }
        if oldest.is_lost || !site.has_power || self.links[sender.link as usize].is_cut {
            self.did_not_arrive(index, way, timeline);
            return None;
        }
        if !receiver.is_open {
            self.arrived_at_nobody(index, way, timeline);
            return None;
        }
        match self.is_open(index, way.other()) {
            true => self.deliver_oldest(index, way, timeline),
            false => self.deliver_unacknowledged(index, way, timeline),
        }
    }

    /// The receiver's host has answered that it knows no such connection.
    pub(crate) fn reset_arrival(
        &mut self,
        index: u32,
        generation: u32,
        end: Side,
        timeline: &mut Timeline,
    ) -> Delivery {
        let is_there = self.lives(index, generation)
            && self.connections[index as usize].ends[end.index()].is_open;
        if !is_there {
            return None;
        }
        self.end(index, end, DisconnectReason::Reset, timeline)
    }

    /// Packets pass this way: the link is not cut, and the receiver's host has power.
    #[inline]
    pub(super) fn is_open(&self, index: u32, way: Side) -> bool {
        let receiver = &self.connections[index as usize].ends[way.other().index()];
        !self.is_cut(index, way) && self.sites[receiver.site as usize].has_power
    }

    /// The link of this way is cut.
    pub(super) fn is_cut(&self, index: u32, way: Side) -> bool {
        let link = self.connections[index as usize].ways[way.index()].link;
        self.links[link as usize].is_cut
    }

    pub(super) fn lives(&self, index: u32, generation: u32) -> bool {
        self.connections[index as usize].generation == generation
    }

    #[inline(always)]
    pub(super) fn deliver_oldest(
        &mut self,
        index: u32,
        way: Side,
        timeline: &mut Timeline,
    ) -> Delivery {
        let connection = &mut self.connections[index as usize];
        let transit = connection.ways[way.index()].on_the_way.pop_front()?;
        if let Some(message) = transit.message {
            self.delivered += 1;
            connection.tell_message(way, message, Outcome::Delivered, timeline);
        }
        self.receive(index, way.other(), transit.input, timeline)
    }

    /// The receiver's host has no such connection any more: it says so, if it can.
    #[cold]
    fn arrived_at_nobody(&mut self, index: u32, way: Side, timeline: &mut Timeline) {
        if self.is_cut(index, way.other()) {
            return self.stall(index, way, true, timeline);
        }
        let sender = &mut self.connections[index as usize].ways[way.index()];
        sender.flow.iter_mut().for_each(Flow::reset);
        for transit in std::mem::take(&mut sender.on_the_way) {
            self.lose(index, way, transit.message, DisconnectReason::Reset, timeline);
        }
        let connection = &self.connections[index as usize];
        let back = connection.ways[way.other().index()].link;
        let generation = connection.generation;
        let at = self.links[back as usize].travel(timeline.now(), 0);
        let at = at.max(self.connections[index as usize].ways[way.other().index()].last_arrival);
        timeline.plan(at, Event::ResetArrival { connection: index, generation, end: way });
    }

    /// The oldest message is lost on the way: it is sent again, if somebody is left who could.
    #[cold]
    fn did_not_arrive(&mut self, index: u32, way: Side, timeline: &mut Timeline) {
        let sender = &mut self.connections[index as usize].ways[way.index()];
        if !sender.is_forsaken {
            return self.stall(index, way, true, timeline);
        }
        for transit in std::mem::take(&mut sender.on_the_way) {
            self.lose(index, way, transit.message, DisconnectReason::Broken, timeline);
        }
    }
}
