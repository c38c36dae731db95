//! Tables for other programs, column by column: CSV and Parquet.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

/// Rows that are written, and later read, at once.
const ROW_GROUP: usize = 1 << 16;

/// A column with its name.
pub(crate) struct TableColumn {
    /// Its heading.
    pub name: String,
    /// A value a row.
    pub values: ColumnValues,
}

/// The values of a column, from the first row to the last.
pub(crate) enum ColumnValues {
    /// Texts.
    Text(Vec<String>),
    /// Whole numbers; `None` is an empty cell.
    Integers(Vec<Option<i64>>),
    /// Numbers; one that is not finite is an empty cell.
    Numbers(Vec<f64>),
    /// `width` numbers a row, row after row. CSV has no such cell.
    Vectors {
        /// Numbers a row.
        width: usize,
        /// Row after row.
        values: Vec<f32>,
    },
}

impl TableColumn {
    pub fn new(name: impl Into<String>, values: ColumnValues) -> TableColumn {
        TableColumn { name: name.into(), values }
    }

    pub fn rows(&self) -> usize {
        match &self.values {
            ColumnValues::Text(values) => values.len(),
            ColumnValues::Integers(values) => values.len(),
            ColumnValues::Numbers(values) => values.len(),
            ColumnValues::Vectors { width, values } => values.len().checked_div(*width).unwrap_or(0),
        }
    }

    fn cell(&self, row: usize) -> String {
        match &self.values {
            ColumnValues::Text(values) => values[row].clone(),
            ColumnValues::Integers(values) => values[row].map_or_else(String::new, |value| value.to_string()),
            ColumnValues::Numbers(values) if values[row].is_finite() => values[row].to_string(),
            ColumnValues::Numbers(_) | ColumnValues::Vectors { .. } => String::new(),
        }
    }

    /// What Parquet calls it.
    fn kind(&self) -> Result<Type, ParquetError> {
        let primitive = |name: &str, physical, repetition, logical| {
            let kind = Type::primitive_type_builder(name, physical).with_repetition(repetition);
            kind.with_logical_type(logical).build()
        };
        let (name, optional) = (self.name.as_str(), Repetition::OPTIONAL);
        match &self.values {
            ColumnValues::Text(_) => {
                primitive(name, Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String))
            }
            ColumnValues::Integers(_) => primitive(name, Physical::INT64, optional, None),
            ColumnValues::Numbers(_) => primitive(name, Physical::DOUBLE, optional, None),
            ColumnValues::Vectors { .. } => {
                // The three levels of Parquet's LogicalTypes.md.
                let element = primitive("element", Physical::FLOAT, Repetition::REQUIRED, None)?;
                let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
                let list = list.with_fields(vec![Arc::new(element)]).build()?;
                let all = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED);
                all.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list)]).build()
            }
        }
    }

    fn write(
        &self,
        rows: &Range<usize>,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else {
            return Err(ParquetError::General("more columns than the schema has".to_owned()));
        };
        match &self.values {
            ColumnValues::Text(values) => {
                let texts: Vec<ByteArray> = values[rows.clone()].iter().map(|text| text.as_str().into()).collect();
                column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            }
            ColumnValues::Integers(values) => {
                let (levels, values) = filled(&values[rows.clone()], |value| *value);
                column.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            ColumnValues::Numbers(values) => {
                let (levels, values) = filled(&values[rows.clone()], |value| value.is_finite().then_some(*value));
                column.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            ColumnValues::Vectors { width, values } => {
                let values = &values[rows.start * width..rows.end * width];
                let begins: Vec<i16> = (0..values.len()).map(|at| i16::from(at % width != 0)).collect();
                let defined = vec![1; values.len()];
                column.typed::<FloatType>().write_batch(values, Some(&defined), Some(&begins))?;
            }
        }
        column.close()
    }
}

/// Whether each cell has a value, and those that there are.
fn filled<T, V>(cells: &[T], value: impl Fn(&T) -> Option<V>) -> (Vec<i16>, Vec<V>) {
    let values: Vec<Option<V>> = cells.iter().map(value).collect();
    (values.iter().map(|value| i16::from(value.is_some())).collect(), values.into_iter().flatten().collect())
}

/// Writes a heading and a line a row.
pub(crate) fn write_csv(columns: &[TableColumn], out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(columns.iter().map(|column| &column.name))?;
    for row in 0..columns.first().map_or(0, TableColumn::rows) {
        csv.write_record(columns.iter().map(|column| column.cell(row)))?;
    }
    csv.flush()
}

/// Writes the same as Parquet, packed with snappy; pyarrow, pandas, polars and DuckDB read it as it is.
pub(crate) fn write_parquet(columns: &[TableColumn], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&parquet(columns).map_err(io::Error::other)?)
}

