//! The numbers of steps on their way from the device: few of most steps, more of some.

use std::collections::VecDeque;

use super::rank::rank_of_gram;
use crate::gpu::{GpuError, Readback};
use crate::graph::Program;
use crate::method::Step;
use crate::method::watch::RANK_ROWS;

/// Watched so often an epoch, beside its last step.
const TIMES_AN_EPOCH: u64 = 10;
/// At most so many steps lie between.
const FARTHEST: u64 = 100;

/// Whether more than the few numbers are read of a step, counted from 1. A function of the run's settings alone: a run that was
/// interrupted watches the same steps.
pub(super) fn is_watched(step: u64, steps_per_epoch: u64) -> bool {
    let every = steps_per_epoch.div_ceil(TIMES_AN_EPOCH).clamp(1, FARTHEST);
    let of_epoch = (step.max(1) - 1) % steps_per_epoch.max(1) + 1;
    of_epoch == steps_per_epoch || of_epoch.is_multiple_of(every)
}

/// The numbers of one step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepMetrics {
    pub step: u64,
    pub loss: f32,
    pub output_std: f32,
    /// Of the next step; `None` in f32.
    pub loss_scale: Option<f32>,
    pub z_norm: f32,
    pub p_norm: f32,
    pub view_cosine: f32,
    /// Of every stage; empty where the step was skipped.
    pub gradient_norms: Vec<f32>,
    pub more: Option<WatchedMetrics>,
}

/// What is read of watched steps only.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WatchedMetrics {
    pub effective_rank: f64,
    pub channel_std: Vec<f32>,
}

impl StepMetrics {
    /// L2 norm of the whole gradient, where it is a number.
    pub fn gradient_norm(&self) -> Option<f32> {
        let squares = self.gradient_norms.iter().map(|&n| f64::from(n).powi(2));
        let norm = squares.sum::<f64>().sqrt() as f32;
        (norm.is_finite() && !self.gradient_norms.is_empty()).then_some(norm)
    }
}

/// Two rings of readbacks, and which one each step took.
pub(super) struct Inbox {
    few: Readback,
    many: Readback,
    /// Whether each step under way took `many`.
    order: VecDeque<bool>,
    stages: usize,
    scaled: bool,
    dim: usize,
    gram_side: usize,
    /// Rows of the Gram matrix.
    rows: usize,
}

impl Inbox {
    /// Of the steps of a program whose batches have `images` images and whose outputs `dim` channels.
    pub fn new(program: &Program, nodes: &Step, images: usize, dim: usize) -> Inbox {
        let (outputs, gradients) = (&nodes.outputs, &nodes.gradient_norms);
        let few = nodes.readback_tensors();
        let many = [&few[..], &[nodes.output_std, outputs.gram]].concat();
        Inbox {
            few: program.readback(&few),
            many: program.readback(&many),
            order: VecDeque::new(),
            stages: gradients.stages.len(),
            scaled: nodes.loss_scale.is_some(),
            dim,
            gram_side: outputs.gram_side,
            rows: images.min(RANK_ROWS),
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

    /// In the order of [`Step::readback_tensors`].
    fn read(&self, step: u64, values: &[Vec<f32>]) -> StepMetrics {
        let mut values = values.iter().map(Vec::as_slice);
        let mut next = || values.next().unwrap_or_default();
        let one = |words: &[f32]| words.first().copied().unwrap_or(f32::NAN);
        let [loss, output_std, z_norm, p_norm, view_cosine] = [(); 5].map(|()| one(next()));
        let norms = next();
        let [loss_scale, factor] = match self.scaled {
            true => [(); 2].map(|()| Some(one(next()))),
            false => [None; 2],
        };
        let more = [next(), next()];
        StepMetrics {
            step,
            loss,
            output_std,
            loss_scale,
            z_norm,
            p_norm,
            view_cosine,
            gradient_norms: match factor {
                Some(0.0) => Vec::new(),
                _ => norms[..self.stages.min(norms.len())].to_vec(),
            },
            more: match more {
                [[], _] | [_, []] => None,
                [stds, gram] => Some(WatchedMetrics {
                    effective_rank: rank_of_gram(gram, self.gram_side, self.rows),
                    channel_std: stds[..self.dim.min(stds.len())].to_vec(),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests;
