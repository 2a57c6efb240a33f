//! The cluster is described (`ControllerApis.handleDescribeCluster`).

use crate::active::Active;
use crate::decision::Decision;
use klab_metadata::{BrokerRegistration, Image};
use klab_wire::{DescribeClusterResponse, ErrorCode, MetadataBroker, NodeId, Response};

impl Active {
    pub(crate) fn describe_cluster(&self, committed: &Image) -> Result<Decision, ErrorCode> {
        let alive = committed.cluster.brokers().filter(|(_, known)| !known.fenced);
        let described = |(node, known): (NodeId, &BrokerRegistration)| MetadataBroker {
            node,
            rack: known.rack().cloned(),
        };
        Ok(Decision::answer(Response::DescribeCluster(Box::new(DescribeClusterResponse {
            error: ErrorCode::None,
            cluster: self.settings.identity.cluster.clone(),
            controller: Some(self.settings.identity.node),
            brokers: alive.map(described).collect(),
        }))))
    }
}
