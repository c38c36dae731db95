//! Sinkhorn's algorithm: codes that use all prototypes alike, from the similarities of a batch to them.

use crate::gpu::Kernel;
use crate::graph::{Array, Graph, InputGradients, Io, Launch, Lowered, Node, Op, Shape, Slot, Target, Tensor, grid};
use crate::ops::check::{Case, Fill};

/// Inputs scores `[parts · R, K]`, similarities of the rows of some views to K prototypes, and, where it is `masked`, `[parts · R]`: 0 where a
/// row does not count. Output `[parts · R, K]`: the code of every row, of sum 1. Within a part each prototype is used about alike by the rows
/// that count (Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", §3.1; Cuturi 2013).
///
/// exp(scores / epsilon), then in each round its columns and then its rows divided by their sums, in logarithms so that nothing overflows.
/// Its gradient is that of all rounds; SwAV's authors stop it.
#[derive(Debug, Clone)]
pub struct Sinkhorn {
    /// Views whose codes are made each by itself.
    pub parts: usize,
    /// Rounds, at least one (paper: 3).
    pub rounds: usize,
    /// Smoothness of the codes (paper: 0.05): with more of it they are more uniform.
    pub epsilon: f32,
    /// Whether some rows do not count.
    pub masked: bool,
}

/// Inputs dq `[parts · R, K]`, codes, scores and perhaps a mask → gradient for the scores.
#[derive(Debug, Clone)]
pub struct SinkhornGradient {
    /// The forward operator.
    pub forward: Sinkhorn,
}

impl Sinkhorn {
    fn kernel(&self, shader: &'static str, scores: &Shape) -> Kernel {
        Kernel::new(shader)
            .with("PARTS", self.parts)
            .with("ROWS", scores.row_count() / self.parts)
            .with("CHANNELS", scores.stored_channels() / 4)
            .with("SCALE", 1.0 / self.epsilon)
    }

    /// Workgroups that share the columns of a part.
    fn groups(scores: &Shape) -> usize {
        (scores.stored_channels() / 4).div_ceil(8)
    }

    /// `b` of one half round, by the rows' `a` of the one before, where there was one.
    fn columns(&self, shape: &Shape, scores: Slot, mask: Option<Slot>, a: Option<Slot>, b: Slot) -> Launch {
        let mut slots = vec![scores];
        slots.extend(mask);
        let kernel = self
            .kernel("sinkhorn_columns", shape)
            .with("GROUPS", Self::groups(shape))
            .with("FIRST", a.is_none())
            .with("MASKED", mask.is_some())
            .with("A_AT", slots.len())
            .with("B_AT", slots.len() + usize::from(a.is_some()));
        slots.extend(a);
        slots.push(b);
        Launch::new(kernel, slots, grid(self.parts * Self::groups(shape)))
    }

    /// `a` of the other half, or the codes, by the columns' `b`.
    fn rows(&self, shape: &Shape, scores: Slot, b: Slot, made: Slot, codes: bool) -> Launch {
        let kernel = self.kernel("sinkhorn_rows", shape).with("WIDTH", shape.channels()).with("CODES", codes);
        Launch::new(kernel, [scores, b, made], grid(shape.row_count()))
    }
}

