//! How well a topic's records compress, as a producer guesses it (`CompressionRatioEstimator`).
//!
//! A producer fills batches by their compressed size, which it knows only afterwards. It starts out
//! expecting nothing, lowers its guess slowly after good batches and raises it fast after bad ones.

/// A guess, in thousandths of the uncompressed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressionRatioEstimator {
    permille: u32,
}

/// `COMPRESSION_RATIO_IMPROVING_STEP`.
const IMPROVING_STEP: u32 = 5;
/// `COMPRESSION_RATIO_DETERIORATE_STEP`.
const DETERIORATE_STEP: u32 = 50;
/// `MemoryRecordsBuilder.COMPRESSION_RATE_ESTIMATION_FACTOR`, in percent: guesses are padded.
const ESTIMATION_FACTOR_PERCENT: u64 = 105;

impl CompressionRatioEstimator {
    /// The guess before anything was seen.
    pub(crate) const INITIAL: Self = CompressionRatioEstimator { permille: 1000 };

    /// The compressed size of so many bytes by this guess.
    pub(crate) fn estimate(self, uncompressed: u32) -> u32 {
        let bytes = u64::from(uncompressed) * u64::from(self.permille) / 1000;
        (bytes * ESTIMATION_FACTOR_PERCENT / 100) as u32
    }

    /// A batch was compressed to this.
    pub(crate) fn observe(&mut self, permille: u32) {
        self.permille = match permille {
            worse if worse > self.permille => worse.max(self.permille + DETERIORATE_STEP),
            better => better.max(self.permille.saturating_sub(IMPROVING_STEP)),
        };
    }

    /// A batch that was compressed to this was too large: the guess becomes pessimistic
    /// (`RecordAccumulator.splitAndReenqueue`).
    pub(crate) fn reset(&mut self, permille: u32) {
        self.permille = permille.max(1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_improves_slowly_and_deteriorates_fast() {
        let mut guess = CompressionRatioEstimator::INITIAL;
        let mut seen = Vec::new();
        for observed in [300, 300, 980, 995, 1200] {
            guess.observe(observed);
            seen.push(guess.permille);
        }
        assert_eq!(seen, [995, 990, 985, 1035, 1200]);
        guess.observe(300);
        guess.reset(300);
        assert_eq!(guess, CompressionRatioEstimator::INITIAL);
        assert_eq!(guess.estimate(1000), 1050);
    }
}
