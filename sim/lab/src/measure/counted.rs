//! What is counted in a run: records that producers send, or, where there is an ensemble without Kafka, the operations
//! of its clients. An operation is handed over when its application calls, and acknowledged when it is answered.

use klab_scenario::{Load, Scenario};

/// What throughput is a number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// Records.
    #[default]
    Records,
    /// Operations on a ZooKeeper ensemble.
    Operations,
}

impl Counted {
    /// What is counted in a run of this scenario.
    pub fn in_a_run_of(scenario: &Scenario) -> Self {
        match scenario.cluster.is_bare() {
            true => Counted::Operations,
            false => Counted::Records,
        }
    }

    /// Several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Counted::Records => "records",
            Counted::Operations => "operations",
        }
    }

    /// How much each client is asked for.
    pub(super) fn loads(self, scenario: &Scenario) -> Vec<Load> {
        match self {
            Counted::Records => scenario.producer_nodes().map(|(_, one)| one.rate).collect(),
            Counted::Operations => {
                scenario.zookeeper_client_nodes().map(|(_, one)| one.rate).collect()
            }
        }
    }
}
