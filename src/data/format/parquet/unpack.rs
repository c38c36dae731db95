//! Copies the encoded images out of parquet files, row group by row group.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::Place;
use super::bytes::Chunks;
use super::columns::{self, Columns};
use super::labels::{Classes, NO_LABEL};
use crate::data::DataError;
use crate::data::image_set::spread;
use crate::data::read::guard::guarded;
use crate::data::read::positioned::Positioned;

/// So many values are taken from a column at a time.
const BATCH: usize = 16;

/// The temporary file.
pub(super) struct Spool {
    file: BufWriter<File>,
    bytes: u64,
}

impl Spool {
    pub fn new() -> Result<Self, DataError> {
        let file = tempfile::tempfile().map_err(|e| spool_failed(&e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), bytes: 0 })
    }

    /// Appends, and gives where.
    fn push(&mut self, bytes: &[u8]) -> Result<u64, DataError> {
        self.file.write_all(bytes).map_err(|e| spool_failed(&e))?;
        let offset = self.bytes;
        self.bytes += bytes.len() as u64;
        Ok(offset)
    }

    pub fn finish(self) -> Result<Positioned, DataError> {
        let file = self.file.into_inner();
        let file = file.map_err(|e| spool_failed(e.error()))?;
        Ok(Positioned::from_file(file, spool_name().into(), self.bytes))
    }
}

fn spool_name() -> String {
    format!("the copy of the parquet files' images in {}", std::env::temp_dir().display())
}

fn spool_failed(error: &io::Error) -> DataError {
    DataError::Write { file: spool_name(), problem: format!("{error} (TMPDIR names another folder)") }
}

/// Which rows of some files to read.
pub(super) struct Rows {
    /// A file and its rows.
    files: Vec<(PathBuf, u64)>,
    /// Numbers over all files; `None` for all.
    wanted: Option<Vec<u32>>,
}

impl Rows {
    /// At most `limit` rows (0: all), evenly spread, because files come sorted by class. Reads the end of each file.
    pub fn new(files: &[PathBuf], limit: usize) -> Result<Self, DataError> {
        let mut rows = Vec::new();
        let mut all = 0_u64;
        for path in files {
            let count = reading(path, || {
                let reader = open(path)?;
                let groups = reader.metadata().row_groups().iter();
                let counts = groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
                Ok(counts.fold(0, u64::saturating_add))
            })?;
            all = all.saturating_add(count);
            rows.push((path.clone(), count));
        }
        match u32::try_from(all) {
            Ok(all) => Ok(Self { files: rows, wanted: spread(all as usize, limit) }),
            Err(_) => Err(DataError::Shape { problem: format!("{all} rows; at most 2^32 - 1 can be numbered") }),
        }
    }

    /// The rows to read of `count` from row `first` of all on: `None` for all of them.
    fn among(&self, first: u64, count: u64) -> Option<&[u32]> {
        let wanted = self.wanted.as_deref()?;
        let start = wanted.partition_point(|&row| u64::from(row) < first);
        let end = wanted.partition_point(|&row| u64::from(row) < first + count);
        Some(&wanted[start..end])
    }
}

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub places: Vec<Place>,
    /// A label an image.
    pub labels: Vec<i64>,
    /// Rows without an image.
    empty: usize,
}

/// Copies the selected rows' images into `spool`.
pub(super) fn unpack(
    rows: Rows,
    spool: &mut Spool,
    classes: &mut Classes,
    remarks: &mut Vec<String>,
) -> Result<Unpacked, DataError> {
    let mut unpacked = Unpacked::default();
    let mut first = 0;
    for (number, (path, count)) in rows.files.iter().enumerate() {
        reading(path, || {
            let reader = open(path)?;
            let columns = columns::find(reader.metadata().file_metadata());
            let columns = columns.map_err(|problem| bad(path, problem))?;
            classes.named(&columns.classes, &path.display().to_string());
            // In this file, and of all rows.
            let mut row = 0_u64;
            for n in 0..reader.num_row_groups() {
                let group = reader.get_row_group(n).map_err(|e| damaged(path, &e))?;
                let mut group = Group {
                    path,
                    number: number as u32,
                    columns: &columns,
                    rows: u64::try_from(group.metadata().num_rows()).unwrap_or(0),
                    group,
                    first: row,
                };
                let wanted = rows.among(first + row, group.rows);
                if wanted.is_none_or(|wanted| !wanted.is_empty()) {
                    let wanted = |row: u64| {
                        wanted.is_none_or(|some| some.binary_search_by_key(&(first + row), |&n| u64::from(n)).is_ok())
                    };
                    group.read(&wanted, spool, classes, &mut unpacked)?;
                }
                row += group.rows;
            }
            Ok(())
        })?;
        first += count;
    }
    if unpacked.empty > 0 {
        remarks.push(format!(
            "{} of {} rows of {} have no image and are left out",
            unpacked.empty,
            unpacked.empty + unpacked.places.len(),
            rows.files.first().map_or_else(String::new, |(path, _)| match rows.files.len() {
                1 => path.display().to_string(),
                n => format!("{} and {} more files", path.display(), n - 1),
            })
        ));
    }
    Ok(unpacked)
}

