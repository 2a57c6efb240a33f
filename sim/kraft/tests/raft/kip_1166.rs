//! KIP-1166: a fetch says which high watermark its sender knows, and is answered with a higher one.

use crate::cluster::{Cluster, Shape};
use klab_wire::{NodeId, Span};

/// How long an observer takes to learn that a single record was committed, in an idle cluster.
fn delay_of_a_commit(high_watermark_in_fetch: bool) -> Span {
    let shape = Shape { observers: 1, high_watermark_in_fetch, ..Shape::default() };
    let mut cluster = Cluster::start(1, &shape);
    let leader = cluster.elect();
    cluster.append_and_commit(leader, 1);
    cluster.run(Span::from_millis(1_600));
    let before = cluster.now().time;
    let offset = cluster.append(leader).expect("the leader appends");
    let observer = NodeId::broker(1);
    let has = |it: &Cluster| it.nodes[&observer].host.applied > offset;
    assert!(cluster.run_until(Span::from_secs(5), has));
    cluster.now().time - before
}

#[test]
fn kip_1166_a_commit_is_told_at_once_and_not_when_the_fetch_has_waited_its_time() {
    let (with, without) = (delay_of_a_commit(true), delay_of_a_commit(false));
    assert!(with < Span::from_millis(50), "with the KIP it took {with}");
    assert!(without > Span::from_millis(200), "without it, {without}");
}
