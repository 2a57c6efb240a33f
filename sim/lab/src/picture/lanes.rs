//! Lanes: several runs below each other on one axis of time, so that the eye sees which did what sooner.
//!
//! A lane has its name, what went on in it as a silhouette, the times in which something was missing as bars, a failure as
//! a grey band, and moments as dashed lines with their names. All lanes have one scale.

use super::canvas::{self, Anchor, Canvas, Point, Words};
use super::chart::{
    AXIS, Band, COLORS, GRID, INK, LINE, MARGIN, NORMAL, SMALL, SOFT, TITLE, in_lines, wrapped,
};
use super::number::short;
use super::scale::Scale;
use plotters::style::RGBColor;

/// What is to be seen.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// What it shows, in a sentence.
    pub title: String,
    /// What the silhouettes measure, with the unit.
    pub measure: String,
    /// What the bars mean.
    pub bars: String,
    /// The last second.
    pub to: f64,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
}

/// One run.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Its name.
    pub label: String,
    /// Seconds, and what was measured there.
    pub curve: Vec<(f64, f64)>,
    /// Failures, and moments.
    pub bands: Vec<Band>,
    /// What was missing, and when.
    pub bars: Vec<Bar>,
}

/// Times in which something was missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// What.
    pub label: String,
    /// From which second to which.
    pub spans: Vec<(f64, f64)>,
}

const WIDTH: i32 = 960;
const LEFT: i32 = 96;
const RIGHT: i32 = WIDTH - MARGIN;
/// The height of a silhouette, of a bar, and of what is between two lanes.
const HEIGHT: i32 = 84;
const BAR: i32 = 15;
const GAP: i32 = 26;
const FOOT: i32 = 66;
/// How many times what is usual a value may be that is still on the scale.
const RARE: f64 = 3.0;
const MISSING: RGBColor = RGBColor(0xc0, 0x1f, 0x2e);

/// Where a lane is on the sheet.
struct Place {
    /// The line of the lane's name.
    head: i32,
    /// Where the silhouette begins and ends.
    top: i32,
    bottom: i32,
    /// Where the bars end.
    end: i32,
    /// The bands' names: where each begins, and in which line.
    names: Vec<(i32, i32)>,
}

impl Lanes {
    /// The picture as SVG.
    pub fn svg(&self) -> String {
        let title = wrapped(&self.title, WIDTH - 2 * MARGIN, TITLE);
        let places = self.places(30 + 24 * title.len() as i32);
        let bottom = places.last().map_or(MARGIN, |place| place.end);
        let height = bottom + FOOT + LINE * (self.legend().len() as i32 - 1);
        canvas::draw((WIDTH as u32, height as u32), |canvas| {
            let words = Words { size: TITLE, color: INK, bold: true, anchor: Anchor::Start };
            for (line, y) in title.iter().zip((0..).map(|line| 28 + 24 * line)) {
                canvas.words(line, (MARGIN, y), words);
            }
            let colors = COLORS.iter().cycle();
            for ((lane, place), color) in self.lanes.iter().zip(&places).zip(colors) {
                self.draw_lane(canvas, lane, place, *color);
            }
            self.draw_foot(canvas, bottom);
        })
    }

    fn places(&self, top: i32) -> Vec<Place> {
        let mut free = top;
        let place = |lane: &Lane| {
            let names = lane.bands.iter().map(|band| (self.x(band.from) + 4, band.label.as_str()));
            let names = in_lines(names, RIGHT);
            let lines = names.iter().map(|(_, line)| line + 1).max().unwrap_or(0);
            let head = free + 12;
            let top = head + 14 + LINE * lines;
            let bottom = top + HEIGHT;
            let end = bottom + 6 + BAR * lane.bars.len() as i32;
            free = end + GAP;
            Place { head, top, bottom, end, names }
        };
        self.lanes.iter().map(place).collect()
    }

