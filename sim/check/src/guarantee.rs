//! What the settings promise, before anything has run: the other side of `permit.rs`.
//!
//! A promise of Kafka's is one of its settings: `acks` says who must have a record when it is acknowledged,
//! `min.insync.replicas` how many that are at least, the election says who may lead with what it has, and the flush
//! settings what a power cut leaves of it. Each guarantee names the settings that give it, and those that leave
//! a way out, which is what a verdict calls permitted.

use crate::promise::Promise;
use crate::settings::{ProducerSettings, Setting, TopicSettings};
use klab_wire::Acks;

/// The settings that decide what a record of one producer in one topic is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Replicas of each partition.
    pub replicas: u32,
    /// The topic's settings.
    pub topic: TopicSettings,
    /// Eligible leader replicas are in force (KIP-966).
    pub eligible_leader_replicas: bool,
    /// What else trusts the last member of an ISR.
    pub last_member_trusted_by: Setting,
    /// The producer's settings.
    pub producer: ProducerSettings,
}

/// How many brokers may stop at once without a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// One is too many.
    None,
    /// So many, and one more is too many.
    AtMost(u32),
    /// As many as there are.
    Any,
}

/// One promise, and what the settings make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// The promise.
    pub promise: Promise,
    /// Why it holds, or what gives it up.
    pub because: Vec<String>,
    /// What may break it all the same, with the setting that permits it.
    pub unless: Vec<(Setting, String)>,
    /// Whether anything is promised at all.
    pub given: bool,
}

/// What the settings promise to a producer about its records.
pub fn guarantees(terms: &Terms) -> Vec<Guarantee> {
    vec![durability(terms), consistency(terms), duplicates(terms), order(terms)]
}

impl Terms {
    /// How many replicas must have a record before it is acknowledged: never more than there are.
    pub fn in_sync(&self) -> u32 {
        match self.producer.acks {
            Acks::All => self.topic.min_insync_replicas.min(self.replicas),
            Acks::Leader => 1,
            Acks::None => 0,
        }
    }

    /// How many of a partition's brokers may be killed at once, with their page caches kept, without the loss of
    /// an acknowledged record: their logs are all there when they are back, if nobody else leads meanwhile.
    pub fn crashes_survived(&self) -> Survives {
        match self.producer.acks {
            Acks::All if self.topic.unclean_leader_election => self.all_but_one_in_sync(),
            Acks::All => Survives::Any,
            Acks::Leader | Acks::None => Survives::None,
        }
    }

    /// How many may lose their power at once, and with it what they had not flushed.
    pub fn power_cuts_survived(&self) -> Survives {
        match self.producer.acks {
            Acks::All if self.topic.flushes_every_batch => self.crashes_survived(),
            Acks::All => self.all_but_one_in_sync(),
            Acks::Leader | Acks::None => Survives::None,
        }
    }

    /// One of those who must have a record is left.
    fn all_but_one_in_sync(&self) -> Survives {
        match self.in_sync().saturating_sub(1) {
            0 => Survives::None,
            others => Survives::AtMost(others),
        }
    }

    /// How many may be down while records are still acknowledged.
    pub fn down_while_writable(&self) -> u32 {
        match self.producer.acks {
            Acks::All => self.replicas - self.in_sync(),
            Acks::Leader | Acks::None => self.replicas - 1,
        }
    }

    fn acks(&self) -> &'static str {
        match self.producer.acks {
            Acks::All => "acks=all",
            Acks::Leader => "acks=1",
            Acks::None => "acks=0",
        }
    }
}

/// `no-acked-record-is-lost`.
fn durability(terms: &Terms) -> Guarantee {
    let because = match terms.producer.acks {
        Acks::None => vec![
            "acks=0: nobody confirms anything, so that no record is promised to be anywhere".into(),
        ],
        Acks::Leader => vec![
            "acks=1: the leader alone has a record when it is acknowledged; it is promised only from the time \
             when it is committed"
                .into(),
        ],
        Acks::All => {
            let what = "a record is acknowledged when every replica in the ISR has it";
            vec![format!("acks=all: {what}, and those are at least {}", terms.at_least())]
        }
    };
    let unless = match terms.producer.acks {
        Acks::None => Vec::new(),
        Acks::Leader => [vec![leader_alone()], losses(terms)].concat(),
        Acks::All => losses(terms),
    };
    let given = terms.producer.acks != Acks::None;
    Guarantee { promise: Promise::NoAckedRecordIsLost, because, unless, given }
}

fn leader_alone() -> (Setting, String) {
    let what = "the leader stops, or is deposed, before another replica has fetched the record";
    (Setting::AcksLeader, what.into())
}

