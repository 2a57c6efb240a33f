//! What a leader keeps of each learner (`LearnerHandler`).

use klab_wire::zookeeper::{LearnerPing, Zxid};
use klab_wire::{NodeId, Span, Time};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) learner: NodeId,
    pub(crate) observes: bool,
    pub(crate) stage: Stage,
    /// The leader's tick by which the learner must have been heard of (`tickOfNextAckDeadline`).
    pub(crate) deadline: u64,
    /// The oldest proposal that it has not acknowledged, as far as it is watched, and since when.
    current: Option<(Zxid, Time)>,
    /// The one that is watched next.
    next: Option<(Zxid, Time)>,
}

/// How far a learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not introduced itself.
    Connected,
    /// It waits for an epoch.
    AwaitsEpoch,
    /// It has been told the epoch.
    AwaitsAckEpoch,
    /// It has accepted the epoch, its last transaction being this, and waits for a quorum to do so.
    AwaitsElection(Zxid),
    /// It has been sent all that it lacks, and NEWLEADER.
    Synchronising,
    /// It has all that on the platter, and waits for a quorum to have it.
    Acknowledged,
    /// It serves.
    UpToDate,
}

impl Handler {
    pub(crate) fn new(learner: NodeId, deadline: u64) -> Self {
        let stage = Stage::Connected;
        Handler { learner, observes: false, stage, deadline, current: None, next: None }
    }

    /// It gets proposals, commits and pings.
    pub(crate) fn is_sent_to(&self) -> bool {
        matches!(self.stage, Stage::Synchronising | Stage::Acknowledged | Stage::UpToDate)
    }

    /// It gets proposals as one reads the paper that takes `Q` for those that have acknowledged NEWLEADER.
    pub(crate) fn has_acknowledged(&self) -> bool {
        matches!(self.stage, Stage::Acknowledged | Stage::UpToDate)
    }

    /// It was sent a proposal (`SyncLimitCheck.updateProposal`).
    pub(crate) fn proposed(&mut self, zxid: Zxid, now: Time) {
        match self.stage {
            Stage::Acknowledged | Stage::UpToDate if self.current.is_none() => {
                self.current = Some((zxid, now));
            }
            Stage::Acknowledged | Stage::UpToDate => self.next = Some((zxid, now)),
            _ => {}
        }
    }

    /// It has acknowledged a proposal (`SyncLimitCheck.updateAck`).
    pub(crate) fn acked(&mut self, zxid: Zxid) {
        if self.current.is_some_and(|(watched, _)| watched == zxid) {
            self.current = self.next.take();
        }
    }

    /// It says that it is alive and acknowledges nothing (`SyncLimitCheck.check`).
    pub(crate) fn lags(&self, now: Time, limit: Span) -> bool {
        self.current.is_some_and(|(_, since)| now.since(since) >= limit)
    }
}

/// A sign of life of a leader that has proposed up to here.
pub(crate) fn ping(zxid: Zxid) -> LearnerPing {
    LearnerPing { zxid, touched: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_that_pings_and_acknowledges_nothing_lags() {
        let mut handler = Handler::new(NodeId::zookeeper(1), 0);
        handler.stage = Stage::UpToDate;
        let limit = Span::from_secs(10);
        let at = |seconds| Time(Span::from_secs(seconds).0);
        handler.proposed(Zxid::new(1, 1), at(1));
        handler.proposed(Zxid::new(1, 2), at(5));
        assert!(!handler.lags(at(10), limit));
        assert!(handler.lags(at(11), limit));
        handler.acked(Zxid::new(1, 1));
        assert!(!handler.lags(at(11), limit), "the second is watched from when it was sent");
        handler.acked(Zxid::new(1, 2));
        assert!(!handler.lags(at(99), limit));
    }
}
