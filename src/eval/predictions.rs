//! What was predicted for each test image, as a file.

use std::io::{self, Write};
use std::path::Path;

use super::{EvalError, Output, Prediction};
use crate::atomic;
use crate::data::ImageSet;

/// Fails where a file's name does not end in `.csv`: asked before the work is done.
pub fn check_predictions(path: &Path) -> Result<(), EvalError> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    match extension.as_deref().and_then(|e| e.to_str()) {
        Some("csv") => Ok(()),
        _ => Err(EvalError::PredictionKind { file: path.to_path_buf() }),
    }
}

/// Writes a CSV of `image` (its number in the set), `name`, `label`, and the class that came first with each output, in a column of
/// its name. The verdicts are on the same images in the same order. The file is there whole or not at all.
pub fn write_predictions(
    outputs: &[(Output, &[Prediction])],
    set: &dyn ImageSet,
    path: &Path,
) -> Result<(), EvalError> {
    check_predictions(path)?;
    let rows = outputs.first().map_or(0, |(_, verdicts)| verdicts.len());
    let write = |file: &mut dyn Write| -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(file);
        let names = outputs.iter().map(|(output, _)| output.name());
        csv.write_record(["image", "name", "label"].into_iter().chain(names))?;
        for row in 0..rows {
            let verdicts: Vec<&Prediction> = outputs.iter().filter_map(|(_, v)| v.get(row)).collect();
            let Some(Prediction { image, label, .. }) = verdicts.first() else {
                break;
            };
            let mut record = vec![image.to_string(), set.name(*image as usize), label.to_string()];
            record.extend(verdicts.iter().map(|verdict| verdict.predicted.to_string()));
            csv.write_record(&record)?;
        }
        csv.flush()
    };
    atomic::write(path, write).map_err(|reason| EvalError::Write { file: path.to_path_buf(), reason })
}
