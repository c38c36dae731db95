//! The end of every method's step: gradients beside each other in one arena, then the optimiser over all of it.

use std::sync::Arc;

use super::metric::{Drawn, Metric, Source, names};
use crate::config::{OptimConfig, Optimizer};
use crate::graph::{Graph, GraphError, Place, Shape, Tensor};
use crate::model::{Arena, Format, Parameters};
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

/// Adds the optimiser over all trained parameters, with `rates` `[2]`, one a [`RateGroup`](crate::model::RateGroup). Gradients of a scaled
/// loss are first multiplied by `inverse` `[1]`; where that is 0, the step is skipped.
pub(super) fn update(
    graph: &mut Graph,
    rates: Tensor,
    inverse: Option<Tensor>,
    config: &OptimConfig,
    parameters: &Parameters,
) -> Result<(), GraphError> {
    let words = parameters.words(Arena::PARAMETERS);
    let mut arena = |Arena(name)| graph.state(name, Shape::rows([words]), name, 0);
    let gradients = arena(Arena::GRADIENTS);
    let [weights, momentum] = [arena(Arena::PARAMETERS), arena(Arena::MOMENTUM)];
    let groups = groups(config, parameters);
    let lars = config.optimizer == Optimizer::Lars;
    let weight_decay = config.weight_decay as f32;
    let mut inputs = vec![gradients, rates];
    if lars {
        let (trust, scaled) = (config.lars_trust as f32, inverse.is_some());
        let scale = ops::LarsScale { groups: groups.clone(), trust, weight_decay, eps: ops::LarsScale::EPS, scaled };
        let operands = [&[weights, gradients], inverse.as_slice()].concat();
        inputs.push(graph.add_updating(Arc::new(scale), &operands, &[])?[0]);
    }
    inputs.extend(inverse);
    let (momentum_kept, scaled) = (config.momentum as f32, inverse.is_some());
    let sgd = ops::Sgd { momentum: momentum_kept, weight_decay, groups, lars, scaled };
    graph.add_updating(Arc::new(sgd), &inputs, &[weights, momentum])?;
    Ok(())
}

/// The learning rates, which the host writes.
pub(super) fn metrics() -> [Metric; 2] {
    [
        Metric {
            help: "The step size of the optimiser, as the schedule has it. Too high and the loss jumps or the outputs collapse; too low and the \
                   loss hardly moves.",
            log: true,
            drawn: Drawn::Window,
            ..Metric::new(names::LR, "Learning rate", Source::Host)
        },
        Metric::new(names::PREDICTOR_LR, "Learning rate of the predictor", Source::Host),
    ]
}

/// Every part of the parameters with the rate of its group. Where LARS applies, a tensor is a part.
fn groups(config: &OptimConfig, parameters: &Parameters) -> ops::Groups {
    let lars = config.optimizer == Optimizer::Lars;
    let segments = parameters.segments(|entry| {
        let included = !(config.exclude_norms && entry.format == Format::Vector);
        (entry.rate as usize, included, (lars && included).then_some(entry.offset))
    });
    let segment = |(end, (rate, decay, tensor)): (usize, (usize, bool, Option<usize>))| ops::Segment {
        end,
        rate,
        decay,
        lars: tensor.is_some(),
    };
    ops::Groups::Segments(segments.into_iter().map(segment).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::method::training_step;

    #[test]
    fn norms_and_biases_may_be_left_out_of_decay_and_lars() {
        let segments = |assignments: &[&str]| {
            let mut config = Config::default();
            let small = ["model.arch=resnet_tiny", "model.blocks=[1]", "model.width=4", "model.dim=6"];
            for assignment in small.iter().chain(assignments) {
                config.set(assignment).unwrap();
            }
            let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
            let views = graph.input("views", Shape::rows([4, 8, 8, 3]));
            training_step(&mut graph, &[views], 2, &config, &mut parameters).unwrap();
            let ops::Groups::Segments(segments) = groups(&config.optim, &parameters) else { panic!("segments") };
            (segments, parameters)
        };
        let (plain, parameters) = segments(&[]);
        assert_eq!(
            plain.iter().map(|s| (s.rate, s.decay, s.lars)).collect::<Vec<_>>(),
            [(0, true, false), (1, true, false)]
        );
        assert_eq!(plain[1].end, parameters.words(Arena::PARAMETERS));
        let (all, parameters) = segments(&["optim.optimizer=lars"]);
        assert_eq!(all.len(), parameters.of(Arena::PARAMETERS).count());
        assert!(all.iter().all(|s| s.decay && s.lars));
        let (some, parameters) = segments(&["optim.optimizer=lars", "optim.exclude_norms=true"]);
        let weights = parameters.of(Arena::PARAMETERS).filter(|entry| entry.format != Format::Vector);
        assert_eq!(some.iter().filter(|s| s.lars).count(), weights.count());
        assert!(some.iter().all(|s| s.decay == s.lars) && some.iter().any(|s| !s.decay));
    }
}
