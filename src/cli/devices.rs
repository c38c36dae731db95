//! `simsiam devices`: which adapters there are, and whether one of them computes correctly.

use std::process::ExitCode;

use anyhow::Result;
use simsiam::gpu::{self, AdapterReport, Gpu, GpuError, GpuOptions};
use simsiam::graph::Target;
use simsiam::ops::{cases, check};

use super::say;

/// Gradients are held against finite differences, which are no better than this.
const GRADIENT_LIMIT: f64 = 1e-4;

#[derive(clap::Args)]
pub struct Args {
    /// Run every kernel that may be chosen on the adapter, compare it with a plain CPU reference and print a table.
    #[arg(long)]
    self_test: bool,
    /// The adapter: its number in the list or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match args.self_test {
        true => self_test(args.device.as_deref()),
        false => list(args.device.as_deref()),
    }
}

fn list(device: Option<&str>) -> Result<ExitCode> {
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter.into());
    }
    let chosen = gpu::chosen(device);
    for adapter in &adapters {
        let used = chosen.as_ref().is_ok_and(|c| c.index == adapter.index);
        say!("{} {}  {}", if used { '*' } else { ' ' }, adapter.index, adapter.name);
        for line in describe(adapter) {
            say!("     {line}");
        }
    }
    let chosen = chosen?;
    let why = match device {
        Some(_) => "",
        None => "; another with --device INDEX or a part of its name",
    };
    say!("* is used{why}");
    if let Some(line) = caution(&chosen) {
        say!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(adapter: &AdapterReport) -> Vec<String> {
    let (low, high) = adapter.subgroup;
    let memory = match adapter.memory {
        Some(bytes) => format!("memory {}", size(bytes)),
        None => "memory unknown".to_owned(),
    };
    let mut lines = vec![
        format!("{}, {}, driver {}", adapter.backend, adapter.kind, adapter.driver),
        format!("{memory}, largest tensor {}; tier: {}", size(adapter.max_binding), adapter.tier),
        format!(
            "workgroup: {} threads, {} of memory; subgroup {low} to {high}; {} storage buffers a kernel",
            adapter.workgroup_threads,
            size(u64::from(adapter.workgroup_memory)),
            adapter.storage_buffers
        ),
    ];
    if let Some(coop) = adapter.coop {
        let (size, sum) = (coop.size, if coop.f32_sum { "f32" } else { "f16" });
        lines.push(format!("cooperative matrices: {size}x{size} of f16, summed in {sum}"));
    }
    if let Some(lack) = adapter.lack() {
        lines.push(format!("cannot be used: {lack}"));
    }
    lines
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x400 => (1, "bytes"),
        0x400..0x10_0000 => (0x400, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        _ => (0x4000_0000, "GiB"),
    };
    match bytes % unit {
        0 => format!("{} {name}", bytes / unit),
        _ => format!("{:.1} {name}", bytes as f64 / unit as f64),
    }
}

/// One line where only software or GL is left.
pub fn caution(adapter: &AdapterReport) -> Option<&'static str> {
    match (adapter.kind, adapter.backend.as_str()) {
        ("software", _) => {
            Some("no GPU is used: this is software on the CPU, and slow; a GPU needs its Vulkan, Metal or DX12 driver")
        }
        (_, "Gl") => {
            Some("only OpenGL is used, the last resort; a Vulkan, Metal or DX12 driver for this GPU is faster")
        }
        _ => None,
    }
}

fn self_test(device: Option<&str>) -> Result<ExitCode> {
    // As training runs them: without the driver's checks.
    let gpu = Gpu::open(device, GpuOptions { checked: false })?;
    let (report, target) = (gpu.report(), Target::of(&gpu));
    say!("{} ({}, driver {})", report.name, report.backend, report.driver);
    let mut cases = cases();
    cases.retain(|case| case.runs_on(&target));
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    say!("{:width$}    error limit  gradient limit", "kernel");
    let mut failed = 0;
    for case in &cases {
        let forward = check::worst_candidate(&gpu, &target, case);
        let gradient = check::gradient_error(&gpu, &target, case);
        let good = forward.as_ref().is_ok_and(|w| w.error <= w.limit)
            && gradient.as_ref().is_ok_and(|e| e.is_none_or(|e| e <= GRADIENT_LIMIT));
        failed += usize::from(!good);
        let verdict = if good { "ok" } else { "FAILED" };
        let shown = match &gradient {
            Ok(Some(error)) => format!("{error:>8.1e}  {GRADIENT_LIMIT:.0e}"),
            _ => "       -     -".to_owned(),
        };
        match (&forward, &gradient) {
            (Ok(worst), Ok(_)) => {
                say!("{:width$}  {:>7.1e}  {:.0e}  {shown}  {verdict}", case.name, worst.error, worst.limit)
            }
            (Err(error), _) | (_, Err(error)) => say!("{:width$}  {verdict}: {error}", case.name),
        }
        // A lost device fails everything after it.
        gpu.check()?;
    }
    Ok(match failed {
        0 => {
            say!("all {} cases agree with the CPU: this adapter can be trusted", cases.len());
            ExitCode::SUCCESS
        }
        _ => {
            say!(
                "{failed} of {} cases FAILED: update the driver, or choose another adapter with --device",
                cases.len()
            );
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        let text = [0, 1000, 0x8000, 128 << 20, 3 << 29].map(size);
        assert_eq!(text, ["0 bytes", "1000 bytes", "32 KiB", "128 MiB", "1.5 GiB"]);
    }
}
