//! A page in its folder: the text, its data, its pictures.

use super::page::Picture;
use crate::error::Mistake;
use crate::picture;
use crate::report::folder::Folder;
use std::path::{Path, PathBuf};

/// What one folder has.
pub struct PageFolder {
    /// Names and contents: the texts, and each picture as SVG.
    pub files: Vec<(String, String)>,
    pictures: Vec<Picture>,
}

impl PageFolder {
    pub(crate) fn new(texts: [(&str, String); 2], pictures: Vec<Picture>) -> Self {
        let texts = texts.map(|(name, text)| (name.to_string(), text));
        let svg = |Picture { name, chart }: &Picture| (format!("{name}.svg"), chart.svg());
        let files = texts.into_iter().chain(pictures.iter().map(svg)).collect();
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
            self.pictures.iter().try_for_each(|Picture { name, chart }| {
                folder.write_bytes(&format!("{name}.png"), &picture::png(&chart.svg()))
            })?;
        }
        folder.finish()
    }
}
