//! Which columns hold the image and the label, and what the Hugging Face metadata say of the classes.

use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

/// Usual names of a column of images, the best first.
const IMAGES: [&str; 8] = ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp"];
/// Usual names of a column of classes, the best first; CIFAR-100 has a coarse one too.
const LABELS: [&str; 9] =
    ["fine_label", "label", "labels", "class", "target", "category", "cls", "class_id", "class_label"];

/// The columns of a file that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// Leaf column of the encoded images.
    pub image: usize,
    /// Leaf column of the labels.
    pub label: Option<usize>,
    /// Names of the classes, where the metadata have them.
    pub classes: Vec<String>,
}

/// Finds them, or says in words why not.
pub(super) fn find(file: &FileMetaData) -> Result<Columns, String> {
    let features = features(file);
    let leaves = file.schema_descr().columns();
    let images: Vec<usize> = (0..leaves.len()).filter(|&n| is_image(&leaves[n])).collect();
    let declared = |kind: &'static str| {
        let features = &features;
        move |&&n: &&usize| feature(features, top(&leaves[n]), kind).is_some()
    };
    let named = |among: &[usize], names: &[&str]| {
        names.iter().find_map(|name| among.iter().copied().find(|&n| top(&leaves[n]).eq_ignore_ascii_case(name)))
    };
    let image = match images[..] {
        [only] => only,
        _ => named(&images, &IMAGES).or_else(|| images.iter().find(declared("Image")).copied()).ok_or_else(|| {
            let names: Vec<String> = leaves.iter().map(|leaf| leaf.path().string()).collect();
            format!("none of its columns ({}) is known to hold images; name one \"image\"", names.join(", "))
        })?,
    };
    let labels: Vec<usize> = (0..leaves.len()).filter(|&n| n != image && is_label(&leaves[n])).collect();
    let label = named(&labels, &LABELS).or_else(|| labels.iter().find(declared("ClassLabel")).copied());
    let classes =
        label.and_then(|n| feature(&features, top(&leaves[n]), "ClassLabel")).map(class_names).unwrap_or_default();
    Ok(Columns { image, label, classes })
}

/// Name of the column that a leaf belongs to.
fn top(leaf: &ColumnDescriptor) -> &str {
    leaf.path().parts().first().map_or("", String::as_str)
}

fn is_text(leaf: &ColumnDescriptor) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::String)) || leaf.converted_type() == ConvertedType::UTF8
}

/// Plain bytes, or the bytes of a struct {bytes, path}; not in a list.
fn is_image(leaf: &ColumnDescriptor) -> bool {
    let parts = leaf.path().parts();
    leaf.physical_type() == Type::BYTE_ARRAY
        && leaf.max_rep_level() == 0
        && !is_text(leaf)
        && (parts.len() == 1 || (parts.len() == 2 && parts[1] == "bytes"))
}

fn is_label(leaf: &ColumnDescriptor) -> bool {
    let whole = matches!(leaf.physical_type(), Type::INT32 | Type::INT64);
    let text = leaf.physical_type() == Type::BYTE_ARRAY && is_text(leaf);
    leaf.path().parts().len() == 1 && leaf.max_rep_level() == 0 && (whole || text)
}

/// `info.features` of the metadata that the `datasets` library writes; `Null` where there are none that make sense.
fn features(file: &FileMetaData) -> Value {
    let pairs = file.key_value_metadata();
    let text = pairs.into_iter().flatten().find(|pair| pair.key == "huggingface");
    text.and_then(|pair| serde_json::from_str::<Value>(pair.value.as_deref()?).ok())
        .and_then(|mut all| all.pointer_mut("/info/features").map(Value::take))
        .unwrap_or_default()
}

/// What they say of a column of the kind `kind`.
fn feature<'a>(features: &'a Value, column: &str, kind: &str) -> Option<&'a Value> {
    let feature = features.get(column)?;
    (feature.get("_type")?.as_str()? == kind).then_some(feature)
}

fn class_names(feature: &Value) -> Vec<String> {
    let names = feature.get("names").and_then(Value::as_array);
    let names: Option<Vec<String>> = names.into_iter().flatten().map(|name| name.as_str().map(str::to_owned)).collect();
    names.unwrap_or_default()
}
