//! Which plans somebody wants to see, as an environment variable says.

use std::ops::Range;

/// `2000` for the first so many, `13908..13909` for those from one to before another; none if nothing is said.
#[allow(clippy::disallowed_methods, reason = "a person says so, and no run depends on it")]
pub fn plans(variable: &str) -> Option<Range<u64>> {
    let text = std::env::var(variable).ok()?;
    let number = |text: &str| text.parse().expect("a number");
    Some(match text.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&text),
    })
}
