//! How long a packet travels one way: integers, drawn evenly, now and then a spike.

use klab_machine::random::Stream;
use klab_wire::Span;

/// At least `base`, and anything up to `jitter` more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least so long.
    pub base: Span,
    /// And up to so much longer, evenly.
    pub jitter: Span,
    /// And now and then a delay of another order.
    pub spike: Option<Spike>,
}

/// A rare long delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spike {
    /// How many packets in a million have it.
    pub chance_ppm: u32,
    /// How much longer they travel at most.
    pub up_to: Span,
}

impl Latency {
    /// Always the same.
    pub const fn constant(base: Span) -> Self {
        Latency { base, jitter: Span::ZERO, spike: None }
    }

    /// One packet's. A distribution without chance draws nothing.
    pub(super) fn draw(&self, weather: &mut Stream) -> Span {
        let jitter = match self.jitter.0 {
            0 => 0,
            jitter => weather.between(0, jitter),
        };
        Span(self.base.0 + jitter) + self.spike.map_or(Span::ZERO, |spike| spike.draw(weather))
    }
}

impl Spike {
    fn draw(&self, weather: &mut Stream) -> Span {
        match weather.chance_ppm(self.chance_ppm) {
            true => Span(weather.between(0, self.up_to.0)),
            false => Span::ZERO,
        }
    }
}
