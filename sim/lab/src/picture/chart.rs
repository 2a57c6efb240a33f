//! A chart: what is to be seen, and how it is laid out on the sheet.
//!
//! The title says what, the unit stands above the axis, each curve's name at its end. Colours are those of Okabe and Ito,
//! which people with colour-blindness tell apart.

use super::canvas::{self, Anchor, Canvas, Point, Words};
use super::number::short;
use super::scale::Scale;
use plotters::style::RGBColor;

/// What is to be seen.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, in a sentence.
    pub title: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// The curves; the first is drawn last, above the others.
    pub curves: Vec<Curve>,
    /// Times of which the reader should know, such as a fault's.
    pub bands: Vec<Band>,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures, with its unit.
    pub label: String,
    /// How values are laid out.
    pub scale: Scale,
    /// Values with the words to write beside them; round values if there are none.
    pub ticks: Vec<(f64, String)>,
}

/// A curve.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// Its name; empty for the only one.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<Spot>,
    /// Whether each point is a measurement of its own, which gets a dot.
    pub dotted: bool,
    /// How far apart two points may be and are still joined; any distance if nothing is said.
    pub joins: Option<f64>,
    /// A point that is worth a word: its place, and the word.
    pub note: Option<(usize, String)>,
}

/// A point of a curve: the value, and the range of what was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the type's sentence says it")]
pub struct Spot {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

/// A part of the axis to the right; a moment if it has no end.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the type's sentence says it")]
pub struct Band {
    pub from: f64,
    pub to: Option<f64>,
    pub label: String,
}

impl Band {
    /// A band in grey, a moment as a dashed line; its name above, with a line up to it.
    pub(super) fn draw(
        &self,
        canvas: &Canvas<'_>,
        x: impl Fn(f64) -> i32,
        [top, bottom]: [i32; 2],
        name: Point,
    ) {
        let (from, under_name) = (x(self.from), name.1 + 7);
        match self.to {
            Some(to) => {
                let to = x(to).max(from + 1);
                canvas.rectangle([(from, top), (to, bottom)], FAULT, 0.16);
                canvas.line(&[(from, under_name), (from, top)], FAULT, 1);
            }
            None => canvas.dashes((from, under_name), (from, bottom), FAULT),
        }
        let words = Words { size: SMALL, color: SOFT, bold: false, anchor: Anchor::Start };
        canvas.words(&self.label, name, words);
    }
}

const SIZE: (i32, i32) = (960, 520);
const LEFT: i32 = 78;
const BOTTOM: i32 = 58;
pub(super) const MARGIN: i32 = 26;
pub(super) const TITLE: u32 = 19;
pub(super) const SMALL: u32 = 12;
pub(super) const NORMAL: u32 = 13;
/// The height of a line of bands' names.
pub(super) const LINE: i32 = 16;

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const SOFT: RGBColor = RGBColor(0x59, 0x59, 0x59);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
pub(super) const AXIS: RGBColor = RGBColor(0x99, 0x99, 0x99);
pub(super) const FAULT: RGBColor = RGBColor(0x99, 0x99, 0x99);
const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// Okabe and Ito's colours, the darker first: they stand on white.
pub(super) const COLORS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x44, 0x44, 0x44),
];

/// Where things are on the sheet, in pixels.
struct Layout {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
    title: Vec<String>,
    /// The bands' names: where each begins, and in which line above the picture.
    names: Vec<(i32, i32)>,
}

impl Spot {
    /// A value that was seen once.
    pub fn one(x: f64, y: f64) -> Self {
        Spot { x, y, low: y, high: y }
    }
}

impl Axis {
    /// An axis with round values beside it.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Axis { label: label.into(), scale, ticks: Vec::new() }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.ticks.is_empty() {
            true => self.scale.ticks().into_iter().map(|tick| (tick, short(tick))).collect(),
            false => self.ticks.clone(),
        }
    }
}

impl Chart {
    /// The chart as SVG.
    pub fn svg(&self) -> String {
        canvas::draw((SIZE.0 as u32, SIZE.1 as u32), |canvas| self.draw(canvas))
    }

