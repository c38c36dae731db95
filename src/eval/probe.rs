//! Linear classifiers on the same features, one a learning rate, trained at once: their weights lie beside each other, so that a sweep over
//! many rates costs little more than one classifier.

use std::sync::Arc;

use super::{EvalError, FeatureTable};
use crate::gpu::{Gpu, Readback};
use crate::graph::{Graph, GraphError, Op, Program, Shape, Store, Tensor};
use crate::ops;
use crate::random::{Draw, Purpose};

/// Of SGD (paper App. A).
const MOMENTUM: f32 = 0.9;
/// Of LARS (the authors' code).
const TRUST: f32 = 0.001;
/// Standard deviation of the first weights (the authors' code).
const FIRST_WEIGHTS: f64 = 0.01;

const WEIGHT: &str = "probe weight";
const BIAS: &str = "probe bias";
const WEIGHT_MOMENTUM: &str = "probe weight momentum";
const BIAS_MOMENTUM: &str = "probe bias momentum";

/// What trains a linear classifier. Momentum is 0.9, there is no weight decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOptimizer {
    /// `torch.optim.SGD`.
    Sgd,
    /// The same with each gradient scaled to 0.001 of its parameter's norm (LARS), weight and bias by themselves.
    Lars,
}

/// Some classifiers.
#[derive(Debug, Clone)]
pub struct ProbePlan {
    /// Features an image.
    pub width: usize,
    /// Classes.
    pub classes: usize,
    /// Images a step.
    pub batch: usize,
    /// The learning rate of each classifier.
    pub rates: Vec<f64>,
    /// What moves the weights.
    pub optimizer: ProbeOptimizer,
    /// Of the first weights, which all classifiers share.
    pub seed: u64,
}

/// Classifiers on a device.
pub struct Probe {
    plan: ProbePlan,
    store: Store,
    train: Program,
    features: Tensor,
    labels: Tensor,
    rates: Tensor,
    losses: Readback,
    /// Sums of the losses that have arrived, and of how many images.
    sums: (Vec<f64>, usize),
    test: Program,
    test_features: Tensor,
    test_labels: Tensor,
    ranks: Tensor,
}

/// The step of all classifiers, and what the host writes and reads of it.
struct Step {
    graph: Graph,
    features: Tensor,
    labels: Tensor,
    rates: Tensor,
    losses: Tensor,
}

impl ProbePlan {
    fn columns(&self) -> usize {
        self.rates.len() * self.classes
    }

    /// x·w + b of all classifiers: features, weight, bias, logits.
    fn logits(&self, graph: &mut Graph) -> Result<[Tensor; 4], GraphError> {
        let columns = self.columns();
        let x = graph.input("features", Shape::rows([self.batch, self.width]));
        let w = graph.state("weight", self.weight(), WEIGHT, 0);
        let b = graph.state("bias", Shape::rows([columns]), BIAS, 0);
        let logits = graph.add_one(ops::Linear { bias: true }, &[x, w, b])?;
        Ok([x, w, b, logits])
    }

    fn weight(&self) -> Shape {
        Shape::weight([self.width, self.columns()])
    }

    /// The loss of each classifier is a mean over the batch; the parameters of one do not enter those of the others, so the gradients of
    /// their sum are theirs.
    fn step(&self) -> Result<Step, GraphError> {
        let groups = self.rates.len();
        let mut graph = Graph::new();
        let [features, w, b, logits] = self.logits(&mut graph)?;
        let labels = graph.input("labels", Shape::rows([self.batch]));
        let rates = graph.input("learning rates", Shape::rows([groups]));
        let each = graph.add_one(ops::LabelCrossEntropy { groups }, &[logits, labels])?;
        let losses = graph.add_one(ops::SumRows, &[each])?;
        graph.keep(losses);
        let mean = 1.0 / self.batch as f32;
        let mean = graph.constant(mean, Shape::rows([self.batch, groups]));
        let gradients = ops::gradients_from(&mut graph, each, mean, &[w, b])?;
        let momenta = [
            graph.state("weight momentum", self.weight(), WEIGHT_MOMENTUM, 0),
            graph.state("bias momentum", Shape::rows([self.columns()]), BIAS_MOMENTUM, 0),
        ];
        for ((parameter, momentum), gradient) in [w, b].into_iter().zip(momenta).zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let mut inputs = vec![gradient, rates];
            let groups = ops::Groups::Columns(groups);
            let lars = self.optimizer == ProbeOptimizer::Lars;
            if lars {
                let op = ops::LarsScale {
                    groups: groups.clone(),
                    trust: TRUST,
                    weight_decay: 0.0,
                    eps: ops::LarsScale::EPS,
                    scaled: false,
                };
                inputs.push(graph.add_one(op, &[parameter, gradient])?);
            }
            let op: Arc<dyn Op> =
                Arc::new(ops::Sgd { momentum: MOMENTUM, weight_decay: 0.0, groups, lars, scaled: false });
            graph.add_updating(op, &inputs, &[parameter, momentum])?;
        }
        Ok(Step { graph, features, labels, rates, losses })
    }

    /// The first weights: normal, the same for every classifier.
    fn first_weights(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.width * self.columns());
        for feature in 0..self.width {
            let mut draw = Draw::new(self.seed, Purpose::Probe, 0, feature as u32, 0);
            let row = (0..self.classes).map(|_| (FIRST_WEIGHTS * draw.normal()) as f32);
            values.extend(row.collect::<Vec<f32>>().repeat(self.rates.len()));
        }
        values
    }

    /// Allocates, compiles, and writes the first weights; biases begin at zero.
    pub fn compile(self, gpu: &Gpu) -> Result<Probe, EvalError> {
        let step = self.step()?;
        let mut graph = Graph::new();
        let [test_features, _, _, logits] = self.logits(&mut graph)?;
        let test_labels = graph.input("labels", Shape::rows([self.batch]));
        let groups = self.rates.len();
        let ranks = graph.add_one(ops::TopkRank { groups }, &[logits, test_labels])?;
        graph.keep(ranks);
        let mut store = Store::new(gpu);
        let train = Program::compile(&step.graph, &mut store)?;
        let test = Program::compile(&graph, &mut store)?;
        if let Some(buffer) = store.arena(WEIGHT) {
            buffer.write(gpu, 0, &self.weight().pack(&self.first_weights()));
        }
        Ok(Probe {
            losses: train.readback(&[step.losses]),
            sums: (vec![0.0; groups], 0),
            plan: self,
            store,
            train,
            features: step.features,
            labels: step.labels,
            rates: step.rates,
            test,
            test_features,
            test_labels,
            ranks,
        })
    }
}

