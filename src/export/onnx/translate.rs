//! The nodes of an evaluation graph as those of ONNX.

use std::any::Any;
use std::collections::HashMap;

use super::proto::{AttributeProto, AttributeType, FLOAT, NodeProto, TensorProto};
use crate::export::ExportError;
use crate::graph::{Graph, Node, Tensor};
use crate::ops::{BatchNormEval, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};

/// A model that is being written.
pub(super) struct Translation<'a> {
    graph: &'a Graph,
    pub nodes: Vec<NodeProto>,
    pub initializers: Vec<TensorProto>,
    /// Names of the input and of results.
    names: HashMap<Tensor, String>,
}

/// What is said of a weight or layer inside the encoder, the only module there is.
fn short(name: &str) -> &str {
    name.strip_prefix("encoder.").unwrap_or(name)
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(i), r#type: AttributeType::Int.into(), ..Default::default() }
}

/// An attribute with as many times the same number.
fn ints<const N: usize>(name: &str, i: usize) -> AttributeProto {
    let ints = vec![i as i64; N];
    AttributeProto { name: name.to_owned(), ints, r#type: AttributeType::Ints.into(), ..Default::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: Some(f), r#type: AttributeType::Float.into(), ..Default::default() }
}

impl<'a> Translation<'a> {
    pub fn new(graph: &'a Graph) -> Translation<'a> {
        Translation { graph, nodes: Vec::new(), initializers: Vec::new(), names: HashMap::new() }
    }

    /// Values in PyTorch's layout.
    pub fn weight(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.initializers.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: FLOAT,
            name: short(name).to_owned(),
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        });
    }

    /// The input, normalised by mean and std where they are given.
    pub fn image(&mut self, images: Tensor, normalize: Option<([f64; 3], [f64; 3])>) {
        let mut name = "image".to_owned();
        if let Some((mean, std)) = normalize {
            for (op, part, values) in [("Sub", "mean", mean), ("Div", "std", std)] {
                self.weight(part, &[1, 3, 1, 1], &values.map(|value| value as f32));
                let output = format!("normalize/{part}");
                name = self.node(op, &[&name, part], output, vec![]);
            }
        }
        self.names.insert(images, name);
    }

    /// Calls a result so, which keeps its place among the nodes.
    pub fn rename(&mut self, tensor: Tensor, name: &str) {
        let Some(before) = self.names.insert(tensor, name.to_owned()) else { return };
        let used = self.nodes.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output));
        used.filter(|used| **used == before).for_each(|used| name.clone_into(used));
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op.to_owned(),
            attribute,
        });
        output
    }

    /// The name of what a node reads: a result of an earlier one, or a weight.
    fn name(&self, tensor: Tensor) -> String {
        let name = || short(&self.graph.info(tensor).name).to_owned();
        self.names.get(&tensor).cloned().unwrap_or_else(name)
    }

    /// All of the graph.
    pub fn nodes(&mut self) -> Result<(), ExportError> {
        let graph = self.graph;
        graph.nodes().iter().try_for_each(|node| self.translate(node))
    }

    fn translate(&mut self, node: &Node) -> Result<(), ExportError> {
        let names: Vec<String> = node.inputs.iter().map(|&input| self.name(input)).collect();
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let weight = |input: usize| self.graph.shape(node.inputs[input]);
        let window = |kernel, stride, padding| {
            vec![ints::<2>("kernel_shape", kernel), ints::<2>("strides", stride), ints::<4>("pads", padding)]
        };
        // "encoder.layer1.0.conv1 conv2d": the layer and its operator.
        let layer = short(node.label.split(' ').next().unwrap_or_default()).to_owned();
        let op: &dyn Any = &*node.op;
        let result = if let Some(&Conv2d { stride, padding }) = op.downcast_ref() {
            let attributes = window(weight(1).dims()[0], stride, padding);
            self.node("Conv", &inputs, layer, attributes)
        } else if let Some(norm) = op.downcast_ref() {
            let channels = weight(1).channels();
            self.batch_norm(norm, &inputs, layer, channels)
        } else if let Some(&MaxPool { kernel, stride, padding }) = op.downcast_ref() {
            self.node("MaxPool", &inputs, layer, window(kernel, stride, padding))
        } else if op.is::<GlobalAvgPool>() {
            let pooled = self.node("GlobalAveragePool", &inputs, layer, vec![]);
            self.node("Flatten", &[&pooled], "flatten".to_owned(), vec![int("axis", 1)])
        } else if op.is::<Linear>() {
            self.node("Gemm", &inputs, layer, vec![int("transB", 1)])
        } else if op.is::<Relu>() {
            self.node("Relu", &inputs, layer, vec![])
        } else {
            return Err(ExportError::Operator { label: node.label.clone() });
        };
        self.names.insert(node.outputs[0], result);
        Ok(())
    }

    /// Batch normalisation, and what is fused with it here as nodes of their own. `inputs` are x, mean, variance, (scale, shift), (residual).
    fn batch_norm(&mut self, norm: &BatchNormEval, inputs: &[&str], output: String, channels: usize) -> String {
        let (x, mean, variance) = (inputs[0], inputs[1], inputs[2]);
        let module = mean.trim_end_matches(".running_mean");
        let affine = ["weight", "bias"].map(|part| format!("{module}.{part}"));
        if !norm.affine {
            // ONNX knows none without.
            self.weight(&affine[0], &[channels], &vec![1.0; channels]);
            self.weight(&affine[1], &[channels], &vec![0.0; channels]);
        }
        let residual = inputs.last().filter(|_| norm.residual);
        let inputs = [x, &affine[0], &affine[1], mean, variance];
        let mut last = self.node("BatchNormalization", &inputs, output.clone(), vec![float("epsilon", norm.eps)]);
        if let Some(residual) = residual {
            last = self.node("Add", &[&last, residual], format!("{output}/add"), vec![]);
        }
        if norm.relu {
            last = self.node("Relu", &[&last], format!("{output}/relu"), vec![]);
        }
        last
    }
}
