//! Mutants: wrong behaviours that a test puts into the machines, to see whether the judge notices.
//!
//! Each is one line at the rule that it breaks: `if Mutant::AdmitsOneRecordEarly.lives() { .. }`. At most one lives at
//! a time, on the thread that runs the world (`Mutant::living`). Only with the feature `mutants`, which the root
//! package's dev-dependencies switch on, and never in a release build: without it [`Mutant::lives`] is the
//! constant `false`, and nothing of a mutant is compiled. `tests/mutants.rs` hunts them;
//! `reports/judge/mutants.md` says which promise catches which.

/// There can be mutants in this build.
pub const IN_THIS_BUILD: bool = cfg!(all(feature = "mutants", debug_assertions));

macro_rules! mutants {
    ($($(#[doc = $sentence:literal])+ $variant:ident = $name:literal;)*) => {
        /// A wrong behaviour, by what it does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[doc = $sentence])+ $variant,)*
        }

        /// Every mutant, in the order of the enum: broker, log, controller, quorum, ensemble, controller in ZooKeeper mode, clients.
        pub const MUTANTS: &[Mutant] = &[$(Mutant::$variant,)*];

        impl Mutant {
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $name,)*
                }
            }

            /// What it does wrong, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Mutant::$variant => concat!($($sentence),+).trim_ascii(),)*
                }
            }
        }
    };
}

