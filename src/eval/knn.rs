//! Classification of the test images by their nearest training images in feature space: the monitor of training without labels.
//!
//! Backbone features in evaluation mode, scaled to unit length; the `k` training images of largest cosine similarity vote for their
//! class with weight exp(similarity / temperature) (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
//! Discrimination", §3.4). The bank of training features stays on the device; only votes come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::augment::{Feed, Loader, Pace, ViewOptions, Views, views};
use crate::config::Config;
use crate::data::{DataError, Dataset, ImageSet};
use crate::gpu::{Binding, Gpu, GpuError};
use crate::graph::tune::Work;
use crate::graph::{Choices, Graph, GraphError, Memory, Program, Shape, Store, Target, Tensor};
use crate::method::simsiam;
use crate::model::Parameters;
use crate::ops;

/// Largest table of similarities, in words: more queries at once would only take memory.
const SIMILARITY_WORDS: usize = 16 << 20;
/// `F.normalize`'s default.
const NORMALIZE_EPS: f32 = 1e-12;

/// An evaluation that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The features of the training images do not fit one binding.
    #[error(
        "kNN needs the features of {images} training images in {needs} MiB and this adapter binds at most {limit} MiB at once: set \
         run.knn_every = 0 or a smaller data.limit_train"
    )]
    BankTooLarge {
        /// Training images.
        images: usize,
        /// MiB needed.
        needs: u64,
        /// MiB the adapter binds.
        limit: u64,
    },
    /// From below.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// From below.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// What kNN would need and the data lacks; `None` where it has all of it.
pub fn missing(data: &Dataset) -> Option<&'static str> {
    if data.test.is_empty() {
        return Some("test images");
    }
    match (data.bank().labels(), data.test.labels()) {
        (None | Some([]), _) => Some("labels"),
        (_, None) => Some("labels of the test images"),
        _ => None,
    }
}

/// What kNN computes, before anything is allocated: features of a batch of images, and the vote for some queries.
#[derive(Debug, Clone)]
pub struct KnnPlan {
    features: Graph,
    feed: Feed,
    /// Features of unit length `[batch, F]`.
    unit: Tensor,
    batch: usize,
    vote: Graph,
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    votes: Tensor,
    /// Queries a vote.
    chunk: usize,
    classes: usize,
    /// Side of the views.
    size: usize,
    /// Part of the images that may be unreadable.
    unreadable: f64,
    pace: Pace,
}

impl KnnPlan {
    /// For the images of `data`, `batch` of them at once; `None` where labels or test images are missing.
    pub fn new(
        config: &Config,
        data: &Dataset,
        parameters: &mut Parameters,
        target: &Target,
        batch: usize,
    ) -> Result<Option<KnnPlan>, EvalError> {
        let (Some(train), Some(test)) = (data.bank().labels(), data.test.labels()) else {
            return Ok(None);
        };
        if train.is_empty() || test.is_empty() {
            return Ok(None);
        }
        let labelled = train
            .iter()
            .chain(test)
            .max()
            .map_or(0, |&l| l as usize + 1);
        let classes = labelled.max(data.classes.len());
        let batch = batch.clamp(1, train.len().max(test.len()));

        let mut features = Graph::new();
        let size = config.data.image_size;
        let one_size = data.bank().size().filter(|_| data.test.size().is_some());
        let feed = Feed::streamed(&mut features, one_size, batch, size);
        let options = ViewOptions::evaluation(&config.augment);
        let images = views(&mut features, feed.bytes, feed.table, size, &options)?;
        let network = simsiam::evaluation(&mut features, images, config, parameters, false)?;
        let eps = NORMALIZE_EPS;
        let unit = features.add_one(ops::L2Normalize { eps }, &[network.features])?;
        features.keep(unit);

        let width = features.shape(unit).channels();
        // A weight to the product: its rows are padded to a multiple of four, too.
        let bank_shape = Shape::weight([train.len(), width]);
        if bank_shape.stored_len() > target.max_words {
            return Err(EvalError::BankTooLarge {
                images: train.len(),
                needs: (bank_shape.stored_len() as u64 * 4) >> 20,
                limit: (target.max_words as u64 * 4) >> 20,
            });
        }
        let columns = train.len().next_multiple_of(4);
        let most = SIMILARITY_WORDS.min(target.max_words);
        let chunk = batch.min((most / columns).max(1));
        let mut vote = Graph::new();
        let bank = vote.input("kNN bank", bank_shape);
        let queries = vote.input("kNN queries", Shape::rows([chunk, width]));
        let labels = vote.input("kNN labels", Shape::rows([train.len()]));
        let similarity = vote.add_one(ops::MatmulTransposed, &[queries, bank])?;
        let op = ops::KnnVote {
            classes,
            k: config.run.neighbours(train.len()),
            temperature: config.run.knn_temperature as f32,
            bank: train.len(),
        };
        let votes = vote.add_one(op, &[similarity, labels])?;
        vote.keep(votes);
        Ok(Some(KnnPlan {
            features,
            feed,
            unit,
            batch,
            vote,
            queries,
            bank,
            labels,
            votes,
            chunk,
            classes,
            size,
            unreadable: config.data.max_unreadable,
            pace: Pace::new(config, batch),
        }))
    }

