//! What a person reads when klab itself is wrong: an assertion failed in some run.
//!
//! Rust's own message says where; what it takes to see it again is the scenario and the seed, and of those only
//! the run knows. A program that has found itself wrong says so and ends: what it would find from then on is worth
//! nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// The exit code of a Rust program that has panicked.
const PANICKED: i32 = 101;

/// The runs under way, each by the thread that asked for it: the command that repeats it.
static RUNNING: Mutex<BTreeMap<u64, (ThreadId, String)>> = Mutex::new(BTreeMap::new());

/// A run is under way for as long as this lives.
pub(crate) struct Running(u64);

impl Running {
    /// A run begins that this command repeats.
    pub(crate) fn begin(command: String) -> Self {
        let mut running = running();
        let number = running.last_key_value().map_or(0, |(last, _)| last + 1);
        running.insert(number, (std::thread::current().id(), command));
        Running(number)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

/// From now on a panic ends the program, with the command that repeats the run it came from.
pub(crate) fn end_at_the_first() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        anstream::eprintln!("{}", explanation(&commands()));
        std::process::exit(PANICKED);
    }));
}

/// The commands that may repeat what happened on this thread: its own, or if it has none (a run in the cage
/// has a thread of its own), all.
fn commands() -> Vec<String> {
    let here = std::thread::current().id();
    let running = running();
    let own = running.values().filter(|(thread, _)| *thread == here);
    let own: Vec<String> = own.map(|(_, command)| command.clone()).collect();
    match own.is_empty() {
        true => running.values().map(|(_, command)| command.clone()).collect(),
        false => own,
    }
}

fn explanation(commands: &[String]) -> String {
    let wrong = "This is a mistake of klab's own, not of the scenario.";
    match commands {
        [] => wrong.to_string(),
        _ => format!("{wrong} It happens again with\n  {}", commands.join("\nor with\n  ")),
    }
}

fn running() -> MutexGuard<'static, BTreeMap<u64, (ThreadId, String)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_names_its_own_run_as_long_as_it_goes_on() {
        let run = Running::begin("klab run a.toml --seed 3".into());
        assert_eq!(commands(), ["klab run a.toml --seed 3"]);
        let text = explanation(&commands());
        assert!(text.ends_with("It happens again with\n  klab run a.toml --seed 3"), "{text}");
        drop(run);
        assert!(!commands().contains(&"klab run a.toml --seed 3".to_string()));
    }
}
