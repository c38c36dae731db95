//! The graphs of a training, whatever the method: the step, the pass that computes targets ahead of it, and evaluation.

use std::sync::Arc;

use super::{Cadence, HostInput, HostValues, LossScaleState, Method, Metric, StepInfo, optimizer, watch};
use crate::augment::ViewGroup;
use crate::config::{self, Config};
use crate::graph::{Graph, GraphError, Op, Precision, Shape, Tensor};
use crate::model::{self, Arena, Builder, Mode, Parameters};
use crate::ops;
use crate::ranks::share;

/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

/// The tensors of a training step that others look at. `N` images make `V N` rows of the first group of views: its first view of all images,
/// then the second.
#[derive(Debug, Clone)]
pub struct TrainStep {
    /// `[1]`, kept.
    pub loss: Tensor,
    /// Projections `[V N, dim]`.
    pub z: Tensor,
    /// Predictions `[V N, dim]`: z where there is no predictor.
    pub p: Tensor,
    /// Backbone features `[V N, F]`.
    pub features: Tensor,
    /// z / |z| `[V N, dim]`.
    pub normalized_z: Tensor,
    /// Standard deviation of every channel of z / |z| over the images, view 1: `[dim]`, kept.
    pub output_std: Tensor,
    /// Its mean over the channels `[1]`, kept: about 1/sqrt(dim) when healthy, 0 when z is constant.
    pub mean_output_std: Tensor,
    /// Learning rates of encoder and predictor `[2]`, written by the host before every step.
    pub rates: Tensor,
    /// What else the host writes before every step.
    pub inputs: Vec<HostInput>,
    /// What the loss is multiplied with before the backward pass where the run is in f16, `[1]`: state, see [`LossScaleState`].
    pub loss_scale: Option<Tensor>,
    /// The gradient of every trained entry (its index in [`Parameters::entries`]) that the loss depends on, times the loss scale
    /// of the step.
    pub gradients: Vec<(usize, Tensor)>,
    /// What is watched of z and p.
    pub outputs: watch::Outputs,
    /// What is watched of the gradients.
    pub gradient_norms: watch::Gradients,
    /// Everything that is measured of the step, in the order of a line of `metrics.jsonl`.
    pub metrics: Vec<Metric>,
}

impl TrainStep {
    /// What the host reads after every step.
    pub fn readback_tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for metric in self.metrics.iter().filter(|metric| metric.cadence == Cadence::Step) {
            for tensor in metric.tensors() {
                if !tensors.contains(&tensor) {
                    tensors.push(tensor);
                }
            }
        }
        tensors
    }
}

/// What a method adds to a step. Everything is in f32, of the first group of views.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// `[1]`.
    pub loss: Tensor,
    /// Projections `[V N, dim]`.
    pub z: Tensor,
    /// Predictions `[V N, dim]`: z where there is no predictor.
    pub p: Tensor,
    /// z / |z|: see [`StepBuilder::unit`].
    pub normalized_z: Tensor,
    /// Backbone features `[V N, F]`.
    pub features: Tensor,
}

/// What a method writes to: the graph of a step and the table of parameters behind it.
pub struct StepBuilder<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    /// The table of everything that outlives a step.
    pub parameters: &'a mut Parameters,
    /// Of the run.
    pub config: &'a Config,
    /// Images of the whole training.
    pub images: usize,
    /// Images of a batch, N; of all ranks together.
    pub batch: usize,
    inputs: Vec<HostInput>,
    /// What the method measures beside what is measured of every one.
    metrics: Vec<Metric>,
    /// See [`StepBuilder::update_last`].
    last: Vec<LastUpdate>,
    /// See [`StepBuilder::split_batch_norm`].
    splits: usize,
    /// Whether batch norm normalises the batch of all ranks together.
    synchronised: bool,
    /// What the optimiser multiplies the gradients with, 0 in a step that is skipped `[1]`; known after the optimiser, where a loss is scaled.
    factor: Option<Tensor>,
    /// Entries in this graph and their tensors.
    tensors: Vec<(usize, Tensor)>,
}

/// A node that is added at the end of a step.
struct LastUpdate {
    op: Arc<dyn Op>,
    inputs: Vec<Tensor>,
    updates: Vec<Tensor>,
}

