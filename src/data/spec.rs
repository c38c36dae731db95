//! `demo`, `KIND:PATH`, or a folder or file that is recognised by its contents.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::DataError;
use super::format::{cifar, folder, idx, pack, parquet, stl10};
use crate::paths::native;

/// Which data set, as after `--data` and in `data.source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// The built-in part of Fashion-MNIST.
    Demo,
    /// MNIST's format, plain or gzipped.
    Idx(PathBuf),
    /// CIFAR-10, binary version.
    Cifar10(PathBuf),
    /// CIFAR-100, binary version.
    Cifar100(PathBuf),
    /// STL-10, binary version.
    Stl10(PathBuf),
    /// A file of decoded images, see [`super::pack`].
    Pack(PathBuf),
    /// Parquet files: a folder, a file, or several separated by commas.
    Parquet(PathBuf),
    /// Image files, in subfolders or not.
    Images(PathBuf),
    /// A folder, or a file, whose contents will tell.
    Folder(PathBuf),
}

impl FromStr for Spec {
    type Err = DataError;

    /// Looks at the text only, not at the disk. One letter before a colon is a Windows drive, no kind.
    fn from_str(text: &str) -> Result<Self, DataError> {
        if text.trim().is_empty() {
            return Err(DataError::NoData);
        }
        if text == "demo" {
            return Ok(Self::Demo);
        }
        let (kind, folder) = match text.split_once(':') {
            Some((kind, folder)) if kind.len() > 1 && !kind.contains(['/', '\\', '.']) => (kind, native(folder)),
            _ => return Ok(Self::Folder(native(text))),
        };
        if folder.as_os_str().is_empty() {
            return Err(DataError::NoFolder { folder: PathBuf::from(text) });
        }
        match kind {
            "idx" => Ok(Self::Idx(folder)),
            "cifar10" => Ok(Self::Cifar10(folder)),
            "cifar100" => Ok(Self::Cifar100(folder)),
            "stl10" => Ok(Self::Stl10(folder)),
            "pack" => Ok(Self::Pack(folder)),
            "parquet" => Ok(Self::Parquet(folder)),
            "folder" => Ok(Self::Images(folder)),
            _ => Err(DataError::UnknownKind { kind: kind.to_owned(), spec: text.to_owned() }),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo"),
            Self::Idx(folder) => write!(f, "idx:{}", folder.display()),
            Self::Cifar10(folder) => write!(f, "cifar10:{}", folder.display()),
            Self::Cifar100(folder) => write!(f, "cifar100:{}", folder.display()),
            Self::Stl10(folder) => write!(f, "stl10:{}", folder.display()),
            Self::Pack(file) => write!(f, "pack:{}", file.display()),
            Self::Parquet(paths) => write!(f, "parquet:{}", paths.display()),
            Self::Images(folder) => write!(f, "folder:{}", folder.display()),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl Spec {
    /// The same with [`Spec::Folder`] replaced by the kind that its contents show. Looks at the disk: a folder that is not there, is
    /// no folder, or fits no kind or several is an error.
    pub fn recognise(&self) -> Result<Self, DataError> {
        let folder = match self {
            Self::Demo => return Ok(Self::Demo),
            Self::Pack(file) if file.is_file() => return Ok(self.clone()),
            Self::Pack(file) => return Err(DataError::NoFile { file: file.clone() }),
            Self::Parquet(paths) => return parquet::split(paths).map(|_| self.clone()),
            Self::Idx(folder)
            | Self::Cifar10(folder)
            | Self::Cifar100(folder)
            | Self::Stl10(folder)
            | Self::Images(folder)
            | Self::Folder(folder) => folder.clone(),
        };
        if !folder.exists() {
            return Err(DataError::NoFolder { folder });
        }
        if !folder.is_dir() {
            if matches!(self, Self::Folder(_)) && pack::is_pack(&folder) {
                return Ok(Self::Pack(folder));
            }
            if matches!(self, Self::Folder(_)) && parquet::is_parquet(&folder) {
                return Ok(Self::Parquet(folder));
            }
            return Err(DataError::NotAFolder { folder });
        }
        if !matches!(self, Self::Folder(_)) {
            return Ok(self.clone());
        }
        let found: Vec<&'static str> = [
            ("idx", idx::is_here(&folder)),
            ("cifar10", cifar::CifarVersion::Cifar10.is_here(&folder)),
            ("cifar100", cifar::CifarVersion::Cifar100.is_here(&folder)),
            ("stl10", stl10::is_here(&folder)),
        ]
        .into_iter()
        .filter_map(|(kind, here)| here.then_some(kind))
        .collect();
        match found[..] {
            ["idx"] => Ok(Self::Idx(folder)),
            ["cifar10"] => Ok(Self::Cifar10(folder)),
            ["cifar100"] => Ok(Self::Cifar100(folder)),
            ["stl10"] => Ok(Self::Stl10(folder)),
            [first, _, ..] => Err(DataError::Ambiguous { folder, kinds: found.join(", "), first }),
            _ if cifar::is_python_version(&folder) => Err(DataError::PythonCifar { folder }),
            // Asked last: these look through the whole tree.
            _ if folder::is_here(&folder) => Ok(Self::Images(folder)),
            _ if parquet::is_here(&folder) => Ok(Self::Parquet(folder)),
            // Its error says what to do about them.
            _ if folder::is_nearly_here(&folder) => Ok(Self::Images(folder)),
            _ => Err(DataError::Unrecognised { folder }),
        }
    }
}
