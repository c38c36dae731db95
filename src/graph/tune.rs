//! Kernels chosen by measuring: every kind of node that has several candidates gets the one that is fastest on this device, on
//! the shapes that the graphs have.
//!
//! Measuring must not cost more than it saves. A kind earns a share of the time that it will take in the run, and the candidates
//! are measured out of that, the kinds with the most work first; what cannot be afforded keeps its first candidate, the operator's
//! guess. A [`Cache`] keeps what was measured, so that the next run neither measures nor chooses otherwise.

mod cache;
mod measure;
mod noise;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use cache::{CACHE_VARIABLE, Cache};
pub use measure::{Measured, Outcome, Trial, measure};

use super::{Candidate, Choices, Graph, Io, Op, Target};
use crate::gpu::shader::Fnv;
use crate::gpu::{Gpu, GpuError};

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
pub struct Kind {
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

impl Kind {
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
pub fn kinds(work: &[Work]) -> Vec<Kind> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for Work { graph, runs } in work {
        for node in graph.nodes().iter().filter(|n| n.op.alias().is_none()) {
            let signature = graph.signature(node);
            let kind = kinds.entry(signature).or_insert_with_key(|signature| Kind {
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
    let mut kinds: Vec<Kind> = kinds.into_values().collect();
    // Stable: kinds of equal work stay in the order of their signatures.
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.flops().saturating_mul(kind.runs)));
    kinds
}

/// The first candidate, the operator's guess, for every kind of node in `work` that has more than one.
pub fn defaults(target: &Target, work: &[Work]) -> Choices {
    let several = |kind: Kind| {
        let candidates = kind.candidates(target);
        (candidates.len() > 1).then(|| (kind.signature, candidates[0].name.clone()))
    };
    Choices(kinds(work).into_iter().filter_map(several).collect())
}

/// What measuring may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Seconds in all.
    pub seconds: f64,
    /// Of the time that a kind takes in the run with its first candidate, the part that it earns; infinite where only the seconds
    /// count.
    pub share: f64,
    /// Bytes of device memory.
    pub bytes: u64,
}

impl Budget {
    /// For a training that takes `bytes` of the device's memory. A software driver compiles a kernel in about a second, and its
    /// trainings are long.
    pub fn training(gpu: &Gpu, bytes: u64) -> Budget {
        Budget {
            seconds: if gpu.is_software() { 30.0 } else { 8.0 },
            share: 0.03,
            bytes,
        }
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

/// Chooses a candidate for every kind of node in `work` that has more than one. `progress` is told how many are decided, and of
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
    let open: Vec<(Kind, Vec<Candidate>)> = kinds(work)
        .into_iter()
        .map(|kind| (kind.candidates(target), kind))
        .filter(|(candidates, _)| candidates.len() > 1)
        .map(|(candidates, kind)| (kind, candidates))
        .collect();
    let mut tuned = Tuned {
        kinds: open.len(),
        ..Tuned::default()
    };
    let (mut earned, mut spent) = (0.0f64, 0.0f64);
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
        if spent < budget.seconds && spent <= earned {
            let mut afford = |seconds: f64| {
                earned += budget.share * seconds * kind.runs as f64;
                earned.min(budget.seconds) - spent
            };
            let measured = measure(gpu, kind, candidates, budget.bytes, &mut afford)?;
            spent += measured.spent;
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
