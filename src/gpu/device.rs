//! An open adapter: device, queue, the pipelines compiled so far, and the errors the driver reported.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::adapter::{AdapterReport, choose};
use super::fault::Fault;
use super::shader::{Access, compose, reflect};
use super::{GpuError, Kernel};
use crate::format::one_line;

/// How a device is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuOptions {
    /// Keep bounds checks, loop bounds and zeroed workgroup memory in every kernel, and fill new memory with NaN
    /// ([`Buffer::uninitialized`](super::Buffer::uninitialized)). Tests do; training does so where it is asked to: kernels are correct without.
    pub checked: bool,
}

/// An open adapter. Cloning shares it.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    report: AdapterReport,
    limits: wgpu::Limits,
    device: wgpu::Device,
    queue: wgpu::Queue,
    options: GpuOptions,
    faults: Arc<Mutex<Faults>>,
    fault_asked: Option<Fault>,
    pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
}

#[derive(Default)]
struct Faults {
    lost: Option<String>,
    uncaptured: Option<String>,
    /// First and last of what was submitted last: named in an error.
    during: [String; 2],
}

impl Faults {
    fn during(&self) -> String {
        self.during.join(" … ")
    }
}

pub(super) struct Pipeline {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub access: Vec<Access>,
}

/// Errors of one stretch of work, on this thread.
pub(super) struct Scopes {
    validation: wgpu::ErrorScopeGuard,
    internal: wgpu::ErrorScopeGuard,
}

