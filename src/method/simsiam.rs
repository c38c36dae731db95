//! SimSiam (Chen & He, "Exploring Simple Siamese Representation Learning", 2020): two views through one encoder, a predictor
//! on one side, no gradient on the other.

use super::{LossScale, Targets, optimizer, watch};
use crate::config::{self, Config, Similarity, Symmetry};
use crate::graph::{Graph, GraphError, Precision, Shape, Tensor};
use crate::model::{self, Builder, Mode, Parameters};
use crate::ops;

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;
/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

/// The tensors of a training step that others look at. `N` images make `2N` rows: view 1 of all, then view 2 of all. Where an image has
/// two pairs of views they make `4N`: the first of both pairs, then the second.
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
    /// z / |z| `[2N, dim]`.
    pub normalized_z: Tensor,
    /// Standard deviation of every channel of z / |z| over the images, view 1: `[dim]`, kept.
    pub output_std: Tensor,
    /// Its mean over the channels `[1]`, kept: about 1/sqrt(dim) when healthy, 0 when z is constant.
    pub mean_output_std: Tensor,
    /// Learning rates of encoder and predictor `[2]`, written by the host before every step.
    pub rates: Tensor,
    /// Rows of the table of targets that serve the step, in words, written by the host before every step: see [`Targets::index`].
    /// `None` where there is no table.
    pub target_rows: Option<Tensor>,
    /// What the loss is multiplied with before the backward pass where the run is in f16, `[1]`: state, see [`LossScale`].
    pub loss_scale: Option<Tensor>,
    /// The gradient of every trained entry (its index in [`Parameters::entries`]) that the loss depends on, times the loss scale
    /// of the step.
    pub gradients: Vec<(usize, Tensor)>,
    /// What is watched of z and p.
    pub outputs: watch::Outputs,
    /// What is watched of the gradients.
    pub gradient_norms: watch::Gradients,
}

impl Step {
    /// What the host reads after every step: loss, mean output std, lengths of z and p, cosine of the views, norms of the gradients
    /// and, where the loss is scaled, the scale and the factor that undoes it.
    pub fn told(&self) -> Vec<Tensor> {
        let (outputs, gradients) = (&self.outputs, &self.gradient_norms);
        let mut told =
            vec![self.loss, self.mean_output_std, outputs.z_norm, outputs.p_norm, outputs.view_cosine, gradients.norms];
        told.extend(self.loss_scale);
        told.extend(gradients.factor);
        told
    }
}

/// Adds one training step to a graph: `views` `[2N, S, S, 3]` through encoder, projector and predictor, the loss
///
/// L = D(p1, stopgrad(z2)) / 2 + D(p2, stopgrad(z1)) / 2
///
/// (paper Eq. 4; only D(p1, stopgrad(z2)) where `method.symmetry` is `asymmetric`, and of two pairs of views where it is
/// `asymmetric_2x`; other targets than z where [`Targets`] says so), its gradients, and SGD. `images` are those of the whole training.
/// New parameters are added to `parameters`.
///
/// Where `run.precision` is f16, encoder, projector and predictor keep activations and their gradients in f16. Loss and what is
/// watched are computed in f32 from z and p, which cost little.
pub fn training_step(
    graph: &mut Graph,
    views: Tensor,
    images: usize,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<Step, GraphError> {
    let batch = images_of(graph, views, config)?;
    let mut builder = training(graph, parameters, config);
    let (features, z) = encode(&mut builder, views, config)?;
    let p = model::predictor(&mut builder, z, &config.model, &config.method)?;
    let trained = builder.trained();

    let in_f32 = |graph: &mut Graph, tensor| ops::cast(graph, tensor, Precision::F32);
    let (p, z) = match p == z {
        true => [in_f32(graph, z)?; 2].into(),
        false => (in_f32(graph, p)?, in_f32(graph, z)?),
    };
    let normalized_z = graph.add_one(ops::L2Normalize { eps: NORMALIZE_EPS }, &[z])?;
    let targets = graph.within("targets", |graph| {
        let targets = Targets::of(config, images);
        targets.add(graph, [z, normalized_z], config, images, parameters)
    })?;
    let loss = graph.within("loss", |graph| loss(graph, p, targets.target, config))?;
    let output_std = graph.add_one(ops::ColumnStd { rows: batch }, &[normalized_z])?;
    let mean = ops::Mean { count: config.model.dim, scale: 1.0 };
    let mean_output_std = graph.add_one(mean, &[output_std])?;
    for tensor in [loss, output_std, mean_output_std] {
        graph.keep(tensor);
    }
    let outputs = graph.within("watched", |graph| watch::outputs(graph, [z, p, normalized_z], batch))?;

    let loss_scale = (config.run.precision == config::Precision::F16).then(|| LossScale::scale(graph));
    let gradients = optimizer::gradients(graph, loss, loss_scale, &trained, parameters)?;
    let gradients =
        trained.iter().zip(gradients).filter_map(|(&(index, _), gradient)| Some((index, gradient?))).collect();
    let rates = graph.input("learning rates", Shape::rows([2]));
    let inverse = match loss_scale {
        Some(scale) => Some(LossScale::follow(graph, scale, parameters)?),
        None => None,
    };
    let gradient_norms = graph.within("watched", |graph| watch::gradients(graph, inverse, parameters))?;
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
        target_rows: targets.index,
        loss_scale,
        gradients,
        outputs,
        gradient_norms,
    })
}

