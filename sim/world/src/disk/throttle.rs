//! How Linux holds up whoever makes pages dirty faster than a disk takes them (`balance_dirty_pages`, since Linux 3.2).
//!
//! Up to the middle between the background limit and the hard one everybody is free. Above it every thread has the same
//! rate. Who has written more since it was last paused than that rate allows is paused for the difference: the time that
//! it spent on other things counts, so that a thread that writes little is never paused, and one that has more to write than
//! its share falls behind, however idle the others are. The rate is found by trial, five times a second: what would have
//! made all threads together as fast as the disk (`wb_update_dirty_ratelimit`). It counts for more the farther the dirty
//! pages are below the point that they shall be at, and for less above it (`pos_ratio_polynom`), so that they come to
//! rest there.

use super::DiskProfile;
use klab_wire::{Span, Time};
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    /// What each thread may write in a second, where dirty pages are as many as they shall be.
    rate: u64,
    /// What the last look at it would have made of it.
    balanced: u64,
    looked: Time,
    /// What all threads have written since.
    dirtied: u64,
    threads: BTreeMap<u32, Thread>,
}

/// What a thread has written since it was last paused.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    since: Time,
    dirtied: u64,
}

/// A thousandth part is one.
const ONE: i64 = 1_000;
/// Nobody is slower than a twentieth of its rate: a pause has a longest length (`MAX_PAUSE`).
const SLOWEST: i64 = 50;
/// The rate before anything is known (`INIT_BW`).
const FIRST_RATE: u64 = 100_000_000;
/// How often the rate is looked at (`BANDWIDTH_INTERVAL`).
const INTERVAL: Span = Span::from_millis(200);
/// For how long a thread that has done something else may catch up.
const MOST_CREDIT: Span = Span::from_secs(1);

impl Default for Throttle {
    fn default() -> Self {
        let (rate, balanced) = (FIRST_RATE, FIRST_RATE);
        Throttle { rate, balanced, looked: Time::ZERO, dirtied: 0, threads: BTreeMap::new() }
    }
}

impl Throttle {
    /// A thread has made so many bytes dirty.
    pub(super) fn dirtied(&mut self, thread: u32, bytes: u64) {
        self.threads.entry(thread).or_default().dirtied += bytes;
        self.dirtied += bytes;
    }

    /// How long a thread is paused now, with so much dirty on a disk of some speed.
    pub(super) fn pause(
        &mut self,
        profile: &DiskProfile,
        (dirty, speed): (u64, u64),
        now: Time,
        thread: u32,
    ) -> Span {
        let thread = self.threads.entry(thread).or_default();
        let Some(share) = share(dirty, profile.dirty_background, profile.dirty_limit) else {
            *thread = Thread { since: now, dirtied: 0 };
            return Span::ZERO;
        };
        let rate = (self.rate * share as u64 / ONE as u64).max(1);
        let period = Span(
            u64::try_from(u128::from(thread.dirtied) * 1_000_000_000 / u128::from(rate))
                .unwrap_or(u64::MAX),
        );
        let due = thread.since.max(Time(now.0.saturating_sub(MOST_CREDIT.0))) + period;
        *thread = Thread { since: due, dirtied: 0 };
        self.look(share, dirty < at_rest(profile), speed, now);
        due.since(now)
    }

    /// Moves the rate an eighth of the way to the one that would have balanced what is written and what the disk takes, or
    /// not at all if dirty pages are on their way to where they shall be.
    fn look(&mut self, share: i64, is_below: bool, speed: u64, now: Time) {
        let passed = now.since(self.looked);
        if passed < INTERVAL {
            return;
        }
        let written = (u128::from(self.dirtied) * 1_000_000_000 / u128::from(passed.0)).max(1);
        (self.looked, self.dirtied) = (now, 0);
        let task = self.rate * share as u64 / ONE as u64 + 1;
        let balanced =
            (u128::from(task) * u128::from(speed) / written).min(u128::from(speed)) as u64;
        let step = match is_below {
            true => self.balanced.min(balanced).min(task).saturating_sub(self.rate),
            false => self.rate.saturating_sub(self.balanced.max(balanced).max(task)),
        };
        let shift = self.rate / (2 * step + 1);
        let step = if shift < 64 { (step >> shift).div_ceil(8) } else { 0 };
        self.rate = if self.rate < balanced { self.rate + step } else { (self.rate - step).max(1) };
        self.balanced = balanced;
    }
}

