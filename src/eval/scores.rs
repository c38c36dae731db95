//! How well images are classified.

/// Accuracy on some test images.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Images that count.
    pub images: usize,
    /// Share whose class comes first.
    pub top1: f64,
    /// Share whose class is among the first five.
    pub top5: f64,
    /// The same for the images of each class.
    pub classes: Vec<ClassScore>,
}

/// Accuracy on the test images of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClassScore {
    /// Images of the class.
    pub images: usize,
    /// Those that are classified as such.
    pub correct: usize,
}

impl ClassScore {
    /// Share of the images; `None` where there are none.
    pub fn top1(&self) -> Option<f64> {
        (self.images > 0).then(|| self.correct as f64 / self.images as f64)
    }
}

impl Scores {
    /// Mean of the classes' shares of images that are classified as such, over the classes that have images: each counts the same, however many
    /// it has (scikit-learn's `balanced_accuracy_score`).
    pub fn macro_recall(&self) -> f64 {
        let shares: Vec<f64> = self.classes.iter().filter_map(ClassScore::top1).collect();
        shares.iter().sum::<f64>() / shares.len().max(1) as f64
    }

    /// Of images with a label below `classes`, each with the number of classes that were found more likely.
    pub fn new(classes: usize, ranked: impl Iterator<Item = (u32, usize)>) -> Scores {
        let mut scores = Scores { images: 0, top1: 0.0, top5: 0.0, classes: vec![ClassScore::default(); classes] };
        let (mut first, mut first_five) = (0_usize, 0_usize);
        for (label, rank) in ranked {
            scores.images += 1;
            first += usize::from(rank == 0);
            first_five += usize::from(rank < 5);
            if let Some(class) = scores.classes.get_mut(label as usize) {
                class.images += 1;
                class.correct += usize::from(rank == 0);
            }
        }
        let share = |n: usize| n as f64 / scores.images.max(1) as f64;
        (scores.top1, scores.top5) = (share(first), share(first_five));
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_count_once_and_for_their_class() {
        let ranked = [(0, 0), (0, 4), (2, 5), (2, 0), (2, 1)];
        let scores = Scores::new(3, ranked.into_iter());
        assert_eq!((scores.images, scores.top1, scores.top5), (5, 0.4, 0.8));
        let top1: Vec<Option<f64>> = scores.classes.iter().map(ClassScore::top1).collect();
        assert_eq!(top1, [Some(0.5), None, Some(1.0 / 3.0)]);
        assert!(
            (scores.macro_recall() - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-12,
            "a class without images does not count"
        );
        assert_eq!(Scores::new(2, std::iter::empty()).top1, 0.0);
    }
}
