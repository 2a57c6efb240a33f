//! Numbers as a reader wants them: three digits, and a letter for the thousands.

/// `1,234,567` as `1.23 M`, `43,000` as `43 k`, `0.5` as `0.5`. Rounded, with no zeros at the end.
pub fn short(number: f64) -> String {
    let (scaled, letter) = match number.abs() {
        large if large >= 999.5e6 => (number / 1e9, " G"),
        large if large >= 999.5e3 => (number / 1e6, " M"),
        large if large >= 9_999.5 => (number / 1e3, " k"),
        _ => (number, ""),
    };
    let decimals = match scaled.abs() {
        large if large >= 99.95 => 0,
        large if large >= 9.995 => 1,
        large if large >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{scaled:.decimals$}");
    format!("{}{letter}", without_zeros(&text))
}

/// `1.50` as `1.5`, and `2.00` as `2`.
fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits_and_its_letter() {
        let cases = [
            (0.0, "0"),
            (0.04, "0.04"),
            (1.5, "1.5"),
            (12.34, "12.3"),
            (987.6, "988"),
            (4_096.0, "4096"),
            (43_000.0, "43 k"),
            (999_499.0, "999 k"),
            (999_600.0, "1 M"),
            (1_234_567.0, "1.23 M"),
            (2_024_032_000.0, "2.02 G"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
    }
}
