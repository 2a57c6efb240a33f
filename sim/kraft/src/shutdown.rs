//! Going in order: a leader waits until it has a successor (`GracefulShutdown`).

use crate::raft::{Raft, Work};
use crate::role::Role;
use klab_machine::Outbox;
use klab_wire::{Now, Span, Time};

/// `KafkaRaftManager.shutdown`: how long a leader waits for its successor.
const SHUTDOWN_TIMEOUT: Span = Span::from_secs(5);

/// A shutdown that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shutdown {
    deadline: Time,
    is_complete: bool,
}

impl Shutdown {
    /// When it waits no longer.
    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }
}

impl Raft {
    /// Goes in order: a leader resigns and waits until another one is elected, others go at once.
    pub fn shut_down(&mut self, now: Now, out: &mut Outbox) {
        if self.shutdown.is_none() {
            let deadline = now.time + SHUTDOWN_TIMEOUT;
            self.shutdown = Some(Shutdown { deadline, is_complete: false });
            self.inbox.push_back(Work::Look);
            self.run(now, out);
        }
    }

    /// The shutdown is complete: nothing more is to be done before the process may end.
    pub fn is_shut_down(&self) -> bool {
        self.shutdown.is_some_and(|shutdown| shutdown.is_complete)
    }

    /// Whether the shutdown is complete now (`maybeCompleteShutdown`).
    pub(crate) fn complete_shutdown(&mut self, now: Now) -> bool {
        let is_free = !self.is_voter || self.setup.voters.len() == 1 || self.has_remote_leader();
        match &mut self.shutdown {
            Some(shutdown) => {
                shutdown.is_complete |= is_free || shutdown.deadline <= now.time;
                shutdown.is_complete
            }
            None => false,
        }
    }

    fn has_remote_leader(&self) -> bool {
        matches!(self.role, Role::Follower(_))
    }
}
