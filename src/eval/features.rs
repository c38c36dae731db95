//! Features: what a network makes of images, batch after batch. Batch norm uses the running statistics, so that an image's features do
//! not depend on which others are in its batch.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::EvalError;
use crate::augment::{Feed, Loader, Pace, ViewGroup, ViewOptions, Views, views};
use crate::config::{Config, EvalCrop};
use crate::data::ImageSet;
use crate::gpu::Gpu;
use crate::graph::{Choices, Graph, Program, Store, Tensor};
use crate::method;
use crate::model::Parameters;
use crate::ops;

/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

/// A part of the network whose output is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The ResNet after global average pooling: what is used after the training.
    Backbone,
    /// The projector on top of it, z: what the loss compares.
    Projector,
}

impl Output {
    /// Both.
    pub const ALL: [Output; 2] = [Output::Backbone, Output::Projector];

    /// For people and files.
    pub fn name(self) -> &'static str {
        match self {
            Output::Backbone => "backbone",
            Output::Projector => "projector",
        }
    }
}

/// Which features of which images.
#[derive(Debug, Clone, Copy)]
pub struct FeatureSpec<'a> {
    /// Width and height of the images, where all share them.
    pub one_size: Option<(u32, u32)>,
    /// Images at once.
    pub batch: usize,
    /// Outputs of the network.
    pub outputs: &'a [Output],
    /// Whether they are scaled to length 1.
    pub unit: bool,
    /// Whether views may be augmented as in the run's training, for [`Features::loader_of`].
    pub augmented: bool,
}

impl<'a> FeatureSpec<'a> {
    /// These outputs for `batch` images at once, as they are evaluated and as the network makes them.
    pub fn new(one_size: Option<(u32, u32)>, batch: usize, outputs: &'a [Output]) -> FeatureSpec<'a> {
        FeatureSpec { one_size, batch, outputs, unit: false, augmented: false }
    }

    /// The same scaled to length 1.
    pub fn unit(self) -> FeatureSpec<'a> {
        FeatureSpec { unit: true, ..self }
    }
}

/// How features are computed, before anything is allocated.
#[derive(Debug, Clone)]
pub struct FeaturePlan {
    graph: Graph,
    feed: Feed,
    /// `[batch, width]` each.
    outputs: Vec<Tensor>,
    batch: usize,
    /// Side of the views.
    size: usize,
    /// Which part of an image they show.
    crop: EvalCrop,
    /// Part of the images that may be unreadable.
    unreadable: f64,
    pace: Pace,
}

impl FeaturePlan {
    /// Features that the network of a configuration makes.
    pub fn new(config: &Config, parameters: &mut Parameters, spec: &FeatureSpec) -> Result<FeaturePlan, EvalError> {
        let FeatureSpec { one_size, outputs, unit, augmented, .. } = *spec;
        let options = match augmented {
            true => ViewOptions::of_group(&ViewGroup::new(config, &[0, 1])),
            false => ViewOptions::evaluation(&config.augment),
        };
        let batch = spec.batch.max(1);
        let mut graph = Graph::new();
        let size = config.data.image_size;
        let feed = Feed::streamed(&mut graph, one_size, &[ViewGroup::new(config, &[0])], batch);
        let images = views(&mut graph, feed.bytes, feed.tables[0], size, &options)?;
        let projector = outputs.contains(&Output::Projector);
        let network = method::evaluation(&mut graph, images, config, parameters, projector)?;
        let mut tensors = Vec::new();
        for output in outputs {
            let mut tensor = match output {
                Output::Backbone => network.features,
                Output::Projector => network.z.unwrap_or(network.features),
            };
            if unit {
                let eps = NORMALIZE_EPS;
                tensor = graph.add_one(ops::L2Normalize { eps }, &[tensor])?;
                graph.keep(tensor);
            }
            tensors.push(tensor);
        }
        Ok(FeaturePlan {
            graph,
            feed,
            outputs: tensors,
            batch,
            size,
            crop: config.data.eval_crop,
            unreadable: config.data.max_unreadable,
            pace: Pace::new(config, batch),
        })
    }

    /// What is replayed for every batch.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Images at once.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Batches that hold all images of a set.
    pub fn batches(&self, set: &dyn ImageSet) -> usize {
        set.len().div_ceil(self.batch)
    }

    /// Features an image, of the output with this place in the list.
    pub fn width(&self, output: usize) -> usize {
        self.graph.shape(self.outputs[output]).channels()
    }

    /// See [`Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.graph.choose(choices);
    }

    /// Compiles it; the network's state is that of `store`.
    pub fn compile(self, store: &mut Store) -> Result<Features, EvalError> {
        Ok(Features {
            program: Program::compile(&self.graph, store)?,
            gpu: store.gpu().clone(),
            plan: self,
            remarks: BTreeMap::new(),
        })
    }
}

/// Features on the host: of the images of a set that can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// Features an image.
    pub width: usize,
    /// The image of each row, rising.
    pub images: Vec<u32>,
    /// Row after row.
    pub values: Vec<f32>,
}

