//! The states that partitions and replicas go through, and from which state to which (`PartitionState`,
//! `ReplicaState`).

/// How a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionState {
    /// It was never created, or is deleted.
    NonExistent,
    /// It has replicas, and no leader yet.
    New,
    /// A leader was elected.
    Online,
    /// Its leader is gone.
    Offline,
}

impl PartitionState {
    /// Whether it may come after this state.
    pub fn may_follow(self, previous: PartitionState) -> bool {
        use PartitionState::{New, NonExistent, Offline, Online};
        match self {
            New => previous == NonExistent,
            Online | Offline => matches!(previous, New | Online | Offline),
            NonExistent => previous == Offline,
        }
    }
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaState {
    /// It is to come into being, as a follower.
    New,
    /// It is there.
    Online,
    /// Its broker is gone, or it is to stop.
    Offline,
    /// Its broker was told to delete it.
    DeletionStarted,
    /// Its broker has deleted it.
    DeletionSuccessful,
    /// It could not be deleted.
    DeletionIneligible,
    /// It is no more.
    NonExistent,
}

impl ReplicaState {
    /// Whether it may come after this state.
    pub fn may_follow(self, previous: ReplicaState) -> bool {
        use ReplicaState::{
            DeletionIneligible, DeletionStarted, DeletionSuccessful, New, NonExistent, Offline,
            Online,
        };
        match self {
            New => previous == NonExistent,
            Online | Offline => {
                matches!(previous, New | Online | Offline | DeletionIneligible)
            }
            DeletionStarted => previous == Offline,
            DeletionSuccessful => previous == DeletionStarted,
            DeletionIneligible => matches!(previous, Offline | DeletionStarted),
            NonExistent => previous == DeletionSuccessful,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_goes_from_nothing_over_new_to_online_and_over_offline_back() {
        use PartitionState::{New, NonExistent, Offline, Online};
        let legal = [
            (NonExistent, New),
            (New, Online),
            (New, Offline),
            (Online, Online),
            (Online, Offline),
            (Offline, Online),
            (Offline, Offline),
            (Offline, NonExistent),
        ];
        let all = [NonExistent, New, Online, Offline];
        for (from, to) in all.iter().flat_map(|from| all.map(|to| (*from, to))) {
            assert_eq!(to.may_follow(from), legal.contains(&(from, to)), "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_replica_is_stopped_before_it_is_deleted_and_forgotten_after() {
        use ReplicaState::{
            DeletionIneligible, DeletionStarted, DeletionSuccessful, New, NonExistent, Offline,
            Online,
        };
        for (from, to, legal) in [
            (NonExistent, New, true),
            (NonExistent, Online, false),
            (New, Online, true),
            (Online, DeletionStarted, false),
            (Offline, DeletionStarted, true),
            (DeletionStarted, DeletionSuccessful, true),
            (DeletionStarted, DeletionIneligible, true),
            (DeletionIneligible, Offline, true),
            (DeletionSuccessful, NonExistent, true),
            (Offline, NonExistent, false),
        ] {
            assert_eq!(to.may_follow(from), legal, "{from:?} to {to:?}");
        }
    }
}
