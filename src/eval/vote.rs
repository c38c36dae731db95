//! The vote of the nearest neighbours in feature space, for some queries at a time.
//!
//! The `k` bank entries of largest cosine similarity vote for their class with weight exp(similarity / temperature) (Wu et al. 2018,
//! "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", §3.4). The bank stays on the device; only votes come back.

use std::time::Duration;

use super::EvalError;
use crate::gpu::Gpu;
use crate::gpu::Readback;
use crate::graph::{Choices, Graph, Program, Shape, Store, Target, Tensor};
use crate::ops;
use crate::ranks::{self, Communicator};

/// Largest table of similarities, in words: more queries at once would only take memory.
const SIMILARITY_WORDS: usize = 16 << 20;

/// The rule of a vote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoteRule {
    /// Neighbours that vote; the whole bank where it is smaller.
    pub k: usize,
    /// Divides the similarities.
    pub temperature: f64,
    /// Number of classes.
    pub classes: usize,
}

/// A vote before anything is allocated.
#[derive(Debug, Clone)]
pub struct VotePlan {
    graph: Graph,
    queries: Tensor,
    bank: Tensor,
    labels: Tensor,
    votes: Tensor,
    classes: usize,
    /// Queries a vote.
    chunk: usize,
}

impl VotePlan {
    /// For a bank of `bank` entries with `width` features each, and at most `most` queries at once: fewer where their similarities would
    /// take too much memory.
    pub fn new(
        rule: &VoteRule,
        bank: usize,
        width: usize,
        most: usize,
        target: &Target,
    ) -> Result<VotePlan, EvalError> {
        let entries = bank;
        // A weight to the product: its rows are padded to a multiple of four, too.
        let bank_shape = Shape::weight([entries, width]);
        if bank_shape.stored_len() > target.max_words {
            return Err(EvalError::BankTooLarge {
                images: entries,
                needs: (bank_shape.stored_len() as u64 * 4) >> 20,
                limit: (target.max_words as u64 * 4) >> 20,
            });
        }
        let columns = entries.next_multiple_of(4);
        let words = SIMILARITY_WORDS.min(target.max_words);
        let chunk = most.min((words / columns).max(1));
        let mut graph = Graph::new();
        let bank = graph.input("kNN bank", bank_shape);
        let queries = graph.input("kNN queries", Shape::rows([chunk, width]));
        let labels = graph.input("kNN labels", Shape::rows([entries]));
        let similarity = graph.add_one(ops::MatmulTransposed, &[queries, bank])?;
        let op = ops::KnnVote {
            classes: rule.classes,
            k: rule.k.min(entries),
            temperature: rule.temperature as f32,
            bank: entries,
        };
        let votes = graph.add_one(op, &[similarity, labels])?;
        graph.keep(votes);
        Ok(VotePlan { graph, queries, bank, labels, votes, classes: rule.classes, chunk })
    }

    /// What is replayed for every vote.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Queries a vote.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// See [`Graph::choose`].
    pub fn choose(&mut self, choices: &Choices) {
        self.graph.choose(choices);
    }

    /// Compiles it, with memory of `store`.
    pub fn compile(self, store: &mut Store) -> Result<Vote, EvalError> {
        let program = Program::compile(&self.graph, store)?;
        Ok(Vote { readback: program.readback(&[self.votes]), program, gpu: store.gpu().clone(), plan: self })
    }
}

/// Votes that have come back.
pub struct Ballots {
    /// The number of the first query.
    pub first: usize,
    /// Number of classes.
    pub classes: usize,
    /// Votes of each class, query after query.
    pub votes: Vec<f32>,
}

/// A vote on a device.
pub struct Vote {
    plan: VotePlan,
    program: Program,
    readback: Readback,
    gpu: Gpu,
}

impl Vote {
    /// See [`crate::gpu::Plan::bound_submits`].
    pub fn bound_submits(&mut self, longest: Duration) {
        self.program.plan().bound_submits(longest);
    }

    /// Queries a vote.
    pub fn chunk(&self) -> usize {
        self.plan.chunk
    }

    /// Where the features of the bank go.
    pub fn bank(&self) -> (&Program, Tensor) {
        (&self.program, self.plan.bank)
    }

    /// Where the features of the queries go.
    pub fn queries(&self) -> (&Program, Tensor) {
        (&self.program, self.plan.queries)
    }

    /// Brings the bank together where each rank has filled its part.
    pub fn share_bank(&self, link: &dyn Communicator) -> Result<(), EvalError> {
        let Some(bank) = self.program.binding(self.plan.bank).filter(|_| !link.ranks().is_alone()) else {
            return Ok(());
        };
        let shape = self.plan.graph.shape(self.plan.bank);
        let (entries, width) = (shape.dims()[0], shape.stored_channels());
        let own = link.ranks().chunk(entries);
        let features: Vec<f32> = bank.buffer.read(&self.gpu, bank.offset + own.start * width, own.len() * width)?;
        bank.buffer.write(&self.gpu, bank.offset, &ranks::gather_chunks(link, features, entries, width)?);
        Ok(())
    }

    /// Writes the classes of the bank.
    pub fn label(&self, labels: &[f32]) {
        self.program.write(self.plan.labels, labels);
    }

    /// Lets the bank vote for the `rows` queries that are there, numbered from `first` on.
    pub fn cast(&mut self, first: usize, rows: usize) -> Result<(), EvalError> {
        let tag = (first as u64) << 32 | rows as u64;
        Ok(self.program.run(Some((&mut self.readback, tag)))?)
    }

    /// The oldest votes: those that have come back, or, where `wait`, those that are on their way.
    pub fn ballots(&mut self, wait: bool) -> Result<Option<Ballots>, EvalError> {
        let arrived = match wait {
            true => self.readback.wait()?,
            false => self.readback.poll()?,
        };
        Ok(arrived.map(|(tag, votes)| {
            let (first, rows) = ((tag >> 32) as usize, tag as u32 as usize);
            let stored = self.plan.graph.shape(self.plan.votes).stored_channels();
            let votes = votes.iter().flat_map(|votes| votes.chunks_exact(stored));
            let votes = votes.take(rows).flat_map(|row| &row[..self.plan.classes]);
            Ballots { first, classes: self.plan.classes, votes: votes.copied().collect() }
        }))
    }
}
