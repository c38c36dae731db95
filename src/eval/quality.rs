//! Numbers of features themselves, without labels: how near the views of an image are, how evenly the images lie, how many dimensions they use.
//! All in f64 on the host.

use nalgebra::{DMatrix, DVector};

/// Added to each part of a spectrum before its logarithm (RankMe and LiDAR).
const EPS: f64 = 1e-7;
/// Added to the diagonal of the covariance within images (LiDAR).
const RIDGE: f64 = 1e-4;
/// Rows that are compared with all others at a time.
const BLOCK: usize = 512;

/// Mean squared distance of the two views of an image, each row of `a` and of `b`, scaled to length 1: 0 to 4, lower is better. Alignment with
/// alpha = 2 of Wang & Isola 2020, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere", §4.
pub(super) fn alignment(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    let distance = (unit(a) - unit(b)).norm_squared();
    distance / a.nrows() as f64
}

/// Logarithm of the mean over all pairs of rows of exp(-2 d²), d their distance when scaled to length 1: 0 where all are one point, lower is
/// better, near -4 where many rows lie evenly in many dimensions. Uniformity with t = 2 of Wang & Isola 2020, §4.
pub(super) fn uniformity(x: &DMatrix<f64>) -> f64 {
    let x = unit(x);
    let (rows, mut sum) = (x.nrows(), 0.0);
    for start in (0..rows).step_by(BLOCK) {
        let block = x.rows(start, BLOCK.min(rows - start));
        let cosines = block * x.transpose();
        for (row, cosines) in cosines.row_iter().enumerate() {
            // d² = 2 - 2 cos; every pair once.
            sum += cosines.iter().skip(start + row + 1).map(|cos| (-2.0 * (2.0 - 2.0 * cos)).exp()).sum::<f64>();
        }
    }
    (sum / (rows as f64 * (rows as f64 - 1.0) / 2.0)).ln()
}

/// exp of the entropy of the singular values of the rows as they are, not centred, as parts of their sum: 1 to the width, higher is better.
/// Garrido et al. 2023, "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by Their Rank", §3.
pub(super) fn rank_me(x: &DMatrix<f64>) -> f64 {
    let gram = match x.nrows() < x.ncols() {
        true => x * x.transpose(),
        false => x.tr_mul(x),
    };
    let values = gram.symmetric_eigenvalues();
    // What rounding leaves of a zero is not a dimension under the root.
    let noise = values.max() * 1e-12;
    smooth_rank(values.iter().map(|&v| if v > noise { v.sqrt() } else { 0.0 }).collect())
}

/// exp of the entropy of the spectrum of linear discriminant analysis, where each image is a class and its views are the members: 1 to the width,
/// higher is better. `views` has a matrix a view, a row an image. Thilak et al. 2023, "LiDAR: Sensing Linear Probing Performance in Joint Embedding
/// SSL Architectures", §4.
pub(super) fn lidar(views: &[DMatrix<f64>]) -> f64 {
    let Some(first) = views.first() else { return f64::NAN };
    let (images, width, count) = (first.nrows(), first.ncols(), views.len() as f64);
    let mut means = DMatrix::zeros(images, width);
    views.iter().for_each(|view| means += view / count);
    let mut within = DMatrix::zeros(width, width);
    for view in views {
        let rest = view - &means;
        within += rest.tr_mul(&rest) / (images as f64 * (count - 1.0).max(1.0));
    }
    within += DMatrix::from_diagonal(&DVector::repeat(width, RIDGE));
    let centre = means.row_mean();
    means.row_iter_mut().for_each(|mut row| row -= &centre);
    let between = means.tr_mul(&means) / (images as f64 - 1.0).max(1.0);
    // The eigenvalues of within^-½ between within^-½ are those of L^-1 between L^-T, where within = L Lᵀ.
    let Some(cholesky) = within.cholesky() else { return f64::NAN };
    let Some(half) = cholesky.l().solve_lower_triangular(&between) else { return f64::NAN };
    let Some(whole) = cholesky.l().solve_lower_triangular(&half.transpose()) else { return f64::NAN };
    let symmetric = (&whole + whole.transpose()) / 2.0;
    smooth_rank(symmetric.symmetric_eigenvalues().iter().map(|v| v.max(0.0)).collect())
}