    fn draw(&self, canvas: &Canvas<'_>) {
        let layout = self.layout();
        self.draw_title(canvas, &layout);
        self.draw_bands(canvas, &layout);
        self.draw_grid(canvas, &layout);
        let colored: Vec<_> = self.curves.iter().zip(COLORS.iter().cycle().copied()).collect();
        colored
            .iter()
            .rev()
            .for_each(|(curve, color)| self.draw_spread(canvas, &layout, curve, *color));
        colored
            .iter()
            .rev()
            .for_each(|(curve, color)| self.draw_curve(canvas, &layout, curve, *color));
        self.draw_names(canvas, &layout, &colored);
        self.draw_notes(canvas, &layout, &colored);
    }

    fn layout(&self) -> Layout {
        let widest = self.curves.iter().map(|curve| canvas::width(&curve.label, NORMAL)).max();
        let names = widest.filter(|widest| *widest > 0).map_or(0, |widest| widest + 16);
        let title = wrapped(&self.title, SIZE.0 - 2 * MARGIN, TITLE);
        let top = 52 + 24 * title.len() as i32;
        let bottom = SIZE.1 - BOTTOM;
        let mut layout = Layout {
            left: LEFT,
            right: SIZE.0 - MARGIN - names,
            top,
            bottom,
            title,
            names: Vec::new(),
        };
        layout.names = self.band_names(&layout);
        let lines = layout.names.iter().map(|(_, line)| line + 1).max().unwrap_or(0);
        layout.top += LINE * lines;
        layout
    }

    /// Where the bands' names go: in as many lines as it takes.
    fn band_names(&self, layout: &Layout) -> Vec<(i32, i32)> {
        let names = self.bands.iter();
        let names = names.map(|band| (layout.x(&self.x.scale, band.from) + 4, band.label.as_str()));
        in_lines(names, layout.right)
    }

    fn draw_title(&self, canvas: &Canvas<'_>, layout: &Layout) {
        let title = Words { size: TITLE, color: INK, bold: true, anchor: Anchor::Start };
        for (line, y) in layout.title.iter().zip((0..).map(|line| 28 + 24 * line)) {
            canvas.words(line, (MARGIN, y), title);
        }
        let unit = Words { size: NORMAL, color: SOFT, bold: false, anchor: Anchor::Start };
        canvas.words(&self.y.label, (MARGIN, 30 + 24 * layout.title.len() as i32), unit);
        let below = Words { anchor: Anchor::Middle, ..unit };
        canvas.words(&self.x.label, ((layout.left + layout.right) / 2, SIZE.1 - 18), below);
    }

    fn draw_bands(&self, canvas: &Canvas<'_>, layout: &Layout) {
        let lines = layout.names.iter().map(|(_, line)| line + 1).max().unwrap_or(0);
        for (band, (at, line)) in self.bands.iter().zip(&layout.names) {
            let y = layout.top - LINE * (lines - line) + 4;
            let x = |value| layout.x(&self.x.scale, value);
            band.draw(canvas, x, [layout.top, layout.bottom], (*at, y));
        }
    }

    fn draw_grid(&self, canvas: &Canvas<'_>, layout: &Layout) {
        let words = Words { size: SMALL, color: SOFT, bold: false, anchor: Anchor::End };
        for (tick, label) in self.y.ticks() {
            let y = layout.y(&self.y.scale, tick);
            canvas.line(&[(layout.left, y), (layout.right, y)], GRID, 1);
            canvas.words(&label, (layout.left - 8, y), words);
        }
        let mut free = i32::MIN;
        for (tick, label) in self.x.ticks() {
            let (x, half) = (layout.x(&self.x.scale, tick), canvas::width(&label, SMALL) / 2);
            canvas.line(&[(x, layout.bottom), (x, layout.bottom + 5)], AXIS, 1);
            if x - half > free {
                let words = Words { anchor: Anchor::Middle, ..words };
                canvas.words(&label, (x, layout.bottom + 17), words);
                free = x + half + 8;
            }
        }
        canvas.line(&[(layout.left, layout.bottom), (layout.right, layout.bottom)], AXIS, 1);
    }

    fn draw_spread(&self, canvas: &Canvas<'_>, layout: &Layout, curve: &Curve, color: RGBColor) {
        if curve.points.iter().all(|spot| spot.low == spot.high) {
            return;
        }
        let upper = curve.points.iter().map(|spot| self.place(layout, spot.x, spot.high));
        let lower = curve.points.iter().rev().map(|spot| self.place(layout, spot.x, spot.low));
        canvas.area(&upper.chain(lower).collect::<Vec<_>>(), color, 0.16);
    }

