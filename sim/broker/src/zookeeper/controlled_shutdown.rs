//! How a broker of ZooKeeper mode goes in order (`KafkaServer.controlledShutdown`): it asks the controller to move
//! its leaders away, some times if it must; then it closes its logs, and last its session, so that everybody knows
//! at once that it is gone.

use super::Question;
use crate::Broker;
use crate::lifecycle::Communication;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Input, Outbox, Timer};
use klab_wire::config::switches::BrokerEpochs;
use klab_wire::zookeeper::Op;
use klab_wire::{ControlledShutdownRequest, ControlledShutdownResponse, Now};
use klab_zookeeper_client::Event;

impl Broker {
    /// Asks for leave to go, if that may still be asked for.
    pub(crate) fn ask_for_controlled_shutdown(&mut self, now: Now, out: &mut Outbox) {
        let most = self.config.controlled_shutdown_max_retries;
        let attempts = &mut self.zookeeper().shutdown_attempts;
        *attempts += 1;
        if *attempts > most {
            return self.stop(now, out);
        }
        let speaks_of_lives = self.switches.broker_epoch == BrokerEpochs::On;
        let request = ControlledShutdownRequest {
            broker: self.identity.node,
            broker_epoch: self.lifecycle.epoch().filter(|_| speaks_of_lives),
        };
        let purpose = Communication::ControlledShutdown;
        let events = self.heartbeats.send(request.into(), purpose, now, out);
        self.lifecycle_events(events, now, out);
    }

    /// The controller answered, or could not be reached.
    pub(crate) fn controlled_shutdown_answered(
        &mut self,
        answer: Option<&ControlledShutdownResponse>,
        now: Now,
        out: &mut Outbox,
    ) {
        let may_go = answer
            .is_some_and(|answer| answer.error.is_ok() && answer.remaining_partitions.is_empty());
        let most = self.config.controlled_shutdown_max_retries;
        if may_go || self.zookeeper().shutdown_attempts >= most {
            return self.stop(now, out);
        }
        let wait = self.config.controlled_shutdown_retry_backoff_ms;
        out.set_timer(Timer::Broker(BrokerTimer::ControlledShutdown), wait);
    }

    /// The logs are closed: the session ends, and with it the registration. Says whether that has to be awaited;
    /// without a server it need not (`ClientCnxn` with `closing`).
    pub(crate) fn close_session(&mut self, now: Now, out: &mut Outbox) -> bool {
        let is_connected = self.zookeeper().session.server().is_some();
        if is_connected {
            self.ask(Question::Close, Op::CloseSession, now, out);
        }
        is_connected
    }

    /// The session has ended, or nobody can know any more.
    pub(crate) fn zookeeper_input_at_the_end(&mut self, input: Input, now: Now, out: &mut Outbox) {
        let events = self.zookeeper().session.handle(input, now.time, out);
        for event in events {
            let is_over = match event {
                Event::Answered(ticket, ..) => {
                    self.zookeeper().questions.remove(&ticket) == Some(Question::Close)
                }
                Event::Disconnected | Event::Expired => true,
                Event::Connected { .. } | Event::Watched(_) => false,
            };
            if is_over {
                return out.halt();
            }
        }
    }
}
