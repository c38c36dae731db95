//! A pass beside the step that computes targets ahead (SimSiam's paper, section 5.2, "multi-step alternation"): over the batches of several
//! steps, with the weights before the first of them.

use std::sync::Arc;

use super::TrainError;
use crate::augment::{Batches, Feed};
use crate::config::Config;
use crate::data::ImageSet;
use crate::graph::{Choices, Graph, GraphError, Memory, Program, Store, Target};
use crate::method::{self, HostInput, Precomputation, StepInfo};
use crate::model::Parameters;

/// What the pass computes, before anything is allocated.
#[derive(Debug, Clone)]
pub(super) struct PrecomputePlan {
    pub graph: Graph,
    feed: Feed,
    precomputation: Precomputation,
}

impl PrecomputePlan {
    /// Beside a training whose views are fed by `training`; `None` where a step computes its own targets.
    pub fn new(
        config: &Config,
        training: &Feed,
        set: &dyn ImageSet,
        parameters: &mut Parameters,
    ) -> Result<Option<PrecomputePlan>, GraphError> {
        if method::of(config).precomputes(config, set.len()).is_none() {
            return Ok(None);
        }
        let mut graph = Graph::of_ranks(training.ranks());
        let feed = training.again(&mut graph, set);
        let views = feed.views(&mut graph)?;
        let made = method::precomputed_targets(&mut graph, &views, set.len(), config, parameters)?;
        Ok(made.map(|precomputation| PrecomputePlan { graph, feed, precomputation }))
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
        steps_per_epoch: u64,
        store: &mut Store,
    ) -> Result<PrecomputedTargets, GraphError> {
        let Precomputation { steps: every, inputs } = self.precomputation;
        Ok(PrecomputedTargets {
            program: Program::compile(&self.graph, store)?,
            batches: Batches::new(config, set, self.feed, steps),
            inputs,
            every,
            steps,
            steps_per_epoch,
        })
    }
}

/// The pass on a device.
pub(super) struct PrecomputedTargets {
    pub program: Program,
    batches: Batches,
    inputs: Vec<HostInput>,
    every: u64,
    steps: u64,
    steps_per_epoch: u64,
}

impl PrecomputedTargets {
    /// Computes targets where `step`, from 0, is the first that reads what is computed now.
    pub fn before(&mut self, step: u64) -> Result<(), TrainError> {
        if !step.is_multiple_of(self.every) {
            return Ok(());
        }
        for step in step..(step + self.every).min(self.steps) {
            let images = self.batches.images(step);
            let (steps, steps_per_epoch) = (self.steps, self.steps_per_epoch);
            let info = StepInfo { step, steps, steps_per_epoch, images: &images };
            for input in &self.inputs {
                input.write(&self.program, &info);
            }
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
