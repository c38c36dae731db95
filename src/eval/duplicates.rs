//! Near-duplicates: images whose features are nearly the same.
//!
//! With the cosine of features as they are, the threshold that separates copies from other images of the same kind is another for every
//! network. Features are [`whitened`] first, so that all main directions count equally. Measured on 3,000 images of Fashion-MNIST and 150 of them
//! re-encoded as JPEG of quality 60 (MoCo, SwAV and BYOL trained, ResNet-18 untrained): above [`DUPLICATE_SIMILARITY`] lie 97 to 99 % of the
//! copies and at most 4 of 5.4 million other pairs. Plain cosine finds 97 % at thresholds from 0.990 to 0.999, with up to 996 other pairs; centred
//! alone it is worse. Half-whitened, or with 16 or 32 directions, many other pairs lie as near; with 512 fewer copies do.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};

use super::{EvalError, FeatureTable};
use crate::data::Image;
use crate::gpu::Gpu;
use crate::graph::{Graph, Program, Shape, Store};
use crate::ops;

/// Whitened features with a larger cosine are near-duplicates.
pub const DUPLICATE_SIMILARITY: f64 = 0.94;
/// Directions that are compared: more hold what is lost in re-encoding, fewer let different images meet.
const DIRECTIONS: usize = 64;
/// Singular values below this part of the largest are noise.
const NOISE: f64 = 1e-3;
/// Nearer than this to the mean is at it.
const POINT: f64 = 1e-9;
/// Levels of 255 below which a channel does not vary: noise of a sensor, and the worst that JPEG makes of one colour.
const PLAIN: f64 = 4.0;
/// Rows that are whitened at a time.
const PART: usize = 4096;
/// Rows that are compared with as many at a time: 16 MiB of similarities come back.
const BLOCK: usize = 2048;

/// The features along their main directions, at most 64 and a quarter of the rows, scaled to equal variance and then to length 1. A row that
/// lies at the mean becomes zeros, which are like nothing.
pub fn whitened(table: &FeatureTable) -> FeatureTable {
    let (rows, width) = (table.images.len(), table.width);
    let mut mean = DVector::zeros(width);
    let mut gram = DMatrix::zeros(width, width);
    let parts = || table.values.chunks(PART * width.max(1));
    // Images are columns here.
    let matrix = |part: &[f32]| DMatrix::from_iterator(width, part.len() / width, part.iter().map(|&v| f64::from(v)));
    for part in parts() {
        mean += matrix(part).column_sum() / rows as f64;
    }
    let centred = |part: &[f32]| {
        let mut x = matrix(part);
        x.column_iter_mut().for_each(|mut column| column -= &mean);
        x
    };
    for part in parts() {
        let x = centred(part);
        gram += &x * x.transpose();
    }
    let eigen = gram.symmetric_eigen();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let most = order.first().map_or(0.0, |&first| eigen.eigenvalues[first]);
    order.retain(|&at| eigen.eigenvalues[at] > most * NOISE * NOISE && most > POINT * rows as f64);
    order.truncate(DIRECTIONS.min((rows / 4).max(1)));
    let directions = DMatrix::from_fn(order.len(), width, |row, column| {
        let at = order[row];
        eigen.eigenvectors[(column, at)] / eigen.eigenvalues[at].sqrt()
    });
    let mut values = Vec::with_capacity(rows * order.len());
    for part in parts() {
        for column in (&directions * centred(part)).column_iter() {
            let norm = column.norm();
            let factor = if norm > POINT { 1.0 / norm } else { 0.0 };
            values.extend(column.iter().map(|v| (v * factor) as f32));
        }
    }
    FeatureTable { width: order.len(), images: table.images.clone(), values }
}

