//! Section `[augment]`: how a view is made from an image, what differs in the second view, and small crops beside both.

use serde::{Deserialize, Serialize};

use super::{Key, Kind, sections::Field};

/// Calls a macro with the augmentations that may differ from view to view, after what it is given.
macro_rules! with_augmentations {
    ($target:ident! { $($before:tt)* }) => {
        $target! { $($before)* {
            /// Smallest and largest part of the image's area that a random crop keeps, 0 < low <= high <= 1.
            crop_scale: [f64; 2] = [0.2, 1.0],
            /// Smallest and largest width/height of a crop before it is resized, log-uniform, 0 < low <= high.
            crop_ratio: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0],
            /// Probability of a horizontal flip, 0 to 1.
            flip: f64 = 0.5,
            /// Probability that the colours are jittered at all, 0 to 1.
            jitter_probability: f64 = 0.8,
            /// Strength s of the brightness jitter: a factor from [max(0, 1 - s), 1 + s]; 0 is off.
            brightness: f64 = 0.4,
            /// Strength of the contrast jitter, as brightness.
            contrast: f64 = 0.4,
            /// Strength of the saturation jitter, as brightness.
            saturation: f64 = 0.4,
            /// Largest hue shift as a part of the colour circle, 0 to 0.5.
            hue: f64 = 0.1,
            /// Probability of turning the view gray, 0 to 1.
            grayscale: f64 = 0.2,
            /// Probability of a Gaussian blur, 0 to 1 (the authors: 0.5 on ImageNet, none on CIFAR).
            blur_probability: f64 = 0.0,
            /// Smallest and largest standard deviation of the blur in pixels of the view, 0 < low <= high <= 64.
            blur_sigma: [f64; 2] = [0.1, 2.0],
            /// Probability of inverting the pixels of 128 of 255 and more, 0 to 1 (BYOL: 0.2 in the second view).
            solarize: f64 = 0.0,
        } }
    };
}

