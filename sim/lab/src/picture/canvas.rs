//! A sheet to draw on: lines, areas and words in pixels, as SVG.
//!
//! plotters writes the SVG. No font of the host is asked for: words are text in the reader's own sans-serif, and how wide
//! they will be is estimated.

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{
    Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, TextStyle, WHITE,
};
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A place on the sheet in pixels, from its upper left corner.
pub type Point = (i32, i32);

/// Which point of the words is put at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
    /// The right end.
    End,
}

/// How words look.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Their size in pixels.
    pub size: u32,
    /// Their colour.
    pub color: RGBColor,
    /// Whether they are bold.
    pub bold: bool,
    /// Where they are held.
    pub anchor: Anchor,
}

/// The sheet.
pub struct Canvas<'s> {
    area: DrawingArea<SVGBackend<'s>, Shift>,
}

/// Draws on a sheet of this size, and gives the SVG.
pub fn draw(size: (u32, u32), content: impl FnOnce(&Canvas<'_>)) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).expect(TAKES_ALL);
        let canvas = Canvas { area };
        content(&canvas);
        canvas.area.present().expect(TAKES_ALL);
    }
    tidy(&svg)
}

const TAKES_ALL: &str = "an SVG in memory takes everything";
/// plotters means the height of a line by a font's size, and this is what it takes that for.
const LINE: f64 = 1.24;

impl Canvas<'_> {
    /// A line through these points.
    pub fn line(&self, points: &[Point], color: RGBColor, width: u32) {
        let path = PathElement::new(points.to_vec(), color.stroke_width(width));
        self.area.draw(&path).expect(TAKES_ALL);
    }

    /// A straight line in dashes.
    pub fn dashes(&self, from: Point, to: Point, color: RGBColor) {
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        let at = |done: i32| {
            let part = |from: i32, to: i32| from + (to - from) * done / length.max(1);
            (part(from.0, to.0), part(from.1, to.1))
        };
        for start in (0..length).step_by(8) {
            self.line(&[at(start), at((start + 4).min(length))], color, 1);
        }
    }

    /// An area in a light shade of a colour.
    pub fn area(&self, corners: &[Point], color: RGBColor, opacity: f64) {
        let area = Polygon::new(corners.to_vec(), color.mix(opacity));
        self.area.draw(&area).expect(TAKES_ALL);
    }

    /// An upright rectangle in a light shade of a colour.
    pub fn rectangle(&self, corners: [Point; 2], color: RGBColor, opacity: f64) {
        let rectangle = Rectangle::new(corners, color.mix(opacity).filled());
        self.area.draw(&rectangle).expect(TAKES_ALL);
    }

    /// A dot.
    pub fn dot(&self, at: Point, radius: u32, color: RGBColor) {
        self.area.draw(&Circle::new(at, radius, color.filled())).expect(TAKES_ALL);
    }

    /// A ring.
    pub fn ring(&self, at: Point, radius: u32, color: RGBColor) {
        self.area.draw(&Circle::new(at, radius, color.stroke_width(2))).expect(TAKES_ALL);
    }

    /// Words in a line; the place is that of their middle height.
    pub fn words(&self, text: &str, at: Point, words: Words) {
        let Words { size, color, bold, anchor } = words;
        let held = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = ("sans-serif", f64::from(size) * LINE).into_font();
        let font = if bold { font.style(FontStyle::Bold) } else { font };
        let style = TextStyle::from(font).color(&color).pos(Pos::new(held, VPos::Center));
        self.area.draw(&Text::new(text.to_string(), at, style)).expect(TAKES_ALL);
    }
}

/// About how many pixels wide words of this size are.
pub fn width(text: &str, size: u32) -> i32 {
    let narrow = |letter: char| "iljtfr.,:;'|!()[] ".contains(letter);
    let permille: u32 = text.chars().map(|letter| if narrow(letter) { 340 } else { 600 }).sum();
    (permille * size / 1_000) as i32
}

/// The same SVG with font sizes in whole pixels, and words held at their middle by a length that every reader knows.
fn tidy(svg: &str) -> String {
    const SIZE: &str = "font-size=\"";
    let mut parts = svg.split(SIZE);
    let mut tidied = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (size, rest) = part.split_once('"').expect("an attribute has an end");
        let size: f64 = size.parse().expect("a size is a number");
        tidied += &format!("{SIZE}{size:.0}\"{rest}");
    }
    tidied.replace("dy=\"0.5ex\"", "dy=\"0.35em\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_the_same_every_time_and_names_no_font_of_a_host() {
        let sheet = || {
            draw((200, 100), |canvas| {
                let color = RGBColor(0, 114, 178);
                canvas.line(&[(0, 0), (10, 10)], color, 2);
                let words = Words { size: 13, color, bold: true, anchor: Anchor::End };
                canvas.words("records & bytes", (50, 50), words);
            })
        };
        let svg = sheet();
        assert_eq!(svg, sheet());
        for part in ["font-size=\"13\"", "font-family=\"sans-serif\"", "dy=\"0.35em\"", "&amp;"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }
}
