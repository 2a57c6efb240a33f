//! Switches: one old behaviour of Kafka each, which can be brought back beside everything newer.
//!
//! A switch is the teaching instrument: same seed, same weather, one KIP apart. Each is one enum here and
//! one branch in the machine that has the rule. A value says since which release Kafka behaves like this,
//! so that `[kafka] release` decides what no scenario says; where Kafka has a real gate, its name stands
//! in the switch's sentence.
//!
//! Where a setting of Kafka itself brings a behaviour back there is no switch:
//! `enable.idempotence=false` with several requests in flight (KAFKA-3197),
//! `unclean.leader.election.enable`, `eligible.leader.replicas.enable` (KIP-966).

use crate::config::Release;

/// What is to be said about a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchInfo {
    /// Its name in `[kafka.switches]`.
    pub name: &'static str,
    /// The values it takes, oldest behaviour first, each with the release that brought it.
    pub values: &'static [(&'static str, Release)],
    /// What changed, by which KIP or ticket, and behind which gate.
    pub doc: &'static str,
    /// The file with the branch.
    pub file: &'static str,
}

macro_rules! switches {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal $field:ident: $kind:ident in $file:literal {
            $($(#[doc = $value_doc:literal])+ $value:literal $variant:ident since ($major:literal, $minor:literal),)+
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $kind {
                $($(#[doc = $value_doc])+ $variant,)+
            }

            impl $kind {
                const ALL: &[(&str, Release, $kind)] =
                    &[$(($value, Release::new($major, $minor), $kind::$variant),)+];
            }
        )+

        /// The position of every switch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Switches {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        /// Every switch that the machines obey.
        pub const SWITCHES: &[SwitchInfo] = &[$(SwitchInfo {
            name: $name,
            values: &[$(($value, Release::new($major, $minor)),)+],
            doc: concat!($($doc,)+),
            file: $file,
        },)+];

        impl Switches {
            /// How a release behaves.
            pub fn at(release: Release) -> Self {
                Switches { $($field: latest(release, $kind::ALL),)+ }
            }

            /// Puts a switch into another position; says whether there is such a switch and position.
            pub fn set(&mut self, name: &str, value: &str) -> bool {
                match name {
                    $($name => named(value, $kind::ALL).map(|found| self.$field = found).is_some(),)+
                    _ => false,
                }
            }

            /// The position of a switch by its name, if there is such a switch.
            pub fn value(&self, name: &str) -> Option<&'static str> {
                match name {
                    $($name => {
                        $kind::ALL.iter().find(|(_, _, kind)| *kind == self.$field).map(|found| found.0)
                    })+
                    _ => None,
                }
            }
        }
    };
}

switches! {
    /// How a new follower cuts its log: to its own high watermark, or by leader epochs, ever more exactly.
    /// Gates: 0.11.0-IV2 (KIP-101), 2.0-IV0 (KIP-279), 2.1-IV1 (KIP-320).
    "truncation" truncation: Truncation in "sim/broker/src/truncation.rs" {
        /// To its own high watermark, which may lie below what is committed.
        "high-watermark" HighWatermark since (0, 8),
        /// Where the leader says that the follower's last epoch ends; the leader answers for epochs that
        /// it never had with the start of the next one (KAFKA-1211, KAFKA-3919).
        "kip-101" Kip101 since (0, 11),
        /// The leader names the epoch that it answers for, and the follower asks until both know it
        /// (KAFKA-6361).
        "kip-279" Kip279 since (2, 0),
        /// Fetches carry the leader epoch as well, so that nobody reads from a leader of another epoch
        /// than it has cut its log for (KAFKA-6880); since 2.7 the cut rides on the fetch (KIP-595).
        "kip-320" Kip320 since (2, 1),
    }
    /// KAFKA-7128: how far a follower must be to join the ISR.
    "isr-admission" isr_admission: IsrAdmission in "sim/broker/src/isr.rs" {
        /// At the leader's high watermark, which is behind the truth after an election.
        "high-watermark" HighWatermark since (0, 8),
        /// At the start of the leader's epoch too: everything committed earlier lies below.
        "leader-epoch-start" LeaderEpochStart since (2, 1),
    }
    /// KIP-497: whether the high watermark waits for a replica whose admission to the ISR is asked for and
    /// not yet answered (the maximal ISR). No release has done without; the counter-example is AsyncIsr.tla.
    "maximal-isr" maximal_isr: MaximalIsr in "sim/broker/src/isr.rs" {
        /// Only the committed ISR counts.
        "off" Off since (0, 8),
        /// Whoever may be a member counts.
        "on" On since (0, 8),
    }
    /// Whether metadata that tells a leader what it knows already ends its pending ISR change, as
    /// `Partition.makeLeader` has it in every release; klab departs from that (reports/findings.md).
    "pending-isr-change" pending_isr_change: PendingIsrChange in "sim/broker/src/partition.rs" {
        /// It is forgotten, and the maximal ISR with it.
        "forgotten" Forgotten since (0, 8),
        /// It stays until it is answered or out of date.
        "kept" Kept since (0, 8),
    }
    /// KIP-841: whether a fenced or stopping broker may enter the ISR. Gate: 3.3-IV3.
    "ineligible-replicas" ineligible_replicas: IneligibleReplicas in "sim/broker/src/isr.rs" {
        /// Leader and controller let anybody in who has caught up.
        "admitted" Admitted since (0, 8),
        /// Both refuse it.
        "refused" Refused since (3, 3),
    }
    /// KIP-903: whether a replica that came back with an empty disk may enter the ISR on its former life's
    /// merit. Gate: 3.5-IV1.
    "replica-incarnation" replica_incarnation: ReplicaIncarnation in "sim/broker/src/replica_fetchers.rs" {
        /// Fetches and AlterPartition name brokers, not their lives.
        "unchecked" Unchecked since (0, 8),
        /// Both carry broker epochs.
        "checked" Checked since (3, 5),
    }
    /// KIP-966 (KAFKA-15583): whether the high watermark moves while the ISR is below min.insync.replicas.
    "last-replica-standing" last_replica_standing: LastReplicaStanding in "sim/broker/src/partition.rs" {
        /// Whoever is left commits alone.
        "commits" Commits since (0, 8),
        /// It waits for others.
        "waits" Waits since (3, 7),
    }
    /// KIP-207: whether a new leader answers a client's question for the latest offset with a high watermark
    /// that may lie behind its predecessor's. Gate: 2.2-IV1.
    "list-offsets-latest" list_offsets_latest: ListOffsetsLatest in "sim/broker/src/list_offsets.rs" {
        /// It does, and the end of the log is seen to go back.
        "lagging" Lagging since (0, 8),
        /// OFFSET_NOT_AVAILABLE until the high watermark has reached the start of the epoch.
        "fenced" Fenced since (2, 2),
    }
    /// KAFKA-5494: how many batches of a producer a leader can tell from new ones when they come again.
    "producer-window" producer_window: ProducerWindow in "sim/log/src/producer_entry.rs" {
        /// The last one: safe with one request in flight only.
        "one" One since (0, 11),
        /// The last five, as many as may be in flight.
        "five" Five since (1, 0),
    }
    /// KAFKA-15375: whether a broker that goes before it has opened its logs writes `.kafka_cleanshutdown`.
    "clean-shutdown-marker" clean_shutdown_marker: CleanShutdownMarker in "sim/broker/src/storage.rs" {
        /// It does, and the next start takes logs for whole that nobody has recovered.
        "always" Always since (0, 8),
        /// Only if all logs were opened.
        "if-loaded" IfLoaded since (3, 6),
    }
    /// Whether recovery cuts a log off where a segment ends before the next one begins. `LogLoader.recoverLog`
    /// does not look, in every release; klab departs from that (reports/findings.md).
    "recovery-gap" recovery_gap: RecoveryGap in "sim/log/src/recovery.rs" {
        /// The log goes on behind the hole, and what was in it is lost without anybody noticing.
        "unnoticed" Unnoticed since (0, 8),
        /// It ends there, and the rest is fetched from the leader again. A compacted log may have gaps.
        "cut-off" CutOff since (0, 8),
    }
    /// KAFKA-19522: whether the last known leader is elected even if it is dead. klab has the mended rule in
    /// every release.
    "last-known-leader" last_known_leader: LastKnownLeader in "sim/controller/src/election.rs" {
        /// `canElectLastKnownLeader` logs that it is dead, and elects it.
        "unchecked" Unchecked since (0, 8),
        /// It must be alive.
        "checked" Checked since (0, 8),
    }
    /// KIP-704: whether a leader from outside of the ISR is marked until it says that it has recovered. Gate:
    /// 3.2-IV0.
    "leader-recovery-state" leader_recovery_state: LeaderRecovery in "sim/controller/src/election.rs" {
        /// Nothing is marked.
        "off" Off since (0, 8),
        /// The ISR may not grow before.
        "on" On since (3, 2),
    }
    /// KAFKA-13959: what a new broker must have read of the metadata log before it is unfenced.
    "unfencing" unfencing: Unfencing in "sim/controller/src/broker_control.rs" {
        /// Everything that is committed: out of reach for a reader that is always one record behind.
        "at-the-end" AtTheEnd since (0, 8),
        /// Its own registration.
        "at-registration" AtRegistration since (3, 3),
    }
    /// KAFKA-12619: from which offset on a new leader of the metadata quorum counts what a majority has.
    "quorum-commit" quorum_commit: QuorumCommit in "sim/kraft/src/high_watermark.rs" {
        /// From the start of its epoch, where none of its own records is yet (Raft, figure 8).
        "at-epoch-start" AtEpochStart since (0, 8),
        /// Beyond its own first record.
        "beyond-epoch-start" BeyondEpochStart since (3, 0),
    }
    /// KIP-996: whether a voter asks if it could win before it raises the epoch.
    "pre-vote" pre_vote: PreVote in "sim/kraft/src/election.rs" {
        /// A voter that was away unseats a healthy leader when it comes back.
        "off" Off since (0, 8),
        /// It asks first.
        "on" On since (4, 0),
    }
    /// KIP-380 (KAFKA-7235): whether a controller's request to a former life of a broker is refused. ZooKeeper mode
    /// only. Gate: 2.2-IV0.
    "broker-epoch" broker_epoch: BrokerEpochs in "sim/broker/src/zookeeper/control.rs" {
        /// Control requests name a broker, not its life, and whoever has the name by now obeys.
        "off" Off since (0, 8),
        /// They carry the czxid of `/brokers/ids/N`: STALE_BROKER_EPOCH.
        "on" On since (2, 2),
    }
    /// KIP-570 (KAFKA-9539): whether StopReplica carries the leader epoch. ZooKeeper mode only. Gate: 2.6-IV0.
    "stop-replica-epoch" stop_replica_epoch: StopReplicaEpoch in "sim/broker/src/zookeeper/control.rs" {
        /// A delayed StopReplica stops a replica that has been told otherwise since.
        "off" Off since (0, 8),
        /// It is refused: FENCED_LEADER_EPOCH.
        "on" On since (2, 6),
    }
    /// KIP-497 (KAFKA-2729): who writes the state of a partition down when its leader wants another ISR.
    /// ZooKeeper mode only. Gate: 2.7-IV2.
    "isr-changes" isr_changes: IsrChanges in "sim/broker/src/zookeeper/isr_write.rs" {
        /// The leader itself, if the znode still has the version that it remembers. What it remembers may be
        /// out of date for ever.
        "leader-writes" LeaderWrites since (0, 8),
        /// The controller, when it is asked by AlterPartition.
        "alter-partition" AlterPartition since (2, 7),
    }
    /// KAFKA-6082: whether what a controller writes is conditional on its still being the controller. ZooKeeper mode
    /// only.
    "controller-writes" controller_writes: ControllerWrites in "sim/controller/src/zookeeper/task.rs" {
        /// A controller whose session has expired unnoticed writes on, in its next session, over what its
        /// successor has written.
        "unguarded" Unguarded since (0, 8),
        /// Every write is a multi that checks the version of `/controller_epoch` first.
        "guarded" Guarded since (2, 1),
    }
    /// KAFKA-5502, KAFKA-5879: what a controller's event says. ZooKeeper mode only.
    "controller-events" controller_events: ControllerEvents in "sim/controller/src/zookeeper/listener.rs" {
        /// Which brokers, or notes of leaders, were there when the watch fired: by the event's turn the world
        /// may be another.
        "carrying" Carrying since (0, 8),
        /// That there is something to read, when its turn has come.
        "re-reading" Rereading since (1, 0),
    }
    /// KAFKA-4443: when a new controller tells the brokers who is alive. ZooKeeper mode only.
    "update-metadata-first" update_metadata_first: UpdateMetadataFirst in "sim/controller/src/zookeeper/failover.rs" {
        /// Last: they are told to follow leaders of whom they have not heard.
        "off" Off since (0, 8),
        /// Before they hear anything about their replicas.
        "on" On since (0, 10),
    }
    /// Whether a controller that finds a newer version where it wanted to write an ISR looks if that is its own
    /// write, the answer to which was lost with a connection. A leader that writes itself does (`ReplicationUtils`);
    /// `KafkaZkClient.updateLeaderAndIsr` does not, in every release; klab departs from that (reports/findings.md).
    /// ZooKeeper mode only.
    "isr-write-in-doubt" isr_write_in_doubt: IsrWriteInDoubt in "sim/controller/src/zookeeper/alter_partition.rs" {
        /// INVALID_UPDATE_VERSION: the leader waits for news that do not come, and asks for no ISR any more.
        "refused" Refused since (0, 8),
        /// What was written is granted.
        "recognised" Recognised since (0, 8),
    }
    /// KAFKA-1387, KAFKA-7165: what a broker does that finds its own znode when it registers. ZooKeeper mode only.
    "re-registration" re_registration: ReRegistration in "sim/broker/src/zookeeper/registration.rs" {
        /// It waits until the znode is gone, which may be its own, of this very session.
        "waits" Waits since (0, 8),
        /// A znode of its own session is its registration; any other one is in the way.
        "owner-compared" OwnerCompared since (0, 9),
        /// One of a former session of its own is replaced.
        "replaced" Replaced since (2, 2),
    }
}

impl Default for Switches {
    fn default() -> Self {
        Switches::at(Release::DEFAULT)
    }
}

/// The newest value that a release has.
fn latest<T: Copy>(release: Release, values: &[(&str, Release, T)]) -> T {
    let known = values.iter().rev().find(|(_, since, _)| *since <= release);
    known.unwrap_or(&values[0]).2
}

fn named<T: Copy>(name: &str, values: &[(&str, Release, T)]) -> Option<T> {
    values.iter().find(|(value, _, _)| *value == name).map(|found| found.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_behaves_by_the_gates_that_it_has() {
        let cases = [
            ((0, 10), Truncation::HighWatermark, PreVote::Off, ProducerWindow::One),
            ((0, 11), Truncation::Kip101, PreVote::Off, ProducerWindow::One),
            ((2, 0), Truncation::Kip279, PreVote::Off, ProducerWindow::Five),
            ((3, 9), Truncation::Kip320, PreVote::Off, ProducerWindow::Five),
            ((4, 0), Truncation::Kip320, PreVote::On, ProducerWindow::Five),
        ];
        for ((major, minor), truncation, pre_vote, producer_window) in cases {
            let switches = Switches::at(Release::new(major, minor));
            let got = (switches.truncation, switches.pre_vote, switches.producer_window);
            assert_eq!(got, (truncation, pre_vote, producer_window), "{major}.{minor}");
        }
    }

    #[test]
    fn every_value_of_every_switch_can_be_set_and_is_told_by_its_name() {
        for switch in SWITCHES {
            let mut switches = Switches::default();
            assert_eq!(switches.value(switch.name), switch.values.last().map(|value| value.0));
            for (value, _) in switch.values {
                assert!(switches.set(switch.name, value), "{} {value}", switch.name);
                assert_eq!(switches.value(switch.name), Some(*value));
            }
            assert!(!switches.set(switch.name, "no-such-value"));
        }
        assert!(!Switches::default().set("no-such-switch", "on"));
    }

    #[test]
    fn every_switch_has_two_values_in_the_order_of_their_releases_and_a_sentence() {
        for SwitchInfo { name, values, doc, file } in SWITCHES {
            assert!(values.len() > 1 && values.is_sorted_by_key(|value| value.1), "{name}");
            assert!(doc.ends_with('.') && file.starts_with("sim/"), "{name}");
        }
    }
}
