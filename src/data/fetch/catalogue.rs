//! The data sets that can be fetched, as data: where each lies, how long it is, and the SHA-256 that decides.
//!
//! Lengths and sums are those of TensorFlow Datasets (`tensorflow_datasets/url_checksums`). MLDatasets.jl pins the same sums of the
//! CIFAR sets, BatchUp (`batchup/datasets/stl.py`) that of STL-10. Fashion-MNIST's were computed again: of the labels from the files in
//! Zalando's repository, of the images from Debian's `dataset-fashion-mnist` with the name and time that Debian leaves out of the gzip
//! header put back.

use super::FetchError;

/// A data set and how to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// What is typed: `cifar10`.
    pub name: String,
    /// What stands before the colon after `--data`: `cifar10`.
    pub kind: String,
    /// The folder that is made: `cifar-10-batches-bin`. In an archive everything of use lies under this name.
    pub folder: String,
    /// What the files to download are.
    pub form: Form,
    /// The files to download.
    pub files: Vec<RemoteFile>,
    /// What the folder holds at least when it is complete, names and lengths in bytes. Also the bounds of unpacking.
    pub contents: Vec<(String, u64)>,
}

/// What the downloaded files of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// gzipped tar archives, to be unpacked.
    Archive,
    /// The set's own files, kept as they are.
    Files,
}

/// A file on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its name, also on other servers and in a folder.
    pub name: String,
    /// Where it lies; the later ones are tried where the earlier ones fail.
    pub urls: Vec<String>,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl CatalogueEntry {
    /// Bytes to download.
    pub fn download_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes that the complete folder takes, small extra files apart.
    pub fn unpacked_bytes(&self) -> u64 {
        self.contents.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Everything that can be fetched.
pub fn catalogue() -> Vec<CatalogueEntry> {
    vec![cifar10(), cifar100(), stl10(), fashion_mnist()]
}

/// The set called `name`, or an error that lists what there is.
pub fn find(name: &str) -> Result<CatalogueEntry, FetchError> {
    let all = catalogue();
    let known: Vec<String> = all.iter().map(|entry| entry.name.clone()).collect();
    all.into_iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| FetchError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

fn cifar10() -> CatalogueEntry {
    let batch = "data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin";
    CatalogueEntry {
        name: "cifar10".to_owned(),
        kind: "cifar10".to_owned(),
        folder: "cifar-10-batches-bin".to_owned(),
        form: Form::Archive,
        files: vec![remote(
            "cifar-10-binary.tar.gz",
            &["https://www.cs.toronto.edu/~kriz/"],
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        )],
        // 10,000 records of a label and 32x32 pixels in 3 channels.
        contents: batch.split(' ').map(|name| (name.to_owned(), 10_000 * 3073)).collect(),
    }
}

fn cifar100() -> CatalogueEntry {
    CatalogueEntry {
        name: "cifar100".to_owned(),
        kind: "cifar100".to_owned(),
        folder: "cifar-100-binary".to_owned(),
        form: Form::Archive,
        files: vec![remote(
            "cifar-100-binary.tar.gz",
            &["https://www.cs.toronto.edu/~kriz/"],
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        )],
        // Two labels a record.
        contents: contents(&[("train.bin", 50_000 * 3074), ("test.bin", 10_000 * 3074)]),
    }
}

fn stl10() -> CatalogueEntry {
    // Bytes an image.
    let image = 96 * 96 * 3;
    CatalogueEntry {
        name: "stl10".to_owned(),
        kind: "stl10".to_owned(),
        folder: "stl10_binary".to_owned(),
        form: Form::Archive,
        files: vec![remote(
            "stl10_binary.tar.gz",
            &["http://ai.stanford.edu/~acoates/stl10/", "https://cs.stanford.edu/~acoates/stl10/"],
            2_640_397_119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        )],
        contents: contents(&[
            ("train_X.bin", 5_000 * image),
            ("train_y.bin", 5_000),
            ("test_X.bin", 8_000 * image),
            ("test_y.bin", 8_000),
            ("unlabeled_X.bin", 100_000 * image),
        ]),
    }
}

fn fashion_mnist() -> CatalogueEntry {
    let file = |name, bytes, sha256| {
        let folders = [
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ];
        remote(name, &folders, bytes, sha256)
    };
    let files = vec![
        file(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        file("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        file(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        file("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ];
    CatalogueEntry {
        name: "fashion-mnist".to_owned(),
        kind: "idx".to_owned(),
        folder: "fashion-mnist".to_owned(),
        form: Form::Files,
        contents: files.iter().map(|file| (file.name.clone(), file.bytes)).collect(),
        files,
    }
}

/// A file that lies under its own name in each of `folders`.
fn remote(name: &str, folders: &[&str], bytes: u64, sha256: &str) -> RemoteFile {
    RemoteFile {
        name: name.to_owned(),
        urls: folders.iter().map(|folder| format!("{folder}{name}")).collect(),
        bytes,
        sha256: sha256.to_owned(),
    }
}

fn contents(files: &[(&str, u64)]) -> Vec<(String, u64)> {
    files.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::{DataError, Spec};

    #[test]
    fn every_entry_can_be_checked_and_named() {
        let (mut names, mut sums) = (HashSet::new(), HashSet::new());
        for entry in catalogue() {
            assert!(names.insert(entry.name.clone()), "{} twice", entry.name);
            assert!(!entry.contents.is_empty());
            for file in &entry.files {
                let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert!(file.sha256.len() == 64 && file.sha256.chars().all(digit));
                assert!(sums.insert(file.sha256.clone()), "{} has another's sum", file.name);
                assert!(!file.urls.is_empty());
                assert!(file.urls.iter().all(|url| url.ends_with(&file.name)));
            }
            // The kind is one that `--data` knows, or is going to know.
            let spec = format!("{}:{}", entry.kind, entry.folder).parse::<Spec>();
            assert!(!matches!(spec, Err(DataError::UnknownKind { .. })), "{spec:?}");
            assert_eq!(find(&entry.name).ok(), Some(entry));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known() {
        let text = find("imagenet").err().map(|e| e.to_string());
        assert_eq!(
            text.as_deref(),
            Some("no data set is called \"imagenet\"; choose cifar10, cifar100, stl10, fashion-mnist")
        );
    }
}