impl Op for Sinkhorn {
    facts!("sinkhorn");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [scores, mask @ ..]
                if scores.dims().len() == 2
                    && self.parts > 0
                    && self.rounds > 0
                    && scores.dims()[0].is_multiple_of(self.parts)
                    && mask.len() == usize::from(self.masked)
                    && mask.iter().all(|mask| mask.dims() == [scores.dims()[0]]) =>
            {
                Ok(vec![scores.clone()])
            }
            _ => Err(format!("expected scores [{} R, K] and perhaps a mask of their rows", self.parts)),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, dy: Tensor, wanted: &[bool]) -> InputGradients {
        let operands = [&[dy, node.outputs[0]], &node.inputs[..]].concat();
        let scores = match wanted[0] {
            true => Some(graph.add_one(SinkhornGradient { forward: self.clone() }, &operands)?),
            false => None,
        };
        Ok([scores].into_iter().chain(self.masked.then_some(None)).collect())
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let shape = &io.inputs[0];
        let (scores, mask) = (Slot::input(0), self.masked.then(|| Slot::input(1)));
        let [a, b] = [0, 1].map(Slot::scratch);
        let mut launches = Vec::new();
        for round in 0..self.rounds {
            let last = round + 1 == self.rounds;
            launches.push(self.columns(shape, scores, mask, (round > 0).then_some(a), b));
            launches.push(self.rows(shape, scores, b, if last { Slot::output(0) } else { a }, last));
        }
        Lowered { launches, scratch: vec![shape.row_count().next_multiple_of(4), self.parts * shape.stored_channels()] }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let (scores, width) = (inputs[0], inputs[0].channels());
        let mask = inputs.get(1).map(|mask| &mask.data);
        let rows = scores.dims[0] / self.parts;
        let mut codes = scores.clone();
        for (part, q) in codes.data.chunks_mut(rows * width).enumerate() {
            q.iter_mut().for_each(|v| *v = (*v / f64::from(self.epsilon)).exp());
            let counts = |row: usize| mask.is_none_or(|mask| mask[part * rows + row] > 0.0);
            for _ in 0..self.rounds {
                for k in 0..width {
                    let sum: f64 = (0..rows).filter(|&row| counts(row)).map(|row| q[row * width + k]).sum();
                    q.iter_mut().skip(k).step_by(width).for_each(|v| *v /= sum);
                }
                for row in q.chunks_mut(width) {
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|v| *v /= sum);
                }
            }
        }
        vec![codes]
    }

    fn flops(&self, io: &Io) -> u64 {
        // Two multiply-adds and two exponentials, each way.
        8 * (self.rounds * io.inputs[0].len()) as u64
    }
}

