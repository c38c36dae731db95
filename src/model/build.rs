//! What model code writes to: layers with PyTorch's names, on a graph and a table of parameters.

use std::sync::Arc;

use super::{Arena, Format, Init, Parameters, RateGroup};
use crate::graph::{Graph, GraphError, Op, Tensor};
use crate::ops;
use crate::ranks::Ranks;

/// `nn.BatchNorm2d`'s and `nn.BatchNorm1d`'s default.
const EPS: f32 = 1e-5;
/// The same: running = 0.9 running + 0.1 batch.
const MOMENTUM: f32 = 0.1;

/// What batch normalisation normalises with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The batch, which holds this many views one after the other: each is normalised by itself, and running statistics
    /// move once per view, as if the network had been called once per view.
    Train {
        /// Views in a batch.
        views: usize,
    },
    /// The running statistics.
    Eval,
}

/// The bias of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// None, because a batch normalisation that follows would take it away again.
    None,
    /// Trained.
    Trained,
    /// Keeps its random first value (the authors' last projector layer).
    Frozen,
}

/// A batch normalisation and what is fused with it: y = relu?(norm(x) scale + shift + residual).
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Whether there are a scale and a shift.
    pub affine: bool,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Added before the ReLU.
    pub residual: Option<Tensor>,
    /// First value of the scale.
    pub scale: f32,
}

impl Norm {
    /// Affine, nothing fused.
    pub const PLAIN: Norm = Norm { affine: true, relu: false, residual: None, scale: 1.0 };
    /// Affine, followed by a ReLU.
    pub const RELU: Norm = Norm { relu: true, ..Norm::PLAIN };
}

/// Adds layers to a graph.
pub struct Builder<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    parameters: &'a mut Parameters,
    mode: Mode,
    /// Parts of every view that batch normalisation in training normalises each by itself.
    splits: usize,
    /// The ranks whose batch it normalises together.
    synchronised: Ranks,
    /// Names of the modules around the current layer.
    path: Vec<String>,
    /// Whether weights added now are trained.
    frozen: bool,
    /// The learning rate of weights added now.
    rate: RateGroup,
    /// Whether weights added now are averages: under the first name, of the module of the second.
    averaged: Option<[&'static str; 2]>,
    /// Entries in this graph, so that a weight used twice is one tensor and its gradients are summed.
    tensors: Vec<(usize, Tensor)>,
}

