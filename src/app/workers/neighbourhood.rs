//! The neighbours of a test image under the newest checkpoint of a run: features of both sets are made once a checkpoint, and kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use image::RgbImage;

use super::resource_cache::ResourceCache;
use super::worker::{Wake, Worker};
use crate::data::{Dataset, ImageSet, Subset};
use crate::eval::{FeaturePlan, FeatureSpec, FeatureTable, Neighbour, Output, nearest};
use crate::gpu::{Gpu, Plan};
use crate::graph::Store;
use crate::model::Parameters;
use crate::picture::{reduced, rgb};
use crate::train::RunFolder;

/// Images of a set that are looked at, on a GPU and on a software driver: spread evenly, so that a large set has all classes.
const MOST: [usize; 2] = [20_000, 3_000];
/// Test images to choose from.
const TESTS: usize = 500;
/// Images at once.
const BATCH: usize = 128;
/// Side in pixels of the pictures.
const SIDE: u32 = 192;

/// The image whose neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Query {
    /// By its place in the list of test images.
    Test(usize),
    /// One that was a neighbour, by its number in the set that is searched.
    Training(u32),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::app) struct NeighbourQuestion {
    /// The run.
    pub folder: PathBuf,
    /// When its newest checkpoint was written.
    pub written: SystemTime,
    pub query: Query,
    pub count: usize,
    pub device: Option<String>,
}

/// An image with its name and class.
pub(in crate::app) struct ShownImage {
    pub picture: RgbImage,
    /// Its number in its set.
    pub number: u32,
    pub name: String,
    pub class: Option<String>,
}

/// An image and those that are nearest to it.
pub(in crate::app) struct Neighbourhood {
    pub image: ShownImage,
    pub neighbours: Vec<(ShownImage, f32)>,
    /// Epochs of the network.
    pub epoch: u64,
    /// Test images to choose from.
    pub tests: usize,
    /// Images among which neighbours are looked for, and those that there are.
    pub bank: [usize; 2],
}

/// The question with its answer, or why there is none.
pub(in crate::app) type NeighbourAnswer = (NeighbourQuestion, Result<Neighbourhood, String>);

/// What is kept of a checkpoint.
struct CheckpointFeatures {
    of: (PathBuf, SystemTime),
    epoch: u64,
    dataset: Arc<Dataset>,
    bank: (Arc<dyn ImageSet>, FeatureTable),
    test: (Arc<dyn ImageSet>, FeatureTable),
}

/// When the newest checkpoint of a run was written; `None` where there is none.
pub(in crate::app) fn written(folder: &Path) -> Option<SystemTime> {
    let last = RunFolder::newest_checkpoint(folder);
    last.metadata().and_then(|meta| meta.modified()).ok()
}

/// The thread that looks.
pub(in crate::app) fn worker(resources: ResourceCache, wake: Wake) -> Worker<NeighbourQuestion, NeighbourAnswer> {
    let mut kept = None;
    Worker::new("neighbours", wake, move |question: NeighbourQuestion, stale| {
        let answer = find(&resources, &question, &mut kept, stale).map_err(|e| format!("{e:#}"));
        let answer = answer.transpose()?;
        Some((question, answer))
    })
}

