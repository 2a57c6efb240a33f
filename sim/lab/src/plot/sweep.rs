//! A sweep: a key of the scenario, and the values that it takes one after the other: `topic.partitions=1,2,4,..,4096`.
//!
//! `..` goes on as the values before it do, by equal steps or by equal factors, up to the value after it, which must be
//! met exactly.

use crate::error::Mistake;

/// A key and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The key, as `--set` takes it.
    pub key: String,
    /// At least two values, each another.
    pub values: Vec<String>,
}

/// More points than anybody waits for are a slip.
const MOST: usize = 1_000;

impl Sweep {
    /// Reads `key=v1,v2,..,vn`.
    ///
    /// # Errors
    ///
    /// It is not written so.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        Self::read_as("--sweep", text)
    }

    /// Reads the same for another option.
    pub(crate) fn read_as(option: &str, text: &str) -> Result<Self, Mistake> {
        let wrong = |why: String| Mistake::new(format!("{option} {text}: {why}"));
        let (key, values) = text.split_once('=').ok_or_else(|| {
            wrong(
                "a sweep is written KEY=VALUE,VALUE,.., as in topic.partitions=1,2,4,..,64".into(),
            )
        })?;
        let written = split(values);
        if key.trim().is_empty() || written.iter().any(|value| value.is_empty()) {
            return Err(wrong("a key or a value is missing between the commas".into()));
        }
        let values = continued(&written).map_err(wrong)?;
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(value.as_str())) {
            return Err(wrong(format!("{twice} stands in it twice")));
        }
        if values.len() < 2 {
            let set = format!("--set {key}={}", values[0]);
            return Err(wrong(format!("a sweep has at least two values; for one there is {set}")));
        }
        Ok(Sweep { key: key.trim().to_string(), values })
    }
}

/// What stands between commas that are in no brackets, braces or quotes.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quoted) = (0_u32, false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        match letter {
            ',' if depth == 0 && !quoted => parts.push(String::new()),
            _ => parts.last_mut().expect("there is always a part").push(letter),
        }
    }
    parts.iter().map(|part| part.trim().to_string()).collect()
}

/// The values with `..` written out.
fn continued(written: &[String]) -> Result<Vec<String>, String> {
    let Some(dots) = written.iter().position(|value| value == "..") else {
        return Ok(written.to_vec());
    };
    let (before, after) = (&written[..dots], &written[dots + 1..]);
    let [end] = after else {
        return Err("after `..` comes the last value, and nothing else, as in 1,2,4,..,64".into());
    };
    if before.len() < 2 {
        return Err("before `..` come at least two values, as in 1,2,4,..,64".into());
    }
    let amounts: Option<Vec<(u64, &str)>> =
        before.iter().chain([end]).map(|value| whole_amount(value)).collect();
    let amounts =
        amounts.ok_or("`..` goes on with whole numbers, as in 1,2,4,..,64 or 5ms,10ms,..,50ms")?;
    let unit = amounts[0].1;
    if amounts.iter().any(|(_, other)| *other != unit) {
        return Err("`..` goes on with numbers of one unit: write them all alike".into());
    }
    let numbers: Vec<u64> = amounts.iter().map(|(number, _)| *number).collect();
    let (end, start) = numbers.split_last().expect("there are at least three");
    let all = go_on(start, *end)?;
    Ok(all.into_iter().map(|number| format!("{number}{unit}")).collect())
}

/// `16ms` as 16 and `ms`.
fn whole_amount(value: &str) -> Option<(u64, &str)> {
    let digits = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    Some((number.parse().ok()?, unit))
}

/// The numbers up to the end, by equal steps or equal factors; whichever fits.
fn go_on(start: &[u64], end: u64) -> Result<Vec<u64>, String> {
    let by_steps = start[1].checked_sub(start[0]).filter(|step| *step > 0);
    let by_steps = by_steps.and_then(|step| upto(start, end, |number| number.checked_add(step)));
    let divides = start[0] > 0 && start[1].is_multiple_of(start[0]);
    let by_factor = divides.then(|| start[1] / start[0]).filter(|factor| *factor > 1);
    let by_factor =
        by_factor.and_then(|factor| upto(start, end, |number| number.checked_mul(factor)));
    match (by_steps, by_factor) {
        (Some(steps), Some(factors)) if steps != factors => Err(format!(
            "`..` could go on by steps ({}) or by factors ({}): write a third value before it",
            some(&steps),
            some(&factors)
        )),
        (Some(all), _) | (_, Some(all)) if all.len() > MOST => {
            Err(format!("that is {} values; {MOST} are the most", all.len()))
        }
        (Some(all), _) | (_, Some(all)) => Ok(all),
        (None, None) => Err(format!(
            "`..` goes on by equal steps (10,20,30,..,100) or equal factors (1,2,4,..,64), and {end} is \
             met by neither"
        )),
    }
}

/// All numbers from the first to the end, if the given ones are among them in this order and the end is met.
fn upto(start: &[u64], end: u64, next: impl Fn(u64) -> Option<u64>) -> Option<Vec<u64>> {
    let all = std::iter::successors(Some(start[0]), |number| next(*number));
    let all: Vec<u64> = all.take_while(|number| *number <= end).take(100 * MOST).collect();
    (all.starts_with(start) && all.len() > start.len() && all.last() == Some(&end)).then_some(all)
}

fn some(numbers: &[u64]) -> String {
    let first: Vec<String> = numbers.iter().take(4).map(ToString::to_string).collect();
    format!("{}, ..", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_goes_on_as_it_began() {
        let cases = [
            ("topic.partitions=1,2,4,..,32", "1 2 4 8 16 32"),
            ("producer.count=10,20,30,..,50", "10 20 30 40 50"),
            ("producer.linger.ms=0,5,..,20", "0 5 10 15 20"),
            ("network.latency=1ms,10ms,100ms,..,1000ms", "1ms 10ms 100ms 1000ms"),
            ("producer.acks=1,all", "1 all"),
            (
                "topic.assignment=[[\"b1\",\"b2\"]],[[\"b2\",\"b3\"]]",
                "[[\"b1\",\"b2\"]] [[\"b2\",\"b3\"]]",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(Sweep::read(text).expect(text).values.join(" "), wanted, "{text}");
        }
    }

    #[test]
    fn a_sweep_that_means_nothing_is_refused_with_the_way_out() {
        let cases = [
            ("topic.partitions", "written KEY=VALUE"),
            ("topic.partitions=4", "--set topic.partitions=4"),
            ("topic.partitions=1,,2", "missing between the commas"),
            ("topic.partitions=1,2,1", "1 stands in it twice"),
            ("topic.partitions=1,..,8", "at least two values"),
            ("topic.partitions=1,2,..", "comes the last value"),
            ("topic.partitions=1,2,..,8,9", "comes the last value"),
            ("topic.partitions=1,2,..,8", "write a third value"),
            ("topic.partitions=1,2,4,..,9", "9 is met by neither"),
            ("topic.partitions=8,4,..,1", "met by neither"),
            ("producer.acks=0,1,..,all", "whole numbers"),
            ("network.latency=1ms,2ms,..,1s", "one unit"),
            ("topic.partitions=1,2,3,..,4096", "4096 values"),
        ];
        for (text, part) in cases {
            let mistake = Sweep::read(text).expect_err(text).to_string();
            assert!(mistake.contains(part), "{text}: {mistake}");
        }
    }
}
