//! Which adapters there are, what each can do, and which one is the default.

use serde::Serialize;

use super::GpuError;

/// What a kernel may count on: named tiers instead of feature checks all over the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// WebGPU's own limits, no extension.
    Basic,
    /// Subgroup operations (never a fixed subgroup size).
    Subgroups,
    /// Subgroups and 16-bit floats in shaders.
    F16,
    /// F16 and cooperative matrices.
    Coop,
}

impl Tier {
    fn of(features: wgpu::Features) -> Tier {
        let has = |f| features.contains(f);
        match (
            has(wgpu::Features::SUBGROUP),
            has(wgpu::Features::SHADER_F16),
            has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ) {
            (true, true, true) => Tier::Coop,
            (true, true, false) => Tier::F16,
            (true, false, _) => Tier::Subgroups,
            _ => Tier::Basic,
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Tier::Basic => "basic",
            Tier::Subgroups => "subgroups",
            Tier::F16 => "f16",
            Tier::Coop => "cooperative matrices",
        })
    }
}

/// Cooperative matrices of f16 that a subgroup multiplies as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coop {
    /// Rows and columns: 8 or 16.
    pub size: usize,
    /// Products are summed in f32, not in f16.
    pub f32_sum: bool,
    /// Lanes of the largest subgroup.
    pub lanes: usize,
}

/// One adapter as `simsiam devices` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct AdapterReport {
    /// Position in the list; `--device INDEX` chooses it.
    pub index: usize,
    /// The driver's name of the GPU.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// "discrete GPU", "integrated GPU", "virtual GPU", "software" or "other".
    pub kind: &'static str,
    /// What kernels may count on.
    pub tier: Tier,
    /// Largest tensor in bytes: one storage binding.
    pub max_binding: u64,
    /// Workgroup memory in bytes.
    pub workgroup_memory: u32,
    /// Threads in a workgroup.
    pub workgroup_threads: u32,
    /// Storage buffers a kernel may bind.
    pub storage_buffers: u32,
    /// Smallest and largest subgroup.
    pub subgroup: (u32, u32),
    /// The best of its cooperative matrices that kernels know, in [`Tier::Coop`].
    pub coop: Option<Coop>,
    /// What translates kernels for the driver; on DX12 [`DXC`] or [`FXC`].
    pub shader_compiler: &'static str,
    /// Device memory in bytes where the back end reports it (Vulkan); free memory of the system for a software driver, and for an
    /// integrated GPU of another back end.
    pub memory: Option<u64>,
    /// Whether it is the default.
    pub default: bool,
}

impl AdapterReport {
    /// Why it cannot be used, if it cannot.
    pub fn lack(&self) -> Option<String> {
        lack(self)
    }
}

/// Microsoft's HLSL compiler for shader model 6: f16 and subgroups.
pub const DXC: &str = "DXC";
/// Its predecessor, part of Windows, for shader model 5.1.
pub const FXC: &str = "FXC";

/// Storage buffers that the widest kernel binds (WebGPU guarantees 8).
pub(super) const STORAGE_BUFFERS: u32 = 8;

pub(super) struct AdapterCandidate {
    pub adapter: wgpu::Adapter,
    pub report: AdapterReport,
}

/// The rank of an adapter that is the CPU.
const SOFTWARE: u8 = 3;

/// Real GPU before software, then Vulkan/Metal/DX12 before GL: lower is better.
fn rank(info: &wgpu::AdapterInfo) -> (u8, u8) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 2,
        wgpu::DeviceType::Cpu => SOFTWARE,
    };
    // Mesa's software GL does not say that it is a CPU.
    let software = info.name.contains("llvmpipe") || info.name.contains("SwiftShader");
    (if software { SOFTWARE } else { kind }, u8::from(info.backend == wgpu::Backend::Gl))
}

/// Whether an adapter is the CPU, for whoever paints with wgpu beside the training.
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    rank(info).0 == SOFTWARE
}

fn report(index: usize, adapter: &wgpu::Adapter) -> AdapterReport {
    let info = adapter.get_info();
    let limits = adapter.limits();
    AdapterReport {
        index,
        kind: match (rank(&info).0, info.device_type) {
            (SOFTWARE, _) => "software",
            (_, wgpu::DeviceType::DiscreteGpu) => "discrete GPU",
            (_, wgpu::DeviceType::IntegratedGpu) => "integrated GPU",
            (_, wgpu::DeviceType::VirtualGpu) => "virtual GPU",
            _ => "other",
        },
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        tier: Tier::of(adapter.features()),
        max_binding: limits.max_storage_buffer_binding_size,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        workgroup_threads: limits.max_compute_invocations_per_workgroup,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        coop: coop(adapter, info.subgroup_max_size as usize).filter(|_| Tier::of(adapter.features()) == Tier::Coop),
        shader_compiler: shader_compiler(info.backend, adapter.features()),
        memory: match (rank(&info).0, info.device_type) {
            // What a software driver calls its heap is a number of its own.
            (SOFTWARE, _) => free_system_memory().or_else(|| device_memory(adapter)),
            (_, wgpu::DeviceType::IntegratedGpu) => device_memory(adapter).or_else(free_system_memory),
            _ => device_memory(adapter),
        },
        default: false,
        name: info.name,
    }
}

/// The square kind of f16 matrices that sums in f32, or else in f16; the largest of those.
fn coop(adapter: &wgpu::Adapter, lanes: usize) -> Option<Coop> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let kinds = adapter.cooperative_matrix_properties();
    let known = kinds.iter().filter(|kind| {
        kind.ab_type == F16
            && matches!(kind.cr_type, F16 | F32)
            && matches!(kind.m_size, 8 | 16)
            && kind.m_size == kind.n_size
            && kind.m_size == kind.k_size
    });
    known
        .map(|kind| Coop { size: kind.m_size as usize, f32_sum: kind.cr_type == F32, lanes })
        .max_by_key(|coop| (coop.f32_sum, coop.size))
}

