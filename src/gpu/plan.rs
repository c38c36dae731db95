//! A list of dispatches, recorded once and replayed every step.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device::Pipeline;
use super::readback::Readback;
use super::timestamps::Marks;
use super::{Buffer, Gpu, GpuError, Kernel};

/// A part of a buffer as a kernel sees it, in 32-bit words.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The memory.
    pub buffer: Buffer,
    /// First word; the device requires a multiple of 64.
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
    /// Floating-point operations that are asked of it, whatever way its kernel finds to do them (a multiply-add is two).
    pub flops: f64,
}

pub(super) struct Recorded {
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    pub kernel: &'static str,
    pub workgroups: [u32; 3],
    pub label: String,
    pub flops: f64,
    pub bytes: f64,
    /// Seconds it is thought to take; submits are cut by it.
    cost: f64,
}

impl Recorded {
    /// Adds it to a pass, in which its pipeline may be set already.
    pub fn encode(&self, pass: &mut wgpu::ComputePass, set_pipeline: bool) {
        if set_pipeline {
            pass.set_pipeline(&self.pipeline.raw);
        }
        pass.set_bind_group(0, &self.group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Collects dispatches into a [`Plan`].
pub struct PlanBuilder {
    gpu: Gpu,
    recorded: Vec<Recorded>,
}

impl PlanBuilder {
    /// An empty plan for this device.
    pub fn new(gpu: &Gpu) -> Self {
        PlanBuilder { gpu: gpu.clone(), recorded: Vec::new() }
    }

    /// Dispatches so far.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
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
            return Err(bad(format!("{:?} workgroups, the adapter runs {most} a dimension", dispatch.workgroups)));
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
        let bytes: f64 = dispatch.bindings.iter().map(|b| b.words as f64 * 4.0).sum();
        self.recorded.push(Recorded {
            pipeline,
            group,
            kernel: dispatch.kernel.shader,
            workgroups: dispatch.workgroups,
            label: dispatch.label.clone(),
            flops: dispatch.flops,
            bytes,
            cost: (dispatch.flops + FLOPS_A_BYTE * bytes) / SLOWEST,
        });
        Ok(())
    }

    /// Closes the plan.
    pub fn finish(self) -> Plan {
        Plan {
            gpu: self.gpu,
            recorded: self.recorded,
            longest: f64::INFINITY,
            in_flight: VecDeque::new(),
            waited: Duration::ZERO,
            submitting: Duration::ZERO,
            last_done: None,
            marks: None,
        }
    }
}

/// Dispatches ready to be replayed.
pub struct Plan {
    pub(super) gpu: Gpu,
    pub(super) recorded: Vec<Recorded>,
    /// Seconds that a submit may take.
    longest: f64,
    /// Submits under way, oldest first, and the dispatches in each.
    in_flight: VecDeque<(wgpu::SubmissionIndex, Range<usize>)>,
    waited: Duration,
    submitting: Duration,
    /// When the last submit that was waited for ended, if the device was busy until then.
    last_done: Option<Instant>,
    pub(super) marks: Option<Marks>,
}

/// Replays that may be under way at once: the device works on one while the next is recorded.
const REPLAYS_IN_FLIGHT: usize = 2;
/// Operations a second of a slow GPU, and operations that take as long as a byte: a guess, until submits have been timed.
const SLOWEST: f64 = 0.5e12;
const FLOPS_A_BYTE: f64 = 4.0;
/// A wait this long means that the device, and not the host, was late.
const DEVICE_LATE: Duration = Duration::from_micros(100);

impl Plan {
    /// Longest submit where nothing is painted: a driver that shows pictures resets itself when one takes seconds.
    pub const HEADLESS: Duration = Duration::from_millis(50);
    /// Longest submit where a window shares the GPU: it cannot paint meanwhile.
    pub const SHARED: Duration = Duration::from_millis(4);

    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// Cuts replays into submits that take at most about so long, as far as their dispatches allow. The first cuts are guessed; from
    /// then on they follow the time that submits took.
    pub fn bound_submits(&mut self, longest: Duration) {
        self.longest = longest.as_secs_f64();
    }

    /// The submits of a replay, as ranges of dispatches.
    pub fn parts(&self) -> Vec<Range<usize>> {
        self.parts_of(0..self.recorded.len())
    }

    fn parts_of(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let (mut start, mut cost) = (range.start, 0.0);
        for (i, recorded) in self.recorded.iter().enumerate().take(range.end).skip(range.start) {
            if i > start && cost + recorded.cost > self.longest {
                parts.push(start..i);
                (start, cost) = (i, 0.0);
            }
            cost += recorded.cost;
        }
        if start < range.end {
            parts.push(start..range.end);
        }
        parts
    }

    /// Time that [`Plan::run`] has spent waiting for the device, in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Time that [`Plan::run`] has spent handing submits to the driver, in all. Some software drivers do the work itself in there.
    pub fn submitting(&self) -> Duration {
        self.submitting
    }

    /// Sends one replay to the device and returns; waits only while the replay before the last is unfinished.
    /// `after` is copied back when it is done.
    pub fn run(&mut self, after: Option<(&mut Readback, u64)>) -> Result<(), GpuError> {
        self.run_range(0..self.recorded.len(), after)
    }

    /// The same of a part of the replay; the host has something to do between this and the next.
    pub fn run_range(&mut self, range: Range<usize>, mut after: Option<(&mut Readback, u64)>) -> Result<(), GpuError> {
        self.gpu.replay_faults();
        self.gpu.check()?;
        let mut parts = self.parts_of(range.clone());
        if parts.is_empty() && after.is_some() {
            parts.push(range.clone());
        }
        // Only whole replays are timed.
        let whole = range == (0..self.recorded.len());
        let marks = self.marks.as_mut().filter(|marks| whole && marks.taken < marks.room);
        let mark = marks.map(|marks| {
            marks.taken += 1;
            2 * (marks.taken - 1)
        });
        for (i, part) in parts.iter().enumerate() {
            while self.in_flight.len() >= REPLAYS_IN_FLIGHT * parts.len() {
                self.wait_for_oldest()?;
            }
            let last = i + 1 == parts.len();
            let begin = mark.filter(|_| i == 0);
            let end = mark.filter(|_| last).map(|mark| mark + 1);
            let mut encoder = self.encode(part.clone(), begin, end);
            let mut after = after.as_mut().filter(|_| last);
            if let Some((readback, _)) = &mut after {
                readback.copy(&mut encoder);
            }
            let commands = encoder.finish();
            let began = Instant::now();
            let submission = self.gpu.queue().submit([commands]);
            self.submitting += began.elapsed();
            if let Some((readback, tag)) = after {
                readback.map(*tag);
            }
            self.in_flight.push_back((submission, part.clone()));
        }
        Ok(())
    }

    /// Sends the dispatches of a part of the replay alone.
    pub fn run_part(&self, part: Range<usize>) -> Result<(), GpuError> {
        self.gpu.check()?;
        self.gpu.queue().submit([self.encode(part, None, None).finish()]);
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<(), GpuError> {
        let Some((submission, part)) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let began = Instant::now();
        self.gpu.wait_for(Some(submission))?;
        let now = Instant::now();
        let wait = now - began;
        self.waited += wait;
        let late = wait > DEVICE_LATE;
        if let (true, Some(before)) = (late && self.longest.is_finite(), self.last_done) {
            self.learn(part, (now - before).as_secs_f64());
        }
        self.last_done = late.then_some(now);
        Ok(())
    }

    /// The dispatches of this part took so long together. Half of the difference is believed, and no more than a factor of four:
    /// somebody else may have used the device meanwhile.
    fn learn(&mut self, part: Range<usize>, seconds: f64) {
        let Some(part) = self.recorded.get_mut(part) else {
            return;
        };
        let thought: f64 = part.iter().map(|r| r.cost).sum();
        let factor = (seconds / thought.max(1e-9)).clamp(0.25, 4.0);
        for recorded in part {
            recorded.cost *= (1.0 + factor) / 2.0;
        }
    }

    fn encode(&self, range: Range<usize>, begin: Option<usize>, end: Option<usize>) -> wgpu::CommandEncoder {
        let part = &self.recorded[range];
        if let (Some(first), Some(last)) = (part.first(), part.last()) {
            self.gpu.running(&first.label, &last.label);
        }
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let marks = self.marks.as_ref();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: marks.and_then(|marks| marks.times.of_pass(begin, end)),
        });
        let mut current: *const Pipeline = std::ptr::null();
        for recorded in part {
            let pipeline = Arc::as_ptr(&recorded.pipeline);
            recorded.encode(&mut pass, !std::ptr::eq(current, pipeline));
            current = pipeline;
        }
        drop(pass);
        encoder
    }
}

#[cfg(test)]
mod tests;
