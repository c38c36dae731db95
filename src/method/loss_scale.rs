//! The state of dynamic loss scaling, which training in f16 needs: gradients of activations reach down to where f16 has nothing
//! left, so the loss is multiplied by a scale before they are computed, and the optimiser divides them by it.

use std::sync::Arc;

use super::metric::{Metric, Source, names};
use crate::gpu::GpuError;
use crate::graph::{Graph, GraphError, Op, Shape, Store, Tensor};
use crate::model::{Arena, Parameters};
use crate::ops;

/// Where the state lives.
const ARENA: &str = "loss scale";
/// First word of the count of good steps there.
const GOOD_STEPS: usize = 64;

/// The scale and the good steps since it moved: what a resumed run must have to go on with the same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScaleState {
    /// Multiplies the loss; a power of two, so that scaling costs no digit.
    pub scale: f32,
    /// Steps whose gradients were finite since the scale last moved.
    pub good_steps: f32,
}

impl LossScaleState {
    /// `torch.amp.GradScaler`'s start.
    pub const INITIAL: LossScaleState = LossScaleState { scale: 65_536.0, good_steps: 0.0 };
    /// The scale falls no lower. Here a gradient of 1 is the smallest number of which f16 keeps all digits: what overflows
    /// nevertheless cannot be trained in f16.
    pub const LEAST: f32 = 1.0 / 16_384.0;
    /// The scale rises no higher (PyTorch knows no limit): here a gradient as small as f16's smallest number has become 1.
    pub const MOST: f32 = 16_777_216.0;
    /// `torch.amp.GradScaler`'s growth interval.
    const INTERVAL: u32 = 2000;

    /// Writes it to the store, where a graph that scales its loss has been compiled.
    pub fn write(&self, store: &Store) {
        if let Some(buffer) = store.arena(ARENA) {
            buffer.write(store.gpu(), 0, &[self.scale]);
            buffer.write(store.gpu(), GOOD_STEPS, &[self.good_steps]);
        }
    }

    /// Reads it from the store; `None` where no loss is scaled. Waits for the device.
    pub fn read(store: &Store) -> Result<Option<LossScaleState>, GpuError> {
        let Some(buffer) = store.arena(ARENA) else {
            return Ok(None);
        };
        let word = |at| buffer.read::<f32>(store.gpu(), at, 1).map(|words| words[0]);
        Ok(Some(LossScaleState { scale: word(0)?, good_steps: word(GOOD_STEPS)? }))
    }

    /// The tensor of the scale, from which the backward pass starts.
    pub(super) fn scale(graph: &mut Graph) -> Tensor {
        graph.state("loss scale", Shape::rows([1]), ARENA, 0)
    }

    /// What the loss will be multiplied with in the next step.
    pub(super) fn metric(scale: Tensor) -> Metric {
        Metric::new(names::LOSS_SCALE, "Loss scale", Source::Tensor(scale))
    }

    /// Adds the node that looks at the gradients and moves `scale`; what the optimiser multiplies the gradients with.
    pub(super) fn follow(graph: &mut Graph, scale: Tensor, parameters: &Parameters) -> Result<Tensor, GraphError> {
        let words = Shape::rows([parameters.words(Arena::PARAMETERS)]);
        let gradients = graph.state(Arena::GRADIENTS.0, words, Arena::GRADIENTS.0, 0);
        let good_steps = graph.state("good steps", Shape::rows([1]), ARENA, GOOD_STEPS);
        let op: Arc<dyn Op> = Arc::new(ops::LossScale {
            interval: LossScaleState::INTERVAL,
            least: LossScaleState::LEAST,
            most: LossScaleState::MOST,
        });
        Ok(graph.add_updating(op, &[gradients], &[scale, good_steps])?[0])
    }
}
