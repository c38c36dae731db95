//! Sinkhorn's algorithm: codes that use all prototypes alike, from the similarities of a batch to them.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Launch, Lowered, Op, Shape, Slot, Target, grid};
use crate::ops::check::{Case, Fill};

/// Inputs scores `[parts · R, K]`, similarities of the rows of some views to K prototypes, and, where it is `masked`, `[parts · R]`: 0 where a
/// row does not count. Output `[parts · R, K]`: the code of every row, of sum 1. Within a part each prototype is used about alike by the rows
/// that count (Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", §3.1; Cuturi 2013).
///
/// exp(scores / epsilon), then in each round its columns and then its rows divided by their sums, in logarithms so that nothing overflows.
/// It passes no gradient on.
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

impl Sinkhorn {
    fn kernel(&self, shader: &'static str, scores: &Shape) -> Kernel {
        Kernel::new(shader)
            .with("PARTS", self.parts)
            .with("ROWS", scores.row_count() / self.parts)
            .with("CHANNELS", scores.stored_channels() / 4)
            .with("SCALE", 1.0 / self.epsilon)
    }
}

impl Op for Sinkhorn {
    facts!("sinkhorn", stops_gradient);

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

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        let scores = &io.inputs[0];
        let (rows, c4) = (scores.row_count(), scores.stored_channels() / 4);
        let [a, b] = [0, 1].map(Slot::scratch);
        let groups = c4.div_ceil(8);
        let mut launches = Vec::new();
        for round in 0..self.rounds {
            let first = round == 0;
            let mut slots = vec![Slot::input(0)];
            slots.extend(self.masked.then(|| Slot::input(1)));
            let a_at = slots.len();
            slots.extend((!first).then_some(a));
            let kernel = self
                .kernel("sinkhorn_columns", scores)
                .with("GROUPS", groups)
                .with("FIRST", first)
                .with("MASKED", self.masked)
                .with("A_AT", a_at)
                .with("B_AT", slots.len());
            slots.push(b);
            launches.push(Launch::new(kernel, slots, grid(self.parts * groups)));
            let last = round + 1 == self.rounds;
            let kernel = self.kernel("sinkhorn_rows", scores).with("WIDTH", scores.channels()).with("CODES", last);
            let made = if last { Slot::output(0) } else { a };
            launches.push(Launch::new(kernel, [Slot::input(0), b, made], grid(rows)));
        }
        Lowered { launches, scratch: vec![rows.next_multiple_of(4), self.parts * c4 * 4] }
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

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Scores as large as those of unit vectors: over 0.05 their exponentials are up to 5e8, over 0.005 beyond f32.
    for (rows, k, parts, rounds, epsilon) in
        [(8, 5, 1, 3, 0.05), (14, 7, 2, 3, 0.05), (6, 70, 2, 1, 0.05), (134, 37, 2, 3, 0.1), (10, 6, 1, 2, 0.005)]
    {
        for masked in [false, true] {
            let op = Sinkhorn { parts, rounds, epsilon, masked };
            let name = format!("sinkhorn {rows}x{k}, {parts} parts, {rounds} rounds, {epsilon}, masked {masked}");
            let mut case = Case::new(&name, op).fixed(Shape::rows([rows, k]), Fill::Uniform(-1.0, 1.0));
            if masked {
                // The first row of every part counts.
                let counts = (0..rows).map(|row| f32::from(u8::from(row % (rows / parts) % 3 != 1)));
                case = case.fixed(Shape::rows([rows]), Fill::Values(counts.collect()));
            }
            // Exponents up to 1 / epsilon have that many times the rounding of a number.
            cases.push(if epsilon < 0.01 { case.tolerance(1e-4) } else { case });
        }
    }
    cases
}
