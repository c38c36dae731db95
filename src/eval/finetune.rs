//! Fine-tuning: the whole backbone is trained further, with a linear classifier on top and a part of the labels (SimCLR, App. B.5; SwAV's
//! `eval_semisup.py`).
//!
//! Images are seen in random crops (area .08 to 1) and flips, nothing else; SGD with momentum .9 and a rate of its own for the classifier, both on a
//! cosine that moves every step; batch norm is trained. Test images are seen at their centre, once, after the last epoch: no epoch is chosen. A rest of
//! images that fills no batch sits out the epoch.

use std::sync::Arc;

use super::features::{FeaturePlan, FeatureSpec, Features, Output};
use super::knn::{classes, missing};
use super::linear::{crops, labels};
use super::{EvalError, Scores};
use crate::augment::{Feed, Loader, Pace, ViewGroup, Views};
use crate::config::{Config, Optimizer};
use crate::data::{Dataset, ImageSet, Sequence, steps_per_epoch};
use crate::gpu::{Gpu, Readback};
use crate::graph::tune::Work;
use crate::graph::{Choices, Graph, Program, Shape, Store, Target, Tensor, refuse_above};
use crate::method::{SupervisedStep, classify, supervised_step};
use crate::model::{Arena, Builder, Format, Mode, Parameters, RateGroup};
use crate::ops;
use crate::random::{Draw, Purpose};

/// Of SGD (SimCLR, App. B.5).
const MOMENTUM: f64 = 0.9;
/// Standard deviation of the classifier's first weights, as of a linear probe; its biases begin at zero.
const FIRST_WEIGHTS: f64 = 0.01;

/// How the network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneOptions {
    /// Passes over the labelled images.
    pub epochs: usize,
    /// Images a step, fewer where there are not as many.
    pub batch: usize,
    /// Learning rates of backbone and classifier: those used are these times the batch / 256.
    pub rates: [f64; 2],
    /// Weight decay of every trained parameter.
    pub weight_decay: f64,
    /// Of the classifier's first weights, order and crops.
    pub seed: u64,
}

/// What happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FinetuneEvent {
    /// Steps done of all.
    Step(usize, usize),
    /// Epochs done, and the mean loss of the last.
    Epoch(usize, f64),
    /// Batches of test images classified.
    Test(usize),
}

/// The outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneReport {
    /// Labelled images that it was trained on.
    pub images: usize,
    /// Images a step.
    pub batch: usize,
    /// Mean loss of the last epoch.
    pub loss: f64,
    /// On the test images, after the last epoch.
    pub scores: Scores,
}

/// A fine-tuning with its graphs, before anything is allocated.
pub struct FinetunePlan {
    config: Config,
    options: FinetuneOptions,
    classes: usize,
    group: ViewGroup,
    /// Of the backbone alone: the first entries of `parameters`.
    backbone: Parameters,
    parameters: Parameters,
    step: Graph,
    feed: Feed,
    nodes: SupervisedStep,
    features: FeaturePlan,
    test: Test,
}

/// The classifier in evaluation mode.
#[derive(Clone)]
struct Test {
    graph: Graph,
    features: Tensor,
    labels: Tensor,
    /// How many classes are more likely than the label `[N, 1]`.
    ranks: Tensor,
}

impl FinetunePlan {
    /// The backbone of a run on the labelled training images of `data`, which [`with_label_percent`](super::with_label_percent) may have made fewer.
    pub fn new(config: &Config, data: &Dataset, options: &FinetuneOptions) -> Result<FinetunePlan, EvalError> {
        let name = || data.name.clone();
        if let Some(missing) = missing(data) {
            return Err(EvalError::Missing { data: name(), missing });
        }
        let images = data.bank().len();
        if images < 2 {
            return Err(EvalError::TooFewLabels { data: name(), images });
        }
        let batch = options.batch.clamp(2, images);
        let mut config = Config { augment: crops(&config.augment), ..config.clone() };
        config.optim.optimizer = Optimizer::Sgd;
        (config.optim.momentum, config.optim.weight_decay) = (MOMENTUM, options.weight_decay);
        config.optim.exclude_norms = false;

        let mut parameters = Parameters::new();
        let spec = FeatureSpec::new(data.test.size(), batch, &[Output::Backbone]);
        let features = FeaturePlan::new(&config, &mut parameters, &spec)?;
        let backbone = parameters.clone();
        let (mut step, group) = (Graph::new(), ViewGroup::new(&config, &[0]));
        let feed = Feed::streamed(&mut step, data.bank().size(), std::slice::from_ref(&group), batch);
        let views = feed.views(&mut step)?;
        let classes = classes(data);
        let nodes = supervised_step(&mut step, views[0], classes, &config, &mut parameters)?;
        let test = Test::new(batch, features.width(0), classes, &mut parameters)?;
        let options = FinetuneOptions { batch, ..options.clone() };
        Ok(FinetunePlan { config, options, classes, group, backbone, parameters, step, feed, nodes, features, test })
    }

