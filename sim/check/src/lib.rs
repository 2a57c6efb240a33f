//! The judge: what must never happen, what must happen in the end, and what was promised at all.
//!
//! A [`Judge`] watches every [`Entry`](klab_machine::trace::Entry) of a run and never sees a machine.
//! From facts it keeps a picture of what every replica has stored ([`Settings`] say what was configured).
//! **Invariants** look at the picture at every change, at constant cost. **Checkers** judge the finished
//! history of client calls, as Jepsen's Kafka checker does. Each is a [`Promise`] with a published name.
//! A broken promise is a violation, unless the [`Setting`] that permits it can be named; [`Verdict`] tells
//! the two apart, and holds the run against what its scenario [expects](Expectation).
//!
//! A [`HistoryJudge`] judges a history that was recorded elsewhere, by the same rules: each [`Anomaly`] has Jepsen's
//! name. There are no facts then, and [`RecordedSettings`] say what else is known.
//!
//! A [`Summary`] watches the same entries and keeps what a person wants to read first.
//!
//! # Where to start reading
//!
//! `promise.rs` is the table of contents. `invariant/` has one file per oracle, pure rules with their tables;
//! `history/` the checkers (`anomaly.rs` is their table of contents); `picture/` what the facts say is stored where; `watch/` brings the three together,
//! one file per area of facts; `permit.rs` tells a permitted loss from a violation, `guarantee.rs`
//! what is promised at all. `tests/planted` has for
//! every promise a history that breaks it and one that almost does.
//!
//! # What is left out
//!
//! - Consumer groups, transactions, share groups: their promises come with them. `:nonmonotonic-poll` and
//!   `:poll-skip` are judged as for `assign`; under `subscribe` they must be permitted.
//! - What transactions promise: Jepsen's `:precommitted-read` and its cycles between transactions.
//! - Of a recorded history memory grows with the runs of consecutive values and with the polls (`recorded.rs`), not
//!   only with what is unresolved: a consumer may read everything again, and must find the same. Compacted topics
//!   would need to say what was compacted away, as `delete-records` does for retention.
//! - The voter set is static, as long as KIP-853 is not built: `majority-has-committed-metadata` would have
//!   to be asked of the voters in force at that offset.
//! - Of one log at most 64 replicas are followed: all of a partition, of the metadata log the voters first,
//!   then the first brokers. More needs wider masks in `picture/batch.rs`.
//! - Compaction changes batches that replicas hold; a compacted batch would count as another one. It needs a
//!   fact that names the batch it came from.
//! - Records in the middle of a batch of several keys are known by their batch and their acknowledgement, and
//!   by their value only when somebody reads them.

mod calls;
mod configs;
mod ensemble;
mod expectation;
mod findings;
mod guarantee;
mod history;
mod invariant;
mod judge;
mod permit;
mod picture;
mod promise;
mod settings;
mod summary;
mod verdict;
mod watch;

pub use expectation::{Expectation, ExpectationVerdict, Expected, Filter, disregarded};
pub use guarantee::{Guarantee, Survives, Terms, guarantees};
pub use history::{
    ANOMALIES, Anomaly, AnomalyInfo, Event, HistoryJudge, HistoryVerdict, Micro, RecordedSettings,
    Type, Wrong, is_fault,
};
pub use judge::{Convergence, End, Judge, Stuck};
pub use promise::{PROMISES, Promise, PromiseInfo};
pub use settings::{ProducerSettings, Setting, Settings, TopicSettings};
pub use summary::{Availability, Hot, HotStates, Line, Sends, Summary, Timeline};
pub use verdict::{
    AnomalyVerdict, Moment, Outcome, PromiseVerdict, Proof, Status, Verdict, Witness,
};
