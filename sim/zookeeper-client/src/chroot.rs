//! A chroot: what a connection string puts before every path of a client (`ConnectStringParser`,
//! `ZooKeeper.prependChroot`).

use klab_wire::zookeeper::{Op, Path};

/// A path without the chroot before it.
pub(crate) fn without(path: Path, chroot: Option<&Path>) -> Path {
    match chroot.and_then(|chroot| path.0.strip_prefix(&*chroot.0)) {
        Some("") => Path::root(),
        Some(rest) => Path::from(rest),
        None => path,
    }
}

/// A request with the chroot before its paths.
pub(crate) fn rooted(op: Op, chroot: Option<&Path>) -> Op {
    let under = |path: Path| path.under(chroot);
    match op {
        _ if chroot.is_none() => op,
        Op::Create { path, data, acl, mode } => Op::Create { path: under(path), data, acl, mode },
        Op::Delete { path, version } => Op::Delete { path: under(path), version },
        Op::SetData { path, data, version } => Op::SetData { path: under(path), data, version },
        Op::Check { path, version } => Op::Check { path: under(path), version },
        Op::Exists { path, watch } => Op::Exists { path: under(path), watch },
        Op::GetData { path, watch } => Op::GetData { path: under(path), watch },
        Op::GetChildren { path, watch } => Op::GetChildren { path: under(path), watch },
        Op::Sync { path } => Op::Sync { path: under(path) },
        Op::Multi(parts) => Op::Multi(parts.into_iter().map(|part| rooted(part, chroot)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chroot_comes_before_every_path_of_a_multi_and_is_taken_away_again() {
        let chroot = Path::from("/kafka");
        assert_eq!(without("/kafka/a".into(), Some(&chroot)), Path::from("/a"));
        let delete = |path: &str| Op::Delete { path: path.into(), version: None };
        let multi = rooted(Op::Multi(vec![delete("/a"), delete("/")]), Some(&chroot));
        assert_eq!(multi, Op::Multi(vec![delete("/kafka/a"), delete("/kafka")]));
    }
}
