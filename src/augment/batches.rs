//! The views of a training, step after step.

use std::sync::Arc;

use super::{Feed, Loader, Pace, Views};
use crate::config::Config;
use crate::data::{DataError, ImageSet, Sequence};
use crate::graph::Program;

/// Brings the source of the views of one step after the other to the device: of resident images only what was drawn, else patches that
/// a [`Loader`] has made ahead.
pub struct Batches {
    config: Config,
    set: Arc<dyn ImageSet>,
    feed: Feed,
    sequence: Sequence,
    /// Images of a step, of this rank.
    batch: usize,
    steps: u64,
    /// Reads from the step beside it on.
    loader: Option<(u64, Loader)>,
    /// What the device holds.
    written: Option<u64>,
}

impl Batches {
    /// The views of `feed` for the `steps` steps of a training on `set`.
    pub fn new(config: &Config, set: Arc<dyn ImageSet>, feed: Feed, steps: u64) -> Batches {
        Batches {
            sequence: Self::sequence(config, &*set),
            batch: feed.ranks().part(config.optim.batch_size).len(),
            config: config.clone(),
            set,
            feed,
            steps,
            loader: None,
            written: None,
        }
    }

    fn sequence(config: &Config, set: &dyn ImageSet) -> Sequence {
        Sequence::new(config.run.seed, set.len(), config.optim.batch_size)
    }

    /// The images of a step, from 0, in the order of the request: where one could not be read, another takes its place in the batch.
    pub fn images(&self, step: u64) -> Vec<u32> {
        self.places(step).map(|(_, image)| image).collect()
    }

    /// Epoch and image of every place of a step, of all ranks.
    fn places(&self, step: u64) -> impl Iterator<Item = (u32, u32)> {
        let batch = self.config.optim.batch_size as u64;
        let places = step * batch..(step + 1) * batch;
        places.map(|n| self.sequence.at(n))
    }

    /// Writes what `step`, from 0, reads. Steps are best asked for in order: another one makes the loader begin anew.
    pub fn write(&mut self, program: &Program, step: u64) -> Result<(), DataError> {
        if self.written == Some(step) {
            return Ok(());
        }
        match (self.feed.is_resident(), self.set.in_memory()) {
            (true, Some(images)) => {
                let seed = self.config.run.seed;
                let (width, height) = (images.width, images.height);
                let own = self.feed.ranks().part(self.config.optim.batch_size);
                let items: Vec<(u32, u32)> = self.places(step).skip(own.start).take(own.len()).collect();
                let views = self.feed.groups().iter().flat_map(|group| &group.views).flat_map(|view| {
                    let draw = move |&(epoch, image): &(u32, u32)| view.draw(width, height, seed, epoch, image);
                    items.iter().map(draw)
                });
                self.feed.write_draws(program, images, views);
            }
            _ => {
                let batch = self.batch;
                let loaded = self.loader_at(step).next_batch(batch)?;
                if let Some((next, _)) = &mut self.loader {
                    *next = step + 1;
                }
                self.feed.write(program, &loaded);
            }
        }
        self.written = Some(step);
        Ok(())
    }

    /// Waits until what `step` reads is there, asking `go_on` meanwhile; false where it said no.
    pub fn wait(&mut self, step: u64, go_on: &mut dyn FnMut() -> bool) -> bool {
        let resident = self.feed.is_resident() && self.set.in_memory().is_some();
        let batch = self.batch;
        self.written == Some(step) || resident || self.loader_at(step).wait(batch, go_on)
    }

    /// The loader whose next batch is that of `step`.
    fn loader_at(&mut self, step: u64) -> &mut Loader {
        let loader = match self.loader.take() {
            Some((next, loader)) if next == step => loader,
            _ => self.loader_from(step),
        };
        &mut self.loader.insert((step, loader)).1
    }

    fn loader_from(&self, step: u64) -> Loader {
        let batch = self.batch;
        let views = Views::Training {
            groups: self.feed.groups().to_vec(),
            sequence: Self::sequence(&self.config, &*self.set).of_rank(self.feed.ranks()),
            seed: self.config.run.seed,
        };
        Loader::new(
            self.set.clone(),
            views,
            self.config.data.max_unreadable,
            Pace::new(&self.config, batch),
            step * batch as u64..self.steps * batch as u64,
        )
    }

    /// See [`Loader::remarks`].
    pub fn remarks(&self) -> Vec<String> {
        self.loader.as_ref().map(|(_, loader)| loader.remarks()).unwrap_or_default()
    }
}
