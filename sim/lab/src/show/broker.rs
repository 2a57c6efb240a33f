//! A broker: its registration, its replicas, and who waits in its purgatories.

use super::quorum;
use super::table::{Table, list, perhaps};
use klab_broker::{BrokerView, PartitionView, RoleView};
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, broker: &BrokerView) -> fmt::Result {
    let (state, epoch) = (broker.state, perhaps(broker.epoch));
    let end = broker.metadata_end;
    writeln!(out, "  {state:?}, broker epoch {epoch}, metadata applied below offset {end}")?;
    write!(out, "{}", partitions(&broker.partitions))?;
    let (produces, fetches, deletions) = broker.delayed;
    writeln!(
        out,
        "  in purgatory: {produces} Produce, {fetches} Fetch, {deletions} DeleteRecords requests"
    )?;
    quorum::write(out, &broker.raft)
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
