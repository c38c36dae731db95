//! The features of images and of augmented views of them, and what they are worth without labels.

use std::sync::Arc;

use nalgebra::DMatrix;

use super::features::{FeaturePlan, FeatureSpec, Features, Output};
use super::quality::{alignment, lidar, rank_me, uniformity};
use super::{EvalError, FeatureTable};
use crate::augment::{Loader, ViewGroup, Views};
use crate::config::Config;
use crate::data::{ImageSet, Sequence};
use crate::model::Parameters;

/// What the features of one output are worth; the functions say by which paper.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureQuality {
    /// Features an image.
    pub width: usize,
    /// Mean squared distance of two augmented views of an image, of length 1; lower is better.
    pub alignment: f64,
    /// Logarithm of the mean Gaussian potential of all pairs of images; lower is better.
    pub uniformity: f64,
    /// Smooth rank of the features; higher is better.
    pub rank_me: f64,
    /// Smooth rank of what tells images apart, relative to what views of one image differ in; higher is better.
    pub lidar: f64,
    /// The features of all images, scaled to length 1.
    pub unit: FeatureTable,
}

/// Features of images as they are evaluated, and of augmented views: both outputs each.
pub fn quality_plans(
    config: &Config,
    parameters: &mut Parameters,
    one_size: Option<(u32, u32)>,
    batch: usize,
) -> Result<[FeaturePlan; 2], EvalError> {
    let plain = FeatureSpec::new(one_size, batch, &Output::ALL);
    Ok([
        FeaturePlan::new(config, parameters, &plain)?,
        FeaturePlan::new(config, parameters, &FeatureSpec { augmented: true, ..plain })?,
    ])
}

/// Measures both outputs on the images of a set, with `views` (at least 2) augmented views of each, every second drawn as the second view of the
/// run's training. `done` is called after every batch.
pub fn feature_quality(
    [plain, augmented]: [&mut Features; 2],
    config: &Config,
    set: &Arc<dyn ImageSet>,
    views: usize,
    seed: u64,
    done: &mut dyn FnMut(),
) -> Result<Vec<FeatureQuality>, EvalError> {
    let images = set.len();
    // Images that can be read in every pass.
    let mut readable = vec![true; images];
    let loader = plain.loader(set);
    let at = |n: usize| n;
    let mut passes = vec![pass(plain, loader, &at, images, &mut readable, done)?];
    for view in 0..views {
        let sequence = || Sequence::new(seed, images, 1);
        let order = sequence();
        let groups = vec![ViewGroup::new(config, &[(view % 2) as u8])];
        let first = view * images;
        let places = first as u64..(first + images) as u64;
        let loader = augmented.loader_of(set, Views::Training { groups, sequence: sequence(), seed }, places);
        let at = move |n: usize| order.at((first + n) as u64).1 as usize;
        passes.push(pass(augmented, loader, &at, images, &mut readable, done)?);
    }
    let rows: Vec<usize> = (0..images).filter(|&image| readable[image]).collect();
    let quality = |output: usize| {
        let width = plain.plan().width(output);
        let matrix = |values: &Vec<f32>| {
            DMatrix::from_fn(rows.len(), width, |row, column| f64::from(values[rows[row] * width + column]))
        };
        let all: Vec<DMatrix<f64>> = passes.iter().map(|pass| matrix(&pass[output])).collect();
        let (own, views) = (&all[0], &all[1..]);
        let unit = own.row_iter().flat_map(|row| {
            let norm = row.norm().max(1e-12);
            row.iter().map(|v| (v / norm) as f32).collect::<Vec<_>>()
        });
        FeatureQuality {
            width,
            alignment: alignment(&views[0], &views[1]),
            uniformity: uniformity(own),
            rank_me: rank_me(own),
            lidar: lidar(views),
            unit: FeatureTable { width, images: rows.iter().map(|&row| row as u32).collect(), values: unit.collect() },
        }
    };
    Ok((0..Output::ALL.len()).map(quality).collect())
}

/// Both outputs for all images of a loader, whose place `n` is of image `at(n)`: image after image, zeros where one could not be read.
fn pass(
    features: &mut Features,
    mut loader: Loader,
    at: &dyn Fn(usize) -> usize,
    images: usize,
    readable: &mut [bool],
    done: &mut dyn FnMut(),
) -> Result<Vec<Vec<f32>>, EvalError> {
    let widths: Vec<usize> = (0..Output::ALL.len()).map(|output| features.plan().width(output)).collect();
    let mut all: Vec<Vec<f32>> = widths.iter().map(|width| vec![0.0; images * width]).collect();
    let mut place = 0;
    loop {
        let batch = features.next(&mut loader)?;
        if batch.is_empty() {
            break;
        }
        for (output, all) in all.iter_mut().enumerate() {
            let width = widths[output];
            let values = features.read(output)?;
            for ((n, &image), row) in batch.iter().enumerate().zip(values.chunks_exact(width)) {
                let own = at(place + n);
                // Another stands in where it could not be read.
                match own == image as usize {
                    true if row.iter().all(|value| value.is_finite()) => {
                        all[own * width..(own + 1) * width].copy_from_slice(row);
                    }
                    true => return Err(EvalError::NotFinite { image }),
                    false => readable[own] = false,
                }
            }
        }
        place += batch.len();
        done();
    }
    (place..images).for_each(|n| readable[at(n)] = false);
    Ok(all)
}
