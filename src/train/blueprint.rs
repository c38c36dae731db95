//! A training with everything decided and nothing allocated: its graphs, and what they need.

use std::sync::Arc;

use super::TrainError;
use super::event::Start;
use crate::augment::{Feed, ViewOptions, views};
use crate::config::Config;
use crate::data::{Dataset, steps_per_epoch};
use crate::eval::KnnPlan;
use crate::gpu::Gpu;
use crate::graph::{Graph, Memory, Target, refuse_above};
use crate::method::simsiam;
use crate::model::{Arena, Parameters};

/// Part of the device's memory, one in so many, that resident images may take.
const RESIDENT_SHARE: u64 = 4;

/// A training that has not begun.
pub struct Blueprint {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) data: Arc<Dataset>,
    pub(super) parameters: Parameters,
    pub(super) graph: Graph,
    pub(super) feed: Feed,
    pub(super) step: simsiam::Step,
    pub(super) knn: Option<KnnPlan>,
    pub(super) remarks: Vec<String>,
    pub(super) start: Start,
}

impl Blueprint {
    /// Checks the configuration, builds the graphs of training and kNN, and estimates their memory: refused here, before anything is
    /// allocated, is a tensor that the adapter cannot bind and a run that its memory cannot hold.
    pub fn new(gpu: &Gpu, config: &Config, data: Arc<Dataset>) -> Result<Blueprint, TrainError> {
        config.validate()?;
        config.check_against(data.train.len(), data.test.len())?;
        let target = Target::of(gpu);
        let report = gpu.report();
        let batch = config.optim.batch_size;

        let mut parameters = Parameters::new();
        let mut graph = Graph::new();
        let words = Feed::resident_words(&data.train);
        let share = report.memory.map_or(u64::MAX, |m| m / RESIDENT_SHARE);
        let feed = match words <= target.max_words && words as u64 * 4 <= share {
            true => Feed::resident(&mut graph, &data.train, 2 * batch),
            false => Feed::streamed(&mut graph, &data.train, batch, 2 * batch),
        };
        let options = ViewOptions::training(&config.augment);
        let size = config.data.image_size;
        let images = views(&mut graph, feed.bytes, feed.table, size, &options)?;
        let step = simsiam::training_step(&mut graph, images, config, &mut parameters)?;

        let mut remarks = Vec::new();
        let knn = match config.run.knn_every {
            0 => None,
            // As many images at once as training has views, so that evaluation needs no more memory.
            _ => {
                let plan = KnnPlan::new(config, &data, &mut parameters, &target, 2 * batch)?;
                if plan.is_none() {
                    remarks.push("the data has no labels: kNN is off".to_owned());
                }
                plan
            }
        };

        let words = |arena| parameters.words(arena) as u64;
        // Parameters, their gradients and their momentum.
        let state =
            4 * (3 * words(Arena::Parameters) + words(Arena::Frozen) + words(Arena::Running));
        // What is written before the first step waits beside its destination.
        let uploads = 4 * words(Arena::Parameters) + feed.resident_bytes(&data.train);
        let evaluation = knn.as_ref().map(|knn| knn.memory(&target)).transpose()?;
        let besides = |training: Memory| match &evaluation {
            None => state + uploads + training.total(),
            Some([features, vote]) => {
                state + uploads + training.beside(features).total() + vote.total()
            }
        };
        let fixed = besides(Memory::default()) - evaluation.as_ref().map_or(0, |[f, _]| f.pool);
        let allowed = config.run.memory.0;
        let mut recomputed =
            graph.recompute(&target, allowed.map(|bytes| bytes.saturating_sub(fixed)))?;
        recomputed.before += fixed;
        recomputed.after += fixed;
        let memory = besides(graph.memory(&target)?);
        refuse_above(memory, allowed, report.memory)?;

        let steps = steps_per_epoch(data.train.len(), batch) * config.optim.epochs;
        let start = Start {
            adapter: report.name.clone(),
            backend: report.backend.clone(),
            driver: report.driver.clone(),
            parameters: parameters.trained(),
            memory_bytes: memory,
            recomputed,
            train_images: data.train.len(),
            test_images: data.test.len(),
            batch_size: batch,
            epochs: config.optim.epochs as u64,
            steps: steps as u64,
            dim: config.model.dim,
        };
        Ok(Blueprint {
            gpu: gpu.clone(),
            config: config.clone(),
            data,
            parameters,
            graph,
            feed,
            step,
            knn,
            remarks,
            start,
        })
    }

    /// What will be trained, with the memory estimate.
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// Whether kNN will classify the test images.
    pub fn has_knn(&self) -> bool {
        self.knn.is_some()
    }
}
