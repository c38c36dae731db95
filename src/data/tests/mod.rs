//! What all formats share: the built-in data, specifications, recognition, images.

mod cifar;
mod idx;
mod mutations;
mod pack;
mod parquet;
mod stl10;
mod survey;

use cifar::cifar10_folder;
use idx::{TRAIN, idx_folder};

use super::*;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The images of a part that is in memory.
fn images(part: &Arc<dyn ImageSet>) -> &Images {
    part.in_memory().expect("in memory")
}

/// The error's text, which must be one line that names `file`.
fn text(result: Result<Dataset, DataError>, file: &Path) -> String {
    let text = result.expect_err("the data is wrong").to_string();
    assert!(!text.contains('\n') && text.contains(&file.display().to_string()), "{text}");
    text
}

#[test]
fn demo_is_the_start_of_fashion_mnist() {
    let demo = open(&Spec::Demo, Limits::default()).unwrap();
    assert_eq!((demo.train.len(), demo.test.len()), (5000, 1000));
    assert_eq!((images(&demo.train).width, images(&demo.train).height, images(&demo.train).channels), (28, 28, 1));
    assert_eq!((demo.name.as_str(), demo.classes[9].as_str()), ("demo", "Ankle boot"));
    let labels = images(&demo.train).labels.as_deref().unwrap();
    assert_eq!(labels[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    assert_eq!(images(&demo.test).labels.as_deref().unwrap()[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
    // The fourth row of the first image, the ankle boot's top.
    assert_eq!(
        images(&demo.train).image(0).unwrap()[84..112],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 13, 73, 0, 0, 1, 4, 0, 0, 0, 0, 1, 1, 0]
    );
    let (mean, std) = images(&demo.train).mean_std();
    assert!((mean[0] - 0.2860).abs() < 2e-3 && (std[2] - 0.3530).abs() < 2e-3, "{mean:?} {std:?}");

    let few = open(&Spec::Demo, Limits { train: 70, test: 9, ..Limits::default() }).unwrap();
    assert_eq!((few.train.len(), few.test.len()), (70, 9));
    assert_eq!(images(&few.train).pixels[..], images(&demo.train).pixels[..70 * 784]);
    assert_eq!(images(&few.train).labels.as_deref().unwrap(), &labels[..70]);
}

#[test]
fn specifications() {
    let parse = |text: &str| Spec::from_str(text).map_err(|e| e.to_string());
    assert_eq!(parse("demo"), Ok(Spec::Demo));
    assert_eq!(parse("idx:/data/a:b"), Ok(Spec::Idx(PathBuf::from("/data/a:b"))));
    assert_eq!(parse("cifar10:x"), Ok(Spec::Cifar10(PathBuf::from("x"))));
    assert_eq!(parse("C:\\data"), Ok(Spec::Folder(PathBuf::from("C:\\data"))));
    assert_eq!(parse("./odd:name"), Ok(Spec::Folder(PathBuf::from("./odd:name"))));
    for text in ["demo", "idx:/a", "cifar10:b", "cifar100:c d", "stl10:e", "pack:f", "parquet:g,h", "folder:d", "./e"] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert!(parse(" ").unwrap_err().starts_with("no data given; use --data"));
    assert!(parse("mnist:x").unwrap_err().starts_with(
        "unknown kind of data \"mnist\" in \"mnist:x\"; choose folder, idx, cifar10, cifar100, stl10, pack or parquet"
    ));
    assert!(parse("idx:").unwrap_err().contains("no such folder"));
}

#[test]
fn folders_are_recognised() {
    let idx = idx_folder();
    let recognise = |folder: &Path| Spec::Folder(folder.to_owned()).recognise().map_err(|e| e.to_string());
    assert_eq!(recognise(idx.path()), Ok(Spec::Idx(idx.path().to_owned())));
    let cifar = cifar10_folder();
    assert_eq!(recognise(cifar.path()), Ok(Spec::Cifar10(cifar.path().to_owned())));
    fs::write(cifar.path().join(TRAIN), "").unwrap();
    assert!(
        recognise(cifar.path()).unwrap_err().contains("files of several kinds (idx, cifar10); say which, such as idx:")
    );

    let empty = TempDir::new().unwrap();
    assert!(recognise(empty.path()).unwrap_err().contains("no data set recognised; expected train-images-idx3-ubyte"));
    fs::write(empty.path().join("data_batch_1"), "").unwrap();
    assert!(recognise(empty.path()).unwrap_err().contains("CIFAR's Python version"));
    assert!(
        text(open(&Spec::Cifar10(empty.path().to_owned()), Limits::default()), empty.path()).contains("Python version")
    );
}

#[test]
fn images_of_ones_own_are_checked() {
    assert_eq!(Images::new(2, 1, 3, vec![0; 12], Some(vec![0, 1])).unwrap().len(), 2);
    let error = |images: Result<Images, DataError>| images.unwrap_err().to_string();
    assert!(error(Images::new(0, 1, 1, vec![], None)).contains("images of 0x1 pixels with 1 channels"));
    assert!(error(Images::new(1, 1, 4, vec![0; 4], None)).contains("4 channels"));
    assert!(error(Images::new(2, 2, 1, vec![0; 5], None)).contains("5 bytes are no whole number of images of 4 bytes"));
    assert!(error(Images::new(2, 2, 1, vec![], None)).contains("or none"));
    assert!(error(Images::new(1, 1, 1, vec![0; 3], Some(vec![0; 2]))).contains("2 labels for 3 images"));
    let colours = Images::new(1, 2, 3, vec![0, 255, 51, 0, 255, 153], None).unwrap();
    let (mean, std) = colours.mean_std();
    assert!((mean[2] - 0.4).abs() < 1e-12 && (std[2] - 0.2).abs() < 1e-12 && (mean[1], std[1]) == (1.0, 0.0));
}
