//! How the bytes of images reach the kernels that make views: the whole data set stays on the device, or every step brings its batch.

use super::{Source, ViewDraws, table_rows};
use crate::data::Images;
use crate::graph::{Graph, Program, Shape, Tensor};
use crate::ops::ViewRow;

/// The two tensors that the kernels read, and where an image lies in the first.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Packed bytes of images.
    pub bytes: Tensor,
    /// A row of [`ViewRow::WORDS`] words a view.
    pub table: Tensor,
    /// Images that one batch brings; `None` where all of them stay on the device.
    batch: Option<usize>,
}

/// Words that hold so many bytes.
fn words(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

impl Feed {
    /// Words of a whole data set on the device.
    pub fn resident_words(images: &Images) -> usize {
        words(images.pixels.len())
    }

    /// All images stay on the device; [`Feed::load`] brings them there once. For `rows` views a run.
    pub fn resident(graph: &mut Graph, images: &Images, rows: usize) -> Feed {
        Feed {
            bytes: graph.input("images", Shape::words(Self::resident_words(images))),
            table: graph.input("views", Shape::words(rows * ViewRow::WORDS)),
            batch: None,
        }
    }

    /// Every run brings the bytes of its `batch` images. For `rows` views a run.
    pub fn streamed(graph: &mut Graph, images: &Images, batch: usize, rows: usize) -> Feed {
        let size = words(batch.saturating_mul(images.image_bytes()));
        Feed {
            bytes: graph.input("images of a batch", Shape::words(size)),
            table: graph.input("views", Shape::words(rows * ViewRow::WORDS)),
            batch: Some(batch),
        }
    }

    /// Bytes that [`Feed::load`] brings.
    pub fn resident_bytes(&self, images: &Images) -> u64 {
        match self.batch {
            None => Self::resident_words(images) as u64 * 4,
            Some(_) => 0,
        }
    }

    /// Brings all images to the device where they stay there.
    pub fn load(&self, program: &Program, images: &Images) {
        if self.batch.is_none() {
            program.write_words(self.bytes, &packed(images.pixels.iter().copied()));
        }
    }

    /// Writes what the next run reads: `indices` are the images of the batch, `draws` their views, row by row, where row r is of
    /// image `indices[r % indices.len()]`.
    pub fn write(
        &self,
        program: &Program,
        images: &Images,
        indices: &[u32],
        draws: impl Iterator<Item = ViewDraws>,
    ) {
        let size = images.image_bytes();
        if self.batch.is_some() {
            let of = |&index: &u32| images.image(index as usize).unwrap_or_default();
            let bytes = indices.iter().flat_map(of).copied();
            program.write_words(self.bytes, &packed(bytes));
        }
        let table: Vec<u32> = draws
            .enumerate()
            .flat_map(|(row, draw)| {
                let place = match self.batch {
                    None => draw.image as usize,
                    Some(_) => row % indices.len().max(1),
                };
                table_rows(&[draw], |_| Source {
                    // Below 2^32: a tensor has fewer bytes.
                    offset: (place * size) as u32,
                    width: images.width,
                    height: images.height,
                    channels: images.channels,
                })
            })
            .collect();
        program.write_words(self.table, &table);
    }
}

/// Four bytes a word, the first lowest.
fn packed(bytes: impl Iterator<Item = u8>) -> Vec<u32> {
    let mut packed = Vec::new();
    let mut bytes = bytes.peekable();
    while bytes.peek().is_some() {
        let mut word = [0; 4];
        for byte in &mut word {
            *byte = bytes.next().unwrap_or(0);
        }
        packed.push(u32::from_le_bytes(word));
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::packed;

    #[test]
    fn bytes_fill_words_from_the_lowest() {
        assert_eq!(packed([1, 2, 3, 4, 5].into_iter()), [0x0403_0201, 5]);
        assert!(packed(std::iter::empty()).is_empty());
    }
}
