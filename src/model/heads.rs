//! The heads on top of a backbone: multi-layer perceptrons with the names of the authors' module tree.
//!
//! Indices are those of the arrangement Linear-BN-ReLU-…, also where a batch norm is left out (as if an `nn.Identity` stood
//! there), so that a name means the same layer in every experiment. A hidden linear layer has a trained bias where no batch
//! norm follows, none where one does.

use super::{Bias, Builder, Norm};
use crate::graph::{GraphError, Tensor};
use crate::ops;

/// A multi-layer perceptron: hidden layers of linear, batch norm and ReLU, and a linear output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mlp {
    /// Its module: `fc`, `predictor`.
    pub name: &'static str,
    /// Hidden layers; 0 is a linear head.
    pub hidden_layers: usize,
    /// Width of each.
    pub hidden: usize,
    /// Whether they have a batch norm.
    pub hidden_norm: bool,
    /// Width of the output.
    pub output: usize,
    /// Bias of the output layer.
    pub output_bias: Bias,
    /// Whether a batch norm without ReLU follows the output layer, and whether that has a scale and a shift.
    pub output_norm: Option<Affine>,
}

/// Whether a batch norm has a trained scale and shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affine(pub bool);

impl Mlp {
    /// Adds it: x `[N, F]` → `[N, output]`.
    pub fn add(&self, builder: &mut Builder, x: Tensor) -> Result<Tensor, GraphError> {
        builder.within(self.name, |builder| {
            let mut x = x;
            for layer in 0..self.hidden_layers {
                x = self.hidden_layer(builder, 3 * layer, x)?;
            }
            let index = 3 * self.hidden_layers;
            let x = builder.linear(&index.to_string(), x, self.output, self.output_bias)?;
            match self.output_norm {
                Some(Affine(affine)) => builder.batch_norm(&(index + 1).to_string(), x, Norm { affine, ..Norm::PLAIN }),
                None => Ok(x),
            }
        })
    }

    /// Linear, batch norm, ReLU as modules `index`, `index + 1`, `index + 2`.
    fn hidden_layer(&self, builder: &mut Builder, index: usize, x: Tensor) -> Result<Tensor, GraphError> {
        let bias = if self.hidden_norm { Bias::None } else { Bias::Trained };
        let x = builder.linear(&index.to_string(), x, self.hidden, bias)?;
        match self.hidden_norm {
            true => builder.batch_norm(&(index + 1).to_string(), x, Norm::RELU),
            false => builder.add_one(&(index + 2).to_string(), ops::Relu, &[x]),
        }
    }
}
