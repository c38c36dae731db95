//! Features in two dimensions, to be looked at.

use bhtsne::tSNE;
use nalgebra::DMatrix;

use super::FeatureTable;
use crate::random::{Draw, Purpose};

/// How features are brought to two dimensions. Both look at their directions, as kNN does: features are scaled to length 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapMethod {
    /// The two principal components: distances are true where the map has room for them.
    Pca,
    /// t-SNE (van der Maaten & Hinton 2008) from 50 principal components: who is near whom is true, distances between groups are not.
    Tsne,
}

impl MapMethod {
    /// More points take too long or hide each other: of more images, this many are shown, evenly spread.
    pub const MOST: usize = 3000;
}

/// Points on a map.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMap {
    /// Rows of the table that are shown, rising.
    pub rows: Vec<usize>,
    /// Their places.
    pub points: Vec<[f64; 2]>,
    /// The part of the variance that two principal components show, where these are the map.
    pub explained: Option<f64>,
}

/// Components that t-SNE works on, as its authors do.
const COMPONENTS: usize = 50;
/// About how many neighbours keep together in t-SNE.
const PERPLEXITY: f64 = 30.0;
const TSNE_EPOCHS: usize = 1000;
/// Accuracy of the Barnes-Hut approximation (its paper's choice).
const THETA: f64 = 0.5;

/// A map of the features, the same for the same table.
pub fn feature_map(table: &FeatureTable, method: MapMethod) -> FeatureMap {
    let all = table.images.len();
    let shown = all.min(MapMethod::MOST);
    let rows: Vec<usize> = (0..shown).map(|i| i * all / shown.max(1)).collect();
    let mut x = DMatrix::from_fn(rows.len(), table.width, |row, column| f64::from(table.row(rows[row])[column]));
    for mut row in x.row_iter_mut() {
        let norm = row.norm().max(1e-12);
        row /= norm;
    }
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let variance = x.norm_squared();
    match method {
        MapMethod::Pca => {
            let projected = principal(&x, 2);
            let shown = projected.norm_squared() / variance.max(f64::MIN_POSITIVE);
            FeatureMap { points: points(&projected), rows, explained: Some(shown) }
        }
        MapMethod::Tsne => FeatureMap { points: tsne(&principal(&x, COMPONENTS)), rows, explained: None },
    }
}

/// The rows of `x`, whose columns have zero mean, on their first `components` principal components. By randomised subspace iteration (Halko,
/// Martinsson & Tropp 2011, algorithm 4.4): the covariance of 2048 features would take a minute to decompose.
fn principal(x: &DMatrix<f64>, components: usize) -> DMatrix<f64> {
    const MORE: usize = 10;
    const ROUNDS: usize = 8;
    let most = x.nrows().min(x.ncols());
    let columns = (components + MORE).min(most);
    let mut draw = Draw::new(0, Purpose::Benchmark, 0, 0, 0);
    let mut basis = DMatrix::from_fn(x.ncols(), columns, |_, _| draw.normal());
    for _ in 0..ROUNDS {
        basis = (x.transpose() * (x * basis)).qr().q();
    }
    let projected = x * basis;
    let eigen = (projected.transpose() * &projected).symmetric_eigen();
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.truncate(components);
    let turned = projected * eigen.eigenvectors.select_columns(&order);
    // Fewer dimensions than requested: the others are flat.
    turned.resize_horizontally(components, 0.0)
}

fn points(x: &DMatrix<f64>) -> Vec<[f64; 2]> {
    x.row_iter().map(|row| [row[0], row[1]]).collect()
}

/// t-SNE that begins at the first two components, which makes it the same every time and keeps the large shape.
fn tsne(x: &DMatrix<f64>) -> Vec<[f64; 2]> {
    // A perplexity that the crate accepts needs three times as many neighbours.
    const FEWEST: usize = 10;
    let start = points(x);
    if start.len() < FEWEST {
        return start;
    }
    let samples: Vec<Vec<f64>> = x.row_iter().map(|row| row.iter().copied().collect()).collect();
    // Small, so that it only says where to begin (Kobak & Berens 2019).
    let variance = start.iter().map(|[x, _]| x * x).sum::<f64>() / start.len() as f64;
    let scale = 1e-4 / variance.sqrt().max(1e-12);
    let first: Vec<f64> = start.iter().flatten().map(|v| v * scale).collect();
    let distance = |a: &Vec<f64>, b: &Vec<f64>| {
        let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
        squares.sum::<f64>().sqrt()
    };
    let most = (samples.len() - 1) as f64 / 3.0 - 1.0;
    let run = || {
        let mut tsne: tSNE<f64, Vec<f64>> = tSNE::new(&samples);
        tsne.perplexity(PERPLEXITY.min(most)).epochs(TSNE_EPOCHS).initial_embedding(first).barnes_hut(THETA, distance);
        tsne.embedding()
    };
    // Several threads add up in the order in which they are ready, and a thousand steps make much of one rounding.
    let made = match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(alone) => alone.install(run),
        Err(_) => run(),
    };
    match made.iter().all(|v| v.is_finite()) {
        true => made.as_chunks().0.to_vec(),
        // Where all images have the same features, as after a collapse, there are no neighbours.
        false => start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three far groups of directions in 30 dimensions.
    fn groups(each: usize) -> FeatureTable {
        let width = 30;
        let mut draw = Draw::new(1, Purpose::Benchmark, 0, 0, 0);
        let mut values = Vec::new();
        for row in 0..3 * each {
            for column in 0..width {
                let centre = if column % 3 == row % 3 { 1.0 } else { 0.0 };
                values.push((centre + 0.1 * draw.normal()) as f32);
            }
        }
        FeatureTable { width, images: (0..3 * each as u32).collect(), values }
    }

    #[test]
    fn groups_stay_together_on_both_maps() {
        let table = groups(40);
        for method in [MapMethod::Pca, MapMethod::Tsne] {
            let map = feature_map(&table, method);
            assert_eq!(map.points.len(), 120);
            let distance = |a: usize, b: usize| {
                let [a, b] = [map.points[a], map.points[b]];
                (a[0] - b[0]).hypot(a[1] - b[1])
            };
            let nearest = |a: usize| {
                let others = (0..120).filter(|&b| b != a);
                others.min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c)))
            };
            let right = (0..120).filter(|&a| nearest(a).is_some_and(|b| a % 3 == b % 3));
            assert_eq!(right.count(), 120, "{method:?}");
            assert_eq!(map, feature_map(&table, method), "{method:?} is repeatable");
        }
    }

    #[test]
    fn components_are_those_of_the_covariance() {
        let table = groups(40);
        let x = DMatrix::from_fn(120, 30, |row, column| f64::from(table.row(row)[column]));
        let mean = x.row_mean();
        let x = DMatrix::from_fn(120, 30, |row, column| x[(row, column)] - mean[column]);
        let mut exact: Vec<f64> = (x.transpose() * &x).symmetric_eigen().eigenvalues.iter().copied().collect();
        exact.sort_by(|a, b| b.total_cmp(a));
        let made = principal(&x, 2);
        for (column, exact) in made.column_iter().zip(exact) {
            assert!((column.norm_squared() / exact - 1.0).abs() < 1e-9);
        }
        let product = made.column(0).dot(&made.column(1));
        assert!(product.abs() < 1e-9 * made.norm_squared());
    }
}