/// Adds what computes the targets of a step ahead, for [`Targets::Ahead`]: `views` through encoder and projector, as in a step (batch norm
/// by batch, running statistics moved), and the result to the table. The rows of the table to write, an input; `None` where the
/// configuration computes none ahead.
pub fn targets_ahead(
    graph: &mut Graph,
    views: Tensor,
    images: usize,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<Option<Tensor>, GraphError> {
    images_of(graph, views, config)?;
    let mut builder = training(graph, parameters, config);
    let (_, z) = encode(&mut builder, views, config)?;
    let z = ops::cast(graph, z, Precision::F32)?;
    let targets = Targets::of(config, images);
    graph.within("targets", |graph| targets.write(graph, z, config, images, parameters))
}

/// Images of a batch of views.
fn images_of(graph: &Graph, views: Tensor, config: &Config) -> Result<usize, GraphError> {
    let (rows, count) = (graph.shape(views).dims()[0], config.method.views());
    match rows / count {
        images if images >= 2 && rows.is_multiple_of(count) => Ok(images),
        _ => {
            let reason = format!("{count} views of at least two images are wanted");
            Err(GraphError::Shape {
                label: "simsiam".to_owned(),
                op: "training_step",
                inputs: format!("{:?}", graph.shape(views)),
                reason,
            })
        }
    }
}

fn training<'a>(graph: &'a mut Graph, parameters: &'a mut Parameters, config: &Config) -> Builder<'a> {
    let views = config.method.views();
    Builder::new(graph, parameters, Mode::Train { views })
}

/// Backbone features and projections of images, in the precision of the run.
fn encode(builder: &mut Builder, images: Tensor, config: &Config) -> Result<(Tensor, Tensor), GraphError> {
    let precision = match config.run.precision {
        config::Precision::F32 => Precision::F32,
        config::Precision::F16 => Precision::F16,
    };
    builder.within("encoder", |builder| {
        let images = ops::cast(builder.graph, images, precision)?;
        let features = model::features(builder, images, &config.model)?;
        let z = model::projector(builder, features, &config.model, &config.method)?;
        Ok((features, z))
    })
}

/// D is the mean over the rows that count.
fn loss(graph: &mut Graph, p: Tensor, target: Tensor, config: &Config) -> Result<Tensor, GraphError> {
    let all = graph.shape(p).row_count();
    let (rows, scale) = match config.method.similarity {
        Similarity::Cosine => {
            let cosine = ops::CosineSimilarity { eps: COSINE_EPS };
            (graph.add_one(cosine, &[p, target])?, -1.0)
        }
        Similarity::CrossEntropy => (graph.add_one(ops::SoftCrossEntropy, &[p, target])?, 1.0),
    };
    let count = match config.method.symmetry {
        Symmetry::Symmetric => all,
        Symmetry::Asymmetric | Symmetry::Asymmetric2x => all / 2,
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
            true => Some(model::projector(builder, features, &config.model, &config.method)?),
            false => None,
        };
        Ok::<_, GraphError>((features, z))
    })?;
    for tensor in std::iter::once(features).chain(z) {
        graph.keep(tensor);
    }
    Ok(Evaluation { features, z })
}
