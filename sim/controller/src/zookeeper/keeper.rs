//! A controller's line to ZooKeeper (`KafkaZkClient`, `ZooKeeperClient`): so many requests in flight, each asked
//! again if the connection was lost under it, watches on what has a handler.

use super::task::{Ask, Outcome, TaskId};
use klab_machine::Outbox;
use klab_machine::operation::KeeperOutcome;
use klab_wire::Now;
use klab_wire::zookeeper::{Answer, KeeperError, Op, Path};
use klab_zookeeper_client::{Session, Ticket};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Whose request, and whether it checks the controller's epoch.
#[derive(Clone, Copy, Debug)]
struct Asked {
    task: TaskId,
    place: u32,
    is_guarded: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) session: Session,
    /// `zookeeper.max.in.flight.requests`.
    most: u32,
    next: u64,
    asked: BTreeMap<Ticket, Asked>,
    /// Not sent yet.
    waiting: VecDeque<(Ticket, Op)>,
    /// Znodes whose children are looked after (`zNodeChildChangeHandlers`).
    child_handlers: BTreeSet<Path>,
    /// Znodes whose data and life are looked after (`zNodeChangeHandlers`).
    data_handlers: BTreeSet<Path>,
}

/// What an answer means to the task that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// This came of it.
    Outcome(Outcome),
    /// Somebody else is the controller by now: nothing was done (`ControllerMovedException`).
    ControllerMoved,
}

impl Keeper {
    pub(super) fn new(session: Session, most: u32) -> Self {
        Keeper {
            session,
            most,
            next: 0,
            asked: BTreeMap::new(),
            waiting: VecDeque::new(),
            child_handlers: BTreeSet::new(),
            data_handlers: BTreeSet::new(),
        }
    }

    /// Changes of a znode's children are looked after: whoever reads them sets a watch.
    pub(super) fn handle_children(&mut self, path: Path) {
        self.child_handlers.insert(path);
    }

    /// Changes of a znode are looked after.
    pub(super) fn handle_data(&mut self, path: Path) {
        self.data_handlers.insert(path);
    }

    /// Whether changes of a znode, or of its children, are looked after: a watch may outlive its handler.
    pub(super) fn handles(&self, path: &Path) -> bool {
        self.child_handlers.contains(path) || self.data_handlers.contains(path)
    }

    /// Changes of a znode are not looked after any more.
    pub(super) fn forget_data(&mut self, path: &Path) {
        self.data_handlers.remove(path);
    }

    /// Nothing is looked after any more but these znodes.
    pub(super) fn forget_handlers_except(&mut self, kept: &[Path]) {
        self.child_handlers.clear();
        self.data_handlers.retain(|path| kept.contains(path));
    }

    /// Asks for a task.
    pub(super) fn ask(&mut self, task: TaskId, place: u32, ask: Ask, now: Now, out: &mut Outbox) {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.asked.insert(ticket, Asked { task, place, is_guarded: ask.is_guarded });
        self.waiting.push_back((ticket, self.watched(ask.op)));
        self.send(now, out);
    }

    /// What was asked has an end, or is asked again: a connection was lost under it
    /// (`retryRequestsUntilConnected`), or even the session, and nobody has noticed (`ZkClient`, before 1.1).
    pub(super) fn answered(
        &mut self,
        ticket: Ticket,
        op: Op,
        outcome: KeeperOutcome,
        now: Now,
        out: &mut Outbox,
    ) -> Option<(TaskId, u32, Heard)> {
        let asked = *self.asked.get(&ticket)?;
        let result = match outcome {
            KeeperOutcome::Unknown(KeeperError::ConnectionLoss | KeeperError::SessionExpired) => {
                self.session.submit(ticket, op, now.time, out);
                return None;
            }
            outcome => outcome.result(),
        };
        self.asked.remove(&ticket);
        self.send(now, out);
        let heard = match asked.is_guarded {
            true => unwrapped(result),
            false => Heard::Outcome(result),
        };
        Some((asked.task, asked.place, heard))
    }

    /// The session is over, and nobody waits for what was asked in it.
    pub(super) fn forget_requests(&mut self) {
        self.asked.clear();
        self.waiting.clear();
    }

    /// A task is given up: what it has asked is carried out, but nobody waits for the answer.
    pub(super) fn forget_requests_of(&mut self, task: TaskId) {
        self.asked.retain(|_, asked| asked.task != task);
        let asked = &self.asked;
        self.waiting.retain(|(ticket, _)| asked.contains_key(ticket));
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn send(&mut self, now: Now, out: &mut Outbox) {
        while self.asked.len() - self.waiting.len() < self.most as usize {
            let Some((ticket, op)) = self.waiting.pop_front() else { return };
            self.session.submit(ticket, op, now.time, out);
        }
    }

    fn watched(&self, op: Op) -> Op {
        match op {
            Op::Exists { path, .. } => {
                Op::Exists { watch: self.data_handlers.contains(&path), path }
            }
            Op::GetData { path, .. } => {
                Op::GetData { watch: self.data_handlers.contains(&path), path }
            }
            Op::GetChildren { path, .. } => {
                Op::GetChildren { watch: self.child_handlers.contains(&path), path }
            }
            other => other,
        }
    }
}

/// `unwrapResponseWithControllerWrites`.
fn unwrapped(result: Outcome) -> Heard {
    match result {
        Ok(Answer::Multi(parts)) => {
            let mut parts = parts.into_iter();
            match (parts.next(), parts.next()) {
                (Some(Err(KeeperError::BadVersion)), _) => Heard::ControllerMoved,
                (Some(Err(error)), _) => Heard::Outcome(Err(error)),
                (_, Some(outcome)) => Heard::Outcome(outcome),
                _ => unreachable!("a guarded request is a check and one operation"),
            }
        }
        other => Heard::Outcome(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_check_of_the_epoch_tells_that_the_controller_has_moved() {
        let (bad_version, done) = (KeeperError::BadVersion, Ok(Answer::Done));
        let multi = |parts: [Outcome; 2]| unwrapped(Ok(Answer::Multi(parts.into())));
        let inconsistent = Err(KeeperError::RuntimeInconsistency);
        assert_eq!(multi([Err(bad_version), inconsistent]), Heard::ControllerMoved);
        assert_eq!(multi([done.clone(), Err(bad_version)]), Heard::Outcome(Err(bad_version)));
        assert_eq!(multi([done.clone(), done.clone()]), Heard::Outcome(done));
    }
}
