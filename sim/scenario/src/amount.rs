//! Amounts with units, as a scenario writes them: `"250ms"`, `"1KiB"`, `"200/s"`, `"1%"`.
//!
//! Everything is kept as integers, and printed so that reading it again gives the same number.

use klab_wire::Span;
use serde::{Serialize, Serializer};
use std::fmt;

const NANOS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const BYTES: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const BITS: [(&str, u64); 4] =
    [("bit", 1), ("kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)];

const MILLION: u64 = 1_000_000;

/// How often something happens: so many times in each span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times, at least once.
    pub count: u64,
    /// In how much time, more than none.
    pub per: Span,
}

impl Rate {
    /// When the `index`-th of them is due, counted from the first, which is due at once. Exact: no
    /// rounding adds up.
    pub fn due(self, index: u64) -> Span {
        let nanos = u128::from(index) * u128::from(self.per.0) / u128::from(self.count);
        Span(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match print_span(self.per) {
            per if per.starts_with('1') && per[1..].chars().all(char::is_alphabetic) => {
                write!(f, "{}/{}", self.count, &per[1..])
            }
            per => write!(f, "{}/{per}", self.count),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A span that may point backwards: how far a clock is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedSpan {
    /// Towards the past.
    pub backwards: bool,
    /// How far.
    pub span: Span,
}

impl fmt::Display for SignedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.backwards { "-" } else { "" };
        write!(f, "{sign}{}", print_span(self.span))
    }
}

impl Serialize for SignedSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads `60s`, `250ms`, `1m30s`, `1.5s`, `5us`.
pub fn span(text: &str) -> Option<Span> {
    let mut rest = text;
    let (mut total, mut finest) = (0u64, u64::MAX);
    while !rest.is_empty() {
        let (amount, unit, tail) = leading_amount(rest, &NANOS)?;
        if unit >= finest {
            return None; // "30s1m" and "1s1s" are slips.
        }
        (total, finest, rest) = (total.checked_add(amount)?, unit, tail);
    }
    (finest != u64::MAX).then_some(Span(total))
}

/// Reads a span with an optional sign.
pub(crate) fn signed_span(text: &str) -> Option<SignedSpan> {
    let (backwards, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    span(text).map(|span| SignedSpan { backwards: backwards && span != Span::ZERO, span })
}

/// Reads `100B`, `1KiB`, `10MB` as bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (amount, _, rest) = leading_amount(text, &BYTES)?;
    rest.is_empty().then_some(amount)
}

/// Reads `125MB/s` or `1Gbit/s` as bytes per second.
pub(crate) fn bandwidth(text: &str) -> Option<u64> {
    let amount = text.strip_suffix("/s")?;
    let bits = || {
        let (bits, _, rest) = leading_amount(amount, &BITS)?;
        rest.is_empty().then_some(bits / 8)
    };
    bytes(amount).or_else(bits).filter(|bytes| *bytes > 0)
}

/// Reads `200/s`, `5/10ms`.
pub(crate) fn rate(text: &str) -> Option<Rate> {
    let (count, per) = text.split_once('/')?;
    let count = count.trim().parse().ok().filter(|count| *count > 0)?;
    let per = per.trim();
    let per = if per.starts_with(|first: char| first.is_ascii_digit()) {
        span(per)?
    } else {
        span(&format!("1{per}"))?
    };
    (per != Span::ZERO).then_some(Rate { count, per })
}

/// Reads `1%`, `0.05%` or `250ppm` as parts per million, at most all of them.
pub(crate) fn share(text: &str) -> Option<u32> {
    let units = [("ppm", 1), ("%", 10_000)];
    let (amount, _, rest) = leading_amount(text, &units)?;
    (rest.is_empty() && amount <= MILLION).then_some(amount as u32)
}

/// The number and the unit at the start of `text`, multiplied, the unit, and what follows.
fn leading_amount<'t>(text: &'t str, units: &[(&str, u64)]) -> Option<(u64, u64, &'t str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(number_end);
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(unit_end);
    let (_, unit) = units.iter().find(|(known, _)| *known == name)?;
    Some((decimal(number, *unit)?, *unit, rest.trim_start()))
}

/// `number` times `unit`, if that is a whole number.
fn decimal(number: &str, unit: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let digits: u128 = format!("{whole}{decimals}").parse().ok()?;
    let product = digits.checked_mul(u128::from(unit))?;
    if whole.is_empty() || product % scale != 0 {
        return None;
    }
    u64::try_from(product / scale).ok()
}

/// A span in the largest unit, up to seconds, in which it is a whole number.
pub(crate) fn print_span(span: Span) -> String {
    let (name, unit) = *NANOS[..4]
        .iter()
        .rev()
        .find(|(_, unit)| span.0.is_multiple_of(*unit))
        .expect("every span is a whole number of nanoseconds");
    format!("{}{name}", span.0 / unit)
}

/// Bytes in the largest binary unit in which they are a whole number.
pub(crate) fn print_bytes(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// Bytes per second in the largest decimal unit in which they are a whole number, as networks count.
pub(crate) fn print_bandwidth(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}/s", bytes / unit),
        None => format!("{bytes}B/s"),
    }
}

/// Parts per million as percent.
pub(crate) fn print_share(ppm: u32) -> String {
    let (whole, rest) = (ppm / 10_000, ppm % 10_000);
    match rest {
        0 => format!("{whole}%"),
        _ => format!("{whole}.{}%", format!("{rest:04}").trim_end_matches('0')),
    }
}

/// How amounts are serialized: as a scenario writes them.
pub(crate) mod text {
    use super::*;

    macro_rules! texts {
        ($($name:ident: $type:ty = $print:expr;)*) => {$(
            pub(crate) fn $name<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&$print(*value))
            }
        )*};
    }

    macro_rules! optional_texts {
        ($($name:ident: $type:ty = $print:expr;)*) => {$(
            pub(crate) fn $name<S: Serializer>(
                value: &Option<$type>,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                match value {
                    Some(value) => to.serialize_some(&$print(*value)),
                    None => to.serialize_none(),
                }
            }
        )*};
    }

    texts! {
        span: Span = print_span;
        bytes: u64 = print_bytes;
        share: u32 = print_share;
    }

    optional_texts! {
        some_span: Span = print_span;
        some_bytes: u64 = print_bytes;
        some_share: u32 = print_share;
        some_bandwidth: u64 = print_bandwidth;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_sum_of_falling_units() {
        let cases = [
            ("60s", Some(60_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("5us", Some(5_000)),
            ("0s", Some(0)),
            ("2 ms", Some(2_000_000)),
            ("30s1m", None),
            ("60", None),
            ("", None),
            ("s", None),
            ("5 minutes", None),
            ("0.1ns", None),
            ("-5s", None),
            ("99999999999d", None),
        ];
        for (text, nanos) in cases {
            assert_eq!(span(text), nanos.map(Span), "{text}");
        }
        assert_eq!(signed_span("-50ms").unwrap().to_string(), "-50ms");
    }

    #[test]
    fn sizes_rates_and_shares_are_whole_numbers_of_their_smallest_unit() {
        assert_eq!(bytes("1KiB"), Some(1_024));
        assert_eq!(bytes("1.5kB"), Some(1_500));
        assert_eq!(bytes("10"), None);
        assert_eq!(bandwidth("1Gbit/s"), Some(125_000_000));
        assert_eq!(bandwidth("10MB/s"), Some(10_000_000));
        assert_eq!(rate("200/s"), Some(Rate { count: 200, per: Span::from_secs(1) }));
        assert_eq!(rate("1/250ms").unwrap().to_string(), "1/250ms");
        assert_eq!(rate("200/s").unwrap().to_string(), "200/s");
        assert_eq!(rate("0/s"), None);
        assert_eq!(share("1%"), Some(10_000));
        assert_eq!(share("0.0001%"), Some(1));
        assert_eq!(share("101%"), None);
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for nanos in [0, 7, 1_500, 90_000_000_000, 86_400_000_000_000, 1_234_567_891] {
            assert_eq!(span(&print_span(Span(nanos))), Some(Span(nanos)));
        }
        for size in [0, 1, 100, 1_024, 1_500, 1 << 20, 3 << 30] {
            assert_eq!(bytes(&print_bytes(size)), Some(size));
        }
        for speed in [1, 1_500, 125_000_000, 1 << 30] {
            assert_eq!(bandwidth(&print_bandwidth(speed)), Some(speed));
        }
        for ppm in [0, 1, 250, 10_000, 12_345, 1_000_000] {
            assert_eq!(share(&print_share(ppm)), Some(ppm));
        }
    }

    #[test]
    fn three_per_second_never_drift() {
        let rate = rate("3/s").unwrap();
        assert_eq!(rate.due(3), Span::from_secs(1));
        assert_eq!(rate.due(3_000_000), Span::from_secs(1_000_000));
    }
}
