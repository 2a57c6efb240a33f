//! An application on a ZooKeeper client, as a machine: `[[zookeeper-client]]`.
//!
//! It does something of its workload at its rate, with so many requests in flight, and records every call. A
//! session that has expired it begins anew, as most applications do.

use crate::creates;
use crate::lock::Lock;
use crate::offsets::{self, Offsets};
use crate::session::{Event, Session, SessionSetup, Ticket};
use crate::workload::{Workload, counter, create, members, register};
use klab_machine::fact::ZooKeeperFact;
use klab_machine::operation::KeeperOutcome;
use klab_machine::random::{Stream, stream};
use klab_machine::timer::ZooKeeperClientTimer;
use klab_machine::{
    Call, Command, DiskImage, Identity, Input, Machine, Operation, OperationId, Outbox, Outcome,
    Timer, Value,
};
use klab_wire::zookeeper::{
    Answer, CreateMode, Data, KeeperError, Op, Path, SessionId, WatcherEvent, Zxid,
};
use klab_wire::{NodeId, Now, Span, Time};
use std::collections::BTreeMap;

/// What an application is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSetup {
    /// The client.
    pub session: SessionSetup,
    /// What it does.
    pub workload: Workload,
    /// How much time lies between two things that it does; none for as much as may be in flight.
    pub every: Option<Span>,
    /// How many requests it has in flight at most.
    pub in_flight: u32,
    /// How many calls it makes at most; none for no limit.
    pub calls: Option<u64>,
    /// For how long it works; none for as long as it runs.
    pub works_for: Option<Span>,
}

/// How often an application that works as fast as it can looks whether there is something to do.
const PATIENCE: Span = Span::from_millis(10);

/// See the module.
#[derive(Clone, Debug)]
pub struct Application {
    me: NodeId,
    setup: ApplicationSetup,
    session: Session,
    chance: Stream,
    next_call: u64,
    calls: BTreeMap<Ticket, Op>,
    /// The znodes that it has not seen to be there.
    ground: Vec<Path>,
    /// The number that it has read, with its version.
    number: Option<(i64, u32)>,
    lock: Lock,
    offsets: Offsets,
    held_since: Time,
    works_until: Time,
    made: u64,
    answered: u64,
    refused: u64,
    unknown: u64,
}

/// What a reader is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationView {
    /// Its session.
    pub session: SessionId,
    /// The server that it is connected to.
    pub server: Option<NodeId>,
    /// The last transaction that it has seen.
    pub last_zxid: Zxid,
    /// How many calls it has made.
    pub calls: u64,
    /// How many were carried out.
    pub answered: u64,
    /// How many were refused.
    pub refused: u64,
    /// Of how many it does not know.
    pub unknown: u64,
    /// How many have no end yet.
    pub pending: u64,
}

impl Machine for Application {
    type Config = ApplicationSetup;
    type View = ApplicationView;

    fn boot(
        identity: Identity,
        setup: ApplicationSetup,
        _: &DiskImage,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let life = identity.incarnation;
        let hosts = stream(identity.seed, "connection string", [life.0]);
        let session = Session::new(setup.session.clone(), hosts, now.time, out);
        let first = setup.every.unwrap_or(PATIENCE);
        out.set_timer(Timer::ZooKeeperClient(ZooKeeperClientTimer::Workload), first);
        Application {
            me: identity.node,
            session,
            chance: stream(identity.seed, "zookeeper workload", [life.0]),
            next_call: Value::first_of(identity.node, life).0,
            calls: BTreeMap::new(),
            ground: setup.workload.ground(identity.node),
            number: None,
            lock: Lock::default(),
            offsets: Offsets::default(),
            held_since: now.time,
            works_until: setup.works_for.map_or(Time::MAX, |span| now.time + span),
            made: 0,
            answered: 0,
            refused: 0,
            unknown: 0,
            setup,
        }
    }

    fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let now = now.time;
        let events = match input {
            Input::Connected { connection } => {
                self.session.connected(connection, now, out);
                Vec::new()
            }
            Input::Disconnected { connection, .. } => {
                self.session.disconnected(connection, now, out)
            }
            Input::Frame { connection, frame } => self.session.hear(connection, frame, now, out),
            Input::Timer(Timer::ZooKeeperClient(ZooKeeperClientTimer::Workload)) => {
                self.work(now, out);
                Vec::new()
            }
            Input::Timer(Timer::ZooKeeperClient(timer)) => self.session.timer(timer, now, out),
            Input::Command(Command::ShutDown) => {
                out.halt();
                Vec::new()
            }
            _ => Vec::new(),
        };
        for event in events {
            self.on_event(event, now, out);
        }
        if self.setup.every.is_none() && self.session.server().is_some() {
            self.fill(now, out);
        }
    }

    fn view(&self) -> ApplicationView {
        ApplicationView {
            session: self.session.id(),
            server: self.session.server(),
            last_zxid: self.session.last_zxid(),
            calls: self.made,
            answered: self.answered,
            refused: self.refused,
            unknown: self.unknown,
            pending: self.calls.len() as u64,
        }
    }
}

impl Application {
    fn on_event(&mut self, event: Event, now: Time, out: &mut Outbox) {
        match event {
            Event::Connected { is_new: true } => self.begin_session(now, out),
            Event::Connected { is_new: false } | Event::Disconnected => {}
            Event::Expired => {
                self.lock = Lock::Idle;
                self.session.renew(now, out);
            }
            Event::Answered(ticket, op, outcome) => self.ended(ticket, &op, outcome, now, out),
            Event::Watched(event) => self.on_watch(&event, now, out),
        }
    }

    /// What a session begins with.
    fn begin_session(&mut self, now: Time, out: &mut Outbox) {
        if !self.ground.is_empty() {
            return;
        }
        match self.setup.workload {
            Workload::Members => self.join(now, out),
            Workload::Watcher => self.watch_register(now, out),
            _ => {}
        }
    }

    /// Once more of the workload, unless too much is under way.
    fn work(&mut self, now: Time, out: &mut Outbox) {
        if self.is_done(now) {
            return;
        }
        let next = self.setup.every.unwrap_or(PATIENCE);
        out.set_timer(Timer::ZooKeeperClient(ZooKeeperClientTimer::Workload), next);
        if self.has_room() {
            match self.ground.first().cloned() {
                Some(path) => self.lay_ground(path, now, out),
                None => self.work_on(now, out),
            }
        }
    }

    /// As much of the workload as may be in flight. The ground is laid at the timer's pace.
    fn fill(&mut self, now: Time, out: &mut Outbox) {
        while self.ground.is_empty() && self.has_room() && !self.is_done(now) {
            let before = self.made;
            self.work_on(now, out);
            if self.made == before {
                return;
            }
        }
    }

    fn has_room(&self) -> bool {
        let in_flight = match self.setup.workload {
            Workload::Creates { .. } => creates::awaited(self.calls.values()),
            _ => self.calls.len(),
        };
        (in_flight as u32) < self.setup.in_flight
    }

    fn is_done(&self, now: Time) -> bool {
        now >= self.works_until || self.setup.calls.is_some_and(|calls| self.made >= calls)
    }

    fn lay_ground(&mut self, path: Path, now: Time, out: &mut Outbox) {
        let zero = self.setup.workload.text(0);
        self.call(create(path, &zero, CreateMode::PERSISTENT), now, out);
    }

    /// A znode is there. A consumer commits seldom, and does not wait that long for each of its many znodes.
    fn ground_laid(&mut self, now: Time, out: &mut Outbox) {
        match (self.setup.workload, self.ground.first().cloned()) {
            (Workload::Offsets { .. }, Some(path)) => self.lay_ground(path, now, out),
            _ => self.begin_session(now, out),
        }
    }

    fn work_on(&mut self, now: Time, out: &mut Outbox) {
        match self.setup.workload {
            Workload::Registers { keys, reads, synced, .. } => {
                self.use_register((keys, reads, synced), now, out);
            }
            Workload::Counter => self.count(now, out),
            Workload::Lock { hold } => self.use_lock(hold, now, out),
            Workload::Offsets { partitions } => {
                self.offsets.begin(partitions, now);
                self.write_offsets(partitions, now, out);
            }
            Workload::Creates { .. } => {
                let znode = creates::znode(self.me, self.next_call);
                let data = self.setup.workload.text(self.next_call);
                self.call(create(znode, &data, CreateMode::PERSISTENT), now, out);
            }
            Workload::Members | Workload::Watcher => {}
        }
    }

