//! What can be wrong with data, each in one line that names the file, the value and the fix.

use std::path::PathBuf;

use crate::error::Classified;
use thiserror::Error;

/// An error in a data specification or in the files it names.
#[derive(Debug, Error)]
pub enum DataError {
    /// An empty specification.
    #[error(
        "no data given; use --data with demo, a folder, or KIND:PATH (folder, idx, cifar10, cifar100, stl10, pack, parquet)"
    )]
    NoData,
    /// `KIND:PATH` with a kind that does not exist.
    #[error(
        "unknown kind of data {kind:?} in {spec:?}; choose folder, idx, cifar10, cifar100, stl10, pack or parquet (a folder of this name: ./{spec})"
    )]
    UnknownKind {
        /// Before the colon.
        kind: String,
        /// The whole.
        spec: String,
    },
    /// The folder does not exist.
    #[error("{}: no such folder; check the path", folder.display())]
    NoFolder {
        /// As given.
        folder: PathBuf,
    },
    /// A file where a folder is expected.
    #[error("{} is not a folder; give the folder that holds the files", folder.display())]
    NotAFolder {
        /// As given.
        folder: PathBuf,
    },
    /// No image below a folder.
    #[error(
        "{}: no image files (jpg, png, webp, bmp, tif, gif, ppm, qoi) in it or below; check the path{}",
        folder.display(),
        if why.is_empty() { String::new() } else { format!(" ({why})") }
    )]
    NoImageFiles {
        /// As given.
        folder: PathBuf,
        /// What could not be entered.
        why: String,
    },
    /// A folder with splits to test on and none to train on.
    #[error(
        "{}: holds {found}, and no folder to train on; rename one of them to train, or give one alone",
        folder.display()
    )]
    NoTrainFolder {
        /// Where the splits lie.
        folder: PathBuf,
        /// Their names.
        found: String,
    },
    /// An image that cannot be decoded.
    #[error("{file}: cannot be decoded: {problem}")]
    Unreadable {
        /// Path, or where it lies in a larger file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// More images are damaged than may be.
    #[error(
        "{bad} of {of} images cannot be read, more than {percent} %: remove them, or allow more with --set data.max_unreadable \
         ({named})"
    )]
    TooManyUnreadable {
        /// Unreadable ones.
        bad: usize,
        /// Images looked at.
        of: usize,
        /// Share that is allowed.
        percent: f64,
        /// The first of them, with what is wrong.
        named: String,
    },
    /// Images with 16 bits a channel that do not use them.
    #[error(
        "{deep} of {images} images have 16 bits a channel and only values up to {peak}, nearly black where {} is white: say which value \
         is white with --set data.white_level={white} (or {} to leave them so dark)",
        u16::MAX,
        u16::MAX
    )]
    Dark {
        /// Those with 16 bits.
        deep: usize,
        /// Images looked at.
        images: usize,
        /// Their largest value.
        peak: u16,
        /// What is probably white: all ones of as many bits as are in use.
        white: u32,
    },
    /// A table of labels that cannot be used.
    #[error("{file}: {problem}; expected the columns file_name and label, with a line for each image")]
    Labels {
        /// Path.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A table of labels for images that are no files.
    #[error("labels {file}: a table of labels is for a folder of image files; leave it out for this data")]
    LabelsWithoutFiles {
        /// Path.
        file: String,
    },
    /// A folder without the files of any known set.
    #[error(
        "{}: no data set recognised; expected train-images-idx3-ubyte[.gz] (idx), data_batch_1.bin (cifar10), train.bin (cifar100), train_X.bin (stl10), image files (folder) or *.parquet files (parquet)",
        folder.display()
    )]
    Unrecognised {
        /// As given.
        folder: PathBuf,
    },
    /// A folder with the files of several sets.
    #[error("{0}: holds files of several kinds ({kinds}); say which, such as {first}:{0}", folder.display())]
    Ambiguous {
        /// As given.
        folder: PathBuf,
        /// Those found.
        kinds: String,
        /// The first of them.
        first: &'static str,
    },
    /// The pickled version of CIFAR.
    #[error("{}: this is CIFAR's Python version; download the binary version instead (cifar-10-binary or cifar-100-binary)", folder.display())]
    PythonCifar {
        /// As given.
        folder: PathBuf,
    },
    /// A file of the set is not there.
    #[error("{}: {names} is missing; download it into this folder", folder.display())]
    MissingFile {
        /// Where it should be.
        folder: PathBuf,
        /// Its names.
        names: String,
    },
    /// The operating system refuses.
    #[error("{file}: cannot be read: {problem}; check the file and its permissions")]
    Read {
        /// Path.
        file: String,
        /// What the system says.
        problem: String,
    },
    /// A pack that cannot be used.
    #[error("{file}: no good pack: {problem}; make it again with simsiam data pack")]
    Pack {
        /// Path.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A parquet file that cannot be used.
    #[error("{file}: {problem}")]
    Parquet {
        /// Path.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No parquet file below a folder.
    #[error("{}: no *.parquet files in it or below; check the path", path.display())]
    NoParquetFiles {
        /// As given.
        path: PathBuf,
    },
    /// A folder with several data sets in parquet files.
    #[error("{}: holds several data sets ({names}); say which, such as parquet:{}", folder.display(), first.display())]
    Configurations {
        /// As given.
        folder: PathBuf,
        /// Folders in it.
        names: String,
        /// The first of them.
        first: PathBuf,
    },
    /// A file cannot be written.
    #[error("{file}: cannot be written: {problem}; check the folder, its permissions and the free space")]
    Write {
        /// Path.
        file: String,
        /// What the system says.
        problem: String,
    },
    /// A file of the data does not exist.
    #[error("{}: no such file; check the path", file.display())]
    NoFile {
        /// As given.
        file: PathBuf,
    },
    /// The gzip stream is damaged.
    #[error("{file}: damaged gzip data ({problem}); download it again")]
    Gzip {
        /// Path.
        file: String,
        /// What the decompressor says.
        problem: String,
    },
    /// The first four bytes are not those of the expected kind of file.
    #[error(
        "{file}: wrong magic number {found:#010x}, expected {expected:#010x} ({meaning}); is it another file under this name?"
    )]
    Magic {
        /// Path.
        file: String,
        /// The file's.
        found: u32,
        /// The right one.
        expected: u32,
        /// What the right one stands for.
        meaning: &'static str,
    },
    /// Fewer bytes than there must be.
    #[error("{file}: truncated: {found} where {expected} bytes are expected; download it again")]
    Truncated {
        /// Path.
        file: String,
        /// What there is, in words.
        found: String,
        /// What the header promises, or the format demands.
        expected: u128,
    },
    /// More bytes than there may be.
    #[error(
        "{file}: oversized: more than the {expected} bytes expected; it is damaged or of another format, download it again"
    )]
    Oversized {
        /// Path.
        file: String,
        /// What the header promises, or the format demands.
        expected: u128,
    },
    /// A set of zero images.
    #[error("{file}: holds no images; give a file with at least one")]
    NoImages {
        /// Path.
        file: String,
    },
    /// Images without pixels.
    #[error("{file}: its header says images of {width}x{height} pixels; it is damaged, download it again")]
    EmptyImages {
        /// Path.
        file: String,
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Labels that do not belong to the images.
    #[error("{file}: {labels} labels for {images} images; the two files are from different sets, download both again")]
    LabelCount {
        /// Path of the labels.
        file: String,
        /// Labels in it.
        labels: usize,
        /// Images in the other file.
        images: usize,
    },
    /// A label that names no class.
    #[error("{file}: label {label} of image {index} is out of range {first} to {}; {fix}", (*first as usize + classes).saturating_sub(1))]
    Label {
        /// Path.
        file: String,
        /// Image, from 0.
        index: usize,
        /// The label.
        label: u32,
        /// The lowest label.
        first: u32,
        /// Number of classes.
        classes: usize,
        /// What to do.
        fix: &'static str,
    },
    /// A file of class names with the wrong number of lines.
    #[error("{file}: names {found} classes, expected {expected}, one a line")]
    Classes {
        /// Path.
        file: String,
        /// Lines in it.
        found: usize,
        /// Right number, in words.
        expected: &'static str,
    },
    /// Training and test images are not of one size.
    #[error("{data}: training images are {train} but test images {test} pixels; the files are from different sets")]
    SizesDiffer {
        /// The data set.
        data: String,
        /// Width x height.
        train: String,
        /// Width x height.
        test: String,
    },
    /// Numbers given to [`super::Images::new`] that do not fit together.
    #[error("images: {problem}")]
    Shape {
        /// Which.
        problem: String,
    },
}

impl Classified for DataError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::NoData | Self::UnknownKind { .. })
    }
}
