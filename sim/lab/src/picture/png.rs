//! A picture as PNG: the SVG, rasterised by resvg with a font of klab's own.
//!
//! resvg is pure Rust and asks nothing of the host; DejaVu Sans, reduced to the letters that are used, is in the program.
//! So a PNG shows what its SVG shows, and is the same everywhere.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};
use std::sync::Arc;

const REGULAR: &[u8] = include_bytes!("fonts/DejaVuSans-subset.ttf");
const BOLD: &[u8] = include_bytes!("fonts/DejaVuSans-Bold-subset.ttf");
/// Pixels of the PNG for each of the SVG: sharp on a screen of today.
const SCALE: u8 = 2;

/// The picture of an SVG that klab has drawn.
pub fn png(svg: &str) -> Vec<u8> {
    let mut fonts = Database::new();
    [REGULAR, BOLD].into_iter().for_each(|font| fonts.load_font_data(font.to_vec()));
    fonts.set_sans_serif_family("DejaVu Sans");
    let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(svg, &options).expect("klab's pictures are legal SVG");
    let scale = f32::from(SCALE);
    let [width, height] =
        [tree.size().width(), tree.size().height()].map(|length| (length * scale) as u32);
    let mut pixels = Pixmap::new(width, height).expect("a picture has a size");
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().expect("pixels become a PNG in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_words_without_a_font_of_the_host() {
        let svg = |text: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"80\" height=\"20\">\
                 <text x=\"0\" y=\"15\" font-family=\"sans-serif\">{text}</text></svg>"
            )
        };
        let [empty, word] = ["", "klab"].map(|text| png(&svg(text)));
        assert_eq!(&word[1..4], b"PNG");
        assert_ne!(empty, word);
        assert_eq!(word, png(&svg("klab")));
    }
}
