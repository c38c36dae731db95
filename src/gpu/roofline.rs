//! What an adapter can do at most, measured on it: the yardstick that a step is held against.

use std::time::Instant;

use super::{Binding, Buffer, Coop, Dispatch, Gpu, GpuError, Kernel, Plan, PlanBuilder, Tier};

/// Accumulators a thread, in vec4s. Eight AVX registers hide the latency of a CPU's two units and sixteen hold no more; a GPU
/// hides it by other threads too, and each needs another number.
const SOFTWARE_CHAINS: [u32; 4] = [2, 3, 4, 8];
const GPU_CHAINS: [u32; 3] = [2, 4, 8];
/// Threads of a workgroup.
const SOFTWARE_LANES: [u32; 2] = [8, 64];
const GPU_LANES: [u32; 2] = [64, 128];
/// Multiply-adds of a chain in one round of the loop.
const UNROLL: u32 = 8;
/// A run as long as this is not decided by what a submit costs.
const RUN_SECONDS: f64 = 0.02;
/// Runs of each shape; the fastest counts.
const RUNS: usize = 4;

/// Rates that nothing on this adapter exceeds, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roofline {
    /// Operations in f32: fused multiply-adds in registers, each two operations.
    pub f32_flops: f64,
    /// The same in f16, where shaders have it.
    pub f16_flops: Option<f64>,
    /// Operations of cooperative matrices of f16, where the adapter has them.
    pub coop_flops: Option<f64>,
    /// Bytes of a large copy, read and written.
    pub copy_bytes: f64,
}

impl Roofline {
    /// Measures them, within some seconds.
    pub fn measure(gpu: &Gpu) -> Result<Roofline, GpuError> {
        let half = gpu.report().tier >= Tier::F16;
        let coop = gpu.report().coop;
        Ok(Roofline {
            f32_flops: fma_flops(gpu, false)?,
            f16_flops: half.then(|| fma_flops(gpu, true)).transpose()?,
            coop_flops: coop.map(|coop| coop_flops(gpu, &coop)).transpose()?,
            copy_bytes: copy(gpu)?,
        })
    }

    /// The most operations a second that kernels of a step can do: in f16 whatever the adapter has for it.
    pub fn flops(&self, half: bool) -> f64 {
        let f16 = [self.f16_flops, self.coop_flops].into_iter().flatten();
        f16.filter(|_| half).fold(self.f32_flops, f64::max)
    }

    /// The kernels of every kind of device in one precision, for tests.
    pub fn kernels(half: bool, coop: Option<Coop>) -> Vec<Kernel> {
        let copies = COPY_EACH.map(|each| copy_kernel(1 << 20, each));
        let coop = coop.into_iter().flat_map(|c| COOP_CHAINS.map(|chains| coop_kernel(&c, chains, threads(false))));
        [true, false]
            .into_iter()
            .flat_map(|software| fma_kernels(software, half))
            .map(|(kernel, _, _)| kernel)
            .chain(copies)
            .chain(coop)
            .collect()
    }
}

/// Enough threads to fill any device several times over.
fn threads(software: bool) -> u32 {
    if software { 1 << 12 } else { 1 << 20 }
}

/// Kernels, their chains and lanes.
fn fma_kernels(software: bool, half: bool) -> Vec<(Kernel, u32, u32)> {
    let (chains, lanes) = match software {
        true => (&SOFTWARE_CHAINS[..], SOFTWARE_LANES),
        false => (&GPU_CHAINS[..], GPU_LANES),
    };
    let kernel = |chains, lanes| {
        Kernel::new("roofline_fma").with("F16", half).with("CHAINS", chains).with("UNROLL", UNROLL).with("LANES", lanes)
    };
    let shapes = chains.iter().flat_map(|&c| lanes.map(|l| (c, l)));
    shapes.map(|(c, l)| (kernel(c, l), c, l)).collect()
}

fn fma_flops(gpu: &Gpu, half: bool) -> Result<f64, GpuError> {
    let threads = threads(gpu.is_software());
    let params = Buffer::new(gpu, "params of the roofline", 4)?;
    let sums = Buffer::new(gpu, "sums of the roofline", threads as usize)?;
    let mut best: f64 = 0.0;
    for (kernel, chains, lanes) in fma_kernels(gpu.is_software(), half) {
        let mut plan = single(gpu, kernel, &[&params, &sums], threads / lanes)?;
        let rate = rounds_a_second(gpu, &mut plan, &params, [0.5, 0.5])?;
        let a_round = 8.0 * f64::from(chains) * f64::from(UNROLL) * f64::from(threads);
        best = best.max(a_round * rate);
    }
    Ok(best)
}

/// Sums a subgroup.
const COOP_CHAINS: [u32; 3] = [2, 4, 8];

/// Subgroups of a workgroup, and their threads.
fn coop_waves(coop: &Coop) -> (u32, u32) {
    let lanes = coop.lanes as u32;
    let waves = (256 / lanes).clamp(1, 4);
    (waves, waves * lanes)
}

