//! A server of a ZooKeeper ensemble, and an application on a client of one.

use klab_zookeeper::ServerView;
use klab_zookeeper_client::ApplicationView;
use std::fmt::{self, Write};

pub(super) fn write_server(out: &mut String, server: &ServerView) -> fmt::Result {
    let state = format!("{:?}", server.state).to_lowercase();
    let leader = server.leader.map_or(String::new(), |leader| format!(", led by {leader}"));
    let serves = if server.is_serving { "serves" } else { "does not serve" };
    writeln!(out, "  {state}{leader}, {serves}, zxid {}", server.zxid)?;
    let (accepted, current) = (server.accepted_epoch, server.current_epoch);
    writeln!(out, "  accepted epoch {accepted}, current epoch {current}")?;
    let ServerView { znodes, sessions, connections, .. } = server;
    writeln!(out, "  {znodes} znodes, {sessions} sessions, {connections} connections")
}

pub(super) fn write_client(out: &mut String, client: &ApplicationView) -> fmt::Result {
    let server = client.server.map_or("nobody".into(), |server| server.to_string());
    let (session, zxid) = (client.session, client.last_zxid);
    writeln!(out, "  session {session}, connected to {server}, has seen {zxid}")?;
    let ApplicationView { calls, answered, refused, unknown, pending, .. } = client;
    writeln!(
        out,
        "  {calls} calls: {answered} answered, {refused} refused, {unknown} unknown, {pending} pending"
    )
}
