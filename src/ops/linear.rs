//! Linear layers and A·Bᵀ: convolutions of one tap over one row of pixels.

use super::check::{Case, Fill};
use super::conv::candidates;
use super::conv::implicit_gemm::{ConvAxis, ImplicitGemm};
use super::conv::tile::first;
use super::conv::weight_gradient::WeightGradient;
use crate::gpu::Kernel;
use crate::graph::{Array, Candidate, Graph, InputGradients, Io, Lowered, Node, Op, Shape, Target, Tensor};

/// x `[M, IN]`, w `[IN, OUT]`, (bias `[OUT]`) → y = x·w + bias `[M, OUT]`, as `torch.nn.functional.linear` with the
/// weight transposed.
#[derive(Debug, Clone)]
pub struct Linear {
    /// Whether there is a bias.
    pub bias: bool,
}

/// dy `[M, OUT]`, w `[IN, OUT]` → dx = dy·wᵀ `[M, IN]`.
#[derive(Debug, Clone)]
pub struct LinearGradInput;

/// x `[M, IN]`, dy `[M, OUT]` → dw = xᵀ·dy `[IN, OUT]`.
#[derive(Debug, Clone)]
pub struct LinearGradWeight;

/// x `[M, C]` → `[C]`, the sum of the rows.
#[derive(Debug, Clone)]
pub struct SumRows;

/// a `[M, K]`, b `[N, K]` (stored as a weight: [`as_weight`](super::as_weight)) → a·bᵀ `[M, N]`, the similarities of all rows to all. Both
/// have gradients, a where it is stored as rows.
#[derive(Debug, Clone)]
pub struct MatmulTransposed;

/// The rows of the first input as one row of pixels.
fn pixels(io: &Io, transposed: bool) -> ImplicitGemm {
    let axis = |length| ConvAxis::forward(length, 1, 1, 0);
    ImplicitGemm::of(io, 1, [axis(1), axis(io.inputs[0].dims()[0])], transposed)
}

/// `[m, k]`·`[k, n]` with either factor transposed by its strides.
fn multiply([m, k, n]: [usize; 3], a: impl Fn(usize, usize) -> f64, b: impl Fn(usize, usize) -> f64) -> Array {
    let mut y = Array::zeros(&[m, n]);
    for i in 0..m {
        for j in 0..n {
            y.data[i * n + j] = (0..k).map(|c| a(i, c) * b(c, j)).sum();
        }
    }
    y
}

fn two_matrices(inputs: &[Shape]) -> Result<(&Shape, &Shape), String> {
    match inputs {
        [a, b, ..] if a.dims().len() == 2 && b.dims().len() == 2 => Ok((a, b)),
        _ => Err("expected two matrices".to_string()),
    }
}

impl Op for Linear {
    facts!("linear", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (x, w) = two_matrices(inputs)?;
        if x.channels() != w.dims()[0] {
            return Err(format!("rows of {} numbers meet a weight of {}", x.channels(), w.dims()[0]));
        }
        if self.bias && inputs.get(2).is_none_or(|b| b.dims() != [w.channels()]) {
            return Err(format!("expected a bias of {} numbers", w.channels()));
        }
        let y = Shape::rows([x.dims()[0], w.channels()]);
        Ok(vec![y.with(x.precision())])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let mut gradients = vec![None; wanted.len()];
        if wanted[1] {
            gradients[1] = Some(graph.add_one(LinearGradWeight, &[x, dy])?);
        }
        if wanted.get(2) == Some(&true) {
            gradients[2] = Some(graph.add_one(SumRows, &[dy])?);
        }
        if wanted[0] {
            gradients[0] = Some(graph.add_one(LinearGradInput, &[dy, w])?);
        }
        Ok(gradients)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        candidates::implicit_gemm(&[pixels(io, false)], &io.slots(), target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, w) = (inputs[0], inputs[1]);
        let [m, k, n] = [x.dims[0], x.dims[1], w.dims[1]];
        let mut y = multiply([m, k, n], |i, c| x.data[i * k + c], |c, j| w.data[c * n + j]);
        if self.bias {
            for (i, v) in y.data.iter_mut().enumerate() {
                *v += inputs[2].data[i % n];
            }
        }
        vec![y]
    }

    fn flops(&self, io: &Io) -> u64 {
        2 * io.inputs[0].len() as u64 * io.outputs[0].channels() as u64
    }
}

