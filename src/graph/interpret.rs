//! Runs a graph on the CPU through the operators' references: slow, plain, and what every kernel is held against.

use std::collections::HashMap;

use super::{Array, Graph, Place, Tensor};

/// Every tensor's value after one run. `given` holds the inputs and the state before.
pub fn interpret(graph: &Graph, given: &HashMap<Tensor, Array>) -> HashMap<Tensor, Array> {
    let mut values = given.clone();
    for (tensor, info) in graph.tensors() {
        if let Place::Constant(value) = info.place {
            let mut array = Array::zeros(info.shape.dims());
            array.data.fill(f64::from(value));
            values.entry(tensor).or_insert(array);
        }
    }
    for node in graph.nodes() {
        let inputs: Vec<&Array> = node.inputs.iter().map(|t| &values[t]).collect();
        let mut updates: Vec<Array> = node.updates.iter().map(|t| values[t].clone()).collect();
        let outputs = node.op.reference(&inputs, &mut updates);
        for (tensor, array) in node.updates.iter().zip(updates).chain(node.outputs.iter().zip(outputs)) {
            assert_eq!(array.dims, graph.shape(*tensor).dims(), "{}: the reference's shape", node.label);
            values.insert(*tensor, array);
        }
    }
    values
}