fn open(path: &Path) -> Result<SerializedFileReader<Chunks>, DataError> {
    let file = Chunks(Arc::new(Positioned::open(path)?));
    SerializedFileReader::new(file).map_err(|e| damaged(path, &e))
}

/// The crate's own panics on hostile files become errors.
fn reading<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    guarded(read).unwrap_or_else(|| Err(bad(path, "it is damaged; download it again")))
}

fn bad(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Parquet { file: path.display().to_string(), problem: problem.into() }
}

fn damaged(path: &Path, error: &ParquetError) -> DataError {
    let text = error.to_string().replace(['\n', '\r'], " ");
    bad(path, format!("it is damaged ({text}); download it again"))
}

/// A row group and where it lies.
struct Group<'a> {
    path: &'a Path,
    /// Of the file.
    number: u32,
    columns: &'a Columns,
    rows: u64,
    group: Box<dyn RowGroupReader + 'a>,
    /// Its first row in the file.
    first: u64,
}

impl Group<'_> {
    fn read(
        &mut self,
        wanted: &dyn Fn(u64) -> bool,
        spool: &mut Spool,
        classes: &mut Classes,
        unpacked: &mut Unpacked,
    ) -> Result<(), DataError> {
        let labels = self.labels(classes)?;
        let (path, names) = (self.path, self.columns.classes.len());
        let ColumnReader::ByteArrayColumnReader(images) = self.column(self.columns.image)? else {
            return Err(bad(path, "its images are no bytes"));
        };
        let mut row = self.first;
        self.each(self.columns.image, images, |image| {
            let (at, label) = (row, labels.get((row - self.first) as usize));
            row += 1;
            if !wanted(at) {
                return Ok(());
            }
            let Some(image) = image else {
                unpacked.empty += 1;
                return Ok(());
            };
            let label = label.copied().unwrap_or(NO_LABEL);
            if names > 0 && label >= names as i64 {
                return Err(DataError::Label {
                    file: path.display().to_string(),
                    index: at as usize,
                    label: u32::try_from(label).unwrap_or(u32::MAX),
                    first: 0,
                    classes: names,
                    fix: "its column does not fit its metadata, download it again",
                });
            }
            unpacked.places.push(Place {
                offset: spool.push(image.data())?,
                bytes: image.len() as u32,
                file: self.number,
                row: at as u32,
            });
            unpacked.labels.push(label);
            Ok(())
        })
    }

    /// A label a row; none where there is no such column.
    fn labels(&self, classes: &mut Classes) -> Result<Vec<i64>, DataError> {
        let Some(column) = self.columns.label else {
            return Ok(Vec::new());
        };
        let mut labels = Vec::new();
        match self.column(column)? {
            ColumnReader::Int64ColumnReader(reader) => self.each(column, reader, |label| {
                labels.push(label.map_or(NO_LABEL, |&label| classes.number(label)));
                Ok(())
            })?,
            ColumnReader::Int32ColumnReader(reader) => self.each(column, reader, |label| {
                labels.push(label.map_or(NO_LABEL, |&label| classes.number(i64::from(label))));
                Ok(())
            })?,
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.each(column, reader, |label: Option<&ByteArray>| {
                    labels.push(match label {
                        Some(text) => classes.text(&String::from_utf8_lossy(text.data())),
                        None => NO_LABEL,
                    });
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(labels)
    }

    fn column(&self, column: usize) -> Result<ColumnReader, DataError> {
        let codec = match self.group.metadata().column(column).compression() {
            Compression::ZSTD(_) => Some("zstd"),
            Compression::BROTLI(_) => Some("brotli"),
            Compression::LZO => Some("lzo"),
            _ => None,
        };
        if let Some(codec) = codec {
            return Err(bad(
                self.path,
                format!(
                    "it is compressed with {codec}, which is not read here; write it with snappy, gzip or lz4 instead (pyarrow: \
                     parquet.write_table(parquet.read_table(OLD), NEW))"
                ),
            ));
        }
        let reader = self.group.get_column_reader(column);
        reader.map_err(|e| damaged(self.path, &e))
    }

    /// Hands out the values of all rows in order, few at a time.
    fn each<T: DataType>(
        &self,
        column: usize,
        mut reader: ColumnReaderImpl<T>,
        mut row: impl FnMut(Option<&T::T>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let schema = self.group.metadata().schema_descr();
        let most_level = schema.column(column).max_def_level();
        let mut left = self.rows;
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        while left > 0 {
            levels.clear();
            values.clear();
            let ask = BATCH.min(usize::try_from(left).unwrap_or(BATCH));
            let (records, _, _) =
                reader.read_records(ask, Some(&mut levels), None, &mut values).map_err(|e| damaged(self.path, &e))?;
            if records == 0 {
                return Err(bad(self.path, format!("it ends {left} rows early; download it again")));
            }
            let mut values = values.iter();
            for n in 0..records {
                let there = most_level == 0 || levels.get(n) == Some(&most_level);
                row(if there { values.next() } else { None })?;
            }
            left = left.saturating_sub(records as u64);
        }
        Ok(())
    }
}
