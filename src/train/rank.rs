//! Effective rank: how many dimensions the outputs really use.

use nalgebra::DMatrix;

/// Rows that count: more cost time and say little more.
const ROWS: usize = 512;

/// Effective rank of `rows` rows of `width` numbers each (z/|z|): exp of the entropy of the normalised singular values after the mean
/// row is taken away (Roy & Vetterli 2007). Between 1 and min(rows - 1, width); 0 where all rows are equal, NaN where a number is not
/// finite. Of more than 512 rows the first 512 count.
///
/// The squares of the singular values are the eigenvalues of the smaller of the two Gram matrices.
pub fn effective_rank(values: &[f32], width: usize) -> f64 {
    if values.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let rows = values.len().checked_div(width).unwrap_or(0).min(ROWS);
    if rows == 0 {
        return 0.0;
    }
    let mut x = DMatrix::from_row_iterator(
        rows,
        width,
        values[..rows * width].iter().map(|&v| f64::from(v)),
    );
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let gram = match rows < width {
        true => &x * x.transpose(),
        false => x.transpose() * &x,
    };
    let eigenvalues = gram.symmetric_eigenvalues();
    // What is left of a zero after rounding would count as a dimension under the root.
    let noise = 1e-12 * eigenvalues.max().max(0.0);
    let singular: Vec<f64> = eigenvalues
        .iter()
        .filter(|&&v| v > noise)
        .map(|v| v.sqrt())
        .collect();
    let sum: f64 = singular.iter().sum();
    if singular.is_empty() || sum < 1e-9 {
        return 0.0;
    }
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
        let wide: Vec<f32> = cross
            .chunks(2)
            .flat_map(|row| [row[0], row[1], 0.0, 0.0, 0.0, 0.0])
            .collect();
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
            let values: Vec<f32> = (0..rows * width)
                .map(|i| (draw.normal() / (1.0 + (i % width) as f64)) as f32)
                .collect();
            let mut x =
                DMatrix::from_row_iterator(rows, width, values.iter().map(|&v| f64::from(v)));
            for mut column in x.column_iter_mut() {
                let mean = column.mean();
                column.add_scalar_mut(-mean);
            }
            let s = x.singular_values();
            let sum = s.sum();
            let entropy: f64 = s
                .iter()
                .map(|v| v / sum)
                .filter(|p| *p > 1e-9)
                .map(|p| -p * p.ln())
                .sum();
            assert!((effective_rank(&values, width) - entropy.exp()).abs() < 1e-6);
        }
    }

    #[test]
    fn only_the_first_rows_count() {
        let mut values: Vec<f32> = (0..512).flat_map(|i| [i as f32, 0.0]).collect();
        values.extend((0..512).flat_map(|i| [0.0, i as f32]));
        assert!((effective_rank(&values, 2) - 1.0).abs() < 1e-6);
    }
}
