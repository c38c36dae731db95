//! Numbers that come back without anybody waiting for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{Binding, Gpu, GpuError};

const PENDING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;

/// What came back: the tag of its replay, and one vector a watched range.
pub type Arrival = (u64, Vec<Vec<f32>>);

struct Flight {
    staging: wgpu::Buffer,
    state: Arc<AtomicU8>,
    tag: u64,
}

/// A ring of staging buffers behind a plan: after each replay some small ranges are copied out, and are handed to the
/// host, in order, once the device is through with them.
pub struct Readback {
    gpu: Gpu,
    sources: Vec<Binding>,
    free: Vec<wgpu::Buffer>,
    recording: Option<wgpu::Buffer>,
    in_flight: VecDeque<Flight>,
}

impl Readback {
    /// Watches these ranges.
    pub fn new(gpu: &Gpu, sources: Vec<Binding>) -> Self {
        Readback { gpu: gpu.clone(), sources, free: Vec::new(), recording: None, in_flight: VecDeque::new() }
    }

    fn bytes(&self) -> u64 {
        self.sources.iter().map(|s| s.words as u64 * 4).sum::<u64>().max(4)
    }

    pub(super) fn copy(&mut self, encoder: &mut wgpu::CommandEncoder) {
        let size = self.bytes();
        let staging = self.free.pop().unwrap_or_else(|| {
            self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        let mut at = 0;
        for source in &self.sources {
            let size = source.words as u64 * 4;
            encoder.copy_buffer_to_buffer(&source.buffer.raw, source.offset as u64 * 4, &staging, at, size);
            at += size;
        }
        self.recording = Some(staging);
    }

    pub(super) fn map(&mut self, tag: u64) {
        let Some(staging) = self.recording.take() else {
            return;
        };
        let state = Arc::new(AtomicU8::new(PENDING));
        let done = state.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            done.store(if result.is_ok() { READY } else { FAILED }, Ordering::Release);
        });
        self.in_flight.push_back(Flight { staging, state, tag });
    }

    /// The oldest numbers that have arrived, if any. Never waits.
    pub fn poll(&mut self) -> Result<Option<Arrival>, GpuError> {
        // A failed poll is a lost device; `check` says so with the reason.
        let polled = self.gpu.device().poll(wgpu::PollType::Poll);
        self.gpu.check()?;
        polled.map_err(|e| self.gpu.fault(&e))?;
        self.take()
    }

    /// Waits for the oldest numbers; `None` when nothing is under way.
    pub fn wait(&mut self) -> Result<Option<Arrival>, GpuError> {
        // Once may not be enough: another thread of this device may have seen that the work is done, and not have said so yet.
        while self.in_flight.front().is_some_and(|f| f.state.load(Ordering::Acquire) == PENDING) {
            self.gpu.wait()?;
        }
        self.take()
    }

    fn take(&mut self) -> Result<Option<Arrival>, GpuError> {
        match self.in_flight.front().map(|f| f.state.load(Ordering::Acquire)) {
            None | Some(PENDING) => return Ok(None),
            Some(READY) => {}
            Some(_) => return Err(self.gpu.fault(&"a buffer could not be mapped")),
        }
        let Some(flight) = self.in_flight.pop_front() else {
            return Ok(None);
        };
        let mut out = Vec::with_capacity(self.sources.len());
        {
            let view = flight.staging.get_mapped_range(..).map_err(|e| self.gpu.fault(&e))?;
            let mut at = 0;
            for source in &self.sources {
                let size = source.words * 4;
                out.push(bytemuck::pod_collect_to_vec(&view[at..at + size]));
                at += size;
            }
        }
        flight.staging.unmap();
        self.free.push(flight.staging);
        Ok(Some((flight.tag, out)))
    }
}
