//! The numbers of steps on their way from the device: few of most steps, more of some.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Readings;
use crate::gpu::{GpuError, Readback};
use crate::graph::{Program, Tensor};
use crate::method::watch::Gradients;
use crate::method::{Cadence, Metric, Source, TrainStep};
use crate::train::rank::rank_of_gram;

/// Watched so often an epoch, beside its last step.
const TIMES_AN_EPOCH: u64 = 10;
/// At most this many steps lie between.
const FARTHEST: u64 = 100;

/// Whether more than the few numbers are read of a step, counted from 1. A function of the run's settings alone: a run that was
/// interrupted watches the same steps.
pub(in crate::train) fn is_watched(step: u64, steps_per_epoch: u64) -> bool {
    let every = steps_per_epoch.div_ceil(TIMES_AN_EPOCH).clamp(1, FARTHEST);
    let of_epoch = (step.max(1) - 1) % steps_per_epoch.max(1) + 1;
    of_epoch == steps_per_epoch || of_epoch.is_multiple_of(every)
}

/// The numbers of one step.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct StepMetrics {
    pub step: u64,
    /// The host's are not among them yet.
    pub readings: Readings,
    /// Norm of the gradient of every stage; empty where the step was skipped.
    pub gradient_norms: Vec<f32>,
    pub watched: Option<WatchedMetrics>,
}

/// What is read of watched steps only.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::train) struct WatchedMetrics {
    pub readings: Readings,
    pub channel_std: Vec<f32>,
}

/// Two rings of readbacks, and which one each step took.
pub(in crate::train) struct Inbox {
    metrics: Arc<[Metric]>,
    few: Readback,
    many: Readback,
    /// What comes back with either: `few` reads the first of them.
    tensors: Vec<Tensor>,
    /// Whether each step under way took `many`.
    order: VecDeque<bool>,
    gradients: Gradients,
    output_std: Tensor,
    dim: usize,
}

impl Inbox {
    /// Of the steps of a program whose outputs have `dim` channels. `metrics` are those of `nodes`, and perhaps some of the host.
    pub fn new(program: &Program, nodes: &TrainStep, metrics: &Arc<[Metric]>, dim: usize) -> Inbox {
        let mut tensors = nodes.readback_tensors();
        let few = program.readback(&tensors);
        let watched = metrics.iter().filter(|metric| metric.cadence == Cadence::Watched).flat_map(Metric::tensors);
        for tensor in watched.chain([nodes.output_std]) {
            if !tensors.contains(&tensor) {
                tensors.push(tensor);
            }
        }
        Inbox {
            metrics: metrics.clone(),
            few,
            many: program.readback(&tensors),
            tensors,
            order: VecDeque::new(),
            gradients: nodes.gradient_norms.clone(),
            output_std: nodes.output_std,
            dim,
        }
    }

    /// The ring that the next step is sent with.
    pub fn ring(&mut self, watched: bool) -> &mut Readback {
        self.order.push_back(watched);
        match watched {
            true => &mut self.many,
            false => &mut self.few,
        }
    }

    /// The numbers of the oldest step that has not been taken, if they have arrived. Never waits.
    pub fn poll(&mut self) -> Result<Option<StepMetrics>, GpuError> {
        self.take(Readback::poll)
    }

    /// Waits for the numbers of the oldest step; `None` where none is under way.
    pub fn wait(&mut self) -> Result<Option<StepMetrics>, GpuError> {
        self.take(Readback::wait)
    }

    fn take(
        &mut self,
        take: impl Fn(&mut Readback) -> Result<Option<(u64, Vec<Vec<f32>>)>, GpuError>,
    ) -> Result<Option<StepMetrics>, GpuError> {
        let arrived = match self.order.front() {
            None => None,
            Some(true) => take(&mut self.many)?,
            Some(false) => take(&mut self.few)?,
        };
        let Some((step, values)) = arrived else {
            return Ok(None);
        };
        self.order.pop_front();
        Ok(Some(self.read(step, &values)))
    }

    /// `values` are those of the first `tensors`.
    fn read(&self, step: u64, values: &[Vec<f32>]) -> StepMetrics {
        let words = |tensor: Tensor| -> Option<&[f32]> {
            let place = self.tensors.iter().position(|other| *other == tensor)?;
            values.get(place).map(Vec::as_slice)
        };
        let of = |cadence| {
            let mut readings = Readings::new(&self.metrics, cadence);
            readings.fill(|metric| number(metric.source, words));
            readings
        };
        let skipped = self.gradients.factor.and_then(words).is_some_and(|factor| factor.first() == Some(&0.0));
        let norms = words(self.gradients.norms).filter(|_| !skipped).unwrap_or_default();
        StepMetrics {
            step,
            readings: of(Cadence::Step),
            gradient_norms: norms[..self.gradients.stages.len().min(norms.len())].to_vec(),
            watched: words(self.output_std).map(|stds| WatchedMetrics {
                readings: of(Cadence::Watched),
                channel_std: stds[..self.dim.min(stds.len())].to_vec(),
            }),
        }
    }
}

/// The number of a source, from the words of its tensors; `None` where it has none.
fn number<'a>(source: Source, words: impl Fn(Tensor) -> Option<&'a [f32]>) -> Option<f64> {
    match source {
        Source::Tensor(tensor) => words(tensor)?.first().map(|&value| f64::from(value)),
        Source::Norm { tensor, count, factor } => {
            if factor.and_then(&words).is_some_and(|factor| factor.first() == Some(&0.0)) {
                return None;
            }
            let norms = words(tensor)?;
            let squares = norms[..count.min(norms.len())].iter().map(|&n| f64::from(n).powi(2));
            let norm = squares.sum::<f64>().sqrt() as f32;
            norm.is_finite().then_some(f64::from(norm))
        }
        Source::EffectiveRank { gram, side, rows } => Some(rank_of_gram(words(gram)?, side, rows)),
        Source::Host => None,
    }
}

#[cfg(test)]
mod tests;
