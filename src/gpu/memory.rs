//! Buffers of 32-bit words in device memory.

use super::{Gpu, GpuError};

/// NaN in f32 and twice in f16.
const NAN_BITS: u32 = u32::MAX;
/// Words that the host makes of what is repeated.
const BLOCK: usize = 1 << 18;

/// A range of 32-bit words on the device. Cloning shares the memory.
#[derive(Debug, Clone)]
pub struct Buffer {
    pub(super) raw: wgpu::Buffer,
    words: usize,
}

impl Buffer {
    /// Zeroed memory for `words` 32-bit words (at least 4: WebGPU has no empty bindings).
    pub fn new(gpu: &Gpu, label: &str, words: usize) -> Result<Buffer, GpuError> {
        let words = words.max(4);
        let size = words as u64 * 4;
        let what = || format!("{label} needs {:.1} MiB", size as f64 / (1 << 20) as f64);
        if size > gpu.limits().max_buffer_size {
            return Err(GpuError::OutOfMemory {
                what: format!("{}, the adapter's largest buffer has {} bytes", what(), gpu.limits().max_buffer_size),
            });
        }
        if gpu.refuses(size) {
            return Err(GpuError::OutOfMemory { what: what() });
        }
        let device = gpu.device();
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let raw = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let refused = pollster::block_on(validation.pop());
        match pollster::block_on(memory.pop()).or(refused) {
            None => Ok(Buffer { raw, words }),
            Some(error) => Err(GpuError::OutOfMemory { what: format!("{} ({error})", what()) }),
        }
    }

    /// Memory that is written before it is read. Where the device is checked it holds NaN until then, so that the read of what
    /// was never written shows.
    pub fn uninitialized(gpu: &Gpu, label: &str, words: usize) -> Result<Buffer, GpuError> {
        let buffer = Buffer::new(gpu, label, words)?;
        if gpu.is_checked() {
            buffer.fill_with_nan(gpu, buffer.words)?;
        }
        Ok(buffer)
    }

    /// Fills `words` words with NaN, in f32 and in f16.
    pub fn fill_with_nan(&self, gpu: &Gpu, words: usize) -> Result<(), GpuError> {
        self.repeat(gpu, words, &vec![NAN_BITS; BLOCK.min(words)])
    }

    /// Writes a block again and again until `words` words are full. The host sends it once.
    pub fn repeat(&self, gpu: &Gpu, words: usize, block: &[u32]) -> Result<(), GpuError> {
        if words <= block.len() {
            self.write(gpu, 0, &block[..words]);
            return Ok(());
        }
        let source = Buffer::new(gpu, "block to repeat", block.len())?;
        source.write(gpu, 0, block);
        for start in (0..words).step_by(block.len().max(1)) {
            self.copy_from(gpu, start, &source, 0, block.len().min(words - start));
        }
        Ok(())
    }

    /// Length in 32-bit words.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Writes words at an offset before the next submitted plan runs. Panics when the range is outside the buffer.
    pub fn write<T: bytemuck::NoUninit>(&self, gpu: &Gpu, offset: usize, data: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        assert!(offset * 4 + bytes.len() <= self.words * 4, "write past the end of a buffer");
        gpu.queue().write_buffer(&self.raw, offset as u64 * 4, bytes);
    }

    /// Copies words of another buffer on the device, behind what was submitted before.
    pub fn copy_from(&self, gpu: &Gpu, to: usize, source: &Buffer, from: usize, words: usize) {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let (from, to, size) = (from as u64 * 4, to as u64 * 4, words as u64 * 4);
        encoder.copy_buffer_to_buffer(&source.raw, from, &self.raw, to, size);
        gpu.queue().submit([encoder.finish()]);
    }

    /// Waits for the device and reads `words` words at an offset.
    pub fn read<T: bytemuck::Pod>(&self, gpu: &Gpu, offset: usize, words: usize) -> Result<Vec<T>, GpuError> {
        let size = words as u64 * 4;
        if size == 0 {
            return Ok(Vec::new());
        }
        let device = gpu.device();
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging for a read"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.raw, offset as u64 * 4, &staging, 0, size);
        gpu.queue().submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        gpu.wait()?;
        let view = staging.get_mapped_range(..).map_err(|e| gpu.fault(&e))?;
        Ok(bytemuck::pod_collect_to_vec(&view[..]))
    }
}
