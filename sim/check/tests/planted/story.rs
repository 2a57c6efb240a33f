//! Tells a history entry by entry, each in a step of its own unless it says otherwise.

use klab_check::{
    Convergence, End, Expectation, Judge, ProducerSettings, Settings, Summary, TopicSettings,
    Verdict,
};
use klab_machine::fact::{ControllerFact, Fact, LogFact, RaftFact, ReplicationFact, WorldFact};
use klab_machine::operation::{Call, Operation, OperationId, Outcome, PolledRecords, RecordRange};
use klab_machine::trace::{Entry, What};
use klab_wire::{
    Acks, BatchProducer, ErrorCode, LeaderEpoch, NodeId, NodeKind, Offset, PartitionEpoch,
    ProducerEpoch, ProducerId, Sequence, Time, TopicPartition,
};
use std::sync::Arc;

pub const B1: NodeId = NodeId::broker(1);
pub const B2: NodeId = NodeId::broker(2);
pub const B3: NodeId = NodeId::broker(3);
pub const V1: NodeId = NodeId::voter(1);
pub const V2: NodeId = NodeId::voter(2);
pub const V3: NodeId = NodeId::voter(3);
pub const P1: NodeId = NodeId::producer(1);
pub const C1: NodeId = NodeId::consumer(1);
pub const C2: NodeId = NodeId::consumer(2);

/// A history being told to a judge and to a summary.
#[derive(Clone)]
pub struct Story {
    judge: Judge,
    pub summary: Summary,
    step: u64,
    convergence: Convergence,
    /// The controller that has decided something in this step, and the end of the metadata log.
    decided: Option<NodeId>,
    reign: u32,
    metadata_end: u64,
}

/// One batch of a story.
#[derive(Clone, Copy)]
pub struct Told {
    pub epoch: u32,
    pub base: u64,
    pub count: u64,
    pub value: u64,
    pub sequence: Option<(u16, u32)>,
}

/// A batch of this epoch at this offset, its values counted from this one.
pub const fn batch(epoch: u32, base: u64, count: u64, value: u64) -> Told {
    Told { epoch, base, count, value, sequence: None }
}

pub fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

/// Three replicas, `min.insync.replicas=2`, three voters, one producer with Kafka's defaults.
pub fn settings() -> Settings {
    let defaults = TopicSettings { min_insync_replicas: 2, ..TopicSettings::default() };
    Settings { defaults, voters: vec![V1, V2, V3], ..Settings::default() }
}

/// The same with `flush.messages=1`.
pub fn flushing() -> Settings {
    let defaults = TopicSettings { flushes_every_batch: true, ..settings().defaults };
    Settings { defaults, ..settings() }
}

pub fn with_producer(producer: ProducerSettings) -> Settings {
    Settings { producers: [(P1, producer)].into(), ..settings() }
}

fn appended(partition: TopicPartition, told: Told, as_leader: bool) -> LogFact {
    let producer = told.sequence.map(|(epoch, sequence)| BatchProducer {
        id: ProducerId(7),
        epoch: ProducerEpoch(epoch),
        base_sequence: Some(Sequence(sequence)),
    });
    LogFact::BatchAppended {
        partition,
        epoch: LeaderEpoch(told.epoch),
        base: Offset(told.base),
        last: Offset(told.base + told.count - 1),
        digest: u64::from(told.epoch) << 32 ^ told.base << 16 ^ told.value,
        first_value: Some(told.value),
        producer,
        as_leader,
    }
}

fn metadata_appended(told: Told, as_leader: bool) -> What {
    What::Fact(appended(TopicPartition::cluster_metadata(), told, as_leader).into())
}

fn metadata_flushed(told: Told) -> LogFact {
    let to = Offset(told.base + told.count);
    LogFact::LogFlushed { partition: TopicPartition::cluster_metadata(), to }
}

fn metadata_committed(epoch: u32, from: u64, to: u64, as_leader: bool) -> RaftFact {
    let (epoch, from, to) = (LeaderEpoch(epoch), Offset(from), Offset(to));
    RaftFact::MetadataCommitted { epoch, from, to, as_leader }
}

impl Story {
    pub fn of(settings: Settings, expectations: Vec<Expectation>) -> Self {
        let summary = Summary::new(&settings);
        let judge = Judge::new(settings, expectations);
        Story {
            judge,
            summary,
            step: 0,
            convergence: Convergence::NotAwaited,
            decided: None,
            reign: 0,
            metadata_end: 0,
        }
    }

    /// A cluster with one partition: b1 leads it in epoch 0, b2 and b3 follow.
    pub fn with(settings: Settings) -> Self {
        Story::of(settings, Vec::new()).begun()
    }

    pub fn begun(self) -> Self {
        let story = self.activated().fact(V1, Self::created());
        story.loaded(B1, 0).loaded(B2, 0).loaded(B3, 0).leads(B1, 0, 0, 0)
    }

    /// A quorum whose leader is v1, and nothing else.
    pub fn of_quorum() -> Self {
        Story::of(settings(), Vec::new()).activated()
    }

