//! The periodic work of the active controller: which timers it sets, and when
//! (`QuorumController.maybeScheduleNext...`).

use crate::active::Active;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Outbox, Timer};
use klab_metadata::MetadataVersion;
use klab_wire::{Now, Span, Time};

/// What is scheduled, and how soon the next time is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) balance: ElectionSchedule,
    pub(crate) unclean: ElectionSchedule,
    is_no_op_scheduled: bool,
    /// When the timer for the next session goes off.
    session_check: Option<Time>,
}

/// When leaders are looked after the next time (`ImbalanceSchedule`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ElectionSchedule {
    /// The timer is set.
    Scheduled,
    /// When there is something to do, after the whole interval.
    #[default]
    Deferred,
    /// There was more to do than one decision may hold: go on at once.
    Immediately,
}

/// "At once" leaves room for others.
const AT_ONCE: Span = Span::from_millis(10);

impl ElectionSchedule {
    fn delay(self, interval: Span) -> Option<Span> {
        match self {
            ElectionSchedule::Scheduled => None,
            ElectionSchedule::Deferred => Some(interval),
            ElectionSchedule::Immediately => Some(AT_ONCE),
        }
    }

    fn set(&mut self, timer: ControllerTimer, interval: Span, out: &mut Outbox) {
        if let Some(delay) = self.delay(interval) {
            out.set_timer(Timer::Controller(timer), delay);
            *self = ElectionSchedule::Scheduled;
        }
    }
}

impl Active {
    /// After every decision: leaders are looked after while there is something to look after.
    pub(crate) fn schedule_elections(&mut self, out: &mut Outbox) {
        let config = &self.settings.config;
        if config.auto_leader_rebalance_enable && !self.pending.index.imbalanced().is_empty() {
            let interval = config.leader_imbalance_check_interval_seconds;
            self.schedule.balance.set(ControllerTimer::BalanceLeaders, interval, out);
        }
        if !self.pending.index.leaderless().is_empty() {
            let interval = config.unclean_leader_election_interval_ms;
            self.schedule.unclean.set(ControllerTimer::UncleanElection, interval, out);
        }
    }

    /// The metadata log does not stand still for longer than `metadata.max.idle.interval.ms`, where
    /// no-op records are understood (KIP-835).
    pub(crate) fn schedule_no_op(&mut self, out: &mut Outbox) {
        let interval = self.settings.config.metadata_max_idle_interval_ms;
        let version = self.image().features.metadata_version();
        let is_wanted = interval > Span::ZERO && version >= MetadataVersion::IBP_3_3_IV1;
        if is_wanted && !self.schedule.is_no_op_scheduled {
            out.set_timer(Timer::Controller(ControllerTimer::NoOp), interval);
            self.schedule.is_no_op_scheduled = true;
        }
    }

    /// A no-op record is due: the next one can be scheduled.
    pub(crate) fn no_op_is_due(&mut self, out: &mut Outbox) {
        self.schedule.is_no_op_scheduled = false;
        self.schedule_no_op(out);
    }

    /// Looks again when the session of the longest silent broker may run out.
    pub(crate) fn schedule_fencing(&mut self, now: Now, out: &mut Outbox) {
        let next = self.heartbeats.next_check();
        if next == self.schedule.session_check {
            return;
        }
        self.schedule.session_check = next;
        let timer = Timer::Controller(ControllerTimer::BrokerSession);
        match next {
            Some(at) => out.set_timer(timer, at.since(now.time)),
            None => out.stop_timer(timer),
        }
    }

    /// The timer for the next session has gone off.
    pub(crate) fn session_check_is_due(&mut self) {
        self.schedule.session_check = None;
    }

    /// Nothing of this is left when leadership is lost.
    pub(crate) fn cancel_all(out: &mut Outbox) {
        for timer in [
            ControllerTimer::BrokerSession,
            ControllerTimer::NoOp,
            ControllerTimer::BalanceLeaders,
            ControllerTimer::UncleanElection,
        ] {
            out.stop_timer(Timer::Controller(timer));
        }
    }
}
