//! Writes a pack: decodes ahead in parallel, holds few images at a time, and shows the file under its name when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use fast_image_resize::images::{Image as Resized, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use tempfile::NamedTempFile;

use super::{FORMAT, HEADER, MAGIC, MOST_CLASSES, NO_LABEL};
use crate::data::check::{NAMED, Unreadable, allowed, too_many};
use crate::data::read::prefetch::{Prefetch, threads};
use crate::data::{DataError, Dataset, Image, ImageSet, Subset};

/// How to pack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Packing {
    /// Images whose shorter side has more pixels are reduced so that it has this many; `None` leaves all as they are.
    pub short_side: Option<u32>,
    /// Threads that decode; 0 is all cores but one.
    pub threads: usize,
    /// Largest part of the images that may be unreadable, 0 to 1.
    pub unreadable: f64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Training images, those that vote beside them, and test images.
    pub images: [usize; 3],
    /// Length of the file.
    pub bytes: u64,
    /// Images that could not be read.
    pub left_out: usize,
    /// What is wrong with the first of them.
    pub named: Vec<String>,
}

/// An image's line of the index.
struct Line {
    offset: u64,
    width: u32,
    height: u32,
    crc: u32,
    label: u32,
    channels: u8,
    name: String,
}

/// Packs all images of `dataset` into the file `out`, whose folder must exist; a file of this name is replaced. `progress` is called after
/// each image how many are done, and of how many. The same images give the same bytes.
///
/// Images that cannot be read are left out. Fails where these are more than may be, no training image is left, or the disk is full;
/// then there is no file, or still the old one.
pub fn write(
    dataset: &Dataset,
    out: &Path,
    packing: &Packing,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Packed, DataError> {
    let failed = |error: io::Error| DataError::Write { file: out.display().to_string(), problem: error.to_string() };
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = temporary(folder).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, temporary);
    file.write_all(&[0; HEADER]).map_err(failed)?;

    let none = || -> Arc<dyn ImageSet> { Arc::new(Subset::new(dataset.train.clone(), Vec::new())) };
    let bank = dataset.bank.clone().unwrap_or_else(none);
    let parts = [dataset.train.clone(), bank, dataset.test.clone()];
    let lens = [&parts[0], &parts[1], &parts[2]].map(|set| set.len());
    let (of, share) = (lens.iter().sum::<usize>(), packing.unreadable);
    let read = {
        let (parts, short) = (parts.clone(), packing.short_side);
        move |n: u64| -> Result<(Image<'static>, u32), String> {
            let (part, image) = place(lens, n as usize);
            let set = &parts[part];
            let read = set.read(image).map_err(|e| e.to_string())?;
            let image = reduced(read, short).map_err(|e| format!("{}: {e}", set.name(image)))?;
            let crc = crc32fast::hash(&image.pixels);
            Ok((image, crc))
        }
    };
    let threads = threads(packing.threads);
    let mut images = Prefetch::new(threads, 2 * threads, 0..of as u64, read);
    let mut lines: Vec<Line> = Vec::with_capacity(of);
    let mut counts = [0_u32; 3];
    let mut bad = Vec::new();
    let mut offset = HEADER as u64;
    for done in 0..of {
        let (part, image) = place(lens, done);
        let result =
            images.next().ok_or_else(|| failed(io::Error::other("the system gives no thread to read images with")))?;
        let set = &parts[part];
        match result {
            Ok((pixels, crc)) => {
                file.write_all(&pixels.pixels).map_err(failed)?;
                lines.push(Line {
                    offset,
                    width: pixels.width,
                    height: pixels.height,
                    crc,
                    label: set.labels().and_then(|l| l.get(image).copied()).unwrap_or(NO_LABEL),
                    channels: pixels.channels as u8,
                    name: set.name(image),
                });
                offset += pixels.pixels.len() as u64;
                counts[part] += 1;
            }
            Err(problem) => {
                bad.push(Unreadable { image: image as u32, problem });
                if bad.len() > allowed(of, share) {
                    return Err(too_many(&bad, of, share));
                }
            }
        }
        progress(done + 1, of);
    }
    if counts[0] == 0 {
        return Err(DataError::NoImages { file: dataset.name.clone() });
    }
    let index = index(counts, &lines, &dataset.classes)?;
    let bytes = offset + index.len() as u64;
    file.write_all(&index).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.write_all(&header(offset, &index)).map_err(failed)?;
    let temporary = file.into_inner().map_err(|e| failed(e.into_error()))?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(out).map_err(|e| failed(e.error))?;
    // So that the new name outlives a power cut too; not every system lets a folder be opened.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(Packed {
        images: counts.map(|count| count as usize),
        bytes,
        left_out: bad.len(),
        named: bad.into_iter().take(NAMED).map(|b| b.problem).collect(),
    })
}

