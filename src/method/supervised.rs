//! The step that fine-tunes a backbone: a linear classifier on top of it, and both trained with labels.

use super::optimizer;
use crate::config::Config;
use crate::graph::{Graph, GraphError, Shape, Tensor};
use crate::model::{self, Bias, Builder, Mode, Parameters, RateGroup};
use crate::ops;

/// The module's name.
const CLASSIFIER: &str = "classifier";

/// The tensors of such a step that the host writes and reads.
#[derive(Debug, Clone)]
pub struct SupervisedStep {
    /// Classes of the images `[N]`, written before every step.
    pub labels: Tensor,
    /// Learning rates `[3]`, one a [`RateGroup`], written before every step; there is no predictor.
    pub rates: Tensor,
    /// Mean cross entropy of the batch `[1]`, kept.
    pub loss: Tensor,
}

/// Adds such a step to a graph: `images` `[N, S, S, 3]`, batch norm with the batch's statistics and its scales, shifts and running
/// statistics trained; gradients, and the optimiser of `config`. In f32 whatever the run's precision. New parameters are added to `parameters`, which may hold
/// the backbone and nothing else that is trained.
pub fn supervised_step(
    graph: &mut Graph,
    images: Tensor,
    classes: usize,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<SupervisedStep, GraphError> {
    let batch = graph.shape(images).dims()[0];
    let labels = graph.input("labels", Shape::rows([batch]));
    let rates = graph.input("learning rates", Shape::rows([3]));
    let mut builder = Builder::new(graph, parameters, Mode::Train { views: 1 });
    let features = builder.within("encoder", |builder| model::features(builder, images, &config.model))?;
    let logits = classify(&mut builder, features, classes)?;
    let trained = builder.into_tensors();
    let trained = parameters.trained_of(&trained);
    let each = graph.add_one(ops::LabelCrossEntropy { groups: 1 }, &[logits, labels])?;
    let sum = graph.add_one(ops::SumRows, &[each])?;
    let loss = graph.add_one(ops::Mean { count: 1, scale: 1.0 / batch as f32 }, &[sum])?;
    graph.keep(loss);
    // The gradient of the mean, without going back through it.
    let mean = graph.constant(1.0 / batch as f32, Shape::rows([batch, 1]));
    optimizer::gradients(graph, each, Some(mean), &trained, parameters)?;
    optimizer::update(graph, rates, None, &config.optim, parameters)?;
    Ok(SupervisedStep { labels, rates, loss })
}

/// Adds the classifier: features `[N, F]` → logits `[N, classes]`.
pub fn classify(builder: &mut Builder, features: Tensor, classes: usize) -> Result<Tensor, GraphError> {
    builder.rate(RateGroup::Classifier, |builder| builder.linear(CLASSIFIER, features, classes, Bias::Trained))
}
