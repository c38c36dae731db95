//! The linear evaluation: a linear classifier on the frozen backbone's features (paper App. A and the authors' `main_lincls.py`).
//!
//! The whole protocol makes new features in every epoch, of random crops (area .08 to 1) that are flipped as in the run; the quick one
//! trains on the features of the images as they are evaluated, made once. Test images are seen at their centre in both. Rates follow a
//! cosine that moves once an epoch; a rest of images that fills no batch sits out the epoch.

use std::sync::Arc;

use super::features::{FeaturePlan, FeatureSpec, FeatureTable, Features, Output};
use super::knn::{classes, missing};
use super::probe::{Probe, ProbeOptimizer, ProbePlan};
use super::{EvalError, Scores};
use crate::augment::{Loader, ViewGroup, Views};
use crate::config::{AugmentConfig, Config};
use crate::data::{Dataset, ImageSet, Sequence, steps_per_epoch};
use crate::graph::Store;
use crate::model::Parameters;

/// Smallest and largest part of an image that a crop keeps (torchvision's `RandomResizedCrop` by default).
const CROP_SCALE: [f64; 2] = [0.08, 1.0];

/// How the classifiers are trained.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearOptions {
    /// Passes over the training images.
    pub epochs: usize,
    /// Base learning rates, one a classifier: those used are these times the batch / 256.
    pub rates: Vec<f64>,
    /// What moves the weights.
    pub optimizer: ProbeOptimizer,
    /// On features that are made once.
    pub quick: bool,
    /// Of first weights, order and crops.
    pub seed: u64,
}

impl LinearOptions {
    /// Rates that are worth trying: the best one differs by powers of ten between data sets, backbones and optimisers.
    pub fn default_rates(optimizer: ProbeOptimizer) -> &'static [f64] {
        match optimizer {
            // The paper has 30 on ImageNet; users of its code needed 100.
            ProbeOptimizer::Sgd => &[0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0],
            // The paper has 0.02, its code 0.1, both over many more steps than a small data set has.
            ProbeOptimizer::Lars => &[0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0],
        }
    }
}

/// Accuracy after an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Epochs done.
    pub epoch: usize,
    /// Share of the test images whose class comes first.
    pub top1: f64,
    /// Share whose class is among the first five.
    pub top5: f64,
    /// See [`Scores::macro_recall`].
    pub macro_recall: f64,
}

/// What became of one learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct RateResult {
    /// The base rate.
    pub base: f64,
    /// The rate of the first epoch: base times batch / 256.
    pub rate: f64,
    /// Mean loss of the last epoch; not finite where the classifier has diverged.
    pub loss: f64,
    /// The epoch of best top-1, the first of equals.
    pub best: Accuracy,
    /// After all epochs.
    pub last: Accuracy,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearReport {
    /// Features an image.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
    /// Images trained on, and classified.
    pub images: [usize; 2],
    /// Images a step.
    pub batch: usize,
    /// In the order of [`LinearOptions::rates`].
    pub rates: Vec<RateResult>,
}

impl LinearReport {
    /// The rate of best top-1 after all epochs, and of equal ones with the best epoch; `None` where all have diverged.
    pub fn best(&self) -> Option<&RateResult> {
        let key = |r: &RateResult| [r.last.top1, r.best.top1];
        let better = |a: &&RateResult, b: &&RateResult| key(a) > key(b);
        self.rates
            .iter()
            .filter(|rate| rate.loss.is_finite())
            .reduce(|best, rate| if better(&rate, &best) { rate } else { best })
    }

