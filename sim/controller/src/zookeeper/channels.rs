//! A controller's lines to the brokers: a queue and one request in flight for each (`ControllerChannelManager`,
//! `RequestSendThread`).
//!
//! A request is sent until it is answered, over however many connections, so what a broker is told arrives in
//! order and some of it twice. It is dropped only when the broker is gone or the controller resigns.

use klab_machine::timer::ControllerTimer;
use klab_machine::{Address, Input, Outbox, Timer};
use klab_network::{FailedRequest, NetworkClient};
use klab_wire::{NodeId, Now, Request, Response, Span};
use std::collections::{BTreeMap, VecDeque};

/// How long a thread waits before it sends a request again (`RequestSendThread.backoff`).
const BACKOFF: Span = Span::from_millis(100);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    network: NetworkClient<()>,
    brokers: BTreeMap<NodeId, Channel>,
    /// Brokers whose connections are to be closed.
    removed: Vec<NodeId>,
}

/// One broker's queue; its first request is the one that is under way.
#[derive(Clone, Debug, Default)]
struct Channel {
    queue: VecDeque<Request>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    InFlight,
    BackingOff,
}

impl Channels {
    pub(super) fn new(network: NetworkClient<()>) -> Self {
        Channels { network, brokers: BTreeMap::new(), removed: Vec::new() }
    }

    /// A broker is there: it gets a line, empty.
    pub(super) fn add(&mut self, broker: NodeId) {
        self.brokers.entry(broker).or_default();
    }

    /// A broker is gone: what it was to be told is dropped.
    pub(super) fn remove(&mut self, broker: NodeId) {
        if self.brokers.remove(&broker).is_some() {
            self.removed.push(broker);
        }
    }

    /// The controller resigns: nobody is told anything any more.
    pub(super) fn shut_down(&mut self) {
        self.removed.extend(std::mem::take(&mut self.brokers).into_keys());
    }

    /// Tells a broker something, behind what it was to be told before.
    pub(super) fn send(&mut self, broker: NodeId, request: Request) {
        if let Some(channel) = self.brokers.get_mut(&broker) {
            channel.queue.push_back(request);
        }
    }

    /// How many requests brokers have not answered yet.
    pub(super) fn queued(&self) -> u32 {
        self.brokers.values().map(|channel| channel.queue.len() as u32).sum()
    }

    /// Whether an input is of these lines.
    pub(super) fn owns(&self, input: &Input) -> bool {
        matches!(input, Input::Timer(Timer::Controller(ControllerTimer::SendBackoff(_))))
            || self.network.owns(input)
    }

    /// Handles an input that is of these lines; gives the request that a broker has answered.
    pub(super) fn handle(
        &mut self,
        now: Now,
        input: Input,
        out: &mut Outbox,
    ) -> Option<(NodeId, Request, Response)> {
        match input {
            Input::Timer(Timer::Controller(ControllerTimer::SendBackoff(broker))) => {
                self.is_idle_again(broker);
                None
            }
            Input::Response { connection, correlation, response } => {
                let (address, ()) = self.network.answered(connection, correlation)?;
                let channel = self.brokers.get_mut(&address.node)?;
                channel.state = State::Idle;
                Some((address.node, channel.queue.pop_front()?, response))
            }
            input => {
                let failed = self.network.handle(now, input, out);
                self.back_off(failed, now, out);
                None
            }
        }
    }

    /// Sends what can be sent.
    pub(super) fn pump(&mut self, now: Now, out: &mut Outbox) {
        for broker in std::mem::take(&mut self.removed) {
            out.stop_timer(Timer::Controller(ControllerTimer::SendBackoff(broker)));
            self.network.disconnect(Address::broker(broker), now, out);
        }
        for (broker, channel) in &mut self.brokers {
            if channel.state == State::Idle
                && let Some(request) = channel.queue.front()
            {
                channel.state = State::InFlight;
                self.network.send(Address::broker(*broker), request.clone(), (), now, out);
            }
        }
    }

    fn is_idle_again(&mut self, broker: NodeId) {
        if let Some(channel) = self.brokers.get_mut(&broker)
            && channel.state == State::BackingOff
        {
            channel.state = State::Idle;
        }
    }

    /// A request was not answered: it is sent again, over another connection.
    fn back_off(&mut self, failed: Vec<FailedRequest<()>>, now: Now, out: &mut Outbox) {
        for FailedRequest { to, .. } in failed {
            if let Some(channel) = self.brokers.get_mut(&to.node)
                && channel.state == State::InFlight
            {
                self.network.disconnect(to, now, out);
                channel.state = State::BackingOff;
                let timer = ControllerTimer::SendBackoff(to.node);
                out.set_timer(Timer::Controller(timer), BACKOFF);
            }
        }
    }
}
