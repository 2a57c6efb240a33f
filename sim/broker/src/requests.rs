//! The door: every request that a client or another broker may send here (`KafkaApis.handle`).

use crate::Broker;
use crate::purgatory::ReplyTo;
use klab_machine::{ConnectionId, CorrelationId, Outbox};
use klab_wire::{Now, Request, Response};

impl Broker {
    /// Handles a request.
    pub(crate) fn handle_request(
        &mut self,
        connection: ConnectionId,
        correlation: CorrelationId,
        request: Request,
        now: Now,
        out: &mut Outbox,
    ) {
        if u64::from(request.size_in_bytes()) > self.config.socket_request_max_bytes {
            // `InvalidReceiveException`: nobody reads what is larger, so nobody can answer it.
            return out.close(connection);
        }
        let reply_to = ReplyTo { connection, correlation };
        let answer = match request {
            Request::Produce(request) => {
                return self.handle_produce(*request, reply_to, now, out);
            }
            Request::Fetch(request) => return self.handle_fetch(request, reply_to, now, out),
            Request::DeleteRecords(request) => {
                return self.handle_delete_records(*request, reply_to, now, out);
            }
            Request::ListOffsets(request) => {
                Response::ListOffsets(Box::new(self.list_offsets(&request)))
            }
            Request::OffsetForLeaderEpoch(request) => {
                Response::OffsetForLeaderEpoch(Box::new(self.offsets_for_leader_epoch(&request)))
            }
            Request::Metadata(request) => {
                Response::Metadata(Box::new(self.topic_metadata(&request, now, out)))
            }
            Request::DescribeCluster(_) => {
                Response::DescribeCluster(Box::new(self.metadata.describe_cluster()))
            }
            Request::DescribeConfigs(request) => {
                Response::DescribeConfigs(Box::new(self.describe_configs(&request)))
            }
            Request::InitProducerId(_) => {
                Response::InitProducerId(Box::new(self.init_producer_id(now, out)))
            }
            request @ (Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::ElectLeaders(_)
            | Request::IncrementalAlterConfigs(_)
            | Request::AlterPartitionReassignments(_)
            | Request::ListPartitionReassignments(_)
            | Request::UpdateFeatures(_)
            | Request::UnregisterBroker(_)
            | Request::DescribeQuorum(_)) => return self.forward(request, reply_to, now, out),
            request @ (Request::LeaderAndIsr(_)
            | Request::StopReplica(_)
            | Request::UpdateMetadata(_)) => {
                return self.handle_control_request(request, reply_to, now, out);
            }
            // These are a controller's to answer: on a broker's listener there is no such API.
            Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::AlterPartition(_)
            | Request::Envelope(_)
            | Request::FetchSnapshot(_)
            | Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::ControlledShutdown(_)
            | Request::AllocateProducerIds(_) => return out.close(connection),
        };
        reply_to.answer(answer, out);
    }
}
