//! An error in place of an answer (`AbstractRequest.getErrorResponse`).

use super::*;
use crate::{ErrorCode, Few, Offset, PartitionEpoch, ProducerId, Span, TopicId};

impl Request {
    /// The response that says no more than what went wrong, for everything that was asked.
    ///
    /// None where no response is expected (`acks=0`).
    pub fn error_response(&self, error: ErrorCode) -> Option<Response> {
        let response = match self {
            Request::Produce(produce) if produce.acks == Acks::None => return None,
            Request::Produce(request) => Response::Produce(Box::new(request.refused(error))),
            Request::Fetch(request) => Response::Fetch(Box::new(request.refused(error))),
            Request::ListOffsets(request) => {
                Response::ListOffsets(Box::new(request.refused(error)))
            }
            Request::Metadata(request) => Response::Metadata(Box::new(request.refused(error))),
            Request::LeaderAndIsr(request) => {
                Response::LeaderAndIsr(Box::new(request.refused(error)))
            }
            Request::StopReplica(request) => {
                Response::StopReplica(Box::new(request.refused(error)))
            }
            Request::UpdateMetadata(_) => {
                Response::UpdateMetadata(Box::new(UpdateMetadataResponse { error }))
            }
            Request::ControlledShutdown(_) => {
                Response::ControlledShutdown(Box::new(ControlledShutdownResponse {
                    error,
                    remaining_partitions: Vec::new(),
                }))
            }
            Request::CreateTopics(request) => {
                Response::CreateTopics(Box::new(request.refused(error)))
            }
            Request::DeleteTopics(request) => {
                Response::DeleteTopics(Box::new(request.refused(error)))
            }
            Request::DeleteRecords(request) => {
                Response::DeleteRecords(Box::new(request.refused(error)))
            }
            Request::InitProducerId(_) => {
                Response::InitProducerId(Box::new(InitProducerIdResponse { error, producer: None }))
            }
            Request::OffsetForLeaderEpoch(request) => {
                Response::OffsetForLeaderEpoch(Box::new(request.refused(error)))
            }
            Request::DescribeConfigs(request) => {
                Response::DescribeConfigs(Box::new(request.refused(error)))
            }
            Request::CreatePartitions(request) => {
                Response::CreatePartitions(Box::new(request.refused(error)))
            }
            Request::ElectLeaders(_) => Response::ElectLeaders(Box::new(ElectLeadersResponse {
                error,
                partitions: Vec::new(),
            })),
            Request::IncrementalAlterConfigs(request) => {
                Response::IncrementalAlterConfigs(Box::new(request.refused(error)))
            }
            Request::AlterPartitionReassignments(_) => Response::AlterPartitionReassignments(
                Box::new(AlterPartitionReassignmentsResponse { error, partitions: Vec::new() }),
            ),
            Request::ListPartitionReassignments(_) => {
                Response::ListPartitionReassignments(Box::new(ListPartitionReassignmentsResponse {
                    error,
                    reassignments: Vec::new(),
                }))
            }
            Request::Vote(request) => Response::Vote(Box::new(request.refused(error))),
            Request::BeginQuorumEpoch(_) => {
                Response::BeginQuorumEpoch(Box::new(QuorumEpochResponse::refused(error)))
            }
            Request::EndQuorumEpoch(_) => {
                Response::EndQuorumEpoch(Box::new(QuorumEpochResponse::refused(error)))
            }
            Request::DescribeQuorum(_) => {
                Response::DescribeQuorum(Box::new(DescribeQuorumResponse::refused(error)))
            }
            Request::AlterPartition(_) => {
                Response::AlterPartition(Box::new(AlterPartitionResponse {
                    error,
                    partitions: Vec::new(),
                }))
            }
            Request::UpdateFeatures(_) => {
                Response::UpdateFeatures(Box::new(UpdateFeaturesResponse { error, message: None }))
            }
            Request::Envelope(_) => {
                Response::Envelope(Box::new(EnvelopeResponse { error, response: None }))
            }
            Request::FetchSnapshot(request) => {
                Response::FetchSnapshot(Box::new(request.refused(error)))
            }
            Request::DescribeCluster(_) => {
                Response::DescribeCluster(Box::new(DescribeClusterResponse::refused(error)))
            }
            Request::BrokerRegistration(_) => {
                Response::BrokerRegistration(Box::new(BrokerRegistrationResponse {
                    error,
                    broker_epoch: None,
                }))
            }
            Request::BrokerHeartbeat(_) => {
                Response::BrokerHeartbeat(Box::new(BrokerHeartbeatResponse::refused(error)))
            }
            Request::UnregisterBroker(_) => {
                Response::UnregisterBroker(Box::new(UnregisterBrokerResponse { error }))
            }
            Request::AllocateProducerIds(_) => {
                Response::AllocateProducerIds(Box::new(AllocateProducerIdsResponse {
                    error,
                    first: ProducerId(0),
                    length: 0,
                }))
            }
        };
        Some(response)
    }
}

