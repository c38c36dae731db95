//! The views of a training, made without one: by the same draws, patches and kernels, so to the same bits.

use std::sync::Arc;

use super::{Feed, Loader, Pace, ViewDraws, ViewOptions, Views, views};
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
        let options = ViewOptions::training(&config.augment);
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
    pub fn epoch(
        &mut self,
        set: &Arc<dyn ImageSet>,
        epoch: u32,
    ) -> Result<Vec<(u32, [Seen; 2])>, PreviewError> {
        let seed = self.config.run.seed;
        let training = Views::Training {
            count: 2,
            // In batches of one no image of the epoch is left out.
            sequence: Sequence::new(seed, set.len(), 1),
            seed,
            augment: Box::new(self.config.augment.clone()),
        };
        let first = u64::from(epoch) * set.len() as u64;
        let images = self.images.min(set.len());
        let mut loader = Loader::new(
            set.clone(),
            training,
            self.config.data.image_size,
            self.config.data.max_unreadable,
            Pace::new(&self.config, images),
            first..first + images as u64,
        );
        let batch = loader.next_batch(images)?;
        self.feed.write(&self.program, &batch);
        self.program.run(None)?;
        let values = self.program.read(self.views)?;
        let size = values.len() / (2 * self.images);
        let seen = |row: usize| Seen {
            draws: batch.draws[row],
            values: values[row * size..(row + 1) * size].to_vec(),
        };
        let pairs = batch.images.iter().enumerate();
        Ok(pairs
            .map(|(i, &image)| (image, [seen(i), seen(batch.images.len() + i)]))
            .collect())
    }
}
