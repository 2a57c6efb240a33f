//! One way of a connection: what TCP makes of delay, loss and a cut link.
//!
//! A message that is lost, or that a cut link swallows, stalls its way: it is sent again after a wait that
//! doubles each time (`TCP_RTO_MIN` to `TCP_RTO_MAX`), and everything behind it waits, so that order
//! is kept. What heals in time is delivered late; else the sender's end breaks at a limit
//! (`tcp_retries2`). When only the way back is cut, messages arrive but their acknowledgements do not:
//! after the first wait the sender sends nothing new (its congestion window is one segment), repeats the
//! oldest message, and in the end breaks too.

use super::flow::Flow;
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
    last_arrival: Time,
    /// How it is sent where there are windows.
    pub(super) flow: Option<Flow>,
    stall: Option<Stall>,
    /// A fault has dropped a message: nothing behind it can arrive either.
    hangs: bool,
    /// The sender's host has lost its power: what does not get across at once is never sent again.
    is_forsaken: bool,
}

/// A message between its two ends.
#[derive(Clone, Debug)]
pub(super) struct Transit {
    /// When it arrives; [`Time::MAX`] while its way is stalled, or its last chunk is not there.
    arrives: Time,
    bytes: u32,
    /// One of its packets is lost this time.
    is_lost: bool,
    /// It has passed the receiver's card.
    is_in: bool,
    /// How much longer a fault holds it up, once it is there.
    held: Span,
    /// Its name in the trace; none for what only TCP sends.
    pub(super) message: Option<Message>,
    /// What its receiver will be handed.
    input: Input,
}

/// The sender waits for an acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Time,
    /// When it will send again.
    due: Time,
    wait: Span,
    /// Nothing new is sent: the oldest message is lost, or has been repeated already.
    blocks: bool,
    /// The oldest message that is not acknowledged has arrived.
    is_delivered: bool,
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

    /// The oldest message has arrived, and its sender does not learn it.
    #[cold]
    fn deliver_unacknowledged(
        &mut self,
        index: u32,
        way: Side,
        timeline: &mut Timeline,
    ) -> Delivery {
        let generation = self.connections[index as usize].generation;
        let delivery = self.deliver_oldest(index, way, timeline);
        if self.lives(index, generation) {
            self.stall(index, way, false, timeline);
        }
        delivery
    }

    /// The sender has waited long enough for an acknowledgement.
    pub(crate) fn retransmission(
        &mut self,
        index: u32,
        generation: u32,
        way: Side,
        timeline: &mut Timeline,
    ) -> Delivery {
        if !self.lives(index, generation) {
            return None;
        }
        let stall = self.connections[index as usize].ways[way.index()].stall?;
        if stall.due > timeline.now() {
            return None;
        }
        if timeline.now().since(stall.since) >= self.profile.break_after {
            return self.give_up(index, way, timeline);
        }
        self.tell_retransmission(index, way, timeline);
        let link = self.connections[index as usize].ways[way.index()].link;
        let arrives = self.is_open(index, way) && !self.links[link as usize].loses_again();
        let acknowledged = self.is_open(index, way.other());
        match (arrives, acknowledged) {
            (true, true) => self.resume(index, way, timeline),
            (true, false) if !stall.is_delivered => {
                self.wait_longer(index, way, true, timeline);
                return self.deliver_held(index, way, timeline);
            }
            _ => self.wait_longer(index, way, stall.is_delivered, timeline),
        }
        None
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

    fn lives(&self, index: u32, generation: u32) -> bool {
        self.connections[index as usize].generation == generation
    }

    #[inline(always)]
    fn deliver_oldest(&mut self, index: u32, way: Side, timeline: &mut Timeline) -> Delivery {
        let connection = &mut self.connections[index as usize];
        let transit = connection.ways[way.index()].on_the_way.pop_front()?;
        if let Some(message) = transit.message {
            self.delivered += 1;
            connection.tell_message(way, message, Outcome::Delivered, timeline);
        }
        self.receive(index, way.other(), transit.input, timeline)
    }

    /// The oldest message was repeated and has arrived, though its sender will not learn it.
    fn deliver_held(&mut self, index: u32, way: Side, timeline: &mut Timeline) -> Delivery {
        match self.connections[index as usize].ends[way.other().index()].is_open {
            true => self.deliver_oldest(index, way, timeline),
            false => None,
        }
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

    fn stall(&mut self, index: u32, way: Side, blocks: bool, timeline: &mut Timeline) {
        let wait = self.profile.retransmit_after;
        let connection = &mut self.connections[index as usize];
        let generation = connection.generation;
        let sender = &mut connection.ways[way.index()];
        if let Some(stall) = &mut sender.stall {
            stall.blocks |= blocks;
            return;
        }
        let now = timeline.now();
        let due = now + wait;
        sender.stall = Some(Stall { since: now, due, wait, blocks, is_delivered: !blocks });
        timeline.plan(due, Event::Retransmission { connection: index, generation, way });
    }

    fn wait_longer(&mut self, index: u32, way: Side, is_delivered: bool, timeline: &mut Timeline) {
        let at_most = self.profile.retransmit_at_most;
        let connection = &mut self.connections[index as usize];
        let generation = connection.generation;
        let sender = &mut connection.ways[way.index()];
        let Some(stall) = &mut sender.stall else { return };
        stall.wait = stall.wait.times(2).min(at_most);
        stall.due = timeline.now() + stall.wait;
        (stall.blocks, stall.is_delivered) = (true, is_delivered);
        let event = Event::Retransmission { connection: index, generation, way };
        timeline.plan(stall.due, event);
    }

    /// The way is free again: everything that was held travels now, in order.
    fn resume(&mut self, index: u32, way: Side, timeline: &mut Timeline) {
        let connection = &mut self.connections[index as usize];
        let generation = connection.generation;
        let sender = &mut connection.ways[way.index()];
        let link = &mut self.links[sender.link as usize];
        sender.stall = None;
        sender.flow.iter_mut().for_each(Flow::reset);
        let now = timeline.now();
        let mut last = now;
        for transit in &mut sender.on_the_way {
            if transit.arrives <= now || transit.arrives == Time::MAX {
                (transit.is_lost, transit.is_in) = (false, false);
                transit.arrives = link.travel(now, transit.bytes);
            }
            last = last.max(transit.arrives);
            transit.arrives = last;
            timeline.plan(last, Event::Arrival { connection: index, generation, way });
        }
        sender.last_arrival = last;
    }

    fn tell_retransmission(&mut self, index: u32, way: Side, timeline: &mut Timeline) {
        let sender = &self.connections[index as usize].ways[way.index()];
        let message = sender.on_the_way.front().and_then(|transit| transit.message);
        if message.is_some() {
            self.tell(index, way, message, Outcome::Retransmitted, timeline);
        }
    }

    /// The sender's system gives up. Nothing tells the other end.
    fn give_up(&mut self, index: u32, way: Side, timeline: &mut Timeline) -> Delivery {
        let sender = &mut self.connections[index as usize].ways[way.index()];
        sender.stall = None;
        sender.flow.iter_mut().for_each(Flow::reset);
        for transit in std::mem::take(&mut sender.on_the_way) {
            self.lose(index, way, transit.message, DisconnectReason::Broken, timeline);
        }
        match self.connections[index as usize].ends[way.index()].is_open {
            true => self.end(index, way, DisconnectReason::Broken, timeline),
            // The sender closed before; the other end never learns it from here.
            false => None,
        }
    }
}
