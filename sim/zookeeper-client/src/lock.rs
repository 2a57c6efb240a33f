//! The lock recipe: whoever has the lowest number has the lock; the others each watch the one before them
//! (ZooKeeper's recipes, `WriteLock`). So a lock that is let go wakes one client, not all.

use crate::workload::{create, lock};
use klab_wire::zookeeper::{Answer, CreateMode, KeeperError, Op, Path};
use std::sync::Arc;

/// A client's way to the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// It does not want it.
    #[default]
    Idle,
    /// It wants it, and has asked who does. What it has asked before may have been carried out.
    Asking,
    /// It waits for the one before it.
    Waiting(Path),
    /// It has it.
    Held(Path),
    /// It lets it go.
    Releasing(Path),
}

/// What a look at the children of the lock says to the client whose name its own child begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It does not stand in line.
    NotInLine,
    /// It stands behind this one.
    Behind(Path),
    /// It is first: this is its own znode.
    First(Path),
}

/// Who is first in line, seen by the client of this name. The number stands in the last ten digits.
pub fn turn(names: &[Arc<str>], me: &str) -> Turn {
    let number = |name: &Arc<str>| name.get(name.len().saturating_sub(10)..).map(str::to_string);
    let mut line: Vec<&Arc<str>> = names.iter().collect();
    line.sort_by_key(|name| number(name));
    let prefix = format!("{me}-");
    let Some(own) = line.iter().position(|name| name.starts_with(&prefix)) else {
        return Turn::NotInLine;
    };
    match own.checked_sub(1) {
        None => Turn::First(lock().child(line[own])),
        Some(before) => Turn::Behind(lock().child(line[before])),
    }
}

impl Lock {
    /// The client wants the lock, or looks again how it stands: first it asks who is in line.
    pub fn ask(&mut self) -> Op {
        *self = Lock::Asking;
        Op::GetChildren { path: lock(), watch: false }
    }

    /// An answer is here. Gives what to ask next, and whether the lock has just been taken.
    pub fn answered(
        &mut self,
        op: &Op,
        result: &Result<Answer, KeeperError>,
        me: &str,
    ) -> (Option<Op>, bool) {
        match (op, result) {
            (Op::GetChildren { .. }, Ok(Answer::Children { names, .. })) => {
                self.look(turn(names, me), me)
            }
            (Op::Create { .. }, Ok(_)) => (Some(self.ask()), false),
            // The one before is gone meanwhile.
            (Op::Exists { .. }, Err(KeeperError::NoNode)) => (Some(self.ask()), false),
            (Op::Delete { .. }, Ok(_) | Err(KeeperError::NoNode)) => {
                *self = Lock::Idle;
                (None, false)
            }
            _ => (None, false),
        }
    }

    fn look(&mut self, turn: Turn, me: &str) -> (Option<Op>, bool) {
        match turn {
            Turn::NotInLine => {
                let path = lock().child(&format!("{me}-"));
                (Some(create(path, "", CreateMode::EPHEMERAL_SEQUENTIAL)), false)
            }
            Turn::Behind(before) => {
                *self = Lock::Waiting(before.clone());
                (Some(Op::Exists { path: before, watch: true }), false)
            }
            Turn::First(own) => {
                *self = Lock::Held(own);
                (None, true)
            }
        }
    }

    /// The client lets the lock go.
    pub fn release(&mut self) -> Option<Op> {
        let Lock::Held(path) = std::mem::take(self) else { return None };
        *self = Lock::Releasing(path.clone());
        Some(Op::Delete { path, version: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_lowest_number_has_the_lock_and_the_others_watch_the_one_before_them() {
        let names: Vec<Arc<str>> =
            ["k2-0000000007", "k1-0000000009", "k3-0000000008"].map(Arc::from).into();
        assert_eq!(turn(&names, "k2"), Turn::First("/lock/k2-0000000007".into()));
        assert_eq!(turn(&names, "k1"), Turn::Behind("/lock/k3-0000000008".into()));
        assert_eq!(turn(&names, "k"), Turn::NotInLine);
    }
}
