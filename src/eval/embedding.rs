//! Features as files: numbers for other programs, names and labels beside them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::{EvalError, FeatureTable};
use crate::atomic;
use crate::data::ImageSet;
use crate::table_file::{ColumnValues, TableColumn, write_parquet};

/// How features are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingFormat {
    /// A tensor `features` `[images, width]`, F32, and `labels` `[images]`, I64, where they are known.
    Safetensors,
    /// numpy's: an array `[images, width]` of little-endian f32.
    Npy,
    /// A table: `image` (its number in the set), `name`, `label` and `class` where they are known, and `features`, a list of 32-bit floats.
    Parquet,
}

impl EmbeddingFormat {
    /// By the end of a file's name; an error where it is another. Asked before the work is done.
    pub fn of(path: &Path) -> Result<EmbeddingFormat, EvalError> {
        let extension = path.extension().map(|e| e.to_ascii_lowercase());
        match extension.as_deref().and_then(|e| e.to_str()) {
            Some("safetensors") => Ok(EmbeddingFormat::Safetensors),
            Some("npy") => Ok(EmbeddingFormat::Npy),
            Some("parquet") => Ok(EmbeddingFormat::Parquet),
            _ => Err(EvalError::Kind { file: path.to_path_buf() }),
        }
    }
}

/// The file of names and labels beside `path`; `None` where `path` holds them itself.
pub fn names_beside(path: &Path) -> Option<PathBuf> {
    let holds = EmbeddingFormat::of(path).is_ok_and(|format| format == EmbeddingFormat::Parquet);
    (!holds).then(|| path.with_extension("csv"))
}

/// Writes features to `path` and, where that cannot hold them, beside it a CSV of the same rows: `row`, `image` (its number in the set),
/// `name`, and `label` and `class` where they are known. Each file is there whole or not at all.
pub fn write_embedding(
    table: &FeatureTable,
    set: &dyn ImageSet,
    classes: &[String],
    path: &Path,
) -> Result<(), EvalError> {
    let format = EmbeddingFormat::of(path)?;
    let labels = set.labels().map(|all| {
        let label = |&image: &u32| all.get(image as usize).copied().unwrap_or(0);
        table.images.iter().map(label).collect::<Vec<u32>>()
    });
    let written = atomic::write(path, |file| match format {
        EmbeddingFormat::Safetensors => write_safetensors(table, labels.as_deref(), file),
        EmbeddingFormat::Npy => write_npy(table, file),
        EmbeddingFormat::Parquet => write_parquet(&columns(table, set, labels.as_deref(), classes), file),
    });
    let failed = |file: &Path| {
        let file = file.to_path_buf();
        |reason: io::Error| EvalError::Write { file, reason }
    };
    written.map_err(failed(path))?;
    match names_beside(path) {
        Some(names) => atomic::write(&names, |file| write_names(table, set, labels.as_deref(), classes, file))
            .map_err(failed(&names)),
        None => Ok(()),
    }
}

fn write_safetensors(table: &FeatureTable, labels: Option<&[u32]>, file: &mut dyn Write) -> io::Result<()> {
    let rows = table.images.len();
    let values: Vec<u8> = table.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let labels = labels.map(|labels| {
        let bytes = labels.iter().flat_map(|&l| i64::from(l).to_le_bytes());
        bytes.collect::<Vec<u8>>()
    });
    let features = TensorView::new(Dtype::F32, vec![rows, table.width], &values);
    let mut tensors = vec![("features", features.map_err(io::Error::other)?)];
    if let Some(labels) = &labels {
        let labels = TensorView::new(Dtype::I64, vec![rows], labels);
        tensors.push(("labels", labels.map_err(io::Error::other)?));
    }
    let bytes = safetensors::serialize(tensors, None).map_err(io::Error::other)?;
    file.write_all(&bytes)
}

/// Version 1.0 of numpy's format: the shape in a line of Python, padded so that the numbers begin at a multiple of 64 bytes.
fn write_npy(table: &FeatureTable, file: &mut dyn Write) -> io::Result<()> {
    let shape = format!("({}, {})", table.images.len(), table.width);
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (10 + head.len() + 1).next_multiple_of(64) - 10;
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(length as u16).to_le_bytes())?;
    file.write_all(format!("{head:<0$}\n", length - 1).as_bytes())?;
    table.values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

/// Names, labels and features in one table.
fn columns(table: &FeatureTable, set: &dyn ImageSet, labels: Option<&[u32]>, classes: &[String]) -> Vec<TableColumn> {
    let images = table.images.iter();
    let numbers = images.clone().map(|&image| Some(i64::from(image))).collect();
    let mut columns = vec![
        TableColumn::new("image", ColumnValues::Integers(numbers)),
        TableColumn::new("name", ColumnValues::Text(images.map(|&image| set.name(image as usize)).collect())),
    ];
    if let Some(labels) = labels {
        let numbers = labels.iter().map(|&label| Some(i64::from(label))).collect();
        let names = labels.iter().map(|&label| class_name(classes, label)).collect();
        columns.push(TableColumn::new("label", ColumnValues::Integers(numbers)));
        columns.push(TableColumn::new("class", ColumnValues::Text(names)));
    }
    let features = ColumnValues::Vectors { width: table.width, values: table.values.clone() };
    columns.push(TableColumn::new("features", features));
    columns
}

fn write_names(
    table: &FeatureTable,
    set: &dyn ImageSet,
    labels: Option<&[u32]>,
    classes: &[String],
    file: &mut dyn Write,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    let head = ["row", "image", "name", "label", "class"];
    let columns = if labels.is_some() { 5 } else { 3 };
    csv.write_record(&head[..columns])?;
    for (row, &image) in table.images.iter().enumerate() {
        let mut record = vec![row.to_string(), image.to_string(), set.name(image as usize)];
        if let Some(&label) = labels.and_then(|labels| labels.get(row)) {
            record.push(label.to_string());
            record.push(class_name(classes, label));
        }
        csv.write_record(&record)?;
    }
    csv.flush()
}

/// The name of a class, or its number.
pub fn class_name(classes: &[String], label: u32) -> String {
    let name = classes.get(label as usize).cloned();
    name.unwrap_or_else(|| format!("class {label}"))
}