/// Bytes that programs can still take, where the system says.
fn free_system_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some(system.available_memory()).filter(|bytes| *bytes > 0)
}

/// What translates kernels for the driver. wgpu does not report which HLSL compiler it found, but FXC stops at shader model 5.1,
/// which has neither subgroups nor 64-bit integers, and DXC begins at 6.0.
fn shader_compiler(backend: wgpu::Backend, features: wgpu::Features) -> &'static str {
    match backend {
        wgpu::Backend::Dx12 if features.intersects(wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64) => DXC,
        wgpu::Backend::Dx12 => FXC,
        wgpu::Backend::Metal => "naga to MSL, then Metal",
        wgpu::Backend::Gl => "naga to GLSL, then the driver",
        _ => "naga to SPIR-V, then the driver",
    }
}

/// Bytes of the largest device-local heap, where the backend lets us ask.
fn device_memory(adapter: &wgpu::Adapter) -> Option<u64> {
    #[cfg(not(any(target_os = "macos", target_os = "ios")))]
    {
        const DEVICE_LOCAL: u32 = 1; // VK_MEMORY_HEAP_DEVICE_LOCAL_BIT
        // SAFETY: the raw handles are only read from while `adapter` is alive.
        unsafe {
            let vulkan = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
            let properties = vulkan
                .shared_instance()
                .raw_instance()
                .get_physical_device_memory_properties(vulkan.raw_physical_device());
            properties.memory_heaps[..properties.memory_heap_count as usize]
                .iter()
                .filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0)
                .map(|heap| heap.size)
                .max()
        }
    }
    #[cfg(any(target_os = "macos", target_os = "ios"))]
    {
        let _ = adapter;
        None
    }
}

pub(super) fn candidates() -> Vec<AdapterCandidate> {
    // WGPU_BACKEND and the rest of wgpu's own variables are honoured here.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::all());
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    // Stable: adapters of one rank keep the driver's order.
    adapters.sort_by_key(|a| rank(&a.get_info()));
    let mut list: Vec<AdapterCandidate> = adapters
        .into_iter()
        .enumerate()
        .map(|(index, adapter)| AdapterCandidate { report: report(index, &adapter), adapter })
        .collect();
    if let Some(best) = list.iter_mut().find(|c| lack(&c.report).is_none()) {
        best.report.default = true;
    }
    list
}

/// Why this adapter cannot be used, if it cannot.
pub(super) fn lack(report: &AdapterReport) -> Option<String> {
    if report.workgroup_threads < 128 {
        return Some(format!("it runs {} threads a workgroup and 128 are needed", report.workgroup_threads));
    }
    if report.storage_buffers < STORAGE_BUFFERS {
        return Some(format!(
            "it binds {} storage buffers a kernel and {STORAGE_BUFFERS} are needed",
            report.storage_buffers
        ));
    }
    None
}

/// Every adapter, best first; the index is what `--device` takes.
pub fn adapters() -> Vec<AdapterReport> {
    candidates().into_iter().map(|c| c.report).collect()
}

/// The adapter that [`super::Gpu::open`] would open.
pub fn chosen(wanted: Option<&str>) -> Result<AdapterReport, GpuError> {
    choose(wanted).map(|c| c.report)
}

/// The adapter that `wanted` names (index, or part of a name without regard to case), or the best one.
pub(super) fn choose(wanted: Option<&str>) -> Result<AdapterCandidate, GpuError> {
    let from_env = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|s| !s.is_empty());
    let wanted = wanted.map(str::to_string).or(from_env);
    let mut list = candidates();
    if list.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let position = match &wanted {
        None => list.iter().position(|c| c.report.default).unwrap_or(0),
        Some(wanted) => {
            let by_index = wanted.parse::<usize>().ok().filter(|&i| i < list.len());
            let lower = wanted.to_lowercase();
            let by_name = || list.iter().position(|c| c.report.name.to_lowercase().contains(&lower));
            by_index.or_else(by_name).ok_or_else(|| GpuError::NoSuchAdapter {
                wanted: wanted.clone(),
                present: list
                    .iter()
                    .map(|c| format!("{} {} ({})", c.report.index, c.report.name, c.report.backend))
                    .collect::<Vec<_>>()
                    .join(", "),
            })?
        }
    };
    let chosen = list.swap_remove(position);
    match lack(&chosen.report) {
        Some(lack) => Err(GpuError::Lacks { adapter: chosen.report.name, lack }),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_lacks_something_is_refused_by_name() {
        let good = AdapterReport {
            index: 0,
            name: "A".into(),
            backend: "Vulkan".into(),
            driver: String::new(),
            kind: "discrete GPU",
            tier: Tier::Basic,
            max_binding: 128 << 20,
            workgroup_memory: 16 << 10,
            workgroup_threads: 256,
            storage_buffers: 8,
            subgroup: (32, 32),
            coop: None,
            shader_compiler: FXC,
            memory: None,
            default: false,
        };
        assert_eq!(good.lack(), None);
        let few = AdapterReport { storage_buffers: 4, ..good.clone() };
        assert!(few.lack().is_some_and(|l| l.contains("4 storage buffers")));
        let small = AdapterReport { workgroup_threads: 64, ..good };
        assert!(small.lack().is_some_and(|l| l.contains("64 threads")));
    }
}