    /// What the features take, which take turns with training, and what the vote takes besides, without the network's
    /// parameters.
    pub fn memory(&self, target: &Target) -> Result<[Memory; 2], GraphError> {
        Ok([self.features.memory(target)?, self.vote.memory(target)?])
    }

    /// Its graphs, and how often they are replayed in `evaluations` classifications of `data`.
    pub fn work(&self, data: &Dataset, evaluations: u64) -> [Work<'_>; 2] {
        let batches = |images: &dyn ImageSet| images.len().div_ceil(self.batch) as u64;
        let votes = batches(&*data.test) * self.batch.div_ceil(self.chunk) as u64;
        [
            Work {
                graph: &self.features,
                runs: evaluations * (batches(&**data.bank()) + batches(&*data.test)),
            },
            Work {
                graph: &self.vote,
                runs: evaluations * votes,
            },
        ]
    }

    /// All images of a set, as they are evaluated.
    fn loader(&self, set: &Arc<dyn ImageSet>) -> Loader {
        Loader::new(
            set.clone(),
            Views::Evaluation,
            self.size,
            self.unreadable,
            self.pace,
            0..set.len() as u64,
        )
    }

    /// See [`Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.features.choose(choices);
        self.vote.choose(choices);
    }

    /// Compiles both graphs; the network's state is that of `store`.
    pub fn compile(self, store: &mut Store) -> Result<Knn, GraphError> {
        let features = Program::compile(&self.features, store)?;
        // A store of its own: the features must outlast the votes for them.
        let vote = Program::compile(&self.vote, &mut Store::new(store.gpu()))?;
        Ok(Knn {
            gpu: store.gpu().clone(),
            remarks: BTreeMap::new(),
            plan: self,
            features,
            vote,
        })
    }
}

/// kNN on a device.
pub struct Knn {
    gpu: Gpu,
    plan: KnnPlan,
    features: Program,
    vote: Program,
    /// Images that could not be read, and whether that has been told.
    remarks: BTreeMap<String, bool>,
}

