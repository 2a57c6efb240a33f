//! A broker's line to the active controller: requests in order, one at a time, each repeated until the
//! controller has answered it (`NodeToControllerChannelManager`, KIP-590).
//!
//! Who the active controller is, the metadata quorum says. A controller that is not active any more
//! answers NOT_CONTROLLER; that, like a lost connection, makes the broker ask whoever leads by then.

use klab_machine::timer::BrokerTimer;
use klab_machine::{Address, Input, Outbox, Timer};
use klab_network::NetworkClient;
use klab_wire::{ErrorCode, NodeId, Now, Request, Response, Span, Time};
use std::collections::VecDeque;

/// How long to wait before asking again when there is no controller, or it refused
/// (`InterBrokerSendThread` polls at this pace).
const RETRY: Span = Span::from_millis(100);

/// A request for the controller.
#[derive(Clone, Debug)]
struct Queued<P> {
    request: Request,
    purpose: P,
    created: Time,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent<P> {
    /// The controller answered.
    Answered {
        /// What it was for.
        purpose: P,
        /// What was asked.
        request: Request,
        /// The answer.
        response: Response,
    },
    /// No active controller answered in time.
    TimedOut {
        /// What it was for.
        purpose: P,
        /// What was asked.
        request: Request,
    },
}

/// A line to the active controller; `P` is what a request is for.
#[derive(Clone, Debug)]
pub struct ControllerChannel<P> {
    number: u32,
    network: NetworkClient<()>,
    /// Whom the quorum names.
    leader: Option<NodeId>,
    /// Whom this channel talks to: none after a refusal, until it looks at `leader` again.
    active: Option<NodeId>,
    queue: VecDeque<Queued<P>>,
    in_flight: Option<Queued<P>>,
    retry_timeout: Span,
}

impl<P> ControllerChannel<P> {
    /// A channel that gives a request up after `retry_timeout`. `number` names its timer.
    pub fn new(number: u32, network: NetworkClient<()>, retry_timeout: Span) -> Self {
        ControllerChannel {
            number,
            network,
            leader: None,
            active: None,
            queue: VecDeque::new(),
            in_flight: None,
            retry_timeout,
        }
    }

    /// The quorum has another leader, or none.
    pub fn leader_changed(
        &mut self,
        leader: Option<NodeId>,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<ChannelEvent<P>> {
        self.leader = leader;
        self.pump(now, out)
    }

    /// Asks the controller.
    pub fn send(
        &mut self,
        request: Request,
        purpose: P,
        now: Now,
        out: &mut Outbox,
    ) -> Vec<ChannelEvent<P>> {
        self.queue.push_back(Queued { request, purpose, created: now.time });
        self.pump(now, out)
    }

    /// Whether an input is this channel's to handle.
    pub fn owns(&self, input: &Input) -> bool {
        match input {
            Input::Timer(Timer::Broker(BrokerTimer::ControllerChannel(number))) => {
                *number == self.number
            }
            input => self.network.owns(input),
        }
    }

    /// Handles an input that this channel [owns](Self::owns).
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) -> Vec<ChannelEvent<P>> {
        let mut events = Vec::new();
        match input {
            Input::Timer(Timer::Broker(_)) => {}
            Input::Response { connection, correlation, response } => {
                let is_expected = self.network.answered(connection, correlation).is_some();
                events.extend(is_expected.then(|| self.answered(response, out)).flatten());
            }
            input => {
                let failed = self.network.handle(now, input, out);
                failed.into_iter().for_each(|_| self.ask_again(out));
            }
        }
        events.extend(self.pump(now, out));
        events
    }

    fn answered(&mut self, response: Response, out: &mut Outbox) -> Option<ChannelEvent<P>> {
        if is_refused(&response) {
            self.ask_again(out);
            return None;
        }
        let Queued { request, purpose, .. } = self.in_flight.take()?;
        Some(ChannelEvent::Answered { purpose, request, response })
    }

    /// It may have been carried out: every request to the controller bears repetition.
    fn ask_again(&mut self, out: &mut Outbox) {
        let Some(asked) = self.in_flight.take() else { return };
        self.active = None;
        self.queue.push_front(asked);
        self.retry_later(out);
    }

    /// Sends the next request if the line is free and a controller is known.
    fn pump(&mut self, now: Now, out: &mut Outbox) -> Vec<ChannelEvent<P>> {
        let mut expired = Vec::new();
        if self.in_flight.is_some() {
            return expired;
        }
        while let Some(next) = self.queue.front() {
            if now.time.since(next.created) < self.retry_timeout {
                break;
            }
            let Queued { request, purpose, .. } = self.queue.pop_front().expect("there is one");
            expired.push(ChannelEvent::TimedOut { purpose, request });
        }
        self.send_next(now, out);
        expired
    }

    fn send_next(&mut self, now: Now, out: &mut Outbox) {
        if self.queue.is_empty() {
            return;
        }
        self.active = self.active.or(self.leader);
        let to = self.active.map(Address::controller);
        let Some(to) = to.filter(|to| !self.network.is_backing_off(*to, now)) else {
            self.active = None;
            return self.retry_later(out);
        };
        let next = self.queue.pop_front().expect("the queue was just not empty");
        self.network.send(to, next.request.clone(), (), now, out);
        self.in_flight = Some(next);
    }

    fn retry_later(&self, out: &mut Outbox) {
        out.set_timer(Timer::Broker(BrokerTimer::ControllerChannel(self.number)), RETRY);
    }
}

/// The one asked is not the active controller.
fn is_refused(response: &Response) -> bool {
    let error = match response {
        Response::BrokerRegistration(response) => response.error,
        Response::BrokerHeartbeat(response) => response.error,
        Response::AlterPartition(response) => response.error,
        Response::AllocateProducerIds(response) => response.error,
        Response::ControlledShutdown(response) => response.error,
        Response::Envelope(response) => response.error,
        _ => ErrorCode::None,
    };
    error == ErrorCode::NotController
}
