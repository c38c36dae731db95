//! What the tensors of a measurement hold: noise, because some devices are faster on zeros, and samples of what came out.

use crate::gpu::{Buffer, Gpu, GpuError};
use crate::graph::{Array, Layout, Shape};
use crate::random::{Draw, Purpose};

/// Words that are made on the host; a larger tensor repeats them.
const BLOCK: usize = 1 << 18;
/// A tensor is compared in at most this many pieces …
const PIECES: usize = 16;
/// … of this many words.
const PIECE: usize = 1 << 16;

/// Fills a tensor with uniform noise in [-1, 1), its padding with zeros; words that are not floats stay as they are.
pub(super) fn fill(gpu: &Gpu, buffer: &Buffer, shape: &Shape, seed: u32) -> Result<(), GpuError> {
    let mut draw = Draw::new(0, Purpose::Benchmark, 0, seed, 0);
    let mut noise = |shape: &Shape| -> Vec<u32> {
        let values: Vec<f32> = (0..shape.len()).map(|_| (draw.word() >> 8) as f32 / (1 << 23) as f32 - 1.0).collect();
        shape.to_words(&values)
    };
    match shape.layout() {
        Layout::Words => Ok(()),
        Layout::Weight => {
            buffer.write(gpu, 0, &noise(shape));
            Ok(())
        }
        Layout::Rows => {
            // An odd number of rows: it divides no image, so images differ and a kernel that takes the wrong one shows.
            let fit = (BLOCK / shape.stored_channels().max(1)).max(1);
            let rows = shape.row_count().min(fit - 1 + fit % 2);
            let block = noise(&shape.of_rows(rows));
            buffer.repeat(gpu, shape.stored_len(), &block)
        }
    }
}

/// A tensor's numbers, of a large one some pieces from its first word to its last.
pub(super) fn sample(gpu: &Gpu, buffer: &Buffer, shape: &Shape) -> Result<Vec<f32>, GpuError> {
    let words = shape.stored_len();
    if words <= PIECES * PIECE {
        return Ok(shape.from_words(&buffer.read(gpu, 0, words)?));
    }
    let mut values = Vec::with_capacity(PIECES * PIECE);
    for piece in 0..PIECES {
        let start = (words - PIECE) / (PIECES - 1) * piece;
        let start = match piece + 1 == PIECES {
            true => words - PIECE,
            false => start,
        };
        values.extend(shape.from_words(&buffer.read(gpu, start, PIECE)?));
    }
    Ok(values)
}

/// |a - b| / |b| in the Euclidean norm, over the numbers that are finite in `expected`; infinite where only one of the two is a number.
pub(super) fn difference(got: &[f32], expected: &[f32]) -> f64 {
    if got.iter().zip(expected).any(|(a, b)| a.is_finite() != b.is_finite()) {
        return f64::INFINITY;
    }
    let finite = |values: &[f32]| Array {
        dims: vec![values.len()],
        data: values.iter().map(|&v| if v.is_finite() { f64::from(v) } else { 0.0 }).collect(),
    };
    finite(got).relative_error(&finite(expected))
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(difference(&[f32::NAN, 2.0], &[f32::NAN, 2.0]), 0.0);
        assert_eq!(difference(&[f32::NAN, 2.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[1.0, 2.0], &[f32::NAN, 2.0]), f64::INFINITY);
        assert!((difference(&[3.0, 4.5], &[3.0, 4.0]) - 0.1).abs() < 1e-12);
    }
}
