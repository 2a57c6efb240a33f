//! The controller as a machine (`QuorumController`): one thread, one log, one role at a time.
//!
//! The active controller decides on its own state and appends what it decided; it answers when the
//! records are committed. A standby only replays what is committed. When leadership is lost, everything
//! decided and not committed is forgotten, and whoever waits for it is sent away.

use crate::active::{Active, Asked, Settings};
use crate::decision::{Decision, MAX_RECORDS};
use crate::purgatory::Reply;
use crate::{ControllerSetup, ControllerView, view};
use klab_kraft::{Raft, RaftEvent};
use klab_machine::fact::ControllerFact;
use klab_machine::timer::ControllerTimer;
use klab_machine::{Command, DiskImage, Identity, Input, Machine, Mutant, Outbox, Timer};
use klab_metadata::{Delta, Image};
use klab_wire::{
    ErrorCode, LeaderEpoch, MetadataRecord, NodeId, Now, Offset, OffsetAndEpoch, RecordBatch,
    Request, Response, Time, TopicPartition,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A KRaft controller.
#[derive(Clone, Debug)]
pub struct Controller {
    settings: Arc<Settings>,
    bootstrap: Vec<MetadataRecord>,
    raft: Raft,
    committed: Image,
    /// Where each broker's latest registration record is in the log.
    registered_at: BTreeMap<NodeId, Offset>,
    role: Role,
    last_snapshot: Time,
}

/// What a controller is at the moment.
#[derive(Clone, Debug)]
enum Role {
    /// It replays what another one decides.
    Standby,
    /// It decides.
    Active(Box<Active>),
}

impl Machine for Controller {
    type Config = ControllerSetup;
    type View = ControllerView;

    fn boot(
        identity: Identity,
        setup: ControllerSetup,
        disk: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let mut controller = Controller {
            raft: Raft::boot(setup.quorum, &identity, disk, now, out),
            settings: Arc::new(Settings {
                identity,
                config: setup.config,
                switches: setup.switches,
            }),
            bootstrap: setup.bootstrap,
            committed: Image::default(),
            registered_at: BTreeMap::new(),
            role: Role::Standby,
            last_snapshot: now.time,
        };
        controller.learn(now, out);
        controller
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if self.raft.owns(&input) {
            self.raft.handle(now, input, out);
        } else {
            self.handle(now, input, out);
        }
        self.learn(now, out);
        if self.is_shut_down() {
            self.renounce(out);
            out.halt();
        }
    }

    fn view(&self) -> ControllerView {
        view::of(self)
    }
}

impl Controller {
    /// It is the active controller: it decides, and others ask it.
    pub fn is_active(&self) -> bool {
        self.active().is_some()
    }

    /// What it goes by: on the active controller everything decided, though perhaps not committed yet;
    /// on a standby everything committed.
    pub fn image(&self) -> &Image {
        self.active().map_or(&self.committed, Active::image)
    }

    /// What it knows to be committed.
    pub fn committed(&self) -> &Image {
        &self.committed
    }

    /// Who leads a partition, as far as this controller goes by.
    pub fn leader_of(&self, partition: &TopicPartition) -> Option<NodeId> {
        self.image().topics.partition_named(partition)?.leader
    }

    /// The replica of the metadata log.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// It was told to shut down and has nothing left to do.
    pub fn is_shut_down(&self) -> bool {
        self.raft.is_shut_down()
    }

    pub(crate) fn active(&self) -> Option<&Active> {
        match &self.role {
            Role::Standby => None,
            Role::Active(active) => Some(active),
        }
    }

    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Request { connection, correlation, request } => {
                let (request, is_enveloped) = opened(request);
                let reply = Reply { connection, correlation, request, is_enveloped };
                self.asked(now, reply, out);
            }
            Input::Timer(Timer::Controller(timer)) => self.timer(now, timer, out),
            Input::Command(Command::ShutDown) => self.raft.shut_down(now, out),
            // Nothing else is asked of a controller, and answers to closed connections are dropped.
            _ => {}
        }
    }

    fn asked(&mut self, now: Now, reply: Reply, out: &mut Outbox) {
        let Role::Active(active) = &mut self.role else {
            return reply.refuse(ErrorCode::NotController, out);
        };
        if let Request::DescribeQuorum(_) = reply.request {
            return reply
                .respond(Response::DescribeQuorum(Box::new(self.raft.describe_quorum(now))), out);
        }
        let next_offset = self.raft.next_append_offset();
        let asked = Asked { now, next_offset, committed: &self.committed };
        match active.decide(asked, &reply.request) {
            Ok(decision) => self.carry_out(now, decision, Some(reply), out),
            Err(error) => reply.refuse(error, out),
        }
    }

    fn timer(&mut self, now: Now, timer: ControllerTimer, out: &mut Outbox) {
        let Role::Active(active) = &mut self.role else { return };
        let decision = match timer {
            ControllerTimer::BrokerSession => active.fence_stale_broker(now),
            ControllerTimer::BalanceLeaders => Some(active.balance_leaders()),
            ControllerTimer::UncleanElection => Some(active.elect_uncleanly()),
            ControllerTimer::NoOp => {
                active.no_op_is_due(out);
                Some(Decision::of(vec![MetadataRecord::NoOp]))
            }
            // Of a controller in ZooKeeper mode.
            ControllerTimer::SendBackoff(_) | ControllerTimer::DelayedOperation => return,
        };
        match decision {
            Some(decision) => self.carry_out(now, decision, None, out),
            // It was heard of in time.
            None => active.schedule_fencing(now, out),
        }
    }

    /// Appends a decision's records, and answers when they are committed (`ControllerWriteEvent`).
    ///
    /// A decision without records was made on what may not be committed yet: its answer waits as well.
    fn carry_out(
        &mut self,
        now: Now,
        mut decision: Decision,
        reply: Option<Reply>,
        out: &mut Outbox,
    ) {
        decision.facts.drain(..).for_each(|fact| out.state(fact));
        let records = std::mem::take(&mut decision.records);
        let size = if decision.is_atomic { usize::MAX } else { MAX_RECORDS };
        if self.append(now, records, size, out).is_err() {
            return self.give_up(now, reply, out);
        }
        let end = self.raft.next_append_offset();
        let Role::Active(active) = &mut self.role else { unreachable!("only it decides") };
        if let Some(broker) = decision.shuts_down {
            active.heartbeats.begin_controlled_shutdown(broker, end);
        }
        active.schedule_elections(out);
        active.schedule_fencing(now, out);
        let (Some(reply), Some(response)) = (reply, decision.response) else { return };
        match active.uncommitted {
            Some(last) if !Mutant::AnswersBeforeTheCommit.lives() => {
                active.purgatory.defer(last, reply, response);
            }
            _ => reply.respond(response, out),
        }
    }

    /// Applies records to the pending state and appends them, in batches of at most `size`.
    fn append(
        &mut self,
        now: Now,
        mut records: Vec<MetadataRecord>,
        size: usize,
        out: &mut Outbox,
    ) -> Result<(), ErrorCode> {
        let Role::Active(active) = &mut self.role else { return Err(ErrorCode::NotController) };
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(size));
            let base = self.raft.next_append_offset();
            for (offset, record) in (base.0..).map(Offset).zip(&records) {
                active.replay(now, offset, record, out);
            }
            let last = self.raft.append(now, active.epoch, records, out)?;
            active.uncommitted = Some(last);
            records = rest;
        }
        Ok(())
    }

    /// What was decided cannot be appended: this controller's state is not to be trusted any more.
    pub(crate) fn give_up(&mut self, now: Now, reply: Option<Reply>, out: &mut Outbox) {
        let Role::Active(active) = &self.role else { return };
        self.raft.resign(now, active.epoch, out);
        if let Some(reply) = reply {
            reply.refuse(ErrorCode::NotController, out);
        }
        self.renounce(out);
    }

    fn learn(&mut self, now: Now, out: &mut Outbox) {
        while let Some(event) = self.raft.next_event() {
            match event {
                RaftEvent::BecameWritable { epoch } => self.claim(now, epoch, out),
                RaftEvent::Resigned { .. } => self.renounce(out),
                RaftEvent::Committed(batch) => self.committed_batch(now, &batch, out),
                RaftEvent::SnapshotLoaded { id, batches } => self.load_snapshot(id, &batches),
                // A controller acts on its own leadership only, and from `BecameWritable` on.
                RaftEvent::LeaderChanged { .. } => {}
            }
        }
    }

    /// Takes over: everything before is known (`claim`, `CompleteActivationEvent`).
    fn claim(&mut self, now: Now, epoch: LeaderEpoch, out: &mut Outbox) {
        let registered_at = self.registered_at.clone();
        let settings = self.settings.clone();
        let active = Active::new(settings, epoch, &self.committed, registered_at, now);
        self.role = Role::Active(Box::new(active));
        out.state(ControllerFact::ControllerActivated { epoch });
        // Earlier leaders may have left their LeaderChange records and nothing else (`LogReplayTracker`).
        let log_is_empty = self.committed.features.levels().next().is_none();
        let records = if log_is_empty { self.bootstrap.clone() } else { Vec::new() };
        let decision = Decision { is_atomic: true, ..Decision::of(records) };
        self.carry_out(now, decision, None, out);
        if let Role::Active(active) = &mut self.role {
            active.schedule_no_op(out);
        }
    }

    fn renounce(&mut self, out: &mut Outbox) {
        let Role::Active(mut active) = std::mem::replace(&mut self.role, Role::Standby) else {
            return;
        };
        active.purgatory.fail_all(out);
        Active::cancel_all(out);
        out.state(ControllerFact::ControllerResigned { epoch: active.epoch });
    }

    fn committed_batch(&mut self, now: Now, batch: &RecordBatch, out: &mut Outbox) {
        for (offset, record) in (batch.base_offset.0..).map(Offset).zip(batch.metadata()) {
            if let MetadataRecord::RegisterBroker(record) = record {
                self.registered_at.insert(record.broker, offset);
            }
        }
        self.committed.apply(batch, &mut Delta::default());
        if let Role::Active(active) = &mut self.role {
            active.commit_up_to(batch.last_offset(), out);
        }
        self.write_snapshot_if_due(now, out);
    }

    fn load_snapshot(&mut self, id: OffsetAndEpoch, batches: &[Arc<RecordBatch>]) {
        assert!(!self.is_active(), "the leader of the quorum has no need of another's snapshot");
        self.committed = Image::of_snapshot(id, batches.iter().map(Arc::as_ref));
        let last = Offset(id.offset.0.saturating_sub(1));
        let brokers = self.committed.cluster.brokers();
        self.registered_at = brokers.map(|(broker, _)| (broker, last)).collect();
    }

    /// By size or by age, whichever comes first (`SnapshotGenerator`, KIP-876).
    fn write_snapshot_if_due(&mut self, now: Now, out: &mut Outbox) {
        let config = &self.settings.config;
        let interval = config.metadata_log_max_snapshot_interval_ms;
        let is_large = self.raft.bytes_since_snapshot()
            >= config.metadata_log_max_record_bytes_between_snapshots;
        let is_old = interval.0 > 0 && now.time.since(self.last_snapshot) >= interval;
        if is_large || is_old {
            self.last_snapshot = now.time;
            let end = self.committed.next_offset;
            self.raft.write_snapshot(now, end, self.committed.records(), out);
        }
    }
}

/// A broker forwards its client's request in an Envelope (KIP-590).
pub(crate) fn opened(request: Request) -> (Request, bool) {
    match request {
        Request::Envelope(envelope) => (envelope.request, true),
        request => (request, false),
    }
}
