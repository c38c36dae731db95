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

/// What a view is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewSource {
    /// Its number among the views of an image: it names the stream of random numbers.
    pub index: u8,
    /// What is drawn.
    pub augment: AugmentConfig,
}

impl ViewGroup {
    /// Views with these numbers in this order: even ones are drawn as the first view of the configuration, odd ones as the second.
    pub fn new(config: &Config, indices: &[u8]) -> ViewGroup {
        let of = |index: u8| match index % 2 {
            0 => config.augment.first_view(),
            _ => config.augment.second_view(),
        };
        let view = |&index| ViewSource { index, augment: of(index) };
        ViewGroup { size: config.data.image_size, views: indices.iter().map(view).collect() }
    }

    /// The small crops of the configuration, with the numbers from `first` on; `None` where it has none.
    pub fn small(config: &Config, first: u8) -> Option<ViewGroup> {
        let small = &config.augment.small;
        // At most 64.
        let view = |n: usize| ViewSource { index: first + n as u8, augment: config.augment.small_crop() };
        (small.count > 0).then(|| ViewGroup { size: small.size, views: (0..small.count).map(view).collect() })
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
