//! Holds kernels against their CPU references: the tests and `simsiam devices --self-test` run the same cases.

mod values;

use std::collections::HashMap;
use std::sync::Arc;

pub use values::Fill;
use values::{error_of, values};

use super::Add;
use crate::gpu::{Gpu, Kernel, Tier};
use crate::graph::{
    Array, Candidate, Choices, Graph, GraphError, Layout, Op, Precision, Program, Shape, Store, Target, Tensor,
    interpret,
};

/// One operator on one set of shapes.
#[derive(Debug, Clone)]
pub struct Case {
    /// Shown in tables and failures.
    pub name: String,
    /// The operator.
    pub op: Arc<dyn Op>,
    /// An operator that runs first: what it makes of the first input is the second of the operator, and the state is its.
    pub before: Option<Arc<dyn Op>>,
    /// Its inputs.
    pub inputs: Vec<(Shape, Fill)>,
    /// The state it updates.
    pub updates: Vec<(Shape, Fill)>,
    /// Largest relative L2 error of any output.
    pub tolerance: f64,
    /// Inputs whose gradient is compared with finite differences.
    pub differentiable: Vec<bool>,
}

impl Case {
    /// A case without inputs, tolerance 1e-5.
    pub fn new(name: &str, op: impl Op + 'static) -> Case {
        Case {
            name: name.to_string(),
            op: Arc::new(op),
            before: None,
            inputs: Vec::new(),
            updates: Vec::new(),
            tolerance: 1e-5,
            differentiable: Vec::new(),
        }
    }

    /// Runs `op` on the first input before; what it makes becomes the second input.
    #[must_use]
    pub fn after(mut self, op: impl Op + 'static) -> Case {
        self.before = Some(Arc::new(op));
        self
    }

    /// Adds an input that has a gradient.
    #[must_use]
    pub fn input(mut self, shape: Shape, fill: Fill) -> Case {
        self.inputs.push((shape, fill));
        self.differentiable.push(true);
        self
    }

    /// Adds an input without a gradient.
    #[must_use]
    pub fn fixed(mut self, shape: Shape, fill: Fill) -> Case {
        self.inputs.push((shape, fill));
        self.differentiable.push(false);
        self
    }

