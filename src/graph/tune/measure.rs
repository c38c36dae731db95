//! Measures the candidates of one kind of node: each alone, on noise, again and again in one submit, in turns.

use std::time::{Duration, Instant};

use super::bench::Bench;
use super::{OpSignature, noise};
use crate::gpu::{Gpu, GpuError, Plan};
use crate::graph::{Candidate, Shape};

/// A submit has as many repetitions as take about this long: the cost of a submit and a wait, some tens of
/// microseconds, then counts for little.
const SUBMIT_SECONDS: f64 = 3e-3;
/// Repetitions in a submit, at most.
const MOST_REPETITIONS: usize = 1000;
/// Turns that the candidates take; the least of their times counts.
const TURNS: usize = 5;
/// A candidate that is so much slower than the best, and takes longer than a submit should, in each of its first runs gets no turn …
const HOPELESS: f64 = 3.0;
/// This many submits are timed: on a busy machine one time says little …
const FIRST_RUNS: usize = 5;
/// … but for no longer than this, in seconds.
const FIRST_SECONDS: f64 = 0.1;
/// A candidate that is so much slower after some turns gets no other.
const BEHIND: f64 = 1.5;
/// Turns that everyone gets who gets one.
const SURE_TURNS: usize = 2;
/// The first of the candidates within this of the best is chosen: noise must not choose.
const MARGIN: f64 = 1.03;
/// In the end the best runs against the first in pairs, one right after the other, which a machine that is now slow and now fast
/// does not disturb; to be chosen it must win …
const PAIRS: usize = 5;
/// … this many.
const WINS: usize = 4;
/// Relative L2 distance from the first candidate's result above which a result is wrong: orders of summation differ by less.
const TOLERANCE: f64 = 1e-3;
/// The same where something is rounded to f16, which may be an input inside a kernel.
const TOLERANCE_F16: f64 = 1e-2;

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    /// Seconds it takes.
    Seconds(f64),
    /// The driver's words.
    Failed(String),
    /// Relative L2 distance of its result from the first candidate's.
    Differs(f64),
    /// It needs more memory than there is.
    TooLarge,
    /// There was no time left.
    Untried,
}

/// A candidate and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: TrialOutcome,
}

impl Trial {
    /// Seconds, where it was timed.
    pub fn seconds(&self) -> Option<f64> {
        match self.outcome {
            TrialOutcome::Seconds(seconds) => Some(seconds),
            _ => None,
        }
    }
}

/// The candidates of a kind after measuring.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Every candidate, in the operator's order.
    pub trials: Vec<Trial>,
    /// Which to run.
    pub chosen: usize,
    /// Seconds it took, without the compilation of the first candidate, which the run needs in any case.
    pub spent: f64,
}

impl Measured {
    /// Whether any other than the first candidate was tried.
    pub(super) fn compared(&self) -> bool {
        let tried = |trial: &Trial| trial.outcome != TrialOutcome::Untried;
        self.trials.iter().skip(1).any(tried)
    }

    /// Whether every candidate was tried.
    pub(super) fn complete(&self) -> bool {
        self.trials.iter().all(|trial| trial.outcome != TrialOutcome::Untried)
    }

    /// A line for each candidate that this driver fails on.
    pub(super) fn remarks(&self, kind: &OpSignature) -> Vec<String> {
        let line = |trial: &Trial| {
            let fault = match &trial.outcome {
                TrialOutcome::Failed(reason) => format!("fails on this driver: {reason}"),
                TrialOutcome::Differs(by) => {
                    format!("computes something else on this driver (off by {by:.1e})")
                }
                _ => return None,
            };
            let (op, shapes) = (kind.op.name(), &kind.io.inputs);
            let name = &trial.name;
            Some(format!("kernel `{name}` of {op} {shapes:?} {fault}; another one is used"))
        };
        self.trials.iter().filter_map(line).collect()
    }
}

/// Measures `candidates` of a kind in at most `bytes` of memory. `afford` takes the seconds of the first one and returns how many
/// seconds measuring may go on; at least the first is timed. Fails only where the device does.
pub fn measure(
    gpu: &Gpu,
    kind: &OpSignature,
    candidates: &[Candidate],
    bytes: u64,
    afford: &mut dyn FnMut(f64) -> f64,
) -> Result<Measured, GpuError> {
    let began = Instant::now();
    let fits = |candidate: &Candidate| fits(gpu, kind, candidate, bytes);
    let mut trials: Vec<Trial> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| Trial {
            name: candidate.name.clone(),
            // The run needs memory for the first in any case.
            outcome: match index == 0 || fits(candidate) {
                true => TrialOutcome::Untried,
                false => TrialOutcome::TooLarge,
            },
        })
        .collect();
    let mut first_compiled = 0.0;
    let mut chosen = 0;
    match Bench::new(gpu, kind, candidates, &trials) {
        Ok(bench) => {
            chosen = bench.race(candidates, &mut trials, afford, &mut first_compiled)?;
        }
        Err(_) => {
            gpu.check()?;
            trials.iter_mut().for_each(|t| t.outcome = TrialOutcome::TooLarge);
        }
    }
    Ok(Measured { trials, chosen, spent: began.elapsed().as_secs_f64() - first_compiled })
}

fn least(seconds: impl Iterator<Item = f64>) -> f64 {
    seconds.fold(f64::INFINITY, f64::min)
}

fn fits(gpu: &Gpu, kind: &OpSignature, candidate: &Candidate, bytes: u64) -> bool {
    let io = &kind.io;
    let shapes = io.inputs.iter().chain(&io.outputs).chain(&io.updates);
    let scratch = &candidate.lowered.scratch;
    let words: usize = shapes.map(Shape::stored_len).chain(scratch.iter().copied()).sum();
    scratch.iter().all(|&words| words <= gpu.max_tensor_words()) && words as u64 * 4 <= bytes
}