impl<'a> StepBuilder<'a> {
    fn new(
        graph: &'a mut Graph,
        parameters: &'a mut Parameters,
        config: &'a Config,
        images: usize,
        (views, groups): (&[Tensor], &[ViewGroup]),
    ) -> Result<StepBuilder<'a>, GraphError> {
        let batch = images_of(graph, views, groups)? * graph.ranks().size;
        Ok(StepBuilder {
            graph,
            parameters,
            config,
            images,
            batch,
            inputs: Vec::new(),
            metrics: Vec::new(),
            last: Vec::new(),
            splits: 1,
            synchronised: config.optim.sync_batch_norm,
            factor: None,
            tensors: Vec::new(),
        })
    }

    /// Adds layers that run once for a batch of `views` views of every image, which batch norm normalises each by itself. A layer that is
    /// added twice, in one call or two, has its weights once.
    pub fn network<T>(
        &mut self,
        views: usize,
        build: impl FnOnce(&mut Builder) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        let mut builder = Builder::new(self.graph, self.parameters, Mode::Train { views });
        builder.split_batch_norm(self.splits);
        if self.synchronised {
            builder.synchronise_batch_norm();
        }
        builder.reuse(std::mem::take(&mut self.tensors));
        let built = build(&mut builder);
        self.tensors = builder.into_tensors();
        built
    }

    /// Adds encoder and projector of `method` on `images` `[views * N, S, S, 3]`: backbone features and projections, in the precision of the
    /// run.
    pub fn encode(
        &mut self,
        method: &dyn Method,
        images: Tensor,
        views: usize,
    ) -> Result<(Tensor, Tensor), GraphError> {
        let config = self.config;
        let precision = precision(config);
        self.network(views, |builder| {
            builder.within("encoder", |builder| {
                let images = ops::cast(builder.graph, images, precision)?;
                let features = model::features(builder, images, &config.model)?;
                let z = method.projector(config).add(builder, features)?;
                Ok((features, z))
            })
        })
    }

    /// Adds encoder and projector of `method` again, with averages of their weights and running statistics of its own, which moves as in
    /// training: MoCo's momentum encoder, BYOL's target network. Its weights have the name `momentum_encoder`; no gradient flows through it.
    pub fn momentum_encode(&mut self, method: &dyn Method, images: Tensor, views: usize) -> Result<Tensor, GraphError> {
        let config = self.config;
        let precision = precision(config);
        let z = self.network(views, |builder| {
            builder.averaged("momentum_encoder", "encoder", |builder| {
                builder.within("momentum_encoder", |builder| {
                    let images = ops::cast(builder.graph, images, precision)?;
                    let features = model::features(builder, images, &config.model)?;
                    method.projector(config).add(builder, features)
                })
            })
        })?;
        self.graph.add_one(ops::StopGradient, &[z])
    }

    /// Adds the update of the momentum encoder: m · its weights + (1 - m) · those of the encoder, with `momentum` `[1]`.
    pub fn update_momentum_encoder(&mut self, momentum: Tensor) -> Result<(), GraphError> {
        for (online, at) in self.parameters.averaged() {
            let shape = Shape::rows([online.len()]);
            let Arena(name) = Arena::PARAMETERS;
            let online = self.graph.state("online weights", shape.clone(), name, online.start);
            let Arena(name) = Arena::AVERAGED;
            let target = self.graph.state("averaged weights", shape, name, at);
            let inputs = [&[online, momentum], self.factor.as_slice()].concat();
            let op: Arc<dyn Op> = Arc::new(ops::Ema { scaled: self.factor.is_some() });
            self.graph.add_updating(op, &inputs, &[target])?;
        }
        Ok(())
    }

    /// The rows of all ranks, `[V N, ..]`, in the order of the whole batch; where there is one rank, `tensor` itself. Losses, and whatever
    /// looks at a whole batch, are computed from such tensors, by every rank alike: see [`ops::AllGather`] for what that means for gradients.
    pub fn gather(&mut self, tensor: Tensor) -> Result<Tensor, GraphError> {
        let ranks = self.graph.ranks();
        if ranks.is_alone() {
            return Ok(tensor);
        }
        let parts = self.graph.shape(tensor).dims()[0] / ranks.part(self.batch).len();
        self.graph.add_one(ops::AllGather { parts, ranks }, &[tensor])
    }

    /// A tensor in f32: losses are computed there, whatever the precision of the run.
    pub fn in_f32(&mut self, tensor: Tensor) -> Result<Tensor, GraphError> {
        ops::cast(self.graph, tensor, Precision::F32)
    }

    /// x / |x| of every row.
    pub fn unit(&mut self, x: Tensor) -> Result<Tensor, GraphError> {
        self.graph.add_one(ops::L2Normalize { eps: NORMALIZE_EPS }, &[x])
    }

    /// An input that the host writes before every step.
    pub fn input(
        &mut self,
        name: &str,
        shape: Shape,
        values: impl Fn(&StepInfo) -> HostValues + Send + Sync + 'static,
    ) -> Tensor {
        let tensor = self.graph.input(name, shape);
        self.inputs.push(HostInput::new(tensor, values));
        tensor
    }

    /// From here on batch norm normalises `splits` equal parts of every view each by itself, as on that many devices, which each hold a part of the
    /// batch. Several ranks share the parts.
    pub fn split_batch_norm(&mut self, splits: usize) -> Result<(), GraphError> {
        if splits > 1 {
            let ranks = self.graph.ranks();
            share(ranks, "method.split_batch_norm", splits, 1)?;
            self.splits = splits / ranks.size;
            self.synchronised = false;
        }
        Ok(())
    }

    /// Adds an update of state once everything has been read that the step reads of it: after the backward pass and the optimiser.
    pub fn update_last(&mut self, op: impl Op + 'static, inputs: &[Tensor], updates: &[Tensor]) {
        self.last.push(LastUpdate { op: Arc::new(op), inputs: inputs.to_vec(), updates: updates.to_vec() });
    }

    /// Declares a metric of the method's own; its tensors are kept.
    pub fn measure(&mut self, metric: Metric) {
        metric.tensors().iter().for_each(|&tensor| self.graph.keep(tensor));
        self.metrics.push(metric);
    }
}