    /// Adds a state.
    #[must_use]
    pub fn update(mut self, shape: Shape, fill: Fill) -> Case {
        self.updates.push((shape, fill));
        self
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Case {
        self.tolerance = tolerance;
        self
    }

    /// Marks an operator that has no gradient rule.
    #[must_use]
    pub fn no_gradient(mut self) -> Case {
        self.differentiable.fill(false);
        self
    }

    /// The same with its activations in f16: images and matrices, not vectors, statistics and weights. `None` where the
    /// operator takes none.
    fn in_f16(&self) -> Option<Case> {
        let mut case = self.clone();
        case.name += " f16";
        for (shape, _) in &mut case.inputs {
            if shape.layout() == Layout::Rows && matches!(shape.dims().len(), 2 | 4) {
                *shape = shape.clone().with(Precision::F16);
            }
        }
        self.op.takes_f16().then_some(case)
    }

    /// Whether a device has what the case needs.
    pub fn runs_on(&self, target: &Target) -> bool {
        let f16 = |graph: &Graph| graph.tensors().any(|(_, info)| info.shape.is_f16());
        target.tier >= Tier::F16 || !self.graph().is_ok_and(|built| f16(&built.graph))
    }

    /// Every kernel of the operator and of its gradient that a device may run.
    pub fn kernels(&self, target: &Target) -> Result<Vec<Kernel>, GraphError> {
        let mut built = self.graph()?;
        if self.differentiable.contains(&true) {
            built.backward(&self.differentiable)?;
        }
        Ok(built.graph.possible_kernels(target))
    }

    fn graph(&self) -> Result<Built, GraphError> {
        let mut graph = Graph::new();
        let mut given = HashMap::new();
        let mut make = |graph: &mut Graph, list: &[(Shape, Fill)], salt: u64| -> Vec<Tensor> {
            list.iter()
                .enumerate()
                .map(|(i, (shape, fill))| {
                    let tensor = graph.input(&format!("{} {i}", self.name), shape.clone());
                    given.insert(tensor, values(shape, fill, salt + i as u64));
                    tensor
                })
                .collect()
        };
        let inputs = make(&mut graph, &self.inputs, 1);
        let updates = make(&mut graph, &self.updates, 101);
        let outputs = match &self.before {
            None => graph.add_updating(self.op.clone(), &inputs, &updates)?,
            Some(before) => {
                let made = graph.add_updating(before.clone(), &inputs[..1], &updates)?;
                let all = [&inputs[..1], &made[..1], &inputs[1..]].concat();
                graph.add_updating(self.op.clone(), &all, &[])?
            }
        };
        for &output in &outputs {
            graph.keep(output);
        }
        Ok(Built { graph, given, inputs, updates, outputs })
    }
}

/// The cases, and the first of them with activations in f16: what differs is how a number is read and written, not where.
pub(super) fn with_f16(cases: Vec<Case>) -> Vec<Case> {
    const MOST: usize = 6;
    let f16 = cases.iter().filter_map(Case::in_f16).take(MOST);
    let f16: Vec<Case> = f16.collect();
    [cases, f16].concat()
}

struct Built {
    graph: Graph,
    given: HashMap<Tensor, Array>,
    inputs: Vec<Tensor>,
    updates: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl Built {
    /// Adds the gradients of the inputs that have one, given a gradient of the first output: that tensor, and the gradients.
    fn backward(&mut self, differentiable: &[bool]) -> Result<(Tensor, Vec<Option<Tensor>>), GraphError> {
        let output = self.outputs[0];
        let shape = self.graph.shape(output).clone();
        let incoming = self.graph.input("incoming", shape);
        let inputs = self.inputs.iter().zip(differentiable);
        let of: Vec<Tensor> = inputs.filter(|(_, d)| **d).map(|(&t, _)| t).collect();
        let sum: Arc<dyn Op> = Arc::new(Add);
        let gradients = self.graph.gradients_from(output, incoming, &of, &sum)?;
        Ok((incoming, gradients))
    }

    fn run(&self, gpu: &Gpu, target: &Target) -> Result<Program, GraphError> {
        let mut program = Program::compile_for(&self.graph, &mut Store::new(gpu), target)?;
        // Memory of the pool holds anything; a kernel that leaves a part of its output unwritten must show.
        for output in self.outputs.iter().filter_map(|&t| program.binding(t)) {
            let garbage = vec![f32::NAN; output.words];
            output.buffer.write(gpu, output.offset, &garbage);
        }
        for (&tensor, array) in &self.given {
            program.write_array(tensor, array);
        }
        program.run(None)?;
        Ok(program)
    }

    /// The largest relative error of an output or an updated state; infinite where padding is not zero.
    fn error(&self, gpu: &Gpu, target: &Target, expected: &HashMap<Tensor, Array>) -> Result<f64, GraphError> {
        let program = self.run(gpu, target)?;
        let mut worst = 0.0f64;
        for tensor in self.outputs.iter().chain(&self.updates) {
            let got = program.read_array(*tensor)?;
            let error = match padding_is_zero(gpu, &program, &self.graph, *tensor)? {
                true => error_of(&got, &expected[tensor], self.graph.shape(*tensor)),
                false => f64::INFINITY,
            };
            // A NaN must not be lost in `max`.
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
        Ok(worst)
    }
}

/// Kernels count on zeros in the padding of what they read.
fn padding_is_zero(gpu: &Gpu, program: &Program, graph: &Graph, tensor: Tensor) -> Result<bool, GraphError> {
    let Some(binding) = program.binding(tensor) else {
        return Ok(true);
    };
    let shape = graph.shape(tensor);
    let words = binding.buffer.read(gpu, binding.offset, shape.stored_len())?;
    let stored = shape.from_words(&words);
    let clean = shape.pack(&shape.unpack(&stored));
    Ok(stored.iter().zip(&clean).all(|(a, b)| a.to_bits() == b.to_bits() || (*a == 0.0 && *b == 0.0)))
}

/// The largest relative error of an output or an updated state against the CPU reference, with the kernels guessed for
/// `target`; infinite where padding is not zero.
pub fn forward_error(gpu: &Gpu, target: &Target, case: &Case) -> Result<f64, GraphError> {
    let built = case.graph()?;
    let expected = interpret(&built.graph, &built.given);
    built.error(gpu, target, &expected)
}

/// [`forward_error`] of every candidate that the operator of a case has on `target`, with its name.
pub fn candidate_errors(gpu: &Gpu, target: &Target, case: &Case) -> Result<Vec<(String, f64)>, GraphError> {
    let mut built = case.graph()?;
    let node = &built.graph.nodes()[0];
    if node.op.alias().is_some() {
        return Ok(vec![(String::from("only"), forward_error(gpu, target, case)?)]);
    }
    let candidates = node.op.candidates(&built.graph.io(node), target);
    let signature = built.graph.signature(node);
    let expected = interpret(&built.graph, &built.given);
    let mut errors = Vec::new();
    for Candidate { name, .. } in candidates {
        let choice = [(signature.clone(), name.clone())];
        built.graph.choose(&Choices(choice.into()));
        errors.push((name, built.error(gpu, target, &expected)?));
    }
    Ok(errors)
}

/// The candidate that is nearest to its limit or beyond.
#[derive(Debug, Clone)]
pub struct Worst {
    /// Its name.
    pub candidate: String,
    /// Its error.
    pub error: f64,
    /// See [`limit`].
    pub limit: f64,
}

/// [`candidate_errors`], the worst one.
pub fn worst_candidate(gpu: &Gpu, target: &Target, case: &Case) -> Result<Worst, GraphError> {
    let errors = candidate_errors(gpu, target, case)?;
    let held =
        errors.into_iter().map(|(candidate, error)| Worst { limit: limit(case, &candidate, target), candidate, error });
    let beyond = |worst: &Worst| worst.error / worst.limit;
    let worst = held.max_by(|a, b| beyond(a).total_cmp(&beyond(b)));
    // Every operator has a candidate.
    Ok(worst.unwrap_or(Worst { candidate: String::new(), error: f64::INFINITY, limit: case.tolerance }))
}

/// The largest error of a case that a candidate may have. Cooperative matrices round the weights to f16, and some add in f16.
pub fn limit(case: &Case, candidate: &str, target: &Target) -> f64 {
    match target.coop.filter(|_| candidate.starts_with("coop")) {
        None => case.tolerance,
        Some(coop) if coop.f32_sum => case.tolerance.max(3e-4),
        Some(_) => case.tolerance.max(2e-3),
    }
}

/// The largest relative error of a gradient on the device against central differences of the CPU reference, with a
/// random gradient coming in, as in the middle of a graph. `None` where nothing is differentiable.
pub fn gradient_error(gpu: &Gpu, target: &Target, case: &Case) -> Result<Option<f64>, GraphError> {
    if !case.differentiable.contains(&true) {
        return Ok(None);
    }
    let mut built = case.graph()?;
    let forward = built.graph.clone();
    let (first, shape) = (built.outputs[0], built.graph.shape(built.outputs[0]).clone());
    let (incoming, gradients) = built.backward(&case.differentiable)?;
    let weights = values(&shape, &Fill::Normal, 977);
    built.given.insert(incoming, weights.clone());
    for gradient in gradients.iter().flatten() {
        built.graph.keep(*gradient);
    }
    // The rule is checked here, not the kernels: not with those that are less exact than the differences.
    let exact = Target { coop: None, ..*target };
    let program = built.run(gpu, &exact)?;
    let objective = |given: &HashMap<Tensor, Array>| -> f64 {
        let y = &interpret(&forward, given)[&first];
        y.data.iter().zip(&weights.data).map(|(y, w)| y * w).sum()
    };
    let mut given = built.given.clone();
    let mut worst = 0.0f64;
    let inputs = built.inputs.iter().zip(&case.differentiable);
    for (input, gradient) in inputs.filter(|(_, d)| **d).map(|(t, _)| t).zip(gradients) {
        let Some(gradient) = gradient else {
            return Ok(Some(f64::INFINITY));
        };
        let mut expected = Array::zeros(&given[input].dims);
        const STEP: f64 = 1e-5;
        for j in 0..expected.data.len() {
            let at = given[input].data[j];
            let mut moved = |to: f64| {
                if let Some(array) = given.get_mut(input) {
                    array.data[j] = to;
                }
                objective(&given)
            };
            let (above, below) = (moved(at + STEP), moved(at - STEP));
            moved(at);
            expected.data[j] = (above - below) / (2.0 * STEP);
        }
        let got = program.read_array(gradient)?;
        let error = error_of(&got, &expected, built.graph.shape(gradient));
        worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
    }
    Ok(Some(worst))
}
