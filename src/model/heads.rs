//! The projector (`encoder.fc`) and the predictor, with the names of the authors' module tree.
//!
//! Indices are those of the default arrangement, Linear-BN-ReLU-…, also where a batch norm is left out (as if an
//! `nn.Identity` stood there), so that a name means the same layer in every experiment. A linear layer has a trained bias
//! where no batch norm follows (`nn.Linear`'s default; the paper says nothing of it in Table 3a), none where one does.

use super::{Bias, Builder, Norm};
use crate::config::{BatchNormPlacement, MethodConfig, ModelConfig, Predictor};
use crate::graph::{GraphError, Tensor};
use crate::ops;

/// Which layers of the heads have a batch norm (paper Table 3).
struct Placement {
    hidden: bool,
    projector_output: bool,
    predictor_output: bool,
}

impl Placement {
    fn of(config: &MethodConfig) -> Placement {
        use BatchNormPlacement as P;
        Placement {
            hidden: config.batch_norm != P::None,
            projector_output: matches!(config.batch_norm, P::Default | P::All),
            predictor_output: config.batch_norm == P::All,
        }
    }
}

/// The projector: features `[N, F]` → z `[N, dim]`.
///
/// Hidden layers `0`-`1`-`2` (and `3`-`4`-`5`) and an output layer without ReLU. With 3 layers the output is `6`-`7`, and
/// the bias of `6` is frozen, as in the authors' code; with 2 (paper App. D) it is `3`-`4`, without bias.
pub fn projector(
    builder: &mut Builder,
    features: Tensor,
    model: &ModelConfig,
    method: &MethodConfig,
) -> Result<Tensor, GraphError> {
    let placement = Placement::of(method);
    builder.within("fc", |builder| {
        let mut x = features;
        let hidden_layers = model.projector_layers.saturating_sub(1);
        for layer in 0..hidden_layers {
            x = hidden(builder, 3 * layer, x, model.projector_hidden(), placement.hidden)?;
        }
        let bias = match (placement.projector_output, model.projector_layers) {
            (false, _) => Bias::Trained,
            (true, 3) => Bias::Frozen,
            (true, _) => Bias::None,
        };
        let norm = placement.projector_output.then_some(Norm { affine: model.output_affine, ..Norm::PLAIN });
        output(builder, 3 * hidden_layers, x, model.dim, bias, norm)
    })
}

/// The predictor h: z `[N, dim]` → p `[N, dim]`. Linear-BN-ReLU-Linear with a bias on the last; z itself where the
/// configuration has none (Table 1a); with weights that keep their first values where it is frozen (Table 1b).
pub fn predictor(
    builder: &mut Builder,
    z: Tensor,
    model: &ModelConfig,
    method: &MethodConfig,
) -> Result<Tensor, GraphError> {
    builder.begin_predictor();
    let placement = Placement::of(method);
    let layers = |builder: &mut Builder| {
        builder.within("predictor", |builder| {
            let x = hidden(builder, 0, z, model.predictor_dim(), placement.hidden)?;
            match placement.predictor_output {
                true => output(builder, 3, x, model.dim, Bias::None, Some(Norm::PLAIN)),
                false => output(builder, 3, x, model.dim, Bias::Trained, None),
            }
        })
    };
    match method.predictor {
        Predictor::None => Ok(z),
        Predictor::Mlp => layers(builder),
        Predictor::Frozen => builder.frozen(layers),
    }
}

/// Linear, batch norm, ReLU as modules `index`, `index + 1`, `index + 2`.
fn hidden(builder: &mut Builder, index: usize, x: Tensor, width: usize, norm: bool) -> Result<Tensor, GraphError> {
    if norm {
        let x = builder.linear(&index.to_string(), x, width, Bias::None)?;
        builder.batch_norm(&(index + 1).to_string(), x, Norm::RELU)
    } else {
        let x = builder.linear(&index.to_string(), x, width, Bias::Trained)?;
        builder.add_one(&(index + 2).to_string(), ops::Relu, &[x])
    }
}

/// Linear and perhaps a batch norm as modules `index` and `index + 1`.
fn output(
    builder: &mut Builder,
    index: usize,
    x: Tensor,
    width: usize,
    bias: Bias,
    norm: Option<Norm>,
) -> Result<Tensor, GraphError> {
    let x = builder.linear(&index.to_string(), x, width, bias)?;
    match norm {
        Some(norm) => builder.batch_norm(&(index + 1).to_string(), x, norm),
        None => Ok(x),
    }
}
