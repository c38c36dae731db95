//! The views of a training, made without one: by the same draws, patches and kernels, so to the same bits.

use std::ops::Range;
use std::sync::Arc;

use super::{Feed, Loader, Pace, ViewDraws, ViewGroup, ViewOptions, Views, views};
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
    views: Tensor,
    program: Program,
}

impl Preview {
    /// For `images` images at once, at least 1, of a valid configuration.
    pub fn new(gpu: &Gpu, config: &Config, images: usize) -> Result<Preview, PreviewError> {
        let (images, size) = (images.max(1), config.data.image_size);
        let mut graph = Graph::new();
        let feed = Feed::streamed(&mut graph, None, 2 * images, size);
        let options = ViewOptions::of_group(&ViewGroup::new(config, &[0, 1]));
        let views = views(&mut graph, feed.bytes, feed.table, size, &options)?;
        graph.keep(views);
        Ok(Preview {
            config: config.clone(),
            feed,
            images,
            views,
            program: Program::compile(&graph, &mut Store::new(gpu))?,
        })
    }

    /// Both views of the first images of `epoch`, from 0: the first batch of a training with this configuration. With the number of each
    /// image in `set`.
    pub fn epoch(&mut self, set: &Arc<dyn ImageSet>, epoch: u32) -> Result<Vec<(u32, [Seen; 2])>, PreviewError> {
        // In batches of one no image of the epoch is left out.
        let sequence = Sequence::new(self.config.run.seed, set.len(), 1);
        let images = self.images.min(set.len()) as u64;
        let first = u64::from(epoch) * set.len() as u64;
        self.places(set, sequence, first..first + images)
    }

    /// Both views of the first images of the batch of `step`, from 0, of a training with this configuration.
    pub fn step(&mut self, set: &Arc<dyn ImageSet>, step: u64) -> Result<Vec<(u32, [Seen; 2])>, PreviewError> {
        let batch = self.config.optim.batch_size;
        let sequence = Sequence::new(self.config.run.seed, set.len(), batch);
        let images = self.images.min(batch).min(set.len()) as u64;
        let first = step * batch as u64;
        self.places(set, sequence, first..first + images)
    }

    /// Both views that a training with this configuration sees of one image in `epoch`, from 0.
    pub fn image(
        &mut self,
        set: &Arc<dyn ImageSet>,
        epoch: u32,
        image: u32,
    ) -> Result<Option<[Seen; 2]>, PreviewError> {
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
    ) -> Result<Vec<(u32, [Seen; 2])>, PreviewError> {
        let images = (places.end - places.start) as usize;
        let training =
            Views::Training { group: ViewGroup::new(&self.config, &[0, 1]), sequence, seed: self.config.run.seed };
        let mut loader = Loader::new(
            set.clone(),
            training,
            self.config.data.image_size,
            self.config.data.max_unreadable,
            Pace::new(&self.config, images),
            places,
        );
        let batch = loader.next_batch(images)?;
        self.feed.write(&self.program, &batch);
        self.program.run(None)?;
        let values = self.program.read(self.views)?;
        let size = values.len() / (2 * self.images);
        let seen = |row: usize| Seen { draws: batch.draws[row], values: values[row * size..(row + 1) * size].to_vec() };
        let pairs = batch.images.iter().enumerate();
        Ok(pairs.map(|(i, &image)| (image, [seen(i), seen(batch.images.len() + i)])).collect())
    }
}
