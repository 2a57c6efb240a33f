//! Who is the controller: whoever creates `/controller` and counts `/controller_epoch` up in the same multi
//! (`KafkaController.elect`, `KafkaZkClient.registerControllerAndIncrementControllerEpoch`).
//!
//! The znode is ephemeral, so a controller whose session is over is one no more; the epoch stays. All the others
//! watch the znode and stand for election when it goes. A controller learns by the same watch, or by the first
//! write that fails its epoch's check, that it is not the controller any more.

use super::KafkaController;
use super::failover::FailoverStep;
use super::partition_states::{create, read};
use super::step::Step;
use super::task::{Outcome, Task, data};
use klab_machine::fact::ControllerFact;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Mutant, Outbox, Timer};
use klab_wire::znodes::{ControllerEpochZNode, ControllerZNode, INITIAL_CONTROLLER_EPOCH, path};
use klab_wire::zookeeper::{Acl, Answer, CreateMode, Data, Op, Path};
use klab_wire::{ControllerEpoch, LeaderEpoch, NodeId, Now, Timestamp};
use std::collections::BTreeSet;

/// What the election has still to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElectorStep {
    /// Create the znodes that must be there.
    Start,
    /// Stand for election if this process' broker is registered.
    Stand,
    /// Whether it is, was read.
    Stood,
    /// See who is the controller by now (`maybeResign`).
    LookAgain,
    /// It was seen that the znode is there, or it is watched for.
    LookedAgain,
    /// Who it is, was read.
    Recognised,
    /// Stand for election, if nobody is the controller (`elect`).
    Elect,
    /// Who is the controller, was read.
    ControllerRead,
    /// The epoch was read.
    EpochRead,
    /// The first epoch was created.
    EpochCreated,
    /// The znode and the epoch were written, or somebody else's are there.
    Registered(ControllerEpoch),
    /// Whose they are, was read: what was written may have been written, and the answer lost.
    Checked(ControllerEpoch),
    /// The epoch of one's own znode was read.
    EpochChecked(ControllerEpoch),
}

impl From<ElectorStep> for Step {
    fn from(step: ElectorStep) -> Self {
        Step::Elector(step)
    }
}

impl KafkaController {
    pub(super) fn elector(
        &mut self,
        step: ElectorStep,
        task: &mut Task,
        now: Now,
        out: &mut Outbox,
    ) {
        match step {
            ElectorStep::Start => self.start(task),
            ElectorStep::Stand => self.stand(task),
            ElectorStep::Stood => {
                if task.answer().is_ok() {
                    task.then([ElectorStep::Elect.into()]);
                }
            }
            ElectorStep::LookAgain => self.look_again(task),
            ElectorStep::LookedAgain => {
                ask_who(task);
                task.then([ElectorStep::Recognised.into()]);
            }
            ElectorStep::Recognised => self.recognise(task, out),
            ElectorStep::Elect => {
                ask_who(task);
                task.then([ElectorStep::ControllerRead.into()]);
            }
            ElectorStep::ControllerRead => self.controller_read(task),
            ElectorStep::EpochRead => self.epoch_read(task, now),
            ElectorStep::EpochCreated => self.epoch_created(task, now),
            ElectorStep::Registered(epoch) => self.registered(epoch, task, out),
            ElectorStep::Checked(epoch) => self.checked(epoch, task),
            ElectorStep::EpochChecked(epoch) => self.epoch_checked(epoch, task, out),
        }
    }

    /// The znodes that everything else is in (`createTopLevelPaths`).
    fn start(&mut self, task: &mut Task) {
        let persistent = path::persistent();
        let parents: BTreeSet<Path> = persistent.iter().filter_map(Path::parent).collect();
        let parents = parents.into_iter().filter(|path| path.0.len() > 1);
        task.ask(parents.map(|path| create(path, Data::default())));
        task.ask(persistent.into_iter().map(|path| create(path, Data::default())));
        task.then([ElectorStep::LookAgain.into(), ElectorStep::Stand.into()]);
    }

    /// A broker's controller comes after its broker, in one thread in Kafka: here it waits for the broker's
    /// registration.
    fn stand(&mut self, task: &mut Task) {
        let own = path::broker_id(self.node());
        self.keeper.handle_data(own.clone());
        task.ask([Op::Exists { path: own, watch: true }]);
        task.then([ElectorStep::Stood.into()]);
    }

    fn look_again(&mut self, task: &mut Task) {
        self.keeper.handle_data(path::controller());
        task.ask([Op::Exists { path: path::controller(), watch: true }]);
        task.then([ElectorStep::LookedAgain.into()]);
    }

    fn recognise(&mut self, task: &mut Task, out: &mut Outbox) {
        let was_active = self.is_active();
        self.active_controller = named(task.answer());
        if was_active && !self.is_active() {
            self.resign(out);
        }
    }

