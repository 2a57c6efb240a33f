//! A controller: on the active one what it has decided, on the others how far they follow.

use super::quorum;
use super::table::{Table, list, perhaps};
use klab_controller::{ControllerView, KafkaControllerView};
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, controller: &ControllerView) -> fmt::Result {
    let (epoch, end) = (controller.epoch, controller.metadata_end);
    match controller.is_active {
        true => {
            let deferred = controller.deferred;
            writeln!(
                out,
                "  active controller of epoch {epoch}, metadata committed below offset {end}"
            )?;
            writeln!(out, "  {deferred} requests wait until their records are committed")?;
            write!(out, "{}{}", brokers(controller), partitions(controller))?;
        }
        false => writeln!(out, "  standby controller, metadata applied below offset {end}")?,
    }
    quorum::write(out, &controller.raft)
}

/// The controller of ZooKeeper mode, in one of the brokers' processes.
pub(super) fn write_in_zookeeper_mode(
    out: &mut String,
    controller: &KafkaControllerView,
) -> fmt::Result {
    let KafkaControllerView { topics, queued_events, queued_requests, .. } = controller;
    match controller.epoch {
        Some(epoch) => {
            let live: Vec<_> = controller.live_brokers.iter().map(|(node, _)| *node).collect();
            let going = list(&controller.shutting_down);
            writeln!(out, "  controller of epoch {epoch}, {topics} topics")?;
            writeln!(out, "  live brokers {}, shutting down {going}", list(&live))?;
            writeln!(
                out,
                "  {queued_events} events wait, {queued_requests} requests are not answered yet"
            )?;
        }
        None => {
            let active = perhaps(controller.controller);
            writeln!(out, "  not the controller, which is {active} so far as it knows")?;
        }
    }
    let server = controller.server.map_or("nobody".into(), |server| server.to_string());
    writeln!(out, "  its session is connected to {server}")
}

fn brokers(controller: &ControllerView) -> Table {
    let mut table = Table::new(["broker", "broker epoch", "state"]);
    for broker in &controller.brokers {
        table.row([broker.broker.to_string(), broker.epoch.to_string(), broker.state.to_owned()]);
    }
    table
}

fn partitions(controller: &ControllerView) -> Table {
    let mut table = Table::new([
        "partition",
        "leader",
        "leader epoch",
        "partition epoch",
        "replicas",
        "ISR",
        "adding",
        "removing",
        "ELR",
    ]);
    for (name, partition) in &controller.partitions {
        table.row([
            name.to_string(),
            perhaps(partition.leader),
            partition.leader_epoch.to_string(),
            partition.partition_epoch.to_string(),
            list(&partition.replicas),
            list(&partition.isr),
            list(&partition.adding_replicas),
            list(&partition.removing_replicas),
            list(&partition.elr),
        ]);
    }
    table
}
