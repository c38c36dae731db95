//! Kernels chosen by measuring: every kind of node that has several candidates gets the one that is fastest on this device, on
//! the shapes that the graphs have.
//!
//! Measuring must not cost more than it saves. It may take a share of the time that the run will take, as the first candidates let
//! one estimate; the kinds with the most work come first, and none gets more than a part of its own time in the run. What cannot be
//! afforded keeps its first candidate, the operator's guess. A [`Cache`] keeps what was measured, so that the next run neither
//! measures nor chooses otherwise.

mod bench;
mod cache;
mod measure;
mod noise;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use cache::{CACHE_VARIABLE, Cache};
pub use measure::{Measured, Trial, TrialOutcome, measure};

use super::{Candidate, Choices, Graph, Io, Op, Target};
use crate::gpu::{Gpu, GpuError};
use crate::hash::Fnv;

/// A graph, and how often it will be replayed.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Replays.
    pub runs: u64,
}

/// All nodes that one choice is made for.
#[derive(Debug, Clone)]
pub struct OpSignature {
    /// Of each of them.
    pub signature: String,
    /// Where in the model the first one stands.
    pub label: String,
    /// Their operator.
    pub op: Arc<dyn Op>,
    /// Their shapes.
    pub io: Io,
    /// How many there are in the graphs.
    pub nodes: u64,
    /// How often they run in all.
    pub runs: u64,
}

impl OpSignature {
    /// Its candidates on a device, the operator's guess first.
    pub fn candidates(&self, target: &Target) -> Vec<Candidate> {
        self.op.candidates(&self.io, target)
    }

    /// Floating-point operations of one node.
    pub fn flops(&self) -> u64 {
        self.op.flops(&self.io)
    }
}

/// The kinds of node in some graphs, those with the most operations in all first.
pub fn signatures(work: &[Work]) -> Vec<OpSignature> {
    let mut kinds: BTreeMap<String, OpSignature> = BTreeMap::new();
    for Work { graph, runs } in work {
        for node in graph.nodes().iter().filter(|n| n.op.alias().is_none()) {
            let signature = graph.signature(node);
            let kind = kinds.entry(signature).or_insert_with_key(|signature| OpSignature {
                signature: signature.clone(),
                label: node.label.clone(),
                op: node.op.clone(),
                io: graph.io(node),
                nodes: 0,
                runs: 0,
            });
            kind.nodes += 1;
            kind.runs += runs;
        }
    }
    let mut kinds: Vec<OpSignature> = kinds.into_values().collect();
    // Stable: kinds of equal work stay in the order of their signatures.
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.flops().saturating_mul(kind.runs)));
    kinds
}

/// The first candidate, the operator's guess, for every kind of node in `work` that has more than one.
pub fn defaults(target: &Target, work: &[Work]) -> Choices {
    let several = |kind: OpSignature| {
        let candidates = kind.candidates(target);
        (candidates.len() > 1).then(|| (kind.signature, candidates[0].name.clone()))
    };
    Choices(signatures(work).into_iter().filter_map(several).collect())
}

/// What measuring may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Seconds in all.
    pub seconds: f64,
    /// Part of the time that all kinds take in the run with their first candidates; infinite where only the seconds count.
    pub share: f64,
    /// Bytes of device memory.
    pub bytes: u64,
}

impl Budget {
    /// For a training that takes `bytes` of the device's memory. A software driver compiles a kernel in about a second, and its
    /// trainings are long.
    pub fn training(gpu: &Gpu, bytes: u64) -> Budget {
        Budget { seconds: if gpu.is_software() { 30.0 } else { 8.0 }, share: 0.03, bytes }
    }
}

/// What was chosen, and what it took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tuned {
    /// A candidate for every kind of node that has more than one.
    pub choices: Choices,
    /// Kinds of node that have more than one.
    pub kinds: usize,
    /// Of these, known from before.
    pub known: usize,
    /// Of these, measured now; the rest kept the first candidate.
    pub measured: usize,
    /// Seconds it all took.
    pub seconds: f64,
    /// What the user should know, a line each: candidates that this driver fails on, a cache that cannot be used.
    pub remarks: Vec<String>,
}

