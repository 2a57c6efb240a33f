//! Writes are linearizable, and reads behind a `sync` are; other reads may be stale (Hunt et al., USENIX ATC
//! 2010, section 2.3).
//!
//! In general that takes a search over all orders (Wing and Gong). Here every write is told its version, and every
//! read the version that it saw: the order is known, and what is left is to hold it against the clock. A write
//! that ended before another began must have the lower version; no two have the same; whoever sees a version
//! sees what was written with it; and a read behind a `sync` sees every write that had ended before the `sync`
//! began.
//!
//! The last one has a way out. A `sync` is no transaction: the leader answers it by itself, and one that has been
//! deposed and does not know it yet answers as well (`Leader.processSync`, ZOOKEEPER-1675). What it cannot know of
//! are the writes of later epochs, and these alone may be missing.

use super::Look;
use crate::findings::{Breach, Finding};
use crate::promise::Promise;
use crate::settings::Setting;
use crate::verdict::Moment;
use klab_machine::OperationId;
use klab_machine::operation::KeeperOutcome;
use klab_wire::NodeId;
use klab_wire::zookeeper::{Answer, Data, Op, Path};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Znodes {
    pending: BTreeMap<(NodeId, OperationId), Pending>,
    znodes: BTreeMap<Path, Znode>,
    /// In which epoch the server serves to whom each client is connected.
    epochs: BTreeMap<NodeId, u32>,
    /// The last `sync` of each client that was answered.
    synced: BTreeMap<NodeId, Synced>,
}

/// The highest version of a znode that a write of each epoch has ended with.
type Ended = BTreeMap<u32, u32>;

/// A `sync` that was answered: what it guarantees the next read of its client.
#[derive(Clone, Debug)]
struct Synced {
    id: OperationId,
    /// The epoch of the leader that answered; none if nobody knows, and then it is taken for the newest.
    epoch: Option<u32>,
    floor: BTreeMap<Path, Ended>,
}

/// A write on the condition that a znode has a version makes the next one of it.
fn followed(path: &Path, expected: Option<u32>, version: u32) -> Finding {
    match expected {
        Some(expected) if version != expected + 1 => Err(Breach::of(format!(
            "{path} was to be written at version {expected} only, and became version {version}"
        ))),
        _ => Ok(()),
    }
}

/// A request that has not ended.
#[derive(Clone, Debug)]
struct Pending {
    op: Op,
    /// With what writes of its znode had ended when it began; for a `sync`, of all.
    floor: BTreeMap<Path, Ended>,
}

/// One znode as a register.
#[derive(Clone, Debug, Default)]
struct Znode {
    /// What was written with each version, as far as the writers know.
    written: BTreeMap<u32, Data>,
    /// What may have been written, by those who do not know.
    possible: BTreeSet<Data>,
    ended: Ended,
}

