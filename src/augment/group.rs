//! Which views of an image a step looks at.

use super::draws::{self, ViewDraws};
use crate::config::{AugmentConfig, Config};

/// Views of an image that are equally large. They lie in one tensor of the step: the first view of all images, then the second.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewGroup {
    /// Side in pixels.
    pub size: usize,
    /// What each is drawn from, in the order in which they lie in a batch.
    pub views: Vec<ViewSource>,
}

/// The number of the first small crop: below it there is room for more views.
const FIRST_SMALL: u8 = 16;

/// What a view is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewSource {
    /// Its number among the views of an image: it names the stream of random numbers.
    pub index: u8,
    /// What is drawn.
    pub augment: AugmentConfig,
}

impl ViewGroup {
    /// Views of the size and augmentation of a configuration, with these numbers in this order. Odd ones are second in their pair.
    pub fn new(config: &Config, indices: &[u8]) -> ViewGroup {
        let augment = [config.augment.first_view(), config.augment.second_view()];
        let view = |&index: &u8| ViewSource { index, augment: augment[usize::from(index % 2)].clone() };
        ViewGroup { size: config.data.image_size, views: indices.iter().map(view).collect() }
    }

    /// The small crops of a configuration, where it has any.
    pub fn small(config: &Config) -> Option<ViewGroup> {
        let (small, augment) = (&config.augment.small, config.augment.small_crop());
        let count = u8::try_from(small.count).unwrap_or(u8::MAX - FIRST_SMALL);
        let view = |i| ViewSource { index: FIRST_SMALL + i, augment: augment.clone() };
        (count > 0).then(|| ViewGroup { size: small.size, views: (0..count).map(view).collect() })
    }

    /// Two views and, where the configuration has any, small crops: multi-crop.
    pub fn multi_crop(config: &Config) -> Vec<ViewGroup> {
        std::iter::once(ViewGroup::new(config, &[0, 1])).chain(ViewGroup::small(config)).collect()
    }

    /// Views of an image.
    pub fn count(&self) -> usize {
        self.views.len()
    }

    /// Draws every view of an image that is `width` x `height` pixels.
    pub fn draw(&self, width: u32, height: u32, seed: u64, epoch: u32, image: u32) -> Vec<ViewDraws> {
        self.views.iter().map(|view| view.draw(width, height, seed, epoch, image)).collect()
    }
}

impl ViewSource {
    /// Draws it for an image that is `width` x `height` pixels.
    pub fn draw(&self, width: u32, height: u32, seed: u64, epoch: u32, image: u32) -> ViewDraws {
        draws::draw(&self.augment, width, height, seed, epoch, image, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_differ_where_the_configuration_says_so() {
        let mut config = Config::default();
        let plain = ViewGroup::multi_crop(&config);
        assert_eq!(plain.len(), 1);
        assert!(plain[0].views.iter().all(|view| view.augment == config.augment));
        for assignment in ["augment.second.flip=0", "augment.small.count=3", "augment.small.size=12"] {
            config.set(assignment).expect("a good assignment");
        }
        let groups = ViewGroup::multi_crop(&config);
        let indices = |group: &ViewGroup| group.views.iter().map(|view| view.index).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(indices).collect::<Vec<_>>(), [vec![0, 1], vec![16, 17, 18]]);
        assert_eq!(groups.iter().map(|group| group.size).collect::<Vec<_>>(), [32, 12]);
        let flips = |group: &ViewGroup| group.views.iter().map(|view| view.augment.flip).collect::<Vec<_>>();
        assert_eq!(groups.iter().map(flips).collect::<Vec<_>>(), [vec![0.5, 0.0], vec![0.5; 3]]);
        // The draws of one view do not depend on the others.
        let draws = |group: &ViewGroup| group.draw(50, 40, 1, 2, 3);
        assert_eq!(draws(&groups[0])[0], draws(&plain[0])[0]);
        let unflipped = |draws: ViewDraws| ViewDraws { flip: false, ..draws };
        assert_eq!(draws(&groups[0])[1], unflipped(draws(&plain[0])[1]));
        assert!(draws(&groups[1]).iter().all(|crop| crop.width * crop.height < 50 * 40 / 5));
        // The second of two pairs is as the second of the first.
        let pairs = ViewGroup::new(&config, &[0, 2, 1, 3]);
        assert_eq!(flips(&pairs), [0.5, 0.5, 0.0, 0.0]);
    }
}
