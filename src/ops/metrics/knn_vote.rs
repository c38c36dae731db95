//! The weighted vote of the nearest neighbours.

use crate::gpu::Kernel;
use crate::graph::{Array, Io, Lowered, Op, Shape, Target};
use crate::ops::check::{Case, Fill};

/// Inputs: similarities `[queries, columns]` and labels `[columns]` (class indices as floats). Output: votes `[queries, classes]`: the
/// sum of exp(similarity / temperature) over those of the `k` most similar bank entries that have the class (Wu et al. 2018,
/// "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", §3.4; `torch.topk` and `scatter_add`).
///
/// Of equal similarities the lower index counts first. A label that is no class has no vote. exp(1 / temperature) must be finite in
/// f32: temperatures from 0.012 on.
#[derive(Debug, Clone)]
pub struct KnnVote {
    /// Number of classes.
    pub classes: usize,
    /// Neighbours that vote; the whole bank where it is smaller.
    pub k: usize,
    /// Divides the similarities.
    pub temperature: f32,
    /// Entries of the bank: the first columns; any others are ignored.
    pub bank: usize,
}

/// Neighbours listed at a time, 8 bytes each in workgroup memory.
const TILE: usize = 1024;

impl KnnVote {
    fn neighbours(&self) -> usize {
        self.k.min(self.bank)
    }
}

impl Op for KnnVote {
    facts!("knn_vote");

    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        let [similarities, labels] = inputs else {
            return Err("expected similarities and labels".to_string());
        };
        let &[queries, columns] = similarities.dims() else {
            return Err("similarities have two dimensions".to_string());
        };
        if labels.dims() != [columns] {
            return Err(format!("expected {columns} labels"));
        }
        if self.bank == 0 || self.bank > columns {
            return Err(format!("a bank of {} in {columns} columns", self.bank));
        }
        if self.k == 0 || self.classes == 0 {
            return Err("no neighbours or no classes".to_string());
        }
        Ok(vec![Shape::rows([queries, self.classes])])
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let queries = io.inputs[0].dims()[0];
        let vectors = io.inputs[0].stored_channels() / 4;
        // One workgroup a query: large is faster on a GPU; on a CPU every eight threads more search the histograms once more.
        let threads: usize = if target.software { 8 } else { 128 };
        let kernel = Kernel::new("knn_vote")
            .with("QUERIES", queries)
            .with("BANK", self.bank)
            .with("VECTORS", vectors)
            .with("STRETCH", vectors.div_ceil(threads))
            .with("K", self.neighbours())
            .with("TILE", self.neighbours().min(TILE))
            .with("TILES", self.neighbours().div_ceil(TILE))
            .with("CLASSES", self.classes)
            .with("STORED", io.outputs[0].stored_channels())
            .with("TEMPERATURE", self.temperature)
            .with("THREADS", threads);
        Lowered::of(io, kernel, queries)
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut votes = Array::zeros(&[inputs[0].dims[0], self.classes]);
        for (row, votes) in inputs[0].rows().zip(votes.data.chunks_exact_mut(self.classes)) {
            let mut order: Vec<usize> = (0..self.bank).collect();
            // A stable sort keeps equals in index order.
            order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap_or(std::cmp::Ordering::Equal));
            for &i in &order[..self.neighbours()] {
                if let Some(vote) = votes.get_mut(inputs[1].data[i] as usize) {
                    *vote += (row[i] / f64::from(self.temperature)).exp();
                }
            }
        }
        vec![votes]
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str, queries: usize, columns: usize, op: KnnVote, fill: Fill| {
        let labels: Vec<f32> = (0..columns)
            .map(|i| ((i as u32).wrapping_mul(0x9e37_79b9) >> 16) as usize % op.classes)
            .map(|label| label as f32)
            .collect();
        Case::new(&format!("knn_vote {name}"), op)
            .fixed(Shape::rows([queries, columns]), fill)
            .fixed(Shape::rows([columns]), Fill::Values(labels))
    };
    let op = |classes, k, temperature, bank| KnnVote { classes, k, temperature, bank };
    let cosine = Fill::Uniform(-1.0, 1.0);
    // Few distinct values, both zeros among them: most thresholds are ties.
    let ties: Vec<f32> = (0..5 * 203).map(|i| [0.5, -0.0, 0.25, 0.0, -0.75, 0.5, -0.25][(i * i + 3 * i) % 7]).collect();
    vec![
        case("of 50", 7, 301, op(7, 50, 0.1, 301), cosine.clone()),
        case("of a bank smaller than its columns", 3, 301, op(10, 20, 0.07, 198), cosine.clone()),
        case("of a bank smaller than k", 3, 13, op(3, 200, 0.1, 13), cosine.clone()),
        case("of one, all negative", 5, 97, op(5, 1, 0.5, 97), Fill::Uniform(-2.0, -1.0)),
        case("of ties", 5, 203, op(4, 77, 0.5, 203), Fill::Values(ties)),
        case("of many in two tiles", 2, 2001, op(130, 1500, 1.0, 2001), cosine),
    ]
}
