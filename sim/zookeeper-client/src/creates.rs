//! Creates a znode, waits for it, has it deleted without waiting, and begins again: the work of each client in the
//! comparison of ZooKeeper with Chubby (Hunt et al. 2010, table 2).
//!
//! A session's requests are carried out in their order, so that the delete is logged before the next create: every create
//! that is waited for brings two transactions.

use klab_wire::NodeId;
use klab_wire::zookeeper::{Op, Path};

/// Whose children are created.
pub fn parent() -> Path {
    Path::from("/creates")
}

/// The znode that a client creates by the call of this number; no other call creates one of this name.
pub fn znode(me: NodeId, call: u64) -> Path {
    parent().child(&format!("{me}-{call}"))
}

/// What follows when a znode has been created: it is deleted.
pub fn delete(path: &Path) -> Op {
    Op::Delete { path: path.clone(), version: None }
}

/// Of so many requests a client waits for the answer before it goes on.
pub fn awaited<'a>(calls: impl Iterator<Item = &'a Op>) -> usize {
    calls.filter(|op| !matches!(op, Op::Delete { .. })).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::create;
    use klab_wire::zookeeper::CreateMode;

    #[test]
    fn a_create_is_waited_for_and_its_delete_is_not() {
        let znode = znode(NodeId::zookeeper_client(3), 17);
        assert_eq!(znode.to_string(), "/creates/k3-17");
        let calls = [create(znode.clone(), "", CreateMode::PERSISTENT), delete(&znode)];
        assert_eq!(awaited(calls.iter()), 1);
        assert_eq!(awaited(calls[1..].iter()), 0);
    }
}