/// What may take a committed record.
fn losses(terms: &Terms) -> Vec<(Setting, String)> {
    let mut losses = Vec::new();
    let in_sync = terms.topic.min_insync_replicas.min(terms.replicas);
    if terms.topic.unclean_leader_election {
        let what =
            "every replica in the ISR is gone, and one that lacks records is made the leader";
        losses.push((Setting::UncleanLeaderElection, what.into()));
    }
    if !terms.topic.flushes_every_batch {
        let whom = match in_sync {
            1 => {
                "a replica loses its power before it has flushed a record that it alone has".into()
            }
            n => format!("{n} replicas lose their power before any of them has flushed a record"),
        };
        losses.push((Setting::MinInsyncReplicas(in_sync), whom));
        if !terms.eligible_leader_replicas && in_sync > 1 {
            let what = "the last member of the ISR loses its power before it has flushed a record, and leads again";
            losses.push((terms.last_member_trusted_by, what.into()));
        }
    }
    losses
}

/// `no-inconsistent-offsets`: an offset is given twice only after a loss.
fn consistency(terms: &Terms) -> Guarantee {
    let because = vec![
        "consumers read only what is committed, and a committed offset is not given again".into(),
    ];
    let unless = match terms.producer.acks {
        Acks::None => losses(terms),
        Acks::Leader | Acks::All => durability(terms).unless,
    };
    Guarantee { promise: Promise::NoInconsistentOffsets, because, unless, given: true }
}

/// `no-duplicates`.
fn duplicates(terms: &Terms) -> Guarantee {
    let producer = &terms.producer;
    let promise = Promise::NoDuplicates;
    match (producer.idempotence, producer.retries, producer.acks) {
        (false, 0, _) | (false, _, Acks::None) => Guarantee {
            promise,
            because: vec!["nothing is sent again: retries=0, or nobody waits for an answer".into()],
            unless: Vec::new(),
            given: true,
        },
        (false, ..) => Guarantee {
            promise,
            because: vec![
                "enable.idempotence=false: a request whose answer is lost is sent again, and written again"
                    .into(),
            ],
            unless: Vec::new(),
            given: false,
        },
        (true, ..) => Guarantee {
            promise,
            because: vec![
                "enable.idempotence=true: the leader knows the last five batches of a producer, and takes none \
                 of them twice (KIP-98)"
                    .into(),
            ],
            unless: sent_again(producer),
            given: true,
        },
    }
}

/// A producer that does not know what became of a batch takes a new epoch, and sends it again. After a leader has
/// opened its log again it knows only a producer's last batch.
fn sent_again(producer: &ProducerSettings) -> Vec<(Setting, String)> {
    let unknown = "a batch before it expired, or a deposed leader refused it, and nobody could tell whether it was \
                   appended: it comes again";
    let mut unless = vec![(Setting::NewProducerEpoch, unknown.into())];
    let what = "the leader was started again in between: of a producer's batches it knows only the last, and \
                one before it comes again under a new epoch (KIP-360)";
    if producer.max_in_flight > 1 {
        unless.push((Setting::MaxInFlight(producer.max_in_flight), what.into()));
    }
    let deleted = "all that a leader had of the producer was deleted, and its log was opened again before the \
                   repetition came";
    unless.push((Setting::RecordsDeleted, deleted.into()));
    unless
}

/// `per-partition-order`.
fn order(terms: &Terms) -> Guarantee {
    let producer = &terms.producer;
    let promise = Promise::PerPartitionOrder;
    let in_flight = producer.max_in_flight;
    if producer.idempotence {
        let because = vec![
            "enable.idempotence=true: a leader takes a producer's batches in their sequence".into(),
        ];
        let what = "a new leader that has never heard of the producer gets a later batch before an earlier one";
        let unless = vec![(Setting::MaxInFlight(in_flight), what.into())];
        let unless = if in_flight > 1 { unless } else { Vec::new() };
        return Guarantee { promise, because, unless, given: true };
    }
    let (because, given) = match (in_flight, producer.retries) {
        (1, _) => {
            ("max.in.flight.requests.per.connection=1: nothing can be overtaken".into(), true)
        }
        (_, 0) => ("retries=0: nothing is sent again, and so nothing is overtaken".into(), true),
        _ => {
            let what = "a request that is sent again is overtaken by those behind it";
            let setting = Setting::MaxInFlight(in_flight);
            (format!("enable.idempotence=false and {setting}: {what}"), false)
        }
    };
    Guarantee { promise, because: vec![because], unless: Vec::new(), given }
}

