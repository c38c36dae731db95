//! What every kind of data is to the rest of the program: numbered images, read one at a time from any thread.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{DataError, Images};

/// One decoded image: 8 bits a channel, row after row, channels innermost (HWC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Pixels a row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// 1 (gray) or 3 (red, green, blue).
    pub channels: u32,
    /// `width * height * channels` bytes.
    pub pixels: Cow<'a, [u8]>,
    /// What its file held beyond eight bits of colour.
    pub info: PixelInfo,
}

/// What the file of an image held beyond eight bits of colour: transparency, 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PixelInfo {
    /// Whether a pixel of it was not opaque.
    pub transparent: bool,
    /// Its largest value where it had 16 bits a channel.
    pub peak: Option<u16>,
}

impl Image<'_> {
    /// The same with three channels.
    pub fn to_rgb(&self) -> Vec<u8> {
        match self.channels {
            1 => self.pixels.iter().flat_map(|&gray| [gray; 3]).collect(),
            _ => self.pixels.to_vec(),
        }
    }
}

/// A part of a data set. What it holds never changes while it is open, or a read fails.
pub trait ImageSet: Send + Sync + fmt::Debug {
    /// Number of images; at most 2^32 - 1.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Image `index`, decoded. Fails with the file's name where it cannot be read.
    fn read(&self, index: usize) -> Result<Image<'_>, DataError>;

    /// What people call image `index`: the path of its file, or its number.
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    /// The file of image `index`, where it has one of its own.
    fn file(&self, _index: usize) -> Option<PathBuf> {
        None
    }

    /// A class an image, where the classes are known.
    fn labels(&self) -> Option<&[u32]>;

    /// Width and height, where all images share them.
    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    /// The images themselves, where all of them are in memory.
    fn in_memory(&self) -> Option<&Images> {
        None
    }
}

impl ImageSet for Images {
    fn len(&self) -> usize {
        Images::len(self)
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        let pixels = self
            .image(index)
            .ok_or_else(|| DataError::Shape { problem: format!("no image {index} among {}", self.len()) })?;
        Ok(Image {
            width: self.width,
            height: self.height,
            channels: self.channels,
            pixels: pixels.into(),
            info: PixelInfo::default(),
        })
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some((self.width, self.height))
    }

    fn in_memory(&self) -> Option<&Images> {
        Some(self)
    }
}

/// Some images of another set, in an order of their own.
#[derive(Clone, Debug)]
pub struct Subset {
    set: Arc<dyn ImageSet>,
    indices: Vec<u32>,
    labels: Option<Vec<u32>>,
}

impl Subset {
    /// The images of `set` with these indices; an index that it does not have is left out.
    pub fn new(set: Arc<dyn ImageSet>, mut indices: Vec<u32>) -> Subset {
        indices.retain(|&index| (index as usize) < set.len());
        let labels = set.labels().map(|all| {
            let of = |&index: &u32| all.get(index as usize).copied();
            indices.iter().filter_map(of).collect()
        });
        Subset { set, indices, labels }
    }

    /// At most `limit` images (0: all), spread evenly over `set`: files come sorted by class, so the first ones would be of one class.
    pub fn spread(set: Arc<dyn ImageSet>, limit: usize) -> Arc<dyn ImageSet> {
        match spread(set.len(), limit) {
            None => set,
            Some(indices) => Arc::new(Subset::new(set, indices)),
        }
    }

    fn at(&self, index: usize) -> usize {
        self.indices.get(index).map_or(usize::MAX, |&index| index as usize)
    }
}

/// `count` indices evenly spread over `0..len`; `None` where that is all of them, or `count` is 0.
pub(super) fn spread(len: usize, count: usize) -> Option<Vec<u32>> {
    (1..len).contains(&count).then(|| (0..count).map(|i| (i * len / count) as u32).collect())
}

impl ImageSet for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        self.set.read(self.at(index))
    }

    fn name(&self, index: usize) -> String {
        self.set.name(self.at(index))
    }

    fn file(&self, index: usize) -> Option<PathBuf> {
        self.set.file(self.at(index))
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    fn size(&self) -> Option<(u32, u32)> {
        self.set.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_keeps_images_and_labels_together() {
        let images = Images::new(1, 1, 1, (0..10).collect(), Some((20..30).collect()));
        let set: Arc<dyn ImageSet> = Arc::new(images.unwrap());
        let subset = Subset::new(set.clone(), vec![7, 99, 0, 3]);
        assert_eq!(subset.labels(), Some(&[27, 20, 23][..]));
        let pixels =
            |set: &dyn ImageSet| -> Vec<u8> { (0..set.len()).map(|i| set.read(i).unwrap().pixels[0]).collect() };
        assert_eq!(pixels(&subset), [7, 0, 3]);
        assert_eq!(subset.name(1), "image 0");
        assert!(subset.read(3).is_err());
        assert_eq!(pixels(&*Subset::spread(set.clone(), 3)), [0, 3, 6]);
        for all in [0, 10, 11] {
            assert_eq!(Subset::spread(set.clone(), all).len(), 10);
        }
    }
}
