//! Damaged at random, the files of every format give an error or images: no panic, and no more images than there are labels.

use super::cifar::cifar10_folder;
use super::idx::idx_folder;
use super::pack::pack_file;
use super::stl10::stl10_folder;
use super::*;
use crate::mutation::{Random, mutate};
use std::time::{Duration, Instant};

/// Makes the checksums right again, so that what they guard is reached.
fn seal(pack: &mut [u8]) {
    let Some(header) = pack.get(..44) else { return };
    let at = u64::from_le_bytes(header[20..28].try_into().unwrap()) as usize;
    if let Some(index) = pack.get(at..) {
        let crc = crc32fast::hash(index).to_le_bytes();
        pack[36..40].copy_from_slice(&crc);
    }
    let crc = crc32fast::hash(&pack[..40]).to_le_bytes();
    pack[40..44].copy_from_slice(&crc);
}

/// A format: what is opened, and the files that may be damaged.
struct Target {
    name: &'static str,
    spec: Spec,
    files: Vec<(PathBuf, Vec<u8>)>,
    _folder: TempDir,
}

impl Target {
    fn new(name: &'static str, folder: TempDir, spec: impl Fn(PathBuf) -> Spec) -> Target {
        let files = walkdir::WalkDir::new(folder.path()).sort_by_file_name();
        let files = files.into_iter().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().is_file());
        Target {
            name,
            spec: spec(folder.path().to_owned()),
            files: files.map(|f| (f.path().to_owned(), fs::read(f.path()).unwrap())).collect(),
            _folder: folder,
        }
    }

    /// Damages one file, reads everything, fixes the file. Whether it could be opened.
    fn round(&self, random: &mut Random) -> bool {
        let (path, good) = &self.files[random.below(self.files.len())];
        let mut bytes = good.clone();
        mutate(&mut bytes, random);
        if self.name == "pack" && random.below(4) > 0 {
            seal(&mut bytes);
        }
        let rewrite = |bytes: &[u8]| {
            let _ = fs::remove_file(path);
            fs::write(path, bytes).unwrap();
        };
        rewrite(&bytes);
        let opened = open_unchecked(&self.spec, Limits::default(), &mut |_| {});
        if let Ok(data) = &opened {
            for part in [&data.train, data.bank(), &data.test] {
                assert!(part.labels().is_none_or(|labels| labels.len() == part.len()));
                for index in 0..part.len().min(50) {
                    if let Ok(image) = part.read(index) {
                        let Image { width, height, channels, pixels, .. } = image;
                        assert_eq!(pixels.len(), (width * height * channels) as usize);
                    }
                    let _ = part.name(index);
                }
            }
        }
        rewrite(good);
        opened.is_ok()
    }
}

fn targets() -> Vec<Target> {
    let mut targets = vec![
        Target::new("idx", idx_folder(), Spec::Idx),
        Target::new("cifar10", cifar10_folder(), Spec::Cifar10),
        Target::new("stl10", stl10_folder(), Spec::Stl10),
        Target::new("pack", pack_file(), |folder| Spec::Pack(folder.join("images.pack"))),
    ];
    let folder = TempDir::new().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode");
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "cmyk.jpg",
        "orientation6.jpg",
        "rgba.png",
        "palette.png",
        "gray16.png",
        "rgb.webp",
        "rgb.bmp",
        "rgb.tif",
        "frames.gif",
    ] {
        fs::copy(fixtures.join(name), folder.path().join(name)).unwrap();
    }
    targets.push(Target::new("images", folder, Spec::Images));
    for name in ["train-00000-of-00002", "plain", "gzip", "lz4", "none"] {
        let file = format!("{name}.parquet");
        let folder = parquet::copies(&[(file.as_str(), file.as_str())]);
        targets.push(Target::new("parquet", folder, Spec::Parquet));
    }
    targets
}

#[test]
fn random_damage_is_an_error_or_harmless() {
    for target in targets() {
        let mut random = Random::new(7);
        for _ in 0..150 {
            target.round(&mut random);
        }
        let spec = &target.spec;
        open(spec, Limits::default()).expect("fixed again");
    }
}

#[test]
#[ignore = "takes FUZZ_SECONDS for each format, 10 where that is not set; run it after a change to a reader, with --nocapture"]
fn fuzz() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(10));
    let seed = number("FUZZ_SEED").unwrap_or(1);
    for target in targets() {
        let (mut random, start) = (Random::new(seed), Instant::now());
        let (mut rounds, mut opened) = (0_u32, 0_u32);
        while start.elapsed() < time {
            rounds += 1;
            opened += u32::from(target.round(&mut random));
        }
        let (name, each) = (target.name, f64::from(rounds) / start.elapsed().as_secs_f64());
        let file = target.files[0].0.file_name().unwrap().display();
        println!("{name} ({file}): {rounds} rounds, {each:.0} a second, {opened} of them opened");
    }
}
