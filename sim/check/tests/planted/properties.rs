//! A legal history of any shape is accepted, and every way to spoil it is noticed.

use crate::story::{B1, B2, B3, C1, Story, batch};
use klab_check::Promise;
use klab_wire::NodeId;
use proptest::prelude::*;

/// One batch of a legal history: how many records, whether the follower fetch lags, and whether the leader
/// falls before it is committed.
#[derive(Clone, Copy, Debug)]
struct Round {
    records: u64,
    fails_over: bool,
}

/// What to do wrong, at which round.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Nothing,
    /// A committed batch is truncated by everyone.
    Lose,
    /// It is acknowledged at the next offset.
    Misplace,
    /// The consumer gets its records twice.
    Repeat,
    /// The consumer gets other values.
    Alter,
    /// The consumer gets none of them.
    Skip,
    /// The next leader does not have it.
    Forget,
}

/// The state of a legal history as it is told.
struct Teller {
    story: Story,
    leader: NodeId,
    epoch: u32,
    end: u64,
}

impl Teller {
    fn others(&self) -> Vec<NodeId> {
        [B1, B2, B3].into_iter().filter(|node| *node != self.leader).collect()
    }

    /// A new leader in a new epoch; the old one had a batch more, and follows.
    fn fail_over(mut self, has: u64) -> Self {
        let old = self.leader;
        let unseen = batch(self.epoch, self.end, 2, 900_000 + self.end);
        self.story = self.story.appends(old, unseen, true);
        self.leader = self.others()[0];
        self.epoch += 1;
        let isr = [B1, B2, B3];
        self.story = self.story.elects(self.leader, self.epoch, &isr);
        self.story = self.story.leads(self.leader, self.epoch, has, has);
        self.story = self.story.truncates(old, self.end + 2, self.end);
        self
    }

    fn round(mut self, round: Round, spoil: Spoil) -> Self {
        if round.fails_over {
            let end = self.end;
            self = self.fail_over(end);
        }
        let (base, value, others) = (self.end, 100 + self.end, self.others());
        let told = batch(self.epoch, base, round.records, value);
        let end = base + round.records;
        let sent = self.story.sends(value, round.records as u32);
        let stored = sent.replicated(self.leader, &others, told);
        let committed = stored.commits(self.leader, self.epoch, base, end);
        let offset = if matches!(spoil, Spoil::Misplace) { base + 1 } else { base };
        self.story = committed.acked(value, offset);
        self.end = end;
        self.read(base, value, round.records as u32, spoil).spoil(base, spoil)
    }

    fn read(mut self, base: u64, value: u64, count: u32, spoil: Spoil) -> Self {
        let range = (base, value, count);
        self.story = match spoil {
            Spoil::Skip => self.story,
            Spoil::Alter => self.story.polls(C1, &[(base, value + 1_000_000, count)]),
            Spoil::Repeat => self.story.polls(C1, &[range]).polls(C1, &[range]),
            _ => self.story.polls(C1, &[range]),
        };
        self
    }

    fn spoil(mut self, base: u64, spoil: Spoil) -> Self {
        match spoil {
            Spoil::Lose => {
                let all = [B1, B2, B3].into_iter();
                self.story = all.fold(self.story, |s, node| s.truncates(node, self.end, base));
                self.end = base;
            }
            Spoil::Forget => {
                let next = self.others()[0];
                self.story = self.story.truncates(next, self.end, base);
                self = self.fail_over(base);
            }
            _ => {}
        }
        self
    }
}

/// Tells all rounds, and after them one more record, so that a skipped one is passed over.
fn told(rounds: &[Round], spoilt: usize, spoil: Spoil) -> klab_check::Verdict {
    let begun = Teller { story: Story::new(), leader: B1, epoch: 0, end: 0 };
    let end = rounds.iter().enumerate().fold(begun, |teller, (index, round)| {
        teller.round(*round, if index == spoilt { spoil } else { Spoil::Nothing })
    });
    end.story.end()
}

/// The promise that must be among those broken.
fn broken_by(spoil: Spoil) -> Option<Promise> {
    match spoil {
        Spoil::Nothing => None,
        Spoil::Lose => Some(Promise::NoAckedRecordIsLost),
        Spoil::Misplace => Some(Promise::NoInconsistentOffsets),
        Spoil::Repeat | Spoil::Skip => Some(Promise::PerPartitionOrder),
        Spoil::Alter => Some(Promise::NoUnwrittenRecordIsRead),
        Spoil::Forget => Some(Promise::CommittedRecordsSurvive),
    }
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round =
        (1..6_u64, any::<bool>()).prop_map(|(records, fails_over)| Round { records, fails_over });
    proptest::collection::vec(round, 3..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_legal_history_breaks_no_promise(rounds in rounds()) {
        let verdict = told(&rounds, usize::MAX, Spoil::Nothing);
        let broken: Vec<_> = verdict.promises.iter().filter(|one| one.violations > 0).collect();
        prop_assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn a_spoilt_history_is_noticed(rounds in rounds(), at in any::<prop::sample::Index>()) {
        // Neither the first nor the last round, so that something comes before and after.
        let at = 1 + at.index(rounds.len() - 2);
        let ways = [Spoil::Misplace, Spoil::Repeat, Spoil::Alter, Spoil::Skip, Spoil::Forget];
        for spoil in ways {
            let verdict = told(&rounds, at, spoil);
            let promise = broken_by(spoil).expect("every way to spoil breaks something");
            prop_assert!(verdict.promise(promise).violations > 0, "{spoil:?} at {at}");
        }
        let verdict = told(&rounds[..=at], at, Spoil::Lose);
        prop_assert!(verdict.promise(Promise::NoAckedRecordIsLost).violations > 0);
    }
}