    fn draw_curve(&self, canvas: &Canvas<'_>, layout: &Layout, curve: &Curve, color: RGBColor) {
        let points: Vec<Point> = self.places(layout, curve);
        for stretch in
            curve.points.chunk_by(|one, next| curve.joins.is_none_or(|far| next.x - one.x <= far))
        {
            let points: Vec<Point> =
                stretch.iter().map(|spot| self.place(layout, spot.x, spot.y)).collect();
            canvas.line(&points, color, 2);
        }
        if curve.dotted {
            points.iter().for_each(|point| {
                canvas.dot(*point, 5, WHITE);
                canvas.dot(*point, 4, color);
            });
        }
    }

    /// Each curve's name at its end, pushed apart where the ends are close.
    fn draw_names(&self, canvas: &Canvas<'_>, layout: &Layout, curves: &[(&Curve, RGBColor)]) {
        const APART: i32 = 17;
        let end =
            |(curve, _): &&(&Curve, RGBColor)| self.places(layout, curve).last().map(|end| end.1);
        let mut ends: Vec<(i32, &Curve, RGBColor)> =
            curves.iter().filter_map(|one| Some((end(&one)?, one.0, one.1))).collect();
        ends.sort_by_key(|(y, ..)| *y);
        let mut free = layout.top;
        for (y, ..) in &mut ends {
            *y = (*y).max(free);
            free = *y + APART;
        }
        let mut free = layout.bottom;
        for (y, ..) in ends.iter_mut().rev() {
            *y = (*y).min(free);
            free = *y - APART;
        }
        for (y, curve, color) in ends {
            let words = Words { size: NORMAL, color, bold: true, anchor: Anchor::Start };
            canvas.words(&curve.label, (layout.right + 12, y), words);
        }
    }

    /// A ring around the point that is worth a word, and the word where there is room.
    fn draw_notes(&self, canvas: &Canvas<'_>, layout: &Layout, curves: &[(&Curve, RGBColor)]) {
        let dots: Vec<Point> =
            curves.iter().flat_map(|(curve, _)| self.lines(layout, curve)).collect();
        let mut taken: Vec<Area> = Vec::new();
        for (curve, color) in curves {
            let Some((place, text)) = &curve.note else { continue };
            let Some(spot) = curve.points.get(*place) else { continue };
            let at = self.place(layout, spot.x, spot.y);
            canvas.ring(at, 8, *color);
            let half = canvas::width(text, SMALL) / 2;
            let spaces = [(0, -20), (0, 22), (half + 14, 16), (-half - 14, -16), (0, -38), (0, 40)];
            let spaces = spaces.map(|(x, y)| Area::around((at.0 + x, at.1 + y), half + 3, 8));
            let is_free = |space: &&Area| {
                space.is_within(layout)
                    && !taken.iter().any(|other| other.meets(space))
                    && !dots.iter().any(|dot| space.has(*dot))
            };
            let space = spaces.iter().find(is_free).unwrap_or(&spaces[0]);
            let words = Words { size: SMALL, color: *color, bold: false, anchor: Anchor::Middle };
            canvas.words(text, space.middle(), words);
            taken.push(*space);
        }
    }

    fn places(&self, layout: &Layout, curve: &Curve) -> Vec<Point> {
        curve.points.iter().map(|spot| self.place(layout, spot.x, spot.y)).collect()
    }

    /// Points along a curve, close enough that no word fits between two of them.
    fn lines(&self, layout: &Layout, curve: &Curve) -> Vec<Point> {
        let points = self.places(layout, curve);
        let between = points.iter().zip(points.iter().skip(1)).flat_map(|(from, to)| {
            (0..16).map(|part| {
                let at = |from: i32, to: i32| from + (to - from) * part / 16;
                (at(from.0, to.0), at(from.1, to.1))
            })
        });
        between.chain(points.last().copied()).collect()
    }

    fn place(&self, layout: &Layout, x: f64, y: f64) -> Point {
        (layout.x(&self.x.scale, x), layout.y(&self.y.scale, y))
    }
}

impl Layout {
    fn x(&self, scale: &Scale, value: f64) -> i32 {
        let width = f64::from(self.right - self.left);
        self.left + (scale.place(value).clamp(0.0, 1.0) * width).round() as i32
    }

