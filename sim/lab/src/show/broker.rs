//! A broker: its registration, its replicas, and who waits in its purgatories.

use super::quorum;
use super::table::{Table, list, perhaps};
use klab_broker::{BrokerView, PartitionView, RoleView, SourceView, ZooKeeperView};
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, broker: &BrokerView) -> fmt::Result {
    let (state, epoch) = (broker.state, perhaps(broker.epoch));
    match &broker.source {
        SourceView::Quorum(_) => {
            let end = broker.metadata_end;
            writeln!(
                out,
                "  {state:?}, broker epoch {epoch}, metadata applied below offset {end}"
            )?;
        }
        SourceView::ZooKeeper(_) => writeln!(out, "  {state:?}, broker epoch {epoch}")?,
    }
    write!(out, "{}", partitions(&broker.partitions))?;
    let (produces, fetches, deletions) = broker.delayed;
    writeln!(
        out,
        "  in purgatory: {produces} Produce, {fetches} Fetch, {deletions} DeleteRecords requests"
    )?;
    match &broker.source {
        SourceView::Quorum(raft) => quorum::write(out, raft),
        SourceView::ZooKeeper(view) => write_session(out, view),
    }
}

/// What it has in place of a replica of the metadata log.
fn write_session(out: &mut String, view: &ZooKeeperView) -> fmt::Result {
    let server = view.server.map_or("nobody".into(), |server| server.to_string());
    let (session, zxid, epoch) = (view.session, view.last_zxid, view.controller_epoch);
    writeln!(
        out,
        "  session {session}, connected to {server}, has seen {zxid}; heard of controller epoch {epoch}"
    )
}

fn partitions(partitions: &[PartitionView]) -> Table {
    let mut table = Table::new([
        "partition",
        "role",
        "leader epoch",
        "log start",
        "log end",
        "high watermark",
        "ISR",
        "maximal ISR",
    ]);
    for partition in partitions {
        let (role, isr, maximal_isr) = match &partition.role {
            RoleView::Leader { isr, maximal_isr } => {
                ("leader".to_owned(), list(isr), list(maximal_isr))
            }
            RoleView::Follower { leader: Some(leader) } => {
                (format!("follower of {leader}"), list::<u32>(&[]), list::<u32>(&[]))
            }
            RoleView::Follower { leader: None } => {
                ("follower of nobody".to_owned(), list::<u32>(&[]), list::<u32>(&[]))
            }
        };
        table.row([
            partition.partition.to_string(),
            role,
            partition.leader_epoch.to_string(),
            partition.log_start.to_string(),
            partition.log_end.to_string(),
            partition.high_watermark.to_string(),
            isr,
            maximal_isr,
        ]);
    }
    table
}
