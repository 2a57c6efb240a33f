//! The watches that a client has set, so that it can set them again at its next server (`ZKWatchManager`).

use klab_wire::zookeeper::{Answer, EventType, KeeperError, Op, Path, SetWatches, Zxid};
use std::collections::BTreeSet;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct WatchRegistry {
    data: BTreeSet<Path>,
    exist: BTreeSet<Path>,
    child: BTreeSet<Path>,
}

impl WatchRegistry {
    /// A request was answered: if it asked for a watch, there is one now, unless it failed.
    pub fn answered(&mut self, op: &Op, result: &Result<Answer, KeeperError>) {
        match (op, result) {
            (Op::Exists { path, watch: true }, Err(KeeperError::NoNode)) => {
                self.exist.insert(path.clone());
            }
            (Op::Exists { path, watch: true } | Op::GetData { path, watch: true }, Ok(_)) => {
                self.data.insert(path.clone());
            }
            (Op::GetChildren { path, watch: true }, Ok(_)) => {
                self.child.insert(path.clone());
            }
            _ => {}
        }
    }

    /// A watch has fired: it is gone (`materialize`).
    pub fn fired(&mut self, event: EventType, path: &Path) {
        match event {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                self.data.remove(path);
                self.exist.remove(path);
            }
            EventType::NodeChildrenChanged => {
                self.child.remove(path);
            }
            EventType::NodeDeleted => {
                self.data.remove(path);
                self.exist.remove(path);
                self.child.remove(path);
            }
        }
    }

    /// What the next server has to be told, if anything: the watches, and what the client has seen.
    pub fn to_set_again(&self, seen: Zxid) -> Option<SetWatches> {
        let list = |paths: &BTreeSet<Path>| paths.iter().cloned().collect::<Vec<_>>();
        let is_empty = self.data.is_empty() && self.exist.is_empty() && self.child.is_empty();
        (!is_empty).then(|| SetWatches {
            relative_zxid: seen,
            data: list(&self.data),
            exist: list(&self.exist),
            child: list(&self.child),
        })
    }

    /// The session is over, and its watches with it.
    pub fn clear(&mut self) {
        *self = WatchRegistry::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_set_again_until_it_has_fired() {
        let mut watches = WatchRegistry::default();
        let exists = Op::Exists { path: "/a".into(), watch: true };
        watches.answered(&exists, &Err(KeeperError::NoNode));
        let again = watches.to_set_again(Zxid::new(1, 2)).expect("one was set");
        assert_eq!((again.exist, again.relative_zxid), (vec!["/a".into()], Zxid::new(1, 2)));
        watches.fired(EventType::NodeCreated, &"/a".into());
        assert_eq!(watches.to_set_again(Zxid::ZERO), None);
    }

    #[test]
    fn a_request_that_failed_leaves_no_watch() {
        let mut watches = WatchRegistry::default();
        let read = Op::GetData { path: "/a".into(), watch: true };
        watches.answered(&read, &Err(KeeperError::NoNode));
        assert_eq!(watches.to_set_again(Zxid::ZERO), None);
    }
}