    fn y(&self, scale: &Scale, value: f64) -> i32 {
        let height = f64::from(self.bottom - self.top);
        self.bottom - (scale.place(value).clamp(0.0, 1.0) * height).round() as i32
    }
}

/// A rectangle that words take.
#[derive(Clone, Copy, Debug)]
struct Area {
    from: Point,
    to: Point,
}

impl Area {
    fn around(middle: Point, half_width: i32, half_height: i32) -> Self {
        Area {
            from: (middle.0 - half_width, middle.1 - half_height),
            to: (middle.0 + half_width, middle.1 + half_height),
        }
    }

    fn middle(&self) -> Point {
        ((self.from.0 + self.to.0) / 2, (self.from.1 + self.to.1) / 2)
    }

    fn has(&self, point: Point) -> bool {
        let within = |at: i32, from: i32, to: i32| (from..=to).contains(&at);
        within(point.0, self.from.0, self.to.0) && within(point.1, self.from.1, self.to.1)
    }

    fn meets(&self, other: &Area) -> bool {
        let apart = |from: i32, to: i32, start: i32, end: i32| to < start || end < from;
        !apart(self.from.0, self.to.0, other.from.0, other.to.0)
            && !apart(self.from.1, self.to.1, other.from.1, other.to.1)
    }

    fn is_within(&self, layout: &Layout) -> bool {
        self.from.0 >= layout.left
            && self.to.0 <= layout.right
            && self.from.1 >= layout.top - 14
            && self.to.1 <= layout.bottom
    }
}

/// Where names go that want to begin at these places and must end before the right edge: each where it begins, and in
/// which line.
pub(super) fn in_lines<'n>(
    names: impl Iterator<Item = (i32, &'n str)>,
    right: i32,
) -> Vec<(i32, i32)> {
    let mut ends: Vec<i32> = Vec::new();
    let place = |(at, name): (i32, &str)| {
        let width = canvas::width(name, SMALL);
        let at = at.min(right - width);
        let line = ends.iter().position(|end| *end < at).unwrap_or(ends.len());
        ends.resize(ends.len().max(line + 1), 0);
        ends[line] = at + width + 8;
        (at, line as i32)
    };
    names.map(place).collect()
}

/// A sentence in lines that are no wider than so many pixels.
pub(super) fn wrapped(text: &str, widest: i32, size: u32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
        match line.is_empty() || canvas::width(&longer, size) <= widest {
            true => *line = longer,
            false => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let points = [(1.0, 10.0), (2.0, 20.0), (4.0, 21.0)];
        let spots = points.map(|(x, y)| Spot { x, y, low: y - 1.0, high: y + 1.0 });
        let curve = |label: &str| Curve {
            label: label.into(),
            points: spots.into(),
            dotted: true,
            joins: None,
            note: Some((1, "knee: 2".into())),
        };
        Chart {
            title: "Throughput rises with the partitions".into(),
            x: Axis::new("topic.partitions", Scale::Log { from: 1.0, to: 4.0 }),
            y: Axis::new("records per second", Scale::from_zero([21.0].into_iter())),
            curves: vec![curve("acks=1"), curve("acks=all")],
            bands: vec![Band { from: 2.0, to: Some(3.0), label: "b1 down".into() }],
        }
    }

    #[test]
    fn a_chart_has_its_title_its_units_its_curves_and_its_bands() {
        let svg = chart().svg();
        let words = [
            "Throughput rises with the partitions",
            "topic.partitions",
            "records per second",
            "acks=all",
            "knee: 2",
            "b1 down",
        ];
        for word in words {
            assert!(svg.contains(word), "{word}");
        }
        assert_eq!(svg, chart().svg());
    }

    #[test]
    fn two_notes_at_one_point_do_not_cover_each_other() {
        let chart = chart();
        let svg = chart.svg();
        let lines: Vec<&str> = svg.lines().collect();
        let notes = lines.iter().zip(&lines[1..]).filter(|(_, text)| text.trim() == "knee: 2");
        let places: std::collections::BTreeSet<&str> = notes.map(|(tag, _)| *tag).collect();
        assert_eq!(places.len(), 2, "{svg}");
    }

    #[test]
    fn a_long_title_takes_two_lines() {
        let lines = wrapped(&"word ".repeat(40), 900, 19);
        assert!(lines.len() == 3 && lines.iter().all(|line| canvas::width(line, 19) <= 900));
    }
}
