//! Classification of the test images by their nearest training images in feature space: the monitor of training without labels.
//!
//! Backbone features in evaluation mode, scaled to unit length; the `k` training images of largest cosine similarity vote for their
//! class with weight exp(similarity / temperature) (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
//! Discrimination", §3.4). The bank of training features stays on the device; only votes come back.

use crate::augment::{Feed, ViewDraws, ViewOptions, views};
use crate::config::Config;
use crate::data::{Dataset, Images};
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
    /// From below.
    #[error(transparent)]
    Gpu(#[from] GpuError),
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
        let (Some(train), Some(test)) = (&data.train.labels, &data.test.labels) else {
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
        let feed = Feed::streamed(&mut features, &data.train, batch, batch);
        let options = ViewOptions::evaluation(&config.augment);
        let size = config.data.image_size;
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
        }))
    }

    /// What the features take, which take turns with training, and what the vote takes besides, without the network's
    /// parameters.
    pub fn memory(&self, target: &Target) -> Result<[Memory; 2], GraphError> {
        Ok([self.features.memory(target)?, self.vote.memory(target)?])
    }

    /// Its graphs, and how often they are replayed in `evaluations` classifications of `data`.
    pub fn work(&self, data: &Dataset, evaluations: u64) -> [Work<'_>; 2] {
        let batches = |images: &Images| images.len().div_ceil(self.batch) as u64;
        let votes = batches(&data.test) * self.batch.div_ceil(self.chunk) as u64;
        [
            Work {
                graph: &self.features,
                runs: evaluations * (batches(&data.train) + batches(&data.test)),
            },
            Work {
                graph: &self.vote,
                runs: evaluations * votes,
            },
        ]
    }

    /// See [`Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.features.choose(choices);
        self.vote.choose(choices);
    }

    /// Compiles both graphs; the network's state is that of `store`.
    pub fn compile(self, store: &mut Store, data: &Dataset) -> Result<Knn, GraphError> {
        let features = Program::compile(&self.features, store)?;
        // A store of its own: the features must outlast the votes for them.
        let vote = Program::compile(&self.vote, &mut Store::new(store.gpu()))?;
        let labels = data.train.labels.iter().flatten();
        vote.write(self.labels, &labels.map(|&l| l as f32).collect::<Vec<_>>());
        Ok(Knn {
            gpu: store.gpu().clone(),
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
}

impl Knn {
    /// Share of all test images whose class wins the vote, with the network as it is in the store. Of classes with equally many
    /// votes the lowest wins. `go_on` is asked after every batch; `None` where it said no.
    pub fn top1(
        &mut self,
        data: &Dataset,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, GpuError> {
        let (plan, gpu) = (&self.plan, &self.gpu);
        let (Some(unit), Some(bank), Some(queries)) = (
            self.features.binding(plan.unit).cloned(),
            self.vote.binding(plan.bank).cloned(),
            self.vote.binding(plan.queries).cloned(),
        ) else {
            return Ok(None); // cannot be: all three are used
        };
        let width = plan.features.shape(plan.unit).stored_channels();
        for start in (0..data.train.len()).step_by(plan.batch) {
            let rows = run_batch(plan, &mut self.features, &data.train, start)?;
            copy_rows(gpu, &unit, 0, &bank, start, rows, width);
            if !go_on() {
                return Ok(None);
            }
        }
        let mut readback = self.vote.readback(&[plan.votes]);
        let mut correct = 0;
        let labels = data.test.labels.as_deref().unwrap_or_default();
        // A tag says which queries a vote was for: the first in its upper half, how many in its lower.
        let stored = plan.vote.shape(plan.votes).stored_channels();
        let mut count = |tag: u64, votes: &[Vec<f32>]| {
            let (first, rows) = ((tag >> 32) as usize, tag as u32 as usize);
            let labels = labels.iter().skip(first).take(rows);
            for (votes, &label) in votes
                .iter()
                .flat_map(|v| v.chunks_exact(stored))
                .zip(labels)
            {
                correct += usize::from(winner(&votes[..plan.classes]) == label as usize);
            }
        };
        for start in (0..data.test.len()).step_by(plan.batch) {
            let rows = run_batch(plan, &mut self.features, &data.test, start)?;
            for part in (0..rows).step_by(plan.chunk) {
                let rows = plan.chunk.min(rows - part);
                copy_rows(gpu, &unit, part, &queries, 0, rows, width);
                let tag = ((start + part) as u64) << 32 | rows as u64;
                self.vote.run(Some((&mut readback, tag)))?;
                while let Some((tag, votes)) = readback.poll()? {
                    count(tag, &votes);
                }
            }
            if !go_on() {
                return Ok(None);
            }
        }
        while let Some((tag, votes)) = readback.wait()? {
            count(tag, &votes);
        }
        Ok(Some(correct as f64 / data.test.len().max(1) as f64))
    }
}

/// Computes the features of the images from `start` on, and says of how many. A last batch that is not full repeats its last image.
fn run_batch(
    plan: &KnnPlan,
    program: &mut Program,
    images: &Images,
    start: usize,
) -> Result<usize, GpuError> {
    let rows = plan.batch.min(images.len() - start);
    let indices: Vec<u32> = (0..plan.batch)
        .map(|i| (start + i.min(rows - 1)) as u32)
        .collect();
    let draws = indices
        .iter()
        .map(|&i| ViewDraws::evaluation(images.width, images.height, i));
    plan.feed.write(program, images, &indices, draws);
    program.run(None)?;
    Ok(rows)
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
