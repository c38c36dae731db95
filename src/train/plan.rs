//! A training with everything decided and nothing allocated: its graphs, and what they need.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, Start, Tuning};
use super::kernels::Kernels;
use super::metrics::with_host;
use super::precomputed_targets::PrecomputePlan;
use super::{RunFolder, TrainError};
use crate::augment::{Feed, ViewGroup};
use crate::config::{Config, Precision};
use crate::data::{Dataset, Images, steps_per_epoch};
use crate::eval::{self, KnnPlan};
use crate::gpu::{Gpu, Plan};
use crate::graph::tune::{self, Budget, Cache, Tuned, Work};
use crate::graph::{Choices, Graph, GraphError, Memory, Recomputed, Target, Tensor, refuse_above};
use crate::hash::Fnv;
use crate::method::{self, TrainStep};
use crate::model::{Arena, Parameters};
use crate::ranks::{Alone, Link, share};

/// Resident images may take one part in this many of the device's memory.
pub const RESIDENT_SHARE: u64 = 4;

/// Bytes of a compiled kernel in f32 and f16, as llvmpipe (Mesa 22.3) keeps it: 250 to 390 MB for 170 to 254 kernels, 450 to 700 MB for 187 to
/// 193, most of them code that unpacks and packs f16. The heap shows it before the first step, and none of it is this program's own.
const COMPILED: [u64; 2] = [1_500_000, 3_200_000];

/// A training that has not begun.
pub struct TrainPlan {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) data: Arc<Dataset>,
    pub(super) parameters: Parameters,
    /// The step as it was built.
    plain: Graph,
    /// The same with its kernels, and with activation checkpointing where memory is short.
    pub(super) graph: Graph,
    pub(super) feed: Feed,
    /// The views of a step, a tensor a group, kept until its end in f32.
    pub(super) views: Vec<Tensor>,
    pub(super) step: TrainStep,
    pub(super) precompute: Option<PrecomputePlan>,
    pub(super) knn: Option<KnnPlan>,
    pub(super) remarks: Vec<String>,
    pub(super) start: Start,
    choices: Choices,
    /// Longest submit.
    pub(super) submit: Duration,
    pub(super) link: Link,
}

impl TrainPlan {
    /// Checks the configuration, builds the graphs of training and kNN, and estimates their memory: refused here, before anything is
    /// allocated, is a tensor that the adapter cannot bind and a run that its memory cannot hold. Every node runs its operator's
    /// first candidate until [`TrainPlan::tune`] or [`TrainPlan::continue_with`].
    pub fn new(gpu: &Gpu, config: &Config, data: Arc<Dataset>) -> Result<TrainPlan, TrainError> {
        TrainPlan::linked(gpu, config, data, Arc::new(Alone))
    }