impl<'a> Builder<'a> {
    /// A builder on a graph. `parameters` may have served other graphs.
    pub fn new(graph: &'a mut Graph, parameters: &'a mut Parameters, mode: Mode) -> Builder<'a> {
        let (frozen, rate, averaged) = (false, RateGroup::default(), None);
        let (splits, synchronised) = (1, Ranks::ONE);
        Builder {
            graph,
            parameters,
            mode,
            splits,
            synchronised,
            path: Vec::new(),
            frozen,
            rate,
            averaged,
            tensors: Vec::new(),
        }
    }

    /// From here on batch normalisation in training normalises `splits` equal parts of every view each by itself, as on that many devices, which
    /// each hold a part of the batch. Running statistics move as far in a step as otherwise: they follow the mean of the parts.
    pub fn split_batch_norm(&mut self, splits: usize) {
        self.splits = splits;
    }

    /// From here on batch normalisation in training normalises the batch of all ranks together (`nn.SyncBatchNorm`), not each rank's part by itself.
    pub fn synchronise_batch_norm(&mut self) {
        self.synchronised = self.graph.ranks();
    }

    /// Runs `build` inside the module `name`.
    pub fn within<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_string());
        let result = build(self);
        self.path.pop();
        result
    }

    /// Runs `build`, whose nodes may be run again as a whole in the backward pass: see [`Graph::recompute`]. `name` tells it
    /// from others in the module.
    pub fn block(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<Tensor, GraphError>,
    ) -> Result<Tensor, GraphError> {
        let first = self.graph.nodes().len();
        let output = build(self)?;
        let name = self.label(name);
        self.graph.block(&name, first, output);
        Ok(output)
    }

    /// Runs `build` with weights that keep their first values.
    pub fn frozen<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.frozen, true);
        let result = build(self);
        self.frozen = before;
        result
    }

    /// Runs `build` with weights that have the learning rate `rate`.
    pub fn rate<T>(&mut self, rate: RateGroup, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.rate, rate);
        let result = build(self);
        self.rate = before;
        result
    }

    /// Runs `build`, whose layers in the module `name` have averages of the trained weights of the module `of`, and running statistics of
    /// their own. Weights that keep their first values are shared. See [`Parameters::averaged`].
    pub fn averaged<T>(&mut self, name: &'static str, of: &'static str, build: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.averaged.replace([name, of]);
        let result = build(self);
        self.averaged = before;
        result
    }

    /// Takes entries (indices into [`Parameters::entries`]) and their tensors from an earlier builder on the same graph, so that a weight
    /// that both use is one tensor.
    pub fn reuse(&mut self, tensors: Vec<(usize, Tensor)>) {
        self.tensors.extend(tensors);
    }

    /// The entries that this graph uses and their tensors, in the order of use.
    pub fn into_tensors(self) -> Vec<(usize, Tensor)> {
        self.tensors
    }

    /// `nn.Conv2d(.., bias=False)`: x `[N, H, W, IN]`.
    pub fn convolution(
        &mut self,
        name: &str,
        x: Tensor,
        output: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Tensor, GraphError> {
        let input = self.graph.shape(x).channels();
        let dims = [kernel, kernel, input, output];
        let init = Init::convolution(kernel, output);
        let arena = self.arena();
        let weight = self.parameter(name, "weight", &dims, Format::Convolution, init, arena)?;
        let op = ops::Conv2d { stride, padding: kernel / 2 };
        self.add_one(name, op, &[x, weight])
    }

    /// `nn.Linear`: x `[M, IN]` → `[M, output]`.
    pub fn linear(&mut self, name: &str, x: Tensor, output: usize, bias: Bias) -> Result<Tensor, GraphError> {
        let input = self.graph.shape(x).channels();
        let init = Init::linear(input);
        let arena = self.arena();
        let dims = [input, output];
        let weight = self.parameter(name, "weight", &dims, Format::Linear, init, arena)?;
        let mut inputs = vec![x, weight];
        if bias != Bias::None {
            let arena = match bias {
                Bias::Frozen => Arena::FROZEN,
                _ => arena,
            };
            inputs.push(self.parameter(name, "bias", &[output], Format::Vector, init, arena)?);
        }
        let op = ops::Linear { bias: bias != Bias::None };
        self.add_one(name, op, &inputs)
    }

    /// The weight `[input, output]` of a linear layer `name` without bias, for what multiplies by it itself.
    pub fn linear_weight(&mut self, name: &str, input: usize, output: usize) -> Result<Tensor, GraphError> {
        let arena = self.arena();
        self.parameter(name, "weight", &[input, output], Format::Linear, Init::linear(input), arena)
    }

    /// `nn.BatchNorm2d` or `nn.BatchNorm1d` over the last dimension.
    pub fn batch_norm(&mut self, name: &str, x: Tensor, norm: Norm) -> Result<Tensor, GraphError> {
        let dims = [self.graph.shape(x).channels()];
        let arena = self.arena();
        let vector = |builder: &mut Self, part: &str, value: f32, arena: Arena| {
            let init = Init::Constant(value);
            builder.parameter(name, part, &dims, Format::Vector, init, arena)
        };
        let mut operands = Vec::new();
        if norm.affine {
            operands.push(vector(self, "weight", norm.scale, arena)?);
            operands.push(vector(self, "bias", 0.0, arena)?);
        }
        operands.extend(norm.residual);
        let mean = vector(self, "running_mean", 0.0, Arena::RUNNING)?;
        let variance = vector(self, "running_var", 1.0, Arena::RUNNING)?;
        let Norm { affine, relu, .. } = norm;
        let residual = norm.residual.is_some();
        let label = self.label(name);
        match self.mode {
            Mode::Train { views } => {
                let views = views * self.splits;
                let momentum = match self.splits {
                    1 => MOMENTUM,
                    // What all parts of a view keep of the statistics before is what a view keeps.
                    splits => 1.0 - (1.0 - MOMENTUM).powf(1.0 / splits as f32),
                };
                let running = [mean, variance];
                let ranks = self.synchronised;
                let statistics = self.graph.within(&label, |graph| match ranks.is_alone() {
                    true => {
                        let op = ops::BatchNormStatistics { views, eps: EPS, momentum };
                        graph.add_updating(Arc::new(op), &[x], &running)
                    }
                    false => {
                        let (rows, f16) = (graph.shape(x).row_count() / views, graph.shape(x).is_f16());
                        let moments = graph.add_one(ops::BatchNormMoments { views }, &[x])?;
                        let moments = graph.add_one(ops::AllGather { parts: views, ranks }, &[moments])?;
                        let op = ops::BatchNormMerge { views, rows, f16, eps: EPS, momentum };
                        graph.add_updating(Arc::new(op), &[moments], &running)
                    }
                })?;
                let op = ops::BatchNormApply { views, relu, affine, residual, ranks };
                let inputs = [&[x, statistics[0]], &operands[..]].concat();
                self.add_one(name, op, &inputs)
            }
            Mode::Eval => {
                let op = ops::BatchNormEval { relu, affine, residual, eps: EPS };
                let inputs = [&[x, mean, variance], &operands[..]].concat();
                self.add_one(name, op, &inputs)
            }
        }
    }

    /// A node without parameters.
    pub fn add_one(&mut self, name: &str, op: impl Op + 'static, inputs: &[Tensor]) -> Result<Tensor, GraphError> {
        let label = self.label(name);
        self.graph.within(&label, |graph| graph.add_one(op, inputs))
    }

    fn arena(&self) -> Arena {
        match self.frozen {
            true => Arena::FROZEN,
            false => Arena::PARAMETERS,
        }
    }

    fn label(&self, name: &str) -> String {
        let mut label = self.path.join(".");
        if !label.is_empty() && !name.is_empty() {
            label.push('.');
        }
        label + name
    }

    /// Name and arena of the weight `name`, and the weight that it is an average of.
    fn place(&self, name: &str, arena: Arena) -> (String, Arena, Option<String>) {
        let original = |[own, of]: [&str; 2]| name.strip_prefix(own).map(|rest| format!("{of}{rest}"));
        match (self.averaged.and_then(original), arena) {
            (Some(of), Arena::PARAMETERS) => (name.to_owned(), Arena::AVERAGED, Some(of)),
            (Some(of), Arena::FROZEN) => (of, arena, None),
            _ => (name.to_owned(), arena, None),
        }
    }

    fn parameter(
        &mut self,
        layer: &str,
        part: &str,
        dims: &[usize],
        format: Format,
        init: Init,
        arena: Arena,
    ) -> Result<Tensor, GraphError> {
        let name = format!("{}.{part}", self.label(layer));
        let (own, arena, average_of) = self.place(&name, arena);
        let index = self.parameters.add(own, dims, format, init, arena)?;
        let entry = self.parameters.entry_mut(index);
        (entry.rate, entry.average_of) = (self.rate, average_of);
        if let (Arena::RUNNING, Mode::Train { views }) = (arena, self.mode) {
            entry.moves += views as u64;
        }
        if let Some(&(_, tensor)) = self.tensors.iter().find(|(known, _)| *known == index) {
            return Ok(tensor);
        }
        let entry = &self.parameters.entries()[index];
        let tensor = self.graph.state(&entry.name, entry.shape.clone(), arena.0, entry.offset);
        self.tensors.push((index, tensor));
        Ok(tensor)
    }
}
