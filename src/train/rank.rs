//! Effective rank: how many dimensions the outputs really use.

use nalgebra::DMatrix;

use crate::method::watch::RANK_ROWS;

/// Eigenvalues below this part of the largest do not count, which are singular values below a thousandth: rounding to f32 leaves as
/// much of a zero (5e-7 in numpy on rows of exact rank 1 to 8, 256 rows of 16 to 2048 numbers), and a hundred of them under the root
/// would look like dimensions.
const NOISE: f64 = 1e-6;
/// Where rows of unit length are nearer to their mean than this, squared and on average, they are one point.
const POINT: f64 = 1e-12;

/// Effective rank of `rows` rows of `width` numbers each (z/|z|): exp of the entropy of the normalised singular values after the mean
/// row is taken away (Roy & Vetterli 2007). Between 1 and min(rows - 1, width); 0 where all rows are equal, NaN where a number is not
/// finite. Of more than 256 rows the first 256 count.
///
/// The squares of the singular values are the eigenvalues of the smaller of the two Gram matrices.
pub fn effective_rank(values: &[f32], width: usize) -> f64 {
    let rows = values.len().checked_div(width).unwrap_or(0).min(RANK_ROWS);
    let values = values[..rows * width].iter().map(|&v| f64::from(v));
    let mut x = DMatrix::from_row_iterator(rows, width, values);
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let gram = match rows < width {
        true => &x * x.transpose(),
        false => x.transpose() * &x,
    };
    rank_of(gram, rows)
}

/// The same from the Gram matrix of `rows` centred rows, as it comes back from the device: `side` rows, each padded to
/// a multiple of four, and perhaps rows of padding.
pub(super) fn rank_of_gram(words: &[f32], side: usize, rows: usize) -> f64 {
    let stride = side.next_multiple_of(4);
    let value = |i: usize, j: usize| f64::from(words[i * stride + j]);
    // A product's two halves may differ in their last bits.
    let gram = DMatrix::from_fn(side, side, |i, j| (value(i, j) + value(j, i)) / 2.0);
    rank_of(gram, rows)
}

fn rank_of(gram: DMatrix<f64>, rows: usize) -> f64 {
    if gram.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    if gram.trace() <= POINT * rows as f64 {
        return 0.0;
    }
    let eigenvalues = gram.symmetric_eigenvalues();
    let noise = NOISE * eigenvalues.max();
    let singular: Vec<f64> = eigenvalues.iter().filter(|&&v| v > noise).map(|v| v.sqrt()).collect();
    let sum: f64 = singular.iter().sum();
    let entropy: f64 = singular.iter().map(|s| s / sum).map(|p| -p * p.ln()).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draw, Purpose};

    #[test]
    fn by_hand() {
        // Two directions of equal weight.
        let cross = [1.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        assert!((effective_rank(&cross, 2) - 2.0).abs() < 1e-9);
        // The same with four unused channels, and seen from the other Gram matrix.
        let wide: Vec<f32> = cross.chunks(2).flat_map(|row| [row[0], row[1], 0.0, 0.0, 0.0, 0.0]).collect();
        assert!((effective_rank(&wide, 6) - 2.0).abs() < 1e-6);
        // A line.
        assert!((effective_rank(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], 2) - 1.0).abs() < 1e-6);
        // A point, whatever its place: the mean is taken away.
        assert_eq!(effective_rank(&[0.3, 0.7, 0.3, 0.7], 2), 0.0);
        // Singular values 3 and 1: p = 3/4, 1/4.
        let x = [3.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        let expected = (-(0.75f64 * 0.75f64.ln() + 0.25 * 0.25f64.ln())).exp();
        assert!((effective_rank(&x, 2) - expected).abs() < 1e-9);
        assert!(effective_rank(&[f32::NAN, 1.0], 1).is_nan());
        assert_eq!(effective_rank(&[], 3), 0.0);
    }

    /// Against the singular values themselves, in both shapes.
    #[test]
    fn by_singular_values() {
        for (rows, width) in [(20, 7), (7, 20), (13, 13)] {
            let mut draw = Draw::new(1, Purpose::Benchmark, 0, rows as u32, 0);
            // Rows of unequal scale a column, so that the values differ.
            let values: Vec<f32> =
                (0..rows * width).map(|i| (draw.normal() / (1.0 + (i % width) as f64)) as f32).collect();
            let mut x = DMatrix::from_row_iterator(rows, width, values.iter().map(|&v| f64::from(v)));
            for mut column in x.column_iter_mut() {
                let mean = column.mean();
                column.add_scalar_mut(-mean);
            }
            let s = x.singular_values();
            let sum = s.sum();
            let entropy: f64 = s.iter().map(|v| v / sum).filter(|p| *p > 1e-9).map(|p| -p * p.ln()).sum();
            assert!((effective_rank(&values, width) - entropy.exp()).abs() < 1e-6);
        }
    }

    #[test]
    fn only_the_first_rows_count() {
        let mut values: Vec<f32> = (0..256).flat_map(|i| [i as f32, 0.0]).collect();
        values.extend((0..256).flat_map(|i| [0.0, i as f32]));
        assert!((effective_rank(&values, 2) - 1.0).abs() < 1e-6);
    }
    /// A collapse in f32: what rounding leaves of the zeros is no dimension, nor is what it leaves of a point.
    #[test]
    fn rounding_is_no_dimension() {
        let of = |values: &[f32]| -> f64 {
            let stored: Vec<f32> = values.chunks(3).flat_map(|r| [r[0], r[1], r[2], 0.0]).collect();
            rank_of_gram(&stored, 3, 200)
        };
        let two = [90.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 3e-6];
        assert!((of(&two) - (0.75f64.powf(0.75) * 0.25f64.powf(0.25)).recip()).abs() < 1e-6);
        assert_eq!(of(&[1e-11, 0.0, 0.0, 0.0, 2e-11, 0.0, 0.0, 0.0, 1e-11]), 0.0);
        assert!(of(&[f32::NAN; 9]).is_nan());
    }
}
