//! What an operator is: a shape rule, a gradient rule, the kernels it runs, and a plain CPU reference. And what operators make: a
//! graph of nodes. Each is said in terms of the other, so they lie in one file.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::exchange::Exchange;
use super::{Array, Candidate, GraphError, Io, Lowered, Place, Shape, Target, Tensor, TensorInfo};
use crate::ranks::Ranks;

/// The gradient of every input of a node, where there is one.
pub type InputGradients = Result<Vec<Option<Tensor>>, GraphError>;

/// An operator. What translates a graph asks [`Any`] which one it is.
pub trait Op: Any + Debug + Send + Sync {
    /// Its name, that of its kernel family.
    fn name(&self) -> &'static str;

    /// Shapes of its outputs, or what is wrong with the inputs.
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String>;

    /// Whether its kernels read activations in f16; the others are given f32 by a cast.
    fn takes_f16(&self) -> bool {
        false
    }

    /// Adds nodes that compute the gradient of each wanted input from `dy`, that of the first output. No gradient passes through
    /// the other outputs.
    fn gradient(&self, _graph: &mut Graph, node: &Node, _dy: Tensor, _wanted: &[bool]) -> InputGradients {
        Err(GraphError::NoGradient { label: node.label.clone(), op: self.name() })
    }

    /// Whether nothing before it takes a gradient through it.
    fn stops_gradient(&self) -> bool {
        false
    }

    /// The input whose memory the only output shares: such an operator has no kernel.
    fn alias(&self) -> Option<usize> {
        None
    }

    /// The kernels that compute it.
    fn lower(&self, io: &Io, target: &Target) -> Lowered;

    /// The ways to compute it on this device, the best guess, which is [`Op::lower`], first. They differ in speed and in the
    /// order of their sums, not in what they compute; every one is right on every shape.
    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        vec![Candidate { name: String::from("only"), lowered: self.lower(io, target) }]
    }

    /// The same in plain f64 loops; `updates` holds the state before and is left as the state after.
    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array>;

    /// Whether running it once more costs about as much as reading its inputs and writing its output, so that the output is
    /// rather recomputed than kept for the backward pass.
    fn cheap(&self) -> bool {
        false
    }

    /// Floating-point operations (a multiply-add is two).
    fn flops(&self, _io: &Io) -> u64 {
        0
    }

    /// What ranks exchange in place of a kernel: its input, or the state it updates where it has no input.
    fn exchange(&self) -> Option<Exchange> {
        None
    }
}

/// An operator applied to tensors.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is computed.
    pub op: Arc<dyn Op>,
    /// What it reads.
    pub inputs: Vec<Tensor>,
    /// What it makes.
    pub outputs: Vec<Tensor>,
    /// The state it updates in place.
    pub updates: Vec<Tensor>,
    /// Where in the model it stands.
    pub label: String,
    /// The name of the [`Candidate`] that it runs; the first where there is no such one.
    pub candidate: Option<String>,
}

/// A straight-line program over tensors of static shape.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) nodes: Vec<Node>,
    pub(super) blocks: Vec<Block>,
    /// The first node of the backward pass.
    pub(super) backward: Option<usize>,
    scope: Vec<String>,
    ranks: Ranks,
}