    pub fn of_ensemble(participants: &[NodeId]) -> Self {
        let ensemble = participants.to_vec();
        Story::of(Settings { ensemble, ..settings() }, Vec::new())
    }

    fn activated(self) -> Self {
        self.fact(V1, ControllerFact::ControllerActivated { epoch: LeaderEpoch(1) })
    }

    pub fn created() -> ControllerFact {
        let all: Arc<[NodeId]> = Arc::new([B1, B2, B3]);
        ControllerFact::PartitionCreated {
            partition: orders(),
            leader: Some(B1),
            replicas: all.clone(),
            isr: all,
        }
    }

    pub fn new() -> Self {
        Story::with(settings())
    }

    fn tell(mut self, node: NodeId, what: What) -> Self {
        let time = Time(self.step * 1_000_000);
        let entry = Entry { step: self.step, time, node, what };
        self.judge.watch(&entry);
        self.summary.watch(&entry);
        self
    }

    /// Later by so many milliseconds, a new step in any case. What a controller has decided is in force.
    pub fn after(self, millis: u64) -> Self {
        let mut story = self.enforced();
        story.step += millis;
        story
    }

    pub fn fact(self, node: NodeId, fact: impl Into<Fact>) -> Self {
        self.after(1).and(node, fact)
    }

    /// A fact in the same step as the one before.
    pub fn and(mut self, node: NodeId, fact: impl Into<Fact>) -> Self {
        let fact = fact.into();
        match &fact {
            Fact::Controller(ControllerFact::ControllerActivated { epoch }) => self.reign = epoch.0,
            Fact::Controller(_) => self.decided = Some(node),
            _ => {}
        }
        self.tell(node, What::Fact(fact))
    }

    /// The voters write down and commit what was decided in this step.
    fn enforced(mut self) -> Self {
        let Some(controller) = self.decided.take() else { return self };
        let told = batch(self.reign, self.metadata_end, 1, self.step);
        self.metadata_end += 1;
        let story = [V1, V2, V3].iter().fold(self, |story, voter| {
            let story = story.tell(*voter, metadata_appended(told, *voter == controller));
            story.tell(*voter, What::Fact(metadata_flushed(told).into()))
        });
        let committed = metadata_committed(told.epoch, told.base, told.base + 1, true);
        story.tell(controller, What::Fact(committed.into()))
    }

    /// A controller writes down what it has decided in this step, and nobody else ever does.
    pub fn in_vain(mut self) -> Self {
        let Some(controller) = self.decided.take() else { return self };
        let told = batch(self.reign, self.metadata_end, 1, self.step);
        self.tell(controller, metadata_appended(told, true))
    }

    pub fn converges(self, convergence: Convergence) -> Self {
        Story { convergence, ..self }
    }

    pub fn end(self) -> Verdict {
        let mut story = self.enforced();
        story.step += 1;
        story.judged()
    }

    fn judged(self) -> Verdict {
        let time = Time(self.step * 1_000_000);
        self.judge.finish(End { time, convergence: self.convergence })
    }

    pub fn summed_up(mut self) -> Summary {
        self.summary.finish(Time((self.step + 1) * 1_000_000));
        self.summary
    }

    // What replicas do.

    pub fn loaded(self, node: NodeId, end: u64) -> Self {
        self.loaded_as(orders(), node, end)
    }

    pub fn loaded_from(self, node: NodeId, [start, end]: [u64; 2]) -> Self {
        let [start, end] = [start, end].map(Offset);
        self.fact(node, LogFact::LogLoaded { partition: orders(), start, end, clean: false })
    }

    pub fn loaded_as(self, partition: TopicPartition, node: NodeId, end: u64) -> Self {
        let (start, end) = (Offset(0), Offset(end));
        self.fact(node, LogFact::LogLoaded { partition, start, end, clean: false })
    }

    pub fn leads(self, node: NodeId, epoch: u32, start: u64, high_watermark: u64) -> Self {
        let fact = ReplicationFact::BecameLeader {
            partition: orders(),
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
            high_watermark: Offset(high_watermark),
            isr: [B1, B2, B3].into(),
        };
        self.fact(node, fact)
    }

    /// The leader learns of another ISR.
    pub fn learns_isr(self, node: NodeId, isr: &[NodeId], partition_epoch: u32) -> Self {
        let (partition, isr) = (orders(), isr.to_vec());
        let partition_epoch = PartitionEpoch(partition_epoch);
        self.fact(node, ReplicationFact::IsrShrunk { partition, isr, partition_epoch })
    }

    pub fn appends(self, node: NodeId, told: Told, as_leader: bool) -> Self {
        self.appends_to(orders(), node, told, as_leader)
    }

    pub fn appends_to(
        self,
        partition: TopicPartition,
        node: NodeId,
        told: Told,
        as_leader: bool,
    ) -> Self {
        self.fact(node, appended(partition, told, as_leader))
    }

    /// The leader appends, the others follow.
    pub fn replicated(self, leader: NodeId, followers: &[NodeId], told: Told) -> Self {
        let story = self.appends(leader, told, true);
        followers.iter().fold(story, |story, follower| story.appends(*follower, told, false))
    }

