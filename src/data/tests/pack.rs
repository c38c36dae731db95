//! Packs: written and read again, cut, damaged, and forged.

use super::*;
use crate::data::PixelInfo;
use crate::data::format::pack::{Packed, Packing, write};
use std::borrow::Cow;

/// Images of many sizes with names; those without pixels cannot be read.
#[derive(Debug)]
struct Odd {
    images: Vec<Image<'static>>,
    labels: Option<Vec<u32>>,
    folder: &'static str,
}

impl ImageSet for Odd {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        match self.images.get(index) {
            Some(image) if !image.pixels.is_empty() => Ok(image.clone()),
            _ => Err(DataError::Unreadable { file: self.name(index), problem: "made so".to_owned() }),
        }
    }

    fn name(&self, index: usize) -> String {
        format!("{}class/{index}.jpg", self.folder)
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }
}

fn image(width: u32, height: u32, channels: u32) -> Image<'static> {
    let bytes = 0..width * height * channels;
    let pixels = bytes.map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    Image { width, height, channels, pixels: pixels.collect(), info: PixelInfo::default() }
}

fn unreadable_image() -> Image<'static> {
    Image { pixels: Cow::Owned(Vec::new()), ..image(1, 1, 1) }
}

fn odd(images: Vec<Image<'static>>, labels: Option<Vec<u32>>) -> Arc<dyn ImageSet> {
    Arc::new(Odd { images, labels, folder: "/somewhere/é/" })
}

fn dataset() -> Dataset {
    let train = vec![image(1, 1, 1), image(7, 3, 3), image(2, 9, 1)];
    let bank = vec![image(3, 2, 3), image(1, 4, 3)];
    Dataset {
        bank: Some(odd(bank, Some(vec![1, 2]))),
        classes: vec!["ant".to_owned(), "bée".to_owned()],
        ..Dataset::new(odd(train, None), odd(vec![image(5, 1, 3)], Some(vec![0])))
    }
}

const AS_THEY_ARE: Packing = Packing { short_side: None, threads: 2, unreadable: 0.0 };

fn packed(dataset: &Dataset, packing: &Packing) -> (TempDir, PathBuf, Packed) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("images.pack");
    let packed = write(dataset, &file, packing, &mut |_, _| {}).unwrap();
    (folder, file, packed)
}

fn open_pack(file: &Path) -> Result<Dataset, DataError> {
    open_unchecked(&Spec::Pack(file.to_owned()), Limits::default(), &mut |_| {})
}

fn parts(dataset: &Dataset) -> [Arc<dyn ImageSet>; 3] {
    [&dataset.train, dataset.bank(), &dataset.test].map(Arc::clone)
}

