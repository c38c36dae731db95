//! What a data set holds: how many images of which class, their sizes, which cannot be read, the mean and standard deviation of their
//! pixels. One pass over all images; of each only a few numbers are kept, so memory does not grow with their pixels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::check::{NAMED, allowed};
use super::moments::Moments;
use super::read::prefetch::{Prefetch, threads};
use super::{DataError, Dataset, ImageSet, PixelInfo};

/// A data set in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survey {
    /// Images to train on.
    pub train: SetSurvey,
    /// Labelled images that vote in kNN, where they are not those of `train`.
    pub bank: Option<SetSurvey>,
    /// Images to classify.
    pub test: SetSurvey,
    /// In the order of the labels.
    pub classes: Vec<Class>,
}

/// A part of a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SetSurvey {
    /// All of them, also those that cannot be read.
    pub images: usize,
    /// Whether each has a class.
    pub labelled: bool,
    /// How many cannot be read.
    pub unreadable: usize,
    /// What is wrong with the first [`NAMED`] of those, with the file's name.
    pub problems: Vec<String>,
    /// Readable ones with one channel.
    pub gray: usize,
    /// Readable ones with three channels.
    pub colour: usize,
    /// Readable ones with a pixel that is not opaque.
    pub transparent: usize,
    /// Readable ones with 16 bits a channel.
    pub deep: usize,
    /// The largest value of these; 0 where there are none.
    pub peak: u16,
    /// Of the decoded images together, 8 bits a channel.
    pub bytes: u64,
    /// Of the readable ones; `None` where there is none.
    pub sizes: Option<Sizes>,
    /// Mean of red, green and blue over all pixels of all readable images, scaled to 0 to 1: see [`Moments`].
    pub mean: [f64; 3],
    /// Standard deviation, as `mean`.
    pub std: [f64; 3],
}

/// Sizes `[width, height]`, in order of their pixels. Of several sizes with as many pixels the narrowest is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The fewest pixels.
    pub smallest: [u32; 2],
    /// Half of the images have no more pixels.
    pub median: [u32; 2],
    /// The most pixels.
    pub largest: [u32; 2],
}

impl Sizes {
    /// The size that all images have, where they have one.
    pub fn one(&self) -> Option<[u32; 2]> {
        // Equal pixels and equal width, and everything is in between.
        (self.smallest == self.largest).then_some(self.smallest)
    }
}

/// A class and how many images it has in each part, also unreadable ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    /// What it is in [`ImageSet::labels`].
    pub label: u32,
    /// Its name, or its label where the data set names none.
    pub name: String,
    /// In [`Dataset::train`]; 0 where that has no labels.
    pub train: usize,
    /// In [`Dataset::bank`], where that is a part of its own.
    pub bank: Option<usize>,
    /// In [`Dataset::test`].
    pub test: usize,
}

impl Class {
    /// Images whose labels vote: those of `bank`, or of `train`.
    pub fn voters(&self) -> usize {
        self.bank.unwrap_or(self.train)
    }
}

impl SetSurvey {
    /// Images that can be read.
    pub fn readable(&self) -> usize {
        self.gray + self.colour
    }

    /// Whether a training that allows so large a part of its images to be unreadable refuses these.
    pub fn refused(&self, most: f64) -> bool {
        self.unreadable > allowed(self.images, most)
    }
}

impl Survey {
    /// The parts, with what people call their images.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &SetSurvey)> {
        let bank = self.bank.as_ref().map(|bank| ("labelled", bank));
        let train = std::iter::once(("training", &self.train));
        train.chain(bank).chain([("test", &self.test)])
    }
}

/// What is known of an image once its pixels are dropped.
struct Seen {
    size: [u32; 2],
    channels: u32,
    bytes: u64,
    info: PixelInfo,
    moments: Moments,
}

/// Reads every image once, with all cores. `progress` is called with how many of how many are done. What comes out does not depend on the
/// number of threads.
pub fn survey(data: &Dataset, progress: &mut dyn FnMut(usize, usize)) -> Survey {
    let sets = [Some(&data.train), data.bank.as_ref(), Some(&data.test)];
    let total = sets.iter().flatten().map(|set| set.len()).sum();
    let mut done = 0;
    let mut part = |set: &Arc<dyn ImageSet>| {
        look(set, &mut || {
            done += 1;
            progress(done, total);
        })
    };
    Survey {
        train: part(&data.train),
        bank: data.bank.as_ref().map(&mut part),
        test: part(&data.test),
        classes: classes(data),
    }
}

fn look(set: &Arc<dyn ImageSet>, tick: &mut dyn FnMut()) -> SetSurvey {
    let (images, threads) = (set.clone(), threads(0) + 1);
    let read = move |index: u64| -> Result<Seen, DataError> {
        let image = images.read(index as usize)?;
        Ok(Seen {
            size: [image.width, image.height],
            channels: image.channels,
            bytes: image.pixels.len() as u64,
            info: image.info,
            moments: Moments::of(image.channels, &image.pixels),
        })
    };
    let mut part = SetSurvey { images: set.len(), labelled: set.labels().is_some(), ..SetSurvey::default() };
    // How many images have this size; it is smaller than the list of their files.
    let mut sizes: BTreeMap<(u64, [u32; 2]), usize> = BTreeMap::new();
    let mut moments = Moments::default();
    for seen in Prefetch::new(threads, 4 * threads, 0..set.len() as u64, read) {
        tick();
        match seen {
            Ok(seen) => {
                let [width, height] = seen.size.map(u64::from);
                *sizes.entry((width * height, seen.size)).or_default() += 1;
                match seen.channels {
                    1 => part.gray += 1,
                    _ => part.colour += 1,
                }
                part.transparent += usize::from(seen.info.transparent);
                part.deep += usize::from(seen.info.peak.is_some());
                part.peak = part.peak.max(seen.info.peak.unwrap_or(0));
                part.bytes += seen.bytes;
                moments.add(&seen.moments);
            }
            Err(error) => {
                part.unreadable += 1;
                if part.problems.len() < NAMED {
                    part.problems.push(error.to_string());
                }
            }
        }
    }
    part.sizes = in_order(&sizes, part.readable());
    (part.mean, part.std) = moments.mean_std();
    part
}

fn in_order(sizes: &BTreeMap<(u64, [u32; 2]), usize>, images: usize) -> Option<Sizes> {
    let mut before = 0;
    let median = sizes.iter().find(|(_, count)| {
        before += **count;
        2 * before >= images
    });
    Some(Sizes { smallest: sizes.first_key_value()?.0.1, median: median?.0.1, largest: sizes.last_key_value()?.0.1 })
}

fn classes(data: &Dataset) -> Vec<Class> {
    let tally = |set: &Arc<dyn ImageSet>| {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for &label in set.labels().unwrap_or_default() {
            *counts.entry(label).or_default() += 1;
        }
        counts
    };
    let (train, test) = (tally(&data.train), tally(&data.test));
    let bank = data.bank.as_ref().map(tally);
    let mut labels: BTreeSet<u32> = (0..data.classes.len() as u32).collect();
    labels.extend(train.keys().chain(test.keys()));
    labels.extend(bank.iter().flat_map(BTreeMap::keys));
    let of = |counts: &BTreeMap<u32, usize>, label| counts.get(&label).copied().unwrap_or(0);
    labels
        .into_iter()
        .map(|label| Class {
            label,
            name: match data.classes.get(label as usize) {
                Some(name) => name.clone(),
                None => label.to_string(),
            },
            train: of(&train, label),
            bank: bank.as_ref().map(|bank| of(bank, label)),
            test: of(&test, label),
        })
        .collect()
}
