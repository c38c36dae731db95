//! A table that says of which class each file of a folder is: `metadata.csv` as the Hugging Face hub has it, `labels.csv`, or any other
//! with a column of files and one of labels. It is used where it leaves no question open.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::tree::Found;
use crate::data::{DataError, LeftOut, NO_LABELS};
use crate::paths::native;
use crate::regular;

/// Names of tables that are looked at without being asked for.
const TABLES: [&str; 2] = ["metadata.csv", "labels.csv"];
/// Names of the column of files, in any case.
const FILE: [&str; 13] = [
    "file_name",
    "filename",
    "file",
    "filepath",
    "file_path",
    "path",
    "image",
    "image_name",
    "image_path",
    "image_id",
    "img",
    "id",
    "name",
];
/// Names of the column of labels.
const LABEL: [&str; 8] = ["label", "labels", "class", "class_name", "category", "target", "species", "y"];

/// Whether a file is looked at without being asked for.
pub(super) fn is_table(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| TABLES.iter().any(|table| table.eq_ignore_ascii_case(name)))
}

/// Gives the images of `train` and `test`, below `folder`, the classes of a table: the one that `wanted` names, or where that is empty those
/// of `tables` (below `folder` too) if the folders name no classes. Says what it does. A table that was asked for and cannot be used is an error.
pub(super) fn label(
    folder: &Path,
    [train, test]: [&mut Vec<Found>; 2],
    tables: Vec<PathBuf>,
    wanted: &str,
    remarks: &mut Vec<String>,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), DataError> {
    let mut read = Vec::new();
    match wanted {
        "" | NO_LABELS => {
            let classes: BTreeSet<_> = train.iter().map(|found| found.class.as_ref()).collect();
            let named = classes.len() > 1 && !classes.contains(&None);
            let used = wanted.is_empty() && !named;
            for table in tables {
                match used {
                    true => read.push((folder.join(&table), table)),
                    false => {
                        let why = if named { "the folders name the classes" } else { "data.labels is none" };
                        LeftOut::add(left_out, &format!("tables of labels ({why})"), &table, named);
                    }
                }
            }
        }
        wanted => {
            let path = native(wanted);
            let inside = path.strip_prefix(folder).map(Path::to_owned);
            for table in tables.into_iter().filter(|table| Ok(table) != inside.as_ref()) {
                LeftOut::add(left_out, "tables of labels (another is used)", &table, false);
            }
            read.push((path, inside.unwrap_or_default()));
        }
    }
    if read.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = read.iter().map(|(path, _)| path.display().to_string()).collect();
    let files = Files::new(train.iter().chain(test.iter()));
    let mut classes = vec![None; train.len() + test.len()];
    let mut unknown = Unknown::default();
    let read = read.iter().try_for_each(|(path, inside)| {
        let base = inside.parent().unwrap_or(Path::new(""));
        assign(path, base, &files, &mut classes, &mut unknown)
            .map_err(|problem| DataError::Labels { file: path.display().to_string(), problem })
    });
    let of_train = &classes[..train.len()];
    let known: BTreeSet<_> = of_train.iter().flatten().collect();
    let missing = of_train.iter().position(Option::is_none);
    let result = read.and_then(|()| match missing {
        Some(first) => Err(DataError::Labels {
            file: names.join(", "),
            problem: format!(
                "{} of {} training images have no label in it, such as {}",
                of_train.iter().filter(|class| class.is_none()).count(),
                train.len(),
                train[first].path.display()
            ),
        }),
        None => Ok(()),
    });
    match result {
        Err(error) if wanted.is_empty() => {
            remarks.push(format!("labels are not read: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    remarks.push(format!("labels from {}: {} classes{}", names.join(", "), known.len(), unknown.text()));
    for (found, class) in train.iter_mut().chain(test.iter_mut()).zip(classes) {
        found.class = class.map(OsString::from);
    }
    Ok(())
}

/// Lines that name no image.
#[derive(Default)]
struct Unknown {
    lines: usize,
    first: String,
}

impl Unknown {
    fn text(&self) -> String {
        match self.lines {
            0 => String::new(),
            lines => format!("; {lines} of its lines name no image that is used, such as {}", self.first),
        }
    }
}

/// Images by what a table may call them.
struct Files(HashMap<String, Option<usize>>);

impl Files {
    fn new<'a>(found: impl Iterator<Item = &'a Found>) -> Files {
        let mut files: HashMap<String, Option<usize>> = HashMap::new();
        for (number, found) in found.enumerate() {
            let path = plain(&found.path);
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).to_owned();
            // What two images are called by is the name of neither.
            for key in BTreeSet::from([path, name, stem]) {
                files.entry(key).and_modify(|image| *image = None).or_insert(Some(number));
            }
        }
        Files(files)
    }

    /// The image that a table in the folder `base` calls so.
    fn find(&self, base: &Path, name: &str) -> Option<usize> {
        let inside = plain(&base.join(native(name)));
        let known = |key: &str| self.0.get(key).copied().flatten();
        known(&inside).or_else(|| known(&plain(&native(name)))).or_else(|| known(name.rsplit(['/', '\\']).next()?))
    }
}

/// With slashes on every system, and without `.`.
fn plain(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Reads a table that lies in the folder `base`.
fn assign(
    path: &Path,
    base: &Path,
    files: &Files,
    classes: &mut [Option<String>],
    unknown: &mut Unknown,
) -> Result<(), String> {
    let file = regular::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(file);
    let mut records = reader.records().map(|record| record.map_err(|e| format!("is no CSV: {e}")));
    let first = records.next().ok_or("is empty")??;
    let Columns { file, label, sure } = columns(&first)?;
    // Without a heading it is a line like the others.
    let headless = files.find(base, first.get(file).unwrap_or_default()).is_some();
    let (mut labels, mut lines) = (BTreeSet::new(), 0_usize);
    for record in headless.then_some(Ok(first)).into_iter().chain(records) {
        let record = record?;
        let (Some(name), Some(label)) = (record.get(file), record.get(label).filter(|label| !label.is_empty())) else {
            continue;
        };
        let Some(image) = files.find(base, name) else {
            unknown.lines += 1;
            if unknown.first.is_empty() {
                name.clone_into(&mut unknown.first);
            }
            continue;
        };
        lines += 1;
        labels.insert(label.to_owned());
        match &classes[image] {
            Some(other) if other != label => return Err(format!("says of {name} both {other} and {label}")),
            _ => classes[image] = Some(label.to_owned()),
        }
    }
    match lines {
        0 => Err("names no image that is used".to_owned()),
        // Captions, or numbers to predict.
        _ if !sure && labels.len() * 2 > lines => Err(format!(
            "has {} different texts for {lines} images, no classes unless the column is called label",
            labels.len()
        )),
        _ => Ok(()),
    }
}

/// Where in a line the file and its label stand.
struct Columns {
    file: usize,
    label: usize,
    /// Whether the heading says so.
    sure: bool,
}

fn columns(first: &csv::StringRecord) -> Result<Columns, String> {
    let named = |names: &[&str]| {
        let is_one = |column: &str| names.iter().any(|name| name.eq_ignore_ascii_case(column));
        let mut places = first.iter().enumerate().filter(|(_, column)| is_one(column.trim_start_matches('\u{feff}')));
        // Of several none is it.
        places.next().filter(|_| places.next().is_none()).map(|(place, _)| place)
    };
    match (named(&FILE), named(&LABEL), first.len()) {
        (Some(file), Some(label), _) => Ok(Columns { file, label, sure: true }),
        (_, _, 2) => Ok(Columns { file: 0, label: 1, sure: false }),
        _ => Err(format!("has the columns {}", first.iter().take(8).collect::<Vec<_>>().join(", "))),
    }
}