impl Op for SinkhornGradient {
    facts!("sinkhorn_gradient");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        match inputs {
            [dq, codes, rest @ ..] if dq.dims() == codes.dims() => {
                let made = self.forward.infer(rest)?;
                if made[0].dims() == dq.dims() {
                    Ok(made)
                } else {
                    Err("dq must have the shape of the scores".to_string())
                }
            }
            _ => Err("expected dq, codes, scores and perhaps a mask".to_string()),
        }
    }

    /// All half rounds but the last again, then backwards through all of them.
    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let Sinkhorn { rounds, masked, parts, .. } = self.forward;
        let (op, shape) = (&self.forward, &io.inputs[2]);
        let (scores, mask, d) = (Slot::input(2), masked.then(|| Slot::input(3)), Slot::output(0));
        let (moved, a, b) =
            (Slot::scratch(0), |round| Slot::scratch(1 + 2 * round), |round| Slot::scratch(2 + 2 * round));
        let before = |round: usize| round.checked_sub(1).map(a);
        let mut launches = Vec::new();
        for round in 0..rounds {
            launches.push(op.columns(shape, scores, mask, before(round), b(round)));
            if round + 1 < rounds {
                launches.push(op.rows(shape, scores, b(round), a(round), false));
            }
        }
        let columns = |round: usize| {
            let mut slots = vec![scores, b(round)];
            slots.extend(mask);
            let kernel = op
                .kernel("sinkhorn_columns_gradient", shape)
                .with("GROUPS", Sinkhorn::groups(shape))
                .with("FIRST", round == 0)
                .with("MASKED", masked)
                .with("A_AT", slots.len())
                .with("MOVED_AT", slots.len() + usize::from(round > 0))
                .with("D_AT", slots.len() + usize::from(round > 0) + 1);
            slots.extend(before(round));
            slots.extend([moved, d]);
            Launch::new(kernel, slots, grid(parts * Sinkhorn::groups(shape)))
        };
        let rows = |codes: bool, slots: &[Slot]| {
            let kernel =
                op.kernel("sinkhorn_rows_gradient", shape).with("WIDTH", shape.channels()).with("CODES", codes);
            Launch::new(kernel, slots, grid(shape.row_count()))
        };
        launches.push(rows(true, &[Slot::input(0), Slot::input(1), moved, d]));
        for round in (0..rounds).rev() {
            launches.push(columns(round));
            if round > 0 {
                launches.push(rows(false, &[scores, a(round - 1), b(round - 1), moved, d]));
            }
        }
        let potentials = [shape.row_count().next_multiple_of(4), parts * shape.stored_channels()];
        Lowered { launches, scratch: [vec![shape.stored_len()], potentials.repeat(rounds)].concat() }
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let Sinkhorn { parts, rounds, epsilon, .. } = self.forward;
        let (dq, codes, scores, width) = (inputs[0], inputs[1], inputs[2], inputs[2].channels());
        let mask = inputs.get(3).map(|mask| &mask.data);
        let rows = scores.dims[0] / parts;
        let mut gradient = Vec::with_capacity(scores.data.len());
        for part in 0..parts {
            let of = |array: &Array| array.data[part * rows * width..][..rows * width].to_vec();
            let counts = |row: usize| mask.is_none_or(|mask| mask[part * rows + row] > 0.0);
            let x: Vec<f64> = of(scores).iter().map(|v| v / f64::from(epsilon)).collect();
            let term = |a: &[f64], b: &[f64], row: usize, k: usize| (x[row * width + k] + a[row] + b[k]).exp();
            // a and b before and after every half round.
            let mut steps = vec![(vec![0.0; rows], vec![0.0; width])];
            for _ in 0..rounds {
                let (a, _) = steps.last().cloned().unwrap_or_default();
                let zero = vec![0.0; width];
                let sum = |k| (0..rows).filter(|&row| counts(row)).map(|row| term(&a, &zero, row, k)).sum::<f64>();
                let b: Vec<f64> = (0..width).map(|k| -sum(k).ln()).collect();
                steps.push((a, b.clone()));
                let none = vec![0.0; rows];
                let sum = |row| (0..width).map(|k| term(&none, &b, row, k)).sum::<f64>();
                steps.push(((0..rows).map(|row| -sum(row).ln()).collect(), b));
            }
            // Of the logarithm of a code, x + a + b.
            let mut d: Vec<f64> = of(dq).iter().zip(of(codes)).map(|(dq, q)| dq * q).collect();
            let mut da: Vec<f64> = d.chunks(width).map(|row| row.iter().sum()).collect();
            let mut db: Vec<f64> = (0..width).map(|k| d.iter().skip(k).step_by(width).sum()).collect();
            for round in (0..rounds).rev() {
                let (a, b) = &steps[2 * round + 2];
                for (at, d) in d.iter_mut().enumerate() {
                    let (row, k) = (at / width, at % width);
                    let reached = -da[row] * term(a, b, row, k);
                    *d += reached;
                    db[k] += reached;
                }
                da.fill(0.0);
                let (a, b) = &steps[2 * round + 1];
                for (at, d) in d.iter_mut().enumerate().filter(|(at, _)| counts(at / width)) {
                    let (row, k) = (at / width, at % width);
                    let reached = -db[k] * term(a, b, row, k);
                    *d += reached;
                    da[row] += reached;
                }
                db.fill(0.0);
            }
            gradient.extend(d.iter().map(|v| v / f64::from(epsilon)));
        }
        vec![scores.like(gradient)]
    }

    fn flops(&self, io: &Io) -> u64 {
        16 * (self.forward.rounds * io.inputs[2].len()) as u64
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Scores as large as those of unit vectors: over 0.05 their exponentials are up to 5e8, over 0.005 beyond f32.
    for (rows, k, parts, rounds, epsilon) in
        [(8, 5, 1, 3, 0.05), (14, 7, 2, 3, 0.05), (6, 70, 2, 1, 0.05), (134, 37, 2, 3, 0.1), (10, 6, 1, 2, 0.005)]
    {
        for masked in [false, true] {
            let op = Sinkhorn { parts, rounds, epsilon, masked };
            let name = format!("sinkhorn {rows}x{k}, {parts} parts, {rounds} rounds, {epsilon}, masked {masked}");
            let mut case = Case::new(&name, op).input(Shape::rows([rows, k]), Fill::Uniform(-1.0, 1.0));
            if masked {
                // The first row of every part counts.
                let counts = (0..rows).map(|row| f32::from(u8::from(row % (rows / parts) % 3 != 1)));
                case = case.fixed(Shape::rows([rows]), Fill::Values(counts.collect()));
            }
            // Exponents up to 1 / epsilon have that many times the rounding of a number: what is left of it in a gradient, a difference of
            // such terms, says nothing.
            cases.push(if epsilon < 0.01 { case.tolerance(1e-4).no_gradient() } else { case });
        }
    }
    cases
}
