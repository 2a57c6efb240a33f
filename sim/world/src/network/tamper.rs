//! Messages singled out: drop or delay the next few of one kind from one node to another.
//!
//! No real network can do this: TCP would send a lost packet again. It is a lab instrument, to ask "what
//! if exactly this answer never comes, or late". A dropped message is never delivered, and its connection
//! stays; since order is kept, nothing behind it on its way can be delivered either, until somebody gives
//! the connection up. A delayed message holds up what follows it.

use super::Network;
use crate::timeline::Timeline;
use klab_machine::fact::WorldFact;
use klab_machine::trace::{Message, MessageKind};
use klab_wire::Span;

/// What to do to the next messages of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tamper {
    /// Which ones; none for all.
    pub kind: Option<MessageKind>,
    /// How many are left.
    pub count: u32,
    /// What is done to them.
    pub what: Tampering,
}

/// See [`Tamper`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// They never arrive, nor does what is sent behind them on the same connection.
    Drop,
    /// They arrive so much later.
    Delay(Span),
}

impl Tamper {
    fn applies_to(&self, message: &Message) -> bool {
        self.kind.is_none_or(|kind| kind == message.kind)
    }
}

impl Network {
    /// Tampers with the next messages from one host to another.
    pub(crate) fn tamper(&mut self, from: u32, to: u32, tamper: Tamper, timeline: &mut Timeline) {
        let link = self.link(from, to);
        self.links[link as usize].tampers.push(tamper);
        let fact = WorldFact::MessagesTampered {
            to: self.sites[to as usize].node,
            api: tamper.kind.map_or("messages", MessageKind::name).to_string(),
            count: tamper.count,
            delay: match tamper.what {
                Tampering::Drop => None,
                Tampering::Delay(delay) => Some(delay),
            },
        };
        self.state(from, fact, timeline);
    }

    /// What is to be done to this message, if anything: the oldest wish that it fits is used up by one.
    pub(super) fn tampered(&mut self, link: u32, message: &Message) -> Option<Tampering> {
        let tampers = &mut self.links[link as usize].tampers;
        let at = tampers.iter().position(|tamper| tamper.applies_to(message))?;
        let what = tampers[at].what;
        tampers[at].count -= 1;
        if tampers[at].count == 0 {
            tampers.remove(at);
        }
        Some(what)
    }
}
