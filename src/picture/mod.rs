//! Pictures for people: what the network sees ([`ViewSheet`]), what a data set holds ([`ContactSheet`]), how a network orders it
//! ([`FeatureSheet`]) and what it finds alike ([`NeighbourSheet`]), how runs went ([`Chart`]).
//!
//! A picture is composed as SVG (`page.rs` lays out, `text.rs` measures, `raster.rs` scales pixels) and written as it is, or as a PNG of
//! two pixels a unit. Text is set in fonts that the program brings along and nothing is read from the system, so a picture's bytes are
//! the same on every machine. The fonts have the Latin, Greek and Cyrillic letters; others, such as in a file's name, show as boxes in a PNG.

mod chart;
mod contact;
mod icon;
mod lines;
mod map;
mod neighbours;
mod page;
mod raster;
mod samples;
mod text;
mod tiles;
mod views;
mod write;

use std::io;
use std::path::PathBuf;

use crate::error::Classified;
use thiserror::Error;

pub use chart::{Chart, ChartLine, ChartSheet, Curve, LOOKS, Reference, mark, multiples, round_step, styles};
pub use contact::{ContactRow, ContactSheet};
pub use icon::icon;
pub use lines::drawn;
pub use map::FeatureSheet;
pub use neighbours::{CaptionedImage, NeighbourRow, NeighbourSheet};
pub use raster::{reduced, rgb};
pub use text::escape;
pub use tiles::tiles;
pub use views::{View, ViewRow, ViewSheet};
pub use write::{check_name, write};

/// Why a picture could not be made.
#[derive(Debug, Error)]
pub enum PictureError {
    /// A file name that ends in neither `.png` nor `.svg`.
    #[error("{}: pictures are written as .png or .svg; end the file's name in one of them", file.display())]
    Kind {
        /// As given.
        file: PathBuf,
    },
    /// A PNG so large that viewers refuse it.
    #[error(
        "{}: a PNG of {width}x{height} pixels is more than most programs open ({limit} a side); show fewer rows or end the file's name in .svg",
        file.display()
    )]
    TooLarge {
        /// As given.
        file: PathBuf,
        /// Pixels across.
        width: u64,
        /// Pixels down.
        height: u64,
        /// The most a side.
        limit: u32,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written ({reason}); check the folder, its permissions and the space left", file.display())]
    Write {
        /// As given.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Pixels could not be encoded as PNG.
    #[error("the picture cannot be encoded: {0}; report this as a bug")]
    Encode(#[from] image::ImageError),
    /// An SVG that cannot be drawn.
    #[error("the picture cannot be drawn: {0}; report this as a bug")]
    Draw(#[from] resvg::usvg::Error),
}

impl Classified for PictureError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Kind { .. })
    }
}

#[cfg(test)]
mod tests;
