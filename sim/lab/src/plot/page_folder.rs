//! A page in its folder: the text, its data, its pictures.

use crate::error::Mistake;
use crate::picture;
use crate::report::folder::Folder;
use std::path::{Path, PathBuf};

/// What one folder has.
pub struct PageFolder {
    /// Names and contents: the texts, and each picture as SVG.
    pub files: Vec<(String, String)>,
    /// The pictures' names, without the ending, and what they are as SVG.
    pictures: Vec<(String, String)>,
}

impl PageFolder {
    pub(crate) fn new<const N: usize>(
        texts: [(&str, String); N],
        pictures: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let texts = texts.map(|(name, text)| (name.to_string(), text));
        let pictures: Vec<(String, String)> = pictures.into_iter().collect();
        let drawn = pictures.iter().map(|(name, svg)| (format!("{name}.svg"), svg.clone()));
        let files = texts.into_iter().chain(drawn).collect();
        PageFolder { files, pictures }
    }

    /// Writes it below another folder, with its pictures as PNG beside if that is asked for.
    ///
    /// # Errors
    ///
    /// The folder cannot be written; nothing is left behind.
    pub fn write(&self, parent: &Path, name: &str, png: bool) -> Result<PathBuf, Mistake> {
        let folder = Folder::begin(parent, name)?;
        self.files.iter().try_for_each(|(file, content)| folder.write(file, content))?;
        if png {
            self.pictures.iter().try_for_each(|(name, svg)| {
                folder.write_bytes(&format!("{name}.png"), &picture::png(svg))
            })?;
        }
        folder.finish()
    }
}
