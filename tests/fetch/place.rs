//! Where the tests fetch to, what they fetch, and what must be there afterwards.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use simsiam::data::fetch::{
    CatalogueEntry, FetchError, FetchEvent, FetchOptions, FetchOutcome, Form, RemoteFile, fetch,
};
use tar::EntryType;
use tempfile::TempDir;

use super::archive::{file, noise, pack, special};

pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A folder with the folder to fetch into and a neighbour that must stay as it is.
pub struct Place {
    pub root: TempDir,
}

impl Place {
    pub fn new() -> Result<Self> {
        let root = tempfile::tempdir()?;
        fs::write(root.path().join("neighbour"), "untouched")?;
        Ok(Self { root })
    }

    pub fn to(&self) -> PathBuf {
        self.root.path().join("to")
    }

    pub fn part(&self) -> PathBuf {
        self.to().join(".toy.part/toy.tar.gz")
    }

    /// There is no set, whole or half, nothing beside the folder of parts, and nothing unpacked in it.
    pub fn assert_nothing_but_parts(&self) -> Result {
        assert_eq!(names(self.root.path())?, ["neighbour", "to"]);
        assert_eq!(fs::read_to_string(self.root.path().join("neighbour"))?, "untouched");
        assert_eq!(names(&self.to())?, [".toy.part"]);
        let parts = names(&self.to().join(".toy.part"))?;
        let expected = |name: &String| name == "lock" || name == "toy.tar.gz";
        assert!(parts.iter().all(expected), "{parts:?}");
        Ok(())
    }

    /// The set is there, whole, and nothing else.
    pub fn assert_complete(&self) -> Result {
        assert_eq!(names(self.root.path())?, ["neighbour", "to"]);
        assert_eq!(names(&self.to())?, ["toy"]);
        assert_eq!(names(&self.to().join("toy"))?, ["names.txt", "test.bin", "train.bin"]);
        assert_eq!(fs::read(self.to().join("toy/train.bin"))?, noise(TRAIN));
        assert_eq!(fs::read(self.to().join("toy/test.bin"))?, [7; 100]);
        Ok(())
    }
}

pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Bytes of the toy set's larger file.
pub const TRAIN: usize = 300_000;

pub fn toy() -> Result<Vec<u8>> {
    Ok(pack(&[
        special(EntryType::Directory, "toy/", ""),
        file("toy/train.bin", &noise(TRAIN)),
        file("./toy/test.bin", &[7; 100]),
        file("toy/names.txt", b"cat\ndog\n"),
    ])?)
}

/// An entry for an archive of the toy set's shape.
pub fn entry(archive: &[u8], urls: &[&str]) -> CatalogueEntry {
    CatalogueEntry {
        name: "toy".to_owned(),
        kind: "cifar10".to_owned(),
        folder: "toy".to_owned(),
        form: Form::Archive,
        files: vec![remote("toy.tar.gz", archive, urls)],
        contents: vec![("train.bin".to_owned(), TRAIN as u64), ("test.bin".to_owned(), 100)],
    }
}

pub fn remote(name: &str, bytes: &[u8], urls: &[&str]) -> RemoteFile {
    RemoteFile {
        name: name.to_owned(),
        urls: urls.iter().map(|url| format!("{url}/{name}")).collect(),
        bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect(),
    }
}

/// Quick ones.
pub fn options() -> FetchOptions {
    FetchOptions {
        from: None,
        timeout: Duration::from_secs(10),
        retries: 3,
        wait: Duration::from_millis(1),
        proxy: false,
    }
}

pub fn quietly(_: FetchEvent) {}

pub fn get(entry: &CatalogueEntry, place: &Place) -> std::result::Result<FetchOutcome, FetchError> {
    fetch(entry, &place.to(), &options(), &mut quietly)
}

/// The error, which is one line.
pub fn refused<T: std::fmt::Debug>(result: std::result::Result<T, FetchError>) -> Result<FetchError> {
    match result {
        Ok(outcome) => Err(format!("expected an error, got {outcome:?}").into()),
        Err(error) => {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            Ok(error)
        }
    }
}