/// Nodes of the forward pass that may be run again as a whole in the backward pass.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub name: String,
    pub nodes: std::ops::Range<usize>,
    pub output: Tensor,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// An empty graph for one of several ranks, which holds its part of every batch.
    pub fn of_ranks(ranks: Ranks) -> Graph {
        Graph { ranks, ..Graph::default() }
    }

    /// Whose part it computes.
    pub fn ranks(&self) -> Ranks {
        self.ranks
    }

    pub(super) fn tensor(&mut self, name: String, shape: Shape, place: Place) -> Tensor {
        let id = Tensor(self.tensors.len() as u32);
        self.tensors.push(TensorInfo { name, shape, place, kept: false });
        id
    }

    /// A tensor that the host writes between steps.
    pub fn input(&mut self, name: &str, shape: Shape) -> Tensor {
        self.tensor(name.to_string(), shape, Place::Host)
    }

    /// A tensor of one value.
    pub fn constant(&mut self, value: f32, shape: Shape) -> Tensor {
        self.tensor(format!("constant {value}"), shape, Place::Constant(value))
    }

    /// A tensor that outlives the step, in `arena` from word `offset` on.
    pub fn state(&mut self, name: &str, shape: Shape, arena: &'static str, offset: usize) -> Tensor {
        self.tensor(name.to_string(), shape, Place::State { arena, offset })
    }

    /// Puts the result of a node into an arena instead of the pool (a gradient beside its neighbours, say).
    pub fn place(&mut self, tensor: Tensor, arena: &'static str, offset: usize) {
        self.tensors[tensor.0 as usize].place = Place::State { arena, offset };
    }

    /// Keeps a result until the host has read it.
    pub fn keep(&mut self, tensor: Tensor) {
        let root = self.root(tensor);
        self.tensors[root.0 as usize].kept = true;
    }

    /// Makes a block of the nodes from `first` on, whose result is `output`: what [`Graph::recompute`] may run again as a whole.
    pub fn block(&mut self, name: &str, first: usize, output: Tensor) {
        self.blocks.push(Block { name: name.to_string(), nodes: first..self.nodes.len(), output });
    }

    /// Runs `f` with a name added to the label of every node it adds.
    pub fn within<T>(&mut self, name: &str, f: impl FnOnce(&mut Graph) -> T) -> T {
        self.scope.push(name.to_string());
        let result = f(self);
        self.scope.pop();
        result
    }

    /// Adds a node.
    pub fn add(&mut self, op: impl Op + 'static, inputs: &[Tensor]) -> Result<Vec<Tensor>, GraphError> {
        self.add_updating(Arc::new(op), inputs, &[])
    }

    /// Adds a node with one output.
    pub fn add_one(&mut self, op: impl Op + 'static, inputs: &[Tensor]) -> Result<Tensor, GraphError> {
        self.add(op, inputs).map(|outputs| outputs[0])
    }

    /// Adds a node that also updates state in place.
    pub fn add_updating(
        &mut self,
        op: Arc<dyn Op>,
        inputs: &[Tensor],
        updates: &[Tensor],
    ) -> Result<Vec<Tensor>, GraphError> {
        let label = match self.scope.is_empty() {
            true => op.name().to_string(),
            false => format!("{} {}", self.scope.join("."), op.name()),
        };
        let shapes: Vec<Shape> = inputs.iter().map(|&t| self.shape(t).clone()).collect();
        let outputs = match shapes.iter().any(Shape::is_f16) && !op.takes_f16() {
            true => Err("it computes with f32 tensors only: cast them before".to_string()),
            false => op.infer(&shapes),
        };
        let outputs = outputs.map_err(|reason| GraphError::Shape {
            label: label.clone(),
            op: op.name(),
            inputs: shapes.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", "),
            reason,
        })?;
        let alias = op.alias();
        let outputs: Vec<Tensor> = outputs
            .into_iter()
            .map(|shape| {
                let place = alias.map_or(Place::Pool, |i| Place::Alias(inputs[i]));
                self.tensor(label.clone(), shape, place)
            })
            .collect();
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            updates: updates.to_vec(),
            label,
            candidate: None,
        });
        Ok(outputs)
    }

    /// What is known of a tensor.
    pub fn info(&self, tensor: Tensor) -> &TensorInfo {
        &self.tensors[tensor.0 as usize]
    }

    /// The shape of a tensor.
    pub fn shape(&self, tensor: Tensor) -> &Shape {
        &self.info(tensor).shape
    }

    /// Every tensor.
    pub fn tensors(&self) -> impl Iterator<Item = (Tensor, &TensorInfo)> {
        self.tensors.iter().enumerate().map(|(i, info)| (Tensor(i as u32), info))
    }

    /// Every node, in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shapes around a node.
    pub fn io(&self, node: &Node) -> Io {
        let shapes = |list: &[Tensor]| list.iter().map(|&t| self.shape(t).clone()).collect();
        Io { inputs: shapes(&node.inputs), outputs: shapes(&node.outputs), updates: shapes(&node.updates) }
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.nodes.iter().map(|n| n.op.flops(&self.io(n))).sum()
    }

    /// The tensor whose memory this one uses.
    pub(super) fn root(&self, mut tensor: Tensor) -> Tensor {
        while let Place::Alias(of) = self.info(tensor).place {
            tensor = of;
        }
        tensor
    }
}