impl Scopes {
    /// The first error since [`Gpu::catch`].
    pub fn caught(self) -> Option<wgpu::Error> {
        // Closed in the reverse order.
        let internal = pollster::block_on(self.internal.pop());
        let validation = pollster::block_on(self.validation.pop());
        validation.or(internal)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data behind these locks is valid at every point, so a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens the adapter that `wanted` names (index or part of a name), or the best one.
    pub fn open(wanted: Option<&str>, options: GpuOptions) -> Result<Gpu, GpuError> {
        let candidate = choose(wanted)?;
        let (adapter, report) = (candidate.adapter, candidate.report);
        let limits = adapter.limits();
        let mut useful = wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if report.coop.is_some() {
            useful |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
            // SAFETY: wgpu asks users of such a feature to accept that its validation may have gaps. Cooperative matrices
            // are used by kernels of ours only: their loads and stores stay inside workgroup memory of fixed size, in
            // uniform control flow, and they run only in sizes that the adapter lists.
            experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        }
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("simsiam"),
            required_features: adapter.features() & useful,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            experimental_features,
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(request)
            .map_err(|e| GpuError::Open { adapter: report.name.clone(), reason: e.to_string() })?;
        let faults = Arc::new(Mutex::new(Faults::default()));
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            locked(&seen).uncaptured.get_or_insert_with(|| one_line(&error.to_string()));
        }));
        let seen = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                locked(&seen).lost.get_or_insert_with(|| one_line(&format!("{reason:?} {message}")));
            }
        });
        let pipelines = Mutex::new(HashMap::new());
        let fault_asked = Fault::asked();
        Ok(Gpu { inner: Arc::new(Inner { report, limits, device, queue, options, faults, fault_asked, pipelines }) })
    }

    /// The adapter this is.
    pub fn report(&self) -> &AdapterReport {
        &self.inner.report
    }

    /// Whether the work is done by a CPU: other kernels are fast there.
    pub fn is_software(&self) -> bool {
        self.inner.report.kind == "software"
    }

    /// Whether kernels keep their checks; see [`GpuOptions`].
    pub fn is_checked(&self) -> bool {
        self.inner.options.checked
    }

    /// Largest storage binding in 32-bit words: no tensor may be larger.
    pub fn max_tensor_words(&self) -> usize {
        (self.inner.limits.max_storage_buffer_binding_size / 4) as usize
    }

    /// Bytes that are allocated on the device now; `None` where the back end does not count them.
    pub fn allocated_bytes(&self) -> Option<u64> {
        let report = self.inner.device.generate_allocator_report()?;
        Some(report.total_allocated_bytes)
    }

    /// Whether the device can say when it did what.
    pub fn has_timestamps(&self) -> bool {
        let features = self.inner.device.features();
        features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    pub(super) fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    pub(super) fn fault_asked(&self) -> Option<&Fault> {
        self.inner.fault_asked.as_ref()
    }

    /// Waits until all submitted work is done, and reports what went wrong meanwhile.
    pub fn wait(&self) -> Result<(), GpuError> {
        self.wait_for(None)
    }

    pub(super) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), GpuError> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        let polled = self.inner.device.poll(poll);
        self.check()?;
        polled.map(|_| ()).map_err(|e| self.fault(&e))
    }

    /// The first error that the driver reported since the device was opened.
    pub fn check(&self) -> Result<(), GpuError> {
        let faults = locked(&self.inner.faults);
        match (&faults.lost, &faults.uncaptured) {
            (None, None) => Ok(()),
            (Some(reason), _) => Err(GpuError::Lost { during: faults.during(), reason: reason.clone() }),
            (None, Some(reason)) => Err(GpuError::Uncaptured { during: faults.during(), reason: reason.clone() }),
        }
    }

    /// Gives the device back whatever it is doing, as a driver does that is reset: from now on everything fails with [`GpuError::Lost`]. For
    /// tests of what follows from that.
    pub fn lose(&self) {
        locked(&self.inner.faults).lost.get_or_insert_with(|| "it was given back".to_owned());
        self.inner.device.destroy();
    }

    /// Keeps errors of what follows from [`Gpu::check`]: a rejected shader, or a driver that fails on a valid one.
    pub(super) fn catch(&self) -> Scopes {
        Scopes {
            validation: self.inner.device.push_error_scope(wgpu::ErrorFilter::Validation),
            internal: self.inner.device.push_error_scope(wgpu::ErrorFilter::Internal),
        }
    }

    /// Notes what is being submitted, in memory that is there already.
    pub(super) fn running(&self, first: &str, last: &str) {
        let mut faults = locked(&self.inner.faults);
        first.clone_into(&mut faults.during[0]);
        last.clone_into(&mut faults.during[1]);
    }

    pub(super) fn fault(&self, error: &dyn std::fmt::Display) -> GpuError {
        GpuError::Uncaptured { during: locked(&self.inner.faults).during(), reason: one_line(&error.to_string()) }
    }

    /// Compiles a kernel, once a device.
    pub(super) fn pipeline(&self, kernel: &Kernel) -> Result<Arc<Pipeline>, GpuError> {
        let key = kernel.key();
        if let Some(found) = locked(&self.inner.pipelines).get(&key) {
            return Ok(found.clone());
        }
        let built =
            Arc::new(self.compile(kernel, &key).map_err(|reason| GpuError::Kernel { kernel: key.clone(), reason })?);
        locked(&self.inner.pipelines).insert(key, built.clone());
        Ok(built)
    }

    fn compile(&self, kernel: &Kernel, key: &str) -> Result<Pipeline, String> {
        let source = compose(kernel)?;
        let access = reflect(&source)?;
        let device = &self.inner.device;
        let scopes = self.catch();
        let description =
            wgpu::ShaderModuleDescriptor { label: Some(key), source: wgpu::ShaderSource::Wgsl(source.into()) };
        let module = if self.inner.options.checked {
            device.create_shader_module(description)
        } else {
            // SAFETY: every kernel stays inside its buffers and its loops end without the driver's help; the tests
            // run the same kernels with the checks on and compare results with a CPU reference on odd shapes.
            unsafe { device.create_shader_module_trusted(description, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = access
            .iter()
            .enumerate()
            .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
                binding: binding as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match access {
                        Access::Uniform => wgpu::BufferBindingType::Uniform,
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(key), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(key),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(key),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: self.inner.options.checked,
                ..Default::default()
            },
            cache: None,
        });
        match scopes.caught() {
            None => Ok(Pipeline { raw, layout, access }),
            Some(error) => Err(error.to_string()),
        }
    }
}