mutants! {
    /// A leader answers an `acks=all` produce as soon as it has appended it itself.
    AcknowledgesBeforeIsr = "acknowledges-before-isr";
    /// A leader's high watermark is its own log end.
    CommitsAtLeaderEnd = "commits-at-leader-end";
    /// A leader does not wait any more for the members that it has only asked to drop from the ISR.
    DropsBeforeTheController = "drops-before-the-controller";
    /// A leader lets a follower into the ISR that lacks the last record below the high watermark.
    AdmitsOneRecordEarly = "admits-one-record-early";
    /// A leader takes every answer to an AlterPartition for the answer to its last, however old it is.
    BelievesStaleIsrAnswers = "believes-stale-isr-answers";
    /// A follower that is told where its log diverges truncates nothing.
    SkipsTruncation = "skips-truncation";
    /// A follower that is told where its log diverges keeps one record more.
    TruncatesOneRecordLate = "truncates-one-record-late";
    /// Consumers are served up to the end of the leader's log.
    ServesBeyondHighWatermark = "serves-beyond-high-watermark";
    /// A follower takes all that it has for committed.
    FollowerCommitsItsEnd = "follower-commits-its-end";
    /// A broker serves whoever asks, whatever leader epoch it asks in.
    IgnoresLeaderEpochs = "ignores-leader-epochs";
    /// A leader does not listen when another one is elected, and leads on.
    StaysLeader = "stays-leader";
    /// A leader whose ISR changes counts from the start again what is committed.
    ForgetsHighWatermark = "forgets-high-watermark";
    /// A leader commits while its ISR is smaller than `min.insync.replicas`, and acknowledges that.
    CommitsUnderMinIsr = "commits-under-min-isr";
    /// A leader with `flush.messages` shows and commits an append before its fsync is done.
    ShowsUnflushed = "shows-unflushed";
    /// A follower with `flush.messages` fetches on, which tells its leader that it has everything, before its fsync
    /// is done.
    FetchesOnUnflushed = "fetches-on-unflushed";
    /// A fetch session takes no note when one of its partitions has something new.
    ForgetsAPartition = "forgets-a-partition";
    /// A broker that shuts down writes its clean-shutdown marker without waiting for the fsyncs of its logs.
    SwearsBeforeTheFsync = "swears-before-the-fsync";

    /// A leader says of an epoch that is over that it ended one record later than it did.
    EndsEpochsOneRecordLate = "ends-epochs-one-record-late";
    /// A log that is truncated keeps the epochs of what it has lost.
    KeepsEpochsOfTheTruncated = "keeps-epochs-of-the-truncated";
    /// A log that is truncated still takes the batches that it has lost for its own.
    KeepsProducersOfTheTruncated = "keeps-producers-of-the-truncated";
    /// A log that is opened knows nothing of the producers in it.
    ForgetsProducersWhenOpened = "forgets-producers-when-opened";
    /// A follower takes no note of the producers whose batches it copies.
    FollowersIgnoreProducers = "followers-ignore-producers";
    /// A leader takes a batch whose sequence does not follow.
    IgnoresSequences = "ignores-sequences";
    /// A leader refuses a batch that it has already, as one out of order.
    RefusesDuplicates = "refuses-duplicates";
    /// A leader appends the last batch of a producer again when it is sent again.
    AppendsDuplicates = "appends-duplicates";
    /// A log remembers one batch less of each producer than may be in flight.
    RemembersFourBatches = "remembers-four-batches";
    /// A log that is recovered keeps batches that fail their checksum.
    KeepsTornBatches = "keeps-torn-batches";
    /// The recovery point runs ahead: it is where fsyncs have been asked for, not where they are done.
    RecoversTooLate = "recovers-too-late";
    /// A log fsyncs its checkpoint instead of its segment.
    FlushesTheWrongFile = "flushes-the-wrong-file";
    /// A broker does not write down where its logs start.
    ForgetsTheLogStart = "forgets-the-log-start";
    /// Retention deletes segments above the high watermark.
    DeletesTheUncommitted = "deletes-the-uncommitted";

    /// The controller elects any replica that is alive, in sync or not, and calls it clean.
    ElectsOutsideTheIsr = "elects-outside-the-isr";
    /// The controller takes a change of the ISR that builds on a state that is no more.
    IgnoresPartitionEpochs = "ignores-partition-epochs";
    /// The controller fences a broker and leaves it in its ISRs and at their head.
    LeavesTheFencedInSync = "leaves-the-fenced-in-sync";
    /// The controller lets a broker begin its controlled shutdown without moving its leaders or taking it out of
    /// its ISRs.
    LeavesTheClosingInSync = "leaves-the-closing-in-sync";
    /// The controller does not ask in which life a broker speaks, or is spoken of.
    IgnoresBrokerEpochs = "ignores-broker-epochs";
    /// The controller lets a new life of a broker take the place of one that it takes for alive, and leaves it in its
    /// ISRs.
    TrustsTheReborn = "trusts-the-reborn";
    /// The controller answers before the quorum has committed what it decided.
    AnswersBeforeTheCommit = "answers-before-the-commit";
    /// The controller gives the same block of producer ids to everybody.
    HandsOutIdsTwice = "hands-out-ids-twice";

    /// A voter does not write down for whom it has voted.
    ForgetsItsVote = "forgets-its-vote";
    /// A voter gives its vote, or stands, before its election state is on the platter.
    TellsItsVoteTooSoon = "tells-its-vote-too-soon";
    /// A voter gives its vote to every candidate of an epoch that asks for it.
    VotesTwice = "votes-twice";
    /// A candidate takes one vote less than a majority for enough.
    CountsHalfAsAMajority = "counts-half-as-a-majority";
    /// A voter elects whoever asks first, however much of the log that one lacks.
    VotesForShortLogs = "votes-for-short-logs";
    /// The leader of the quorum commits what one voter less than a majority has.
    CommitsWithoutAMajority = "commits-without-a-majority";
    /// A voter counts what it has appended to the metadata log before the fsync is done.
    CommitsUnflushedMetadata = "commits-unflushed-metadata";
    /// A replica of the metadata log takes all that it has fetched for committed.
    AppliesTheUncommitted = "applies-the-uncommitted";
    /// A replica of the metadata log that is told where its log diverges truncates nothing.
    KeepsDivergingMetadata = "keeps-diverging-metadata";
    /// The leader of the quorum does not ask whether the log that it continues is its own.
    SeesNoDivergence = "sees-no-divergence";
    /// A voter follows a leader of an older epoch than its own.
    GoesBackAnEpoch = "goes-back-an-epoch";
    /// A replica of the metadata log deletes one record more than its snapshot replaces.
    CutsBeyondTheSnapshot = "cuts-beyond-the-snapshot";
    /// The leader of the quorum does not resign when no majority fetches from it.
    LeadsWithoutAQuorum = "leads-without-a-quorum";

    /// A ZooKeeper server takes half of the ensemble for a quorum, which in an ensemble of four is two.
    CountsHalfTheEnsemble = "counts-half-the-ensemble";
    /// A ZooKeeper follower acknowledges a proposal before it is on its platter.
    AcknowledgesUnflushedProposals = "acknowledges-unflushed-proposals";
    /// A ZooKeeper server answers a leader before the epoch that it accepts is written down.
    ForgetsAcceptedEpochs = "forgets-accepted-epochs";
    /// A ZooKeeper leader sends a learner what it lacks, and takes nothing away from it that nobody else has.
    NeverTruncatesLearners = "never-truncates-learners";
    /// A ZooKeeper leader takes the acknowledgements of observers for votes.
    LetsObserversVote = "lets-observers-vote";
    /// A ZooKeeper server that is elected leads without asking whether a learner knows more.
    LeadsTheAhead = "leads-the-ahead";
    /// A ZooKeeper server that ends a session leaves its ephemeral znodes.
    LeavesEphemerals = "leaves-ephemerals";
    /// A ZooKeeper server lets every client in, whatever that one has seen elsewhere.
    ServesClientsFromThePast = "serves-clients-from-the-past";
    /// A ZooKeeper server answers a read before the writes that its session sent before it.
    ReadsBeforeOwnWrites = "reads-before-own-writes";
    /// A ZooKeeper leader writes data whatever version the client knows.
    IgnoresZnodeVersions = "ignores-znode-versions";
    /// A ZooKeeper follower answers a sync by itself, and does not ask its leader.
    AnswersSyncsAlone = "answers-syncs-alone";

    /// A controller in ZooKeeper mode that is elected goes on in the epoch of the one before it.
    KeepsTheControllerEpoch = "keeps-the-controller-epoch";
    /// A controller in ZooKeeper mode elects leaders in the epoch of those before them.
    KeepsTheLeaderEpoch = "keeps-the-leader-epoch";
    /// A controller in ZooKeeper mode elects replicas whose brokers are gone.
    ElectsTheGone = "elects-the-gone";
    /// A controller in ZooKeeper mode leaves brokers that are gone in the ISRs of partitions that others lead.
    LeavesTheGoneInSync = "leaves-the-gone-in-sync";
    /// A controller in ZooKeeper mode tells brokers what their replicas are, and nobody else.
    ForgetsUpdateMetadata = "forgets-update-metadata";
    /// A broker in ZooKeeper mode obeys a controller that has a successor.
    ObeysFormerControllers = "obeys-former-controllers";
    /// A broker in ZooKeeper mode obeys what was said to a former life of its.
    ObeysForFormerLives = "obeys-for-former-lives";

    /// A producer gives a batch that it sends again a new sequence.
    NumbersRetriesAnew = "numbers-retries-anew";
    /// A producer does not hold back later batches while an earlier one is sent again.
    OvertakesRetries = "overtakes-retries";
    /// A producer says that a batch was not written when all it knows is that no good answer came.
    TakesTimeoutsForFailures = "takes-timeouts-for-failures";
    /// A producer takes a batch for written when its leader lost its office while the batch waited for others.
    TakesLostLeadersForSuccesses = "takes-lost-leaders-for-successes";
    /// A consumer leaves out every other batch of what it has fetched.
    SkipsABatch = "skips-a-batch";
    /// A consumer hands records out and does not move on.
    StandsStill = "stands-still";
}

#[cfg(all(feature = "mutants", debug_assertions))]
mod life {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static LIVING: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    impl Mutant {
        /// Whether the machines of this thread have this mutant.
        #[inline]
        pub fn lives(self) -> bool {
            LIVING.get() == Some(self)
        }

        /// Runs something whose machines have this mutant.
        pub fn living<T>(self, run: impl FnOnce() -> T) -> T {
            let _end = End(LIVING.replace(Some(self)));
            run()
        }
    }

    /// A mutant lives no longer than its run, even if that panics.
    struct End(Option<Mutant>);

    impl Drop for End {
        fn drop(&mut self) {
            LIVING.set(self.0);
        }
    }
}

#[cfg(not(all(feature = "mutants", debug_assertions)))]
impl Mutant {
    /// Whether the machines of this thread have this mutant: there are none in this build.
    #[inline(always)]
    pub const fn lives(self) -> bool {
        false
    }
}
