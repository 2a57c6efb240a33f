//! Watches: whom to tell, once, when a znode changes (`WatchManager`).
//!
//! They are kept at the server that the client is connected to. A watch fires when the server applies the
//! change, before anything else that the server says to this client: an event comes before the new data.

use klab_machine::ConnectionId;
use klab_wire::zookeeper::{EventType, Path, Znode, Zxid};
use std::collections::{BTreeMap, BTreeSet};

/// Of a server: who watches what.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    /// `exists` and `getData`.
    data: BTreeMap<Path, BTreeSet<ConnectionId>>,
    /// `getChildren`.
    child: BTreeMap<Path, BTreeSet<ConnectionId>>,
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// That it begins, changes or ends.
    Data,
    /// What is in it.
    Children,
}

impl Watches {
    /// Somebody watches.
    pub fn add(&mut self, what: Watched, path: Path, who: ConnectionId) {
        self.table(what).entry(path).or_default().insert(who);
    }

    /// Takes out whoever is to be told of this event: a watch fires once. Who watches a znode's data and its
    /// children is told only once that it is gone.
    pub fn fire(&mut self, event: EventType, path: &Path) -> BTreeSet<ConnectionId> {
        match event {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                self.data.remove(path).unwrap_or_default()
            }
            EventType::NodeChildrenChanged => self.child.remove(path).unwrap_or_default(),
            EventType::NodeDeleted => {
                let mut told = self.data.remove(path).unwrap_or_default();
                told.extend(self.child.remove(path).unwrap_or_default());
                told
            }
        }
    }

    /// Somebody is gone.
    pub fn forget(&mut self, who: ConnectionId) {
        for table in [&mut self.data, &mut self.child] {
            table.retain(|_, watchers| {
                watchers.remove(&who);
                !watchers.is_empty()
            });
        }
    }

    fn table(&mut self, what: Watched) -> &mut BTreeMap<Path, BTreeSet<ConnectionId>> {
        match what {
            Watched::Data => &mut self.data,
            Watched::Children => &mut self.child,
        }
    }
}

/// What kind of watch a client had that has reconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A znode's data.
    Data,
    /// A znode that did not exist.
    Exist,
    /// A znode's children.
    Child,
}

/// What a client missed that had seen everything up to `since`; none if nothing, and it watches on
/// (`DataTree.setWatches`).
pub fn missed(kind: Lost, znode: Option<&Znode>, since: Zxid) -> Option<EventType> {
    match (kind, znode) {
        (Lost::Data | Lost::Child, None) => Some(EventType::NodeDeleted),
        (Lost::Data, Some(znode)) => (znode.mzxid > since).then_some(EventType::NodeDataChanged),
        (Lost::Child, Some(znode)) => {
            (znode.pzxid > since).then_some(EventType::NodeChildrenChanged)
        }
        (Lost::Exist, Some(_)) => Some(EventType::NodeCreated),
        (Lost::Exist, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const WHO: ConnectionId = ConnectionId(1);

    #[test]
    fn a_watch_fires_once() {
        let mut watches = Watches::default();
        watches.add(Watched::Data, "/a".into(), WHO);
        assert_eq!(watches.fire(EventType::NodeDataChanged, &"/a".into()), BTreeSet::from([WHO]));
        assert!(watches.fire(EventType::NodeDataChanged, &"/a".into()).is_empty());
    }

    #[test]
    fn whoever_watches_a_znode_and_its_children_is_told_once_that_it_is_gone() {
        let mut watches = Watches::default();
        watches.add(Watched::Data, "/a".into(), WHO);
        watches.add(Watched::Children, "/a".into(), WHO);
        assert_eq!(watches.fire(EventType::NodeDeleted, &"/a".into()).len(), 1);
        assert!(watches.fire(EventType::NodeChildrenChanged, &"/a".into()).is_empty());
    }

    #[test]
    fn what_a_client_missed_while_it_was_away() {
        let tree = Tree::default();
        let root = tree.znode(&Path::root()).cloned().map(|znode| Znode {
            mzxid: Zxid::new(1, 5),
            pzxid: Zxid::new(1, 7),
            ..znode
        });
        let root = root.as_ref();
        for (kind, znode, since, event) in [
            (Lost::Data, root, 4, Some(EventType::NodeDataChanged)),
            (Lost::Data, root, 5, None),
            (Lost::Data, None, 5, Some(EventType::NodeDeleted)),
            (Lost::Child, root, 6, Some(EventType::NodeChildrenChanged)),
            (Lost::Child, root, 7, None),
            (Lost::Exist, root, 9, Some(EventType::NodeCreated)),
            (Lost::Exist, None, 9, None),
        ] {
            assert_eq!(missed(kind, znode, Zxid::new(1, since)), event, "{kind:?} since {since}");
        }
    }
}
