//! Many runs, on as many threads as there are cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

/// Asks a question of each: the answers that there are, in whatever order they come.
pub fn in_parallel<T: Send, A: Send>(
    all: impl IntoIterator<Item = T, IntoIter: Send>,
    question: impl Fn(T) -> Option<A> + Sync,
) -> Vec<A> {
    let waiting = Mutex::new(all.into_iter());
    let answers = Mutex::new(Vec::new());
    let work = || {
        let next = || waiting.lock().expect("nobody panics here").next();
        while let Some(one) = next() {
            let answer = question(one);
            answers.lock().expect("nobody panics here").extend(answer);
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    answers.into_inner().expect("nobody panics here")
}