impl Znodes {
    pub(super) fn begin(&mut self, at: Moment, id: OperationId, op: &Op) {
        let floor = match op {
            Op::Sync { .. } => {
                let ended = |(path, znode): (&Path, &Znode)| (path.clone(), znode.ended.clone());
                self.znodes.iter().map(ended).collect()
            }
            Op::SetData { path, .. } => {
                let ended = self.znodes.get(path).map(|znode| znode.ended.clone());
                ended.map(|ended| (path.clone(), ended)).into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        if let Op::SetData { path, data, .. } | Op::Create { path, data, .. } = op {
            self.znodes.entry(path.clone()).or_default().possible.insert(data.clone());
        }
        self.pending.insert((at.node, id), Pending { op: op.clone(), floor });
    }

    /// A request that has not ended.
    pub(super) fn op(&self, node: NodeId, id: OperationId) -> Option<Op> {
        self.pending.get(&(node, id)).map(|pending| pending.op.clone())
    }

    /// A client died: what it asked may still happen.
    pub(super) fn abandon(&mut self, node: NodeId) {
        self.pending.retain(|(of, _), _| *of != node);
        self.synced.remove(&node);
    }

    /// A client has a server, which serves in this epoch. On that connection it is answered in this epoch or not at
    /// all: a server that ceases to serve hangs up.
    pub(super) fn connected(&mut self, node: NodeId, epoch: Option<u32>) {
        match epoch {
            Some(epoch) => drop(self.epochs.insert(node, epoch)),
            None => drop(self.epochs.remove(&node)),
        }
    }

    pub(super) fn end(
        &mut self,
        at: Moment,
        id: OperationId,
        outcome: &KeeperOutcome,
    ) -> Vec<Look> {
        let Some(Pending { op, floor }) = self.pending.remove(&(at.node, id)) else {
            return Vec::new();
        };
        match (&op, outcome) {
            (
                Op::SetData { path, data, version },
                KeeperOutcome::Answered(zxid, Answer::Stat(stat)),
            ) => {
                let floor = floor.get(path).and_then(highest);
                let finding = self.wrote(path, data, (zxid.epoch(), stat.version), floor);
                let finding = finding.and_then(|()| followed(path, *version, stat.version));
                vec![(Promise::ZnodeWritesAreLinearizable, finding)]
            }
            (
                Op::Create { path, data, .. },
                KeeperOutcome::Answered(zxid, Answer::Created { .. }),
            ) => {
                // A znode that is created anew begins with version 0 again, and is another register.
                let znode = self.znodes.entry(path.clone()).or_default();
                znode.written = BTreeMap::from([(0, data.clone())]);
                znode.ended = Ended::from([(zxid.epoch(), 0)]);
                Vec::new()
            }
            (Op::Sync { .. }, KeeperOutcome::Answered(..)) => {
                let epoch = self.epochs.get(&at.node).copied();
                self.synced.insert(at.node, Synced { id, epoch, floor });
                Vec::new()
            }
            (Op::GetData { path, .. }, KeeperOutcome::Answered(_, Answer::Data { data, stat })) => {
                let mut looks = vec![(
                    Promise::ZnodeWritesAreLinearizable,
                    self.read(path, data, stat.version),
                )];
                looks.extend(self.read_behind_sync(at.node, id, path, stat.version));
                looks
            }
            _ => Vec::new(),
        }
    }

    fn wrote(
        &mut self,
        path: &Path,
        data: &Data,
        (epoch, version): (u32, u32),
        floor: Option<u32>,
    ) -> Finding {
        let znode = self.znodes.entry(path.clone()).or_default();
        if floor.is_some_and(|floor| version <= floor) {
            let what = format!("{path} was written as version {version} after version {floor:?}");
            return Err(Breach::of(what));
        }
        let ended = znode.ended.entry(epoch).or_default();
        *ended = version.max(*ended);
        match znode.written.insert(version, data.clone()) {
            Some(other) if other != *data => {
                let what =
                    format!("{path} was written twice as version {version}: {other:?}, {data:?}");
                Err(Breach::of(what))
            }
            _ => Ok(()),
        }
    }

    fn read(&mut self, path: &Path, data: &Data, version: u32) -> Finding {
        let Some(znode) = self.znodes.get_mut(path) else { return Ok(()) };
        match znode.written.get(&version) {
            Some(written) if written != data => Err(Breach::of(format!(
                "{path} was read as {data:?} in version {version}, which was written as {written:?}"
            ))),
            None if !znode.possible.contains(data) => {
                Err(Breach::of(format!("{path} was read as {data:?}, which nobody wrote")))
            }
            Some(_) => Ok(()),
            None => {
                znode.written.insert(version, data.clone());
                Ok(())
            }
        }
    }

    /// A read that comes right behind a `sync` of the same client.
    fn read_behind_sync(
        &mut self,
        node: NodeId,
        id: OperationId,
        path: &Path,
        version: u32,
    ) -> Option<Look> {
        let synced = self.synced.get(&node).filter(|synced| synced.id.0 + 1 == id.0)?;
        Some((Promise::SyncedReadsAreFresh, synced.shows(path, version)))
    }
}

impl Synced {
    /// A read behind it has seen this version.
    fn shows(&self, path: &Path, version: u32) -> Finding {
        let mut ended = self.floor.get(path).into_iter().flatten();
        let Some((epoch, last)) = ended.find(|(_, last)| version < **last) else {
            return Ok(());
        };
        let permitted = self.epoch.filter(|own| own < epoch).map(|_| Setting::SyncOfDeposedLeader);
        let what = format!(
            "{path} was read in version {version} behind a sync, and version {last} had been written before, in epoch {epoch}"
        );
        Err(Breach::of(what).permitted(permitted))
    }
}

/// The highest version that a write has ended with.
fn highest(ended: &Ended) -> Option<u32> {
    ended.values().max().copied()
}
