//! A broker's life as the controller sees it: registration, heartbeats, fencing, controlled shutdown
//! (`BrokerLifecycleManager`, KIP-631).
//!
//! One conversation at a time: a registration until one is accepted, then heartbeats. Every answer
//! says when to speak again. The broker counts as dead (fenced) until it has replayed the metadata log
//! up to its own registration and opened its logs.
//!
//! Facts: `BrokerRegistrationLearned`, `BrokerStarted`, `BrokerLearnedItIsFenced`,
//! `BrokerShutDownCleanly`.

use klab_machine::random::Stream;
use klab_network::ExponentialBackoff;
use klab_wire::{
    BrokerEpoch, BrokerHeartbeatResponse, BrokerRegistrationResponse, ErrorCode, Span,
};

/// Where a broker stands in its life (`BrokerState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerState {
    /// It replays the metadata log.
    Starting,
    /// It has caught up with the metadata, opens its logs, and waits to be unfenced.
    Recovery,
    /// It serves.
    Running,
    /// It hands its leadership over before it stops.
    PendingControlledShutdown,
    /// It stops.
    ShuttingDown,
}

/// What there is to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleStep {
    /// Nothing but to speak again in time.
    None,
    /// The registration is accepted.
    Registered(BrokerEpoch),
    /// The metadata is caught up: publish it for the first time, open the logs.
    CaughtUp,
    /// The broker is unfenced for the first time.
    Unfenced,
    /// The broker runs, and the controller says that it is fenced.
    Fenced,
    /// The controller allows it to go.
    MayGo,
}

/// When to speak to the controller again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextCommunication {
    /// After this span.
    After(Span),
    /// When the answer that is awaited has come.
    WithTheAnswer,
}

/// What to say when it is time to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Communication {
    /// Register.
    Registration,
    /// Send a heartbeat.
    Heartbeat,
    /// Ask for leave to go (ZooKeeper mode).
    ControlledShutdown,
    /// Nothing: an answer is awaited.
    None,
}

/// The broker's side of its conversation with the controller.
#[derive(Clone, Debug)]
pub struct BrokerLifecycle {
    state: BrokerState,
    epoch: Option<BrokerEpoch>,
    heartbeat_interval: Span,
    backoff: ExponentialBackoff,
    jitter: Stream,
    failed_attempts: u32,
    is_registered: bool,
    was_registered: bool,
    is_fenced: bool,
    ready_to_unfence: bool,
    in_flight: bool,
    next_is_immediate: bool,
    got_controlled_shutdown_response: bool,
}

/// How soon a broker that has caught up speaks again: it may be unfenced at once.
const AFTER_CATCH_UP: Span = Span::from_millis(10);
/// How soon after its first wish to shut down: with few leaders that is quick.
const AFTER_FIRST_SHUTDOWN_WISH: Span = Span::from_millis(50);

