//! Elections that are asked for, or that time brings: preferred and unclean
//! (`ReplicationControlManager.electLeaders`, KIP-460).

use crate::active::Active;
use crate::assignment::Refusal;
use crate::decision::Decision;
use crate::election::{Election, PartitionChange};
use crate::schedule::ElectionSchedule;
use klab_machine::fact::ControllerFact;
use klab_metadata::TopicImage;
use klab_wire::{
    ElectLeadersRequest, ElectLeadersResponse, ElectionType, ErrorCode, MetadataRecord,
    PartitionChangeRecord, PartitionId, PartitionResult, Response, TopicIdPartition,
    TopicPartition,
};

/// So many leaders move in one turn of the automatic elections (`MAX_ELECTIONS_PER_IMBALANCE`).
const MAX_ELECTIONS: usize = 1_000;

impl Active {
    pub(crate) fn elect_leaders(
        &mut self,
        request: &ElectLeadersRequest,
    ) -> Result<Decision, ErrorCode> {
        let election = request.election;
        let wanted = request.partitions.clone().unwrap_or_else(|| self.all_partitions());
        let (mut records, mut facts, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
        for partition in wanted {
            let elected = self.elect_named(&partition, election);
            let (error, message) = crate::assignment::told(&elected);
            if let Ok(record) = elected {
                records.push(MetadataRecord::PartitionChange(record));
                let partition = partition.clone();
                facts.push(ControllerFact::ElectionRequested { partition, election });
            }
            // Asked for all partitions, one that has the right leader is not worth a word.
            if request.partitions.is_some() || error != ErrorCode::ElectionNotNeeded {
                partitions.push(PartitionResult { partition, error, message });
            }
        }
        let error = ErrorCode::None;
        let response = Response::ElectLeaders(Box::new(ElectLeadersResponse { error, partitions }));
        Ok(Decision { facts, ..Decision::with_response(records, response) })
    }

    fn all_partitions(&self) -> Vec<TopicPartition> {
        let topics = &self.image().topics;
        let all = topics.names().filter_map(|(_, id)| topics.topic(id)).flat_map(|topic| {
            let name = |(partition, _)| TopicPartition { topic: topic.name.clone(), partition };
            topic.partitions().map(name)
        });
        all.collect()
    }

    fn elect_named(
        &self,
        partition: &TopicPartition,
        election: ElectionType,
    ) -> Result<PartitionChangeRecord, Refusal> {
        let unknown = || {
            let message = format!("No such partition as {partition}");
            Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
        };
        let topic = self.image().topics.named(&partition.topic).ok_or_else(unknown)?;
        let state = topic.partition(partition.partition).ok_or_else(unknown)?;
        let (is_needed, kind, error) = match election {
            ElectionType::Preferred => (
                !state.has_preferred_leader(),
                Election::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            ElectionType::Unclean => {
                (state.leader.is_none(), Election::Unclean, ErrorCode::EligibleLeadersNotAvailable)
            }
        };
        if !is_needed {
            return Err(ErrorCode::ElectionNotNeeded.into());
        }
        self.elect(topic, partition.partition, kind).ok_or(error.into())
    }

    fn elect(
        &self,
        topic: &TopicImage,
        partition: PartitionId,
        election: Election,
    ) -> Option<PartitionChangeRecord> {
        let state = topic.partition(partition)?;
        let mut change = PartitionChange::of(state, self.election_rules(topic));
        change.election = election;
        let partition = TopicIdPartition { topic: topic.id, partition };
        change.build(partition, |node| self.image().cluster.is_active(node))
    }

    /// Gives leadership back to preferred replicas that can take it (`maybeBalancePartitionLeaders`).
    pub(crate) fn balance_leaders(&mut self) -> Decision {
        let imbalanced = self.pending.index.imbalanced().iter();
        let elected = imbalanced.filter_map(|partition| {
            let topic = self.image().topics.topic(partition.topic)?;
            self.elect(topic, partition.partition, Election::Preferred)
        });
        let (decision, next) = one_turn(elected);
        self.schedule.balance = next;
        decision
    }

    /// Elects uncleanly where nobody leads and the topic allows it (`maybeElectUncleanLeaders`).
    pub(crate) fn elect_uncleanly(&mut self) -> Decision {
        let leaderless = self.pending.index.leaderless().iter();
        let elected = leaderless.filter_map(|partition| {
            let topic = self.image().topics.topic(partition.topic)?;
            self.is_unclean_election_enabled(topic)
                .then(|| self.elect(topic, partition.partition, Election::Unclean))
                .flatten()
        });
        let (decision, next) = one_turn(elected);
        self.schedule.unclean = next;
        decision
    }
}

/// As many elections as one turn may hold, and when the next turn is.
fn one_turn(elected: impl Iterator<Item = PartitionChangeRecord>) -> (Decision, ElectionSchedule) {
    let records: Vec<_> =
        elected.take(MAX_ELECTIONS).map(MetadataRecord::PartitionChange).collect();
    let next = match records.len() < MAX_ELECTIONS {
        true => ElectionSchedule::Deferred,
        false => ElectionSchedule::Immediately,
    };
    (Decision::of(records), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use crate::testing::nodes;
    use klab_wire::{ConfigResource, LeaderRecoveryState, NodeId, Span};

    /// Broker 1 was away, and 2 leads.
    fn led_by_another() -> Desk {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        desk.live(Span::from_secs(12), &[2]);
        desk.heartbeat(1);
        desk
    }

    /// Broker 1 was the only one in sync, and is away.
    fn offline() -> Desk {
        let mut desk = Desk::new().with_brokers([1, 2]);
        desk.create("orders", &[&[1, 2]]);
        desk.alter_isr("orders", 1, &[1]);
        desk.live(Span::from_secs(12), &[2]);
        assert_eq!(desk.partition("orders", 0).leader, None);
        desk
    }

    #[test]
    fn the_preferred_replica_leads_when_asked_for_and_in_sync() {
        let mut desk = led_by_another();
        let elect = |desk: &mut Desk| desk.elect(ElectionType::Preferred, "orders");
        assert_eq!(elect(&mut desk), ErrorCode::PreferredLeaderNotAvailable);
        desk.alter_isr("orders", 2, &[1, 2]);
        assert_eq!(elect(&mut desk), ErrorCode::None);
        assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(1)));
        assert_eq!(elect(&mut desk), ErrorCode::ElectionNotNeeded);
        assert_eq!(
            desk.elect(ElectionType::Preferred, "other"),
            ErrorCode::UnknownTopicOrPartition
        );
    }

    #[test]
    fn an_operator_may_ask_for_an_unclean_election_where_nobody_leads() {
        let mut desk = offline();
        desk.told();
        assert_eq!(desk.elect(ElectionType::Unclean, "orders"), ErrorCode::None);
        let state = desk.partition("orders", 0);
        assert_eq!((state.leader, state.isr), (Some(NodeId::broker(2)), nodes([2])));
        assert_eq!(state.leader_recovery_state, LeaderRecoveryState::Recovering);
        assert_eq!(desk.told()[1], "LeaderElectedUncleanly orders-0 leader b2 epoch 2");
        assert_eq!(desk.elect(ElectionType::Unclean, "orders"), ErrorCode::ElectionNotNeeded);
    }

    #[test]
    fn nobody_alive_is_nobody_to_elect() {
        let mut desk = offline();
        desk.pass(Span::from_secs(12));
        assert_eq!(
            desk.elect(ElectionType::Unclean, "orders"),
            ErrorCode::EligibleLeadersNotAvailable
        );
    }

    #[test]
    fn asked_for_all_partitions_only_those_that_needed_it_are_told() {
        let mut desk = led_by_another();
        desk.alter_isr("orders", 2, &[1, 2]);
        desk.create("payments", &[&[1]]);
        let request = ElectLeadersRequest {
            election: ElectionType::Preferred,
            partitions: None,
            timeout: Span::from_secs(1),
        };
        let Response::ElectLeaders(answer) = desk.ask(request) else {
            panic!("an answer is of the request's own API")
        };
        let told: Vec<_> = answer.partitions.iter().map(|p| p.partition.to_string()).collect();
        assert_eq!(told, ["orders-0"]);
    }

    #[test]
    fn leadership_goes_back_to_the_preferred_replica_by_itself() {
        let mut desk = led_by_another();
        desk.alter_isr("orders", 2, &[1, 2]);
        desk.live(Span::from_secs(280), &[1, 2]);
        assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(2)));
        desk.live(Span::from_secs(30), &[1, 2]);
        assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(1)));
    }

    #[test]
    fn a_topic_that_allows_it_is_elected_uncleanly_by_itself() {
        let mut desk = offline();
        let topic = ConfigResource::Topic("orders".into());
        let name = "unclean.leader.election.enable";
        assert_eq!(desk.configure(topic, name, "true"), ErrorCode::None);
        desk.live(Span::from_secs(301), &[2]);
        assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(2)));
    }

    #[test]
    fn unclean_election_may_be_allowed_by_the_topic_by_all_brokers_or_by_the_server() {
        let name = "unclean.leader.election.enable";
        for (server, resource) in [
            ("false", Some(ConfigResource::Topic("orders".into()))),
            ("false", Some(ConfigResource::Broker(None))),
            ("true", None),
        ] {
            let mut desk = Desk::with([(name, server)]).with_brokers([1, 2]);
            desk.create("orders", &[&[1, 2]]);
            if let Some(resource) = resource {
                desk.configure(resource, name, "true");
            }
            desk.alter_isr("orders", 1, &[1]);
            desk.live(Span::from_secs(12), &[2]);
            assert_eq!(desk.partition("orders", 0).leader, Some(NodeId::broker(2)));
        }
    }
}
