//! SwAV's loss: the code of one view is predicted from another.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid};
use crate::ops::check::{Case, Fill};
use crate::ops::rows::{self, log_softmax};

/// Inputs scores `[M, K]`, similarities of views to K prototypes, and codes `[2N, K]` of view 1 of N images and then of view 2 → `[M]`:
/// -Σ q log softmax(scores / t), with the code q of the other view of the same image (Caron et al. 2020, eq. 2).
#[derive(Debug, Clone)]
pub struct SwappedPrediction {
    /// Divides the scores: t, at least 1e-6.
    pub temperature: f32,
    /// Whether the rows are small crops, one of every image after the other: then the codes of both views are predicted, and q is their sum.
    /// The rows are those of the codes otherwise.
    pub small: bool,
}

/// Inputs dy `[M]`, scores, codes → gradient for the scores.
#[derive(Debug, Clone)]
pub struct SwappedPredictionGradient {
    /// The forward operator.
    pub forward: SwappedPrediction,
}

/// Inputs dy `[M]`, scores, codes → gradient for the codes.
#[derive(Debug, Clone)]
pub struct SwappedPredictionCodeGradient {
    /// The forward operator.
    pub forward: SwappedPrediction,
}

impl SwappedPrediction {
    /// M of inputs that fit.
    fn rows(&self, inputs: &[Shape]) -> Result<usize, String> {
        match inputs {
            [scores, codes]
                if scores.dims().len() == 2
                    && codes.dims().len() == 2
                    && scores.channels() == codes.channels()
                    && codes.dims()[0] >= 2
                    && codes.dims()[0].is_multiple_of(2)
                    && match self.small {
                        true => scores.dims()[0].is_multiple_of(codes.dims()[0] / 2),
                        false => scores.dims()[0] == codes.dims()[0],
                    } =>
            {
                Ok(scores.dims()[0])
            }
            _ => Err("expected scores [M, K] of the images of codes [2N, K]".to_string()),
        }
    }

    fn kernel(&self, shader: &'static str, scores: &Shape, codes: &Shape) -> Kernel {
        rows::kernel(shader, scores)
            .with("BOTH", self.small)
            .with("WIDTH", scores.channels())
            .with("HALF", codes.row_count() / 2)
            .with("SCALE", 1.0 / self.temperature)
    }

    /// The code that a row predicts.
    fn code(&self, codes: &Array, row: usize) -> Vec<f64> {
        let (half, width) = (codes.dims[0] / 2, codes.channels());
        let of = |row: usize| &codes.data[row * width..][..width];
        match self.small {
            true => of(row % half).iter().zip(of(row % half + half)).map(|(a, b)| a + b).collect(),
            false => of((row + half) % (2 * half)).to_vec(),
        }
    }

    fn log_softmax(&self, row: &[f64]) -> Vec<f64> {
        log_softmax(&row.iter().map(|v| v / f64::from(self.temperature)).collect::<Vec<_>>())
    }
}

impl Op for SwappedPrediction {
    facts!("swapped_prediction");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([self.rows(inputs)?])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        let (forward, operands) = (self.clone(), [dy, node.inputs[0], node.inputs[1]]);
        rows::gradients(wanted, |i| match i {
            0 => graph.add_one(SwappedPredictionGradient { forward: forward.clone() }, &operands),
            _ => graph.add_one(SwappedPredictionCodeGradient { forward: forward.clone() }, &operands),
        })
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_vector(io, self.kernel("swapped_prediction", &io.inputs[0], &io.inputs[1]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (scores, codes) = (inputs[0], inputs[1]);
        let loss = |(i, row): (usize, &[f64])| -rows::dot(&self.code(codes, i), &self.log_softmax(row));
        vec![Array { dims: vec![scores.dims[0]], data: scores.rows().enumerate().map(loss).collect() }]
    }
}

impl Op for SwappedPredictionGradient {
    facts!("swapped_prediction_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy, rest @ ..] if dy.dims() == [self.forward.rows(rest)?] => Ok(vec![rest[0].clone()]),
            _ => Err("expected dy [M], scores [M, K] and codes".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_rows(io, self.forward.kernel("swapped_prediction_gradient", &io.inputs[1], &io.inputs[2]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, scores, codes) = (inputs[0], inputs[1], inputs[2]);
        let mut data = Vec::with_capacity(scores.data.len());
        for (i, row) in scores.rows().enumerate() {
            let (code, log_p) = (self.forward.code(codes, i), self.forward.log_softmax(row));
            let (slope, total) = (dy.data[i] / f64::from(self.forward.temperature), code.iter().sum::<f64>());
            data.extend(log_p.iter().zip(&code).map(|(log_p, q)| slope * (total * log_p.exp() - q)));
        }
        vec![scores.like(data)]
    }
}

impl Op for SwappedPredictionCodeGradient {
    facts!("swapped_prediction_code_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy, rest @ ..] if dy.dims() == [self.forward.rows(rest)?] => Ok(vec![rest[1].clone()]),
            _ => Err("expected dy [M], scores [M, K] and codes".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let (scores, codes) = (&io.inputs[1], &io.inputs[2]);
        let log_sums = scores.row_count().next_multiple_of(4);
        let kernel = |shader| self.forward.kernel(shader, scores, codes);
        let first = kernel("swapped_log_sums").with("STORED_ROWS", log_sums);
        let first = Launch::new(first, [Slot::input(1), Slot::scratch(0)], grid(log_sums));
        let vectors = codes.vectors();
        let second = kernel("swapped_prediction_code_gradient").with("VECTORS", vectors);
        let slots = [Slot::input(0), Slot::input(1), Slot::scratch(0), Slot::output(0)];
        let second = Launch::new(second, slots, grid(vectors.div_ceil(64)));
        Lowered { launches: vec![first, second], scratch: vec![log_sums] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, scores, codes) = (inputs[0], inputs[1], inputs[2]);
        let (half, width) = (codes.dims[0] / 2, codes.channels());
        let mut d = codes.like(vec![0.0; codes.data.len()]);
        for (i, row) in scores.rows().enumerate() {
            let predicted = match self.forward.small {
                true => vec![i % half, i % half + half],
                false => vec![(i + half) % (2 * half)],
            };
            for (k, log_p) in self.forward.log_softmax(row).iter().enumerate() {
                predicted.iter().for_each(|code| d.data[code * width + k] -= dy.data[i] * log_p);
            }
        }
        vec![d]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, images, k, temperature, small) in [
        (10, 5, 7, 0.1, false),
        (6, 3, 300, 0.1, false),
        (15, 5, 7, 0.1, true),
        (4, 4, 9, 0.5, true),
        (2, 1, 4, 0.05, false),
    ] {
        let op = SwappedPrediction { temperature, small };
        let name = format!("swapped_prediction {rows}x{k} of {images} images{}", if small { ", small" } else { "" });
        let (scores, codes) = (Shape::rows([rows, k]), Shape::rows([2 * images, k]));
        let (cosines, shares) = (Fill::Uniform(-1.0, 1.0), Fill::Uniform(0.0, 0.5));
        cases.push(
            Case::new(&name, op.clone()).input(scores.clone(), cosines.clone()).input(codes.clone(), shares.clone()),
        );
        cases.push(
            Case::new(&format!("{name} gradient"), SwappedPredictionGradient { forward: op })
                .fixed(Shape::rows([rows]), Fill::Normal)
                .fixed(scores, cosines)
                .fixed(codes, shares),
        );
    }
    cases
}