/// Chooses a candidate for every kind of node in `work` that has more than one. `progress` receives how many are decided, and of
/// how many. Fails where the device does; a candidate that fails is only passed over.
pub fn tune(
    gpu: &Gpu,
    target: &Target,
    work: &[Work],
    budget: &Budget,
    cache: &mut Cache,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Tuned, GpuError> {
    let began = Instant::now();
    let open: Vec<(OpSignature, Vec<Candidate>)> = signatures(work)
        .into_iter()
        .map(|kind| (kind.candidates(target), kind))
        .filter(|(candidates, _)| candidates.len() > 1)
        .map(|(candidates, kind)| (kind, candidates))
        .collect();
    let mut tuned = Tuned { kinds: open.len(), ..Tuned::default() };
    let mut time_budget = TimeBudget::new(budget, open.iter().map(|(kind, _)| kind));
    for (index, (kind, candidates)) in open.iter().enumerate() {
        progress(index, open.len());
        let print = fingerprint(candidates);
        if let Some(name) = cache.find(kind, candidates, print) {
            tuned.known += 1;
            tuned.choices.0.insert(kind.signature.clone(), name);
            continue;
        }
        let mut chosen = candidates[0].name.clone();
        let mut complete = false;
        if time_budget.left() > 0.0 {
            let mut afford = |seconds| time_budget.afford(kind, seconds);
            let measured = measure(gpu, kind, candidates, budget.bytes, &mut afford)?;
            time_budget.spent += measured.spent;
            if measured.compared() {
                chosen.clone_from(&measured.trials[measured.chosen].name);
                tuned.measured += 1;
            }
            complete = measured.complete();
            tuned.remarks.extend(measured.remarks(kind));
        }
        cache.insert(kind, &chosen, print, complete);
        tuned.choices.0.insert(kind.signature.clone(), chosen);
    }
    progress(open.len(), open.len());
    tuned.remarks.extend(cache.save());
    tuned.seconds = began.elapsed().as_secs_f64();
    Ok(tuned)
}

/// The most that is spent on one kind, as a multiple of its share: a candidate that is twice as fast pays that back many times.
const MOST_SHARES: f64 = 10.0;

/// What measuring has taken and may take.
struct TimeBudget {
    budget: Budget,
    spent: f64,
    /// Operations of all kinds in the run, and of those whose first candidate was timed.
    flops: [f64; 2],
    /// Seconds of the latter.
    seconds: f64,
}

fn run_flops(kind: &OpSignature) -> f64 {
    kind.flops() as f64 * kind.runs as f64
}

impl TimeBudget {
    fn new<'a>(budget: &Budget, kinds: impl Iterator<Item = &'a OpSignature>) -> TimeBudget {
        TimeBudget { budget: *budget, spent: 0.0, flops: [kinds.map(run_flops).sum(), 0.0], seconds: 0.0 }
    }

    /// Seconds left. The estimate takes what was not timed to run at the rate of what was; before anything was timed, only the seconds
    /// of the budget count.
    fn left(&self) -> f64 {
        let [all, timed] = self.flops;
        let share = match self.seconds > 0.0 {
            true => self.budget.share * self.seconds * (all / timed.max(1.0)).max(1.0),
            false => f64::INFINITY,
        };
        share.min(self.budget.seconds) - self.spent
    }

    /// Seconds for a kind whose first candidate takes `seconds`.
    fn afford(&mut self, kind: &OpSignature, seconds: f64) -> f64 {
        let in_run = seconds * kind.runs as f64;
        self.seconds += in_run;
        self.flops[1] += run_flops(kind);
        self.left().min(MOST_SHARES * self.budget.share * in_run)
    }
}

/// Tells lists of candidates apart, with the constants of their kernels.
fn fingerprint(candidates: &[Candidate]) -> u64 {
    let mut hash = Fnv::default();
    for candidate in candidates {
        hash.add(&candidate.name);
        for launch in &candidate.lowered.launches {
            hash.add(&launch.kernel.key());
            hash.add(launch.kernel.text.unwrap_or_default());
            hash.add(&format!("{:?}", launch.workgroups));
        }
    }
    hash.0
}
