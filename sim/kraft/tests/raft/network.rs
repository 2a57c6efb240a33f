//! Connections: in order, one request at a time at the server, cut in one direction or both.

use klab_machine::{ConnectionId, CorrelationId};
use klab_wire::{NodeId, Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One connection between two nodes.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who opened it.
    pub client: NodeId,
    /// Who accepted it.
    pub server: NodeId,
    /// The server works on a request.
    pub is_muted: bool,
    /// Requests that have arrived and wait for their turn.
    pub waiting: VecDeque<(CorrelationId, Request)>,
    /// When the last message to the server and to the client arrives: later ones come after it.
    pub arrivals: [u64; 2],
}

/// All connections, and the cuts between nodes.
#[derive(Clone, Debug, Default)]
pub struct Network {
    open: BTreeMap<ConnectionId, Connection>,
    cuts: BTreeSet<(NodeId, NodeId)>,
}

impl Network {
    /// A connection is opened.
    pub fn open(&mut self, id: ConnectionId, client: NodeId, server: NodeId) {
        let (is_muted, waiting, arrivals) = (false, VecDeque::new(), [0; 2]);
        self.open.insert(id, Connection { client, server, is_muted, waiting, arrivals });
    }

    /// A connection that is still open.
    pub fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.open.get_mut(&id)
    }

    /// A connection ends.
    pub fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.open.remove(&id)
    }

    /// The connections of a node.
    pub fn of(&self, node: NodeId) -> Vec<ConnectionId> {
        let ends = |connection: &Connection| [connection.client, connection.server];
        let of = self.open.iter().filter(|(_, connection)| ends(connection).contains(&node));
        of.map(|(id, _)| *id).collect()
    }

    /// Nothing passes from one node to another any more.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
    }

    /// Everything passes again.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Whether a message passes.
    pub fn passes(&self, from: NodeId, to: NodeId) -> bool {
        !self.cuts.contains(&(from, to))
    }
}
