//! Which server of the connection string to try next (`StaticHostProvider`): all in turn, in an order that
//! differs from client to client.

use klab_machine::random::Stream;
use klab_wire::NodeId;

/// See the module.
#[derive(Clone, Debug)]
pub struct HostProvider {
    servers: Vec<NodeId>,
    next: u32,
}

impl HostProvider {
    /// These servers, shuffled.
    ///
    /// # Panics
    ///
    /// If there are none: a connection string names at least one.
    pub fn new(mut servers: Vec<NodeId>, chance: &mut Stream) -> Self {
        assert!(!servers.is_empty(), "a connection string names at least one server");
        for place in (1..servers.len()).rev() {
            servers.swap(place, chance.below(place as u64 + 1) as usize);
        }
        HostProvider { servers, next: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.servers.len() as u32
    }

    /// The next one.
    pub fn advance(&mut self) -> NodeId {
        let server = self.servers[self.next as usize];
        self.next = (self.next + 1) % self.count();
        server
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    #[test]
    fn all_servers_are_tried_in_turn() {
        let servers: Vec<NodeId> = (1..=3).map(NodeId::zookeeper).collect();
        let mut hosts = HostProvider::new(servers.clone(), &mut stream(1, "hosts", []));
        let mut first: Vec<NodeId> = (0..3).map(|_| hosts.advance()).collect();
        let again: Vec<NodeId> = (0..3).map(|_| hosts.advance()).collect();
        assert_eq!(first, again);
        first.sort_unstable();
        assert_eq!(first, servers);
    }
}