    pub fn flushes(self, node: NodeId, to: u64) -> Self {
        self.fact(node, LogFact::LogFlushed { partition: orders(), to: Offset(to) })
    }

    pub fn commits(self, node: NodeId, epoch: u32, from: u64, to: u64) -> Self {
        let fact = ReplicationFact::HighWatermarkAdvanced {
            partition: orders(),
            epoch: LeaderEpoch(epoch),
            from: Offset(from),
            to: Offset(to),
        };
        self.fact(node, fact)
    }

    pub fn learns(self, node: NodeId, from: u64, to: u64) -> Self {
        let (from, to) = (Offset(from), Offset(to));
        let partition = orders();
        self.fact(node, ReplicationFact::FollowerHighWatermarkAdvanced { partition, from, to })
    }

    pub fn truncates(self, node: NodeId, from: u64, to: u64) -> Self {
        let (from, to) = (Offset(from), Offset(to));
        self.fact(node, LogFact::LogTruncated { partition: orders(), from, to })
    }

    pub fn answers(self, node: NodeId, acks: Acks, last: u64, error: ErrorCode) -> Self {
        let fact = ReplicationFact::ProduceAnswered {
            partition: orders(),
            client: P1,
            acks,
            base: Some(Offset(last)),
            last: Some(Offset(last)),
            error,
        };
        self.fact(node, fact)
    }

    pub fn power_cut(self, node: NodeId) -> Self {
        self.fact(node, WorldFact::PowerCut { lost_blocks: 1, torn: false })
    }

    // What the controller does.

    pub fn elected(leader: NodeId, epoch: u32, isr: &[NodeId]) -> ControllerFact {
        let (partition, epoch) = (orders(), LeaderEpoch(epoch));
        ControllerFact::LeaderElected { partition, leader, epoch, isr: isr.into() }
    }

    pub fn elects(self, leader: NodeId, epoch: u32, isr: &[NodeId]) -> Self {
        self.fact(V1, Self::elected(leader, epoch, isr))
    }

    pub fn elects_uncleanly(self, leader: NodeId, epoch: u32) -> Self {
        let (partition, epoch) = (orders(), LeaderEpoch(epoch));
        self.fact(V1, ControllerFact::LeaderElectedUncleanly { partition, leader, epoch })
    }

    pub fn isr(isr: &[NodeId], partition_epoch: u32) -> ControllerFact {
        ControllerFact::IsrChanged {
            partition: orders(),
            isr: isr.into(),
            partition_epoch: PartitionEpoch(partition_epoch),
        }
    }

    pub fn changes_isr(self, isr: &[NodeId], partition_epoch: u32) -> Self {
        self.fact(V1, Self::isr(isr, partition_epoch))
    }

    // What clients do.

    pub fn began(self, node: NodeId, id: u64, call: Call) -> Self {
        let operation = Operation::Began { id: OperationId(id), call };
        self.after(1).tell(node, What::Operation(operation))
    }

    pub fn ended(self, node: NodeId, id: u64, outcome: Outcome) -> Self {
        let operation = Operation::Ended { id: OperationId(id), outcome };
        self.after(1).tell(node, What::Operation(operation))
    }

    pub fn sends(self, value: u64, count: u32) -> Self {
        let call = Call::Send { topic: "orders".into(), key: None, first_value: value, count };
        self.began(P1, value, call)
    }

    pub fn acked(self, value: u64, offset: u64) -> Self {
        let outcome = Outcome::Sent { partition: orders(), offset: Some(Offset(offset)) };
        self.ended(P1, value, outcome)
    }

    /// A poll that returns ranges of (offset, first value, count).
    pub fn polls(self, consumer: NodeId, ranges: &[(u64, u64, u32)]) -> Self {
        let ranges = ranges.iter().map(|(offset, value, count)| RecordRange {
            offset: Offset(*offset),
            first_value: *value,
            count: *count,
        });
        let records = PolledRecords { partition: orders(), ranges: ranges.collect() };
        let id = 1_000_000 + self.step;
        let story = self.began(consumer, id, Call::Poll);
        story.ended(consumer, id, Outcome::Polled(vec![records]))
    }

    /// Five records, from value 100 on: sent, replicated, committed, acknowledged at offsets 0 to 4.
    pub fn with_five_acked(self) -> Self {
        let story = self.sends(100, 5).replicated(B1, &[B2, B3], batch(0, 0, 5, 100));
        story.commits(B1, 0, 0, 5).acked(100, 0)
    }

    // What the quorum does.

    /// A replica appends, and a voter flushes.
    pub fn metadata(self, node: NodeId, told: Told, as_leader: bool) -> Self {
        let partition = TopicPartition::cluster_metadata();
        let to = Offset(told.base + told.count);
        let story = self.appends_to(partition.clone(), node, told, as_leader);
        match node.kind {
            NodeKind::Voter => story.fact(node, LogFact::LogFlushed { partition, to }),
            _ => story,
        }
    }

    pub fn commits_metadata(self, node: NodeId, epoch: u32, from: u64, to: u64) -> Self {
        self.fact(node, metadata_committed(epoch, from, to, node == V1))
    }
}