impl ProduceRequest {
    fn refused(&self, error: ErrorCode) -> ProduceResponse {
        let answer = |data: &PartitionProduceData| PartitionProduceResponse {
            partition: data.partition.clone(),
            error,
            base_offset: None,
            log_append_time: None,
            log_start_offset: None,
            current_leader: None,
        };
        ProduceResponse { responses: self.data.iter().map(answer).collect(), throttle: Span::ZERO }
    }
}

impl FetchRequest {
    fn refused(&self, error: ErrorCode) -> FetchResponse {
        FetchResponse {
            throttle: Span::ZERO,
            error,
            session: self.session.id,
            partitions: Few::new(),
        }
    }
}

impl LeaderAndIsrRequest {
    fn refused(&self, error: ErrorCode) -> LeaderAndIsrResponse {
        let answer =
            |state: &LeaderAndIsrPartitionState| LeaderAndIsrPartitionError { id: state.id, error };
        LeaderAndIsrResponse { error, partitions: self.partitions.iter().map(answer).collect() }
    }
}

impl StopReplicaRequest {
    fn refused(&self, error: ErrorCode) -> StopReplicaResponse {
        let answer = |state: &StopReplicaPartitionState| StopReplicaPartitionError {
            partition: state.partition.clone(),
            error,
        };
        StopReplicaResponse { error, partitions: self.partitions.iter().map(answer).collect() }
    }
}

impl ListOffsetsRequest {
    fn refused(&self, error: ErrorCode) -> ListOffsetsResponse {
        let answer = |asked: &ListOffsetsPartition| ListedOffset {
            partition: asked.partition.clone(),
            error,
            timestamp: None,
            offset: None,
            leader_epoch: None,
        };
        ListOffsetsResponse { partitions: self.partitions.iter().map(answer).collect() }
    }
}

impl MetadataRequest {
    fn refused(&self, error: ErrorCode) -> MetadataResponse {
        let topic = |name: &crate::TopicName| MetadataTopic {
            error,
            name: name.clone(),
            id: TopicId(0),
            partitions: Vec::new(),
        };
        MetadataResponse {
            cluster: "".into(),
            controller: None,
            brokers: Vec::new(),
            topics: self.topics.iter().flatten().map(topic).collect(),
        }
    }
}

impl CreateTopicsRequest {
    fn refused(&self, error: ErrorCode) -> CreateTopicsResponse {
        let answer = |topic: &CreatableTopic| CreatedTopic::refused(&topic.name, error, None);
        CreateTopicsResponse { topics: self.topics.iter().map(answer).collect() }
    }
}

impl CreatedTopic {
    /// A topic that was not created.
    pub fn refused(
        name: &crate::TopicName,
        error: ErrorCode,
        message: Option<std::sync::Arc<str>>,
    ) -> Self {
        let name = name.clone();
        CreatedTopic { name, id: None, error, message, partitions: 0, replication_factor: 0 }
    }
}

impl DeleteTopicsRequest {
    fn refused(&self, error: ErrorCode) -> DeleteTopicsResponse {
        let answer =
            |name: &crate::TopicName| TopicResult { name: name.clone(), error, message: None };
        DeleteTopicsResponse { topics: self.topics.iter().map(answer).collect() }
    }
}

impl CreatePartitionsRequest {
    fn refused(&self, error: ErrorCode) -> CreatePartitionsResponse {
        let answer = |topic: &CreatePartitionsTopic| TopicResult {
            name: topic.name.clone(),
            error,
            message: None,
        };
        CreatePartitionsResponse { topics: self.topics.iter().map(answer).collect() }
    }
}

impl DeleteRecordsRequest {
    fn refused(&self, error: ErrorCode) -> DeleteRecordsResponse {
        let answer = |(partition, _): &(crate::TopicPartition, Option<Offset>)| DeletedRecords {
            partition: partition.clone(),
            error,
            low_watermark: None,
        };
        DeleteRecordsResponse { partitions: self.partitions.iter().map(answer).collect() }
    }
}

