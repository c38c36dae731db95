//! The sections of a configuration file. The doc comment of a field is also its help text on the command line and in a window, and
//! its default stands beside it: one place to read and to change.

use super::{Background, MemoryLimit};

/// One configuration key and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted form, such as `optim.lr`.
    pub name: String,
    /// Meaning, unit, range and source, in one line.
    pub help: String,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a key are, as far as a form needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Anything else, written as TOML.
    Text,
    /// The same, and it may be left out.
    Optional,
}

/// What may be the type of a key.
pub trait Field {
    /// What a form needs to know of it.
    const KIND: Kind = Kind::Text;
}

impl Field for bool {
    const KIND: Kind = Kind::Switch;
}
impl<T> Field for Option<T> {
    const KIND: Kind = Kind::Optional;
}
impl Field for f64 {}
impl Field for usize {}
impl Field for u64 {}
impl Field for String {}
impl Field for MemoryLimit {}
impl<const N: usize> Field for [f64; N] {}
impl Field for Vec<usize> {}

/// Declares a section: the struct with its serde form, its defaults, and `keys()` from the doc comments. A method declares its keys as
/// a section called `method`.
#[macro_export]
macro_rules! section {
    ($(#[$outer:meta])* $name:ident = $section:literal { $( $(#[doc = $help:literal])+ $field:ident: $kind:ty = $default:expr, )+ }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $( $(#[doc = $help])+ pub $field: $kind, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl $name {
            /// The section's keys with their help texts.
            pub fn keys() -> Vec<$crate::config::Key> {
                vec![$( $crate::config::Key {
                    name: concat!($section, ".", stringify!($field)).to_owned(),
                    help: [$( $help ),+].map(str::trim).join(" "),
                    kind: <$kind as $crate::config::Field>::KIND,
                } ),+]
            }
        }
    };
}

