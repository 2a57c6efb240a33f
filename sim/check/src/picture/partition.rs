//! One partition: its copies, what the controller decided about it, who led it in which epoch.

use super::batch::Batch;
use super::copies::{Copies, ProducerTail, Replica};
use crate::settings::{Setting, Settings};
use crate::verdict::{Moment, Witness};
use klab_wire::{
    BatchProducer, LeaderEpoch, NodeId, Offset, PartitionEpoch, ProducerId, Time, TopicPartition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the facts say about one partition.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) name: TopicPartition,
    pub(crate) copies: Copies,
    /// What the controller decided, as far as it is committed.
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) partition_epoch: PartitionEpoch,
    pub(crate) isr: Arc<[NodeId]>,
    pub(crate) replicas: Arc<[NodeId]>,
    pub(crate) moving: Moving,
    /// Changes of what decides how many replicas must be in sync: the metadata offset of each, and how many
    /// it was before.
    pub(crate) raised: Vec<(Offset, u32)>,
    /// Every leadership that a broker took up, by epoch.
    pub(crate) leaders: BTreeMap<LeaderEpoch, NodeId>,
    /// The true high watermark: everything below was committed by a leader.
    pub(crate) committed: Offset,
    pub(crate) elections: Vec<Election>,
    /// Why committed records may be missing from now on, if they may.
    pub(crate) excuse: Option<Setting>,
    /// Why the last member of its ISR leads whatever it has lost, where it does.
    pub(crate) last_member_trusted_by: Setting,
    /// A leader that had lost records led on in its epoch (ZooKeeper mode): followers cannot tell the old ones from the
    /// new ones.
    pub(crate) resumed: bool,
    /// Followers that do not fetch any more, until they have another leader.
    pub(crate) given_up: BTreeSet<NodeId>,
    /// Producers that some replica has forgotten: any sequence of theirs is accepted.
    pub(crate) expired: BTreeSet<ProducerId>,
    /// When a batch of a producer was called out of order, and in which epoch that broker led.
    pub(crate) refused: Vec<(Moment, NodeId, LeaderEpoch)>,
    /// Where each client was told that it ends, ever higher, and when.
    pub(crate) told_ends: BTreeMap<NodeId, Vec<(Time, Offset)>>,
    /// When a producer gave up a batch because of what was in it: a leader will never take it.
    pub(crate) turned_down: Vec<Moment>,
    /// Of each producer a snapshot has only the last batch, and a log that is opened again nothing of what was
    /// deleted.
    pub(crate) openings: Vec<Opening>,
    /// A leader that knew nothing of a producer took a batch of it that was not its first: what came before may
    /// follow (`ProducerAppendInfo.checkSequence` takes any sequence then).
    pub(crate) joined_midway: bool,
}

/// A log that was opened with something in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) at: Moment,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
}

/// An election as the controller decided it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Election {
    pub(crate) at: Moment,
    pub(crate) leader: NodeId,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) clean: bool,
    /// What permits it, if it was unclean.
    pub(crate) unclean_by: Option<Setting>,
}

/// A reassignment in ZooKeeper mode; empty if there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moving {
    /// Who were the replicas before it, or before the one that it has replaced.
    origin: Vec<NodeId>,
    stays: Vec<NodeId>,
    goes: Vec<NodeId>,
    /// The leader has been told that those who go are replicas no more: it waits for them no longer, though they
    /// may not have left the ISR yet.
    leader_knows: bool,
}

impl Moving {
    /// These are the replicas now, of whom some are new and some are to go.
    pub(crate) fn begin(&mut self, replicas: &[NodeId], adding: &[NodeId], removing: &[NodeId]) {
        if self.origin.is_empty() {
            let origin = replicas.iter().filter(|one| !adding.contains(one));
            self.origin = origin.copied().collect();
        }
        let stays = self.origin.iter().filter(|one| !removing.contains(one));
        self.stays = stays.chain(adding).copied().collect();
        self.goes = removing.to_vec();
        self.leader_knows = false;
    }

    /// The leader has a new epoch: if all who stay are in sync, that is when it learns who goes.
    pub(crate) fn tell_leader(&mut self, isr: &[NodeId]) {
        self.leader_knows = self.stays.iter().all(|one| isr.contains(one));
    }

    /// Whether the leader does not wait for this replica any more.
    pub(crate) fn goes(&self, replica: NodeId) -> bool {
        self.leader_knows && self.goes.contains(&replica)
    }
}