impl Op for LinearGradInput {
    facts!("linear_grad_input", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (dy, w) = two_matrices(inputs)?;
        let dx = Shape::rows([dy.dims()[0], w.dims()[0]]);
        Ok(vec![dx.with(dy.precision())])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        candidates::implicit_gemm(&[pixels(io, true)], &io.slots(), target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (dy, w) = (inputs[0], inputs[1]);
        let [m, k, n] = [dy.dims[0], dy.dims[1], w.dims[0]];
        vec![multiply([m, k, n], |i, c| dy.data[i * k + c], |c, j| w.data[j * k + c])]
    }

    fn flops(&self, io: &Io) -> u64 {
        2 * io.inputs[0].len() as u64 * io.outputs[0].channels() as u64
    }
}

impl Op for LinearGradWeight {
    facts!("linear_grad_weight", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (x, dy) = two_matrices(inputs)?;
        if x.precision() != dy.precision() {
            return Err("expected two matrices of one precision".to_string());
        }
        Ok(vec![Shape::weight([x.channels(), dy.channels()])])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        first(self.candidates(io, target))
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        let m = io.inputs[0].dims()[0];
        let gradient = WeightGradient {
            rows: 1,
            in_h: 1,
            in_w: m,
            out_h: 1,
            out_w: m,
            kernel: [1, 1],
            stride: 1,
            padding: 0,
            ic4: io.inputs[0].stored_channels() / 4,
            oc4: io.inputs[1].stored_channels() / 4,
            f16: io.inputs[0].is_f16(),
        };
        candidates::weight_gradient(&gradient, target)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (x, dy) = (inputs[0], inputs[1]);
        let [m, k, n] = [x.dims[1], x.dims[0], dy.dims[1]];
        vec![multiply([m, k, n], |i, c| x.data[c * m + i], |c, j| dy.data[c * n + j])]
    }

    fn flops(&self, io: &Io) -> u64 {
        2 * io.inputs[0].len() as u64 * io.inputs[1].channels() as u64
    }
}

impl Op for SumRows {
    facts!("sum_rows", takes_f16);

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        Ok(vec![Shape::rows([inputs[0].channels()])])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let c4 = io.inputs[0].stored_channels() / 4;
        let kernel = Kernel::new("sum_rows")
            .with("F16", io.inputs[0].is_f16())
            .with("ROWS", io.inputs[0].row_count())
            .with("C4", c4);
        Lowered::of(io, kernel, c4.div_ceil(64))
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut y = Array::zeros(&[inputs[0].channels()]);
        for row in inputs[0].rows() {
            for (sum, v) in y.data.iter_mut().zip(row) {
                *sum += v;
            }
        }
        vec![y]
    }
}

impl Op for MatmulTransposed {
    facts!("matmul_transposed");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let (a, b) = two_matrices(inputs)?;
        if a.channels() != b.channels() || b.layout() != crate::graph::Layout::Weight {
            return Err("expected rows of one length, the second stored as a weight".to_string());
        }
        Ok(vec![Shape::rows([a.dims()[0], b.dims()[0]])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let mut gradients = vec![None; 2];
        if wanted[0] {
            gradients[0] = Some(graph.add_one(Linear { bias: false }, &[dy, b])?);
        }
        if wanted[1] {
            gradients[1] = Some(graph.add_one(LinearGradWeight, &[dy, a])?);
        }
        Ok(gradients)
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        LinearGradInput.lower(io, target)
    }

    fn candidates(&self, io: &Io, target: &Target) -> Vec<Candidate> {
        LinearGradInput.candidates(io, target)
    }

    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        LinearGradInput.reference(inputs, updates)
    }

    fn flops(&self, io: &Io) -> u64 {
        LinearGradInput.flops(io)
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (m, k, n) in [(6, 37, 19), (67, 5, 33), (130, 64, 12), (2, 3, 1), (251, 122, 123)] {
        let name = |op: &str| format!("{op} {m}x{k}x{n}");
        let (x, w, y) = (Shape::rows([m, k]), Shape::weight([k, n]), Shape::rows([m, n]));
        let linear = |bias| {
            let mut case = Case::new(&name(if bias { "linear with bias" } else { "linear" }), Linear { bias });
            let mut inputs = vec![x.clone(), w.clone()];
            inputs.extend(bias.then(|| Shape::rows([n])));
            for shape in inputs {
                // Finite differences of the large one would take minutes.
                case = match w.len() < 5000 {
                    true => case.input(shape, Fill::Normal),
                    false => case.fixed(shape, Fill::Normal),
                };
            }
            case
        };
        cases.push(linear(false));
        cases.push(linear(true));
        cases.push(
            Case::new(&name("linear_grad_input"), LinearGradInput)
                .fixed(y.clone(), Fill::Normal)
                .fixed(w.clone(), Fill::Normal),
        );
        cases.push(
            Case::new(&name("linear_grad_weight"), LinearGradWeight)
                .fixed(x.clone(), Fill::Normal)
                .fixed(y.clone(), Fill::Normal),
        );
        cases.push(Case::new(&name("sum_rows"), SumRows).fixed(y, Fill::Normal));
        let (case, b) = (Case::new(&name("matmul_transposed"), MatmulTransposed), Shape::weight([n, k]));
        cases.push(match w.len() < 5000 {
            true => case.input(x, Fill::Normal).input(b, Fill::Normal),
            false => case.fixed(x, Fill::Normal).fixed(b, Fill::Normal),
        });
    }
    cases
}
