//! Self-supervised methods. A [`Method`] is one file: it says which views of an image it looks at, adds heads and loss to the
//! graph of a step, declares its keys, and says what healthy means. [`training_step`], [`precomputed_targets`] and [`evaluation`] are the same for all: everything
//! outside this folder works with them and with what a method declares. [`supervised_step`] trains what a method has learnt further, with labels.

pub mod byol;
mod contrast;
mod health;
mod input;
mod loss_scale;
pub mod metric;
pub mod moco;
mod optimizer;
mod registry;
pub mod simclr;
pub mod simsiam;
mod step;
mod supervised;
pub mod swav;
mod targets;
pub mod watch;

use std::fmt::Debug;

pub use contrast::Contrast;
pub use health::{Advice, AlarmKind, Health};
pub use input::{HostInput, HostValues, StepInfo};
pub use loss_scale::LossScaleState;
pub use metric::{Cadence, Drawn, Level, Metric, PerEpoch, Source};
pub use registry::{Registered, of, register};
pub(crate) use registry::{names, sections};
pub use step::{
    Evaluation, Objective, Precomputation, StepBuilder, TrainStep, evaluation, precomputed_targets, training_step,
};
pub use supervised::{SupervisedStep, classify, supervised_step};

use crate::augment::ViewGroup;
use crate::config::{Config, ConfigError};
use crate::graph::{GraphError, Tensor};
use crate::model::Mlp;

/// A self-supervised method with its settings.
pub trait Method: Debug + Send + Sync {
    /// The groups of views of an image in a step. Every group is one tensor of the step.
    fn views(&self, config: &Config) -> Vec<ViewGroup> {
        vec![ViewGroup::new(config, &[0, 1])]
    }

    /// The projector on top of the backbone. Its outputs z are what is watched, and what `eval` calls `projector`.
    fn projector(&self, config: &Config) -> Mlp;

    /// Adds networks, loss and what is updated before or with the forward pass to the graph of a step. `views` are the tensors of
    /// [`Method::views`], each `[count * N, size, size, 3]`.
    fn objective(&self, step: &mut StepBuilder, views: &[Tensor]) -> Result<Objective, GraphError>;

    /// Adds what is updated after the optimiser.
    fn after_optimizer(&self, _step: &mut StepBuilder) -> Result<(), GraphError> {
        Ok(())
    }

    /// Over how many steps targets are computed at once, with the weights before the first of them; `None` where a step computes its own.
    /// `images` are those of the whole training.
    fn precomputes(&self, _config: &Config, _images: usize) -> Option<u64> {
        None
    }

    /// Adds what computes the targets of one step, where [`Method::precomputes`] says that they are.
    fn precompute(&self, _step: &mut StepBuilder, _views: &[Tensor]) -> Result<(), GraphError> {
        Ok(())
    }

    /// The name in the authors' PyTorch code of a tensor of this program, where that is another; `None` for what is no part of the network.
    fn authors_name(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    /// What a healthy run looks like.
    fn health(&self, config: &Config) -> Health;

    /// What usually helps a run that goes wrong, the likeliest first.
    fn advice(&self, kind: AlarmKind, advice: &mut Advice);
}

/// Refuses small crops where the method of a configuration uses none.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let count = config.augment.small.count;
    if count == 0 || of(config).views(config).iter().any(|group| Some(group) == ViewGroup::small(config).as_ref()) {
        return Ok(());
    }
    Err(ConfigError::Value {
        origin: "configuration".to_owned(),
        key: "augment.small.count".to_owned(),
        value: count.to_string(),
        problem: format!("method {} uses no small crops; set it to 0", config.method.name()),
    })
}