    /// The same of one of several ranks, which train together over `link`: `optim.batch_size` images a step are those of all of them.
    pub fn linked(gpu: &Gpu, config: &Config, data: Arc<Dataset>, link: Link) -> Result<TrainPlan, TrainError> {
        config.validate()?;
        method::check(config)?;
        config.check_against(data.train.len())?;
        let target = Target::of(gpu);
        let report = gpu.report();
        let ranks = link.ranks();
        share(ranks, "optim.batch_size", config.optim.batch_size, 2)?;
        let batch = ranks.part(config.optim.batch_size).len();
        let groups = method::of(config).views(config);

        let mut parameters = Parameters::new();
        let mut graph = Graph::of_ranks(ranks);
        let share = report.memory.map_or(u64::MAX, |m| m / RESIDENT_SHARE);
        let fits = |images: &&Images| {
            let words = Feed::resident_words(images);
            words <= target.max_words && words as u64 * 4 <= share
        };
        let feed = match data.train.in_memory().filter(fits) {
            Some(images) => Feed::resident(&mut graph, images, &groups, batch),
            None => Feed::streamed(&mut graph, data.train.size(), &groups, batch),
        };
        let views = feed.views(&mut graph)?;
        // The first convolution's gradient, the last of the step, reads them: kept for people they cost nothing. In f16 it reads a copy.
        if config.run.precision == Precision::F32 {
            views.iter().for_each(|&views| graph.keep(views));
        }
        let train = &*data.train;
        let step = method::training_step(&mut graph, &views, train.len(), config, &mut parameters)?;
        let precompute = PrecomputePlan::new(config, &feed, train, &mut parameters)?;

        let mut remarks = data.warnings();
        let knn = match config.run.knn_every {
            0 => None,
            // As many images at once as training has views, so that evaluation needs no more memory.
            _ => {
                let rows = groups.first().map_or(1, ViewGroup::count) * batch;
                let plan = KnnPlan::new(config, &data, &mut parameters, &target, rows)?;
                if let Some(missing) = eval::missing(&data) {
                    remarks.push(format!("the data has no {missing}: kNN is off"));
                }
                plan
            }
        };

        let steps = steps_per_epoch(data.train.len(), config.optim.batch_size) * config.optim.epochs;
        let start = Start {
            adapter: report.name.clone(),
            backend: report.backend.clone(),
            driver: report.driver.clone(),
            parameters: parameters.trained(),
            // Both follow from the kernels: see `choose`.
            memory_bytes: 0,
            recomputed: Recomputed::default(),
            train_images: data.train.len(),
            test_images: data.test.len(),
            batch_size: config.optim.batch_size,
            epochs: config.optim.epochs as u64,
            steps: steps as u64,
            dim: config.model.dim,
            metrics: with_host(step.metrics.clone()),
        };
        let mut plan = TrainPlan {
            gpu: gpu.clone(),
            config: config.clone(),
            data,
            parameters,
            plain: graph.clone(),
            graph,
            feed,
            views,
            step,
            precompute,
            knn,
            remarks,
            start,
            choices: Choices::default(),
            submit: Plan::HEADLESS,
            link,
        };
        let defaults = tune::defaults(&target, &plan.work());
        plan.choose(defaults)?;
        Ok(plan)
    }

