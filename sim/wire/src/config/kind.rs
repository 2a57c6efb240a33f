//! How the text of a configuration value is read and printed (`ConfigDef.Type` and its validators).

use super::ConfigError;
use crate::time::Span;

/// `Integer.MAX_VALUE`: where Kafka's INT ends.
pub const INT_MAX: i64 = i32::MAX as i64;
/// `Long.MAX_VALUE`: where Kafka's LONG ends; as a default it means "never" or "no limit".
pub const LONG_MAX: i64 = i64::MAX;

/// A way to write a `T` as text.
pub trait Kind<T> {
    /// What a value looks like, to stand after "takes": `a whole number from 1 to 10`.
    fn form() -> String;
    /// The value that the text spells, if it spells one.
    fn read(text: &str) -> Option<T>;
    /// The value in Kafka's textual form.
    fn print(value: &T) -> String;
}

/// Reads the value of `name`, or says what it takes.
pub fn read<T, K: Kind<T>>(name: &str, text: &str) -> Result<T, ConfigError> {
    K::read(text.trim()).ok_or_else(|| ConfigError::BadValue {
        name: name.into(),
        text: text.into(),
        form: K::form(),
    })
}

/// A whole number within Kafka's bounds.
pub struct Int<const MIN: i64, const MAX: i64>;

/// The integers that a table's fields are made of.
pub trait Number: Sized {
    /// This number, where it fits.
    fn of(number: i64) -> Option<Self>;
    /// Back again; a value of a table always fits.
    fn back(&self) -> i64;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Number for $type {
            fn of(number: i64) -> Option<Self> {
                number.try_into().ok()
            }
            fn back(&self) -> i64 {
                (*self).try_into().unwrap_or(LONG_MAX)
            }
        }
    )*};
}

numbers!(u16, u32, u64, i64);

impl<T: Number, const MIN: i64, const MAX: i64> Kind<T> for Int<MIN, MAX> {
    fn form() -> String {
        match MAX {
            LONG_MAX => format!("a whole number from {MIN}"),
            _ => format!("a whole number from {MIN} to {MAX}"),
        }
    }

    fn read(text: &str) -> Option<T> {
        whole_number(text, MIN, MAX).and_then(T::of)
    }

    fn print(value: &T) -> String {
        value.back().to_string()
    }
}

/// A span in whole milliseconds, at least `MIN` of them. `Long.MAX_VALUE` is [`Span::MAX`].
pub struct Millis<const MIN: i64>;

impl<const MIN: i64> Kind<Span> for Millis<MIN> {
    fn form() -> String {
        format!("a whole number of milliseconds from {MIN}")
    }

    fn read(text: &str) -> Option<Span> {
        whole_number(text, MIN, LONG_MAX).map(|millis| Span::from_millis(millis as u64))
    }

    fn print(value: &Span) -> String {
        match *value {
            Span::MAX => LONG_MAX.to_string(),
            span => span.as_millis().to_string(),
        }
    }
}

/// A span in whole seconds, at least one.
pub struct Seconds;

impl Kind<Span> for Seconds {
    fn form() -> String {
        "a whole number of seconds from 1".into()
    }

    fn read(text: &str) -> Option<Span> {
        whole_number(text, 1, LONG_MAX).map(|seconds| Span::from_secs(seconds as u64))
    }

    fn print(value: &Span) -> String {
        (value.as_millis() / 1_000).to_string()
    }
}

/// As `K`, or −1 for "no limit", which is `None`.
pub struct OrUnlimited<K>(K);

impl<T, K: Kind<T>> Kind<Option<T>> for OrUnlimited<K> {
    fn form() -> String {
        format!("{}, or -1 for no limit", K::form())
    }

    fn read(text: &str) -> Option<Option<T>> {
        match text {
            "-1" => Some(None),
            _ => K::read(text).map(Some),
        }
    }

    fn print(value: &Option<T>) -> String {
        value.as_ref().map_or("-1".into(), K::print)
    }
}

/// As `K`, or nothing: Kafka's `null`, written as an empty text or `null`.
pub struct OrNull<K>(K);

impl<T, K: Kind<T>> Kind<Option<T>> for OrNull<K> {
    fn form() -> String {
        K::form()
    }

    fn read(text: &str) -> Option<Option<T>> {
        match text {
            "" | "null" => Some(None),
            _ => K::read(text).map(Some),
        }
    }

    fn print(value: &Option<T>) -> String {
        value.as_ref().map_or("null".into(), K::print)
    }
}

/// `true` or `false`, in any case, as `ConfigDef.parseType` has it.
pub struct Bool;

impl Kind<bool> for Bool {
    fn form() -> String {
        "true or false".into()
    }

    fn read(text: &str) -> Option<bool> {
        match text {
            _ if text.eq_ignore_ascii_case("true") => Some(true),
            _ if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    fn print(value: &bool) -> String {
        value.to_string()
    }
}

/// Any text that is not empty.
pub struct Text;

impl<T: for<'a> From<&'a str> + ToString> Kind<T> for Text {
    fn form() -> String {
        "a text".into()
    }

    fn read(text: &str) -> Option<T> {
        (!text.is_empty()).then(|| T::from(text))
    }

    fn print(value: &T) -> String {
        value.to_string()
    }
}

/// A number from 0 to 1, kept as parts per million: the lab has no floats.
pub struct Ratio;

impl Kind<u32> for Ratio {
    fn form() -> String {
        "a number from 0 to 1 with at most six decimals".into()
    }

    fn read(text: &str) -> Option<u32> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if decimals.len() > 6 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let parts: u32 = format!("{decimals:0<6}").parse().ok()?;
        match (whole, parts) {
            ("0", parts) => Some(parts),
            ("1", 0) => Some(1_000_000),
            _ => None,
        }
    }

    fn print(value: &u32) -> String {
        match value {
            1_000_000 => "1.0".into(),
            parts => match format!("{parts:06}").trim_end_matches('0') {
                "" => "0.0".into(),
                decimals => format!("0.{decimals}"),
            },
        }
    }
}

fn whole_number(text: &str, min: i64, max: i64) -> Option<i64> {
    // `parse` takes "+5", Kafka's `Integer.parseInt` as well; TOML's "1_000" arrives as a number.
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_read_without_floats() {
        let cases = [
            ("0.5", Some(500_000)),
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("1.0", Some(1_000_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("1.5", None),
            ("-0.5", None),
            (".5", None),
            ("half", None),
        ];
        for (text, parts) in cases {
            assert_eq!(Ratio::read(text), parts, "{text}");
        }
        assert_eq!(Ratio::print(&500_000), "0.5");
    }

    #[test]
    fn the_longest_long_means_forever() {
        assert_eq!(Millis::<0>::read("9223372036854775807"), Some(Span::MAX));
        assert_eq!(Millis::<0>::print(&Span::MAX), "9223372036854775807");
    }

    #[test]
    fn minus_one_is_no_limit_and_nothing_is_null() {
        type Limit = OrUnlimited<Int<0, LONG_MAX>>;
        assert_eq!(<Limit as Kind<Option<u64>>>::read("-1"), Some(None));
        assert_eq!(<Limit as Kind<Option<u64>>>::read("7"), Some(Some(7)));
        assert_eq!(<Limit as Kind<Option<u64>>>::read("-2"), None);
        assert_eq!(<OrNull<Text> as Kind<Option<String>>>::read(""), Some(None));
    }
}