impl BrokerLifecycle {
    /// A broker that has just started.
    pub fn new(heartbeat_interval: Span, session_timeout: Span, jitter: Stream) -> Self {
        BrokerLifecycle {
            state: BrokerState::Starting,
            epoch: None,
            heartbeat_interval,
            backoff: ExponentialBackoff { initial: Span::from_millis(100), max: session_timeout },
            jitter,
            failed_attempts: 0,
            is_registered: false,
            was_registered: false,
            is_fenced: true,
            ready_to_unfence: false,
            in_flight: false,
            next_is_immediate: false,
            got_controlled_shutdown_response: false,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> BrokerState {
        self.state
    }

    /// Its registration, once it has had one.
    pub fn epoch(&self) -> Option<BrokerEpoch> {
        self.epoch
    }

    /// It wants to stay fenced: its logs are not open yet.
    pub fn wants_fence(&self) -> bool {
        !self.ready_to_unfence
    }

    /// It wants to shut down.
    pub fn wants_shut_down(&self) -> bool {
        self.state == BrokerState::PendingControlledShutdown
    }

    /// It has been registered at least once in this life.
    pub fn was_registered(&self) -> bool {
        self.was_registered
    }

    /// ZooKeeper mode: the broker's znode is its own, and says so.
    pub fn registered_as(&mut self, epoch: BrokerEpoch) {
        self.epoch = Some(epoch);
        self.is_registered = true;
        self.was_registered = true;
    }

    /// ZooKeeper mode, where nobody but the broker itself says how far it is (`KafkaServer._brokerState`).
    pub fn enter(&mut self, state: BrokerState) {
        self.state = state;
    }

    /// It is time to speak (`CommunicationEvent`): what to say. The caller says it.
    pub fn communicate(&mut self) -> Communication {
        if self.state == BrokerState::ShuttingDown {
            return Communication::None;
        }
        if self.in_flight {
            self.next_is_immediate = true;
            return Communication::None;
        }
        self.in_flight = true;
        match self.is_registered {
            true => Communication::Heartbeat,
            false => Communication::Registration,
        }
    }

    /// The logs are open: the broker may be unfenced (`setReadyToUnfence`).
    pub fn set_ready_to_unfence(&mut self) -> NextCommunication {
        self.ready_to_unfence = true;
        self.speak_at_once()
    }

    /// Somebody asked the broker to go. None: it has nothing to hand over, and may go at once.
    pub fn begin_controlled_shutdown(&mut self) -> Option<NextCommunication> {
        match self.state {
            BrokerState::Running => {
                self.state = BrokerState::PendingControlledShutdown;
                Some(self.speak_at_once())
            }
            BrokerState::PendingControlledShutdown => Some(NextCommunication::WithTheAnswer),
            BrokerState::Starting | BrokerState::Recovery | BrokerState::ShuttingDown => None,
        }
    }

    /// From now on it says nothing more.
    pub fn begin_shutdown(&mut self) {
        self.state = BrokerState::ShuttingDown;
    }

    /// A registration was answered.
    pub fn registration_answered(
        &mut self,
        answer: &BrokerRegistrationResponse,
    ) -> (LifecycleStep, NextCommunication) {
        self.in_flight = false;
        match answer.broker_epoch {
            Some(epoch) if answer.error.is_ok() => {
                self.failed_attempts = 0;
                self.epoch = Some(epoch);
                self.is_registered = true;
                self.was_registered = true;
                (LifecycleStep::Registered(epoch), self.after(Span::ZERO))
            }
            _ => self.failed(),
        }
    }

    /// A heartbeat was answered.
    pub fn heartbeat_answered(
        &mut self,
        answer: &BrokerHeartbeatResponse,
    ) -> (LifecycleStep, NextCommunication) {
        self.in_flight = false;
        if answer.error != ErrorCode::None {
            return self.failed();
        }
        self.failed_attempts = 0;
        match self.state {
            BrokerState::Starting => self.starting(answer),
            BrokerState::Recovery => self.recovering(answer),
            BrokerState::Running => self.running(answer),
            BrokerState::PendingControlledShutdown => self.shutting_down(answer),
            BrokerState::ShuttingDown => (LifecycleStep::None, NextCommunication::WithTheAnswer),
        }
    }

    /// The controller could not be reached, or refused.
    pub fn failed(&mut self) -> (LifecycleStep, NextCommunication) {
        self.in_flight = false;
        // Never at once after a failure.
        self.next_is_immediate = false;
        let wait = self.backoff.after(self.failed_attempts, &mut self.jitter);
        self.failed_attempts += 1;
        (LifecycleStep::None, self.after(wait))
    }

    fn starting(&mut self, answer: &BrokerHeartbeatResponse) -> (LifecycleStep, NextCommunication) {
        let mut step = LifecycleStep::None;
        if answer.is_caught_up {
            self.state = BrokerState::Recovery;
            step = LifecycleStep::CaughtUp;
        }
        (step, self.after(AFTER_CATCH_UP))
    }

    fn recovering(
        &mut self,
        answer: &BrokerHeartbeatResponse,
    ) -> (LifecycleStep, NextCommunication) {
        let mut step = LifecycleStep::None;
        if !answer.is_fenced {
            self.state = BrokerState::Running;
            self.is_fenced = false;
            step = LifecycleStep::Unfenced;
        }
        (step, self.after(self.heartbeat_interval))
    }

    fn running(&mut self, answer: &BrokerHeartbeatResponse) -> (LifecycleStep, NextCommunication) {
        let newly_fenced = answer.is_fenced && !self.is_fenced;
        self.is_fenced = answer.is_fenced;
        let step = if newly_fenced { LifecycleStep::Fenced } else { LifecycleStep::None };
        (step, self.after(self.heartbeat_interval))
    }

    fn shutting_down(
        &mut self,
        answer: &BrokerHeartbeatResponse,
    ) -> (LifecycleStep, NextCommunication) {
        let is_first = !std::mem::replace(&mut self.got_controlled_shutdown_response, true);
        if answer.should_shut_down {
            self.begin_shutdown();
            return (LifecycleStep::MayGo, NextCommunication::WithTheAnswer);
        }
        let wait = if is_first { AFTER_FIRST_SHUTDOWN_WISH } else { self.heartbeat_interval };
        (LifecycleStep::None, self.after(wait))
    }

    fn speak_at_once(&mut self) -> NextCommunication {
        if self.in_flight {
            self.next_is_immediate = true;
            return NextCommunication::WithTheAnswer;
        }
        NextCommunication::After(Span::ZERO)
    }

    fn after(&mut self, wait: Span) -> NextCommunication {
        let at_once = std::mem::take(&mut self.next_is_immediate);
        NextCommunication::After(if at_once { Span::ZERO } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_machine::random::stream;

    fn started() -> BrokerLifecycle {
        let (interval, session) = (Span::from_secs(2), Span::from_secs(9));
        BrokerLifecycle::new(interval, session, stream(1, "lifecycle", []))
    }

    fn heartbeat(caught_up: bool, fenced: bool, shut_down: bool) -> BrokerHeartbeatResponse {
        BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up: caught_up,
            is_fenced: fenced,
            should_shut_down: shut_down,
        }
    }

    fn registered() -> BrokerLifecycle {
        let mut life = started();
        assert_eq!(life.communicate(), Communication::Registration);
        let answer = BrokerRegistrationResponse {
            error: ErrorCode::None,
            broker_epoch: Some(BrokerEpoch(7)),
        };
        let (step, next) = life.registration_answered(&answer);
        assert_eq!(step, LifecycleStep::Registered(BrokerEpoch(7)));
        assert_eq!(next, NextCommunication::After(Span::ZERO));
        life
    }

    fn running() -> BrokerLifecycle {
        let mut life = registered();
        life.heartbeat_answered(&heartbeat(true, true, false));
        life.set_ready_to_unfence();
        life.heartbeat_answered(&heartbeat(true, false, false));
        assert_eq!(life.state(), BrokerState::Running);
        life
    }

    #[test]
    fn a_broker_registers_catches_up_recovers_and_runs() {
        let mut life = registered();
        assert_eq!(life.communicate(), Communication::Heartbeat);
        let (step, _) = life.heartbeat_answered(&heartbeat(false, true, false));
        assert_eq!((step, life.state()), (LifecycleStep::None, BrokerState::Starting));
        let (step, next) = life.heartbeat_answered(&heartbeat(true, true, false));
        assert_eq!(
            (step, next),
            (LifecycleStep::CaughtUp, NextCommunication::After(AFTER_CATCH_UP))
        );
        assert!(life.wants_fence());
        assert_eq!(life.set_ready_to_unfence(), NextCommunication::After(Span::ZERO));
        assert!(!life.wants_fence());
        let (step, next) = life.heartbeat_answered(&heartbeat(true, false, false));
        assert_eq!(step, LifecycleStep::Unfenced);
        assert_eq!(next, NextCommunication::After(Span::from_secs(2)));
    }

    #[test]
    fn one_conversation_at_a_time_and_the_next_follows_at_once_if_it_was_wanted() {
        let mut life = registered();
        assert_eq!(life.communicate(), Communication::Heartbeat);
        assert_eq!(life.communicate(), Communication::None);
        let (_, next) = life.heartbeat_answered(&heartbeat(true, true, false));
        assert_eq!(next, NextCommunication::After(Span::ZERO));
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer() {
        let mut life = started();
        let mut last = Span::ZERO;
        for _ in 0..4 {
            life.communicate();
            let (_, NextCommunication::After(wait)) = life.failed() else { panic!("no wait") };
            assert!(wait > last, "{wait} after {last}");
            last = wait;
        }
    }

    #[test]
    fn a_running_broker_learns_once_that_it_was_fenced() {
        let mut life = running();
        let mut answer = |fenced| life.heartbeat_answered(&heartbeat(true, fenced, false)).0;
        assert_eq!(answer(false), LifecycleStep::None);
        assert_eq!(answer(true), LifecycleStep::Fenced);
        assert_eq!(answer(true), LifecycleStep::None);
        assert_eq!(answer(false), LifecycleStep::None);
        assert_eq!(answer(true), LifecycleStep::Fenced);
    }

    #[test]
    fn a_controlled_shutdown_waits_for_the_controllers_leave() {
        let mut life = running();
        assert!(life.begin_controlled_shutdown().is_some());
        assert!(life.wants_shut_down());
        let (_, next) = life.heartbeat_answered(&heartbeat(true, false, false));
        assert_eq!(next, NextCommunication::After(AFTER_FIRST_SHUTDOWN_WISH));
        let (_, next) = life.heartbeat_answered(&heartbeat(true, false, false));
        assert_eq!(next, NextCommunication::After(Span::from_secs(2)));
        let (step, _) = life.heartbeat_answered(&heartbeat(true, false, true));
        assert_eq!((step, life.state()), (LifecycleStep::MayGo, BrokerState::ShuttingDown));
        assert_eq!(life.communicate(), Communication::None);
    }

    #[test]
    fn a_broker_that_does_not_run_yet_goes_at_once() {
        assert_eq!(registered().begin_controlled_shutdown(), None);
    }
}