/// Up to how many dirty bytes everybody is free.
fn free(background: u64, limit: u64) -> u64 {
    background.midpoint(limit)
}

/// How many bytes shall be dirty.
fn at_rest(profile: &DiskProfile) -> u64 {
    free(profile.dirty_background, profile.dirty_limit).midpoint(profile.dirty_limit)
}

/// A thread's rate in thousandths of the rate of all; none if it is free.
fn share(dirty: u64, background: u64, limit: u64) -> Option<i64> {
    let free = free(background, limit);
    if dirty <= free {
        return None;
    }
    let at_rest = free.midpoint(limit);
    let width = limit.saturating_sub(at_rest).max(1) as i64;
    let below = ((at_rest as i64 - dirty as i64) * ONE / width).clamp(-ONE, ONE);
    Some((ONE + below * below * below / (ONE * ONE)).max(SLOWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_share_where_dirty_pages_shall_be_more_below_and_less_above() {
        let cases = [
            (3_000, None),
            (3_001, Some(1_997)),
            (3_500, Some(1_125)),
            (4_000, Some(1_000)),
            (4_500, Some(875)),
            (5_000, Some(50)),
            (9_000, Some(50)),
        ];
        for (dirty, wanted) in cases {
            assert_eq!(share(dirty, 1_000, 5_000), wanted, "{dirty}");
        }
    }

    #[test]
    fn who_has_written_more_than_its_rate_allows_is_paused_for_the_difference() {
        let profile =
            DiskProfile { dirty_background: 1_000, dirty_limit: 5_000, ..DiskProfile::default() };
        let mut throttle = Throttle::default();
        let mut pause = |millis: u64, bytes, dirty| {
            throttle.dirtied(1, bytes);
            throttle.pause(&profile, (dirty, 1_000_000_000), Time(millis * 1_000_000), 1)
        };
        assert_eq!(pause(5, 9_000_000, 3_000), Span::ZERO, "there is room");
        assert_eq!(pause(15, 1_500_000, 4_000), Span::from_millis(5), "15 ms of work, 10 ms ago");
        assert_eq!(pause(50, 1_000_000, 4_000), Span::ZERO, "10 ms of work, 30 ms later");
        assert_eq!(pause(50, 4_000_000, 4_000), Span::from_millis(20));
    }

    #[test]
    fn all_threads_together_become_as_fast_as_the_disk() {
        let profile = DiskProfile {
            dirty_background: 32_000_000,
            dirty_limit: 256_000_000,
            ..DiskProfile::default()
        };
        let (mut throttle, mut due, mut dirty) = (Throttle::default(), [Time::ZERO; 8], 0);
        let (mut written, mut most) = (0, 0);
        for now in (0..60_000).map(|millis| Time(millis * 1_000_000)) {
            for (thread, due) in (0..).zip(&mut due).filter(|(_, due)| **due <= now) {
                throttle.dirtied(thread, 1_000_000);
                dirty += 1_000_000;
                written += if now.0 >= 30_000_000_000 { 1_000_000 } else { 0 };
                *due = now + throttle.pause(&profile, (dirty, 300_000_000), now, thread);
            }
            most = dirty.max(most);
            dirty -= dirty.min(300_000);
        }
        let per_second: u64 = written / 30;
        assert!((290_000_000..=310_000_000).contains(&per_second), "{per_second}");
        assert!(most < 270_000_000, "{most}");
    }
}
