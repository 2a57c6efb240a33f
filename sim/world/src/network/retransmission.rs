//! What TCP does about a message that is not acknowledged: it waits, sends it again, and in the end gives up.
//!
//! The wait doubles each time (`TCP_RTO_MIN` to `TCP_RTO_MAX`), and everything behind the message waits with it; at a
//! limit the sender's end breaks (`tcp_retries2`). What heals in time is delivered late. When only the way back is cut,
//! messages arrive but their acknowledgements do not: after the first wait the sender sends nothing new (its congestion
//! window is one segment), repeats the oldest message, and in the end breaks too.

use super::flow::Flow;
use super::{Delivery, Network, Side};
use crate::timeline::{Event, Timeline};
use klab_machine::DisconnectReason;
use klab_machine::trace::Outcome;
use klab_wire::{Span, Time};

/// The sender waits for an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    since: Time,
    /// When it will send again.
    due: Time,
    wait: Span,
    /// Nothing new is sent: the oldest message is lost, or has been repeated already.
    pub(super) blocks: bool,
    /// The oldest message that is not acknowledged has arrived.
    is_delivered: bool,
}

impl Network {
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

    /// The oldest message has arrived, and its sender does not learn it.
    #[cold]
    pub(super) fn deliver_unacknowledged(
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

    /// The oldest message was repeated and has arrived, though its sender will not learn it.
    fn deliver_held(&mut self, index: u32, way: Side, timeline: &mut Timeline) -> Delivery {
        match self.connections[index as usize].ends[way.other().index()].is_open {
            true => self.deliver_oldest(index, way, timeline),
            false => None,
        }
    }

    pub(super) fn stall(&mut self, index: u32, way: Side, blocks: bool, timeline: &mut Timeline) {
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
