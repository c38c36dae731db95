//! The images that `search` and `dedup` look through: the training images of a data set, its test images, or both as one set.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use image::RgbImage;
use simsiam::data::{DataError, Dataset, Image, ImageSet};
use simsiam::eval::{EvalError, class_name};
use simsiam::picture::{CaptionedImage, NeighbourSheet, reduced, rgb};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Part {
    Train,
    Test,
    All,
}

/// Parts of a data set, numbered through.
#[derive(Debug, Clone)]
pub struct Collection {
    parts: Vec<(&'static str, Arc<dyn ImageSet>)>,
    classes: Vec<String>,
}

impl Collection {
    /// Fails where there are no images.
    pub fn of(data: &Dataset, part: Part) -> Result<Collection> {
        let all = [("train", &data.train, Part::Train), ("test", &data.test, Part::Test)];
        let wanted = all.into_iter().filter(|(_, set, own)| (part == Part::All || part == *own) && !set.is_empty());
        let parts: Vec<_> = wanted.map(|(name, set, _)| (name, set.clone())).collect();
        if parts.is_empty() {
            let missing = if part == Part::Test { "test images" } else { "images" };
            return Err(EvalError::Missing { data: data.name.clone(), missing }.into());
        }
        Ok(Collection { parts, classes: data.classes.clone() })
    }

    /// The same and one more part.
    pub fn with(mut self, name: &'static str, set: Arc<dyn ImageSet>) -> Collection {
        self.parts.push((name, set));
        self
    }

    fn at(&self, index: usize) -> Option<(&'static str, &Arc<dyn ImageSet>, usize)> {
        let mut index = index;
        for (name, set) in &self.parts {
            if index < set.len() {
                return Some((name, set, index));
            }
            index -= set.len();
        }
        None
    }

    /// The part an image belongs to, and its number there.
    pub fn place(&self, index: usize) -> (&'static str, usize) {
        self.at(index).map_or(("", index), |(part, _, index)| (part, index))
    }

    /// The label of an image and the name of its class, where they are known.
    pub fn class(&self, index: usize) -> Option<(u32, String)> {
        let (_, set, index) = self.at(index)?;
        let label = *set.labels()?.get(index)?;
        Some((label, class_name(&self.classes, label)))
    }

    /// An image for a sheet.
    pub fn captioned(&self, index: usize, lines: Vec<String>) -> Result<CaptionedImage> {
        Ok(captioned(&self.read(index)?, lines))
    }
}

/// An image for a sheet.
pub fn captioned(image: &Image, lines: Vec<String>) -> CaptionedImage {
    let pixels = rgb(image.width, image.height, image.channels, &image.pixels);
    let pixels = pixels.unwrap_or_else(|| RgbImage::new(1, 1));
    CaptionedImage { pixels: reduced(pixels, NeighbourSheet::THUMBNAIL_SIDE), lines }
}

/// Whether two images have the same pixels.
pub fn same_pixels(a: &Image, b: &Image) -> bool {
    (a.width, a.height) == (b.width, b.height) && a.to_rgb() == b.to_rgb()
}

impl ImageSet for Collection {
    fn len(&self) -> usize {
        self.parts.iter().map(|(_, set)| set.len()).sum()
    }

    fn read(&self, index: usize) -> std::result::Result<Image<'_>, DataError> {
        match self.at(index) {
            Some((_, set, index)) => set.read(index),
            None => Err(DataError::Shape { problem: format!("no image {index} among {}", self.len()) }),
        }
    }

    fn name(&self, index: usize) -> String {
        self.at(index).map_or_else(String::new, |(_, set, index)| set.name(index))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.at(index).and_then(|(_, set, index)| set.file(index))
    }

    fn labels(&self) -> Option<&[u32]> {
        None
    }

    fn size(&self) -> Option<(u32, u32)> {
        let sizes: Vec<_> = self.parts.iter().map(|(_, set)| set.size()).collect();
        sizes.first().copied().flatten().filter(|&first| sizes.iter().all(|size| *size == Some(first)))
    }
}
