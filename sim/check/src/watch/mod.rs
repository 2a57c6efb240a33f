//! What each fact does to the picture, and which oracles are asked about it. One file per area of facts.

mod controller;
mod log;
mod raft;
mod replication;
mod world;

use crate::judge::Judge;
use crate::verdict::Moment;
use klab_machine::fact::Fact;

impl Judge {
    pub(crate) fn watch_fact(&mut self, at: Moment, fact: &Fact) {
        match fact {
            Fact::Log(fact) => self.watch_log(at, fact),
            Fact::Replication(fact) => self.watch_replication(at, fact),
            Fact::Controller(fact) => self.watch_controller(at, fact),
            Fact::Raft(fact) => self.watch_raft(at, fact),
            Fact::World(fact) => self.watch_world(at, fact),
            Fact::Client(fact) => self.history.watch_client(at, fact),
        }
    }
}
