//! The threads of a machine: lanes, in each of which inputs wait in line.

use crate::costs::Threads;
use klab_machine::timer::ClientTimer;
use klab_machine::{ConnectionId, Input, Timer};
use klab_wire::{Response, Span};
use std::collections::VecDeque;

/// A machine's lanes. The first takes requests, or what the application does; the second all that belongs nowhere
/// else; each further one is a replica fetcher's.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    pub(super) threads: Threads,
    lanes: Vec<Lane>,
}

/// Some threads with a line before them.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    threads: u32,
    occupied: u32,
    /// Which of them took the last input: they take turns.
    turn: u32,
    pub(super) line: VecDeque<Input>,
    /// It is in the line for a core.
    pub(super) waits_for_core: bool,
    /// The connection of the replica fetcher that this is.
    connection: Option<ConnectionId>,
    /// How long its threads have been busy, together.
    pub(super) busy: Span,
}

/// The lane of request handlers, and of an application.
pub(super) const FIRST: u32 = 0;
/// The lane of everything else.
pub(super) const SECOND: u32 = 1;

impl Lanes {
    pub(super) fn new(threads: Threads) -> Self {
        let handlers = match threads {
            Threads::Broker { io, .. } => io.max(1),
            Threads::One | Threads::Client => 1,
        };
        let lanes = vec![Lane::new(handlers, None), Lane::new(1, None)];
        Lanes { threads, lanes }
    }

    /// Which lane an input belongs to.
    pub(super) fn of(&mut self, input: &Input) -> u32 {
        match (self.threads, input) {
            (Threads::One, _) => FIRST,
            // Nobody's request shall come before its connection.
            (Threads::Broker { .. }, Input::Request { .. } | Input::Accepted { .. }) => FIRST,
            (
                Threads::Broker { .. },
                Input::Response { connection, response: Response::Fetch(_), .. },
            ) => self.of_fetcher(*connection),
            (Threads::Broker { .. }, _) => SECOND,
            (Threads::Client, Input::Timer(Timer::Client(ClientTimer::Workload))) => FIRST,
            (Threads::Client, _) => SECOND,
        }
    }

    /// The thread of a lane that takes the next input, by a number of its own.
    pub(super) fn next_thread(&mut self, lane: u32) -> u32 {
        let taker = self.get(lane);
        taker.turn = (taker.turn + 1) % taker.threads;
        lane << 16 | taker.turn
    }

    pub(super) fn get(&mut self, lane: u32) -> &mut Lane {
        &mut self.lanes[lane as usize]
    }

    /// All lanes, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    pub(super) fn count(&self) -> u32 {
        self.lanes.len() as u32
    }

    /// The process is gone, with all that waited.
    pub(super) fn clear(&mut self) {
        for lane in &mut self.lanes {
            (lane.occupied, lane.connection, lane.waits_for_core) = (0, None, false);
            lane.line.clear();
        }
    }

    /// A fetcher has a connection of its own. One that is gone leaves its lane to the next that comes.
    fn of_fetcher(&mut self, connection: ConnectionId) -> u32 {
        let fetchers = || self.lanes.iter().enumerate().skip(2);
        let own = fetchers().find(|(_, lane)| lane.connection == Some(connection));
        let place = own.or_else(|| fetchers().find(|(_, lane)| lane.connection.is_none()));
        let place = place.map_or(self.lanes.len(), |(place, _)| place);
        if place == self.lanes.len() {
            self.lanes.push(Lane::new(1, None));
        }
        self.lanes[place].connection = Some(connection);
        place as u32
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        for lane in &mut self.lanes {
            if lane.connection == Some(connection) {
                lane.connection = None;
            }
        }
    }
}

impl Lane {
    fn new(threads: u32, connection: Option<ConnectionId>) -> Self {
        let (line, busy) = (VecDeque::new(), Span::ZERO);
        Lane { threads, occupied: 0, turn: 0, line, waits_for_core: false, connection, busy }
    }

    /// There is something to do, and somebody to do it.
    pub(super) fn can_start(&self) -> bool {
        !self.line.is_empty() && self.occupied < self.threads
    }

    pub(super) fn threads(&self) -> u32 {
        self.threads
    }

    /// A thread is busy for so long.
    pub(super) fn occupy(&mut self, time: Span) {
        self.occupied += 1;
        self.busy += time;
    }

    pub(super) fn release(&mut self) {
        self.occupied -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::{CorrelationId, Listener};
    use klab_wire::{MetadataRequest, NodeId};

    #[test]
    fn a_request_waits_behind_the_word_that_its_connection_is_there() {
        let (connection, from) = (ConnectionId(1), NodeId::producer(1));
        let accepted = Input::Accepted { connection, from, listener: Listener::Broker };
        let request = MetadataRequest { topics: None, allow_auto_topic_creation: false }.into();
        let asked = Input::Request { connection, correlation: CorrelationId(0), request };
        let mut lanes = Lanes::new(Threads::Broker { network: 3, io: 8 });
        assert_eq!(lanes.of(&accepted), lanes.of(&asked));
    }
}
