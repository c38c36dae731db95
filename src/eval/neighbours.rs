//! The nearest neighbours of an image in feature space: the most direct sight of what a network has learnt.

use super::FeatureTable;

/// An image near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its number in its set.
    pub image: u32,
    /// Cosine of the two images' features.
    pub similarity: f32,
}

/// The `count` images of `bank` whose features are most like `features`, the most alike first, of equals the lower number. All features
/// are of length 1. Fewer where the bank has fewer.
pub fn nearest(bank: &FeatureTable, features: &[f32], count: usize) -> Vec<Neighbour> {
    let mut all: Vec<Neighbour> = bank
        .images
        .iter()
        .enumerate()
        .map(|(row, &image)| Neighbour {
            image,
            similarity: bank.row(row).iter().zip(features).map(|(a, b)| a * b).sum(),
        })
        .collect();
    all.sort_by(|a, b| {
        let by_similarity = b.similarity.total_cmp(&a.similarity);
        by_similarity.then(a.image.cmp(&b.image))
    });
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first() {
        let bank =
            FeatureTable { width: 2, images: vec![3, 5, 8, 9], values: vec![0.0, 1.0, 1.0, 0.0, -1.0, 0.0, 1.0, 0.0] };
        let found = nearest(&bank, &[1.0, 0.0], 3);
        let images: Vec<u32> = found.iter().map(|n| n.image).collect();
        assert_eq!(images, [5, 9, 3]);
        let similarities: Vec<f32> = found.iter().map(|n| n.similarity).collect();
        assert_eq!(similarities, [1.0, 1.0, 0.0]);
        assert_eq!(nearest(&bank, &[1.0, 0.0], 9).len(), 4);
    }
}