/// The part and the image in it that is number `n` of all.
fn place(lens: [usize; 3], mut n: usize) -> (usize, usize) {
    for (part, &len) in lens.iter().enumerate().take(2) {
        if n < len {
            return (part, n);
        }
        n -= len;
    }
    (2, n)
}

/// A file beside the final one, so that it can be renamed; with the permissions of any new file.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pack-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// The image with its shorter side reduced to `short` pixels where it has more. Lanczos with its support grown with the reduction, so
/// that all pixels count.
fn reduced(image: Image<'_>, short: Option<u32>) -> Result<Image<'static>, String> {
    let (width, height) = (image.width, image.height);
    let short = short.map_or(u32::MAX, |short| short.max(1));
    if width.min(height) <= short {
        return Ok(Image { pixels: image.pixels.into_owned().into(), ..image });
    }
    let shorter = u64::from(width.min(height));
    // To the nearest; at least `short`, because no side is shorter than the shorter one.
    let scaled = |side: u32| ((u64::from(side) * u64::from(short) + shorter / 2) / shorter) as u32;
    let (to_width, to_height) = (scaled(width), scaled(height));
    let kind = match image.channels {
        1 => PixelType::U8,
        _ => PixelType::U8x3,
    };
    let source = ImageRef::new(width, height, &image.pixels, kind).map_err(|e| e.to_string())?;
    let mut resized = Resized::new(to_width, to_height, kind);
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut resized, &how).map_err(|e| e.to_string())?;
    Ok(Image { width: to_width, height: to_height, pixels: resized.into_vec().into(), ..image })
}

fn header(index_at: u64, index: &[u8]) -> Vec<u8> {
    let bytes = index.len() as u64;
    let mut header = MAGIC.to_vec();
    header.extend(FORMAT.to_le_bytes());
    for number in [index_at + bytes, index_at, bytes] {
        header.extend(number.to_le_bytes());
    }
    header.extend(crc32fast::hash(index).to_le_bytes());
    let crc = crc32fast::hash(&header);
    header.extend(crc.to_le_bytes());
    header
}

fn index(counts: [u32; 3], lines: &[Line], classes: &[String]) -> Result<Vec<u8>, DataError> {
    let mut classes = classes.to_vec();
    let labels = lines.iter().map(|line| line.label);
    // Classes without names are called by their numbers.
    let most = labels.filter(|&label| label != NO_LABEL).max();
    let most = most.map_or(0, |label| label as usize + 1).max(classes.len());
    if most > MOST_CLASSES {
        return Err(DataError::Shape { problem: format!("{most} classes; at most {MOST_CLASSES} can be packed") });
    }
    classes.extend((classes.len()..most).map(|n| n.to_string()));

    let folder = common_folder(lines);
    let mut index = Vec::new();
    for count in counts {
        index.extend(count.to_le_bytes());
    }
    for line in lines {
        // No longer than a byte can say.
        let name = tail(&line.name[folder..], usize::from(u8::MAX));
        index.extend(line.offset.to_le_bytes());
        for number in [line.width, line.height, line.crc, line.label] {
            index.extend(number.to_le_bytes());
        }
        index.extend([line.channels, name.len() as u8]);
        index.extend(name.as_bytes());
    }
    index.extend((classes.len() as u32).to_le_bytes());
    for class in &classes {
        let name = tail(class, usize::from(u16::MAX));
        index.extend((name.len() as u16).to_le_bytes());
        index.extend(name.as_bytes());
    }
    Ok(index)
}

/// Bytes of the folder that all names begin with, so that a pack does not depend on where the images lay.
fn common_folder(lines: &[Line]) -> usize {
    let Some(first) = lines.first().map(|line| line.name.as_str()) else {
        return 0;
    };
    let mut common = first.len();
    for line in lines {
        let both = first.bytes().zip(line.name.bytes());
        common = common.min(both.take_while(|(a, b)| a == b).count());
    }
    let same = &first.as_bytes()[..common];
    let end = same.iter().rposition(|byte| matches!(byte, b'/' | b'\\'));
    end.map_or(0, |end| end + 1)
}

/// The end of a text, of at most `most` bytes.
fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
