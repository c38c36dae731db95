//! How the bytes of images reach the kernels that make views: the whole data set stays on the device, or every step brings its patches.

use super::{Batch, Patch, Source, ViewDraws, table_rows};
use crate::data::{ImageSet, Images};
use crate::graph::{Graph, Program, Shape, Tensor};
use crate::ops::AugmentParams;

/// The two tensors that the kernels read.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Packed bytes of images.
    pub bytes: Tensor,
    /// A row of [`AugmentParams::WORDS`] words a view.
    pub table: Tensor,
    /// Views a run.
    rows: usize,
    resident: bool,
}

/// Resident images, and the arena that they lie in.
const IMAGES: &str = "images";

/// Words that hold so many bytes.
fn words(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

impl Feed {
    /// Words of a whole data set on the device.
    pub fn resident_words(images: &Images) -> usize {
        words(images.pixels.len())
    }

    /// All images stay on the device, once for all graphs of a store; [`Feed::load`] brings them there. For `rows` views a run.
    pub fn resident(graph: &mut Graph, images: &Images, rows: usize) -> Feed {
        let shape = Shape::words(Self::resident_words(images));
        Feed {
            bytes: graph.state(IMAGES, shape, IMAGES, 0),
            table: graph.input("views", Shape::words(rows * AugmentParams::WORDS)),
            rows,
            resident: true,
        }
    }

    /// Every run brings a [`Patch`] for each of its `rows` views of `size` pixels, cut from images of width and height `one_size` where all
    /// share it.
    pub fn streamed(graph: &mut Graph, one_size: Option<(u32, u32)>, rows: usize, size: usize) -> Feed {
        let patch = Patch::most_bytes(size, one_size);
        let bytes = words(rows.saturating_mul(patch));
        Feed {
            bytes: graph.input("patches of a batch", Shape::words(bytes)),
            table: graph.input("views", Shape::words(rows * AugmentParams::WORDS)),
            rows,
            resident: false,
        }
    }

    /// Whether all images stay on the device.
    pub fn is_resident(&self) -> bool {
        self.resident
    }

    /// Another feed of this kind, in another graph of the same store.
    pub fn again(&self, graph: &mut Graph, set: &dyn ImageSet, size: usize) -> Feed {
        match set.in_memory().filter(|_| self.resident) {
            Some(images) => Feed::resident(graph, images, self.rows),
            None => Feed::streamed(graph, set.size(), self.rows, size),
        }
    }

    /// Bytes that [`Feed::load`] brings.
    pub fn resident_bytes(&self, images: Option<&Images>) -> u64 {
        match (self.resident, images) {
            (true, Some(images)) => Self::resident_words(images) as u64 * 4,
            _ => 0,
        }
    }

    /// Brings all images to the device where they stay there.
    pub fn load(&self, program: &Program, images: &Images) {
        if self.resident {
            program.write_words(self.bytes, &packed(&images.pixels));
        }
    }

    /// Writes which views of resident images the next run makes.
    pub fn write_draws(&self, program: &Program, images: &Images, draws: impl Iterator<Item = ViewDraws>) {
        let size = images.image_bytes();
        let table: Vec<u32> = draws
            .take(self.rows)
            .flat_map(|draw| {
                table_rows(&[draw], |_| Source {
                    // Below 2^32: a tensor has fewer bytes.
                    offset: (draw.image as usize * size) as u32,
                    width: images.width,
                    height: images.height,
                    channels: images.channels,
                })
            })
            .collect();
        program.write_words(self.table, &table);
    }

    /// Writes what the next run reads. A batch of fewer views than a run makes repeats its last one.
    pub fn write(&self, program: &Program, batch: &Batch) {
        program.write_words(self.bytes, &packed(&batch.bytes));
        let mut table = batch.table.clone();
        let last = table.len().saturating_sub(AugmentParams::WORDS)..table.len();
        while table.len() < self.rows * AugmentParams::WORDS && !last.is_empty() {
            table.extend_from_within(last.clone());
        }
        program.write_words(self.table, &table);
    }
}

/// Four bytes a word, the first lowest.
fn packed(bytes: &[u8]) -> Vec<u32> {
    let whole = bytes.chunks_exact(4);
    let mut rest = [0; 4];
    rest[..whole.remainder().len()].copy_from_slice(whole.remainder());
    let has_rest = !whole.remainder().is_empty();
    let word = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    whole.map(word).chain(has_rest.then(|| u32::from_le_bytes(rest))).collect()
}

#[cfg(test)]
mod tests {
    use super::packed;

    #[test]
    fn bytes_fill_words_from_the_lowest() {
        assert_eq!(packed(&[1, 2, 3, 4, 5]), [0x0403_0201, 5]);
        assert_eq!(packed(&[1, 2, 3, 4]), [0x0403_0201]);
        assert!(packed(&[]).is_empty());
    }
}