/// Declares an enumeration whose values have one spelling in files, flags and messages.
#[macro_export]
macro_rules! choices {
    ($(#[$outer:meta])* $name:ident { $( $(#[$inner:meta])* $variant:ident = $text:literal, )+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $( $(#[$inner])* #[serde(rename = $text)] $variant, )+ }

        impl $name {
            /// Every value, in the order in which it is listed to users.
            pub const ALL: &[Self] = &[$( Self::$variant ),+];

            /// The spelling in files and flags.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }

            /// The value of that spelling, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl $crate::config::Field for $name {
            const KIND: $crate::config::Kind = $crate::config::Kind::Choice(&[$( $text ),+]);
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

crate::choices! {
    /// Backbone. Blocks as in "Deep Residual Learning" (He et al. 2015), in torchvision's arrangement.
    Arch {
        /// Basic blocks 2,2,2,2.
        Resnet18 = "resnet18",
        /// Basic blocks 3,4,6,3.
        Resnet34 = "resnet34",
        /// Bottleneck blocks 3,4,6,3.
        Resnet50 = "resnet50",
        /// Bottleneck blocks 3,4,23,3.
        Resnet101 = "resnet101",
        /// Basic blocks, as many a stage as `blocks` says.
        ResnetTiny = "resnet_tiny",
    }
}

impl Arch {
    /// Blocks a stage; `None` for `resnet_tiny`, where the configuration decides.
    pub fn blocks(self) -> Option<[usize; 4]> {
        match self {
            Self::Resnet18 => Some([2, 2, 2, 2]),
            Self::Resnet34 | Self::Resnet50 => Some([3, 4, 6, 3]),
            Self::Resnet101 => Some([3, 4, 23, 3]),
            Self::ResnetTiny => None,
        }
    }

    /// Output channels of a block over its width: 4 for bottleneck blocks, 1 for basic ones.
    pub fn expansion(self) -> usize {
        match self {
            Self::Resnet50 | Self::Resnet101 => 4,
            Self::Resnet18 | Self::Resnet34 | Self::ResnetTiny => 1,
        }
    }
}

crate::choices! {
    /// The first layers of the backbone.
    Stem {
        /// 3x3 convolution with stride 1, no pooling: for images up to about 64 pixels.
        Cifar = "cifar",
        /// 7x7 convolution with stride 2 and 3x3 max pooling with stride 2.
        Imagenet = "imagenet",
    }
}

crate::choices! {
    /// How the learning rate falls.
    Schedule {
        /// By a cosine, every step.
        Step = "step",
        /// By a cosine, every epoch, as the authors' code.
        Epoch = "epoch",
        /// To a tenth at each of some epochs.
        Milestones = "milestones",
    }
}

crate::choices! {
    /// How gradients move weights.
    Optimizer {
        /// SGD with momentum.
        Sgd = "sgd",
        /// The same, with the gradient of every tensor scaled to its length (You et al. 2017).
        Lars = "lars",
    }
}

crate::choices! {
    /// Which part of an image is evaluated.
    EvalCrop {
        /// The largest square at its centre.
        Square = "square",
        /// The middle of it: torchvision's `Resize(256)` and `CenterCrop(224)` for views of 224 pixels.
        Center = "center",
    }
}

crate::choices! {
    /// Number format of activations and their gradients on the GPU. Arithmetic and everything else is in f32.
    Precision {
        /// 32-bit floats.
        F32 = "f32",
        /// 16-bit floats, with dynamic loss scaling.
        F16 = "f16",
    }
}

crate::section! {
    /// Section `[data]`.
    DataConfig = "data" {
        /// Where the images come from: demo, a folder, or KIND:PATH (folder, idx, cifar10, cifar100, stl10, pack, parquet).
        source: String = String::new(),
        /// Use only this many training images, the first ones, or of files evenly spread ones; 0 is all.
        limit_train: usize = 0,
        /// Use only this many test images, as limit_train; 0 is all.
        limit_test: usize = 0,
        /// Side in pixels of the square views that the network sees, 1 to 4096.
        image_size: usize = 32,
        /// Largest part of the images that may be unreadable, 0 to 1, and of small sets up to three files; those are left out; 0 allows none.
        max_unreadable: f64 = 0.01,
        /// Part of the images of a labelled folder without test images that is held out to test on, 0 (none) to 0.5. Which ones follows from their contents.
        holdout: f64 = 0.0,
        /// Colour behind images with transparency: white, gray, black or #rrggbb; dropped shows what files hide under transparent pixels.
        background: Background = Background::WHITE,
        /// Value that is white in images with 16 bits a channel, 1 to 65535 (default: 65535, and a set whose values stay below half of that is refused).
        white_level: Option<usize> = None,
        /// Table with the class of each file of a folder (CSV: file and label); without one metadata.csv and labels.csv in the folder are looked at; none: no table.
        labels: String = String::new(),
        /// Part of an image that kNN, classifiers and features see: square (the largest square) or center (as torchvision's Resize(256) and CenterCrop(224): 7/8 of it).
        eval_crop: EvalCrop = EvalCrop::Square,
        /// Threads that decode images; 0 is all cores but one.
        threads: usize = 0,
    }
}

crate::section! {
    /// Section `[model]`.
    ModelConfig = "model" {
        /// Backbone: resnet18, resnet34, resnet50, resnet101 or resnet_tiny.
        arch: Arch = Arch::Resnet18,
        /// Blocks a stage, for resnet_tiny: 1 to 6 stages, each twice as wide as the one before (empty: [1, 1, 1, 1]).
        blocks: Vec<usize> = Vec::new(),
        /// Channels of the first stage, 1 to 4096 (64 in the ResNet paper).
        width: usize = 64,
        /// First layers: cifar (3x3, no pooling) or imagenet (7x7 stride 2, max pooling).
        stem: Stem = Stem::Cifar,
        /// Layers of the projector: 3 as in the paper, or 2 as in its App. D for CIFAR.
        projector_layers: usize = 3,
        /// Width of the projector's hidden layers (default: the backbone's feature width, as the authors' code).
        projector_hidden: Option<usize> = None,
        /// Width d of the projector's and predictor's outputs, at least 2 (paper: 2048).
        dim: usize = 2048,
        /// Whether the projector's output batch normalisation has a trained scale and shift (paper: yes; authors' code: no).
        output_affine: bool = true,
        /// Width of the predictor's hidden layer (default: dim / 4, the paper's bottleneck).
        predictor_dim: Option<usize> = None,
    }
}

impl ModelConfig {
    /// Blocks of every stage, from `arch` or `blocks`.
    pub fn blocks(&self) -> Vec<usize> {
        match self.arch.blocks() {
            // A wrong list is kept as it is, for `validate` to refuse.
            _ if !self.blocks.is_empty() => self.blocks.clone(),
            Some(blocks) => blocks.to_vec(),
            None => vec![1, 1, 1, 1],
        }
    }

    /// Channels that the backbone gives an image after pooling: the last stage's output.
    pub fn feature_width(&self) -> usize {
        let doublings = u32::try_from(self.blocks().len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.width.saturating_mul(2_usize.saturating_pow(doublings)).saturating_mul(self.arch.expansion())
    }

    /// Width of the projector's hidden layers.
    pub fn projector_hidden(&self) -> usize {
        self.projector_hidden.unwrap_or_else(|| self.feature_width())
    }

    /// Width of the predictor's hidden layer.
    pub fn predictor_dim(&self) -> usize {
        self.predictor_dim.unwrap_or((self.dim / 4).max(1))
    }
}

crate::section! {
    /// Section `[optim]`.
    OptimConfig = "optim" {
        /// Optimiser: sgd, or lars, which scales the gradient of every tensor to the tensor's length (for batches of thousands).
        optimizer: Optimizer = Optimizer::Sgd,
        /// Trust coefficient of lars, above 0 (SimCLR, BYOL: 0.001).
        lars_trust: f64 = 0.001,
        /// Whether biases and the scales and shifts of batch norms are left out of weight decay and lars (SimCLR, BYOL: yes; SimSiam: no).
        exclude_norms: bool = false,
        /// Base learning rate, 0 or more; the rate used is this times batch_size / 256 (paper §3: 0.05).
        lr: f64 = 0.05,
        /// How the rate falls: by a cosine to zero that moves it every step, or every epoch as the authors' code, or to a tenth at milestones.
        schedule: Schedule = Schedule::Step,
        /// Epochs, counted from 0, with which the rate falls to a tenth where schedule is milestones (MoCo v1: [120, 160] of 200).
        milestones: Vec<usize> = Vec::new(),
        /// Momentum of SGD, 0 to below 1.
        momentum: f64 = 0.9,
        /// Weight decay on every trained parameter, 0 or more (paper: 1e-4 on ImageNet, 5e-4 on CIFAR).
        weight_decay: f64 = 1e-4,
        /// Passes over the training images, at least 1.
        epochs: usize = 100,
        /// Images a step, at least 2; both views of each are used.
        batch_size: usize = 256,
        /// Whether several ranks (`mpirun -n N`) normalise their batch together, as the paper's GPUs; off, each rank normalises its part by itself.
        sync_batch_norm: bool = true,
        /// Whether the predictor's rate stays at its start instead of following the cosine (paper Table 1c).
        fixed_predictor_lr: bool = true,
        /// Epochs over which the rate first rises linearly from 0, fewer than epochs (paper: 0, or 10 from batch 1024 on).
        warmup_epochs: usize = 0,
    }
}

crate::section! {
    /// Section `[run]`.
    RunConfig = "run" {
        /// Seed of every random number, 0 to 2^63 - 1.
        seed: u64 = 0,
        /// Number format of activations and their gradients on the GPU: f32, or f16 for about half the memory where the adapter has it.
        precision: Precision = Precision::F32,
        /// Device memory that the run may take, such as 4GiB, or none: where it needs more, activation checkpointing saves memory for time, with the same results.
        memory: MemoryLimit = MemoryLimit(None),
        /// Keep a checkpoint every N epochs; 0 keeps only the last.
        checkpoint_every: usize = 0,
        /// Of those checkpoints, keep only the newest N and the one of best kNN accuracy; 0 keeps all.
        keep: usize = 0,
        /// Seconds that a rank of several (`mpirun -n N`) waits for the others before it ends the job, at least 1.
        rank_timeout: u64 = 300,
        /// Keep the run's numbers as events for TensorBoard too, in the run's folder.
        tensorboard: bool = true,
        /// Classify the test images by kNN every N epochs and before the first; 0 is never.
        knn_every: usize = 1,
        /// Neighbours that vote (not stated in the paper; 200 in MoCo's CIFAR demo); at most all training images vote.
        knn_k: usize = 200,
        /// Temperature of the vote exp(similarity / t), 0.015 or more (not stated in the paper; 0.1 in MoCo's CIFAR demo).
        knn_temperature: f64 = 0.1,
    }
}

impl RunConfig {
    /// Neighbours that vote among `train_len` images: `knn_k`, or all where there are fewer.
    pub fn neighbours(&self, train_len: usize) -> usize {
        self.knn_k.min(train_len)
    }
}
