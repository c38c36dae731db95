//! The memory that the candidates of a node share, and their plans on it.

use std::thread;

use super::{OpSignature, Trial, TrialOutcome, noise};
use crate::gpu::{Binding, Buffer, Dispatch, Gpu, GpuError, Plan, PlanBuilder};
use crate::graph::launch::Role;
use crate::graph::{Candidate, Shape, Slot};

/// The memory of a node, shared by its candidates.
pub(super) struct Bench<'a> {
    pub gpu: &'a Gpu,
    pub kind: &'a OpSignature,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    updates: Vec<Buffer>,
    scratch: Vec<Buffer>,
}

impl<'a> Bench<'a> {
    pub fn new(
        gpu: &'a Gpu,
        kind: &'a OpSignature,
        candidates: &[Candidate],
        trials: &[Trial],
    ) -> Result<Bench<'a>, GpuError> {
        let make = |shapes: &[Shape]| -> Result<Vec<Buffer>, GpuError> {
            let buffer = |shape: &Shape| Buffer::new(gpu, &kind.label, shape.stored_len());
            shapes.iter().map(buffer).collect()
        };
        let mut scratch: Vec<usize> = Vec::new();
        for (candidate, trial) in candidates.iter().zip(trials) {
            if trial.outcome == TrialOutcome::TooLarge {
                continue;
            }
            for (i, &words) in candidate.lowered.scratch.iter().enumerate() {
                scratch.resize(scratch.len().max(i + 1), 0);
                scratch[i] = scratch[i].max(words);
            }
        }
        let bench = Bench {
            gpu,
            kind,
            inputs: make(&kind.io.inputs)?,
            outputs: make(&kind.io.outputs)?,
            updates: make(&kind.io.updates)?,
            scratch: scratch.into_iter().map(|words| Buffer::new(gpu, "scratch", words)).collect::<Result<_, _>>()?,
        };
        for (seed, (buffer, shape)) in bench.inputs.iter().zip(&kind.io.inputs).enumerate() {
            noise::fill(gpu, buffer, shape, seed as u32)?;
        }
        Ok(bench)
    }

    /// Compiles what is not compiled yet on all threads: a GPU's driver takes longer to compile a kernel than the kernel runs.
    pub fn compile(&self, candidates: &[Candidate], trials: &[Trial], compiled: &mut [Option<Result<Plan, GpuError>>]) {
        let mut jobs: Vec<_> = candidates
            .iter()
            .zip(trials)
            .zip(compiled)
            .filter(|((_, trial), _)| trial.outcome == TrialOutcome::Untried)
            .map(|((candidate, _), place)| (candidate, place))
            .collect();
        let threads = thread::available_parallelism().map_or(1, |n| n.get());
        let each = jobs.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            for jobs in jobs.chunks_mut(each) {
                scope.spawn(|| {
                    for (candidate, place) in jobs {
                        **place = Some(self.plan(candidate));
                    }
                });
            }
        });
    }

    pub fn plan(&self, candidate: &Candidate) -> Result<Plan, GpuError> {
        let (io, lowered) = (&self.kind.io, &candidate.lowered);
        let mut builder = PlanBuilder::new(self.gpu);
        for launch in &lowered.launches {
            let binding = |slot: &Slot| -> Result<Binding, GpuError> {
                let (buffer, words) = match slot.role {
                    Role::Input(i) => (&self.inputs[i], io.inputs[i].stored_len()),
                    Role::Output(i) => (&self.outputs[i], io.outputs[i].stored_len()),
                    Role::Update(i) => (&self.updates[i], io.updates[i].stored_len()),
                    Role::Scratch(i) => (&self.scratch[i], lowered.scratch[i]),
                    Role::Table(i) => return launch.bind_table(self.gpu, i),
                };
                let (offset, words) = slot.part.unwrap_or((0, words.max(4)));
                Ok(Binding { buffer: buffer.clone(), offset, words })
            };
            builder.push(&Dispatch {
                kernel: launch.kernel.clone(),
                bindings: launch.slots.iter().map(binding).collect::<Result<_, _>>()?,
                workgroups: launch.workgroups,
                label: format!("measuring `{}` of {}", candidate.name, self.kind.label),
                flops: 0.0,
            })?;
        }
        Ok(builder.finish())
    }

    /// Runs a candidate for the first time, when some drivers compile, and takes its results.
    pub fn first_run(&self, plan: &Plan) -> Result<Vec<Vec<f32>>, GpuError> {
        let io = &self.kind.io;
        for (buffer, shape) in self.outputs.iter().zip(&io.outputs) {
            buffer.fill_with_nan(self.gpu, shape.stored_len())?;
        }
        for (i, (buffer, shape)) in self.updates.iter().zip(&io.updates).enumerate() {
            noise::fill(self.gpu, buffer, shape, 100 + i as u32)?;
        }
        plan.seconds(1)?;
        let outputs = self.outputs.iter().zip(&io.outputs);
        outputs
            .chain(self.updates.iter().zip(&io.updates))
            .map(|(buffer, shape)| noise::sample(self.gpu, buffer, shape))
            .collect()
    }
}
