//! Decodes images ahead of the device, draws their views and cuts out what those need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Patch, Source, ViewDraws, ViewGroup, table_rows};
use crate::config::{Config, EvalCrop};
use crate::data::{DataError, Image, ImageSet, Prefetch, Sequence, Unreadable, allowed, threads, too_many};

/// How often a wait asks whether to go on.
const ASK: Duration = Duration::from_millis(100);

/// Which images to load, and which views of each.
#[derive(Debug)]
pub enum Views {
    /// Views of the images of a training, in the order of its epochs.
    Training {
        /// Which of each: two and more for self-supervised training, one for a classifier.
        groups: Vec<ViewGroup>,
        /// The order.
        sequence: Sequence,
        /// Seed of the draws.
        seed: u64,
    },
    /// Of every image, in the order of the set, the part that is evaluated.
    Evaluation {
        /// Side of a view in pixels.
        size: usize,
        /// Which part.
        crop: EvalCrop,
    },
}

impl Views {
    /// Views of an image.
    fn count(&self) -> usize {
        match self {
            Views::Training { groups, .. } => groups.iter().map(ViewGroup::count).sum(),
            Views::Evaluation { .. } => 1,
        }
    }

    /// Epoch and image of place `n`.
    fn at(&self, n: u64) -> (u32, u32) {
        match self {
            Views::Training { sequence, .. } => sequence.at(n),
            Views::Evaluation { .. } => (0, n as u32),
        }
    }

    /// The views of an image, and the side of each.
    fn draw(&self, width: u32, height: u32, epoch: u32, image: u32) -> Vec<(ViewDraws, usize)> {
        match self {
            Views::Training { groups, seed, .. } => {
                let of = |group: &ViewGroup| {
                    let size = group.size;
                    group.draw(width, height, *seed, epoch, image).into_iter().map(move |draws| (draws, size))
                };
                groups.iter().flat_map(of).collect()
            }
            Views::Evaluation { size, .. } => vec![(ViewDraws::evaluation(width, height, image), *size)],
        }
    }

    /// What a view is made from.
    fn patch(&self, image: &Image, draws: &ViewDraws, size: usize) -> Patch {
        match self {
            Views::Evaluation { crop: EvalCrop::Center, .. } => Patch::center(image, size),
            _ => Patch::new(image, draws, size),
        }
    }
}

/// How a loader works; nothing of it changes what it loads.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Threads that decode.
    pub threads: usize,
    /// Images that are ready or being made, at most.
    pub ahead: usize,
}

impl Pace {
    /// For batches of this many images: one is used while the next two are made.
    pub fn new(config: &Config, batch: usize) -> Pace {
        Pace { threads: threads(config.data.threads), ahead: 2 * batch }
    }
}

/// The source of the views of some images, as the kernels read it.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// Packed patches.
    pub bytes: Vec<u8>,
    /// A row of [`AugmentParams::WORDS`](crate::ops::AugmentParams::WORDS) words a view: first views of all images, then second ones,
    /// group by group.
    pub table: Vec<u32>,
    /// What was drawn, a view a row of the table.
    pub draws: Vec<ViewDraws>,
    /// Which images these are. Where one could not be read, the next one that could is in its place.
    pub images: Vec<u32>,
}

/// An image's views, ready to be packed.
struct Loaded {
    image: u32,
    views: Vec<(ViewDraws, Patch)>,
}

/// The images of a set, one after the other. Order and content depend on nothing but the set and the request, not on the number
/// of threads.
pub struct Loader {
    prefetch: Prefetch<Result<Loaded, DataError>>,
    views: usize,
    unreadable: Arc<Unread>,
}

/// Images that turned out to be unreadable.
struct Unread {
    most: f64,
    /// What is wrong with each, and whether it has been reported.
    known: Mutex<BTreeMap<u32, (String, bool)>>,
}

impl Unread {
    /// Fails where there are too many by now.
    fn add(&self, image: u32, problem: String, of: usize) -> Result<(), DataError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(image).or_insert((problem, false));
        if known.len() > allowed(of, self.most) {
            let bad = known.iter().map(|(&image, (problem, _))| Unreadable { image, problem: problem.clone() });
            return Err(too_many(&bad.collect::<Vec<_>>(), of, self.most));
        }
        Ok(())
    }
}

impl Loader {
    /// Places `range` of the request. At most the part `unreadable` of the images may be so.
    pub fn new(
        set: Arc<dyn ImageSet>,
        views: Views,
        unreadable: f64,
        pace: Pace,
        range: std::ops::Range<u64>,
    ) -> Loader {
        let unreadable = Arc::new(Unread { most: unreadable, known: Mutex::default() });
        let (count, unread) = (views.count(), unreadable.clone());
        let load = move |n| load(&*set, &views, n, &unread);
        Loader { prefetch: Prefetch::new(pace.threads, pace.ahead, range, load), views: count, unreadable }
    }

    /// Waits until the next `n` images are there, asking `go_on` meanwhile; false where it said no.
    pub fn wait(&self, n: usize, go_on: &mut dyn FnMut() -> bool) -> bool {
        while !self.prefetch.wait(n, ASK) {
            if !go_on() {
                return false;
            }
        }
        true
    }

    /// The next `n` images, fewer at the end.
    pub fn next_batch(&mut self, n: usize) -> Result<Batch, DataError> {
        let loaded: Vec<Loaded> = self.prefetch.by_ref().take(n).collect::<Result<_, _>>()?;
        let mut batch = Batch { images: loaded.iter().map(|loaded| loaded.image).collect(), ..Batch::default() };
        for view in 0..self.views {
            for (draws, patch) in loaded.iter().filter_map(|loaded| loaded.views.get(view)) {
                let source = Source {
                    // Below 2^32: a tensor has fewer bytes.
                    offset: batch.bytes.len() as u32,
                    width: patch.width,
                    height: patch.height,
                    channels: patch.channels,
                };
                let whole = ViewDraws { left: 0, top: 0, width: patch.width, height: patch.height, ..*draws };
                batch.bytes.extend_from_slice(&patch.pixels);
                batch.table.extend(table_rows(&[whole], |_| source));
                batch.draws.push(*draws);
            }
        }
        Ok(batch)
    }

    /// What is wrong with images that turned out to be unreadable since the last call, each reported once.
    pub fn remarks(&self) -> Vec<String> {
        let mut known = self.unreadable.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = known.values_mut().filter(|(_, reported)| !reported);
        new.map(|(problem, reported)| {
            *reported = true;
            format!("{problem}; it is skipped")
        })
        .collect()
    }
}

/// The image of place `n`, or the next of the set that can be read.
fn load(set: &dyn ImageSet, views: &Views, n: u64, unread: &Unread) -> Result<Loaded, DataError> {
    let (epoch, wanted) = views.at(n);
    let mut image = wanted;
    loop {
        match set.read(image as usize) {
            Ok(pixels) => {
                let drawn = views.draw(pixels.width, pixels.height, epoch, image);
                let patch = |(draws, size): (ViewDraws, usize)| (draws, views.patch(&pixels, &draws, size));
                return Ok(Loaded { image, views: drawn.into_iter().map(patch).collect() });
            }
            Err(error) => unread.add(image, error.to_string(), set.len())?,
        }
        image = (image + 1) % set.len().max(1) as u32;
        if image == wanted {
            return Err(too_many(&[], set.len(), unread.most)); // cannot be: `add` fails before
        }
    }
}