    /// The graphs of the whole run, and how often it replays them.
    fn work(&self) -> Vec<Work<'_>> {
        let (epochs, every) = (self.start.epochs, self.config.run.knn_every as u64);
        let mut work = vec![Work { graph: &self.graph, runs: self.start.steps }];
        work.extend(self.precompute.as_ref().map(|pass| Work { graph: &pass.graph, runs: self.start.steps }));
        if let (Some(knn), Some(between)) = (&self.knn, epochs.checked_div(every)) {
            // The untrained network is classified too.
            work.extend(knn.work(&self.data, between + 1));
        }
        work
    }

    /// Sets the kernels of all graphs, and activation checkpointing, and with them the memory estimate. Fails where a run needs more
    /// than `run.memory` or the device has.
    fn choose(&mut self, choices: Choices) -> Result<(), GraphError> {
        let target = Target::of(&self.gpu);
        let mut graph = self.plain.clone();
        graph.choose(&choices);
        if let Some(knn) = &mut self.knn {
            knn.choose(&choices);
        }
        if let Some(pass) = &mut self.precompute {
            pass.choose(&choices);
        }
        let words = |arena| self.parameters.words(arena) as u64;
        // Parameters, their gradients and their momentum.
        let others: u64 = self.parameters.arenas().filter(|&arena| arena != Arena::PARAMETERS).map(words).sum();
        let own = others - words(Arena::FROZEN) - words(Arena::RUNNING);
        let images = self.feed.resident_bytes(self.data.train.in_memory());
        let state = 4 * (3 * words(Arena::PARAMETERS) + others) + images;
        // What is written before the first step waits beside its destination.
        let uploads = 4 * (words(Arena::PARAMETERS) + own) + images;
        // What takes turns with training, and what does not.
        let mut turns = Vec::new();
        turns.extend(self.precompute.as_ref().map(|pass| pass.memory(&target)).transpose()?);
        let mut vote = 0;
        if let Some(knn) = &self.knn {
            let [features, votes] = knn.memory(&target)?;
            turns.push(features);
            vote = votes.total();
        }
        let with = |training: Memory| turns.iter().fold(training, |all, one| all.beside(one));
        let besides = |training| state + uploads + vote + with(training).total();
        let fixed = state + uploads + vote + with(Memory::default()).fixed;
        let allowed = self.config.run.memory.0;
        let left = allowed.map(|bytes| bytes.saturating_sub(fixed));
        let mut recomputed = graph.recompute(&target, left)?;
        recomputed.before += fixed;
        recomputed.after += fixed;
        let memory = besides(graph.memory(&target)?);
        self.graph = graph;
        self.choices = choices;
        self.start.recomputed = recomputed;
        self.start.memory_bytes = memory;
        refuse_above(memory, allowed, self.gpu.report().memory)
    }

    /// Chooses, for every kind of node with several candidates, the one that is fastest on this device, by what `cache` knows and by
    /// measuring: a small share of the time that the run will take. `listener` receives [`Event::Tuning`].
    ///
    /// Kernels differ in the order of their sums, so runs have the same bits only where they chose the same: the same `cache`
    /// makes them choose the same, and [`TrainPlan::kernels`] keeps what was chosen for a later [`TrainPlan::continue_with`].
    pub fn tune(&mut self, cache: &mut Cache, listener: &mut dyn FnMut(&Event)) -> Result<Tuned, TrainError> {
        let budget = Budget::training(&self.gpu, self.start.memory_bytes);
        let mut tuned =
            tune::tune(&self.gpu, &Target::of(&self.gpu), &self.work(), &budget, cache, &mut |done, of| {
                listener(&Event::Tuning(Tuning { done, of }))
            })?;
        let guesses = self.choices.clone();
        if self.choose(tuned.choices.clone()).is_err() {
            // Fast kernels may need more scratch memory than is left.
            self.choose(guesses.clone())?;
            tuned.choices = guesses;
            let line = "the fastest kernels need more memory than there is: default kernels are used";
            tuned.remarks.push(line.to_owned());
        }
        Ok(tuned)
    }

    /// Uses the kernels that a run began with, so that it goes on with the same bits; where it cannot, the training will say so in
    /// an [`Event::Warning`]. `None` where the run kept none.
    pub fn continue_with(&mut self, kernels: Option<&Kernels>) -> Result<(), TrainError> {
        if let Some(kernels) = kernels {
            let mut choices = self.choices.clone();
            choices.0.extend(kernels.choices.0.clone());
            self.choose(choices)?;
        }
        self.remarks.extend(Kernels::changed(kernels, &self.kernels()));
        Ok(())
    }

    /// Uses the kernels of another rank where its device is like this one; false where it is not.
    pub fn use_kernels_of(&mut self, other: &Kernels) -> Result<bool, TrainError> {
        let own = self.kernels();
        let like = (&own.adapter, &own.backend, &own.driver) == (&other.adapter, &other.backend, &other.driver);
        if like {
            self.choose(other.choices.clone())?;
        }
        Ok(like)
    }

    /// Uses the kernels of the run in `folder`, as [`TrainPlan::continue_with`] does; where they cannot be read, that will be said too.
    pub fn continue_from(&mut self, folder: &RunFolder) -> Result<(), TrainError> {
        let kept = Kernels::read(&folder.kernels()).unwrap_or_else(|error| {
            self.remarks.push(error.to_string());
            None
        });
        self.continue_with(kept.as_ref())
    }

    /// Which kernels the run will use.
    pub fn kernels(&self) -> Kernels {
        let target = Target::of(&self.gpu);
        let mut hash = Fnv::default();
        for Work { graph, .. } in self.work() {
            graph.fingerprint(&target, &mut hash);
        }
        Kernels {
            adapter: self.start.adapter.clone(),
            backend: self.start.backend.clone(),
            driver: self.start.driver.clone(),
            hash: format!("{:016x}", hash.0),
            choices: self.choices.clone(),
        }
    }

    /// Where the driver is software: how many compiled kernels it keeps in this process's memory, and about how many bytes they take.
    pub fn compiled_kernels(&self) -> Option<(usize, u64)> {
        if !self.gpu.is_software() {
            return None;
        }
        let target = Target::of(&self.gpu);
        let work = self.work();
        let kernels = work.iter().flat_map(|work| work.graph.kernels(&target));
        let count = kernels.map(|kernel| kernel.key()).collect::<HashSet<String>>().len();
        Some((count, COMPILED[usize::from(self.config.run.precision == Precision::F16)] * count as u64))
    }

    /// Cuts the work into submits so short that a window on the same device can paint between them. The results keep their bits.
    pub fn share_device(&mut self) {
        self.submit = Plan::SHARED;
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

#[cfg(test)]
mod tests;
