//! Weights of any program: names, dimensions and values, from a safetensors file or one of PyTorch's own.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use super::{ExportError, pth};
use crate::regular;

/// A tensor in PyTorch's layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Floating-point tensors of a file, by name.
#[derive(Debug, Clone)]
pub struct StateDict {
    /// The file.
    pub origin: PathBuf,
    /// Its tensors.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Types of values that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    BF16,
    F64,
}

impl Kind {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::BF16 => 2,
            Kind::F64 => 8,
        }
    }
}

/// A tensor of little-endian bytes, as many as `dims` say.
pub(super) fn tensor(dims: Vec<usize>, kind: Kind, bytes: &[u8]) -> Tensor {
    let values = match kind {
        Kind::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Kind::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Kind::BF16 => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        Kind::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
    };
    Tensor { dims, values }
}

impl StateDict {
    /// Reads a `.safetensors` file or what `torch.save` writes (`.pth`, `.pt`, `.ckpt`), of which nothing is run; the first bytes decide.
    pub fn read(path: &Path) -> Result<StateDict, ExportError> {
        let origin = || path.to_owned();
        let failed = |reason| ExportError::Read { file: origin(), reason };
        let format = |problem| ExportError::Format { file: origin(), problem };
        let mut file = regular::open(path).map_err(failed)?;
        let mut start = [0; 4];
        let length = file.metadata().map_err(failed)?.len();
        let begins = file.read_exact(&mut start).is_ok().then_some(start);
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let tensors = match begins {
            Some([b'P', b'K', 3, 4]) => pth::read(file, length).map_err(format)?,
            // The number that such a file begins with, as a pickle.
            Some([0x80, 0x02, 0x8a, 0x0a]) => {
                let problem =
                    "it is a file of PyTorch before 1.6; save it again there, by torch.save(torch.load(FILE), NEW)";
                return Err(format(problem.to_owned()));
            }
            _ => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(failed)?;
                safetensors(&bytes).map_err(|e| {
                    format(format!(
                        "it is neither a complete safetensors file ({e}) nor one of torch.save since PyTorch 1.6"
                    ))
                })?
            }
        };
        Ok(StateDict { origin: origin(), tensors })
    }
}

fn safetensors(bytes: &[u8]) -> Result<Tensors, safetensors::SafeTensorError> {
    let mut tensors = Tensors::new();
    for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::F32,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::BF16,
            Dtype::F64 => Kind::F64,
            // Counters, and what no network here has.
            _ => continue,
        };
        tensors.insert(name.to_owned(), tensor(view.shape().to_vec(), kind, view.data()));
    }
    Ok(tensors)
}