fn parquet(columns: &[TableColumn]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(|column| Ok(Arc::new(column.kind()?))).collect::<Result<_, ParquetError>>()?;
    let schema = Type::group_type_builder("table").with_fields(fields).build()?;
    let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    for column in columns.iter().filter(|column| matches!(column.values, ColumnValues::Vectors { .. })) {
        // No two of them are equal, and their bytes look random.
        let path = ColumnPath::new([&column.name, "list", "element"].map(|part| part.to_owned()).to_vec());
        properties = properties.set_column_dictionary_enabled(path.clone(), false);
        properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
    }
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))?;
    let rows = columns.first().map_or(0, TableColumn::rows);
    for start in (0..rows).step_by(ROW_GROUP) {
        let rows = start..rows.min(start + ROW_GROUP);
        let mut group = file.next_row_group()?;
        for column in columns {
            column.write(&rows, &mut group)?;
        }
        group.close()?;
    }
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn both_forms_hold_the_same_cells() -> Result<(), Box<dyn std::error::Error>> {
        let rows = ROW_GROUP + 2;
        let columns = [
            TableColumn::new("name", ColumnValues::Text((0..rows).map(|row| format!("{row}, a \"name\"")).collect())),
            TableColumn::new(
                "number",
                ColumnValues::Integers((0..rows).map(|row| (row % 2 == 0).then_some(row as i64)).collect()),
            ),
            TableColumn::new(
                "value",
                ColumnValues::Numbers((0..rows).map(|row| [0.1, f64::NAN, 1e-7][row % 3]).collect()),
            ),
            TableColumn::new(
                "features",
                ColumnValues::Vectors { width: 3, values: (0..3 * rows).map(|v| v as f32 + 0.5).collect() },
            ),
        ];
        let mut bytes = Vec::new();
        write_parquet(&columns, &mut bytes)?;
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))?;
        assert_eq!(reader.num_row_groups(), 2);
        let read: Vec<String> =
            reader.get_row_iter(None)?.map(|row| Ok(row?.to_string())).collect::<Result<_, ParquetError>>()?;
        assert_eq!(read.len(), rows);
        assert_eq!(read[0], r#"{name: "0, a "name"", number: 0, value: 0.1, features: [0.5, 1.5, 2.5]}"#);
        assert_eq!(read[1], r#"{name: "1, a "name"", number: null, value: null, features: [3.5, 4.5, 5.5]}"#);
        assert!(read[rows - 1].ends_with("features: [196611.5, 196612.5, 196613.5]}"), "{}", read[rows - 1]);

        let mut text = Vec::new();
        write_csv(&columns[..3], &mut text)?;
        let text = String::from_utf8(text)?;
        let lines: Vec<&str> = text.lines().take(3).collect();
        assert_eq!(lines, ["name,number,value", "\"0, a \"\"name\"\"\",0,0.1", "\"1, a \"\"name\"\"\",,"]);
        assert_eq!(text.lines().count(), rows + 1);
        Ok(())
    }
}