    /// The entries of the backbone, whose weights [`FinetunePlan::compile`] takes.
    pub fn backbone(&self) -> &Parameters {
        &self.backbone
    }

    /// Its graphs, and how often they are replayed.
    pub fn work(&self, data: &Dataset) -> Vec<Work<'_>> {
        let steps = self.options.epochs * steps_per_epoch(data.bank().len(), self.options.batch);
        let batches = self.features.batches(&*data.test) as u64;
        vec![
            Work { graph: &self.step, runs: steps as u64 },
            Work { graph: self.features.graph(), runs: batches },
            Work { graph: &self.test.graph, runs: batches },
        ]
    }

    /// See [`Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.step.choose(choices);
        self.features.choose(choices);
        self.test.graph.choose(choices);
    }

    /// Allocates and compiles it, with these weights of the backbone (in the order of [`FinetunePlan::backbone`]), or random ones. Fails where it
    /// needs more memory than there is.
    pub fn compile(mut self, gpu: &Gpu, weights: Option<Vec<Vec<f32>>>) -> Result<Finetune, EvalError> {
        let target = Target::of(gpu);
        let report = gpu.report();
        let words = |arena| self.parameters.words(arena) as u64;
        let state = 4 * (3 * words(Arena::PARAMETERS) + words(Arena::RUNNING));
        let evaluation = self.features.graph().memory(&target)?.beside(&self.test.graph.memory(&target)?);
        let allowed = self.config.run.memory.0;
        let fixed = state + evaluation.fixed;
        self.step.recompute(&target, allowed.map(|bytes| bytes.saturating_sub(fixed)))?;
        // They take turns.
        refuse_above(state + evaluation.beside(&self.step.memory(&target)?).total(), allowed, report.memory)?;

        let mut store = Store::new(gpu);
        self.parameters.allocate(&mut store)?;
        self.parameters.write(&store, &self.first_values(weights));
        let step = Program::compile(&self.step, &mut store)?;
        let test = Program::compile(&self.test.graph, &mut store)?;
        let features = self.features.clone().compile(&mut store)?;
        Ok(Finetune {
            losses: step.readback(&[self.nodes.loss]),
            plan: self,
            store,
            step,
            features,
            test,
            unread: Vec::new(),
        })
    }

    fn first_values(&self, weights: Option<Vec<Vec<f32>>>) -> Vec<Vec<f32>> {
        let seed = self.options.seed;
        let mut values = self.parameters.initialize(seed);
        for (value, weights) in values.iter_mut().zip(weights.into_iter().flatten()) {
            *value = weights;
        }
        let mut draw = Draw::new(seed, Purpose::Probe, 0, 0, 0);
        for (entry, value) in self.parameters.entries().iter().zip(&mut values) {
            match (entry.rate, entry.format) {
                (RateGroup::Classifier, Format::Vector) => value.fill(0.0),
                (RateGroup::Classifier, _) => value.fill_with(|| (FIRST_WEIGHTS * draw.normal()) as f32),
                _ => {}
            }
        }
        values
    }
}

impl Test {
    fn new(batch: usize, width: usize, classes: usize, parameters: &mut Parameters) -> Result<Test, EvalError> {
        let mut graph = Graph::new();
        let features = graph.input("features", Shape::rows([batch, width]));
        let labels = graph.input("labels", Shape::rows([batch]));
        let logits = classify(&mut Builder::new(&mut graph, parameters, Mode::Eval), features, classes)?;
        let ranks = graph.add_one(ops::TopkRank { groups: 1 }, &[logits, labels])?;
        graph.keep(ranks);
        Ok(Test { graph, features, labels, ranks })
    }
}

/// A fine-tuning on a device.
pub struct Finetune {
    plan: FinetunePlan,
    store: Store,
    step: Program,
    losses: Readback,
    features: Features,
    test: Program,
    /// Labelled images that could not be read.
    unread: Vec<String>,
}

