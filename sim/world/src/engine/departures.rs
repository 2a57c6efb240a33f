//! Messages that a machine has sent and whose time to leave has not come.
//!
//! A machine has several threads, and what one of them is done with late must not be overtaken on its connection by what
//! another is done with at once: a connection belongs to one `NetworkClient` or `Processor`, which puts messages on it in
//! the order in which they were handed to it.

use klab_machine::{ConnectionId, Effect};
use klab_wire::Time;
use std::collections::{BTreeMap, VecDeque};

/// See the module: of each connection on which something waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures(BTreeMap<ConnectionId, Waiting>);

#[derive(Clone, Debug)]
struct Waiting {
    messages: VecDeque<Effect>,
    /// When the last of them leaves.
    last: Time,
}

impl Departures {
    /// Whether nothing waits that a message of this connection could overtake.
    pub(super) fn is_free(&self, connection: ConnectionId) -> bool {
        !self.0.contains_key(&connection)
    }

    /// A message waits until this time, or longer, if the one before it does. Tells when one of them is to
    /// [leave](Departures::leave).
    pub(super) fn line_up(&mut self, connection: ConnectionId, message: Effect, at: Time) -> Time {
        let waiting = self.0.entry(connection);
        let waiting = waiting.or_insert(Waiting { messages: VecDeque::new(), last: at });
        waiting.messages.push_back(message);
        waiting.last = waiting.last.max(at);
        waiting.last
    }

    /// The oldest message of a connection leaves.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<Effect> {
        let waiting = self.0.get_mut(&connection)?;
        let oldest = waiting.messages.pop_front();
        if waiting.messages.is_empty() {
            self.0.remove(&connection);
        }
        oldest
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overtakes_on_a_connection_and_connections_do_not_wait_for_each_other() {
        let [one, other] = [ConnectionId(1), ConnectionId(2)];
        let mut departures = Departures::default();
        assert_eq!(departures.line_up(one, Effect::Close { connection: one }, Time(30)), Time(30));
        assert_eq!(departures.line_up(one, Effect::Halt, Time(10)), Time(30));
        assert_eq!(departures.line_up(other, Effect::Halt, Time(10)), Time(10));
        assert!(matches!(departures.leave(one), Some(Effect::Close { .. })));
        assert!(!departures.is_free(one), "one more waits");
        assert!(matches!(departures.leave(one), Some(Effect::Halt)));
        assert!(departures.is_free(one) && !departures.is_free(other));
    }
}
