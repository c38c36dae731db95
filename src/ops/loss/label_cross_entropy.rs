//! Cross entropy with labels, for several classifiers at once, whose logits lie beside each other.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::rows::log_softmax;

/// logits `[M, groups · C]`, labels `[M]` (class indices as floats, below C) → `[M, groups]`: `F.cross_entropy` with
/// `reduction="none"` of each group's logits.
#[derive(Debug, Clone)]
pub struct LabelCrossEntropy {
    /// Number of classifiers.
    pub groups: usize,
}

/// Inputs dy `[M, groups]`, logits, labels → gradient for the logits.
#[derive(Debug, Clone)]
pub struct LabelCrossEntropyGradient {
    /// Number of classifiers.
    pub groups: usize,
}

/// M and C of logits and labels that fit; shared with what else looks at them.
pub(in crate::ops) fn rows_and_classes(groups: usize, inputs: &[Shape]) -> Result<[usize; 2], String> {
    match inputs {
        [logits, labels]
            if logits.dims().len() == 2
                && labels.dims() == [logits.dims()[0]]
                && groups > 0
                && logits.channels() > 0
                && logits.channels().is_multiple_of(groups) =>
        {
            Ok([logits.dims()[0], logits.channels() / groups])
        }
        _ => Err(format!("expected logits [M, {groups} C] and labels [M]")),
    }
}

/// A kernel over such logits, and `per_row` a row.
pub(in crate::ops) fn kernel(shader: &'static str, groups: usize, logits: &Shape, per_row: &Shape) -> Kernel {
    Kernel::new(shader)
        .with("ROWS", logits.row_count())
        .with("COLUMNS", logits.stored_channels())
        .with("GROUPS", groups)
        .with("CLASSES", logits.channels() / groups)
        .with("STORED", per_row.stored_channels())
}

impl Op for LabelCrossEntropy {
    facts!("label_cross_entropy");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [rows, _] = rows_and_classes(self.groups, inputs)?;
        Ok(vec![Shape::rows([rows, self.groups])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = LabelCrossEntropyGradient { groups: self.groups };
        let d = graph.add_one(op, &[dy, node.inputs[0], node.inputs[1]])?;
        Ok(vec![Some(d), None])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let y = &io.outputs[0];
        Lowered::of(io, kernel("label_cross_entropy", self.groups, &io.inputs[0], y), y.stored_len().div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (logits, labels) = (inputs[0], inputs[1]);
        let classes = logits.channels() / self.groups;
        let losses = logits.rows().zip(&labels.data).flat_map(|(row, label)| {
            let label = *label as usize;
            row.chunks_exact(classes).map(move |group| -log_softmax(group)[label])
        });
        vec![Array { dims: vec![logits.dims[0], self.groups], data: losses.collect() }]
    }
}

impl Op for LabelCrossEntropyGradient {
    facts!("label_cross_entropy_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [dy, rest @ ..] = inputs else {
            return Err("expected dy, logits and labels".to_string());
        };
        let [rows, _] = rows_and_classes(self.groups, rest)?;
        match dy.dims() == [rows, self.groups] {
            true => Ok(vec![rest[0].clone()]),
            false => Err(format!("expected dy [{rows}, {}]", self.groups)),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let (dy, logits) = (&io.inputs[0], &io.inputs[1]);
        let kernel = kernel("label_cross_entropy_gradient", self.groups, logits, dy);
        Lowered::of(io, kernel, (logits.row_count() * self.groups).div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, logits, labels) = (inputs[0], inputs[1], inputs[2]);
        let classes = logits.channels() / self.groups;
        let mut data = Vec::with_capacity(logits.data.len());
        for ((dy, row), label) in dy.rows().zip(logits.rows()).zip(&labels.data) {
            for (dy, group) in dy.iter().zip(row.chunks_exact(classes)) {
                let slopes = log_softmax(group).into_iter().enumerate();
                data.extend(slopes.map(|(c, log_p)| {
                    let wanted = f64::from(u8::from(c == *label as usize));
                    dy * (log_p.exp() - wanted)
                }));
            }
        }
        vec![logits.like(data)]
    }
}

/// Shapes with groups that begin inside vec4s, and labels of every class for them.
pub(in crate::ops) fn shapes() -> Vec<([usize; 3], Fill)> {
    let labels = |rows: usize, classes: usize| {
        let label = move |i: usize| (i * 7 + 3) % classes;
        Fill::Values((0..rows).map(|i| label(i) as f32).collect())
    };
    [[5, 1, 7], [67, 3, 5], [9, 8, 10], [3, 2, 301]]
        .into_iter()
        .map(|[rows, groups, classes]| ([rows, groups, classes], labels(rows, classes)))
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for ([rows, groups, classes], labels) in shapes() {
        // Large negative logits: a softmax that counted the padding, or skipped the maximum, would be far off.
        let fill = match groups {
            3 => Fill::Uniform(-130.0, -120.0),
            _ => Fill::Normal,
        };
        let name = format!("label_cross_entropy {rows}x{groups}x{classes}");
        let logits = Shape::rows([rows, groups * classes]);
        cases.push(
            Case::new(&name, LabelCrossEntropy { groups })
                .input(logits.clone(), fill.clone())
                .fixed(Shape::rows([rows]), labels.clone()),
        );
        cases.push(
            Case::new(&format!("{name} gradient"), LabelCrossEntropyGradient { groups })
                .fixed(Shape::rows([rows, groups]), Fill::Normal)
                .fixed(logits, fill)
                .fixed(Shape::rows([rows]), labels),
        );
    }
    cases
}
