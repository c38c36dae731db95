//! A look at some images before the first step: those that cannot be decoded are left out where they are few, and what becomes of
//! transparency and of 16 bits a channel is said.

use std::sync::Arc;

use super::image_set::spread;
use super::read::flatten::Decoding;
use super::read::prefetch::{Prefetch, threads};
use super::{DataError, ImageSet, PixelInfo, Subset};
use crate::config::Background;

/// So many images of a part are decoded before a training begins, evenly spread: all of a small folder, and enough to tell 1 % from 2 %
/// of a large one in seconds. What is wrong with the others shows when they are read.
pub const SAMPLE: usize = 1000;
/// Of a small set this many files may be unreadable, though never more than one in twenty.
const FEW: usize = 3;
/// So many unreadable files are named one by one.
pub const NAMED: usize = 10;

/// An image that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number in its part.
    pub image: u32,
    /// What is wrong, with the file's name.
    pub problem: String,
}

/// What some images of a set show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Images looked at.
    pub images: usize,
    /// Those that cannot be read.
    pub bad: Vec<Unreadable>,
    /// Those with a pixel that is not opaque.
    pub transparent: usize,
    /// Those with 16 bits a channel.
    pub deep: usize,
    /// The largest value of these.
    pub peak: u16,
}

impl Sample {
    /// Decodes at most `sample` images of a set, evenly spread; none of a set in memory, which is decoded already.
    pub fn of(set: &Arc<dyn ImageSet>, sample: usize) -> Sample {
        if set.in_memory().is_some() {
            return Sample::default();
        }
        let chosen = spread(set.len(), sample);
        let count = chosen.as_ref().map_or(set.len(), Vec::len);
        let (set, threads) = (set.clone(), threads(0) + 1);
        let check = move |n: u64| {
            let image = chosen.as_ref().map_or(n as u32, |some| some[n as usize]);
            let info = set.read(image as usize).map(|image| image.info);
            info.map_err(|error| Unreadable { image, problem: error.to_string() })
        };
        let mut sample = Sample { images: count, ..Sample::default() };
        for info in Prefetch::new(threads, 4 * threads, 0..count as u64, check) {
            match info {
                Ok(info) => sample.count(info),
                Err(bad) => sample.bad.push(bad),
            }
        }
        sample
    }

    fn count(&mut self, info: PixelInfo) {
        self.transparent += usize::from(info.transparent);
        self.deep += usize::from(info.peak.is_some());
        self.peak = self.peak.max(info.peak.unwrap_or(0));
    }
}

/// Says what becomes of transparency and of 16 bits a channel in these samples of the parts of a set. Fails where white has to be chosen.
pub(super) fn judge(samples: &[Sample], decoding: Decoding, remarks: &mut Vec<String>) -> Result<(), DataError> {
    let sum = |of: fn(&Sample) -> usize| samples.iter().map(of).sum::<usize>();
    let (images, transparent, deep) = (sum(|s| s.images), sum(|s| s.transparent), sum(|s| s.deep));
    let peak = samples.iter().map(|sample| sample.peak).max().unwrap_or(0);
    if let Some(error) = dark(deep, images, peak, decoding) {
        return Err(error);
    }
    if transparent > 0 {
        let what = match decoding.background {
            Background(None) => "that is dropped, and what the files hide under it is seen".to_owned(),
            background => format!("composed on {background}"),
        };
        remarks.push(format!("{transparent} of {images} images checked have transparency: {what} (data.background)"));
    }
    if let Some(white) = decoding.white_level.filter(|_| deep > 0) {
        remarks.push(format!(
            "{deep} of {images} images checked have 16 bits a channel, with values to {peak}: {white} is white (data.white_level)"
        ));
    }
    Ok(())
}

/// The error where `deep` of `images` images have 16 bits a channel with values only up to `peak`, which would be nearly black, and
/// `data.white_level` is not set.
pub fn dark(deep: usize, images: usize, peak: u16, decoding: Decoding) -> Option<DataError> {
    let needed = deep > 0 && decoding.white_level.is_none() && peak <= u16::MAX / 2;
    // Of 8 bits or more.
    let white = (u32::from(peak) + 1).next_power_of_two().max(256) - 1;
    needed.then_some(DataError::Dark { deep, images, peak, white })
}

/// How many of `len` images may be unreadable: a share, and of small sets, where that is none, up to three files. A share of 0 allows none.
pub fn allowed(len: usize, share: f64) -> usize {
    let few = if share > 0.0 { FEW.min(len / 20) } else { 0 };
    few.max((len as f64 * share) as usize)
}

/// `set` without the images that a sample shows to be unreadable, which are named in `remarks`. Fails where they are a larger share
/// than `most` of the sample.
pub(super) fn readable(
    set: Arc<dyn ImageSet>,
    sample: &Sample,
    most: f64,
    remarks: &mut Vec<String>,
) -> Result<Arc<dyn ImageSet>, DataError> {
    let Sample { images, bad, .. } = sample;
    if bad.is_empty() {
        return Ok(set);
    }
    if bad.len() > allowed(*images, most) {
        return Err(too_many(bad, *images, most));
    }
    remarks.extend(bad.iter().take(NAMED).map(|bad| bad.problem.clone()));
    remarks.push(format!("{} of {images} images checked cannot be read and are left out", bad.len()));
    let bad: Vec<u32> = bad.iter().map(|bad| bad.image).collect();
    let good = (0..set.len() as u32).filter(|image| bad.binary_search(image).is_err());
    let good = good.collect();
    Ok(Arc::new(Subset::new(set, good)))
}

/// The error that names them.
pub(crate) fn too_many(bad: &[Unreadable], of: usize, most: f64) -> DataError {
    let named: Vec<&str> = bad.iter().take(3).map(|b| b.problem.as_str()).collect();
    let more = match bad.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    DataError::TooManyUnreadable { bad: bad.len(), of, percent: 100.0 * most, named: named.join("; ") + &more }
}
