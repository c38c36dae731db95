//! Where the right class stands among a classifier's logits, for several classifiers at once.

use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};
use crate::ops::loss::label_cross_entropy::{kernel, rows_and_classes, shapes};

/// logits `[M, groups · C]`, labels `[M]` (class indices as floats, below C) → `[M, groups]`: how many classes come before the
/// label, those of larger logit and of equal ones those of lower index. 0 is a right answer, below 5 is one of the first five; C where the
/// label's logit is no number.
#[derive(Debug, Clone)]
pub struct TopkRank {
    /// Number of classifiers.
    pub groups: usize,
}

impl Op for TopkRank {
    facts!("topk_rank");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [rows, _] = rows_and_classes(self.groups, inputs)?;
        Ok(vec![Shape::rows([rows, self.groups])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let y = &io.outputs[0];
        Lowered::of(io, kernel("topk_rank", self.groups, &io.inputs[0], y), y.stored_len().div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (logits, labels) = (inputs[0], inputs[1]);
        let classes = logits.channels() / self.groups;
        let ranks = logits.rows().zip(&labels.data).flat_map(|(row, label)| {
            let label = *label as usize;
            row.chunks_exact(classes).map(move |group| {
                let own = group[label];
                let before = |(c, other): &(usize, &f64)| **other > own || (**other == own && *c < label);
                match own.is_finite() {
                    true => group.iter().enumerate().filter(before).count() as f64,
                    false => classes as f64,
                }
            })
        });
        vec![Array { dims: vec![logits.dims[0], self.groups], data: ranks.collect() }]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = shapes()
        .into_iter()
        .map(|([rows, groups, classes], labels)| {
            let name = format!("topk_rank {rows}x{groups}x{classes}");
            Case::new(&name, TopkRank { groups })
                .fixed(Shape::rows([rows, groups * classes]), Fill::Normal)
                .fixed(Shape::rows([rows]), labels)
        })
        .collect();
    // Ties, and a classifier that has diverged.
    let logits = [1.0, 1.0, 1.0, f32::NAN, f32::INFINITY, 0.0];
    cases.push(
        Case::new("topk_rank of ties and no numbers", TopkRank { groups: 2 })
            .fixed(Shape::rows([3, 6]), Fill::Values(logits.repeat(3)))
            .fixed(Shape::rows([3]), Fill::Values(vec![0.0, 1.0, 1.0])),
    );
    cases
}
