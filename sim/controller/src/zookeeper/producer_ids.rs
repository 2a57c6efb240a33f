//! Blocks of producer ids are given out (`processAllocateProducerIds`, `ZkProducerIdManager`): the block that was
//! given out last is a znode, counted up by a conditional write.

use super::KafkaController;
use super::partition_states::read;
use super::step::Step;
use super::task::{Task, data};
use crate::producer_ids::BLOCK_SIZE;
use klab_machine::fact::ControllerFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::znodes::{ProducerIdBlockZNode, path};
use klab_wire::zookeeper::{KeeperError, Op};
use klab_wire::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ErrorCode, ProducerId, Request,
    Response,
};

/// What is still to be done for a broker that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProducerIdStep {
    /// Take its request up.
    Begin,
    /// The last block was read.
    BlockRead,
    /// The next one was written.
    Written(ProducerIdBlockZNode),
}

impl From<ProducerIdStep> for Step {
    fn from(step: ProducerIdStep) -> Self {
        Step::ProducerIds(step)
    }
}

impl KafkaController {
    pub(super) fn producer_ids(&mut self, step: ProducerIdStep, task: &mut Task, out: &mut Outbox) {
        match step {
            ProducerIdStep::Begin => match self.check_asker(&asker(task)) {
                Ok(()) => {
                    task.ask([read(path::producer_id_block())]);
                    task.then([ProducerIdStep::BlockRead.into()]);
                }
                Err(error) => answer(task, Err(error), out),
            },
            ProducerIdStep::BlockRead => next_block(task, out),
            ProducerIdStep::Written(block) => match task.answer() {
                Ok(_) => answer(task, Ok(block), out),
                // Somebody else has taken it meanwhile.
                Err(KeeperError::BadVersion) => task.then([ProducerIdStep::Begin.into()]),
                Err(_) => answer(task, Err(ErrorCode::UnknownServerError), out),
            },
        }
    }

    fn check_asker(&self, request: &AllocateProducerIdsRequest) -> Result<(), ErrorCode> {
        match self.context.live_brokers.get(&request.broker) {
            None => Err(ErrorCode::BrokerIdNotRegistered),
            Some(known) if known.epoch == request.broker_epoch => Ok(()),
            Some(_) => Err(ErrorCode::StaleBrokerEpoch),
        }
    }
}

fn asker(task: &Task) -> AllocateProducerIdsRequest {
    match task.reply.as_ref().map(|reply| &reply.request) {
        Some(Request::AllocateProducerIds(request)) => (**request).clone(),
        _ => unreachable!("the event is of this request"),
    }
}

fn next_block(task: &mut Task, out: &mut Outbox) {
    let Ok(Some((found, stat))) = data(task.answer()) else {
        return answer(task, Err(ErrorCode::UnknownServerError), out);
    };
    let last = ProducerIdBlockZNode::decode(&found);
    let first = match Mutant::HandsOutIdsTwice.lives() {
        true => ProducerId(0),
        false => last.map_or(ProducerId(0), |block| block.last.next()),
    };
    let last = ProducerId(first.0 + u64::from(BLOCK_SIZE) - 1);
    let block = ProducerIdBlockZNode { broker: asker(task).broker, first, last };
    let (path, version) = (path::producer_id_block(), Some(stat.version));
    task.ask([Op::SetData { path, data: block.encode(), version }]);
    task.then([ProducerIdStep::Written(block).into()]);
}

fn answer(task: &mut Task, result: Result<ProducerIdBlockZNode, ErrorCode>, out: &mut Outbox) {
    let Some(reply) = task.reply.take() else { return };
    let (error, first, length) = match result {
        Ok(block) => (ErrorCode::None, block.first, BLOCK_SIZE),
        Err(error) => (error, ProducerId(0), 0),
    };
    if let Ok(ProducerIdBlockZNode { broker, first, .. }) = result {
        let first = first.0;
        out.state(ControllerFact::ProducerIdsAllocated { broker, first, length });
    }
    let response = AllocateProducerIdsResponse { error, first, length };
    reply.respond(Response::AllocateProducerIds(Box::new(response)), out);
}
