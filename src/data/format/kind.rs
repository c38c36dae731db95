//! What a file is, as far as a folder of images needs to know: by its name, or by its first bytes where the name says nothing.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use image::ImageFormat;

use crate::regular;

/// A file of a folder of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image that is read.
    Image,
    /// An image that no decoder here reads, with its format's name.
    Foreign(&'static str),
    /// No image.
    Other,
}

/// Names that image files end in; the contents decide what they are.
const IMAGES: [&str; 15] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pbm", "pnm", "qoi"];

/// Those of images that would need a decoder in C, or are no photographs.
const FOREIGN: [(&str, &[&str]); 10] = [
    ("HEIC", &["heic", "heif", "hif"]),
    ("AVIF", &["avif"]),
    ("camera RAW", &["dng", "cr2", "cr3", "nef", "nrw", "arw", "orf", "rw2", "raf", "pef", "srw", "raw"]),
    ("JPEG XL", &["jxl"]),
    ("JPEG 2000", &["jp2", "j2k", "jpf", "jpx"]),
    ("TGA", &["tga"]),
    ("Photoshop", &["psd", "psb"]),
    ("GIMP", &["xcf"]),
    ("SVG", &["svg", "svgz"]),
    ("HDR", &["exr", "hdr", "dds", "pfm"]),
];

/// Common files beside images, which need not be opened.
const OTHER: [&str; 33] = [
    "txt", "csv", "tsv", "json", "jsonl", "xml", "html", "htm", "md", "py", "ipynb", "npy", "npz", "mat", "db", "ini",
    "toml", "yaml", "yml", "log", "pdf", "zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "mp4", "mov", "avi", "mp3",
    "wav",
];

impl Kind {
    /// Of the file at `path`, which is opened only where its name says nothing.
    pub(super) fn of(path: &Path) -> Kind {
        let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        let ending = ending.as_deref().unwrap_or_default();
        if IMAGES.contains(&ending) {
            return Kind::Image;
        }
        if let Some((name, _)) = FOREIGN.iter().find(|(_, endings)| endings.contains(&ending)) {
            return Kind::Foreign(name);
        }
        match OTHER.contains(&ending) {
            true => Kind::Other,
            // A file that cannot be opened is no image either.
            false => first_bytes(path).map_or(Kind::Other, |bytes| Kind::by_content(&bytes)),
        }
    }

    fn by_content(bytes: &[u8]) -> Kind {
        // An ISO media file names its brand behind the length of its first box.
        match bytes.get(4..12) {
            Some(b"ftypavif" | b"ftypavis") => return Kind::Foreign("AVIF"),
            Some(b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftyphevc") => return Kind::Foreign("HEIC"),
            _ => {}
        }
        use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Qoi, Tiff, WebP};
        match image::guess_format(bytes) {
            // A text may begin with P and a digit.
            Ok(Pnm) if !bytes.get(2).is_some_and(u8::is_ascii_whitespace) => Kind::Other,
            Ok(Jpeg | Png | WebP | Bmp | Tiff | Gif | Pnm | Qoi) => Kind::Image,
            _ => Kind::Other,
        }
    }
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(32);
    regular::open(path).ok()?.take(32).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
