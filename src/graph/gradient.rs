//! Reverse-mode gradients: every node, last first, adds the nodes of its own gradient rule.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Graph, GraphError, Op, Tensor};

impl Graph {
    /// Adds the nodes that compute d `loss` / d each tensor of `of`; `None` where the loss does not depend on it.
    ///
    /// `loss` has one element. Where a tensor is used more than once its gradients are summed by `sum`, an operator of
    /// two inputs, in the order of the backward pass.
    pub fn gradients(
        &mut self,
        loss: Tensor,
        of: &[Tensor],
        sum: &Arc<dyn Op>,
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let one = self.constant(1.0, self.shape(loss).clone());
        self.gradients_from(loss, one, of, sum)
    }

    /// The same where the gradient of `output` is `incoming`, of the same shape: the backward pass of a part of a network.
    pub fn gradients_from(
        &mut self,
        output: Tensor,
        incoming: Tensor,
        of: &[Tensor],
        sum: &Arc<dyn Op>,
    ) -> Result<Vec<Option<Tensor>>, GraphError> {
        let mut needed = vec![false; self.tensors.len()];
        for tensor in of {
            needed[tensor.0 as usize] = true;
        }
        for node in &self.nodes {
            let passes = !node.op.stops_gradient();
            if passes && node.inputs.iter().any(|t| needed[t.0 as usize]) {
                for output in &node.outputs {
                    needed[output.0 as usize] = true;
                }
            }
        }
        self.backward.get_or_insert(self.nodes.len());
        let mut gradient: HashMap<Tensor, Tensor> = HashMap::new();
        gradient.insert(output, incoming);
        for index in (0..self.nodes.len()).rev() {
            let node = self.nodes[index].clone();
            let wanted: Vec<bool> = node.inputs.iter().map(|t| needed[t.0 as usize]).collect();
            let dy = node.outputs.first().and_then(|output| gradient.get(output)).copied();
            let passes = !node.op.stops_gradient() && wanted.contains(&true);
            let Some(dy) = dy.filter(|_| passes) else {
                continue;
            };
            let scope = format!("{} backward", node.label);
            let inputs = self.within(&scope, |graph| node.op.gradient(graph, &node, dy, &wanted))?;
            for (tensor, new) in node.inputs.iter().zip(inputs) {
                let (Some(new), true) = (new, needed[tensor.0 as usize]) else {
                    continue;
                };
                let total = match gradient.get(tensor) {
                    None => new,
                    Some(&old) => self.within(&scope, |g| g.add_updating(sum.clone(), &[old, new], &[]))?[0],
                };
                gradient.insert(*tensor, total);
            }
        }
        Ok(of.iter().map(|t| gradient.get(t).copied()).collect())
    }
}
