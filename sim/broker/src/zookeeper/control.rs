//! What the controller of ZooKeeper mode tells a broker: LeaderAndIsr, StopReplica, UpdateMetadata
//! (`KafkaApis`, `ReplicaManager.becomeLeaderOrFollower`, `stopReplicas`, `maybeUpdateMetadataCache`).
//!
//! Three epochs guard a broker against yesterday's words. The **controller epoch**: whoever has heard of a newer
//! controller obeys no older one. The **broker epoch** (KIP-380): what was said to a former life of the broker is
//! not for this one. The **leader epoch**: of one partition only news counts (KIP-570 for StopReplica).
//! In the releases before the broker epoch nobody looks at it; it stands in the request all the same, for the judge.
//!
//! Facts: `ControlRequestTaken`, `ControlRequestRefused`.

use super::configs::Reason;
use crate::Broker;
use crate::metadata_source::Mode;
use crate::purgatory::ReplyTo;
use klab_machine::fact::ReplicationFact;
use klab_machine::{Mutant, Outbox};
use klab_wire::config::switches::{BrokerEpochs, StopReplicaEpoch};
use klab_wire::{
    BrokerEpoch, ConfigResource, ControllerEpoch, ErrorCode, LeaderAndIsrPartitionError,
    LeaderAndIsrPartitionState, LeaderAndIsrRequest, LeaderAndIsrResponse, LeaderEpoch, NodeId,
    Now, PartitionRegistration, Request, Response, StopEpoch, StopReplicaPartitionError,
    StopReplicaPartitionState, StopReplicaRequest, StopReplicaResponse, TopicIdPartition,
    TopicName, TopicPartition, UpdateMetadataRequest, UpdateMetadataResponse,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a broker remembers of its controllers' requests.
#[derive(Clone, Debug, Default)]
pub struct ControlPlane {
    /// The newest controller that it has heard of.
    epoch: ControllerEpoch,
    /// Its replicas by name, which is what StopReplica calls them by.
    hosted: BTreeMap<TopicPartition, Hosted>,
    /// Requests wait for each other (`replicaStateChangeLock`), and the first of them for configs.
    queue: VecDeque<Waiting>,
    /// The topics whose configs the first of them waits for.
    unread: BTreeSet<TopicName>,
    /// A LeaderAndIsr has come: from now on there are high watermarks to write down.
    has_replicas: bool,
}

/// One replica of this broker, as the controller knows it.
#[derive(Clone, Copy, Debug)]
struct Hosted {
    id: TopicIdPartition,
    /// The controller that chose the leader.
    decided_by: ControllerEpoch,
}

/// A control request that has its turn when those before it are done.
#[derive(Clone, Debug)]
struct Waiting {
    request: Request,
    reply_to: ReplyTo,
    /// The configs that it needs are read.
    is_configured: bool,
}

/// Who says a control request, and to whom.
#[derive(Clone, Copy, Debug)]
struct Said {
    api: &'static str,
    controller: NodeId,
    controller_epoch: ControllerEpoch,
    meant_for: Option<BrokerEpoch>,
}

impl ControlPlane {
    /// The newest controller epoch that the broker has heard of.
    pub fn epoch(&self) -> ControllerEpoch {
        self.epoch
    }

    /// The controller that chose the leader of a replica's partition.
    pub fn decided_by(&self, partition: &TopicPartition) -> ControllerEpoch {
        self.hosted.get(partition).map_or(self.epoch, |hosted| hosted.decided_by)
    }
}

/// Why a control request is refused as a whole, if it is.
fn refusal(
    said: Said,
    known_controller: ControllerEpoch,
    broker_epoch: Option<BrokerEpoch>,
    rule: BrokerEpochs,
) -> Option<ErrorCode> {
    // One that is ahead of the broker is possible: the controller may hear of a registration first.
    let is_for_a_former_life = said.meant_for.is_some() && said.meant_for < broker_epoch;
    let tells_lives_apart = rule == BrokerEpochs::On && !Mutant::ObeysForFormerLives.lives();
    if is_for_a_former_life && tells_lives_apart {
        return Some(ErrorCode::StaleBrokerEpoch);
    }
    let is_former = said.controller_epoch < known_controller;
    let is_refused = is_former && !Mutant::ObeysFormerControllers.lives();
    is_refused.then_some(ErrorCode::StaleControllerEpoch)
}

/// Whether a StopReplica is news to a replica.
fn is_news(asked: StopEpoch, known: Option<LeaderEpoch>, rule: StopReplicaEpoch) -> bool {
    match asked {
        StopEpoch::DuringDelete | StopEpoch::None => true,
        StopEpoch::Of(epoch) => Some(epoch) >= known || rule == StopReplicaEpoch::Off,
    }
}

impl Broker {
    /// The controller says something. In KRaft mode nobody has such things to say.
    pub(crate) fn handle_control_request(
        &mut self,
        request: Request,
        reply_to: ReplyTo,
        now: Now,
        out: &mut Outbox,
    ) {
        if self.source.mode() == Mode::Quorum {
            return out.close(reply_to.connection);
        }
        let waiting = Waiting { request, reply_to, is_configured: false };
        self.control().queue.push_back(waiting);
        self.work_on_control_requests(now, out);
    }

    /// The configs of a topic have been read, of which a replica is about to be created.
    pub(super) fn topic_configured(&mut self, topic: &TopicName, now: Now, out: &mut Outbox) {
        if let Some(id) = self.metadata.image().topics.id_of(topic) {
            self.topic_settings.remove(&id);
        }
        let control = self.control();
        control.unread.remove(topic);
        if control.unread.is_empty() {
            if let Some(first) = control.queue.front_mut() {
                first.is_configured = true;
            }
            self.work_on_control_requests(now, out);
        }
    }

    fn control(&mut self) -> &mut ControlPlane {
        &mut self.zookeeper().control
    }

    fn work_on_control_requests(&mut self, now: Now, out: &mut Outbox) {
        while self.control().unread.is_empty() {
            let Some(mut first) = self.control().queue.pop_front() else { return };
            let said = said(&first.request);
            let refusal = self.why_refused(said);
            if refusal.is_none() && !first.is_configured {
                let unread = self.topics_without_configs(&first.request);
                if !unread.is_empty() {
                    self.control().queue.push_front(first);
                    return self.read_topic_configs(unread, now, out);
                }
            }
            let response = match refusal {
                Some(error) => self.refuse(&first.request, said, error, out),
                None => self.obey(&mut first.request, said, now, out),
            };
            first.reply_to.answer(response, out);
        }
    }

    fn why_refused(&mut self, said: Said) -> Option<ErrorCode> {
        let (epoch, rule) = (self.lifecycle.epoch(), self.switches.broker_epoch);
        refusal(said, self.control().epoch, epoch, rule)
    }

    fn refuse(
        &mut self,
        request: &Request,
        said: Said,
        error: ErrorCode,
        out: &mut Outbox,
    ) -> Response {
        let Said { api, controller, controller_epoch, .. } = said;
        let fact =
            ReplicationFact::ControlRequestRefused { api, controller, controller_epoch, error };
        out.state(fact);
        request.error_response(error).expect("every control request is answered")
    }

    fn obey(&mut self, request: &mut Request, said: Said, now: Now, out: &mut Outbox) -> Response {
        let Said { api, controller, controller_epoch, meant_for } = said;
        let broker_epoch = self.lifecycle.epoch();
        out.state(ReplicationFact::ControlRequestTaken {
            api,
            controller,
            controller_epoch,
            meant_for,
            broker_epoch,
        });
        self.control().epoch = controller_epoch;
        match request {
            Request::LeaderAndIsr(request) => {
                Response::LeaderAndIsr(Box::new(self.become_leader_or_follower(request, now, out)))
            }
            Request::StopReplica(request) => {
                Response::StopReplica(Box::new(self.stop_replicas(request, out)))
            }
            Request::UpdateMetadata(request) => {
                Response::UpdateMetadata(Box::new(self.update_metadata(request, now, out)))
            }
            other => unreachable!("{} is no control request", other.api()),
        }
    }

    // Configs of topics that are new here (`Partition.createLogIfNotExists`).

    fn topics_without_configs(&mut self, request: &Request) -> BTreeSet<TopicName> {
        let Request::LeaderAndIsr(request) = request else { return BTreeSet::new() };
        let hosted = &self.control().hosted;
        let new = request.partitions.iter().filter(|state| !hosted.contains_key(&state.partition));
        new.map(|state| state.partition.topic.clone()).collect()
    }

    fn read_topic_configs(&mut self, topics: BTreeSet<TopicName>, now: Now, out: &mut Outbox) {
        self.control().unread = topics.clone();
        for topic in topics {
            self.read_config(ConfigResource::Topic(topic), Reason::NewReplica, now, out);
        }
    }

    // LeaderAndIsr.

    /// New leaders first, then new followers.
    fn become_leader_or_follower(
        &mut self,
        request: &LeaderAndIsrRequest,
        now: Now,
        out: &mut Outbox,
    ) -> LeaderAndIsrResponse {
        let verdicts: Vec<_> = request.partitions.iter().map(|state| self.verdict(state)).collect();
        let mine = Some(self.identity.node);
        for leads in [true, false] {
            for (state, verdict) in request.partitions.iter().zip(&verdicts) {
                if verdict.is_ok() && (state.leader == mine) == leads {
                    self.take_state(state, now, out);
                }
            }
        }
        if !std::mem::replace(&mut self.control().has_replicas, true) {
            self.schedule_high_watermark_checkpoints(out);
        }
        let answer = |(state, verdict): (&LeaderAndIsrPartitionState, &Result<(), ErrorCode>)| {
            let error = verdict.err().unwrap_or_default();
            LeaderAndIsrPartitionError { id: state.id, error }
        };
        let partitions = request.partitions.iter().zip(&verdicts).map(answer).collect();
        LeaderAndIsrResponse { error: ErrorCode::None, partitions }
    }

    /// Only a newer leader epoch is news: STALE_CONTROLLER_EPOCH says otherwise, as in Kafka.
    fn verdict(&mut self, state: &LeaderAndIsrPartitionState) -> Result<(), ErrorCode> {
        let hosted = self.control().hosted.get(&state.partition).copied();
        let known = hosted.and_then(|hosted| self.replicas.get(hosted.id));
        let known = known.and_then(|replica| replica.known_leader_epoch());
        if hosted.is_some_and(|hosted| hosted.id.topic != state.id.topic) {
            Err(ErrorCode::InconsistentTopicId)
        } else if Some(state.leader_epoch) <= known {
            Err(ErrorCode::StaleControllerEpoch)
        } else if !state.replicas.contains(&self.identity.node) {
            Err(ErrorCode::UnknownTopicOrPartition)
        } else {
            Ok(())
        }
    }

    /// A follower whose leader is not known to be alive stays what it is (`makeFollowers`).
    fn take_state(&mut self, state: &LeaderAndIsrPartitionState, now: Now, out: &mut Outbox) {
        if self.replicas.get(state.id).is_none() {
            self.create_replica(state.id, state.partition.clone(), out);
        }
        let hosted = Hosted { id: state.id, decided_by: state.controller_epoch };
        self.control().hosted.insert(state.partition.clone(), hosted);
        let registration = registration(state);
        let is_alive = |leader| self.metadata.image().cluster.broker(leader).is_some();
        match state.leader {
            Some(leader) if leader == self.identity.node => {
                self.become_leader(state.id, &registration, now, out);
            }
            Some(leader) if is_alive(leader) => {
                self.become_follower(state.id, &registration, now, out);
            }
            _ => {}
        }
    }

    // StopReplica.

    fn stop_replicas(
        &mut self,
        request: &StopReplicaRequest,
        out: &mut Outbox,
    ) -> StopReplicaResponse {
        let answer = |broker: &mut Self, state: &StopReplicaPartitionState, out: &mut Outbox| {
            let error = broker.stop_replica(state, out).err().unwrap_or_default();
            StopReplicaPartitionError { partition: state.partition.clone(), error }
        };
        let partitions = request.partitions.iter().map(|state| answer(self, state, out)).collect();
        StopReplicaResponse { error: ErrorCode::None, partitions }
    }

    /// A log without a replica may be what an earlier life has left of a topic that has gone meanwhile.
    fn stop_replica(
        &mut self,
        state: &StopReplicaPartitionState,
        out: &mut Outbox,
    ) -> Result<(), ErrorCode> {
        let Some(hosted) = self.control().hosted.get(&state.partition).copied() else {
            if state.delete_partition {
                self.storage.delete_found_named(&state.partition, out);
            }
            return Ok(());
        };
        let known = self.replicas.get(hosted.id).and_then(|replica| replica.known_leader_epoch());
        if !is_news(state.leader_epoch, known, self.switches.stop_replica_epoch) {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        match state.delete_partition {
            true => {
                self.control().hosted.remove(&state.partition);
                self.delete_replica(hosted.id, ErrorCode::NotLeaderOrFollower, out);
            }
            false => self.stop_fetching(hosted.id),
        }
        Ok(())
    }

    // UpdateMetadata.

    fn update_metadata(
        &mut self,
        request: &UpdateMetadataRequest,
        now: Now,
        out: &mut Outbox,
    ) -> UpdateMetadataResponse {
        let updated = self.metadata.update(request);
        for topic in updated.topics_deleted {
            self.topic_settings.remove(&topic);
        }
        updated.brokers.into_iter().for_each(|broker| self.broker_changed(broker));
        let controller = self.metadata.controller();
        self.controller_changed(controller, now, out);
        UpdateMetadataResponse { error: ErrorCode::None }
    }
}

fn said(request: &Request) -> Said {
    let (controller, controller_epoch, meant_for) = match request {
        Request::LeaderAndIsr(r) => (r.controller, r.controller_epoch, r.broker_epoch),
        Request::StopReplica(r) => (r.controller, r.controller_epoch, r.broker_epoch),
        Request::UpdateMetadata(r) => (r.controller, r.controller_epoch, r.broker_epoch),
        other => unreachable!("{} is no control request", other.api()),
    };
    Said { api: request.api().name(), controller, controller_epoch, meant_for }
}

fn registration(state: &LeaderAndIsrPartitionState) -> PartitionRegistration {
    PartitionRegistration {
        replicas: state.replicas.clone(),
        isr: state.isr.clone(),
        removing_replicas: state.removing_replicas.clone(),
        adding_replicas: state.adding_replicas.clone(),
        leader: state.leader,
        leader_recovery_state: state.leader_recovery_state,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        elr: Arc::default(),
        last_known_elr: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kip_380_a_request_to_a_former_life_or_of_a_former_controller_is_refused() {
        let said = |controller_epoch, meant_for: Option<u64>| Said {
            api: "LeaderAndIsr",
            controller: NodeId::broker(1),
            controller_epoch: ControllerEpoch(controller_epoch),
            meant_for: meant_for.map(BrokerEpoch),
        };
        let (stale_broker, stale_controller) =
            (Some(ErrorCode::StaleBrokerEpoch), Some(ErrorCode::StaleControllerEpoch));
        // The broker's epoch is 20, and it has heard of controller 3.
        let cases = [
            (said(3, Some(20)), None, None),
            (said(4, Some(20)), None, None),
            (said(3, Some(21)), None, None),
            (said(3, None), None, None),
            (said(3, Some(19)), None, stale_broker),
            (said(2, Some(20)), stale_controller, stale_controller),
            (said(2, Some(19)), stale_controller, stale_broker),
        ];
        for (said, before, since) in cases {
            let refused = |rule| refusal(said, ControllerEpoch(3), Some(BrokerEpoch(20)), rule);
            assert_eq!(refused(BrokerEpochs::Off), before, "{said:?}");
            assert_eq!(refused(BrokerEpochs::On), since, "{said:?}");
        }
    }

    #[test]
    fn kip_570_a_stop_replica_of_an_older_leader_epoch_is_no_news() {
        use StopEpoch::*;
        let known = Some(LeaderEpoch(5));
        for (asked, before, since) in [
            (Of(LeaderEpoch(4)), true, false),
            (Of(LeaderEpoch(5)), true, true),
            (Of(LeaderEpoch(6)), true, true),
            (DuringDelete, true, true),
            (None, true, true),
        ] {
            assert_eq!(is_news(asked, known, StopReplicaEpoch::Off), before, "{asked:?}");
            assert_eq!(is_news(asked, known, StopReplicaEpoch::On), since, "{asked:?}");
        }
    }
}