/// A candidate that may still be the fastest.
struct Racer {
    index: usize,
    plan: Plan,
    /// Seconds of one repetition in a submit of its own.
    single: f64,
    /// Whether that is far behind the best.
    hopeless: bool,
    repetitions: usize,
    seconds: f64,
}

impl Racer {
    fn run(&self) -> Result<f64, GpuError> {
        Ok(self.plan.seconds(self.repetitions)? / self.repetitions as f64)
    }

    fn beats(&self, other: &Racer) -> Result<bool, GpuError> {
        let mut wins = 0;
        for _ in 0..PAIRS {
            wins += usize::from(self.run()? * MARGIN <= other.run()?);
        }
        Ok(wins >= WINS)
    }
}

impl Bench<'_> {
    /// Times the candidates; which to run.
    fn race(
        &self,
        candidates: &[Candidate],
        trials: &mut [Trial],
        afford: &mut dyn FnMut(f64) -> f64,
        first_compiled: &mut f64,
    ) -> Result<usize, GpuError> {
        let mut compiled: Vec<Option<Result<Plan, GpuError>>> = Vec::new();
        compiled.resize_with(candidates.len(), || None);
        let mut racers: Vec<Racer> = Vec::new();
        let mut expected: Option<Vec<Vec<f32>>> = None;
        let mut ends: Option<Instant> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            if trials[index].outcome == TrialOutcome::TooLarge {
                continue;
            }
            if ends.is_some_and(|ends| Instant::now() >= ends) {
                break;
            }
            let began = Instant::now();
            let entry = compiled[index]
                .take()
                .unwrap_or_else(|| self.plan(candidate))
                .and_then(|plan| self.first_run(&plan).map(|result| (plan, result)))
                .and_then(|(plan, result)| {
                    if ends.is_none() {
                        *first_compiled += began.elapsed().as_secs_f64();
                    }
                    let off = expected.as_ref().map_or(0.0, |e| apart(&result, e));
                    if off > self.tolerance() {
                        return Ok(Err(TrialOutcome::Differs(off)));
                    }
                    expected.get_or_insert(result);
                    self.time(index, plan, &racers).map(Ok)
                });
            match entry {
                Ok(Ok(racer)) => {
                    trials[index].outcome = TrialOutcome::Seconds(racer.seconds);
                    if ends.is_none() {
                        let seconds = afford(racer.seconds).clamp(0.0, 1e6);
                        ends = Some(Instant::now() + Duration::from_secs_f64(seconds));
                        if seconds > 0.0 && !self.gpu.is_software() {
                            self.compile(candidates, trials, &mut compiled);
                        }
                    }
                    racers.push(racer);
                }
                Ok(Err(outcome)) => trials[index].outcome = outcome,
                Err(error) => {
                    self.gpu.check()?;
                    trials[index].outcome = TrialOutcome::Failed(error.to_string());
                }
            }
        }
        let Some(first) = racers.first().map(|racer| racer.index) else {
            return Ok(0);
        };
        racers.retain(|racer| !racer.hopeless);
        for turn in 1..TURNS {
            if turn > SURE_TURNS {
                let best = least(racers.iter().map(|r| r.seconds));
                racers.retain(|r| r.index == first || r.seconds <= best * BEHIND);
            }
            let decided = racers.len() < candidates.len().min(2);
            if decided || ends.is_none_or(|ends| Instant::now() >= ends) {
                break;
            }
            for racer in &mut racers {
                racer.seconds = racer.seconds.min(racer.run()?);
                trials[racer.index].outcome = TrialOutcome::Seconds(racer.seconds);
            }
        }
        let best = least(racers.iter().map(|r| r.seconds));
        match racers.iter().find(|r| r.seconds <= best * MARGIN) {
            Some(best) if best.index == first || best.beats(&racers[0])? => Ok(best.index),
            _ => Ok(first),
        }
    }

    fn tolerance(&self) -> f64 {
        let io = &self.kind.io;
        match io.inputs.iter().chain(&io.outputs).any(Shape::is_f16) {
            true => TOLERANCE_F16,
            false => TOLERANCE,
        }
    }

    fn time(&self, index: usize, plan: Plan, racers: &[Racer]) -> Result<Racer, GpuError> {
        let began = Instant::now();
        let slow = HOPELESS * least(racers.iter().map(|r| r.single)).max(SUBMIT_SECONDS);
        let mut single = plan.seconds(1)?;
        for run in 1..FIRST_RUNS {
            let enough = run > 1 && single <= slow;
            if enough || began.elapsed().as_secs_f64() > FIRST_SECONDS {
                break;
            }
            single = single.min(plan.seconds(1)?);
        }
        let (mut repetitions, mut seconds) = (1, single);
        if single <= slow {
            while seconds < SUBMIT_SECONDS / 2.0 && repetitions < MOST_REPETITIONS {
                let wanted = (repetitions as f64 * SUBMIT_SECONDS / seconds.max(1e-9)) as usize;
                // Not all at once: the first submits hold more overhead than work.
                repetitions = wanted.clamp(2 * repetitions, 16 * repetitions).min(MOST_REPETITIONS);
                seconds = plan.seconds(repetitions)?;
            }
        }
        Ok(Racer { index, plan, single, hopeless: single > slow, repetitions, seconds: seconds / repetitions as f64 })
    }
}

/// The largest difference between results.
fn apart(got: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
    let each = got.iter().zip(expected);
    each.map(|(a, b)| noise::difference(a, b)).fold(0.0, f64::max)
}