impl Knn {
    /// Share of all readable test images whose class wins the vote, with the network as it is in the store. Of classes with equally many
    /// votes the lowest wins. `go_on` is asked after every batch; `None` where it said no.
    pub fn top1(
        &mut self,
        data: &Dataset,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, EvalError> {
        let (plan, gpu) = (&self.plan, &self.gpu);
        let (Some(unit), Some(bank), Some(queries)) = (
            self.features.binding(plan.unit).cloned(),
            self.vote.binding(plan.bank).cloned(),
            self.vote.binding(plan.queries).cloned(),
        ) else {
            return Ok(None); // cannot be: all three are used
        };
        let width = plan.features.shape(plan.unit).stored_channels();
        let set = data.bank();
        let labels = set.labels().unwrap_or_default();
        let mut voters = Vec::with_capacity(set.len());
        let mut loader = plan.loader(set);
        for start in (0..set.len()).step_by(plan.batch) {
            let images = run_batch(plan, &mut self.features, &mut loader)?;
            copy_rows(gpu, &unit, 0, &bank, start, images.len(), width);
            let label = |&image: &u32| labels.get(image as usize).map_or(0.0, |&l| l as f32);
            voters.extend(images.iter().map(label));
            if !go_on() {
                return Ok(None);
            }
        }
        note(&mut self.remarks, &loader);
        self.vote.write(plan.labels, &voters);
        let mut readback = self.vote.readback(&[plan.votes]);
        let (mut correct, mut of) = (0_usize, 0_usize);
        let labels = data.test.labels().unwrap_or_default();
        // The image that each query is of: another than its place says where that one could not be read.
        let mut queried: Vec<u32> = Vec::with_capacity(data.test.len());
        // A tag says which queries a vote was for: the first in its upper half, how many in its lower.
        let stored = plan.vote.shape(plan.votes).stored_channels();
        let mut count = |tag: u64, votes: &[Vec<f32>], queried: &[u32]| {
            let (first, rows) = ((tag >> 32) as usize, tag as u32 as usize);
            for (row, votes) in votes
                .iter()
                .flat_map(|v| v.chunks_exact(stored))
                .take(rows)
                .enumerate()
            {
                let place = first + row;
                if queried[place] as usize == place {
                    of += 1;
                    let class = winner(&votes[..plan.classes]) as u32;
                    correct += usize::from(labels.get(place) == Some(&class));
                }
            }
        };
        let mut loader = plan.loader(&data.test);
        for start in (0..data.test.len()).step_by(plan.batch) {
            let images = run_batch(plan, &mut self.features, &mut loader)?;
            let rows = images.len();
            queried.extend(images);
            for part in (0..rows).step_by(plan.chunk) {
                let rows = plan.chunk.min(rows - part);
                copy_rows(gpu, &unit, part, &queries, 0, rows, width);
                let tag = ((start + part) as u64) << 32 | rows as u64;
                self.vote.run(Some((&mut readback, tag)))?;
                while let Some((tag, votes)) = readback.poll()? {
                    count(tag, &votes, &queried);
                }
            }
            if !go_on() {
                return Ok(None);
            }
        }
        while let Some((tag, votes)) = readback.wait()? {
            count(tag, &votes, &queried);
        }
        note(&mut self.remarks, &loader);
        Ok(Some(correct as f64 / of.max(1) as f64))
    }

    /// What is wrong with images that could not be read, each told once.
    pub fn remarks(&mut self) -> Vec<String> {
        let new = self.remarks.iter_mut().filter(|(_, told)| !**told);
        new.map(|(remark, told)| {
            *told = true;
            remark.clone()
        })
        .collect()
    }
}

fn note(remarks: &mut BTreeMap<String, bool>, loader: &Loader) {
    for remark in loader.remarks() {
        remarks.entry(remark).or_insert(false);
    }
}

/// Computes the features of the next images, and says which these are.
fn run_batch(
    plan: &KnnPlan,
    program: &mut Program,
    loader: &mut Loader,
) -> Result<Vec<u32>, EvalError> {
    let batch = loader.next_batch(plan.batch)?;
    plan.feed.write(program, &batch);
    program.run(None)?;
    Ok(batch.images)
}

/// Copies `rows` rows of `width` words, from row `from` on to row `to` on.
fn copy_rows(
    gpu: &Gpu,
    source: &Binding,
    from: usize,
    target: &Binding,
    to: usize,
    rows: usize,
    width: usize,
) {
    target.buffer.copy_from(
        gpu,
        target.offset + to * width,
        &source.buffer,
        source.offset + from * width,
        rows * width,
    );
}

/// The class of most votes; the lowest of equals.
fn winner(votes: &[f32]) -> usize {
    votes
        .iter()
        .enumerate()
        .fold(0, |best, (i, v)| if *v > votes[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::winner;

    #[test]
    fn the_lowest_of_equals_wins() {
        assert_eq!(winner(&[0.0, 2.0, 1.0, 2.0]), 1);
        assert_eq!(winner(&[0.0, 0.0]), 0);
    }
}
