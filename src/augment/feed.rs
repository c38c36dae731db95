//! How the bytes of images reach the kernels that make views: the whole data set stays on the device, or every step brings its patches.

use super::{Batch, Patch, Source, ViewDraws, ViewGroup, ViewOptions, table_rows, views};
use crate::data::{ImageSet, Images};
use crate::graph::{Graph, GraphError, Program, Shape, Tensor};
use crate::ops::AugmentParams;
use crate::ranks::Ranks;

/// The tensors that the kernels read.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Packed bytes of images.
    pub bytes: Tensor,
    /// For each group, a row of [`AugmentParams::WORDS`] words a view.
    pub tables: Vec<Tensor>,
    groups: Vec<ViewGroup>,
    /// Images a run, of this rank.
    batch: usize,
    ranks: Ranks,
    resident: bool,
}

/// Resident images, and the arena that they lie in.
const IMAGES: &str = "images";

/// Words that hold this many bytes.
fn words(bytes: usize) -> usize {
    bytes.div_ceil(4)
}

impl Feed {
    /// Words of a whole data set on the device.
    pub fn resident_words(images: &Images) -> usize {
        words(images.pixels.len())
    }

    /// All images stay on the device, once for all graphs of a store; [`Feed::load`] brings them there. For the views of `groups` of `batch`
    /// images a run.
    pub fn resident(graph: &mut Graph, images: &Images, groups: &[ViewGroup], batch: usize) -> Feed {
        let shape = Shape::words(Self::resident_words(images));
        let bytes = graph.state(IMAGES, shape, IMAGES, 0);
        Feed::of(graph, bytes, groups, batch, true)
    }

    /// Every run brings a [`Patch`] for each view of `groups` of its `batch` images, which have width and height `one_size` where all share
    /// it.
    pub fn streamed(graph: &mut Graph, one_size: Option<(u32, u32)>, groups: &[ViewGroup], batch: usize) -> Feed {
        let patches = |group: &ViewGroup| Patch::most_bytes(group.size, one_size).saturating_mul(group.count() * batch);
        let bytes = words(groups.iter().map(patches).fold(0, usize::saturating_add));
        let bytes = graph.input("patches of a batch", Shape::words(bytes));
        Feed::of(graph, bytes, groups, batch, false)
    }

    fn of(graph: &mut Graph, bytes: Tensor, groups: &[ViewGroup], batch: usize, resident: bool) -> Feed {
        let ranks = graph.ranks();
        Feed { bytes, tables: tables(graph, groups, batch), groups: groups.to_vec(), batch, ranks, resident }
    }

    /// Whose part of a batch it feeds.
    pub fn ranks(&self) -> Ranks {
        self.ranks
    }

    /// The groups of views that it feeds.
    pub fn groups(&self) -> &[ViewGroup] {
        &self.groups
    }

    /// Adds what makes the views of every group for training, `[count * batch, size, size, 3]` each.
    pub fn views(&self, graph: &mut Graph) -> Result<Vec<Tensor>, GraphError> {
        let groups = self.groups.iter().zip(&self.tables);
        groups
            .map(|(group, &table)| views(graph, self.bytes, table, group.size, &ViewOptions::of_group(group)))
            .collect()
    }

    /// Whether all images stay on the device.
    pub fn is_resident(&self) -> bool {
        self.resident
    }

    /// Another feed of this kind, in another graph of the same store.
    pub fn again(&self, graph: &mut Graph, set: &dyn ImageSet) -> Feed {
        match set.in_memory().filter(|_| self.resident) {
            Some(images) => Feed::resident(graph, images, &self.groups, self.batch),
            None => Feed::streamed(graph, set.size(), &self.groups, self.batch),
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

    /// Writes which views of resident images the next run makes: `draws` are those of the first group, then those of the next.
    pub fn write_draws(&self, program: &Program, images: &Images, mut draws: impl Iterator<Item = ViewDraws>) {
        let size = images.image_bytes();
        let source = |draw: &ViewDraws| Source {
            // Below 2^32: a tensor has fewer bytes.
            offset: (draw.image as usize * size) as u32,
            width: images.width,
            height: images.height,
            channels: images.channels,
        };
        for (&table, group) in self.tables.iter().zip(&self.groups) {
            let draws = draws.by_ref().take(group.count() * self.batch);
            let rows: Vec<u32> = draws.flat_map(|draw| table_rows(&[draw], source)).collect();
            program.write_words(table, &rows);
        }
    }

    /// Writes what the next run reads. In a batch of fewer images than a run takes the last view of a group is repeated.
    pub fn write(&self, program: &Program, batch: &Batch) {
        program.write_words(self.bytes, &packed(&batch.bytes));
        let mut rest = batch.table.as_slice();
        for (&table, group) in self.tables.iter().zip(&self.groups) {
            let words = (group.count() * batch.images.len() * AugmentParams::WORDS).min(rest.len());
            let (own, others) = rest.split_at(words);
            rest = others;
            let mut rows = own.to_vec();
            let last = rows.len().saturating_sub(AugmentParams::WORDS)..rows.len();
            while rows.len() < group.count() * self.batch * AugmentParams::WORDS && !last.is_empty() {
                rows.extend_from_within(last.clone());
            }
            program.write_words(table, &rows);
        }
    }
}

fn tables(graph: &mut Graph, groups: &[ViewGroup], batch: usize) -> Vec<Tensor> {
    let words = groups.iter().map(|group| group.count() * batch * AugmentParams::WORDS);
    words.map(|words| graph.input("views", Shape::words(words))).collect()
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
