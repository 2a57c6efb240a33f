//! A replica of the metadata log: its role in the quorum, and on the leader how far the voters are.

use super::table::{Table, perhaps};
use klab_kraft::RaftView;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, raft: &RaftView) -> fmt::Result {
    writeln!(out, "  metadata log: {}, epoch {}", role(raft), raft.epoch)?;
    writeln!(
        out,
        "    log {}..{}, high watermark {}, newest snapshot {}",
        raft.log_start,
        raft.log_end,
        perhaps(raft.high_watermark),
        perhaps(raft.snapshot.map(|snapshot| snapshot.offset)),
    )?;
    write!(out, "{}", voters(raft))
}

fn role(raft: &RaftView) -> String {
    let seat = if raft.is_voter { "voter" } else { "observer" };
    let leader = match raft.leader {
        Some(leader) if raft.role != "Leader" => format!(" of {leader}"),
        _ => String::new(),
    };
    let voted = raft.voted.map(|voted| format!(", voted for {}", voted.id)).unwrap_or_default();
    format!("{seat}, {}{leader}{voted}", raft.role)
}

/// How far each voter is, as the leader knows it.
fn voters(raft: &RaftView) -> Table {
    let mut table = Table::new(["voter", "log end", "behind by"]);
    for voter in &raft.voters {
        let behind = voter.end.map(|end| raft.log_end.0.saturating_sub(end.0));
        table.row([voter.voter.to_string(), perhaps(voter.end), perhaps(behind)]);
    }
    table
}