fn coop_kernel(coop: &Coop, chains: u32, in_all: u32) -> Kernel {
    let (waves, threads) = coop_waves(coop);
    Kernel::new("roofline_coop")
        .with("COOP", true)
        .with("F16", true)
        .with("SIZE_16", coop.size == 16)
        .with("F32_SUM", coop.f32_sum)
        .with("SIZE", coop.size)
        .with("WAVES", waves)
        .with("THREADS", threads)
        .with("THREADS_IN_ALL", in_all)
        .with("CHAINS", chains)
        .with("UNROLL", UNROLL)
}

fn coop_flops(gpu: &Gpu, coop: &Coop) -> Result<f64, GpuError> {
    let threads = threads(gpu.is_software());
    let params = Buffer::new(gpu, "params of the roofline", 4)?;
    let sums = Buffer::new(gpu, "sums of the roofline", threads as usize + 4)?;
    let groups = threads / coop_waves(coop).1;
    let mut best: f64 = 0.0;
    for chains in COOP_CHAINS {
        let kernel = coop_kernel(coop, chains, threads);
        let mut plan = single(gpu, kernel, &[&params, &sums], groups)?;
        // Small enough that sums in f16 stay finite for long.
        let rate = rounds_a_second(gpu, &mut plan, &params, [0.01, 0.01])?;
        // A driver may make smaller subgroups than its largest, and so more of them.
        let subgroups: Vec<f32> = sums.read(gpu, threads as usize, 1)?;
        let product = 2.0 * (coop.size as f64).powi(3);
        let chains = f64::from(chains) * f64::from(UNROLL);
        best = best.max(product * chains * f64::from(subgroups[0]) * f64::from(groups) * rate);
    }
    Ok(best)
}

/// Rounds of a roofline kernel's loop a second, with as many in a run that the submit does not count.
fn rounds_a_second(gpu: &Gpu, plan: &mut Plan, params: &Buffer, factors: [f32; 2]) -> Result<f64, GpuError> {
    let mut run = |rounds: u32| {
        params.write(gpu, 0, &[rounds as f32, factors[0], factors[1], 0.0]);
        seconds(gpu, plan)
    };
    let mut rounds = 4;
    run(rounds)?;
    let mut least = run(rounds)?;
    while least < RUN_SECONDS / 2.0 && rounds < 1 << 20 {
        let wanted = f64::from(rounds) * RUN_SECONDS / least;
        rounds = (wanted as u32).clamp(rounds + 1, rounds * 16);
        least = run(rounds)?;
    }
    for _ in 0..RUNS {
        least = least.min(run(rounds)?);
    }
    Ok(f64::from(rounds) / least)
}

/// Vec4s that a thread of the copy moves.
const COPY_EACH: [u32; 3] = [1, 2, 4];
const COPY_LANES: u32 = 64;

fn copy_kernel(vectors: usize, each: u32) -> Kernel {
    Kernel::new("roofline_copy").with("VECTORS", vectors).with("EACH", each).with("LANES", COPY_LANES)
}

fn copy(gpu: &Gpu) -> Result<f64, GpuError> {
    // Larger than any cache, and a small part of the memory.
    let large = if gpu.is_software() { 64 << 20 } else { 256 << 20 };
    let memory = gpu.report().memory.unwrap_or(u64::MAX) / 8;
    let words = (large.min(memory) as usize / 4).min(gpu.max_tensor_words()) / 4 * 4;
    let source = Buffer::new(gpu, "source of a copy", words)?;
    let target = Buffer::new(gpu, "target of a copy", words)?;
    let mut best: f64 = 0.0;
    for each in COPY_EACH {
        let vectors = source.words() / 4;
        let groups = (vectors as u32).div_ceil(COPY_LANES * each);
        let kernel = copy_kernel(vectors, each);
        let mut plan = single(gpu, kernel, &[&source, &target], groups)?;
        let mut least = f64::INFINITY;
        for _ in 0..=RUNS {
            least = least.min(seconds(gpu, &mut plan)?);
        }
        best = best.max(2.0 * source.words() as f64 * 4.0 / least);
    }
    Ok(best)
}

/// A plan of one dispatch on whole buffers.
fn single(gpu: &Gpu, kernel: Kernel, buffers: &[&Buffer], workgroups: u32) -> Result<Plan, GpuError> {
    let whole = |buffer: &&Buffer| Binding { buffer: (*buffer).clone(), offset: 0, words: buffer.words() };
    // A dispatch is at most 65,535 workgroups in x.
    let rows = workgroups.div_ceil(1 << 15).max(1);
    let mut builder = PlanBuilder::new(gpu);
    builder.push(&Dispatch {
        label: kernel.shader.to_string(),
        kernel,
        bindings: buffers.iter().map(whole).collect(),
        workgroups: [workgroups.div_ceil(rows), rows, 1],
        flops: 0.0,
    })?;
    Ok(builder.finish())
}

fn seconds(gpu: &Gpu, plan: &mut Plan) -> Result<f64, GpuError> {
    let began = Instant::now();
    plan.run(None)?;
    gpu.wait()?;
    Ok(began.elapsed().as_secs_f64())
}
