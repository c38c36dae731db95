//! What is watched beside the loss, in every method: nodes that nothing learns from. They are small beside a step, and what the
//! host reads of them are a few numbers, or a matrix where it asks for one.

use std::sync::Arc;

use super::metric::{Cadence, Drawn, Level, Metric, PerEpoch, Source, names};
use crate::graph::{Graph, GraphError, Op, Shape, Tensor};
use crate::model::{Arena, Parameters};
use crate::ops;

/// Rows of view 1 whose effective rank is taken: more cost time and say little more.
pub const RANK_ROWS: usize = 256;
/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;

/// Of projections and predictions. All are kept.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// Mean |z| over all rows `[1]`.
    pub z_norm: Tensor,
    /// Mean |p| over all rows `[1]`.
    pub p_norm: Tensor,
    /// Mean cosine between the z of view 1 and view 2 of an image `[1]`, where the encoder sees two.
    pub view_cosine: Option<Tensor>,
    /// Gram matrix of the centred z/|z| of view 1, of its first rows ([`RANK_ROWS`]) or of its channels, whichever are fewer:
    /// `[n, n]`. Its eigenvalues are the squared singular values.
    pub gram: Tensor,
    /// Its n.
    pub gram_side: usize,
    /// Its rows before the products.
    pub gram_rows: usize,
}

impl Outputs {
    /// Their metrics.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let further =
            |name, title, tensor| Metric { drawn: Drawn::Further, ..Metric::new(name, title, Source::Tensor(tensor)) };
        let source = Source::EffectiveRank { gram: self.gram, side: self.gram_side, rows: self.gram_rows };
        let title = "Cosine between the projections of two views";
        let mut metrics = vec![
            further("z_norm", "Norm of the projections z", self.z_norm),
            further("p_norm", "Norm of the predictions p", self.p_norm),
        ];
        metrics.extend(self.view_cosine.map(|cosine| further("view_cosine", title, cosine)));
        metrics.push(Metric {
            short: Some("rank"),
            help: "How many directions the outputs of a batch spread over. It falls as a network learns, and settles well above the level \
                   of an alarm; where it goes on falling towards 1, all images get the same output: a collapse.",
            cadence: Cadence::Watched,
            per_epoch: Some(PerEpoch::Last),
            from_zero: true,
            drawn: Drawn::First,
            ..Metric::new(names::EFFECTIVE_RANK, "Effective rank", source)
        });
        metrics
    }
}

/// The mean std of the channels of z/|z|, whose healthy level is given.
pub(super) fn output_std(tensor: Tensor, healthy: f64) -> Metric {
    Metric {
        short: Some("std"),
        help: "How much the outputs differ between images: the std of each channel of z/|z| over the batch, averaged, times \u{221A}d. 1 is \
               healthy for any width d; 0 is one output for all images.",
        digits: 2,
        per_epoch: Some(PerEpoch::Mean),
        level: Some(Level::Healthy { value: healthy, formula: "1/\u{221A}d", factor: "\u{221A}d" }),
        // How far it has fallen is what counts.
        from_zero: true,
        drawn: Drawn::First,
        ..Metric::new(names::OUTPUT_STD, "Output std", Source::Tensor(tensor))
    }
}

/// Of the gradients of a step. All are kept.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// L2 norm of the gradient of every stage `[stages]`, without loss scale and weight decay. Meaningless where the step is
    /// skipped.
    pub norms: Tensor,
    /// Names of the stages: stem, layer1 and so on, projector, predictor.
    pub stages: Vec<String>,
    /// What the optimiser multiplies the gradients with, 0 in a step that is skipped `[1]`; `None` where no loss is scaled.
    pub factor: Option<Tensor>,
}

impl Gradients {
    /// The norm of the whole gradient, without weight decay.
    pub(super) fn metric(&self) -> Metric {
        let source = Source::Norm { tensor: self.norms, count: self.stages.len(), factor: self.factor };
        Metric { drawn: Drawn::Further, ..Metric::new(names::GRADIENT_NORM, "Norm of the gradients", source) }
    }
}

/// Adds what is watched of `z` and `p` `[V N, dim]`, and of `normalized_z`, z/|z|; view 1 of `images` images comes first.
pub(super) fn outputs(
    graph: &mut Graph,
    [z, p, normalized_z]: [Tensor; 3],
    images: usize,
) -> Result<Outputs, GraphError> {
    let rows = graph.shape(z).dims()[0];
    let mean = |count| ops::Mean { count, scale: 1.0 };
    let norm = |graph: &mut Graph, tensor| {
        let norms = graph.add_one(ops::RowNorm, &[tensor])?;
        graph.add_one(mean(rows), &[norms])
    };
    let z_norm = norm(graph, z)?;
    let p_norm = norm(graph, p)?;
    let view_cosine = match rows > images {
        true => {
            let other = graph.add_one(ops::SwapViews, &[z])?;
            let cosines = graph.add_one(ops::CosineSimilarity { eps: COSINE_EPS }, &[z, other])?;
            Some(graph.add_one(mean(images), &[cosines])?)
        }
        false => None,
    };

    let rows = images.min(RANK_ROWS);
    let channels = graph.shape(z).channels();
    let centered = graph.add_one(ops::CenterColumns { rows }, &[normalized_z])?;
    let gram = match channels < rows {
        true => graph.add_one(ops::LinearGradWeight, &[centered, centered])?,
        false => graph.add_one(ops::MatmulTransposed, &[centered, centered])?,
    };
    for tensor in [z_norm, p_norm, gram].into_iter().chain(view_cosine) {
        graph.keep(tensor);
    }
    Ok(Outputs { z_norm, p_norm, view_cosine, gram, gram_side: channels.min(rows), gram_rows: rows })
}

/// Adds what is watched of the gradients, which lie in their arena. They are those of a scaled loss where there is a `factor`,
/// which undoes the scale.
pub(super) fn gradients(
    graph: &mut Graph,
    factor: Option<Tensor>,
    parameters: &Parameters,
) -> Result<Gradients, GraphError> {
    let (stages, ends) = stages(parameters);
    let words = Shape::rows([parameters.words(Arena::PARAMETERS)]);
    let arena = graph.state(Arena::GRADIENTS.0, words, Arena::GRADIENTS.0, 0);
    let op: Arc<dyn Op> = Arc::new(ops::SegmentNorms { ends, scaled: factor.is_some() });
    let mut inputs = vec![arena];
    inputs.extend(factor);
    let norms = graph.add_updating(op, &inputs, &[])?[0];
    graph.keep(norms);
    if let Some(factor) = factor {
        graph.keep(factor);
    }
    Ok(Gradients { norms, stages, factor })
}

/// The stages of a network in the order of their parameters, and the word of [`Arena::PARAMETERS`] where each ends: the entries of
/// a stage lie beside each other.
fn stages(parameters: &Parameters) -> (Vec<String>, Vec<usize>) {
    let mut stages: Vec<String> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for entry in parameters.of(Arena::PARAMETERS) {
        let stage = stage(&entry.name);
        if stages.last().map(String::as_str) != Some(stage) {
            if !stages.is_empty() {
                ends.push(entry.offset);
            }
            stages.push(stage.to_string());
        }
    }
    ends.push(parameters.words(Arena::PARAMETERS));
    (stages, ends)
}

/// The stage of a parameter, from PyTorch's name of it.
fn stage(name: &str) -> &str {
    let name = name.strip_prefix("encoder.").unwrap_or(name);
    match name.split('.').next().unwrap_or(name) {
        "conv1" | "bn1" => "stem",
        "fc" => "projector",
        other => other,
    }
}
