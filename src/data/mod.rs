//! Where the images come from. A [`Spec`] says which data set (`demo`, a folder, or `KIND:PATH`), [`open`] finds its parts, each an
//! [`ImageSet`]: in memory where they are small by nature, else decoded on demand. A [`Sequence`] says in which order a
//! training sees them, a [`Prefetch`] reads ahead. [`fetch`] gets a published set onto the disk.
//!
//! A file is never trusted: what a header promises is held against the file's length before anything of that size is allocated, and
//! everything that can be wrong with it has its own [`DataError`]. To add a format, write a file in `format/` and name it in `spec.rs`.
//!
//! ```
//! use simsiam::data::{self, Limits, Spec};
//!
//! let spec: Spec = "demo".parse()?; // or a folder, or cifar10:DIR, ...
//! let data = data::open(&spec, Limits::default())?;
//! assert_eq!((data.train.len(), data.test.len(), data.classes.len()), (5000, 1000, 10));
//! # Ok::<(), simsiam::data::DataError>(())
//! ```

mod check;
mod error;
pub mod fetch;
mod format;
mod image_set;
mod left_out;
mod moments;
mod read;
mod spec;
pub mod survey;

use std::sync::Arc;

pub(crate) use check::too_many;
pub use check::{NAMED, Sample, Unreadable, allowed, dark};
pub use error::DataError;
pub use format::folder::image_files;
pub use format::pack;
use format::{cifar, demo, folder, idx, parquet, stl10};
pub use image_set::{Image, ImageSet, PixelInfo, Subset};
pub use left_out::LeftOut;
pub use moments::Moments;
pub use read::decode::decode;
pub use read::flatten::Decoding;
pub use read::order::{Sequence, batches, order, steps_per_epoch};
pub use read::prefetch::{Prefetch, threads};
pub use spec::Spec;

/// Images of one size as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Pixels a row, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// 1 (gray) or 3 (red, green, blue).
    pub channels: u32,
    /// Row after row, channels innermost (HWC), image after image.
    pub pixels: Vec<u8>,
    /// A class an image, where the classes are known.
    pub labels: Option<Vec<u32>>,
}

impl Images {
    /// Images from bytes of your own. Fails with [`DataError::Shape`] where the numbers do not fit together.
    pub fn new(
        width: u32,
        height: u32,
        channels: u32,
        pixels: Vec<u8>,
        labels: Option<Vec<u32>>,
    ) -> Result<Self, DataError> {
        let images = Self { width, height, channels, pixels, labels };
        let size = images.image_bytes();
        let shape = |problem: String| Err(DataError::Shape { problem });
        if width == 0 || height == 0 || !matches!(channels, 1 | 3) {
            return shape(format!(
                "images of {width}x{height} pixels with {channels} channels; use at least 1x1 with 1 or 3"
            ));
        }
        if images.pixels.is_empty() || !images.pixels.len().is_multiple_of(size) {
            return shape(format!(
                "{} bytes are no whole number of images of {size} bytes, or none",
                images.pixels.len()
            ));
        }
        if u32::try_from(images.len()).is_err() {
            return shape(format!("{} images; at most 2^32 - 1 can be numbered", images.len()));
        }
        match &images.labels {
            Some(labels) if labels.len() != images.len() => {
                shape(format!("{} labels for {} images", labels.len(), images.len()))
            }
            _ => Ok(images),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.image_bytes().max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes an image.
    pub fn image_bytes(&self) -> usize {
        [self.width, self.height, self.channels].into_iter().fold(1, |size: usize, n| size.saturating_mul(n as usize))
    }

    /// The bytes of image `index`, if there is one.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let size = self.image_bytes();
        let start = index.checked_mul(size)?;
        self.pixels.get(start..start.checked_add(size)?)
    }

    /// Keeps the first `limit` images; 0 keeps all.
    pub fn limit(&mut self, limit: usize) {
        if limit > 0 && limit < self.len() {
            self.pixels.truncate(limit * self.image_bytes());
            if let Some(labels) = &mut self.labels {
                labels.truncate(limit);
            }
        }
    }

    /// Mean and standard deviation of red, green and blue over all pixels, scaled to 0 to 1: what `augment.mean` and `augment.std`
    /// want. Gray images give the same three times; no images give zeros.
    pub fn mean_std(&self) -> ([f64; 3], [f64; 3]) {
        Moments::of(self.channels, &self.pixels).mean_std()
    }
}

/// A data set.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its [`Spec`] as text.
    pub name: String,
    /// Images to train on.
    pub train: Arc<dyn ImageSet>,
    /// Labelled images that vote in kNN, where they are not those of `train`.
    pub bank: Option<Arc<dyn ImageSet>>,
    /// Images to classify; there may be none.
    pub test: Arc<dyn ImageSet>,
    /// Names of the classes: label n means `classes[n]`.
    pub classes: Vec<String>,
    /// What the user should know of it: files that were left out, labels that are missing.
    pub remarks: Vec<String>,
    /// What lies beside the images and is not used.
    pub left_out: Vec<LeftOut>,
    /// How many test images are training images too, byte for byte, where that was looked at.
    pub shared: usize,
}