impl Partition {
    pub(crate) fn new(name: TopicPartition, settings: &Settings) -> Self {
        Partition {
            name,
            copies: Copies::default(),
            leader: None,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            isr: Arc::new([]),
            replicas: Arc::new([]),
            moving: Moving::default(),
            raised: Vec::new(),
            leaders: BTreeMap::new(),
            committed: Offset(0),
            elections: Vec::new(),
            excuse: None,
            last_member_trusted_by: settings.last_member_trusted_by(),
            resumed: false,
            given_up: BTreeSet::new(),
            expired: BTreeSet::new(),
            refused: Vec::new(),
            told_ends: BTreeMap::new(),
            turned_down: Vec::new(),
            openings: Vec::new(),
            joined_midway: false,
        }
    }

    /// Whether the controller's last word is that this node leads, in this epoch.
    pub(crate) fn is_led_by(&self, node: NodeId, epoch: LeaderEpoch) -> bool {
        self.leader_epoch == epoch && self.leader == Some(node)
    }

    /// The replicas whom the controller counts as in sync.
    pub(crate) fn in_sync(&self) -> impl Iterator<Item = &Replica> {
        self.isr.iter().filter_map(|member| self.copies.replica(*member))
    }

    /// A leader calls a batch of a producer out of order.
    pub(crate) fn refuse(&mut self, at: Moment, client: NodeId) {
        let leading = self.copies.replica(at.node).and_then(|replica| replica.leading.as_ref());
        let epoch = leading.map(|leading| leading.epoch);
        self.refused.extend(epoch.map(|epoch| (at, client, epoch)));
    }

    /// The newest leadership that a broker took up.
    pub(crate) fn newest_leader(&self) -> Option<(LeaderEpoch, NodeId)> {
        self.leaders.last_key_value().map(|(epoch, node)| (*epoch, *node))
    }

    /// Where a producer's sequences have got to in this replica's own log. What it noted as leader is at
    /// hand; after an election or a truncation the log itself tells.
    pub(crate) fn producer_tail(&self, node: NodeId, producer: ProducerId) -> Option<ProducerTail> {
        let slot = self.copies.find(node)?;
        let replica = self.copies.replica(node)?;
        let noted = replica.leading.as_ref().and_then(|leading| leading.producers.get(&producer));
        if let Some(tail) = noted {
            return Some(*tail);
        }
        let start = replica.start;
        let held = self.copies.batches().iter().rev();
        let mut held = held.filter(|batch| batch.is_held_by(slot) && batch.base >= start);
        let last = held.find(|batch| batch.producer.is_some_and(|p| p.id == producer))?;
        let BatchProducer { epoch, base_sequence, .. } = last.producer?;
        let records = (last.last.0 + 1 - last.base.0) as u32;
        Some(ProducerTail { epoch, next: base_sequence?.plus(records) })
    }

    /// Whether the leader that appended the later of these two batches had opened its log since the first:
    /// of a producer's batches it knows the last one then, and takes a repetition of another for a new one when
    /// the producer comes with a new epoch.
    pub(crate) fn forgot_between(&self, one: &Batch, other: &Batch) -> bool {
        let (first, later) = (one.appended.min(other.appended), one.appended.max(other.appended));
        let openings = self.openings.iter().map(|opened| opened.at);
        let mut openings = openings.filter(|opened| opened.node == later.node);
        openings.any(|opened| first.step < opened.step && opened.step <= later.step)
    }

    /// Whether a log was opened that did not reach back to the first of these offsets any more, and not up to
    /// the second yet: it knows nothing of a producer whose last batch was at the first one
    /// (`ProducerStateManager` is rebuilt from what the log has; `truncateAndReload` removes snapshots below its start).
    pub(crate) fn opened_between(&self, first: Offset, later: Offset) -> bool {
        self.openings.iter().any(|opened| first < opened.start && opened.end <= later)
    }

    /// The last election, if there was one.
    pub(crate) fn last_election(&self) -> Option<Witness> {
        self.elections.last().map(Election::witness)
    }

    /// What led to a batch not being where it should be: its append, the cut that took it, the election
    /// before that cut.
    pub(crate) fn story(&self, batch: &Batch) -> Vec<Witness> {
        let mut story = vec![batch.witness()];
        let cut = batch.cut.map(|index| &self.copies.cuts()[index as usize]);
        story.extend(cut.map(super::copies::Cut::witness));
        let elections = cut.map_or(self.elections.len(), |cut| cut.elections as usize);
        story.extend(elections.checked_sub(1).map(|index| self.elections[index].witness()));
        story.sort_by_key(|witness| witness.at);
        story
    }
}

impl Election {
    pub(crate) fn witness(&self) -> Witness {
        let how = if self.clean { "elected" } else { "elected uncleanly" };
        let what = format!("{how}: {} leads in leader epoch {}", self.leader, self.epoch);
        Witness { at: self.at, what }
    }
}