    fn draw_lane(&self, canvas: &Canvas<'_>, lane: &Lane, place: &Place, color: RGBColor) {
        let head = Words { size: NORMAL, color, bold: true, anchor: Anchor::Start };
        canvas.words(&lane.label, (MARGIN, place.head), head);
        self.draw_bands(canvas, lane, place);
        self.draw_scale(canvas, place);
        let points: Vec<Point> =
            lane.curve.iter().map(|(x, y)| (self.x(*x), self.y(place, *y))).collect();
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let ground = [(last.0, place.bottom), (first.0, place.bottom)];
            canvas.area(&[&points[..], &ground].concat(), color, 0.25);
            canvas.line(&points, color, 2);
        }
        for (bar, y) in lane.bars.iter().zip((0..).map(|nth| place.bottom + 8 + BAR * nth)) {
            self.draw_bar(canvas, bar, y);
        }
    }

    fn draw_bands(&self, canvas: &Canvas<'_>, lane: &Lane, place: &Place) {
        for (band, (at, line)) in lane.bands.iter().zip(&place.names) {
            let y = place.head + 20 + LINE * line;
            band.draw(canvas, |value| self.x(value), [place.top, place.end], (*at, y));
        }
    }

    fn draw_scale(&self, canvas: &Canvas<'_>, place: &Place) {
        let words = Words { size: SMALL, color: SOFT, bold: false, anchor: Anchor::End };
        for value in [0.0, self.highest() / 2.0, self.highest()] {
            let y = self.y(place, value);
            let color = if value == 0.0 { AXIS } else { GRID };
            canvas.line(&[(LEFT, y), (RIGHT, y)], color, 1);
            canvas.words(&short(value), (LEFT - 8, y), words);
        }
    }

    fn draw_bar(&self, canvas: &Canvas<'_>, bar: &Bar, y: i32) {
        let words = Words { size: SMALL, color: SOFT, bold: false, anchor: Anchor::End };
        canvas.words(&bar.label, (LEFT - 8, y + 4), words);
        canvas.line(&[(LEFT, y + 4), (RIGHT, y + 4)], GRID, 1);
        for (from, to) in &bar.spans {
            let from = self.x(*from);
            let to = self.x(*to).max(from + 2);
            canvas.rectangle([(from, y), (to, y + 9)], MISSING, 0.9);
        }
    }

    /// The one axis, and what everything means.
    fn draw_foot(&self, canvas: &Canvas<'_>, bottom: i32) {
        let y = bottom + 6;
        canvas.line(&[(LEFT, y), (RIGHT, y)], AXIS, 1);
        let words = Words { size: SMALL, color: SOFT, bold: false, anchor: Anchor::Middle };
        for tick in self.scale().ticks() {
            let x = self.x(tick);
            canvas.line(&[(x, y), (x, y + 5)], AXIS, 1);
            canvas.words(&short(tick), (x, y + 16), words);
        }
        canvas.words("seconds of simulated time", ((LEFT + RIGHT) / 2, y + 32), words);
        let words = Words { anchor: Anchor::Start, ..words };
        for (line, y) in self.legend().iter().zip((0..).map(|line| y + 50 + LINE * line)) {
            canvas.words(line, (MARGIN, y), words);
        }
    }

    /// What everything means, in as many lines as it takes.
    fn legend(&self) -> Vec<String> {
        let cut = match self.is_cut() {
            true => " (what is above the scale is cut off)",
            false => "",
        };
        let legend = format!(
            "Silhouette: {}{cut}. Grey: a failure. Red: {}. Dashed: a moment.",
            self.measure, self.bars
        );
        wrapped(&legend, (WIDTH - 2 * MARGIN) * 9 / 10, SMALL)
    }

    fn scale(&self) -> Scale {
        Scale::Linear { from: 0.0, to: self.to }
    }

    fn x(&self, seconds: f64) -> i32 {
        let share = self.scale().place(seconds).clamp(0.0, 1.0);
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn y(&self, place: &Place, value: f64) -> i32 {
        let share = (value / self.highest()).clamp(0.0, 1.0);
        place.bottom - (share * f64::from(place.bottom - place.top)).round() as i32
    }

    /// The end of the scale that all lanes have: what is rare and much higher than the rest, as when all comes at once that
    /// had to wait, does not decide it.
    fn highest(&self) -> f64 {
        let mut values: Vec<f64> = self.values().filter(|value| *value > 0.0).collect();
        values.sort_by(f64::total_cmp);
        let usual = values.get(values.len() * 9 / 10).copied().unwrap_or(0.0);
        let shown = values.into_iter().filter(|value| *value <= usual * RARE);
        match Scale::from_zero(shown) {
            Scale::Linear { to, .. } | Scale::Log { to, .. } => to,
            Scale::Places(_) => 1.0,
        }
    }

    fn is_cut(&self) -> bool {
        let highest = self.highest();
        self.values().any(|value| value > highest)
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.lanes.iter().flat_map(|lane| &lane.curve).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_its_name_its_bands_and_its_bars_on_one_scale() {
        let lane = |label: &str, height: f64| Lane {
            label: label.into(),
            curve: vec![(0.0, height), (10.0, height)],
            bands: vec![
                Band { from: 2.0, to: Some(5.0), label: "b1 crashed".into() },
                Band { from: 3.0, to: None, label: "noticed".into() },
            ],
            bars: vec![Bar { label: "orders-0".into(), spans: vec![(2.0, 4.0)] }],
        };
        let lanes = Lanes {
            title: "Two ways to notice a crash".into(),
            measure: "records per second".into(),
            bars: "without a leader".into(),
            to: 10.0,
            lanes: vec![lane("mode=zookeeper", 200.0), lane("mode=kraft", 400.0)],
        };
        let svg = lanes.svg();
        let words = ["Two ways", "mode=zookeeper", "mode=kraft", "b1 crashed", "orders-0", "500"];
        words.iter().for_each(|word| assert!(svg.contains(word), "{word}"));
        assert_eq!(svg.matches(">\n500\n").count(), 2, "both lanes have the scale of the higher");
        assert_eq!(svg, lanes.svg());
    }
}