impl Probe {
    /// Where the features of the next step go.
    pub fn features(&self) -> (&Program, Tensor) {
        (&self.train, self.features)
    }

    /// One step of every classifier on the features that are there, whose classes are `labels`; the learning rates are `factor` times those
    /// of the plan.
    pub fn step(&mut self, labels: &[f32], factor: f64) -> Result<(), EvalError> {
        let rates: Vec<f32> = self.plan.rates.iter().map(|r| (r * factor) as f32).collect();
        self.train.write(self.labels, labels);
        self.train.write(self.rates, &rates);
        self.train.run(Some((&mut self.losses, 0)))?;
        while let Some((_, losses)) = self.losses.poll()? {
            self.arrived(&losses);
        }
        Ok(())
    }

    fn arrived(&mut self, losses: &[Vec<f32>]) {
        let (sums, images) = &mut self.sums;
        *images += self.plan.batch;
        for (sum, loss) in sums.iter_mut().zip(losses.iter().flatten()) {
            *sum += f64::from(*loss);
        }
    }

    /// Each classifier's mean loss over the steps since the last call. Waits for them.
    pub fn losses(&mut self) -> Result<Vec<f64>, EvalError> {
        while let Some((_, losses)) = self.losses.wait()? {
            self.arrived(&losses);
        }
        let none = (vec![0.0; self.plan.rates.len()], 0);
        let (sums, images) = std::mem::replace(&mut self.sums, none);
        Ok(sums.iter().map(|sum| sum / images.max(1) as f64).collect())
    }

    /// For each classifier and each row of `table`, how many classes it finds more likely than the row's label: all where the classifier
    /// has diverged.
    pub fn ranks(&mut self, table: &FeatureTable, labels: &[u32]) -> Result<Vec<Vec<usize>>, EvalError> {
        let ProbePlan { width, batch, .. } = self.plan;
        let groups = self.plan.rates.len();
        let mut ranks = vec![Vec::with_capacity(labels.len()); groups];
        let mut readback = self.test.readback(&[self.ranks]);
        let stored = groups.next_multiple_of(4);
        let mut take = |rows: u64, values: Vec<Vec<f32>>| {
            let rows = values.iter().flat_map(|v| v.chunks_exact(stored)).take(rows as usize);
            for row in rows {
                for (ranks, rank) in ranks.iter_mut().zip(row) {
                    ranks.push(*rank as usize);
                }
            }
        };
        let parts = table.values.chunks(batch * width).zip(labels.chunks(batch));
        for (values, labels) in parts {
            let mut values = values.to_vec();
            values.resize(batch * width, 0.0);
            let mut classes: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
            classes.resize(batch, 0.0);
            self.test.write(self.test_features, &values);
            self.test.write(self.test_labels, &classes);
            self.test.run(Some((&mut readback, labels.len() as u64)))?;
            while let Some((rows, values)) = readback.poll()? {
                take(rows, values);
            }
        }
        while let Some((rows, values)) = readback.wait()? {
            take(rows, values);
        }
        Ok(ranks)
    }

    /// Weight `[width, classifiers · classes]` and bias `[classifiers · classes]`. Waits for the device.
    pub fn parameters(&self) -> Result<[Vec<f32>; 2], EvalError> {
        let shapes = [self.plan.weight(), Shape::rows([self.plan.columns()])];
        let mut values = [Vec::new(), Vec::new()];
        for ((values, shape), arena) in values.iter_mut().zip(shapes).zip([WEIGHT, BIAS]) {
            if let Some(buffer) = self.store.arena(arena) {
                let words = buffer.read(self.store.gpu(), 0, shape.stored_len())?;
                *values = shape.unpack(&words);
            }
        }
        Ok(values)
    }
}