    /// As many of the commit that is under way as may be in flight.
    fn write_offsets(&mut self, partitions: u32, now: Time, out: &mut Outbox) {
        while self.has_room()
            && let Some(partition) = self.offsets.next(partitions)
        {
            let path = offsets::znode(self.me, partition);
            let data = Data::from(self.setup.workload.text(self.next_call));
            self.call(Op::SetData { path, data, version: None }, now, out);
        }
    }

    fn offset_written(&mut self, partitions: u32, now: Time, out: &mut Outbox) {
        if let Some(took) = self.offsets.ended(now) {
            out.state(ZooKeeperFact::OffsetsCommitted { partitions, took });
        }
        self.write_offsets(partitions, now, out);
    }

    fn use_register(
        &mut self,
        (keys, reads, synced): (u32, u32, bool),
        now: Time,
        out: &mut Outbox,
    ) {
        let path = register(self.chance.below(u64::from(keys)) as u32);
        if self.chance.below(100) < u64::from(reads) {
            if synced {
                self.call(Op::Sync { path: path.clone() }, now, out);
            }
            return self.call(Op::GetData { path, watch: false }, now, out);
        }
        let data = Data::from(self.setup.workload.text(self.next_call));
        self.call(Op::SetData { path, data, version: None }, now, out);
    }

    /// Reads the number, or writes one more than was read.
    fn count(&mut self, now: Time, out: &mut Outbox) {
        let path = counter();
        match self.number.take() {
            None => self.call(Op::GetData { path, watch: false }, now, out),
            Some((number, version)) => {
                let data = Data::from((number + 1).to_string());
                self.call(Op::SetData { path, data, version: Some(version) }, now, out);
            }
        }
    }

    fn use_lock(&mut self, hold: Span, now: Time, out: &mut Outbox) {
        match self.lock {
            Lock::Idle | Lock::Asking if self.calls.is_empty() => {
                let op = self.lock.ask();
                self.call(op, now, out);
            }
            Lock::Held(_) if now.since(self.held_since) >= hold => {
                if let Some(op) = self.lock.release() {
                    self.call(op, now, out);
                }
            }
            Lock::Releasing(ref path) if self.calls.is_empty() => {
                let op = Op::Delete { path: path.clone(), version: None };
                self.call(op, now, out);
            }
            _ => {}
        }
    }

    fn join(&mut self, now: Time, out: &mut Outbox) {
        let own = members().child(&self.me.to_string());
        self.call(create(own, "", CreateMode::EPHEMERAL), now, out);
        self.call(Op::GetChildren { path: members(), watch: true }, now, out);
    }

    /// A look at who is there: whoever is not seen says so again. The znode of an earlier session may have been
    /// in the way (NODEEXISTS), and is gone now.
    fn stay(&mut self, result: &Result<Answer, KeeperError>, now: Time, out: &mut Outbox) {
        let me = self.me.to_string();
        if let Ok(Answer::Children { names, .. }) = result
            && !names.iter().any(|name| **name == *me)
        {
            self.call(create(members().child(&me), "", CreateMode::EPHEMERAL), now, out);
        }
    }

    fn watch_register(&mut self, now: Time, out: &mut Outbox) {
        self.call(Op::GetData { path: register(0), watch: true }, now, out);
    }

    fn on_watch(&mut self, event: &WatcherEvent, now: Time, out: &mut Outbox) {
        match (self.setup.workload, &self.lock) {
            (Workload::Members, _) => {
                self.call(Op::GetChildren { path: members(), watch: true }, now, out);
            }
            (Workload::Watcher, _) => self.watch_register(now, out),
            (Workload::Lock { .. }, Lock::Waiting(before)) if *before == event.path => {
                let op = self.lock.ask();
                self.call(op, now, out);
            }
            _ => {}
        }
    }

