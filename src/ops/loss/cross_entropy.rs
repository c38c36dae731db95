//! Cross entropy between two softmax distributions, the alternative to the cosine (paper section 4.5).

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};
use crate::ops::check::{Case, Fill};
use crate::ops::{expect, rows};

/// p `[M, C]`, z `[M, C]` → `[M]`: -sum softmax(z) log softmax(p) over channels.
#[derive(Debug, Clone)]
pub struct SoftCrossEntropy;

/// Inputs dy `[M]`, p, z → gradient for p or for z.
#[derive(Debug, Clone)]
pub struct SoftCrossEntropyGradient {
    /// For z, the target, instead of p.
    pub of_target: bool,
}

fn kernel(shader: &'static str, x: &Shape) -> Kernel {
    rows::kernel(shader, x).with("WIDTH", x.channels())
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = row.iter().map(|v| (v - most).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}

fn cross_entropy(log_p: &[f64], soft_z: &[f64]) -> f64 {
    -rows::dot(log_p, soft_z)
}

impl Op for SoftCrossEntropy {
    facts!("soft_cross_entropy");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([expect::matrix_pair(inputs)?.dims()[0]])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        rows::gradients(wanted, |i| {
            let op = SoftCrossEntropyGradient { of_target: i == 1 };
            graph.add_one(op, &[dy, node.inputs[0], node.inputs[1]])
        })
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        rows::to_vector(io, kernel("soft_cross_entropy", &io.inputs[0]))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (p, z) = (inputs[0], inputs[1]);
        let data = p.rows().zip(z.rows()).map(|(p, z)| cross_entropy(&rows::log_softmax(p), &softmax(z))).collect();
        vec![Array { dims: vec![p.dims[0]], data }]
    }
}

impl Op for SoftCrossEntropyGradient {
    facts!("soft_cross_entropy_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![expect::vector_and_matrix_pair(inputs)?.clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let kernel = kernel("soft_cross_entropy_gradient", &io.inputs[1]);
        rows::to_rows(io, kernel.with("OF_TARGET", self.of_target))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, p, z) = (inputs[0], inputs[1], inputs[2]);
        let mut data = Vec::with_capacity(p.data.len());
        for ((dy, p), z) in dy.data.iter().zip(p.rows()).zip(z.rows()) {
            let (log_p, soft_z) = (rows::log_softmax(p), softmax(z));
            let loss = cross_entropy(&log_p, &soft_z);
            data.extend(log_p.iter().zip(soft_z).map(|(log_p, soft_z)| {
                dy * if self.of_target { soft_z * (-log_p - loss) } else { log_p.exp() - soft_z }
            }));
        }
        vec![p.like(data)]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // All values negative and large: a softmax that counted the padding, or skipped the maximum, would be far off.
    for (m, c, fill) in [(5, 7, Fill::Normal), (6, 9, Fill::Uniform(-130.0, -120.0)), (3, 300, Fill::Normal)] {
        let shape = Shape::rows([m, c]);
        let name = format!("soft_cross_entropy {m}x{c}");
        cases.push(
            Case::new(&name, SoftCrossEntropy).input(shape.clone(), fill.clone()).input(shape.clone(), fill.clone()),
        );
        for of_target in [false, true] {
            let op = SoftCrossEntropyGradient { of_target };
            cases.push(
                Case::new(&format!("{name} gradient, target {of_target}"), op)
                    .fixed(Shape::rows([m]), Fill::Normal)
                    .fixed(shape.clone(), fill.clone())
                    .fixed(shape.clone(), fill.clone()),
            );
        }
    }
    cases
}
