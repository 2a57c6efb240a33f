//! Requests of administrators that are carried out, and wait until that shows (`DelayedCreatePartitions`,
//! `DelayedDeleteTopics`): new partitions have leaders, topics that go are out of sight.

use super::context::ControllerContext;
use crate::purgatory::Reply;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Outbox, Timer};
use klab_wire::{ErrorCode, Now, Response, Span, Time, TopicName};
use std::collections::BTreeMap;

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Every partition of the topic has a leader.
    Created,
    /// So are as many as there shall be.
    Grown(BTreeMap<TopicName, u32>),
    /// The topic is not told to anybody any more.
    Deleted,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct DelayedOperations {
    waiting: Vec<Delayed>,
}

#[derive(Clone, Debug)]
struct Delayed {
    reply: Reply,
    /// What is answered, with an error for each topic that is not done in time.
    response: Response,
    topics: Vec<TopicName>,
    until: Until,
    deadline: Time,
}

impl DelayedOperations {
    /// An answer waits until this is so of these topics, or for so long.
    pub(super) fn wait(
        &mut self,
        (reply, response): (Reply, Response),
        (until, topics): (Until, Vec<TopicName>),
        (now, timeout): (Now, Span),
        out: &mut Outbox,
    ) {
        let deadline = now.time + timeout;
        self.waiting.push(Delayed { reply, response, topics, until, deadline });
        self.set_timer(now.time, out);
    }

    /// Answers whoever waits for nothing any more.
    pub(super) fn complete(&mut self, context: &ControllerContext, out: &mut Outbox) {
        let is_done =
            |one: &mut Delayed| one.topics.iter().all(|topic| is_so(&one.until, topic, context));
        for done in self.waiting.extract_if(.., is_done) {
            done.reply.respond(done.response, out);
        }
    }

    /// Answers whoever has waited long enough: what is not so yet will be so without it.
    pub(super) fn expire(&mut self, now: Time, context: &ControllerContext, out: &mut Outbox) {
        for mut late in self.waiting.extract_if(.., |one| one.deadline <= now) {
            late.topics.retain(|topic| !is_so(&late.until, topic, context));
            time_out(&mut late.response, &late.topics);
            late.reply.respond(late.response, out);
        }
        self.set_timer(now, out);
    }

    /// Nobody is answered any more: the controller has resigned.
    pub(super) fn refuse_all(&mut self, out: &mut Outbox) {
        for one in self.waiting.drain(..) {
            one.reply.refuse(ErrorCode::NotController, out);
        }
    }

    fn set_timer(&self, now: Time, out: &mut Outbox) {
        if let Some(next) = self.waiting.iter().map(|one| one.deadline).min() {
            let timer = Timer::Controller(ControllerTimer::DelayedOperation);
            out.set_timer(timer, next.since(now));
        }
    }
}

fn is_so(until: &Until, topic: &TopicName, context: &ControllerContext) -> bool {
    match until {
        Until::Created => have_leaders(topic, 1, context),
        Until::Grown(counts) => {
            have_leaders(topic, counts.get(topic).copied().unwrap_or(1), context)
        }
        Until::Deleted => {
            context.deletion_started.contains(topic) || !context.all_topics.contains(topic)
        }
    }
}

fn have_leaders(topic: &TopicName, at_least: u32, context: &ControllerContext) -> bool {
    let partitions = context.partitions_of(topic);
    partitions.len() >= at_least as usize
        && partitions.iter().all(|partition| context.leader(partition).is_some())
}

fn time_out(response: &mut Response, topics: &[TopicName]) {
    let late = ErrorCode::RequestTimedOut;
    match response {
        Response::CreateTopics(answer) => {
            let named = answer.topics.iter_mut().filter(|one| topics.contains(&one.name));
            named.for_each(|one| one.error = late);
        }
        Response::DeleteTopics(answer) => {
            let named = answer.topics.iter_mut().filter(|one| topics.contains(&one.name));
            named.for_each(|one| one.error = late);
        }
        Response::CreatePartitions(answer) => {
            let named = answer.topics.iter_mut().filter(|one| topics.contains(&one.name));
            named.for_each(|one| one.error = late);
        }
        _ => {}
    }
}
