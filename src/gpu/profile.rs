//! When the device ran what: the dispatches of one replay, and the replays of a pipelined run.

use super::plan::{Plan, Recorded};
use super::timestamps::{Marks, Timestamps};
use super::{Gpu, GpuError};

/// A dispatch as the device ran it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    /// What it is for.
    pub label: String,
    /// The file of its kernel: the family.
    pub kernel: &'static str,
    /// Workgroups.
    pub workgroups: [u32; 3],
    /// Floating-point operations asked of it, see [`Dispatch::flops`](super::Dispatch::flops).
    pub flops: f64,
    /// Bytes that it binds.
    pub bytes: f64,
    /// Seconds from the begin of the replay.
    pub begin: f64,
    /// The same.
    pub end: f64,
}

impl Timed {
    /// How long it took.
    pub fn seconds(&self) -> f64 {
        self.end - self.begin
    }
}

impl Plan {
    /// Replays once with a time before and after every dispatch, and waits for it. Where the adapter takes times only at the
    /// ends of a pass, every dispatch is a pass of its own, which adds some microseconds to each.
    pub fn profile(&mut self) -> Result<Vec<Timed>, GpuError> {
        let gpu = self.gpu.clone();
        let times = Timestamps::new(&gpu, 2 * self.recorded.len())?;
        gpu.wait()?;
        for part in self.parts() {
            let encoder = encode_timed(&gpu, &self.recorded, part, &times);
            gpu.queue().submit([encoder.finish()]);
        }
        let seconds = times.read(2 * self.recorded.len())?;
        let timed = self.recorded.iter().zip(seconds.chunks_exact(2));
        Ok(timed
            .map(|(recorded, at)| Timed {
                label: recorded.label.clone(),
                kernel: recorded.kernel,
                workgroups: recorded.workgroups,
                flops: recorded.flops,
                bytes: recorded.bytes,
                begin: at[0],
                end: at[1].max(at[0]),
            })
            .collect())
    }

    /// From now on, `count` replays leave the time of their begin and end; [`Plan::replays`] reads them.
    pub fn mark_replays(&mut self, count: usize) -> Result<(), GpuError> {
        self.marks = Some(Marks { times: Timestamps::new(&self.gpu, 2 * count)?, room: count, taken: 0 });
        Ok(())
    }

    /// Waits for the device; begin and end of the marked replays in seconds since the first began.
    pub fn replays(&mut self) -> Result<Vec<[f64; 2]>, GpuError> {
        let Some(marks) = self.marks.take() else {
            return Ok(Vec::new());
        };
        let seconds = marks.times.read(2 * marks.taken)?;
        Ok(seconds.chunks_exact(2).map(|t| [t[0], t[1]]).collect())
    }
}

/// One part of a replay with times `2 i` and `2 i + 1` around dispatch `i`.
fn encode_timed(
    gpu: &Gpu,
    recorded: &[Recorded],
    part: std::ops::Range<usize>,
    times: &Timestamps,
) -> wgpu::CommandEncoder {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    if times.inside {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for i in part {
            let ((before, b), (after, a)) = (times.place(2 * i), times.place(2 * i + 1));
            pass.write_timestamp(before, b);
            recorded[i].encode(&mut pass, true);
            pass.write_timestamp(after, a);
        }
        drop(pass);
    } else {
        for i in part {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: times.of_pass(Some(2 * i), Some(2 * i + 1)),
            });
            recorded[i].encode(&mut pass, true);
        }
    }
    encoder
}
