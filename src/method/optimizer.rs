//! The end of every method's step: gradients beside each other in one arena, then the optimiser over all of it.

use std::sync::Arc;

use super::metric::{Drawn, Metric, Source, names};
use crate::config::OptimConfig;
use crate::graph::{Graph, GraphError, Op, Place, Shape, Tensor};
use crate::model::{Arena, Parameters, RateGroup};
use crate::ops;

/// Adds the gradients of `scale` (1 where there is none) times `loss` with respect to the trained tensors of a graph (indices of entries and their tensors), each
/// in [`Arena::GRADIENTS`] at its parameter's offset. Returns them in the order of `trained`; a parameter that the loss
/// does not depend on has none, and its words in the arena stay zero.
pub(super) fn gradients(
    graph: &mut Graph,
    loss: Tensor,
    scale: Option<Tensor>,
    trained: &[(usize, Tensor)],
    parameters: &Parameters,
) -> Result<Vec<Option<Tensor>>, GraphError> {
    let tensors: Vec<Tensor> = trained.iter().map(|&(_, tensor)| tensor).collect();
    let mut gradients = match scale {
        Some(scale) => ops::gradients_from(graph, loss, scale, &tensors)?,
        None => ops::gradients(graph, loss, &tensors)?,
    };
    let mut placed = Vec::new();
    for (gradient, &(index, _)) in gradients.iter_mut().zip(trained) {
        let Some(gradient) = gradient else { continue };
        let entry = &parameters.entries()[index];
        // Two parameters may share one gradient tensor, and a gradient may be a constant: such a one is copied.
        if graph.info(*gradient).place != Place::Pool || placed.contains(gradient) {
            let zero = graph.constant(0.0, entry.shape.clone());
            *gradient = graph.add_one(ops::Add, &[*gradient, zero])?;
        }
        graph.place(*gradient, Arena::GRADIENTS.0, entry.offset);
        placed.push(*gradient);
    }
    Ok(gradients)
}

/// Adds SGD over all trained parameters, with `rates` `[2]`, one a [`RateGroup`]. Gradients of a scaled
/// loss are first multiplied by `inverse` `[1]`; where that is 0, the step is skipped.
pub(super) fn sgd(
    graph: &mut Graph,
    rates: Tensor,
    inverse: Option<Tensor>,
    config: &OptimConfig,
    parameters: &Parameters,
) -> Result<(), GraphError> {
    let words = parameters.words(Arena::PARAMETERS);
    let mut arena = |Arena(name)| graph.state(name, Shape::rows([words]), name, 0);
    let gradients = arena(Arena::GRADIENTS);
    let updates = [arena(Arena::PARAMETERS), arena(Arena::MOMENTUM)];
    let op: Arc<dyn Op> = Arc::new(ops::Sgd {
        momentum: config.momentum as f32,
        weight_decay: config.weight_decay as f32,
        groups: groups(parameters),
        lars: false,
        scaled: inverse.is_some(),
    });
    let mut inputs = vec![gradients, rates];
    inputs.extend(inverse);
    graph.add_updating(op, &inputs, &updates)?;
    Ok(())
}

/// The learning rates, which the host writes.
pub(super) fn metrics() -> [Metric; 2] {
    [
        Metric { drawn: Drawn::Window, ..Metric::new(names::LR, "Learning rate", Source::Host) },
        Metric::new(names::PREDICTOR_LR, "Learning rate of the predictor", Source::Host),
    ]
}

/// Every part of the parameters with the rate of its group.
fn groups(parameters: &Parameters) -> ops::Groups {
    let segment = |(end, rate): (usize, RateGroup)| ops::Segment { end, rate: rate as usize, decay: true, lars: false };
    ops::Groups::Segments(parameters.rate_groups().into_iter().map(segment).collect())
}