/// exp of the entropy of a spectrum.
fn smooth_rank(values: Vec<f64>) -> f64 {
    let sum: f64 = values.iter().sum();
    if sum <= 0.0 {
        return 0.0;
    }
    values.iter().map(|v| v / sum + EPS).map(|p| -p * p.ln()).sum::<f64>().exp()
}

fn unit(x: &DMatrix<f64>) -> DMatrix<f64> {
    let mut x = x.clone();
    for mut row in x.row_iter_mut() {
        let norm = row.norm().max(1e-12);
        row /= norm;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draw, Purpose};

    fn normal(rows: usize, width: usize, stream: u32) -> DMatrix<f64> {
        let mut draw = Draw::new(7, Purpose::Benchmark, 0, stream, 0);
        DMatrix::from_fn(rows, width, |_, _| draw.normal())
    }

    #[test]
    fn points_and_opposites() {
        let same = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 2.0, 0.0, 0.5, 0.0]);
        assert!(uniformity(&same).abs() < 1e-12 && alignment(&same, &same) == 0.0);
        assert!((alignment(&same, &(-&same)) - 4.0).abs() < 1e-12);
        // Two orthogonal rows: d² = 2; two opposite ones: d² = 4.
        let pair = |x: f64, y: f64| uniformity(&DMatrix::from_row_slice(2, 2, &[1.0, 0.0, x, y]));
        assert!((pair(0.0, 1.0) + 4.0).abs() < 1e-12 && (pair(-1.0, 0.0) + 8.0).abs() < 1e-12);
    }

    #[test]
    fn evenly_on_a_circle_and_a_sphere() {
        // The mean over the circle of exp(-4 + 4 cos) is e^-4 I0(4); over the sphere in 3 dimensions e^-4 sinh(4)/4.
        let circle = DMatrix::from_fn(2000, 2, |row, column| {
            let angle = row as f64 * std::f64::consts::TAU / 2000.0;
            if column == 0 { angle.cos() } else { angle.sin() }
        });
        assert!((uniformity(&circle) - (11.301_921_952_f64.ln() - 4.0)).abs() < 0.01);
        let sphere = normal(3000, 3, 1);
        assert!((uniformity(&sphere) - ((4.0_f64.sinh() / 4.0).ln() - 4.0)).abs() < 0.02);
    }

    #[test]
    fn ranks_that_are_known() {
        // Orthonormal rows: as many dimensions as rows, from either Gram matrix.
        for (rows, width) in [(8, 20), (20, 8)] {
            let x = DMatrix::<f64>::identity(rows, width);
            assert!((rank_me(&x) - 8.0).abs() < 1e-3, "{}", rank_me(&x));
        }
        // Not centred: a point has one dimension.
        assert!((rank_me(&DMatrix::repeat(10, 6, 0.5)) - 1.0).abs() < 1e-3);
        // Singular values 3 and 1.
        let x = DMatrix::from_row_slice(2, 2, &[3.0, 0.0, 0.0, 1.0]);
        assert!((rank_me(&x) - (0.75f64.powf(0.75) * 0.25f64.powf(0.25)).recip()).abs() < 1e-4);
    }

    #[test]
    fn lidar_counts_directions_that_tell_images_apart() {
        let (images, width) = (4000, 6);
        // Images differ in three directions by equal variance; views differ in all, so the spectrum is three equal values and rest.
        let centre = normal(images, width, 2);
        let mask = |values: &DMatrix<f64>, most: usize| {
            DMatrix::from_fn(images, width, |row, column| if column < most { values[(row, column)] } else { 0.0 })
        };
        let views: Vec<DMatrix<f64>> =
            (0..8).map(|view| mask(&centre, 3) * 10.0 + normal(images, width, 3 + view)).collect();
        assert!((lidar(&views) - 3.0).abs() < 0.1, "{}", lidar(&views));
        // A linear map changes nothing: what is measured is relative to the spread within images.
        let map = normal(width, width, 99) + DMatrix::identity(width, width) * 5.0;
        let mapped: Vec<DMatrix<f64>> = views.iter().map(|view| view * &map).collect();
        assert!((lidar(&mapped) - lidar(&views)).abs() < 0.01);
        // No image differs from another more than its views do.
        let noise: Vec<DMatrix<f64>> = (0..8).map(|view| normal(images, width, 50 + view)).collect();
        assert!((lidar(&noise) - 6.0).abs() < 0.1);
    }
}
