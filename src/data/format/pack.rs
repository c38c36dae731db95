//! A pack: decoded images in one file of our own, read by position without decoding. [`write()`] makes one.
//!
//! Format 1; all numbers are little endian, all text is UTF-8.
//!
//! ```text
//! header, 44 bytes
//!    0  8 bytes  "SIMSPACK"
//!    8  u32      format: 1
//!   12  u64      length of the file
//!   20  u64      where the index begins; it reaches to the end of the file
//!   28  u64      length of the index
//!   36  u32      CRC-32 of the index
//!   40  u32      CRC-32 of bytes 0 to 39
//! pixels: of each image width * height * channels bytes, row after row, channels innermost
//! index
//!    3 u32       number of training images, of labelled images that vote beside them (0: those of training do), of test images
//!    an image, in this order:
//!      u64       where its pixels begin
//!      u32 u32   width, height
//!      u32       CRC-32 of its pixels
//!      u32       label, an index of the classes; 2^32 - 1: none
//!      u8        channels: 1 (gray) or 3 (red, green, blue)
//!      u8 text   length of its name, its name
//!    u32         number of classes
//!    u16 text    a class: length of its name, its name
//! ```
//!
//! Opening checks everything but the pixels; these are checked image by image as they are read. The file is read, not mapped into
//! memory: a mapped file that shrinks ends the program with a signal where a read gives an error.
//!
//! Tried instead, 2,000 images of 256x256 pixels in random order: safetensors with a tensor an image reads as fast, but takes 13 s and a
//! header of 112 MB to open 1.28 million images, where this takes about 1 s; Parquet reads 0.88 as fast with an image a row group and 0.18
//! with 64.

mod write;

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::data::read::decode::MOST_PIXELS;
use crate::data::read::positioned::Positioned;
use crate::data::{DataError, Dataset, Image, ImageSet, Limits, PixelInfo, Subset};
use crate::regular;

pub use write::{Packed, Packing, write};

const MAGIC: &[u8; 8] = b"SIMSPACK";
const FORMAT: u32 = 1;
const HEADER: usize = 44;
/// Bytes of an image in the index without its name.
const ENTRY: usize = 26;
/// The label of an image without one.
const NO_LABEL: u32 = u32::MAX;
const MOST_CLASSES: usize = 1 << 20;
/// Largest index: 14 million images (the whole of ImageNet) with the longest names, and what a 32-bit offset of a name reaches.
const MOST_INDEX: u64 = 1 << 32;

/// Whether a file begins as a pack.
pub(in crate::data) fn is_pack(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    regular::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *MAGIC
}

/// Opens a pack; no pixel is read.
pub(in crate::data) fn open(name: String, path: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let file = Positioned::open(path)?;
    let (header, index) = read_index(&file)?;
    let index = Index::parse(&index, header.index_at).map_err(|e| damaged(path, e))?;
    let [train, bank, test] = index.counts;
    let pack = Arc::new(Pack { file, images: index.images, names: index.names, size: index.size });
    let part = |first: usize, count: usize| Part {
        range: first..first + count,
        labels: index
            .labels
            .get(first..first + count)
            .and_then(|labels| (!labels.is_empty() && !labels.contains(&NO_LABEL)).then(|| labels.to_vec())),
        pack: pack.clone(),
    };
    let bank_part = (bank > 0).then(|| Arc::new(part(train, bank)) as Arc<dyn ImageSet>);
    Ok(Dataset {
        name,
        classes: index.classes,
        bank: bank_part,
        ..Dataset::new(
            Subset::spread(Arc::new(part(0, train)), limits.train),
            Subset::spread(Arc::new(part(train + bank, test)), limits.test),
        )
    })
}

fn damaged(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Pack { file: path.display().to_string(), problem: problem.into() }
}

/// Where the index lies.
struct Header {
    index_at: u64,
}

/// The checked header and the bytes of the index, which fit their checksum.
fn read_index(file: &Positioned) -> Result<(Header, Vec<u8>), DataError> {
    let bad = |problem: String| damaged(&file.path, problem);
    let start = file.read(0, HEADER.min(file.length as usize))?;
    if !start.starts_with(MAGIC) {
        return Err(bad("it does not begin as a pack does".to_owned()));
    }
    let mut fields = Fields(&start[MAGIC.len()..]);
    let mut next = || {
        let format = fields.u32()?;
        let (length, at, bytes) = (fields.u64()?, fields.u64()?, fields.u64()?);
        Some((format, length, at, bytes, fields.u32()?, fields.u32()?))
    };
    let Some((format, length, index_at, index_bytes, index_crc, header_crc)) = next() else {
        return Err(bad("it ends within its header".to_owned()));
    };
    // Before the checksum, whose place another format may change.
    if format != FORMAT {
        return Err(bad(format!("its format is {format}, this program reads {FORMAT}")));
    }
    if crc32fast::hash(&start[..HEADER - 4]) != header_crc {
        return Err(bad("its header is damaged".to_owned()));
    }
    if length != file.length {
        return Err(bad(format!("it has {} bytes, its header says {length}", file.length)));
    }
    if index_at < HEADER as u64 || index_at.checked_add(index_bytes) != Some(length) || index_bytes > MOST_INDEX {
        return Err(bad(format!("its header says an index of {index_bytes} bytes at {index_at}")));
    }
    let index = file.read(index_at, index_bytes as usize)?;
    if crc32fast::hash(&index) != index_crc {
        return Err(bad("its index is damaged".to_owned()));
    }
    Ok((Header { index_at }, index))
}