/// Declares `[augment]` itself.
macro_rules! all_views {
    (
        { $( $(#[doc = $own_help:literal])+ $own:ident: $own_kind:ty = $own_default:expr, )+ }
        { $( $(#[doc = $help:literal])+ $field:ident: $kind:ty = $default:expr, )+ }
    ) => {
        /// Section `[augment]`: torchvision's transforms with the authors' values (paper App. A) as defaults, without blur.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct AugmentConfig {
            $( $(#[doc = $help])+ pub $field: $kind, )+
            $( $(#[doc = $own_help])+ pub $own: $own_kind, )+
            /// What differs in the second view.
            pub second: SecondView,
            /// Small crops beside the two views.
            pub small: SmallCrops,
        }

        impl Default for AugmentConfig {
            fn default() -> Self {
                Self {
                    $( $field: $default, )+
                    $( $own: $own_default, )+
                    second: SecondView::default(),
                    small: SmallCrops::default(),
                }
            }
        }

        impl AugmentConfig {
            /// The section's keys with their help texts, those of the sections below it among them.
            pub fn keys() -> Vec<Key> {
                let key = |name: &str, help: &[&str]| Key {
                    name: name.to_owned(),
                    help: help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
                    kind: Kind::Text,
                };
                let mut keys = vec![
                    $( key(concat!("augment.", stringify!($field)), &[$( $help ),+]), )+
                    $( key(concat!("augment.", stringify!($own)), &[$( $own_help ),+]), )+
                ];
                keys.extend(SecondView::keys());
                keys.extend(SmallCrops::keys());
                keys
            }
        }
    };
}

/// Declares a section of what differs from `[augment]`: keys of its own, and every augmentation, which may be left out.
macro_rules! some_views {
    (
        $(#[$outer:meta])* $name:ident = $section:literal, $views:literal $(, $other:ident = $other_default:expr)?;
        { $( $(#[doc = $own_help:literal])+ $own:ident: $own_kind:ty = $own_default:expr, )* }
        { $( $(#[doc = $help:literal])+ $field:ident: $kind:ty = $default:expr, )+ }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $own_help])+ pub $own: $own_kind, )*
            $( $(#[doc = $help])+ pub $field: Option<$kind>, )+
        }

        impl Default for $name {
            fn default() -> Self {
                let none = Self { $( $own: $own_default, )* $( $field: None, )+ };
                Self { $( $other: Some($other_default), )? ..none }
            }
        }

        impl $name {
            fn keys() -> Vec<Key> {
                let key = |name: &str, before: &str, help: &[&str], kind| Key {
                    name: format!("{}.{name}", $section),
                    help: before.to_owned() + &help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
                    kind,
                };
                vec![
                    $( key(stringify!($own), "", &[$( $own_help ),+], <$own_kind as Field>::KIND), )*
                    $( key(stringify!($field), concat!($views, ": "), &[$( $help ),+], Kind::Optional), )+
                ]
            }

            /// Its values over those of all views.
            fn over(&self, all: &AugmentConfig) -> AugmentConfig {
                let mut augment = AugmentConfig {
                    second: SecondView::default(),
                    small: SmallCrops::default(),
                    ..all.clone()
                };
                $( if let Some(value) = self.$field { augment.$field = value; } )+
                augment
            }

            /// The augmentations that are given here.
            fn given(&self) -> Vec<&'static str> {
                let mut given = Vec::new();
                $( given.extend(self.$field.map(|_| stringify!($field))); )+
                given
            }
        }
    };
}

with_augmentations!(all_views! { {
    /// Mean of red, green, blue to subtract, for pixels in 0 to 1 (default: ImageNet's).
    mean: [f64; 3] = [0.485, 0.456, 0.406],
    /// Standard deviation of red, green, blue to divide by, above 0 (default: ImageNet's).
    std: [f64; 3] = [0.229, 0.224, 0.225],
} });

with_augmentations!(some_views! {
    /// Section `[augment.second]`: what differs in the second view of an image, as in BYOL. What is left out is as in the first.
    SecondView = "augment.second", "Second view"; {}
});

with_augmentations!(some_views! {
    /// Section `[augment.small]`: small crops beside the two views, as SwAV's multi-crop. What is left out is as in the first view.
    SmallCrops = "augment.small", "Small crops", crop_scale = [0.05, 0.14]; {
        /// Small crops of an image beside its two views, 0 (none) to 64, for a method that uses them.
        count: usize = 0,
        /// Side in pixels of the small crops, 1 to data.image_size (SwAV: 96 beside 224).
        size: usize = 96,
    }
});

impl AugmentConfig {
    /// What the first view of an image is drawn from.
    pub fn first_view(&self) -> AugmentConfig {
        SecondView::default().over(self)
    }

    /// What the second view is drawn from.
    pub fn second_view(&self) -> AugmentConfig {
        self.second.over(self)
    }

    /// What small crops are drawn from.
    pub fn small_crop(&self) -> AugmentConfig {
        self.small.over(self)
    }

    /// Every value that is out of range: the dotted key and what is wrong.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let mut problems: Vec<(String, String)> = Vec::new();
        let mut of = |section: &str, augment: &AugmentConfig, given: Option<Vec<&str>>| {
            let found = augment.out_of_range().into_iter();
            let found = found.filter(|(field, _)| given.as_ref().is_none_or(|given| given.contains(field)));
            problems.extend(found.map(|(field, problem)| (format!("{section}.{field}"), problem.to_owned())));
        };
        of("augment", self, None);
        of("augment.second", &self.second_view(), Some(self.second.given()));
        of("augment.small", &self.small_crop(), Some(self.small.given()));
        let SmallCrops { count, size, .. } = self.small;
        let mut need = |field: &str, good: bool, problem: &str| {
            if !good {
                problems.push((format!("augment.small.{field}"), problem.to_owned()));
            }
        };
        need("count", count <= 64, "an image has 0 (none) to 64 small crops");
        need("size", (1..=4096).contains(&size), "the side of a small crop must be 1 to 4096 pixels");
        problems
    }

    /// Fields of one kind of view that are out of range.
    fn out_of_range(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        let mut need = |field: &'static str, good: bool, problem: &'static str| {
            if !good {
                problems.push((field, problem));
            }
        };
        let [low, high] = self.crop_scale;
        need("crop_scale", 0.0 < low && low <= high && high <= 1.0, "write [low, high] with 0 < low <= high <= 1");
        let [low, high] = self.crop_ratio;
        need("crop_ratio", 0.0 < low && low <= high && high.is_finite(), "write [low, high] with 0 < low <= high");
        for (field, value) in [
            ("flip", self.flip),
            ("jitter_probability", self.jitter_probability),
            ("grayscale", self.grayscale),
            ("blur_probability", self.blur_probability),
            ("solarize", self.solarize),
        ] {
            need(field, (0.0..=1.0).contains(&value), "a probability must be 0 to 1");
        }
        for (field, value) in
            [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)]
        {
            need(field, value.is_finite() && value >= 0.0, "a strength must be 0 (off) or more");
        }
        need("hue", (0.0..=0.5).contains(&self.hue), "a hue shift must be 0 (off) to 0.5 (any hue)");
        let [low, high] = self.blur_sigma;
        let good = 0.0 < low && low <= high && high <= 64.0;
        need("blur_sigma", good, "write [low, high] in pixels with 0 < low <= high <= 64");
        need("mean", self.mean.iter().all(|v| v.is_finite()), "each mean must be a finite number");
        let good = self.std.iter().all(|v| v.is_finite() && *v > 0.0);
        need("std", good, "each standard deviation must be above 0");
        problems
    }
}
