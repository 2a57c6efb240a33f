//! Many runs at once: each is one thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// How many runs at a time: as many as were asked for, or as there are cores.
pub(crate) fn jobs(wanted: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.unwrap_or_else(cores).max(1)
}

/// Works on every item, so many at a time, and says so when one is done; the results are in the order of the items,
/// whatever was ready first.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> R + Sync,
    mut one_is_done: impl FnMut(),
) -> Vec<R> {
    // The last points of a sweep are mostly the largest: they come first, so that nobody waits for one alone.
    let left = AtomicUsize::new(items.len());
    let (sender, receiver) = mpsc::channel();
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, left, work) = (sender.clone(), &left, &work);
            #[allow(clippy::disallowed_methods, reason = "each run is one thread; many are many")]
            scope.spawn(move || {
                while let Some(place) = take_last(left) {
                    if sender.send((place, work(&items[place]))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        receiver.into_iter().inspect(|_| one_is_done()).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The place of the last item that nobody has taken.
fn take_last(left: &AtomicUsize) -> Option<usize> {
    let less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(|left| left - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order_whoever_is_ready_first() {
        let numbers: Vec<u64> = (0..40).collect();
        for jobs in [1, 3, 50] {
            let mut done = 0;
            let results = in_parallel(&numbers, jobs, |number| number * number, || done += 1);
            assert_eq!(results, (0..40).map(|number| number * number).collect::<Vec<_>>());
            assert_eq!(done, 40);
        }
    }
}