impl Terms {
    fn at_least(&self) -> String {
        let settings = &self.topic;
        match settings.min_insync_replicas > self.replicas {
            true => format!("all {} replicas (min.insync.replicas asks for more)", self.replicas),
            false => format!("{} (min.insync.replicas)", settings.min_insync_replicas),
        }
    }
}

impl std::fmt::Display for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let idempotence = self.producer.idempotence;
        write!(f, "{}, enable.idempotence={idempotence}", self.acks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Survives::{Any, AtMost, None};

    fn terms(acks: Acks, replicas: u32, min_isr: u32) -> Terms {
        let topic = TopicSettings { min_insync_replicas: min_isr, ..TopicSettings::default() };
        let producer = ProducerSettings { acks, ..ProducerSettings::default() };
        let last_member_trusted_by = Setting::NoEligibleLeaderReplicas;
        let eligible_leader_replicas = false;
        Terms { replicas, topic, eligible_leader_replicas, last_member_trusted_by, producer }
    }

    fn flushing(terms: Terms) -> Terms {
        Terms { topic: TopicSettings { flushes_every_batch: true, ..terms.topic }, ..terms }
    }

    #[test]
    fn what_a_record_survives_follows_from_who_must_have_it() {
        let cases = [
            (terms(Acks::All, 3, 2), Any, AtMost(1), 1),
            (terms(Acks::All, 3, 1), Any, None, 2),
            (terms(Acks::All, 5, 3), Any, AtMost(2), 2),
            (terms(Acks::All, 2, 3), Any, AtMost(1), 0),
            (terms(Acks::Leader, 3, 2), None, None, 2),
            (terms(Acks::None, 3, 2), None, None, 2),
        ];
        for (terms, crashes, power_cuts, down) in cases {
            assert_eq!(terms.crashes_survived(), crashes, "{terms:?}");
            assert_eq!(terms.power_cuts_survived(), power_cuts, "{terms:?}");
            assert_eq!(terms.down_while_writable(), down, "{terms:?}");
        }
        let flushed = flushing(terms(Acks::All, 3, 1));
        assert_eq!(flushed.power_cuts_survived(), Any);
        let mut unclean = flushing(terms(Acks::All, 3, 2));
        unclean.topic.unclean_leader_election = true;
        assert_eq!([unclean.crashes_survived(), unclean.power_cuts_survived()], [AtMost(1); 2]);
    }

    fn ways_out(terms: &Terms, promise: Promise) -> (bool, Vec<Setting>) {
        let all = guarantees(terms);
        let found = all.into_iter().find(|one| one.promise == promise).expect("it is one of them");
        (found.given, found.unless.into_iter().map(|(setting, _)| setting).collect())
    }

    #[test]
    fn the_ways_out_are_the_settings_that_a_verdict_would_name() {
        use Setting as S;
        let all = terms(Acks::All, 3, 2);
        let with_elr = Terms { eligible_leader_replicas: true, ..all };
        let flushed = flushing(all);
        let mut unclean = flushed;
        unclean.topic.unclean_leader_election = true;
        let lost = Promise::NoAckedRecordIsLost;
        let min_isr = S::MinInsyncReplicas(2);
        let cases = [
            (all, vec![min_isr, S::NoEligibleLeaderReplicas]),
            (with_elr, vec![min_isr]),
            (flushed, vec![]),
            (unclean, vec![S::UncleanLeaderElection]),
            (terms(Acks::Leader, 3, 1), vec![S::AcksLeader, S::MinInsyncReplicas(1)]),
        ];
        for (terms, settings) in cases {
            assert_eq!(ways_out(&terms, lost), (true, settings), "{terms:?}");
        }
        assert_eq!(ways_out(&terms(Acks::None, 3, 1), lost), (false, vec![]));
    }

    #[test]
    fn order_and_duplicates_follow_from_idempotence_and_what_is_in_flight() {
        let with = |idempotence, max_in_flight, retries| {
            let producer =
                ProducerSettings { acks: Acks::All, idempotence, max_in_flight, retries };
            Terms { producer, ..terms(Acks::All, 3, 2) }
        };
        let cases = [
            (with(true, 5, 9), true, true),
            (with(false, 5, 9), false, false),
            (with(false, 1, 9), false, true),
            (with(false, 5, 0), true, true),
        ];
        for (terms, no_duplicates, in_order) in cases {
            assert_eq!(ways_out(&terms, Promise::NoDuplicates).0, no_duplicates, "{terms:?}");
            assert_eq!(ways_out(&terms, Promise::PerPartitionOrder).0, in_order, "{terms:?}");
        }
    }
}