impl FeatureTable {
    /// The features of one image.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The rows from `row` on, which are no longer in this table.
    pub fn split_off(&mut self, row: usize) -> FeatureTable {
        let (images, values) = (self.images.split_off(row), self.values.split_off(row * self.width));
        FeatureTable { width: self.width, images, values }
    }
}

/// A network that makes features on a device.
pub struct Features {
    gpu: Gpu,
    plan: FeaturePlan,
    program: Program,
    /// Images that could not be read, and whether that has been reported.
    remarks: BTreeMap<String, bool>,
}

impl Features {
    /// How they are computed.
    pub fn plan(&self) -> &FeaturePlan {
        &self.plan
    }

    /// See [`crate::gpu::Plan::bound_submits`].
    pub fn bound_submits(&mut self, longest: Duration) {
        self.program.plan().bound_submits(longest);
    }

    /// All images of a set, as they are evaluated.
    pub fn loader(&self, set: &Arc<dyn ImageSet>) -> Loader {
        self.loader_of_part(set, 0..set.len())
    }

    /// Places `range` of the requested images of a set, one view an image; cropped and flipped at the most, unless the plan is
    /// [augmented](FeatureSpec::augmented).
    pub fn loader_of(&self, set: &Arc<dyn ImageSet>, views: Views, range: Range<u64>) -> Loader {
        let FeaturePlan { unreadable, pace, .. } = self.plan;
        Loader::new(set.clone(), views, unreadable, pace, range)
    }

    /// Computes the features of the next images, and says which these are: none at the end. In the place of one that cannot be read is
    /// the next that can.
    pub fn next(&mut self, loader: &mut Loader) -> Result<Vec<u32>, EvalError> {
        let batch = loader.next_batch(self.plan.batch);
        for remark in loader.remarks() {
            self.remarks.entry(remark).or_insert(false);
        }
        let batch = batch?;
        if !batch.images.is_empty() {
            self.plan.feed.write(&self.program, &batch);
            self.program.run(None)?;
        }
        Ok(batch.images)
    }

    /// The same where the images come in time: while they are waited for `go_on` is asked; `None` where it said no.
    pub fn next_while(
        &mut self,
        loader: &mut Loader,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<u32>>, EvalError> {
        match loader.wait(self.plan.batch, go_on) {
            true => self.next(loader).map(Some),
            false => Ok(None),
        }
    }

    /// Loads the images of a range.
    pub fn loader_of_part(&self, set: &Arc<dyn ImageSet>, images: Range<usize>) -> Loader {
        let views = Views::Evaluation { size: self.plan.size, crop: self.plan.crop };
        self.loader_of(set, views, images.start as u64..images.end as u64)
    }

    /// Copies `rows` of an output, on the device, to those from `to` on of an input of another program.
    pub fn copy(&self, output: usize, rows: Range<usize>, program: &Program, input: Tensor, to: usize) {
        let output = self.plan.outputs[output];
        let (Some(source), Some(target)) = (self.program.binding(output), program.binding(input)) else {
            return; // cannot be: both are used
        };
        let width = self.plan.graph.shape(output).stored_channels();
        target.buffer.copy_from(
            &self.gpu,
            target.offset + to * width,
            &source.buffer,
            source.offset + rows.start * width,
            rows.len() * width,
        );
    }

    /// An output of the images that [`Features::next`] said, row after row.
    pub fn read(&self, output: usize) -> Result<Vec<f32>, EvalError> {
        Ok(self.program.read(self.plan.outputs[output])?)
    }

    /// The first output for all images of a set that can be read. `go_on` is asked after every batch; `None` where it said no.
    pub fn table(
        &mut self,
        set: &Arc<dyn ImageSet>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<FeatureTable>, EvalError> {
        let width = self.plan.width(0);
        let mut table = FeatureTable {
            width,
            images: Vec::with_capacity(set.len()),
            values: Vec::with_capacity(set.len() * width),
        };
        let mut loader = self.loader(set);
        let mut place = 0;
        loop {
            let images = self.next(&mut loader)?;
            if images.is_empty() {
                return Ok(Some(table));
            }
            let values = self.program.read(self.plan.outputs[0])?;
            for (&image, row) in images.iter().zip(values.chunks_exact(width)) {
                // Another than its place says is only there because that one could not be read.
                if image == place {
                    if !row.iter().all(|value| value.is_finite()) {
                        return Err(EvalError::NotFinite { image });
                    }
                    table.images.push(image);
                    table.values.extend_from_slice(row);
                }
                place += 1;
            }
            if !go_on() {
                return Ok(None);
            }
        }
    }

    /// What is wrong with images that could not be read, each reported once.
    pub fn remarks(&mut self) -> Vec<String> {
        let new = self.remarks.iter_mut().filter(|(_, reported)| !**reported);
        new.map(|(remark, reported)| {
            *reported = true;
            remark.clone()
        })
        .collect()
    }
}
