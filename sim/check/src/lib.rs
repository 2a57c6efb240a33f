//! The judge: what must never happen, what must happen in the end, and what was promised at all.
//!
//! A [`Judge`] watches every [`Entry`](klab_machine::trace::Entry) of a run and never sees a machine.
//! From facts it keeps a picture of what every replica has stored ([`Settings`] say what was configured).
//! **Invariants** look at the picture at every change, at constant cost. **Checkers** judge the finished
//! history of client calls, as Jepsen's Kafka checker does. Each is a [`Promise`] with a published name.
//! A broken promise is a violation, unless the [`Setting`] that permits it can be named; [`Verdict`] tells
//! the two apart, and holds the run against what its scenario [expects](Expectation).
//!
//! A [`Summary`] watches the same entries and keeps what a person wants to read first.

mod expectation;
mod findings;
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

pub use expectation::{Expectation, ExpectationVerdict, Expected, Filter};
pub use judge::{Convergence, End, Judge};
pub use promise::{PROMISES, Promise, PromiseInfo};
pub use settings::{ProducerSettings, Setting, Settings, TopicSettings};
pub use summary::{Availability, Line, Sends, Summary, Timeline};
pub use verdict::{Moment, Outcome, PromiseVerdict, Proof, Status, Verdict, Witness};
