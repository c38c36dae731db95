//! A list of dispatches, recorded once and replayed every step.

use super::readback::Readback;
use super::{Buffer, Gpu, GpuError, Kernel};
use std::collections::VecDeque;
use std::sync::Arc;

use super::device::Pipeline;

/// A part of a buffer as a kernel sees it, in 32-bit words.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The memory.
    pub buffer: Buffer,
    /// First word; the device wants a multiple of 64.
    pub offset: usize,
    /// Length.
    pub words: usize,
}

/// One kernel on some buffers.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// What runs.
    pub kernel: Kernel,
    /// On what: bindings 0, 1, 2 … of the kernel.
    pub bindings: Vec<Binding>,
    /// How many workgroups.
    pub workgroups: [u32; 3],
    /// What it is for, as errors and profiles name it.
    pub label: String,
    /// About how much work it is, in any unit that all dispatches of a plan share; submits are cut by it.
    pub cost: f64,
}

pub(super) struct Recorded {
    pub pipeline: Arc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub workgroups: [u32; 3],
    pub label: String,
    cost: f64,
}

/// Collects dispatches into a [`Plan`].
pub struct PlanBuilder {
    gpu: Gpu,
    recorded: Vec<Recorded>,
}

impl PlanBuilder {
    /// An empty plan for this device.
    pub fn new(gpu: &Gpu) -> Self {
        PlanBuilder {
            gpu: gpu.clone(),
            recorded: Vec::new(),
        }
    }

    /// Adds a dispatch: its kernel is compiled and its buffers are bound now, not in the step.
    pub fn push(&mut self, dispatch: &Dispatch) -> Result<(), GpuError> {
        let bad = |reason: String| GpuError::Kernel {
            kernel: format!("{} ({})", dispatch.kernel.key(), dispatch.label),
            reason,
        };
        if dispatch.workgroups.contains(&0) {
            return Ok(());
        }
        let most = self.gpu.limits().max_compute_workgroups_per_dimension;
        if dispatch.workgroups.iter().any(|&n| n > most) {
            return Err(bad(format!(
                "{:?} workgroups, the adapter runs {most} a dimension",
                dispatch.workgroups
            )));
        }
        let pipeline = self.gpu.pipeline(&dispatch.kernel)?;
        if pipeline.access.len() != dispatch.bindings.len() {
            return Err(bad(format!(
                "it has {} bindings and was given {}",
                pipeline.access.len(),
                dispatch.bindings.len()
            )));
        }
        let device = self.gpu.device();
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let entries: Vec<wgpu::BindGroupEntry> = dispatch
            .bindings
            .iter()
            .enumerate()
            .map(|(i, b)| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &b.buffer.raw,
                    offset: b.offset as u64 * 4,
                    size: wgpu::BufferSize::new(b.words as u64 * 4),
                }),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&dispatch.label),
            layout: &pipeline.layout,
            entries: &entries,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(bad(error.to_string()));
        }
        self.recorded.push(Recorded {
            pipeline,
            group,
            workgroups: dispatch.workgroups,
            label: dispatch.label.clone(),
            cost: dispatch.cost,
        });
        Ok(())
    }

    /// Closes the plan.
    pub fn finish(self) -> Plan {
        let total = self.recorded.iter().map(|r| r.cost).sum();
        Plan {
            gpu: self.gpu,
            recorded: self.recorded,
            total,
            parts: 1,
            in_flight: VecDeque::new(),
        }
    }
}

/// Dispatches ready to be replayed.
pub struct Plan {
    pub(super) gpu: Gpu,
    pub(super) recorded: Vec<Recorded>,
    total: f64,
    parts: usize,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// Replays that may be under way at once: the device works on one while the next is recorded.
const REPLAYS_IN_FLIGHT: usize = 2;

impl Plan {
    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// Cuts a replay into about this many submits of equal work. A driver that shows pictures resets itself when one
    /// submit takes seconds, and a window cannot paint meanwhile.
    pub fn cut_into(&mut self, parts: usize) {
        self.parts = parts.clamp(1, self.recorded.len().max(1));
    }

    /// Sends one replay to the device and returns; waits only while the replay before the last is unfinished.
    /// `after` is copied back when it is done.
    pub fn run(&mut self, after: Option<(&mut Readback, u64)>) -> Result<(), GpuError> {
        let gpu = self.gpu.clone();
        gpu.check()?;
        while self.in_flight.len() >= REPLAYS_IN_FLIGHT {
            gpu.wait_for(self.in_flight.pop_front())?;
        }
        let budget = self.total / self.parts as f64;
        let mut start = 0;
        let mut last = None;
        while start < self.recorded.len() {
            let mut cost = 0.0;
            let mut end = start;
            while end < self.recorded.len()
                && (end == start || cost + self.recorded[end].cost <= budget * 1.001)
            {
                cost += self.recorded[end].cost;
                end += 1;
            }
            if end < self.recorded.len() {
                last = Some(gpu.queue().submit([self.encode(start..end).finish()]));
                start = end;
                continue;
            }
            let mut encoder = self.encode(start..end);
            match after {
                Some((readback, tag)) => {
                    readback.copy(&mut encoder);
                    last = Some(gpu.queue().submit([encoder.finish()]));
                    readback.map(tag);
                }
                None => last = Some(gpu.queue().submit([encoder.finish()])),
            }
            break;
        }
        self.in_flight.extend(last);
        Ok(())
    }

    fn encode(&self, range: std::ops::Range<usize>) -> wgpu::CommandEncoder {
        let part = &self.recorded[range];
        if let (Some(first), Some(last)) = (part.first(), part.last()) {
            self.gpu
                .running(&format!("{} … {}", first.label, last.label));
        }
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        let mut current: *const Pipeline = std::ptr::null();
        for recorded in part {
            if !std::ptr::eq(current, Arc::as_ptr(&recorded.pipeline)) {
                pass.set_pipeline(&recorded.pipeline.raw);
                current = Arc::as_ptr(&recorded.pipeline);
            }
            pass.set_bind_group(0, &recorded.group, &[]);
            let [x, y, z] = recorded.workgroups;
            pass.dispatch_workgroups(x, y, z);
        }
        drop(pass);
        encoder
    }
}