/// Adds one training step of the method of `config` to a graph: the method's networks and loss on `views`, the tensors of
/// [`Method::views`], the gradients, the optimiser and what is watched. `images` are those of the whole training. New parameters are added to
/// `parameters`.
///
/// Where `run.precision` is f16, the networks keep activations and their gradients in f16. Loss and what is watched are computed in f32
/// from z and p, which cost little.
pub fn training_step(
    graph: &mut Graph,
    views: &[Tensor],
    images: usize,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<TrainStep, GraphError> {
    let method = super::of(config);
    let mut step = StepBuilder::new(graph, parameters, config, images, (views, &method.views(config)))?;
    let Objective { loss, z, p, normalized_z, features } = method.objective(&mut step, views)?;
    let (batch, synchronised) = (step.batch, step.synchronised);

    let output_std = step.graph.add_one(ops::ColumnStd { rows: batch }, &[normalized_z])?;
    let mean = ops::Mean { count: config.model.dim, scale: 1.0 };
    let mean_output_std = step.graph.add_one(mean, &[output_std])?;
    for tensor in [loss, output_std, mean_output_std] {
        step.graph.keep(tensor);
    }
    let outputs = step.graph.within("watched", |graph| watch::outputs(graph, [z, p, normalized_z], batch))?;

    let trained = step.parameters.trained_of(&step.tensors);
    let (graph, parameters) = (&mut *step.graph, &*step.parameters);
    let loss_scale = (config.run.precision == config::Precision::F16).then(|| LossScaleState::scale(graph));
    let gradients = optimizer::gradients(graph, loss, loss_scale, &trained, parameters)?;
    let gradients =
        trained.iter().zip(gradients).filter_map(|(&(index, _), gradient)| Some((index, gradient?))).collect();
    all_reduce(graph, parameters, synchronised)?;
    let rates = graph.input("learning rates", Shape::rows([2]));
    let inverse = match loss_scale {
        Some(scale) => Some(LossScaleState::follow(graph, scale, parameters)?),
        None => None,
    };
    let gradient_norms = graph.within("watched", |graph| watch::gradients(graph, inverse, parameters))?;
    optimizer::update(graph, rates, inverse, &config.optim, parameters)?;
    step.factor = inverse;
    for LastUpdate { op, inputs, updates } in std::mem::take(&mut step.last) {
        step.graph.add_updating(op, &inputs, &updates)?;
    }
    method.after_optimizer(&mut step)?;
    let StepBuilder { inputs, metrics: own, .. } = step;
    let health = method.health(config);
    let mut metrics = vec![Metric::loss(loss, &health), watch::output_std(mean_output_std, health.output_std)];
    metrics.extend(optimizer::metrics());
    metrics.extend(loss_scale.map(LossScaleState::metric));
    metrics.push(gradient_norms.metric());
    metrics.extend(outputs.metrics());
    metrics.extend(own);
    Ok(TrainStep {
        loss,
        z,
        p,
        features,
        normalized_z,
        output_std,
        mean_output_std,
        rates,
        inputs,
        loss_scale,
        gradients,
        outputs,
        gradient_norms,
        metrics,
    })
}

/// Adds what ranks exchange once their backward pass is done: the sum of their gradients, as each has those of its rows; and the mean of their
/// running statistics, where each has normalised its part by itself.
fn all_reduce(graph: &mut Graph, parameters: &Parameters, synchronised: bool) -> Result<(), GraphError> {
    let ranks = graph.ranks();
    if ranks.is_alone() {
        return Ok(());
    }
    let mut exchange = |Arena(name), words, op: ops::AllReduce| {
        let state = graph.state(name, Shape::rows([words]), name, 0);
        op.of_state(graph, state)
    };
    exchange(Arena::GRADIENTS, parameters.words(Arena::PARAMETERS), ops::AllReduce::sum(ranks))?;
    let running = parameters.words(Arena::RUNNING);
    if !synchronised && running > 0 {
        exchange(Arena::RUNNING, running, ops::AllReduce::mean(ranks))?;
    }
    Ok(())
}

/// A pass that computes targets ahead of the steps that read them.
#[derive(Debug, Clone)]
pub struct Precomputation {
    /// Over this many steps at once, with the weights before the first of them.
    pub steps: u64,
    /// What the host writes before every batch.
    pub inputs: Vec<HostInput>,
}

/// Adds what computes the targets of one step ahead; `None` where the method of `config` computes none so. Arguments as for
/// [`training_step`].
pub fn precomputed_targets(
    graph: &mut Graph,
    views: &[Tensor],
    images: usize,
    config: &Config,
    parameters: &mut Parameters,
) -> Result<Option<Precomputation>, GraphError> {
    let method = super::of(config);
    let Some(steps) = method.precomputes(config, images) else {
        return Ok(None);
    };
    let mut step = StepBuilder::new(graph, parameters, config, images, (views, &method.views(config)))?;
    method.precompute(&mut step, views)?;
    Ok(Some(Precomputation { steps, inputs: step.inputs }))
}

fn precision(config: &Config) -> Precision {
    match config.run.precision {
        config::Precision::F32 => Precision::F32,
        config::Precision::F16 => Precision::F16,
    }
}

/// Images of a batch of views.
fn images_of(graph: &Graph, views: &[Tensor], groups: &[ViewGroup]) -> Result<usize, GraphError> {
    let rows: Vec<usize> = views.iter().map(|&tensor| graph.shape(tensor).dims()[0]).collect();
    let counts: Vec<usize> = groups.iter().map(ViewGroup::count).collect();
    let images = rows.first().zip(counts.first()).map_or(0, |(rows, count)| rows / count.max(&1));
    let fits = |(rows, count): (&usize, &usize)| *rows == images * count;
    if images >= 2 && rows.len() == counts.len() && rows.iter().zip(&counts).all(fits) {
        return Ok(images);
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    Err(GraphError::Shape {
        label: "method".to_owned(),
        op: "training_step",
        inputs: format!("{rows:?} views"),
        reason: format!("it must have {} views of at least two images", counts.join(" + ")),
    })
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
    let method = super::of(config);
    let mut builder = Builder::new(graph, parameters, Mode::Eval);
    let (features, z) = builder.within("encoder", |builder| {
        let features = model::features(builder, images, &config.model)?;
        let z = match with_projection {
            true => Some(method.projector(config).add(builder, features)?),
            false => None,
        };
        Ok::<_, GraphError>((features, z))
    })?;
    for tensor in std::iter::once(features).chain(z) {
        graph.keep(tensor);
    }
    Ok(Evaluation { features, z })
}
