//! Features for TensorBoard's embedding projector, and the nearest neighbours of some images as a picture.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::embedding::class_name;
use super::{EvalError, FeatureTable, nearest};
use crate::atomic;
use crate::data::ImageSet;
use crate::format::clean;
use crate::picture;

/// More points are no picture any more; of more images these many are taken, evenly spread.
const MOST_POINTS: usize = 10_000;
/// More pixels a side a browser does not show.
const SPRITE_SIDE: u32 = 8192;
/// Side of a point's image where few are shown.
const POINT_SIDE: u32 = 64;
/// Rows and columns of the neighbours; the first column is the image itself.
const ROWS: usize = 10;
const COLUMNS: usize = 12;
const NEIGHBOUR_SIDE: u32 = 96;

/// Writes `projector_config.pbtxt` and what it names into `folder`, which is made: the features as `features.tsv`, names and classes as
/// `metadata.tsv`, the images as `sprite.png`. Returns how many images there are.
pub fn write_projector(
    table: &FeatureTable,
    set: &Arc<dyn ImageSet>,
    classes: &[String],
    name: &str,
    folder: &Path,
) -> Result<usize, EvalError> {
    let rows = spread(table.images.len(), MOST_POINTS);
    let images: Vec<u32> = rows.iter().map(|&row| table.images[row]).collect();
    let columns = (images.len() as f64).sqrt().ceil() as u32;
    let side = (SPRITE_SIDE / columns.max(1)).clamp(1, POINT_SIDE);
    let failed = |file: &Path| {
        let file = file.to_path_buf();
        |reason: io::Error| EvalError::Write { file, reason }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let write = |name: &str, content: &dyn Fn(&mut dyn Write) -> io::Result<()>| {
        let path = folder.join(name);
        atomic::write(&path, content).map_err(failed(&path))
    };
    write("features.tsv", &|file| {
        rows.iter().try_for_each(|&row| {
            let values: Vec<String> = table.row(row).iter().map(f32::to_string).collect();
            writeln!(file, "{}", values.join("\t"))
        })
    })?;
    let labels = set.labels();
    write("metadata.tsv", &|file| {
        // A single column has no heading.
        if labels.is_some() {
            writeln!(file, "name\tclass")?;
        }
        images.iter().try_for_each(|&image| {
            let name = clean(&set.name(image as usize));
            match labels.and_then(|labels| labels.get(image as usize)) {
                Some(&label) => writeln!(file, "{name}\t{}", clean(&class_name(classes, label))),
                None => writeln!(file, "{name}"),
            }
        })
    })?;
    let sprite = picture::tiles(set, images.clone(), columns, side).map_err(io::Error::other);
    let sprite = sprite.map_err(failed(&folder.join("sprite.png")))?;
    write("sprite.png", &|file| file.write_all(&sprite))?;
    let config = format!(
        "embeddings {{\n  tensor_name: \"{name}\"\n  tensor_path: \"features.tsv\"\n  metadata_path: \"metadata.tsv\"\n  sprite {{\n    \
         image_path: \"sprite.png\"\n    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n}}\n"
    );
    write("projector_config.pbtxt", &|file| file.write_all(config.as_bytes()))?;
    Ok(images.len())
}

/// A picture of evenly spread images, one a row, each followed by those of the table that are nearest to it, as PNG.
pub fn neighbours_picture(
    table: &FeatureTable,
    set: &Arc<dyn ImageSet>,
) -> Result<Vec<u8>, crate::picture::PictureError> {
    let mut unit = table.clone();
    for row in unit.values.chunks_mut(unit.width.max(1)) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|v| *v /= length);
    }
    let columns = COLUMNS.min(table.images.len());
    let mut images = Vec::new();
    for row in spread(table.images.len(), ROWS) {
        let own = table.images[row];
        let found = nearest(&unit, unit.row(row), columns).into_iter().map(|found| found.image);
        images.push(own);
        images.extend(found.filter(|&image| image != own).take(columns - 1));
    }
    picture::tiles(set, images, columns.max(1) as u32, NEIGHBOUR_SIDE)
}

/// At most `most` of the numbers below `count`, evenly spread.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let taken = most.min(count);
    (0..taken).map(|place| place * count / taken).collect()
}
