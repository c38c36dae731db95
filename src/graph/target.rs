//! The device that kernels are chosen for.

use crate::gpu::{AdapterReport, Coop, Gpu, Tier};

/// What an operator may know of the device its kernels will run on.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// A CPU does the work: barriers and per-lane loads are dear, registers are cheap.
    pub software: bool,
    /// What kernels may count on.
    pub tier: Tier,
    /// Lanes of a subgroup, where they are always as many and kernels may use subgroups.
    pub subgroup: Option<usize>,
    /// Largest binding in words.
    pub max_words: usize,
    /// Cooperative matrices that kernels may use.
    pub coop: Option<Coop>,
    /// Threads of a workgroup.
    pub threads: usize,
    /// Workgroup memory in bytes.
    pub workgroup_memory: usize,
    /// Compute units to fill with work. Nothing tells how many a device has, so this is a guess; a tuner times several
    /// candidates.
    pub units: usize,
}

impl Target {
    /// What WebGPU guarantees: no extensions, bindings of 128 MiB, workgroups of 256 threads with 16 KiB of memory.
    pub fn basic(software: bool) -> Target {
        Target {
            software,
            tier: Tier::Basic,
            subgroup: None,
            coop: None,
            max_words: 1 << 25,
            threads: 256,
            workgroup_memory: 16 << 10,
            units: UNITS,
        }
    }

    /// The kinds of device that kernels are chosen for, with this device's limits: every one must be right on every device
    /// that has its features.
    pub fn kinds(gpu: &Gpu) -> Vec<Target> {
        let here = Target::of(gpu);
        let kind = |software, subgroup| Target { software, subgroup, coop: None, ..here };
        // A small GPU is full with a few large tiles, so its candidates are others.
        let small = Target { units: 1, ..kind(false, None) };
        let mut kinds = vec![kind(true, None), kind(false, None), small];
        kinds.extend(gpu.report().coop.map(|coop| Target { coop: Some(coop), ..small }));
        kinds.extend(here.subgroup.map(|lanes| kind(true, Some(lanes))));
        kinds
    }

    /// Of an open device.
    pub fn of(gpu: &Gpu) -> Target {
        let report: &AdapterReport = gpu.report();
        let (least, most) = report.subgroup;
        let fixed = report.tier >= Tier::Subgroups && least == most && least > 1;
        Target {
            subgroup: fixed.then_some(least as usize),
            software: gpu.is_software(),
            tier: report.tier,
            // Sums in f16 are too coarse to train with.
            coop: report.coop.filter(|coop| coop.f32_sum),
            max_words: gpu.max_tensor_words(),
            threads: report.workgroup_threads as usize,
            workgroup_memory: report.workgroup_memory as usize,
            units: UNITS,
        }
    }
}

/// Compute units of a large GPU.
const UNITS: usize = 128;