impl Dataset {
    /// Without a name, classes, or remarks.
    pub fn new(train: Arc<dyn ImageSet>, test: Arc<dyn ImageSet>) -> Dataset {
        Dataset {
            name: String::new(),
            train,
            bank: None,
            test,
            classes: Vec::new(),
            remarks: Vec::new(),
            left_out: Vec::new(),
            shared: 0,
        }
    }

    /// What a user should know before a training: remarks, and files that are left out and look like images.
    pub fn warnings(&self) -> Vec<String> {
        self.remarks.iter().cloned().chain(LeftOut::warnings(&self.left_out)).collect()
    }

    /// The images whose labels vote in kNN.
    pub fn bank(&self) -> &Arc<dyn ImageSet> {
        self.bank.as_ref().unwrap_or(&self.train)
    }
}

/// How a data set is read: how many images to keep of each part, how many may be damaged, how many to hold out, what is done to the pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Training images; 0 for all.
    pub train: usize,
    /// Test images; 0 for all.
    pub test: usize,
    /// Largest part of the images that may be unreadable, 0 to 1.
    pub unreadable: f64,
    /// Part of the images of a labelled folder without test images that is held out to test on.
    pub holdout: f64,
    /// What becomes of transparency and of 16 bits a channel.
    pub decoding: Decoding,
    /// A table of the classes of a folder's files; empty: one that lies there; `none`: no table.
    pub labels: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&crate::config::DataConfig::default())
    }
}

impl From<&crate::config::DataConfig> for Limits {
    fn from(config: &crate::config::DataConfig) -> Self {
        Self {
            train: config.limit_train,
            test: config.limit_test,
            unreadable: config.max_unreadable,
            holdout: config.holdout,
            decoding: Decoding::from(config),
            labels: config.labels.clone(),
        }
    }
}

/// Opens a data set, or says in one line which file is wrong and what to do about it. Of files that are decoded later a sample is
/// decoded now: those that cannot be are left out, and where they are many it fails.
pub fn open(spec: &Spec, limits: Limits) -> Result<Dataset, DataError> {
    open_watched(spec, limits, &mut |_| {})
}

/// The same; `progress` is called with how many files of a folder were seen.
pub fn open_watched(spec: &Spec, limits: Limits, progress: &mut dyn FnMut(usize)) -> Result<Dataset, DataError> {
    let (unreadable, decoding) = (limits.unreadable, limits.decoding);
    let mut dataset = open_unchecked(spec, limits, progress)?;
    let mut samples = Vec::new();
    let parts = [&mut dataset.train, &mut dataset.test].into_iter();
    for part in parts.chain(dataset.bank.as_mut()) {
        let sample = Sample::of(part, check::SAMPLE);
        *part = check::readable(part.clone(), &sample, unreadable, &mut dataset.remarks)?;
        samples.push(sample);
    }
    check::judge(&samples, decoding, &mut dataset.remarks)?;
    Ok(dataset)
}

/// Says in the remarks of an unchecked data set what becomes of transparency and of 16 bits a channel, from a sample, as [`open`] does.
/// Fails where white has to be chosen.
pub fn judge_pixels(dataset: &mut Dataset, decoding: Decoding) -> Result<(), DataError> {
    let parts = [&dataset.train, &dataset.test].into_iter().chain(&dataset.bank);
    let samples: Vec<Sample> = parts.map(|part| Sample::of(part, check::SAMPLE)).collect();
    check::judge(&samples, decoding, &mut dataset.remarks)
}

/// The same without decoding anything that is not decoded for good: files that cannot be read are still in it.
/// `progress` is called with how many files of a folder were seen.
pub fn open_unchecked(spec: &Spec, limits: Limits, progress: &mut dyn FnMut(usize)) -> Result<Dataset, DataError> {
    let name = spec.to_string();
    let spec = spec.recognise()?;
    let files = matches!(spec, Spec::Images(_) | Spec::Folder(_));
    if !files && !matches!(limits.labels.as_str(), "" | NO_LABELS) {
        return Err(DataError::LabelsWithoutFiles { file: limits.labels });
    }
    let dataset = match spec {
        Spec::Demo => demo::open(name, limits)?,
        Spec::Cifar10(folder) => cifar::open(cifar::CifarVersion::Cifar10, name, &folder, limits)?,
        Spec::Cifar100(folder) => cifar::open(cifar::CifarVersion::Cifar100, name, &folder, limits)?,
        Spec::Idx(folder) => idx::open(name, &folder, limits)?,
        Spec::Stl10(folder) => stl10::open(name, &folder, limits)?,
        Spec::Pack(file) => pack::open(name, &file, limits)?,
        Spec::Parquet(paths) => parquet::open(name, &paths, limits)?,
        Spec::Images(folder) | Spec::Folder(folder) => folder::open(name, &folder, limits, progress)?,
    };
    if let (Some(train), Some(test)) = (dataset.train.size(), dataset.test.size())
        && train != test
    {
        let text = |(width, height)| format!("{width}x{height}");
        return Err(DataError::SizesDiffer { data: dataset.name, train: text(train), test: text(test) });
    }
    Ok(dataset)
}

/// In the place of a table of labels: none is looked for.
const NO_LABELS: &str = "none";

#[cfg(test)]
mod tests;
