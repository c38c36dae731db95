//! What was measured, in the user's cache folder: one file for each adapter, back end, driver and version of the kernels.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::OpSignature;
use crate::atomic;
use crate::gpu::shader;
use crate::gpu::{AdapterReport, Gpu};
use crate::graph::Candidate;
use crate::hash::Fnv;
use crate::regular;

/// Environment variable: the folder to use instead of the user's cache folder.
pub const CACHE_VARIABLE: &str = "SIMSIAM_CACHE_DIR";
/// A choice that ran out of time is made again where the run would replay the node that many times more often.
const LONGER: u64 = 2;

/// The choices for one device.
#[derive(Debug, Default)]
pub struct Cache {
    /// `None` where nothing is kept.
    path: Option<PathBuf>,
    file: File,
    changed: bool,
    remark: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct File {
    device: Device,
    kernels: BTreeMap<String, Entry>,
}

/// What a file is for: another device, driver or program measures for itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Device {
    adapter: String,
    backend: String,
    driver: String,
    /// Whether kernels had their bounds checks.
    checked: bool,
    /// [`shader::version`] in hexadecimal.
    shaders: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    kernel: String,
    /// Hash of the candidates it was chosen from.
    candidates: String,
    /// Where time ran out before all were measured: how often the node ran in that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<u64>,
}

impl Device {
    fn of(gpu: &Gpu, shaders: u64) -> Device {
        let AdapterReport { name, backend, driver, .. } = gpu.report();
        Device {
            adapter: name.clone(),
            backend: backend.clone(),
            driver: driver.clone(),
            checked: gpu.is_checked(),
            shaders: format!("{shaders:016x}"),
        }
    }

    /// A name that people recognise and that no other device has.
    fn file_name(&self) -> String {
        let mut hash = Fnv::default();
        let checked = self.checked.to_string();
        for part in [&self.adapter, &self.backend, &self.driver, &checked, &self.shaders] {
            hash.add(part);
        }
        let words = self.adapter.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).take(4).collect();
        let name = words.join("-").to_lowercase();
        format!("{}-{:016x}.json", name.get(..40).unwrap_or(&name), hash.0)
    }
}

impl Cache {
    /// Keeps nothing.
    pub fn none() -> Cache {
        Cache::default()
    }

    /// The file for this device in the user's cache folder, or in the folder that [`CACHE_VARIABLE`] names.
    pub fn open(gpu: &Gpu) -> Cache {
        let named = std::env::var_os(CACHE_VARIABLE).filter(|folder| !folder.is_empty());
        let users = || dirs::cache_dir().map(|folder| folder.join("simsiam"));
        match named.map(PathBuf::from).or_else(users) {
            Some(folder) => Cache::at(&folder, gpu),
            None => Cache::none(),
        }
    }

    /// The file for this device in a folder.
    pub fn at(folder: &Path, gpu: &Gpu) -> Cache {
        Cache::load(folder, Device::of(gpu, shader::version()))
    }

    fn load(folder: &Path, device: Device) -> Cache {
        let path = folder.join(device.file_name());
        let (kernels, remark) = match read(&path) {
            Ok(file) if file.device == device => (file.kernels, None),
            Ok(_) => (BTreeMap::new(), None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), None),
            Err(e) => {
                let line = format!("{} cannot be read: {e}; kernels are measured again", path.display());
                (BTreeMap::new(), Some(line))
            }
        };
        Cache { path: Some(path), file: File { device, kernels }, changed: false, remark }
    }

    /// The candidate of a kind that was chosen before.
    pub(super) fn find(&self, kind: &OpSignature, candidates: &[Candidate], print: u64) -> Option<String> {
        let entry = self.file.kernels.get(&kind.signature)?;
        let there = candidates.iter().any(|c| c.name == entry.kernel);
        let enough = entry.unfinished.is_none_or(|runs| kind.runs <= LONGER.saturating_mul(runs));
        let same = entry.candidates == format!("{print:016x}");
        (there && enough && same).then(|| entry.kernel.clone())
    }

    pub(super) fn insert(&mut self, kind: &OpSignature, kernel: &str, print: u64, complete: bool) {
        let entry = Entry {
            kernel: kernel.to_owned(),
            candidates: format!("{print:016x}"),
            unfinished: (!complete).then_some(kind.runs),
        };
        self.file.kernels.insert(kind.signature.clone(), entry);
        self.changed = true;
    }

    /// Writes what is new. What went wrong with the file is no reason not to train: it is returned, a line each.
    pub(super) fn save(&mut self) -> Vec<String> {
        let mut remarks: Vec<String> = self.remark.take().into_iter().collect();
        if let (Some(path), true) = (&self.path, self.changed) {
            // Another run may have written meanwhile.
            let mut file = match read(path) {
                Ok(file) if file.device == self.file.device => file,
                _ => self.file.clone(),
            };
            file.kernels.extend(self.file.kernels.clone());
            match write(path, &file) {
                Ok(()) => self.changed = false,
                Err(e) => remarks.push(format!(
                    "{} cannot be written: {e}; kernels will be measured again (set {CACHE_VARIABLE} to another folder)",
                    path.display()
                )),
            }
        }
        remarks
    }
}

fn read(path: &Path) -> io::Result<File> {
    Ok(serde_json::from_str(&regular::read_to_string(path)?)?)
}

fn write(path: &Path, file: &File) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    atomic::write(path, |bytes| {
        serde_json::to_writer_pretty(&mut *bytes, file)?;
        bytes.write_all(b"\n")
    })
}