    /// Whether the best rate is the largest of several (`Some(true)`) or the smallest: one beyond it may be better still.
    pub fn at_edge(&self) -> Option<bool> {
        let best = self.best()?.base;
        let above = self.rates.iter().any(|rate| rate.base > best);
        let below = self.rates.iter().any(|rate| rate.base < best);
        match (below, above) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum LinearEvent {
    /// Features of test images, and in the quick protocol of training images, are made: batches done.
    Features(usize),
    /// Steps done of all.
    Step(usize, usize),
    /// An epoch is done: top-1 of every classifier.
    Epoch(usize, Vec<f64>),
}

/// The features that [`linear`] trains on, `batch` images a step, fewer where there are not as many.
pub fn linear_plan(
    config: &Config,
    data: &Dataset,
    parameters: &mut Parameters,
    batch: usize,
) -> Result<FeaturePlan, EvalError> {
    if let Some(missing) = missing(data) {
        let data = data.name.clone();
        return Err(EvalError::Missing { data, missing });
    }
    let one_size = data.bank().size().filter(|_| data.test.size().is_some());
    let batch = batch.clamp(1, data.bank().len());
    FeaturePlan::new(config, parameters, &FeatureSpec::new(one_size, batch, &[Output::Backbone]))
}

/// Where the features of a step come from.
enum Source {
    Cached { table: FeatureTable, labels: Vec<u32>, sequence: Sequence },
    Made(Loader),
}

/// Trains a classifier for every rate on the labelled training images, on features of the plan that [`linear_plan`] made, and classifies the
/// test images after every epoch. `network` is what makes the features: an error where a bit of it has changed at the end.
pub fn linear(
    features: &mut Features,
    network: (&Parameters, &Store),
    config: &Config,
    data: &Dataset,
    options: &LinearOptions,
    listener: &mut dyn FnMut(&LinearEvent),
) -> Result<LinearReport, EvalError> {
    let (parameters, store) = network;
    let before = parameters.read(store)?;
    let mut done = 0;
    let mut table = |features: &mut Features, set: &Arc<dyn ImageSet>, part: &'static str| {
        let table = features.table(set, &mut || {
            done += 1;
            listener(&LinearEvent::Features(done));
            true
        })?;
        let left = table.filter(|table| !table.images.is_empty());
        left.ok_or_else(|| EvalError::NothingLeft { data: data.name.clone(), part })
    };
    let test = table(features, &data.test, "test")?;
    let test_labels = labels(&*data.test, &test.images);
    let set = data.bank();
    let cached = match options.quick {
        true => Some(table(features, set, "training")?),
        false => None,
    };
    let images = cached.as_ref().map_or(set.len(), |t| t.images.len());
    let batch = features.plan().batch().min(images);
    let steps = steps_per_epoch(images, batch);
    let sequence = Sequence::new(options.seed, images, batch);
    let mut source = match cached {
        Some(table) => Source::Cached { labels: labels(&**set, &table.images), table, sequence },
        None => {
            let crops = Config { augment: crops(&config.augment), ..config.clone() };
            let views = Views::Training { groups: vec![ViewGroup::new(&crops, &[0])], sequence, seed: options.seed };
            let places = 0..(options.epochs * steps * batch) as u64;
            Source::Made(features.loader_of(set, views, places))
        }
    };
    let scale = batch as f64 / 256.0;
    let plan = ProbePlan {
        width: features.plan().width(0),
        classes: classes(data),
        batch,
        rates: options.rates.iter().map(|base| base * scale).collect(),
        optimizer: options.optimizer,
        seed: options.seed,
    };
    let (width, classes) = (plan.width, plan.classes);
    let mut probe = plan.compile(store.gpu())?;
    let mut rates: Vec<RateResult> = options
        .rates
        .iter()
        .map(|&base| RateResult { base, rate: base * scale, loss: f64::NAN, best: NOTHING, last: NOTHING })
        .collect();
    for epoch in 0..options.epochs {
        let progress = epoch as f64 / options.epochs as f64;
        let factor = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        for step in epoch * steps..(epoch + 1) * steps {
            let labels = next(&mut source, features, &probe, step, batch, &**set)?;
            probe.step(&labels, factor)?;
            listener(&LinearEvent::Step(step + 1, options.epochs * steps));
        }
        let losses = probe.losses()?;
        let ranks = probe.ranks(&test, &test_labels)?;
        for ((rate, loss), ranks) in rates.iter_mut().zip(losses).zip(ranks) {
            let ranked = test_labels.iter().copied().zip(ranks);
            let scores = Scores::new(classes, ranked);
            let macro_recall = scores.macro_recall();
            let Scores { top1, top5, .. } = scores;
            (rate.loss, rate.last) = (loss, Accuracy { epoch: epoch + 1, top1, top5, macro_recall });
            if top1 > rate.best.top1 || rate.best.epoch == 0 {
                rate.best = rate.last;
            }
        }
        let top1 = rates.iter().map(|rate| rate.last.top1).collect();
        listener(&LinearEvent::Epoch(epoch + 1, top1));
    }
    unchanged(parameters, &before, &parameters.read(store)?)?;
    Ok(LinearReport { width, classes, images: [images, test.images.len()], batch, rates })
}

/// Before the first epoch.
const NOTHING: Accuracy = Accuracy { epoch: 0, top1: 0.0, top5: 0.0, macro_recall: 0.0 };

/// Crops and flips, nothing else.
pub(super) fn crops(config: &AugmentConfig) -> AugmentConfig {
    AugmentConfig {
        crop_scale: CROP_SCALE,
        jitter_probability: 0.0,
        grayscale: 0.0,
        blur_probability: 0.0,
        solarize: 0.0,
        ..config.clone()
    }
}

pub(super) fn labels(set: &dyn ImageSet, images: &[u32]) -> Vec<u32> {
    let all = set.labels().unwrap_or_default();
    let label = |&image: &u32| all.get(image as usize).copied().unwrap_or(0);
    images.iter().map(label).collect()
}

/// Brings the features of a step to the classifiers, and says the classes of their images.
fn next(
    source: &mut Source,
    features: &mut Features,
    probe: &Probe,
    step: usize,
    batch: usize,
    set: &dyn ImageSet,
) -> Result<Vec<f32>, EvalError> {
    let (program, input) = probe.features();
    let classes = match source {
        Source::Cached { table, labels, sequence } => {
            let places = (step * batch) as u64..((step + 1) * batch) as u64;
            let rows: Vec<usize> = places.map(|n| sequence.at(n).1 as usize).collect();
            let values: Vec<f32> = rows.iter().flat_map(|&row| table.row(row)).copied().collect();
            program.write(input, &values);
            rows.iter().map(|&row| labels[row]).collect()
        }
        Source::Made(loader) => {
            let images = features.next(loader)?;
            features.copy(0, 0..images.len(), program, input, 0);
            labels(set, &images)
        }
    };
    Ok(classes.into_iter().map(|class| class as f32).collect())
}

/// Fails with the first tensor of which a bit has changed.
fn unchanged(parameters: &Parameters, before: &[Vec<f32>], after: &[Vec<f32>]) -> Result<(), EvalError> {
    let same = |a: &[f32], b: &[f32]| {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        bits(a) == bits(b)
    };
    let pairs = before.iter().zip(after);
    match parameters.entries().iter().zip(pairs).find(|(_, (a, b))| !same(a, b)) {
        Some((entry, _)) => Err(EvalError::Changed { tensor: entry.name.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(top1: &[(f64, f64)]) -> LinearReport {
        let rate = |&(base, top1): &(f64, f64)| RateResult {
            base,
            rate: base,
            loss: 0.1,
            best: Accuracy { top1, ..NOTHING },
            last: Accuracy { top1, ..NOTHING },
        };
        LinearReport { width: 1, classes: 2, images: [1, 1], batch: 1, rates: top1.iter().map(rate).collect() }
    }

    #[test]
    fn the_best_rate_is_named_and_whether_it_is_at_the_edge() {
        let edge = |top1: &[(f64, f64)]| {
            let report = report(top1);
            (report.best().map(|rate| rate.base), report.at_edge())
        };
        assert_eq!(edge(&[(1.0, 0.5), (3.0, 0.6), (10.0, 0.4)]), (Some(3.0), None));
        assert_eq!(edge(&[(1.0, 0.5), (3.0, 0.6)]), (Some(3.0), Some(true)));
        // In whatever order they were given; the first of equals.
        assert_eq!(edge(&[(3.0, 0.5), (1.0, 0.6), (2.0, 0.6)]), (Some(1.0), Some(false)));
        assert_eq!(edge(&[(3.0, 0.5)]), (Some(3.0), None));
        // A diverged one is never the best, whatever its weights happen to say.
        let mut report = report(&[(1.0, 0.5), (3.0, 0.6)]);
        report.rates[1].loss = f64::NAN;
        assert_eq!(report.best().map(|rate| rate.base), Some(1.0));
        report.rates[0].loss = f64::INFINITY;
        assert_eq!(report.best(), None);
    }

    #[test]
    fn a_changed_bit_shows() {
        let mut parameters = Parameters::new();
        let mut graph = crate::graph::Graph::new();
        let x = graph.input("x", crate::graph::Shape::rows([2, 3]));
        let mut builder = crate::model::Builder::new(&mut graph, &mut parameters, crate::model::Mode::Eval);
        let made = builder.linear("fc", x, 2, crate::model::Bias::None);
        assert!(made.is_ok());
        let before = parameters.initialize(0);
        assert!(unchanged(&parameters, &before, &before.clone()).is_ok());
        let mut after = before.clone();
        after[0][1] = f32::from_bits(after[0][1].to_bits() ^ 1);
        let error = unchanged(&parameters, &before, &after).err();
        assert!(error.is_some_and(|e| e.to_string().starts_with("fc.weight changed")));
    }
}
