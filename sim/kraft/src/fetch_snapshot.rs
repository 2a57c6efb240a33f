//! FetchSnapshot: a replica that is too far behind gets a snapshot, piece by piece (KIP-630).

use crate::blocked::Blocked;
use crate::purgatory::Caller;
use crate::raft::Raft;
use crate::replica_log::MAX_FETCH_SIZE_BYTES;
use crate::role::{FetchingSnapshot, Role};
use crate::snapshot::Snapshot;
use klab_machine::fact::RaftFact;
use klab_machine::{File, Outbox};
use klab_wire::{
    ErrorCode, FetchSnapshotRequest, FetchSnapshotResponse, Now, OffsetAndEpoch, ReplicaKey,
    Response,
};

impl Raft {
    /// The request for the next piece.
    pub(crate) fn snapshot_request(&self, fetching: &FetchingSnapshot) -> FetchSnapshotRequest {
        FetchSnapshotRequest {
            cluster: self.cluster.clone(),
            replica: self.own_replica(),
            max_bytes: MAX_FETCH_SIZE_BYTES,
            current_leader_epoch: self.quorum.leader_epoch,
            snapshot: fetching.id,
            position: fetching.position(),
        }
    }

    /// A replica asks for a piece. Who reads a snapshot follows as well as who fetches records.
    pub(crate) fn snapshot_requested(
        &mut self,
        now: Now,
        caller: Caller,
        request: FetchSnapshotRequest,
        out: &mut Outbox,
    ) {
        let answer = match self.piece_of(&request) {
            Err(error) => self.snapshot_answer(&request, error),
            Ok(piece) => {
                self.snapshot_reader_follows(now, &request);
                piece
            }
        };
        caller.answer(Response::FetchSnapshot(Box::new(answer)), out);
    }

    /// The leader has sent a piece, or has the snapshot no more: then the next fetch begins anew.
    pub(crate) fn snapshot_fetched(
        &mut self,
        now: Now,
        response: FetchSnapshotResponse,
        out: &mut Outbox,
    ) {
        self.heard_from_leader(now);
        let Role::Follower(follower) = &mut self.role else { return };
        let Some(mut fetching) = follower.fetching.take() else { return };
        if !response.error.is_ok() {
            return;
        }
        let expected = (fetching.id, fetching.position());
        assert_eq!((response.snapshot, response.position), expected, "one request at a time");
        fetching.batches.extend(response.batches);
        if fetching.position() < response.size {
            follower.fetching = Some(fetching);
            return;
        }
        let id = fetching.id;
        let snapshot = fetching.into_snapshot();
        // A damaged one is read again from its start.
        if snapshot.is_complete() {
            self.store_fetched_snapshot(id, snapshot, out);
        }
    }

    /// The snapshot is on the platter: now the log before it may go.
    pub(crate) fn fetched_snapshot_stored(
        &mut self,
        now: Now,
        id: OffsetAndEpoch,
        snapshot: Snapshot,
        out: &mut Outbox,
    ) {
        self.log.add_snapshot(id, snapshot);
        out.state(RaftFact::MetadataSnapshotFetched { snapshot: id });
        if self.log.truncate_to_latest_snapshot(now, out) {
            self.follower_committed(id.offset, out);
        }
        self.heard_from_leader(now);
    }

    fn store_fetched_snapshot(&mut self, id: OffsetAndEpoch, snapshot: Snapshot, out: &mut Outbox) {
        snapshot.store(id, out);
        let flush = out.flush(File::MetadataSnapshot(id));
        self.blocked = Some(Blocked::StoringSnapshot { flush, id, snapshot });
    }

    fn piece_of(&self, request: &FetchSnapshotRequest) -> Result<FetchSnapshotResponse, ErrorCode> {
        if request.cluster != self.cluster {
            return Err(ErrorCode::InconsistentClusterId);
        }
        if let Some(error) = self.refuse_leader_only_request(Some(request.current_leader_epoch)) {
            return Err(error);
        }
        let snapshot = self.log.snapshot(request.snapshot).ok_or(ErrorCode::SnapshotNotFound)?;
        let batches = snapshot
            .slice(request.position, request.max_bytes)
            .ok_or(ErrorCode::PositionOutOfRange)?;
        let size = snapshot.size();
        Ok(FetchSnapshotResponse {
            size,
            batches,
            ..self.snapshot_answer(request, ErrorCode::None)
        })
    }

    fn snapshot_reader_follows(&mut self, now: Now, request: &FetchSnapshotRequest) {
        if let (Role::Leader(leader), Some(directory)) = (&mut self.role, request.replica.directory)
        {
            leader.heard_of(ReplicaKey { id: request.replica.id, directory }, now);
        }
    }

    fn snapshot_answer(
        &self,
        request: &FetchSnapshotRequest,
        error: ErrorCode,
    ) -> FetchSnapshotResponse {
        FetchSnapshotResponse {
            error,
            snapshot: request.snapshot,
            current_leader: self.current_leader(),
            size: 0,
            position: request.position,
            batches: Vec::new(),
        }
    }
}
