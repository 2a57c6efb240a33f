//! `log-is-contiguous`: a batch begins where the log ended (`UnifiedLog.append`).

use crate::findings::{Breach, Finding};
use klab_wire::Offset;

/// A batch was appended to a log with this end, if the end is known.
pub(crate) fn check(end: Option<Offset>, base: Offset, last: Offset, compacted: bool) -> Finding {
    let fits = match end {
        _ if last < base => false,
        None => true,
        Some(end) => base == end || (compacted && base > end),
    };
    match (fits, end) {
        (true, _) => Ok(()),
        (false, Some(end)) if last >= base => {
            Err(Breach::of(format!("a batch was appended at {base} to a log that ends at {end}")))
        }
        (false, _) => Err(Breach::of(format!("a batch of offsets {base}..{last} was appended"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_compaction_leaves_gaps_and_nothing_overlaps() {
        let cases = [
            (Some(5), 5, 9, false, true),
            (Some(5), 6, 9, false, false),
            (Some(5), 6, 9, true, true),
            (Some(5), 4, 9, true, false),
            (None, 7, 9, false, true),
            (Some(5), 5, 4, false, false),
        ];
        for (end, base, last, compacted, kept) in cases {
            let found = check(end.map(Offset), Offset(base), Offset(last), compacted);
            assert_eq!(found.is_ok(), kept, "end {end:?} base {base} last {last}");
        }
    }
}