impl Finetune {
    /// Trains on the images of the plan and classifies the test images. Fails where the loss is no number.
    pub fn run(
        &mut self,
        data: &Dataset,
        listener: &mut dyn FnMut(&FinetuneEvent),
    ) -> Result<FinetuneReport, EvalError> {
        let FinetunePlan { options, nodes, group, feed, config, .. } = &self.plan;
        let (set, batch) = (data.bank(), options.batch);
        let steps = steps_per_epoch(set.len(), batch);
        let all = options.epochs * steps;
        let sequence = Sequence::new(options.seed, set.len(), batch);
        let views = Views::Training { groups: vec![group.clone()], sequence, seed: options.seed };
        let (unreadable, pace) = (config.data.max_unreadable, Pace::new(config, batch));
        let mut loader = Loader::new(set.clone(), views, unreadable, pace, 0..(all * batch) as u64);
        let scale = batch as f64 / 256.0;
        let mut loss = f64::NAN;
        for epoch in 0..options.epochs {
            let mut sum = 0.0;
            let mut arrived =
                |losses: Vec<Vec<f32>>| sum += losses.iter().flatten().next().map_or(f64::NAN, |&loss| f64::from(loss));
            for step in epoch * steps..(epoch + 1) * steps {
                let factor = scale * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / all as f64).cos());
                let [backbone, classifier] = options.rates.map(|rate| (rate * factor) as f32);
                let images = loader.next_batch(batch)?;
                feed.write(&self.step, &images);
                self.step.write(nodes.labels, &floats(&labels(&**set, &images.images)));
                self.step.write(nodes.rates, &[backbone, 0.0, classifier]);
                self.step.run(Some((&mut self.losses, 0)))?;
                while let Some((_, losses)) = self.losses.poll()? {
                    arrived(losses);
                }
                listener(&FinetuneEvent::Step(step + 1, all));
            }
            while let Some((_, losses)) = self.losses.wait()? {
                arrived(losses);
            }
            loss = sum / steps as f64;
            if !loss.is_finite() {
                return Err(EvalError::Diverged { epoch: epoch + 1, loss });
            }
            listener(&FinetuneEvent::Epoch(epoch + 1, loss));
        }
        self.unread = loader.remarks();
        let images = set.len();
        let scores = self.classify(&data.test, listener)?;
        if scores.images == 0 {
            return Err(EvalError::NothingLeft { data: data.name.clone(), part: "test" });
        }
        Ok(FinetuneReport { images, batch, loss, scores })
    }

    /// Classifies the images of a set that can be read, with the network as it is.
    pub fn classify(
        &mut self,
        set: &Arc<dyn ImageSet>,
        listener: &mut dyn FnMut(&FinetuneEvent),
    ) -> Result<Scores, EvalError> {
        let test = &self.plan.test;
        let mut loader = self.features.loader(set);
        let (mut ranked, mut place, mut batches) = (Vec::new(), 0, 0);
        loop {
            let images = self.features.next(&mut loader)?;
            if images.is_empty() {
                return Ok(Scores::new(self.plan.classes, ranked.into_iter()));
            }
            let labels = labels(&**set, &images);
            self.features.copy(0, 0..images.len(), &self.test, test.features, 0);
            let mut classes = floats(&labels);
            classes.resize(self.plan.options.batch, 0.0);
            self.test.write(test.labels, &classes);
            self.test.run(None)?;
            let ranks = self.test.read(test.ranks)?;
            for ((&image, label), rank) in images.iter().zip(labels).zip(ranks) {
                // Another than its place says is only there because that one could not be read.
                if image == place {
                    ranked.push((label, rank as usize));
                }
                place += 1;
            }
            batches += 1;
            listener(&FinetuneEvent::Test(batches));
        }
    }

    /// Weights and running statistics of the backbone, in the order of [`FinetunePlan::backbone`], then of the classifier. Waits for the device.
    pub fn weights(&self) -> Result<Vec<Vec<f32>>, EvalError> {
        Ok(self.plan.parameters.read(&self.store)?)
    }

    /// What is wrong with images that could not be read, each reported once.
    pub fn remarks(&mut self) -> Vec<String> {
        [std::mem::take(&mut self.unread), self.features.remarks()].concat()
    }
}

fn floats(labels: &[u32]) -> Vec<f32> {
    labels.iter().map(|&label| label as f32).collect()
}
