//! The views of a training, made without one: by the same draws, patches and kernels, so to the same bits.

use std::ops::Range;
use std::sync::Arc;

use super::{Feed, Loader, Pace, ViewDraws, ViewGroup, Views};
use crate::config::Config;
use crate::data::{DataError, ImageSet, Sequence};
use crate::gpu::{Gpu, GpuError};
use crate::graph::{Graph, GraphError, Program, Store, Tensor};

/// A preview that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// From the images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From below.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// From below.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// One view of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What was drawn for it.
    pub draws: ViewDraws,
    /// Its side in pixels.
    pub size: usize,
    /// What the network gets: `[size, size, 3]`, normalised.
    pub values: Vec<f32>,
}

impl Seen {
    /// The same before it was normalised, as 8 bits a channel.
    pub fn pixels(&self, config: &Config) -> Vec<u8> {
        let (mean, std) = (config.augment.mean, config.augment.std);
        let byte = |(i, value): (usize, &f32)| {
            let value = f64::from(*value) * std[i % 3] + mean[i % 3];
            (255.0 * value).round().clamp(0.0, 255.0) as u8
        };
        self.values.iter().enumerate().map(byte).collect()
    }
}

/// Compiled for a number of images.
pub struct Preview {
    config: Config,
    feed: Feed,
    images: usize,
    /// A tensor a group.
    views: Vec<Tensor>,
    program: Program,
}

impl Preview {
    /// The views of `groups` of `images` images at once, at least 1, of a valid configuration.
    pub fn new(gpu: &Gpu, config: &Config, groups: &[ViewGroup], images: usize) -> Result<Preview, PreviewError> {
        let images = images.max(1);
        let mut graph = Graph::new();
        let feed = Feed::streamed(&mut graph, None, groups, images);
        let views = feed.views(&mut graph)?;
        views.iter().for_each(|&views| graph.keep(views));
        Ok(Preview {
            config: config.clone(),
            feed,
            images,
            views,
            program: Program::compile(&graph, &mut Store::new(gpu))?,
        })
    }

    /// The views of the first images of `epoch`, from 0: the first batch of a training with this configuration. With the number of each
    /// image in `set`.
    pub fn epoch(&mut self, set: &Arc<dyn ImageSet>, epoch: u32) -> Result<Vec<(u32, Vec<Seen>)>, PreviewError> {
        // In batches of one no image of the epoch is left out.
        let sequence = Sequence::new(self.config.run.seed, set.len(), 1);
        let images = self.images.min(set.len()) as u64;
        let first = u64::from(epoch) * set.len() as u64;
        self.places(set, sequence, first..first + images)
    }

    /// The views of the first images of the batch of `step`, from 0, of a training with this configuration.
    pub fn step(&mut self, set: &Arc<dyn ImageSet>, step: u64) -> Result<Vec<(u32, Vec<Seen>)>, PreviewError> {
        let batch = self.config.optim.batch_size;
        let sequence = Sequence::new(self.config.run.seed, set.len(), batch);
        let images = self.images.min(batch).min(set.len()) as u64;
        let first = step * batch as u64;
        self.places(set, sequence, first..first + images)
    }

    /// The views that a training with this configuration sees of one image in `epoch`, from 0.
    pub fn image(
        &mut self,
        set: &Arc<dyn ImageSet>,
        epoch: u32,
        image: u32,
    ) -> Result<Option<Vec<Seen>>, PreviewError> {
        let sequence = Sequence::new(self.config.run.seed, set.len(), 1);
        let len = set.len() as u64;
        let first = u64::from(epoch) * len;
        let place = (first..first + len).find(|&place| sequence.at(place) == (epoch, image));
        let Some(place) = place else {
            return Ok(None);
        };
        let seen = self.places(set, sequence, place..place + 1)?;
        // Where it cannot be read another image stands in its place.
        Ok(seen.into_iter().find(|(at, _)| *at == image).map(|(_, views)| views))
    }

    /// At most as many places of a training as were compiled for.
    fn places(
        &mut self,
        set: &Arc<dyn ImageSet>,
        sequence: Sequence,
        places: Range<u64>,
    ) -> Result<Vec<(u32, Vec<Seen>)>, PreviewError> {
        let images = (places.end - places.start) as usize;
        let training = Views::Training { groups: self.feed.groups().to_vec(), sequence, seed: self.config.run.seed };
        let (unreadable, pace) = (self.config.data.max_unreadable, Pace::new(&self.config, images));
        let mut loader = Loader::new(set.clone(), training, unreadable, pace, places);
        let batch = loader.next_batch(images)?;
        self.feed.write(&self.program, &batch);
        self.program.run(None)?;
        let all = batch.images.len();
        let mut draws = batch.draws.iter();
        let mut seen: Vec<Vec<Seen>> = vec![Vec::new(); all];
        for (group, &views) in self.feed.groups().iter().zip(&self.views) {
            let size = group.size;
            let values = self.program.read(views)?;
            let rows = values.chunks_exact(3 * size * size).zip(draws.by_ref().take(group.count() * all));
            for (row, (values, &draws)) in rows.enumerate() {
                seen[row % all].push(Seen { draws, size, values: values.to_vec() });
            }
        }
        // Both views of a pair beside each other.
        seen.iter_mut().for_each(|views| views.sort_by_key(|view| view.draws.view));
        Ok(batch.images.into_iter().zip(seen).collect())
    }
}
