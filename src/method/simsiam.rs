//! SimSiam (Chen & He, "Exploring Simple Siamese Representation Learning", 2020): two views through one encoder, a predictor
//! on one side, no gradient on the other.

use super::{LossScale, optimizer};
use crate::config::{self, Config, Similarity, Symmetry};
use crate::graph::{Graph, GraphError, Precision, Shape, Tensor};
use crate::model::{self, Builder, Mode, Parameters};
use crate::ops;

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;
/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

/// The tensors of a training step that others look at. `N` images make `2N` rows: view 1 of all, then view 2 of all.
#[derive(Debug, Clone)]
pub struct Step {
    /// `[1]`, kept.
    pub loss: Tensor,
    /// Projections `[2N, dim]`.
    pub z: Tensor,
    /// Predictions `[2N, dim]`.
    pub p: Tensor,
    /// Backbone features `[2N, F]`.
    pub features: Tensor,
    /// z / |z| `[2N, dim]`, kept.
    pub normalized_z: Tensor,
    /// Standard deviation of every channel of z / |z| over the images, view 1: `[dim]`, kept.
    pub output_std: Tensor,
    /// Its mean over the channels `[1]`, kept: about 1/sqrt(dim) when healthy, 0 when z is constant.
    pub mean_output_std: Tensor,
    /// Learning rates of encoder and predictor `[2]`, written by the host before every step.
    pub rates: Tensor,
    /// What the loss is multiplied with before the backward pass where the run is in f16, `[1]`: state, see [`LossScale`].
    pub loss_scale: Option<Tensor>,
    /// The gradient of every trained entry (its index in [`Parameters::entries`]) that the loss depends on, times the loss scale
    /// of the step.
    pub gradients: Vec<(usize, Tensor)>,
}

/// Adds one training step to a graph: `views` `[2N, S, S, 3]` through encoder, projector and predictor, the loss
///
/// L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2
///
/// (paper Eq. 4; only D(p1, stopgrad(z2)) where `method.symmetry` is `asymmetric`), its gradients, and SGD. New parameters
/// are added to `parameters`.
///
/// Where `run.precision` is f16, encoder, projector and predictor keep activations and their gradients in f16. Loss and what is
/// watched are computed in f32 from z and p, which cost little.
pub fn training_step(
    graph: &mut Graph,
    views: Tensor,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<Step, GraphError> {
    let rows = graph.shape(views).dims()[0];
    if !rows.is_multiple_of(2) || rows < 4 {
        return Err(refused(
            graph,
            views,
            "two views of at least two images are wanted",
        ));
    }
    let images = rows / 2;
    let precision = match config.run.precision {
        config::Precision::F32 => Precision::F32,
        config::Precision::F16 => Precision::F16,
    };
    let mut builder = Builder::new(graph, parameters, Mode::Train { views: 2 });
    let (features, z) = builder.within("encoder", |builder| {
        let views = ops::cast(builder.graph, views, precision)?;
        let features = model::features(builder, views, &config.model)?;
        let z = model::projector(builder, features, &config.model, &config.method)?;
        Ok::<_, GraphError>((features, z))
    })?;
    let p = model::predictor(&mut builder, z, &config.model, &config.method)?;
    let trained = builder.trained();

    let in_f32 = |graph: &mut Graph, tensor| ops::cast(graph, tensor, Precision::F32);
    let (p, z) = match p == z {
        true => [in_f32(graph, z)?; 2].into(),
        false => (in_f32(graph, p)?, in_f32(graph, z)?),
    };
    let loss = graph.within("loss", |graph| loss(graph, p, z, images, config))?;
    let normalized_z = graph.add_one(ops::L2Normalize { eps: NORMALIZE_EPS }, &[z])?;
    let output_std = graph.add_one(ops::ColumnStd { rows: images }, &[normalized_z])?;
    let mean = ops::Mean {
        count: config.model.dim,
        scale: 1.0,
    };
    let mean_output_std = graph.add_one(mean, &[output_std])?;
    for tensor in [loss, normalized_z, output_std, mean_output_std] {
        graph.keep(tensor);
    }

    let loss_scale = (precision == Precision::F16).then(|| LossScale::scale(graph));
    let gradients = optimizer::gradients(graph, loss, loss_scale, &trained, parameters)?;
    let gradients = trained
        .iter()
        .zip(gradients)
        .filter_map(|(&(index, _), gradient)| Some((index, gradient?)))
        .collect();
    let rates = graph.input("learning rates", Shape::rows([2]));
    let inverse = match loss_scale {
        Some(scale) => Some(LossScale::follow(graph, scale, parameters)?),
        None => None,
    };
    optimizer::sgd(graph, rates, inverse, &config.optim, parameters)?;
    Ok(Step {
        loss,
        z,
        p,
        features,
        normalized_z,
        output_std,
        mean_output_std,
        rates,
        loss_scale,
        gradients,
    })
}

/// Rows of p meet the other view's rows of z; D is the mean over the rows that count.
fn loss(
    graph: &mut Graph,
    p: Tensor,
    z: Tensor,
    images: usize,
    config: &Config,
) -> Result<Tensor, GraphError> {
    let mut target = graph.add_one(ops::SwapViews, &[z])?;
    if config.method.stop_gradient {
        target = graph.add_one(ops::StopGradient, &[target])?;
    }
    let (rows, scale) = match config.method.similarity {
        Similarity::Cosine => {
            let cosine = ops::CosineSimilarity { eps: COSINE_EPS };
            (graph.add_one(cosine, &[p, target])?, -1.0)
        }
        Similarity::CrossEntropy => (graph.add_one(ops::SoftCrossEntropy, &[p, target])?, 1.0),
    };
    let count = match config.method.symmetry {
        Symmetry::Symmetric => 2 * images,
        Symmetry::Asymmetric => images,
        Symmetry::Asymmetric2x => {
            return Err(refused(graph, p, "asymmetric_2x is not available yet"));
        }
    };
    graph.add_one(ops::Mean { count, scale }, &[rows])
}

/// What evaluation reads, both kept.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Backbone features `[N, F]`, not normalised.
    pub features: Tensor,
    /// Projections `[N, dim]`, where they were asked for.
    pub z: Option<Tensor>,
}

/// Adds the network in evaluation mode to a graph: `images` `[N, S, S, 3]`, batch norm with the running statistics. In f32
/// whatever the run's precision: it keeps no activation for a backward pass, so f16 would save little memory, and figures of runs
/// in both precisions are measured alike.
pub fn evaluation(
    graph: &mut Graph,
    images: Tensor,
    config: &Config,
    parameters: &mut Parameters,
    with_projection: bool,
) -> Result<Evaluation, GraphError> {
    let mut builder = Builder::new(graph, parameters, Mode::Eval);
    let (features, z) = builder.within("encoder", |builder| {
        let features = model::features(builder, images, &config.model)?;
        let z = match with_projection {
            true => Some(model::projector(
                builder,
                features,
                &config.model,
                &config.method,
            )?),
            false => None,
        };
        Ok::<_, GraphError>((features, z))
    })?;
    for tensor in std::iter::once(features).chain(z) {
        graph.keep(tensor);
    }
    Ok(Evaluation { features, z })
}

fn refused(graph: &Graph, tensor: Tensor, reason: &str) -> GraphError {
    GraphError::Shape {
        label: "simsiam".to_string(),
        op: "training_step",
        inputs: format!("{:?}", graph.shape(tensor)),
        reason: reason.to_string(),
    }
}