fn find(
    resources: &ResourceCache,
    question: &NeighbourQuestion,
    kept: &mut Option<CheckpointFeatures>,
    stale: &dyn Fn() -> bool,
) -> anyhow::Result<Option<Neighbourhood>> {
    let of = (question.folder.clone(), question.written);
    if kept.as_ref().is_none_or(|kept| kept.of != of) {
        *kept = None;
        *kept = compute(resources, question, of, stale)?;
    }
    let Some(kept) = kept else {
        return Ok(None);
    };
    let (bank, test) = (&kept.bank, &kept.test);
    let tests = test.1.images.len();
    anyhow::ensure!(tests > 0, "none of the test images can be read");
    let classes = &kept.dataset.classes;
    let trained = match question.query {
        Query::Training(number) => bank.1.images.iter().position(|image| *image == number),
        Query::Test(_) => None,
    };
    let (set, table, row) = match (question.query, trained) {
        (_, Some(row)) => (&*bank.0, &bank.1, row),
        (Query::Test(place), None) => (&*test.0, &test.1, place.min(tests - 1)),
        (Query::Training(_), None) => (&*test.0, &test.1, 0),
    };
    let image = show(set, table.images[row], classes)?;
    // A training image, which is what is asked about where there are no test images, is among those that are searched.
    let asks_itself = trained.is_some() || kept.dataset.test.is_empty();
    let is_other = |found: &Neighbour| !(asks_itself && bank.0.name(found.image as usize) == image.name);
    let found = nearest(&bank.1, table.row(row), question.count + usize::from(asks_itself));
    let found = found.into_iter().filter(is_other).take(question.count);
    let shown = |found: Neighbour| Ok::<_, anyhow::Error>((show(&*bank.0, found.image, classes)?, found.similarity));
    let neighbours = found.map(shown).collect::<Result<_, _>>()?;
    Ok(Some(Neighbourhood {
        image,
        neighbours,
        epoch: kept.epoch,
        tests,
        bank: [bank.1.images.len(), kept.dataset.bank().len()],
    }))
}

/// Makes the features; `None` where they are no longer needed.
fn compute(
    resources: &ResourceCache,
    question: &NeighbourQuestion,
    of: (PathBuf, SystemTime),
    stale: &dyn Fn() -> bool,
) -> anyhow::Result<Option<CheckpointFeatures>> {
    let (config, checkpoint) = RunFolder::trained(&question.folder, None)?;
    let dataset = resources.dataset(&config)?;
    let gpu: Gpu = resources.gpu(question.device.as_deref())?;
    let most = MOST[usize::from(gpu.is_software())];
    let part = |set: &Arc<dyn ImageSet>, most: usize| match set.len() > most {
        true => Subset::spread(set.clone(), most),
        false => set.clone(),
    };
    let bank = part(dataset.bank(), most);
    // Without test images, training images are the queries.
    let test = match dataset.test.is_empty() {
        true => part(&dataset.train, TESTS),
        false => part(&dataset.test, TESTS),
    };
    let mut parameters = Parameters::new();
    let size = bank.size().filter(|_| test.size().is_some());
    let outputs = [Output::Backbone];
    let plan = FeaturePlan::new(&config, &mut parameters, &FeatureSpec::new(size, BATCH, &outputs).unit())?;
    let mut store = Store::new(&gpu);
    parameters.allocate_frozen(&mut store)?;
    parameters.write(&store, &checkpoint.weights(&parameters)?);
    let mut features = plan.compile(&mut store)?;
    if !gpu.is_software() {
        features.bound_submits(Plan::SHARED);
    }
    // A training image that is no longer needed is skipped: another run, or the end of the window.
    let mut go_on = || !stale();
    let Some(bank_table) = features.table(&bank, &mut go_on)? else {
        return Ok(None);
    };
    let Some(test_table) = features.table(&test, &mut go_on)? else {
        return Ok(None);
    };
    Ok(Some(CheckpointFeatures {
        of,
        epoch: checkpoint.epoch,
        dataset,
        bank: (bank, bank_table),
        test: (test, test_table),
    }))
}

fn show(set: &dyn ImageSet, image: u32, classes: &[String]) -> anyhow::Result<ShownImage> {
    let index = image as usize;
    let read = set.read(index)?;
    let picture = rgb(read.width, read.height, read.channels, &read.pixels);
    let label = set.labels().and_then(|labels| labels.get(index));
    Ok(ShownImage {
        picture: reduced(picture.unwrap_or_else(|| RgbImage::new(1, 1)), SIDE),
        number: image,
        name: set.name(index),
        class: label.and_then(|&label| classes.get(label as usize)).cloned(),
    })
}
