//! Which of a broker's fetchers takes a partition (`AbstractFetcherManager.getFetcherId`).

/// The fetcher's number, by Java's `String.hashCode` of the topic's name.
pub fn fetcher_number(topic: &str, partition: u32, fetchers: u32) -> u32 {
    let hash = topic
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let mixed = hash.wrapping_mul(31).wrapping_add(partition as i32);
    // `Utils.abs` maps the one number without a positive counterpart to 0.
    mixed.checked_abs().unwrap_or(0) as u32 % fetchers.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_spread_as_java_hashes_them() {
        // "orders".hashCode() is -1008770331; times 31, in 32 bits, that is -1207109189.
        assert_eq!(fetcher_number("orders", 0, 1), 0);
        let spread: Vec<u32> = (0..4).map(|p| fetcher_number("orders", p, 4)).collect();
        assert_eq!(spread, [1, 0, 3, 2]);
    }
}
