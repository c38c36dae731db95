//! CRC-32 of every part of a checkpoint, kept in its metadata: a flipped bit is found when the file is read.

use std::collections::BTreeMap;

/// Metadata: the checksums as a JSON object.
pub(super) const KEY: &str = "simsiam.crc32";
/// The header's entry there; no tensor has this name.
const HEADER: &str = "__metadata__";

/// A checksum, in hexadecimal, of every tensor by name, and of what the header says.
#[derive(Debug, Default)]
pub(super) struct Checksums {
    sums: BTreeMap<String, String>,
    /// Metadata, and type and shape of the tensors.
    header: BTreeMap<String, String>,
}

impl Checksums {
    /// Of a file with this metadata, those of its tensors still to be added.
    pub fn new(metadata: &BTreeMap<String, String>) -> Checksums {
        let metadata = metadata.iter().map(|(key, value)| (format!("metadata {key}"), value.clone()));
        Checksums { sums: BTreeMap::new(), header: metadata.collect() }
    }

    /// Adds a tensor.
    pub fn add(&mut self, name: &str, dtype: &str, dims: &[usize], bytes: &[u8]) {
        self.header.insert(format!("tensor {name}"), format!("{dtype} {dims:?}"));
        self.sums.insert(name.to_owned(), sum(bytes));
    }

    /// The text that the metadata keeps.
    pub fn text(self) -> String {
        serde_json::json!(self.finish()).to_string()
    }

    /// What differs from the text that the metadata kept: a tensor's name, or the header.
    pub fn difference(self, kept: &str) -> Option<String> {
        let header = || "the header".to_owned();
        let Ok(kept) = serde_json::from_str::<BTreeMap<String, String>>(kept) else {
            return Some(header());
        };
        let found = self.finish();
        let differs = found.iter().find(|(name, sum)| *name != HEADER && kept.get(*name) != Some(sum));
        match differs {
            Some((name, _)) => Some(format!("tensor {name}")),
            None => (found != kept).then(header),
        }
    }

    fn finish(mut self) -> BTreeMap<String, String> {
        // As JSON no two headers have the same text.
        let header = serde_json::json!(self.header).to_string();
        self.sums.insert(HEADER.to_owned(), sum(header.as_bytes()));
        self.sums
    }
}

fn sum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}
