//! `/brokers/ids/N`: an ephemeral znode says that a broker is alive, and the transaction that created it is the
//! broker's epoch (`KafkaZkClient.registerBroker`, `CheckedEphemeral`, KIP-380).
//!
//! A broker whose session has expired registers anew, and may find a znode there: its own, of a create that was
//! carried out though the connection was lost before the answer came (KAFKA-1387); or that of a former session
//! whose end is not known everywhere (KAFKA-7165). Or that of a former life of the process, whose session has not
//! expired yet. Kafka's broker ends then, and whoever watches over it starts it again; klab's asks again.
//!
//! Facts: `RegistrationFoundTaken`, `BrokerRegistrationLearned`, `BrokerStarted`.

use super::Question;
use crate::Broker;
use crate::lifecycle::BrokerState;
use klab_machine::fact::ReplicationFact;
use klab_machine::timer::BrokerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::config::switches::ReRegistration;
use klab_wire::znodes::{BrokerIdZNode, path};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, Data, KeeperError, Op, SessionId, Zxid};
use klab_wire::{BrokerEpoch, Now, Span};

/// How soon a broker registers again that has found a znode in its way.
const RETRY: Span = Span::from_secs(1);

/// What a znode is that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// The broker's registration.
    Own,
    /// What a former session of this broker has left.
    Remains,
    /// In the way.
    InTheWay,
}

/// Whose the znode is (`getAfterNodeExists`).
fn finding(
    owner: Option<SessionId>,
    session: SessionId,
    former: Option<SessionId>,
    rule: ReRegistration,
) -> Finding {
    let is_former = owner.is_some() && owner == former && former != Some(session);
    match rule {
        ReRegistration::Waits => Finding::InTheWay,
        _ if owner == Some(session) => Finding::Own,
        ReRegistration::Replaced if is_former => Finding::Remains,
        ReRegistration::OwnerCompared | ReRegistration::Replaced => Finding::InTheWay,
    }
}

impl Broker {
    /// Says that the broker is alive.
    pub(crate) fn register_in_zookeeper(&mut self, now: Now, out: &mut Outbox) {
        let rack = self.identity.rack.clone().or_else(|| self.config.broker_rack.clone());
        let (broker, timestamp) = (self.identity.node, now.wall);
        let data = BrokerIdZNode { broker, timestamp, rack }.encode();
        let path = path::broker_id(broker);
        let create = Op::Create {
            path: path.clone(),
            data: Data::default(),
            acl: Acl::Open,
            mode: CreateMode::EPHEMERAL,
        };
        let write = Op::SetData { path, data, version: Some(0) };
        self.ask(Question::Registration, Op::Multi(vec![create, write]), now, out);
    }

    pub(super) fn registration_answered(
        &mut self,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        match result.and_then(|answer| czxid(&answer)) {
            Ok(czxid) => self.registered(czxid, now, out),
            Err(KeeperError::NodeExists) => {
                let path = path::broker_id(self.identity.node);
                self.ask(Question::RegistrationOwner, Op::GetData { path, watch: false }, now, out);
            }
            Err(_) => self.register_later(RETRY, out),
        }
    }

    pub(super) fn registration_owner_told(
        &mut self,
        result: Result<Answer, KeeperError>,
        now: Now,
        out: &mut Outbox,
    ) {
        // It went away while it was read.
        let Ok(Answer::Data { stat, .. }) = result else {
            return self.register_in_zookeeper(now, out);
        };
        let rule = self.switches.re_registration;
        let mode = self.zookeeper();
        let (session, former) = (mode.session.id(), mode.registered_in);
        let owner = stat.ephemeral_owner;
        out.state(ReplicationFact::RegistrationFoundTaken {
            owner: owner.unwrap_or(SessionId::NONE),
            session,
        });
        match finding(owner, session, former, rule) {
            Finding::Own => self.registered(stat.czxid, now, out),
            Finding::Remains => {
                let op = Op::Delete { path: path::broker_id(self.identity.node), version: None };
                self.ask(Question::RegistrationRemoval, op, now, out);
            }
            Finding::InTheWay if rule == ReRegistration::Waits => {
                self.register_later(self.config.zookeeper_session_timeout_ms, out);
            }
            Finding::InTheWay => self.register_later(RETRY, out),
        }
    }

    fn register_later(&self, after: Span, out: &mut Outbox) {
        out.set_timer(Timer::Broker(BrokerTimer::Registration), after);
    }

    fn registered(&mut self, czxid: Zxid, now: Now, out: &mut Outbox) {
        let mode = self.zookeeper();
        mode.registered_in = Some(mode.session.id());
        let epoch = BrokerEpoch(czxid.0);
        self.lifecycle.registered_as(epoch);
        out.state(ReplicationFact::BrokerRegistrationLearned { epoch });
        if !self.is_published {
            self.serve(epoch, now, out);
        }
    }

    /// The broker takes requests from now on.
    fn serve(&mut self, epoch: BrokerEpoch, now: Now, out: &mut Outbox) {
        self.is_published = true;
        self.lifecycle.enter(BrokerState::Running);
        out.state(ReplicationFact::BrokerStarted { epoch });
        self.follow_config_changes(now, out);
        self.schedule_isr_propagation(out);
        self.take_early_requests(now, out);
    }
}

/// The transaction that created a znode, of the answers to create and setData; or why there is none.
fn czxid(answer: &Answer) -> Result<Zxid, KeeperError> {
    let Answer::Multi(parts) = answer else { return Err(KeeperError::RuntimeInconsistency) };
    match &parts[..] {
        [Err(error), ..] | [_, Err(error)] => Err(*error),
        [Ok(Answer::Created { stat, .. }), ..] => Ok(stat.czxid),
        _ => Err(KeeperError::RuntimeInconsistency),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_1387_and_kafka_7165_a_broker_looks_whose_the_znode_is() {
        use Finding::*;
        use ReRegistration::*;
        let id = |number| Some(SessionId(number));
        // The owner; the session that registered last; what it is by the three rules. The session is 5.
        let cases = [
            (id(5), None, [InTheWay, Own, Own]),
            (id(5), id(4), [InTheWay, Own, Own]),
            (id(4), id(4), [InTheWay, InTheWay, Remains]),
            (id(4), None, [InTheWay, InTheWay, InTheWay]),
            (id(3), id(4), [InTheWay, InTheWay, InTheWay]),
            (None, None, [InTheWay, InTheWay, InTheWay]),
        ];
        for (owner, former, expected) in cases {
            let rules = [Waits, OwnerCompared, Replaced];
            let got = rules.map(|rule| finding(owner, SessionId(5), former, rule));
            assert_eq!(got, expected, "{owner:?} after {former:?}");
        }
    }
}
