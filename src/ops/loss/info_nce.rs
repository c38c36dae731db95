//! InfoNCE (van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018): the cross-entropy of telling what
//! belongs to a row among many.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::rows;

/// Inputs positive `[M]`, the similarity of each row to what belongs to it, and negatives `[M, K]`, those to what does not → `[M]`:
/// log(exp(positive / t) + Σ exp(negatives / t)) - positive / t, MoCo's loss (He et al. 2019, eq. 1). No exponential overflows. Two more
/// outputs without gradient, `[M]` each: that logarithm, and the mean of the negatives that count.
#[derive(Debug, Clone)]
pub struct InfoNce {
    /// Divides the similarities: t, at least 1e-6.
    pub temperature: f32,
    /// Whether the negatives are the similarities of 2N views to each other, view 1 of N images and then view 2: then a view's own column
    /// and that of the other view of its image do not count. SimCLR's NT-Xent (Chen et al. 2020, eq. 1).
    pub pairs: bool,
}

/// Inputs dy `[M]`, positive, negatives and the logarithm of the forward pass → gradients for positive and negatives.
#[derive(Debug, Clone)]
pub struct InfoNceGradient {
    /// The forward operator.
    pub forward: InfoNce,
}

impl InfoNce {
    /// M and K of inputs that fit.
    fn sizes(&self, inputs: &[Shape]) -> Result<[usize; 2], String> {
        match inputs {
            [positive, negatives] if negatives.dims().len() == 2 && positive.dims() == [negatives.dims()[0]] => {
                let (rows, columns) = (negatives.dims()[0], negatives.channels());
                let fits = !self.pairs || (rows == columns && rows >= 4 && rows.is_multiple_of(2));
                match fits {
                    true => Ok([rows, columns]),
                    false => Err("expected the similarities of two views of at least two images".to_string()),
                }
            }
            _ => Err("expected positives [M] and negatives [M, K]".to_string()),
        }
    }

    /// Whether a column is a negative of a row.
    fn counts(&self, rows: usize, row: usize, column: usize) -> bool {
        !self.pairs || (column != row && column != (row + rows / 2) % rows)
    }

    fn kernel(&self, shader: &'static str, negatives: &Shape, stored_rows: usize) -> Kernel {
        rows::kernel(shader, negatives)
            .with("PAIRS", self.pairs)
            .with("WIDTH", negatives.channels())
            .with("STORED_ROWS", stored_rows)
            .with("SCALE", 1.0 / self.temperature)
    }
}

impl Op for InfoNce {
    facts!("info_nce");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [rows, _] = self.sizes(inputs)?;
        Ok(vec![Shape::rows([rows]); 3])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, _wanted: &[bool]) -> InputGradients {
        let op = InfoNceGradient { forward: self.clone() };
        let gradients = graph.add(op, &[dy, node.inputs[0], node.inputs[1], node.outputs[1]])?;
        Ok(gradients.into_iter().map(Some).collect())
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let stored = io.outputs[0].stored_len();
        let count = io.inputs[1].channels() - if self.pairs { 2 } else { 0 };
        let kernel = self.kernel("info_nce", &io.inputs[1], stored).with("COUNT", count as f32);
        Lowered::of(io, kernel, stored)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (positive, negatives) = (inputs[0], inputs[1]);
        let (rows, t) = (positive.data.len(), f64::from(self.temperature));
        let [mut y, mut log_sum, mut mean] = [(); 3].map(|()| Array::zeros(&[rows]));
        for (i, row) in negatives.rows().enumerate() {
            let of_row: Vec<f64> = (0..row.len()).filter(|&k| self.counts(rows, i, k)).map(|k| row[k]).collect();
            let most = of_row.iter().copied().fold(positive.data[i], f64::max);
            let sum: f64 = of_row.iter().chain([&positive.data[i]]).map(|v| ((v - most) / t).exp()).sum();
            log_sum.data[i] = most / t + sum.ln();
            y.data[i] = (most - positive.data[i]) / t + sum.ln();
            mean.data[i] = of_row.iter().sum::<f64>() / of_row.len() as f64;
        }
        vec![y, log_sum, mean]
    }
}

impl Op for InfoNceGradient {
    facts!("info_nce_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dy, positive, negatives, log_sum] if dy == positive && log_sum == positive => {
                self.forward.sizes(&[positive.clone(), negatives.clone()])?;
                Ok(vec![positive.clone(), negatives.clone()])
            }
            _ => Err("expected dy, positives, negatives and the logarithm of their sum".to_string()),
        }
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let stored = io.outputs[0].stored_len();
        Lowered::of(io, self.forward.kernel("info_nce_gradient", &io.inputs[2], stored), stored)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, positive, negatives, log_sum) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let (rows, t) = (positive.data.len(), f64::from(self.forward.temperature));
        let (mut dpositive, mut dnegatives) = (positive.clone(), negatives.clone());
        for i in 0..rows {
            let probability = |v: f64| (v / t - log_sum.data[i]).exp();
            let slope = dy.data[i] / t;
            dpositive.data[i] = slope * (probability(positive.data[i]) - 1.0);
            let width = negatives.channels();
            for (k, v) in dnegatives.data[i * width..][..width].iter_mut().enumerate() {
                let counts = f64::from(u8::from(self.forward.counts(rows, i, k)));
                *v = slope * counts * probability(*v);
            }
        }
        vec![dpositive, dnegatives]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let cosines = || Fill::Uniform(-1.0, 1.0);
    // Scores that are large without a maximum to subtract, and rows that are longer than a workgroup.
    let large = Fill::Uniform(80.0, 90.0);
    for (m, k, temperature, pairs, fill) in [
        (5, 7, 0.5, false, cosines()),
        (3, 300, 0.07, false, cosines()),
        (6, 9, 0.5, false, large),
        (4, 4, 0.2, true, cosines()),
        (10, 10, 0.5, true, cosines()),
        (134, 134, 0.1, true, cosines()),
    ] {
        let op = InfoNce { temperature, pairs };
        let name = format!("info_nce {m}x{k}{}", if pairs { " pairs" } else { "" });
        let (positive, negatives) = (Shape::rows([m]), Shape::rows([m, k]));
        let case = Case::new(&name, op.clone());
        cases.push(match m < 100 {
            true => case.input(positive.clone(), fill.clone()).input(negatives.clone(), fill.clone()),
            // Finite differences of the large one would take minutes.
            false => case.fixed(positive.clone(), fill.clone()).fixed(negatives.clone(), fill.clone()),
        });
        // About the logarithm of such a sum.
        let near = match fill {
            Fill::Uniform(_, most) => Fill::Uniform(most / temperature, most / temperature + 3.0),
            _ => Fill::Normal,
        };
        cases.push(
            Case::new(&format!("{name} gradient"), InfoNceGradient { forward: op })
                .fixed(positive.clone(), Fill::Normal)
                .fixed(positive.clone(), fill.clone())
                .fixed(negatives, fill)
                .fixed(positive, near),
        );
    }
    cases
}