    fn controller_read(&mut self, task: &mut Task) {
        self.active_controller = named(task.answer());
        // Somebody has been elected, perhaps this one.
        if self.active_controller.is_none() {
            task.ask([read(path::controller_epoch())]);
            task.then([ElectorStep::EpochRead.into()]);
        }
    }

    fn epoch_read(&mut self, task: &mut Task, now: Now) {
        match epoch(task.answer()) {
            Some((epoch, version)) => self.register(epoch, version, task, now.wall),
            None => {
                let first = ControllerEpochZNode(INITIAL_CONTROLLER_EPOCH).encode();
                task.ask([create(path::controller_epoch(), first)]);
                task.then([ElectorStep::EpochCreated.into()]);
            }
        }
    }

    fn epoch_created(&mut self, task: &mut Task, now: Now) {
        match task.answer() {
            Ok(_) => self.register(INITIAL_CONTROLLER_EPOCH, 0, task, now.wall),
            // Another one was faster.
            Err(_) => {
                task.ask([read(path::controller_epoch())]);
                task.then([ElectorStep::EpochRead.into()]);
            }
        }
    }

    fn register(&self, old: ControllerEpoch, version: u32, task: &mut Task, timestamp: Timestamp) {
        let epoch = match Mutant::KeepsTheControllerEpoch.lives() {
            true => old,
            false => old.next(),
        };
        let znode = ControllerZNode { broker: self.node(), timestamp };
        let create = Op::Create {
            path: path::controller(),
            data: znode.encode(),
            acl: Acl::Open,
            mode: CreateMode::EPHEMERAL,
        };
        let data = ControllerEpochZNode(epoch).encode();
        let count = Op::SetData { path: path::controller_epoch(), data, version: Some(version) };
        task.ask([Op::Multi(vec![create, count])]);
        task.then([ElectorStep::Registered(epoch).into()]);
    }

    fn registered(&mut self, epoch: ControllerEpoch, task: &mut Task, out: &mut Outbox) {
        let answer = task.answer();
        let version = match &answer {
            Ok(Answer::Multi(parts)) => match &parts[..] {
                [Ok(_), Ok(Answer::Stat(stat))] => Some(stat.version),
                _ => None,
            },
            _ => None,
        };
        match version {
            Some(version) => self.take_office(epoch, version, task, out),
            None => {
                ask_who(task);
                task.then([ElectorStep::Checked(epoch).into()]);
            }
        }
    }

    fn checked(&mut self, epoch: ControllerEpoch, task: &mut Task) {
        if named(task.answer()) == Some(self.node()) {
            task.ask([read(path::controller_epoch())]);
            task.then([ElectorStep::EpochChecked(epoch).into()]);
        } else {
            task.then([ElectorStep::LookAgain.into()]);
        }
    }

    /// The epoch that one wanted to write is there, and the znode is one's own: it was written.
    fn epoch_checked(&mut self, wanted: ControllerEpoch, task: &mut Task, out: &mut Outbox) {
        match epoch(task.answer()) {
            Some((epoch, version)) if epoch == wanted => {
                self.take_office(epoch, version, task, out);
            }
            _ => task.then([ElectorStep::LookAgain.into()]),
        }
    }

    fn take_office(
        &mut self,
        epoch: ControllerEpoch,
        epoch_zk_version: u32,
        task: &mut Task,
        out: &mut Outbox,
    ) {
        self.context.epoch = epoch;
        self.context.epoch_zk_version = epoch_zk_version;
        self.active_controller = Some(self.node());
        out.state(ControllerFact::ControllerActivated { epoch: LeaderEpoch(epoch.0) });
        task.then(FailoverStep::ALL.map(Step::from));
    }

    /// `onControllerResignation`.
    pub(super) fn resign(&mut self, out: &mut Outbox) {
        let epoch = LeaderEpoch(self.context.epoch.0);
        let own = [path::controller(), path::broker_id(self.node())];
        self.keeper.forget_handlers_except(&own);
        out.stop_timer(Timer::Controller(ControllerTimer::BalanceLeaders));
        self.channels.shut_down();
        self.batch.clear();
        self.delayed.refuse_all(out);
        self.context.reset();
        out.state(ControllerFact::ControllerResigned { epoch });
    }
}

fn ask_who(task: &mut Task) {
    task.ask([read(path::controller())]);
}

fn named(outcome: Outcome) -> Option<NodeId> {
    let (found, _) = data(outcome).ok().flatten()?;
    Some(ControllerZNode::decode(&found)?.broker)
}

fn epoch(outcome: Outcome) -> Option<(ControllerEpoch, u32)> {
    let (found, stat) = data(outcome).ok().flatten()?;
    Some((ControllerEpochZNode::decode(&found)?.0, stat.version))
}