/// What the index says of an image.
#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u64,
    width: u32,
    height: u32,
    crc: u32,
    /// Where its name begins in all names.
    name: u32,
    name_bytes: u8,
    channels: u8,
}

impl Entry {
    /// Bytes of the pixels; no overflow, see [`MOST_PIXELS`].
    fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * usize::from(self.channels)
    }
}

struct Index {
    counts: [usize; 3],
    images: Vec<Entry>,
    labels: Vec<u32>,
    names: String,
    classes: Vec<String>,
    /// The size of all images, where it is one.
    size: Option<(u32, u32)>,
}

impl Index {
    /// Fails with what is wrong; pixels must lie before `pixels_end`.
    fn parse(bytes: &[u8], pixels_end: u64) -> Result<Index, String> {
        let ends = || "its index ends early".to_owned();
        let mut fields = Fields(bytes);
        let mut counts = [0; 3];
        for count in &mut counts {
            *count = fields.u32().ok_or_else(ends)? as usize;
        }
        let [train, bank, test] = counts.map(|count| count as u64);
        // What they promise must be there before room for it is asked for.
        let all = train + bank + test;
        if all > (fields.0.len() / ENTRY) as u64 {
            return Err(format!("its index is too short for {all} images"));
        }
        if train == 0 {
            return Err("it holds no training images".to_owned());
        }
        let mut images = Vec::with_capacity(all as usize);
        let mut labels = Vec::with_capacity(all as usize);
        let mut names = String::new();
        for number in 0..all {
            let (mut entry, label) = fields.entry().ok_or_else(ends)?;
            entry.check(pixels_end).map_err(|problem| format!("its index says that image {number} {problem}"))?;
            let name = fields.text(usize::from(entry.name_bytes)).ok_or_else(ends)?;
            // At most MOST_INDEX bytes in all.
            entry.name = names.len() as u32;
            names.push_str(name);
            images.push(entry);
            labels.push(label);
        }
        let count = fields.u32().ok_or_else(ends)? as usize;
        if count > MOST_CLASSES {
            return Err(format!("its index says {count} classes"));
        }
        let mut classes = Vec::new();
        for _ in 0..count {
            let length = fields.u16().ok_or_else(ends)?;
            let name = fields.text(usize::from(length)).ok_or_else(ends)?;
            classes.push(name.to_owned());
        }
        if !fields.0.is_empty() {
            return Err("something follows its index".to_owned());
        }
        if let Some(label) = labels.iter().find(|&&label| label != NO_LABEL && label as usize >= count) {
            return Err(format!("it has a label {label} and only {count} classes"));
        }
        let first = (images[0].width, images[0].height);
        let same = images.iter().all(|image| (image.width, image.height) == first);
        Ok(Index { counts, images, labels, names, classes, size: same.then_some(first) })
    }
}

impl Entry {
    fn check(&self, pixels_end: u64) -> Result<(), String> {
        let (width, height, channels) = (self.width, self.height, self.channels);
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > MOST_PIXELS || !matches!(channels, 1 | 3) {
            return Err(format!("has {width}x{height} pixels of {channels} channels"));
        }
        let end = self.offset.checked_add(pixels * u64::from(channels));
        if self.offset < HEADER as u64 || end.is_none_or(|end| end > pixels_end) {
            return Err(format!("lies at {}, outside of the pixels", self.offset));
        }
        Ok(())
    }
}

/// What is left of some bytes. Each takes what it gives from the front; `None` where too little is left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self, bytes: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// An entry, its name not yet found, and its label.
    fn entry(&mut self) -> Option<(Entry, u32)> {
        let (offset, width, height) = (self.u64()?, self.u32()?, self.u32()?);
        let (crc, label) = (self.u32()?, self.u32()?);
        let entry = Entry { offset, width, height, crc, channels: self.u8()?, name_bytes: self.u8()?, name: 0 };
        Some((entry, label))
    }
}

/// An open pack.
#[derive(Debug)]
struct Pack {
    file: Positioned,
    images: Vec<Entry>,
    names: String,
    size: Option<(u32, u32)>,
}

/// Training, bank or test images of a pack.
#[derive(Debug)]
struct Part {
    pack: Arc<Pack>,
    range: Range<usize>,
    labels: Option<Vec<u32>>,
}

impl Part {
    fn entry(&self, index: usize) -> Option<&Entry> {
        self.pack.images.get(self.range.clone())?.get(index)
    }
}

impl ImageSet for Part {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn read(&self, index: usize) -> Result<Image<'_>, DataError> {
        let entry = self
            .entry(index)
            .ok_or_else(|| DataError::Shape { problem: format!("no image {index} among {}", self.len()) })?;
        let pixels = self.pack.file.read(entry.offset, entry.bytes())?;
        if crc32fast::hash(&pixels) != entry.crc {
            return Err(DataError::Unreadable {
                file: format!("{} ({})", self.pack.file.path.display(), self.name(index)),
                problem: "its pixels do not fit their checksum".to_owned(),
            });
        }
        Ok(Image {
            width: entry.width,
            height: entry.height,
            channels: u32::from(entry.channels),
            pixels: pixels.into(),
            info: PixelInfo::default(),
        })
    }

    fn name(&self, index: usize) -> String {
        let name = self.entry(index).and_then(|entry| {
            let start = entry.name as usize;
            let names = &self.pack.names;
            names.get(start..start + usize::from(entry.name_bytes))
        });
        match name {
            None | Some("") => format!("image {index}"),
            Some(name) => name.to_owned(),
        }
    }

    fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    fn size(&self) -> Option<(u32, u32)> {
        self.pack.size
    }
}
