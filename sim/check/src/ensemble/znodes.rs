//! Writes are linearizable, and reads behind a `sync` are; other reads may be stale (Hunt et al., USENIX ATC
//! 2010, section 2.3).
//!
//! In general that takes a search over all orders (Wing and Gong). Here every write is told its version, and every
//! read the version that it saw: the order is known, and what is left is to hold it against the clock. A write
//! that ended before another began must have the lower version; no two have the same; whoever sees a version
//! sees what was written with it; and a read behind a `sync` sees every write that had ended before the `sync`
//! began.

use super::Look;
use crate::findings::{Breach, Finding};
use crate::promise::Promise;
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
    /// What the last `sync` of each client that was answered guarantees its next read, and which request it was.
    synced: BTreeMap<NodeId, (OperationId, BTreeMap<Path, u32>)>,
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
    /// The highest version of its znode that a write had ended with when it began; for a `sync`, of all.
    floor: BTreeMap<Path, u32>,
}

/// One znode as a register.
#[derive(Clone, Debug, Default)]
struct Znode {
    /// What was written with each version, as far as the writers know.
    written: BTreeMap<u32, Data>,
    /// What may have been written, by those who do not know.
    possible: BTreeSet<Data>,
    /// The highest version that a write has ended with.
    ended: Option<u32>,
}

impl Znodes {
    pub(super) fn begin(&mut self, at: Moment, id: OperationId, op: &Op) {
        let floor = match op {
            Op::Sync { .. } => self
                .znodes
                .iter()
                .filter_map(|(path, znode)| Some((path.clone(), znode.ended?)))
                .collect(),
            Op::SetData { path, .. } => {
                let ended = self.znodes.get(path).and_then(|znode| znode.ended);
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
                KeeperOutcome::Answered(_, Answer::Stat(stat)),
            ) => {
                let finding = self.wrote(path, data, stat.version, floor.get(path).copied());
                let finding = finding.and_then(|()| followed(path, *version, stat.version));
                vec![(Promise::ZnodeWritesAreLinearizable, finding)]
            }
            (Op::Create { path, data, .. }, KeeperOutcome::Answered(_, Answer::Created { .. })) => {
                // A znode that is created anew begins with version 0 again, and is another register.
                let znode = self.znodes.entry(path.clone()).or_default();
                znode.written = BTreeMap::from([(0, data.clone())]);
                znode.ended = Some(0);
                Vec::new()
            }
            (Op::Sync { .. }, KeeperOutcome::Answered(..)) => {
                self.synced.insert(at.node, (id, floor));
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

    fn wrote(&mut self, path: &Path, data: &Data, version: u32, floor: Option<u32>) -> Finding {
        let znode = self.znodes.entry(path.clone()).or_default();
        if floor.is_some_and(|floor| version <= floor) {
            let what = format!("{path} was written as version {version} after version {floor:?}");
            return Err(Breach::of(what));
        }
        znode.ended = znode.ended.max(Some(version));
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
        let (sync, floor) = self.synced.get(&node)?;
        if sync.0 + 1 != id.0 {
            return None;
        }
        let floor = floor.get(path).copied().unwrap_or(0);
        let finding = match version < floor {
            true => Err(Breach::of(format!(
                "{path} was read in version {version} behind a sync, and version {floor} had been written before"
            ))),
            false => Ok(()),
        };
        Some((Promise::SyncedReadsAreFresh, finding))
    }
}