    fn call(&mut self, op: Op, now: Time, out: &mut Outbox) {
        let id = self.next_call;
        self.next_call += 1;
        self.made += 1;
        let call = Call::ZooKeeper(Box::new(op.clone()));
        out.record(Operation::Began { id: OperationId(id), call });
        self.calls.insert(Ticket(id), op.clone());
        self.session.submit(Ticket(id), op, now, out);
    }

    fn ended(
        &mut self,
        ticket: Ticket,
        op: &Op,
        outcome: KeeperOutcome,
        now: Time,
        out: &mut Outbox,
    ) {
        self.calls.remove(&ticket);
        let recorded = Outcome::ZooKeeper(Box::new(outcome.clone()));
        out.record(Operation::Ended { id: OperationId(ticket.0), outcome: recorded });
        let (zxid, result) = match outcome {
            KeeperOutcome::Answered(zxid, answer) => {
                self.answered += 1;
                (zxid, Ok(answer))
            }
            KeeperOutcome::Refused(zxid, error) => {
                self.refused += 1;
                (zxid, Err(error))
            }
            KeeperOutcome::Unknown(_) => {
                self.unknown += 1;
                return self.lost(op, now, out);
            }
        };
        self.go_on(op, &result, (zxid, now), out);
    }

    /// What follows when nobody knows whether a request was carried out. A watch that was asked for may not
    /// be there.
    fn lost(&mut self, op: &Op, now: Time, out: &mut Outbox) {
        match (self.setup.workload, op) {
            (Workload::Watcher, Op::GetData { .. }) => self.watch_register(now, out),
            (Workload::Members, Op::GetChildren { .. }) => {
                self.call(Op::GetChildren { path: members(), watch: true }, now, out);
            }
            (Workload::Lock { .. }, _) if matches!(self.lock, Lock::Waiting(_)) => {
                self.lock = Lock::Asking;
            }
            (Workload::Offsets { partitions }, Op::SetData { .. }) => {
                self.offset_written(partitions, now, out);
            }
            _ => {}
        }
    }

    fn go_on(
        &mut self,
        op: &Op,
        result: &Result<Answer, KeeperError>,
        (zxid, now): (Zxid, Time),
        out: &mut Outbox,
    ) {
        if let (Op::Create { path, .. }, Ok(_) | Err(KeeperError::NodeExists)) = (op, result)
            && self.ground.first() == Some(path)
        {
            self.ground.remove(0);
            return self.ground_laid(now, out);
        }
        match self.setup.workload {
            Workload::Counter => self.number = number_read(op, result),
            Workload::Creates { .. } => {
                if let (Op::Create { path, .. }, Ok(_)) = (op, result) {
                    self.call(creates::delete(path), now, out);
                }
            }
            Workload::Lock { .. } => self.go_on_with_lock(op, result, (zxid, now), out),
            Workload::Members => self.stay(result, now, out),
            Workload::Offsets { partitions } if matches!(op, Op::SetData { .. }) => {
                self.offset_written(partitions, now, out);
            }
            _ => {}
        }
    }

    fn go_on_with_lock(
        &mut self,
        op: &Op,
        result: &Result<Answer, KeeperError>,
        (zxid, now): (Zxid, Time),
        out: &mut Outbox,
    ) {
        let me = self.me.to_string();
        if let (Lock::Releasing(path), Op::Delete { .. }) = (&self.lock, op) {
            out.state(ZooKeeperFact::LockReleased { path: path.clone() });
        }
        let (next, is_taken) = self.lock.answered(op, result, &me);
        if let (Lock::Held(path), true) = (&self.lock, is_taken) {
            out.state(ZooKeeperFact::LockAcquired { path: path.clone(), zxid });
            self.held_since = now;
        }
        if let Some(op) = next {
            self.call(op, now, out);
        }
    }
}

/// The number that was read, with its version: what the next write goes by.
fn number_read(op: &Op, result: &Result<Answer, KeeperError>) -> Option<(i64, u32)> {
    match (op, result) {
        (Op::GetData { .. }, Ok(Answer::Data { data, stat })) => {
            data.0.parse().ok().map(|number| (number, stat.version))
        }
        _ => None,
    }
}
