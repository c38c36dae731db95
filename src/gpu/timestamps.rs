//! Times that the device itself takes. Never on in training: only profiles and benchmarks ask for them.

use super::{Gpu, GpuError};

/// Queries of one set, WebGPU's limit. Even, so that the two of a dispatch lie in one set.
const SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;

/// Room for numbered times on a device.
pub(super) struct Timestamps {
    gpu: Gpu,
    sets: Vec<wgpu::QuerySet>,
    /// Whether they can be taken between the dispatches of a pass.
    pub inside: bool,
}

impl Timestamps {
    /// Room for `count` times. An error where the adapter has no clock.
    pub fn new(gpu: &Gpu, count: usize) -> Result<Timestamps, GpuError> {
        if !gpu.has_timestamps() {
            return Err(GpuError::Lacks {
                adapter: gpu.report().name.clone(),
                lack: "it has no timestamp queries, which profiles need".to_string(),
            });
        }
        let features = gpu.device().features();
        let sets = (0..count.div_ceil(SET)).map(|i| {
            gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: (count - i * SET).min(SET) as u32,
            })
        });
        Ok(Timestamps {
            sets: sets.collect(),
            inside: features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
            gpu: gpu.clone(),
        })
    }

    /// Where time `index` is written.
    pub fn place(&self, index: usize) -> (&wgpu::QuerySet, u32) {
        (&self.sets[index / SET], (index % SET) as u32)
    }

    /// Times of the begin and the end of a pass.
    pub fn of_pass(&self, begin: Option<usize>, end: Option<usize>) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let (query_set, _) = self.place(begin.or(end)?);
        Some(wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: begin.map(|i| self.place(i).1),
            end_of_pass_write_index: end.map(|i| self.place(i).1),
        })
    }

    /// Waits for the device and reads the first `count` times, all of which must have been written: seconds since the first.
    pub fn read(&self, count: usize) -> Result<Vec<f64>, GpuError> {
        let size = (count * wgpu::QUERY_SIZE as usize) as u64;
        if size == 0 {
            return Ok(Vec::new());
        }
        let device = self.gpu.device();
        let buffer = |label, usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let (copy, map) = (wgpu::BufferUsages::COPY_SRC, wgpu::BufferUsages::MAP_READ);
        let resolved = buffer("timestamps", wgpu::BufferUsages::QUERY_RESOLVE | copy);
        let staging = buffer("timestamps for the host", wgpu::BufferUsages::COPY_DST | map);
        let mut encoder = device.create_command_encoder(&Default::default());
        for (i, set) in self.sets.iter().enumerate() {
            let here = count.saturating_sub(i * SET).min(SET);
            if here > 0 {
                let at = (i * SET) as u64 * u64::from(wgpu::QUERY_SIZE);
                encoder.resolve_query_set(set, 0..here as u32, &resolved, at);
            }
        }
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, size);
        self.gpu.queue().submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.gpu.wait()?;
        let view = staging.get_mapped_range(..).map_err(|e| self.gpu.fault(&e))?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view[..]);
        let period = f64::from(self.gpu.queue().get_timestamp_period()) * 1e-9;
        // A clock may be reset between submits; a time before the first would be nonsense.
        let since = |t: &u64| t.saturating_sub(ticks[0]) as f64 * period;
        Ok(ticks.iter().map(since).collect())
    }
}

/// The times of replays, see [`Plan::mark_replays`](super::Plan::mark_replays).
pub(super) struct Marks {
    pub times: Timestamps,
    pub room: usize,
    pub taken: usize,
}