impl OffsetForLeaderEpochRequest {
    fn refused(&self, error: ErrorCode) -> OffsetForLeaderEpochResponse {
        let answer = |asked: &OffsetForLeaderPartition| EndOffsetForEpoch {
            partition: asked.partition.clone(),
            error,
            leader_epoch: None,
            end_offset: None,
        };
        OffsetForLeaderEpochResponse { partitions: self.partitions.iter().map(answer).collect() }
    }
}

impl DescribeConfigsRequest {
    fn refused(&self, error: ErrorCode) -> DescribeConfigsResponse {
        let answer = |resource: &crate::ConfigResource| DescribedResource {
            resource: resource.clone(),
            error,
            configs: Vec::new(),
        };
        DescribeConfigsResponse { resources: self.resources.iter().map(answer).collect() }
    }
}

impl IncrementalAlterConfigsRequest {
    fn refused(&self, error: ErrorCode) -> IncrementalAlterConfigsResponse {
        let answer = |(resource, _): &(crate::ConfigResource, Vec<ConfigChange>)| AlteredResource {
            resource: resource.clone(),
            error,
            message: None,
        };
        IncrementalAlterConfigsResponse { resources: self.resources.iter().map(answer).collect() }
    }
}

impl VoteRequest {
    fn refused(&self, error: ErrorCode) -> VoteResponse {
        VoteResponse { error, leader: None, leader_epoch: LeaderEpoch(0), vote_granted: false }
    }
}

impl QuorumEpochResponse {
    fn refused(error: ErrorCode) -> Self {
        QuorumEpochResponse { error, leader: None, leader_epoch: LeaderEpoch(0) }
    }
}

impl DescribeQuorumResponse {
    fn refused(error: ErrorCode) -> Self {
        DescribeQuorumResponse {
            error,
            leader: None,
            leader_epoch: LeaderEpoch(0),
            high_watermark: None,
            current_voters: Vec::new(),
            observers: Vec::new(),
        }
    }
}

impl FetchSnapshotRequest {
    fn refused(&self, error: ErrorCode) -> FetchSnapshotResponse {
        FetchSnapshotResponse {
            error,
            snapshot: self.snapshot,
            current_leader: None,
            size: 0,
            position: 0,
            batches: Vec::new(),
        }
    }
}

impl DescribeClusterResponse {
    fn refused(error: ErrorCode) -> Self {
        DescribeClusterResponse { error, cluster: "".into(), controller: None, brokers: Vec::new() }
    }
}

impl BrokerHeartbeatResponse {
    fn refused(error: ErrorCode) -> Self {
        BrokerHeartbeatResponse {
            error,
            is_caught_up: false,
            is_fenced: true,
            should_shut_down: false,
        }
    }
}

impl AlteredPartition {
    /// A change that was refused.
    pub fn refused(partition: crate::TopicIdPartition, error: ErrorCode) -> Self {
        AlteredPartition {
            partition,
            error,
            leader: None,
            leader_epoch: LeaderEpoch(0),
            isr: Vec::new(),
            leader_recovery_state: crate::LeaderRecoveryState::Recovered,
            partition_epoch: PartitionEpoch(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_of_the_api_that_was_asked() {
        let requests = [
            Request::from(DescribeClusterRequest {}),
            Request::from(UnregisterBrokerRequest { broker: NodeId::broker(1) }),
            Request::from(DeleteTopicsRequest {
                topics: vec!["orders".into()],
                timeout: Span::ZERO,
            }),
        ];
        for request in requests {
            let response = request.error_response(ErrorCode::NotController).unwrap();
            assert_eq!(response.api(), request.api());
        }
    }

    #[test]
    fn a_topic_that_was_asked_for_is_refused_by_name() {
        let request = Request::from(DeleteTopicsRequest {
            topics: vec!["orders".into(), "payments".into()],
            timeout: Span::ZERO,
        });
        let Some(Response::DeleteTopics(response)) =
            request.error_response(ErrorCode::NotController)
        else {
            panic!("answers are of the request's own API")
        };
        let refused: Vec<_> = response.topics.iter().map(|t| (&*t.name.0, t.error)).collect();
        let error = ErrorCode::NotController;
        assert_eq!(refused, [("orders", error), ("payments", error)]);
    }
}
