//! What a step reads that changes from step to step: written by the host before every replay.

use std::fmt;
use std::sync::Arc;

use crate::graph::{Program, Tensor};

/// A step of a training.
#[derive(Debug, Clone, Copy)]
pub struct StepInfo<'a> {
    /// Its number, from 0.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Its images, each once.
    pub images: &'a [u32],
}

/// Values of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum HostValues {
    /// Whole numbers.
    Words(Vec<u32>),
    /// Numbers.
    Floats(Vec<f32>),
}

/// An input of a step's graph, and its values as a function of the step.
#[derive(Clone)]
pub struct HostInput {
    /// The tensor.
    pub tensor: Tensor,
    values: Arc<dyn Fn(&StepInfo) -> HostValues + Send + Sync>,
}

impl HostInput {
    /// `values` must depend on the step alone: a run that was interrupted asks for the same again.
    pub fn new(tensor: Tensor, values: impl Fn(&StepInfo) -> HostValues + Send + Sync + 'static) -> HostInput {
        HostInput { tensor, values: Arc::new(values) }
    }

    /// Its values in a step.
    pub fn values(&self, info: &StepInfo) -> HostValues {
        (self.values)(info)
    }

    /// Writes its values for the next replay.
    pub fn write(&self, program: &Program, info: &StepInfo) {
        match self.values(info) {
            HostValues::Words(words) => program.write_words(self.tensor, &words),
            HostValues::Floats(floats) => program.write(self.tensor, &floats),
        }
    }
}

impl fmt::Debug for HostInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostInput").field("tensor", &self.tensor).finish_non_exhaustive()
    }
}
