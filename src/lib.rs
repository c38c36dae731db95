//! Self-supervised representation learning from scratch on any GPU that wgpu reaches: SimSiam (Chen & He, "Exploring Simple Siamese
//! Representation Learning", 2020) and the methods it is compared with: SimCLR, MoCo, BYOL and SwAV. Every forward and backward pass, the
//! losses, the optimisers, the augmentations and the evaluation are WGSL compute shaders.
//!
//! One batch through the code:
//!
//! ```text
//! data::Dataset ─ images ─┐                 patches
//!                         ├─ augment::Loader ─ and ─ augment::views ─ views ─ model (encoder, heads)
//! augment::draws ─────────┘                  table                                    │
//!                                                                             method (loss, state)
//!                                                                                         │
//!                            cli, app ─ train::Event ─ readback ─ optimiser ─ gradients ──────┘
//! ```
//!
//! Images are decoded and cut ahead of the device by threads of the host; small data sets lie on the device as a whole, and a step brings
//! only its table.
//!
//! The same through the library, on images of one's own:
//!
//! ```
//! use std::sync::{Arc, mpsc};
//! use simsiam::{config::Config, data::{Dataset, Images}, gpu::{Gpu, GpuOptions}, train::{Event, TrainPlan, Trainer}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Gray images of 16x16 pixels, without labels.
//! let pixels = |count: usize| (0..count * 256).map(|i| (i * i / 7) as u8).collect();
//! let images = |count| Images::new(16, 16, 1, pixels(count), None).map(Arc::new);
//! let data = Dataset::new(images(64)?, images(16)?);
//!
//! let mut config = Config::preset("demo")?;
//! for assignment in ["data.image_size=16", "model.width=4", "model.dim=32", "optim.batch_size=16", "optim.epochs=1"] {
//!     config.set(assignment)?;
//! }
//! let gpu = Gpu::open(None, GpuOptions::default())?;
//! let plan = TrainPlan::new(&gpu, &config.resolved(), Arc::new(data))?;
//! let (_commands, inbox) = mpsc::channel(); // pause, stop, save: from another thread
//! let mut losses = Vec::new();
//! Trainer::new(plan, None)?.run(&inbox, &mut |event| {
//!     if let Event::Step(step) = event {
//!         losses.push(step.readings.get("loss"));
//!     }
//! })?;
//! assert_eq!(losses.len(), 4);
//! # Ok(())
//! # }
//! ```
//!
//! A step is recorded once and replayed: shapes are static, so a [`graph::Graph`] is differentiated, what need not be kept for
//! the backward pass is made again there, memory is planned by liveness, kernels are compiled and bound, and from then on a step
//! is one replay of the recorded [`gpu::Plan`]. What changes from step to step (learning rates, the batch's patches and draws) lies
//! in buffers that the host writes.
//!
//! One metric through the code, say the output std: `method::watch` adds its tensor to the step and declares it as a [`method::Metric`] (name,
//! tensor, how often it is read, healthy level, how it is drawn); `method::training_step` lists it; `train::metrics::step_metrics` reads the tensor
//! back; [`train::Readings`] carry the number in [`train::Event`]s; [`train::MetricsFile`] writes it under its name and
//! [`train::MetricsReader`] reads it again for [`train::History`]; `experiment::report::curves` and the window's `app::widgets::chart` draw
//! it as it was declared. A method adds one of its own with [`method::StepBuilder::measure`], and none of these files changes.
//!
//! One gradient through the code, say of a convolution's weight: `model::Builder` adds the node [`ops::Conv2d`]; [`method::training_step`] asks
//! [`graph::Graph::gradients`], which walks the nodes backwards and asks each operator's [`graph::Op::gradient`]; that of the convolution adds
//! a node `ops::Conv2dGradWeight`, whose kernels are in `shaders/conv/`; `method::optimizer` places its output in the arena of
//! gradients at the parameter's offset, where [`ops::Sgd`] reads it. Every rule is held against finite differences by `tests/kernels.rs` and
//! against PyTorch by `tests/operators*.rs` and `tests/model.rs`.
//!
//! Modules, from the ground up; arrows point down only:
//!
//! - [`gpu`]: the only place that knows wgpu: adapters, shaders, pipelines, buffers, recorded plans, readback.
//! - [`ranks`]: several processes that train one network, and what they exchange.
//! - [`graph`]: what is computed: tensors, nodes, gradients, memory planning, programs; which kernels are fastest.
//! - [`ops`]: how one node runs: shape rule, gradient rule, kernels, CPU reference.
//! - [`mod@format`]: numbers as people read them.
//! - [`random`]: counter-based random numbers; [`hash`]: names as numbers that are kept; [`regular`]: files that anyone may have made.
//! - [`config`]: one configuration: file, flags and form are views of it.
//! - [`data`]: sources of images: reading them one by one, checking, fetching, packing.
//! - [`augment`]: what is drawn at random, the loader that makes it ready, and the nodes that apply it.
//! - [`model`]: the networks.
//! - [`method`]: the trait of a self-supervised method, a file a method, and the step that all share. [`config`] asks it which keys
//!   `[method]` has: the one place where an arrow points up.
//! - [`eval`]: what a network has learnt: kNN, linear classifiers, fine-tuning, features as files and maps.
//! - [`picture`]: pictures for people: what the network sees, what a data set holds, how runs went.
//! - [`view_sheet`]: the views of a training, made on the device and laid out as a picture.
//! - [`train`]: the loop, its events and commands, the run folder.
//! - [`export`]: what has been learnt, for other programs: weights out and in, ONNX.
//! - [`experiment`]: the paper's comparisons as data, and reports of runs.
//! - `app`: the window, with the feature of that name (default); the command line is in the program itself.
//!
//! Programs to start from are in `examples/`: `train_your_own_data`, `embed_and_search`, `watch_a_run`, `add_a_kernel`, `add_a_method`.

#[cfg(feature = "app")]
pub mod app;
mod atomic;
pub mod augment;
pub mod config;
pub mod data;
pub mod error;
pub mod eval;
pub mod experiment;
pub mod export;
pub mod format;
pub mod gpu;
pub mod graph;
pub mod hash;
pub mod method;
pub mod model;
#[cfg(test)]
mod mutation;
pub mod ops;
pub mod paths;
pub mod picture;
pub mod random;
pub mod ranks;
pub mod regular;
mod table_file;
mod tensor_file;
pub mod train;
pub mod view_sheet;
