//! Targets that are computed ahead of their steps (paper section 5.2, "multi-step alternation"): a pass over the batches of several
//! steps fills the table that those steps read.

use std::sync::Arc;

use super::TrainError;
use crate::augment::{Batches, Feed, ViewOptions, views};
use crate::config::Config;
use crate::data::ImageSet;
use crate::graph::{Choices, Graph, GraphError, Memory, Program, Store, Target, Tensor};
use crate::method::{Targets, simsiam};
use crate::model::Parameters;

/// What the pass computes, before anything is allocated.
#[derive(Debug, Clone)]
pub(super) struct AheadPlan {
    pub graph: Graph,
    feed: Feed,
    /// Rows of the table that a batch is written to.
    rows: Tensor,
    steps: u64,
}

impl AheadPlan {
    /// Beside a training that is fed by `training`; `None` where a step takes its targets from itself.
    pub fn new(
        config: &Config,
        training: &Feed,
        set: &dyn ImageSet,
        parameters: &mut Parameters,
    ) -> Result<Option<AheadPlan>, GraphError> {
        let Targets::Ahead { steps } = Targets::of(config, set.len()) else {
            return Ok(None);
        };
        let mut graph = Graph::new();
        let size = config.data.image_size;
        let feed = training.again(&mut graph, set, size);
        let options = ViewOptions::training(&config.augment);
        let images = views(&mut graph, feed.bytes, feed.table, size, &options)?;
        let rows = simsiam::targets_ahead(&mut graph, images, set.len(), config, parameters)?;
        Ok(rows.map(|rows| AheadPlan { graph, feed, rows, steps: steps as u64 }))
    }

    pub fn choose(&mut self, choices: &Choices) {
        self.graph.choose(choices);
    }

    pub fn memory(&self, target: &Target) -> Result<Memory, GraphError> {
        self.graph.memory(target)
    }

    /// Compiles it for the `steps` steps of a training on `set`.
    pub fn compile(
        self,
        config: &Config,
        set: Arc<dyn ImageSet>,
        steps: u64,
        store: &mut Store,
    ) -> Result<Ahead, GraphError> {
        Ok(Ahead {
            program: Program::compile(&self.graph, store)?,
            targets: Targets::of(config, set.len()),
            views: config.method.views(),
            batches: Batches::new(config, set, self.feed, steps),
            rows: self.rows,
            every: self.steps,
            steps,
        })
    }
}

/// The pass on a device.
pub(super) struct Ahead {
    pub program: Program,
    targets: Targets,
    views: usize,
    batches: Batches,
    rows: Tensor,
    every: u64,
    steps: u64,
}

impl Ahead {
    /// Fills the table where `step`, from 0, is the first that reads what is computed now.
    pub fn before(&mut self, step: u64) -> Result<(), TrainError> {
        if !step.is_multiple_of(self.every) {
            return Ok(());
        }
        for step in step..(step + self.every).min(self.steps) {
            let images = self.batches.images(step);
            let rows = self.targets.index(step, &images, self.views);
            self.program.write_words(self.rows, &rows);
            self.batches.write(&self.program, step)?;
            self.program.run(None)?;
        }
        Ok(())
    }

    /// See [`Batches::remarks`].
    pub fn remarks(&self) -> Vec<String> {
        self.batches.remarks()
    }
}
