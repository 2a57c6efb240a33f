//! Who may do what with a znode (`ZooDefs.Ids`): the lists that Kafka uses.

use crate::ClientId;
use serde::Serialize;

/// A znode's access control list. Kafka writes two: everything is open, or (`zookeeper.set.acl`) only who
/// created a znode may change it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Acl {
    /// `OPEN_ACL_UNSAFE`: anybody may do anything.
    #[default]
    Open,
    /// `CREATOR_ALL_ACL`: all to whoever creates it, under the name that the session has given. The server
    /// puts that name in its place (`PrepRequestProcessor.fixupACL`).
    Creator {
        /// `READ_ACL_UNSAFE` besides: anybody may read.
        world_reads: bool,
    },
    /// All to the session of this name.
    Owner {
        /// The name.
        name: ClientId,
        /// Anybody may read.
        world_reads: bool,
    },
}

impl Acl {
    /// Whether a session that has given this name may change the znode or its children.
    pub fn lets_write(&self, name: Option<&ClientId>) -> bool {
        match self {
            Acl::Open => true,
            Acl::Owner { name: owner, .. } => name == Some(owner),
            Acl::Creator { .. } => false,
        }
    }

    /// Whether a session that has given this name may read the znode.
    pub fn lets_read(&self, name: Option<&ClientId>) -> bool {
        match self {
            Acl::Owner { world_reads: true, .. } | Acl::Creator { world_reads: true } => true,
            _ => self.lets_write(name),
        }
    }

    /// The list as the server keeps it; none if it names a creator that has given no name (`InvalidACL`).
    pub fn fixed_up(&self, name: Option<&ClientId>) -> Option<Acl> {
        match self {
            Acl::Creator { world_reads } => {
                Some(Acl::Owner { name: name?.clone(), world_reads: *world_reads })
            }
            other => Some(other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_may_change_a_znode_that_is_not_open() {
        let (kafka, other) = (ClientId::from("kafka"), ClientId::from("other"));
        let creator = Acl::Creator { world_reads: true };
        let owned = creator.fixed_up(Some(&kafka)).expect("kafka has given its name");
        for (acl, name, writes, reads) in [
            (&Acl::Open, None, true, true),
            (&owned, Some(&kafka), true, true),
            (&owned, Some(&other), false, true),
            (&owned, None, false, true),
        ] {
            assert_eq!((acl.lets_write(name), acl.lets_read(name)), (writes, reads));
        }
        assert_eq!(creator.fixed_up(None), None);
    }
}
