//! What contrastive methods share: the similarity of what belongs together, and of what does not.

use super::{Drawn, Metric, PerEpoch, Source, StepBuilder};
use crate::graph::{Graph, GraphError, Tensor};
use crate::ops;

/// `F.cosine_similarity`'s default.
const COSINE_EPS: f32 = 1e-8;

/// What becomes of the similarities of a step, `[1]` each.
#[derive(Debug, Clone, Copy)]
pub struct Contrast {
    /// The loss, mean over the rows.
    pub loss: Tensor,
    /// Mean similarity of what belongs together.
    pub positive: Tensor,
    /// Mean similarity of what does not.
    pub negative: Tensor,
}

impl Contrast {
    /// Of rows `[M, dim]` and what belongs to each, `[M, dim]`, by the similarities `[M, K]` to others; all of unit length.
    pub(super) fn new(
        graph: &mut Graph,
        [rows, belongs]: [Tensor; 2],
        negatives: Tensor,
        op: ops::InfoNce,
    ) -> Result<Contrast, GraphError> {
        let count = graph.shape(rows).row_count();
        let positive = graph.add_one(ops::CosineSimilarity { eps: COSINE_EPS }, &[rows, belongs])?;
        let outputs = graph.add(op, &[positive, negatives])?;
        let mut mean = |tensor| graph.add_one(ops::Mean { count, scale: 1.0 }, &[tensor]);
        Ok(Contrast { loss: mean(outputs[0])?, positive: mean(positive)?, negative: mean(outputs[2])? })
    }

    /// Declares the similarities as metrics.
    pub(super) fn measure(&self, step: &mut StepBuilder) {
        for (name, title, tensor) in [
            ("positive_similarity", "Similarity of two views of an image", self.positive),
            ("negative_similarity", "Similarity of views of different images", self.negative),
        ] {
            let metric = Metric::new(name, title, Source::Tensor(tensor));
            step.measure(Metric { per_epoch: Some(PerEpoch::Mean), drawn: Drawn::Further, ..metric });
        }
    }
}