/// Groups of rows connected by cosines of at least `threshold`, rows of length 1 given: each rising, the groups by their first row.
/// Every row is compared with every other on the device, a block with a block; no more than one block's similarities exist at a time. `progress`
/// receives how many pairs of blocks of how many are done.
pub fn duplicates(
    gpu: &Gpu,
    table: &FeatureTable,
    threshold: f64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<usize>>, EvalError> {
    let (rows, width) = (table.images.len(), table.width);
    if width == 0 || rows < 2 {
        return Ok(Vec::new());
    }
    let block = BLOCK.min(rows.next_multiple_of(4));
    let mut graph = Graph::new();
    let queries = graph.input("queries", Shape::rows([block, width]));
    let bank = graph.input("bank", Shape::weight([block, width]));
    let similarity = graph.add_one(ops::MatmulTransposed, &[queries, bank])?;
    graph.keep(similarity);
    let stored = graph.shape(similarity).stored_channels();
    let mut store = Store::new(gpu);
    let mut program = Program::compile(&graph, &mut store)?;
    let mut readback = program.readback(&[similarity]);
    let part = |rows: Range<usize>| {
        let mut values = table.values[rows.start * width..rows.end * width].to_vec();
        values.resize(block * width, 0.0);
        values
    };
    let starts: Vec<usize> = (0..rows).step_by(block).collect();
    let of = starts.len() * (starts.len() + 1) / 2;
    let (mut sets, mut done) = (Sets::new(rows), 0);
    for (number, &first) in starts.iter().enumerate() {
        program.write(queries, &part(first..rows.min(first + block)));
        for &second in &starts[number..] {
            program.write(bank, &part(second..rows.min(second + block)));
            program.run(Some((&mut readback, 0)))?;
            let Some((_, values)) = readback.wait()? else { continue };
            let found = values.iter().flat_map(|values| values.chunks_exact(stored)).take(block.min(rows - first));
            for (row, similarities) in found.enumerate() {
                for (column, &similarity) in similarities[..block.min(rows - second)].iter().enumerate() {
                    if f64::from(similarity) >= threshold && first + row < second + column {
                        sets.join(first + row, second + column);
                    }
                }
            }
            done += 1;
            progress(done, of);
        }
    }
    Ok(sets.groups())
}

/// The same among some rows, rising, on the host: for few.
pub fn duplicates_among(table: &FeatureTable, rows: &[usize], threshold: f64) -> Vec<Vec<usize>> {
    let cosine = |a: usize, b: usize| -> f32 { table.row(a).iter().zip(table.row(b)).map(|(a, b)| a * b).sum() };
    let mut sets = Sets::new(rows.len());
    for (b, &second) in rows.iter().enumerate() {
        for (a, &first) in rows[..b].iter().enumerate() {
            if f64::from(cosine(first, second)) >= threshold {
                sets.join(a, b);
            }
        }
    }
    sets.groups().into_iter().map(|group| group.into_iter().map(|at| rows[at]).collect()).collect()
}

/// Whether an image is nearly of one colour: the standard deviation of every channel is below 4 of 255. A network finds all such images alike.
pub fn is_plain(image: &Image) -> bool {
    let channels = image.channels.max(1) as usize;
    let pixels = (image.pixels.len() / channels).max(1) as f64;
    (0..channels).all(|channel| {
        let values = || image.pixels.iter().skip(channel).step_by(channels).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / pixels;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / pixels;
        variance < PLAIN * PLAIN
    })
}

/// Disjoint sets of rows.
struct Sets(Vec<usize>);

impl Sets {
    fn new(rows: usize) -> Sets {
        Sets((0..rows).collect())
    }

    /// The lowest row of a row's set.
    fn first(&mut self, mut row: usize) -> usize {
        while self.0[row] != row {
            self.0[row] = self.0[self.0[row]];
            row = self.0[row];
        }
        row
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// Those of two and more.
    fn groups(mut self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.0.len()];
        for row in 0..self.0.len() {
            let first = self.first(row);
            groups[first].push(row);
        }
        groups.retain(|group: &Vec<usize>| group.len() > 1);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuOptions;
    use crate::random::{Draw, Purpose};

    /// Rows of very unequal scale a direction, and copies of every hundredth with a little noise.
    fn table() -> (FeatureTable, usize) {
        let (rows, width) = (2500, 6);
        let mut draw = Draw::new(1, Purpose::Benchmark, 0, 0, 0);
        let scale = |column: usize| 10f64.powi(2 - column as i32 / 2);
        let mut values: Vec<f32> = (0..rows * width).map(|i| (5.0 + draw.normal() * scale(i % width)) as f32).collect();
        for row in (0..rows).step_by(100) {
            let copy: Vec<f32> = (0..width)
                .map(|column| values[row * width + column] + (0.02 * scale(column) * draw.normal()) as f32)
                .collect();
            values.extend(copy);
        }
        let all = values.len() / width;
        (FeatureTable { width, images: (0..all as u32).collect(), values }, rows)
    }

    #[test]
    fn copies_are_found_in_any_block() -> Result<(), Box<dyn std::error::Error>> {
        let (table, originals) = table();
        let white = whitened(&table);
        assert_eq!(white.width, 6);
        let gpu = Gpu::open(None, GpuOptions { checked: true })?;
        let groups = duplicates(&gpu, &white, 0.999, &mut |_, _| {})?;
        // The plain rule.
        let cosine = |a: usize, b: usize| -> f64 {
            white.row(a).iter().zip(white.row(b)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut sets = Sets::new(white.images.len());
        for a in 0..white.images.len() {
            (0..a).filter(|&b| cosine(a, b) >= 0.999).for_each(|b| sets.join(a, b));
        }
        assert_eq!(groups, sets.groups());
        let every_other: Vec<usize> = (0..white.images.len()).filter(|row| row % 200 != 100).collect();
        let among = duplicates_among(&white, &every_other, 0.999);
        assert!(among.len() < groups.len() && among.iter().all(|group| groups.iter().any(|all| all.ends_with(group))));
        for copy in 0..originals / 100 {
            let group = groups.iter().find(|group| group.contains(&(100 * copy)));
            assert!(group.is_some_and(|group| group.contains(&(originals + copy))), "copy {copy}");
        }
        Ok(())
    }

    #[test]
    fn an_image_of_one_colour_is_plain() {
        let image = |channels: u32, pixels: Vec<u8>| Image {
            width: pixels.len() as u32 / channels,
            height: 1,
            channels,
            pixels: pixels.into(),
            info: Default::default(),
        };
        // Red, with a little noise; its channels differ from each other.
        assert!(is_plain(&image(3, [[200, 10, 14], [203, 12, 9], [199, 10, 11]].concat())));
        assert!(!is_plain(&image(3, [[200, 10, 14], [203, 12, 60], [199, 10, 11]].concat())));
        // A hundred white pixels with one black.
        let mut text = vec![255; 100];
        assert!(is_plain(&image(1, text.clone())));
        text[50] = 0;
        assert!(!is_plain(&image(1, text)));
    }

    #[test]
    fn one_direction_or_none_is_no_failure() {
        let line = FeatureTable { width: 2, images: vec![0, 1, 2], values: vec![1.0, 2.0, 2.0, 4.0, 3.0, 6.0] };
        let white = whitened(&line);
        assert_eq!((white.width, white.row(1)), (1, &[0.0][..]));
        let point = FeatureTable { width: 2, images: vec![0, 1], values: vec![1.0; 4] };
        assert_eq!(whitened(&point).width, 0);
    }
}
