//! Writes safetensors files. The crate's own writer orders the metadata at random; this one writes the same bytes every time.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, json};

/// Takes a tensor's name, type, dimensions and bytes.
pub type Visit<'a> = dyn FnMut(&str, &str, &[usize], &[u8]) -> io::Result<()> + 'a;

/// Writes `metadata` and the tensors that `each` visits. It is called twice and must visit the same ones in the same order, those of 64-bit
/// numbers first, so that all are aligned; only one is in memory at a time.
pub fn write(
    file: &mut dyn Write,
    metadata: &BTreeMap<String, String>,
    each: impl Fn(&mut Visit) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = Map::new();
    let mut end = 0;
    each(&mut |name, dtype, dims, bytes| {
        let offsets = [end, end + bytes.len()];
        end += bytes.len();
        header.insert(name.to_owned(), json!({ "dtype": dtype, "shape": dims, "data_offsets": offsets }));
        Ok(())
    })?;
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut header = serde_json::to_vec(&header)?;
    // Data starts at a multiple of eight bytes, so that readers may map it.
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    each(&mut |_, _, _, bytes| file.write_all(bytes))
}
