//! Small CIFAR folders, good and bad.

use super::*;

pub(super) fn cifar_record(labels: &[u8], red: u8) -> Vec<u8> {
    let mut bytes = labels.to_vec();
    for plane in 0..3 {
        bytes.extend((0..1024_u32).map(|i| red.wrapping_add(plane).wrapping_add(i as u8)));
    }
    bytes
}

pub(super) fn cifar10_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for n in 1..=5_u8 {
        let bytes = [cifar_record(&[n], 10 * n), cifar_record(&[n + 1], 10 * n + 5)].concat();
        fs::write(folder.path().join(format!("data_batch_{n}.bin")), bytes).unwrap();
    }
    fs::write(folder.path().join("test_batch.bin"), cifar_record(&[0], 200)).unwrap();
    folder
}

#[test]
fn cifar10_becomes_interleaved() {
    let folder = cifar10_folder();
    let data = open(&Spec::Cifar10(folder.path().to_owned()), Limits::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), images(&data.train).channels), (10, 1, 3));
    assert_eq!(images(&data.train).labels.as_deref(), Some(&[1, 2, 2, 3, 3, 4, 4, 5, 5, 6][..]));
    assert_eq!(images(&data.train).image(3).unwrap()[..6], [25, 26, 27, 26, 27, 28]);
    assert_eq!(data.classes[6], "frog");

    let few =
        open(&Spec::Cifar10(folder.path().to_owned()), Limits { train: 3, test: 0, ..Limits::default() }).unwrap();
    assert_eq!(images(&few.train).labels.as_deref(), Some(&[1, 2, 2][..]));

    let outer = TempDir::new().unwrap();
    fs::rename(folder.path(), outer.path().join("cifar-10-batches-bin")).unwrap();
    fs::write(outer.path().join("cifar-10-batches-bin/batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
    let inner = open(&Spec::Folder(outer.path().to_owned()), Limits::default()).unwrap();
    assert_eq!(images(&inner.train), images(&data.train));
    assert_eq!(inner.classes[9], "j");
    let file = outer.path().join("cifar-10-batches-bin/batches.meta.txt");
    fs::write(&file, "a\nb\n").unwrap();
    assert!(
        text(open(&Spec::Cifar10(outer.path().to_owned()), Limits::default()), &file)
            .contains("names 2 classes, expected 10")
    );
}

#[test]
fn cifar100_uses_the_fine_label() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("train.bin"), [cifar_record(&[19, 99], 0), cifar_record(&[0, 3], 7)].concat())
        .unwrap();
    fs::write(folder.path().join("test.bin"), cifar_record(&[255, 42], 9)).unwrap();
    let data =
        open(&Spec::from_str(&format!("cifar100:{}", folder.path().display())).unwrap(), Limits::default()).unwrap();
    assert_eq!(
        (images(&data.train).labels.as_deref(), images(&data.test).labels.as_deref()),
        (Some(&[99, 3][..]), Some(&[42][..]))
    );
    assert_eq!((data.classes.len(), images(&data.train).image(1).unwrap()[..3].to_vec()), (100, vec![7, 8, 9]));
    let file = folder.path().join("test.bin");
    fs::write(&file, cifar_record(&[0, 100], 9)).unwrap();
    assert!(
        text(open(&Spec::Cifar100(folder.path().to_owned()), Limits::default()), &file)
            .contains("label 100 of image 0 is out of range 0 to 99")
    );
}

#[test]
fn bad_cifar_files() {
    let error = |name: &str, bytes: Vec<u8>| {
        let folder = cifar10_folder();
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        text(open(&Spec::Cifar10(folder.path().to_owned()), Limits { train: 1, test: 0, ..Limits::default() }), &file)
    };
    let record = cifar_record(&[3], 0);
    let truncated = error("data_batch_4.bin", record[..3000].to_vec());
    assert!(truncated.contains("truncated: 3000 bytes, no whole number of 3073-byte images,"), "{truncated}");
    assert!(error("test_batch.bin", record.repeat(10_001)).contains("oversized: more than the 30730000 bytes"));
    assert!(error("test_batch.bin", vec![]).contains("holds no images"));
    assert!(
        error("data_batch_1.bin", cifar_record(&[10], 0))
            .contains("label 10 of image 0 is out of range 0 to 9; the file is damaged")
    );
    assert!(error("test_batch.bin", gzip(&record)).contains("unpack it first"));

    let folder = cifar10_folder();
    fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
    let missing = text(open(&Spec::Cifar10(folder.path().to_owned()), Limits::default()), folder.path());
    assert!(missing.contains("data_batch_3.bin is missing"), "{missing}");
}

#[test]
fn every_cut_is_noticed() {
    let folder = cifar10_folder();
    let file = folder.path().join("data_batch_1.bin");
    let good = fs::read(&file).unwrap();
    for length in (0..good.len()).step_by(61).chain([3072, 3074, good.len() - 1]) {
        fs::write(&file, &good[..length]).unwrap();
        let error = text(open(&Spec::Cifar10(folder.path().to_owned()), Limits::default()), &file);
        assert!(error.contains("truncated") || length == 0 && error.contains("no images"), "{length}: {error}");
    }
}