#[test]
fn a_pack_holds_what_was_packed() {
    let original = dataset();
    let mut reported = Vec::new();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("images.pack");
    let summary = write(&original, &file, &AS_THEY_ARE, &mut |done, of| {
        reported.push((done, of));
    })
    .unwrap();
    assert_eq!(reported, [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]);
    assert_eq!((summary.images, summary.left_out), ([3, 2, 1], 0));
    assert_eq!(summary.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let spec = Spec::Folder(file.clone());
    assert_eq!(spec.recognise().unwrap(), Spec::Pack(file.clone()));
    let read = open(&spec, Limits::default()).unwrap();
    // A label without a name is called by its number.
    assert_eq!(read.classes, ["ant", "bée", "2"]);
    for (read, original) in parts(&read).iter().zip(parts(&original)) {
        assert_eq!(read.len(), original.len());
        assert_eq!(read.labels(), original.labels());
        assert_eq!(read.size(), None);
        for index in 0..read.len() {
            assert_eq!(read.read(index).unwrap(), original.read(index).unwrap());
            assert_eq!(read.name(index), format!("{index}.jpg"));
        }
        assert!(read.read(read.len()).is_err());
    }

    let missing = folder.path().join("other.pack");
    assert!(text(open_pack(&missing), &missing).contains("no such file"));
    let limits = Limits { train: 2, ..Limits::default() };
    let few = open(&spec, limits).unwrap();
    assert_eq!((few.train.len(), few.bank().len()), (2, 2));
}

#[test]
fn one_size_is_told_and_the_same_images_give_the_same_bytes() {
    let images = |folder| -> Arc<dyn ImageSet> {
        Arc::new(Odd {
            images: (0..40).map(|_| image(6, 4, 3)).collect(),
            labels: Some((0..40).map(|n| n % 3).collect()),
            folder,
        })
    };
    let data = |folder| Dataset::new(images(folder), images(folder));
    let (_one, one, _) = packed(&data("/a/"), &AS_THEY_ARE);
    let packing = Packing { threads: 5, ..AS_THEY_ARE };
    let (_two, two, _) = packed(&data("/elsewhere/b/"), &packing);
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    let read = open_pack(&one).unwrap();
    assert_eq!(read.train.size(), Some((6, 4)));
    assert_eq!(read.classes, ["0", "1", "2"]);
    assert!(read.bank.is_none());
    // The built-in images, without names worth keeping.
    let demo = open(&Spec::Demo, Limits::default()).unwrap();
    let (_folder, file, _) = packed(&demo, &AS_THEY_ARE);
    let read = open(&Spec::Pack(file), Limits::default()).unwrap();
    assert_eq!(read.train.labels(), demo.train.labels());
    assert_eq!(read.test.read(7).unwrap(), demo.test.read(7).unwrap());
    assert_eq!(read.classes, demo.classes);
}

#[test]
fn only_what_is_larger_is_reduced() {
    let gray = Image { pixels: vec![77; 40 * 20].into(), ..image(40, 20, 1) };
    let train = vec![gray, image(300, 31, 3), image(10, 50, 3), image(90, 9, 1)];
    let data = Dataset::new(odd(train.clone(), None), odd(vec![], None));
    let packing = Packing { short_side: Some(10), ..AS_THEY_ARE };
    let (_folder, file, _) = packed(&data, &packing);
    let read = open_pack(&file).unwrap();
    let read: Vec<_> = (0..4).map(|n| read.train.read(n).unwrap()).collect();
    assert_eq!((read[0].width, read[0].height), (20, 10));
    assert!(read[0].pixels.iter().all(|&pixel| pixel == 77));
    assert_eq!((read[1].width, read[1].height), (97, 10));
    // All pixels count: noise is averaged, its mean stays.
    let mean = |image: &Image| {
        let sum: u64 = image.pixels.iter().map(|&p| u64::from(p)).sum();
        sum as f64 / image.pixels.len() as f64
    };
    let spread = |image: &Image| {
        let mean = mean(image);
        let squares = image.pixels.iter().map(|&p| (f64::from(p) - mean).powi(2));
        (squares.sum::<f64>() / image.pixels.len() as f64).sqrt()
    };
    assert!((mean(&read[1]) - mean(&train[1])).abs() < 2.0);
    assert!(spread(&read[1]) < 0.6 * spread(&train[1]));
    assert_eq!(read[2..], train[2..]);
}

#[test]
fn unreadable_images_are_left_out_and_named() {
    let train: Vec<_> = (0..20)
        .map(|n| match n % 5 {
            4 => unreadable_image(),
            _ => image(n + 1, 2, 3),
        })
        .collect();
    let labels = (0..20).collect();
    let data = Dataset::new(odd(train, Some(labels)), odd(vec![], None));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("images.pack");
    fs::write(&file, "what was there before").unwrap();
    let few = Packing { unreadable: 0.1, ..AS_THEY_ARE };
    let error = write(&data, &file, &few, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("3 of 20 images cannot be read, more than 10 %") && error.contains("4.jpg"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"what was there before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let many = Packing { unreadable: 0.2, ..AS_THEY_ARE };
    let summary = write(&data, &file, &many, &mut |_, _| {}).unwrap();
    assert_eq!((summary.images, summary.left_out), ([16, 0, 0], 4));
    assert!(summary.named[1].contains("9.jpg: cannot be decoded: made so"));
    let read = open_pack(&file).unwrap();
    assert_eq!(read.train.labels().unwrap()[3..6], [3, 5, 6]);
    assert_eq!(read.train.name(4), "5.jpg");
    assert_eq!(read.train.read(4).unwrap(), image(6, 2, 3));

    let all = Packing { unreadable: 1.0, ..AS_THEY_ARE };
    let none = Dataset::new(odd(vec![unreadable_image()], None), odd(vec![], None));
    let error = write(&none, &file, &all, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("holds no images"), "{error}");
    let nowhere = folder.path().join("no/such/folder/x.pack");
    let error = write(&data, &nowhere, &many, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
}

/// A new file each time: some file systems wait for the disk where one is overwritten.
fn rewrite(file: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(file);
    fs::write(file, bytes).unwrap();
}

/// Opens and reads everything; the same as `good`, or an error.
fn is_noticed_or_harmless(file: &Path, good: &Dataset, what: &str) -> bool {
    let Ok(read) = open_pack(file) else {
        return true;
    };
    let mut noticed = false;
    for (read, good) in parts(&read).iter().zip(parts(good)) {
        assert_eq!((read.len(), read.labels()), (good.len(), good.labels()), "{what}");
        for index in 0..read.len() {
            match read.read(index) {
                Ok(image) => assert_eq!(image, good.read(index).unwrap(), "{what}"),
                Err(_) => noticed = true,
            }
        }
    }
    noticed
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let (_folder, file, _) = packed(&dataset(), &AS_THEY_ARE);
    let good = open_pack(&file).unwrap();
    let bytes = fs::read(&file).unwrap();
    let other = TempDir::new().unwrap();
    let other = other.path().join("damaged.pack");
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            rewrite(&other, &damaged);
            let what = format!("byte {at} ^ {flip:#x}");
            assert!(is_noticed_or_harmless(&other, &good, &what), "{what}");
        }
        rewrite(&other, &bytes[..at]);
        let error = text(open_pack(&other), &other);
        assert!(error.contains("no good pack"), "{error}");
    }
    fs::write(&other, [&bytes[..], &[0]].concat()).unwrap();
    assert!(text(open_pack(&other), &other).contains("its header says"));

    // Damage to pixels is found at the image it concerns, which the error names.
    let mut damaged = bytes.clone();
    damaged[44 + 1] ^= 1;
    rewrite(&other, &damaged);
    let read = open_pack(&other).unwrap();
    assert!(read.train.read(0).is_ok() && read.train.read(2).is_ok());
    let error = read.train.read(1).unwrap_err().to_string();
    assert!(error.contains("damaged.pack (1.jpg): cannot be decoded: its pixels do not fit"), "{error}");
}

/// A pack of 6 bytes of pixels with any index, its checksums right.
fn forged(index: &[u8]) -> Vec<u8> {
    let mut bytes = b"SIMSPACK".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    for number in [50 + index.len() as u64, 50, index.len() as u64] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(crc32fast::hash(index).to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes.extend([7; 6]);
    bytes.extend(index);
    bytes
}

/// The index of one training image of 2x1 pixels, with the class "c".
fn index_of_one(counts: [u32; 3], offset: u64, size: [u32; 2], label: u32, channels: u8) -> Vec<u8> {
    let mut index = Vec::new();
    for count in counts {
        index.extend(count.to_le_bytes());
    }
    index.extend(offset.to_le_bytes());
    for number in [size[0], size[1], crc32fast::hash(&[7; 6]), label] {
        index.extend(number.to_le_bytes());
    }
    index.extend([channels, 1, b'n', 1, 0, 0, 0, 1, 0, b'c']);
    index
}

#[test]
fn forged_indices_promise_nothing_that_is_believed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("forged.pack");
    let error = |index: &[u8]| {
        fs::write(&file, forged(index)).unwrap();
        text(open_pack(&file), &file)
    };
    let good = index_of_one([1, 0, 0], 44, [2, 1], 0, 3);
    fs::write(&file, forged(&good)).unwrap();
    let read = open(&Spec::Pack(file.clone()), Limits::default()).unwrap();
    assert_eq!(*read.train.read(0).unwrap().pixels, [7; 6]);
    assert_eq!(read.train.name(0), "n");

    let most = u32::MAX;
    for (index, problem) in [
        (index_of_one([most; 3], 44, [2, 1], 0, 3), "too short for 12884901885 images"),
        (index_of_one([0, 1, 0], 44, [2, 1], 0, 3), "no training images"),
        (index_of_one([1, 0, 0], 43, [2, 1], 0, 3), "outside of the pixels"),
        (index_of_one([1, 0, 0], 45, [2, 1], 0, 3), "outside of the pixels"),
        (index_of_one([1, 0, 0], u64::MAX, [2, 1], 0, 3), "outside of the pixels"),
        (index_of_one([1, 0, 0], 44, [most; 2], 0, 3), "has 4294967295x4294967295 pixels"),
        (index_of_one([1, 0, 0], 44, [1 << 14, 1 << 13], 0, 3), "outside of the pixels"),
        (index_of_one([1, 0, 0], 44, [0, 1], 0, 3), "has 0x1 pixels"),
        (index_of_one([1, 0, 0], 44, [2, 1], 0, 2), "of 2 channels"),
        (index_of_one([1, 0, 0], 44, [2, 1], 1, 3), "a label 1 and only 1 classes"),
        ([&good[..], &[0]].concat(), "something follows its index"),
        (good[..good.len() - 1].to_vec(), "its index ends early"),
        (vec![], "its index ends early"),
    ] {
        let error = error(&index);
        assert!(error.contains(problem), "{error}");
    }
    let mut later = forged(&good);
    later[8] = 2;
    fs::write(&file, later).unwrap();
    assert!(text(open_pack(&file), &file).contains("its format is 2, this program reads 1"));
}

/// A folder with a pack of six images, `images.pack`.
pub(super) fn pack_file() -> TempDir {
    packed(&dataset(), &AS_THEY_ARE).0
}
