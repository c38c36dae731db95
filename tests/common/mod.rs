//! PyTorch's numbers, and a graph around one operator to hold against them.
//!
//! The files under `tests/reference` hold inputs and outputs computed by PyTorch in float64, in PyTorch's layouts.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::{Array, Graph, Op, Program, Shape, Store, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// A device with checks on: a kernel that leaves its buffers shows.
pub fn gpu() -> Gpu {
    Gpu::open(None, GpuOptions { checked: true }).expect("an adapter; install mesa-vulkan-drivers for a software one")
}

/// The tensors of one file.
pub struct Reference {
    name: String,
    tensors: HashMap<String, Array>,
    /// The settings they were made with.
    pub case: serde_json::Value,
}

impl Reference {
    /// Reads `tests/reference/{name}.safetensors`.
    pub fn read(name: &str) -> Reference {
        let path = format!("{}/tests/reference/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file = safetensors::SafeTensors::deserialize(&bytes).expect(&path);
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).expect(&path);
        let case = metadata.metadata().as_ref().and_then(|m| m.get("case"));
        let tensors = file
            .tensors()
            .into_iter()
            .filter(|(_, view)| view.dtype() == safetensors::Dtype::F32)
            .map(|(name, view)| {
                let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
                // A scalar is a vector of one.
                let dims = match view.shape() {
                    [] => &[1],
                    dims => dims,
                };
                (name, Array::from_f32(dims, &values))
            })
            .collect();
        Reference {
            name: name.to_string(),
            tensors,
            case: case.map_or(serde_json::Value::Null, |c| serde_json::from_str(c).expect(&path)),
        }
    }

    /// A setting that is a number.
    pub fn setting(&self, key: &str) -> f64 {
        self.case[key].as_f64().unwrap_or_else(|| panic!("{}: setting {key}", self.name))
    }

    /// The names of its tensors.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    /// A tensor as it is.
    pub fn plain(&self, name: &str) -> Array {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: tensor {name}", self.name)).clone()
    }

    /// An activation: NCHW becomes NHWC, [N, C] stays.
    pub fn rows(&self, name: &str) -> Array {
        let array = self.plain(name);
        match array.dims.len() {
            4 => permute(&array, &[0, 2, 3, 1]),
            _ => array,
        }
    }

    /// A weight: OIHW becomes HWIO, [out, in] becomes [in, out].
    pub fn weight(&self, name: &str) -> Array {
        let array = self.plain(name);
        match array.dims.len() {
            4 => permute(&array, &[2, 3, 1, 0]),
            _ => permute(&array, &[1, 0]),
        }
    }
}

/// Dimension `i` of the result is dimension `order[i]` of the argument, like `torch.permute`.
pub fn permute(array: &Array, order: &[usize]) -> Array {
    let strides: Vec<usize> = (0..array.dims.len()).map(|d| array.dims[d + 1..].iter().product()).collect();
    let mut result = Array::zeros(&order.iter().map(|&d| array.dims[d]).collect::<Vec<_>>());
    for (index, value) in result.data.iter_mut().enumerate() {
        let (mut rest, mut from) = (index, 0);
        for &d in order.iter().rev() {
            from += rest % array.dims[d] * strides[d];
            rest /= array.dims[d];
        }
        *value = array.data[from];
    }
    result
}

/// The rows of `a`, then those of `b`.
pub fn stack(a: &Array, b: &Array) -> Array {
    let mut dims = a.dims.clone();
    dims[0] += b.dims[0];
    Array { dims, data: [a.data.clone(), b.data.clone()].concat() }
}

/// A graph under construction and what its inputs hold.
#[derive(Default)]
pub struct Setup {
    pub graph: Graph,
    given: Vec<(Tensor, Array)>,
}

impl Setup {
    /// An input that holds an activation or vector.
    pub fn rows(&mut self, array: Array) -> Tensor {
        let shape = Shape::rows(array.dims.clone());
        self.input(shape, array)
    }

    /// An input that holds a weight.
    pub fn weight(&mut self, array: Array) -> Tensor {
        let shape = Shape::weight(array.dims.clone());
        self.input(shape, array)
    }

    /// An input that holds indices.
    pub fn words(&mut self, array: Array) -> Tensor {
        let shape = Shape::words(array.dims[0]);
        self.input(shape, array)
    }

    fn input(&mut self, shape: Shape, array: Array) -> Tensor {
        let tensor = self.graph.input("given", shape);
        self.given.push((tensor, array));
        tensor
    }

    /// Adds an operator; its first output.
    pub fn add(&mut self, op: impl Op + 'static, inputs: &[Tensor]) -> Tensor {
        self.add_updating(op, inputs, &[])
    }

    /// Adds an operator that updates some tensors; its first output.
    pub fn add_updating(&mut self, op: impl Op + 'static, inputs: &[Tensor], updates: &[Tensor]) -> Tensor {
        let outputs = self.graph.add_updating(Arc::new(op), inputs, updates).expect("shapes that fit");
        outputs[0]
    }

    /// The gradients of those inputs of the last node that were given, where `dy` is that of its first output.
    pub fn backward(&mut self, dy: Array) -> Vec<Tensor> {
        let node = self.graph.nodes().last().expect("a node").clone();
        let dy = self.rows(dy);
        let given: Vec<Tensor> = self.given.iter().map(|(tensor, _)| *tensor).collect();
        let wanted = vec![true; node.inputs.len()];
        let gradients = node.op.gradient(&mut self.graph, &node, dy, &wanted).expect("a gradient rule");
        gradients
            .into_iter()
            .zip(&node.inputs)
            .filter(|(_, input)| given.contains(input))
            .map(|(g, _)| g.expect("a gradient for every input"))
            .collect()
    }

    /// Runs once and compares tensors with what they should hold: relative L2 error at most `tolerance`.
    pub fn check(mut self, tolerance: f64, expected: &[(&str, Tensor, Array)]) {
        for (_, tensor, _) in expected {
            self.graph.keep(*tensor);
        }
        let mut program = Program::compile(&self.graph, &mut Store::new(&gpu())).expect("a graph that compiles");
        for (tensor, array) in &self.given {
            program.write_array(*tensor, array);
        }
        program.run(None).expect("a run");
        let mut failures = Vec::new();
        for (name, tensor, expected) in expected {
            let got = program.read_array(*tensor).expect("a result");
            let error = got.relative_error(expected);
            println!("{name}: {error:.1e}");
            // NaN fails too.
            if error.is_nan() || error > tolerance {
                failures.push(format!("{name}: {error:.2e} > {tolerance:.0e}"));
            }
        }
        assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    }
}
