//! `simsiam devices`: which adapters there are, and whether one of them computes correctly.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use simsiam::gpu::{self, AdapterReport, Gpu, GpuError, GpuOptions};
use simsiam::graph::Target;
use simsiam::ops::{cases, check};

use super::say;

/// Gradients are held against finite differences, which are no better than this.
const GRADIENT_LIMIT: f64 = 1e-4;

#[derive(clap::Args)]
pub struct Args {
    /// Run every candidate kernel, compare it with a CPU reference and print a table.
    #[arg(long)]
    self_test: bool,
    /// The adapter: its number in the list or a part of its name.
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// Print JSON: every adapter and, with --self-test, every case; attach it to a bug report.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match (args.self_test, args.json) {
        (true, json) => self_test(args.device.as_deref(), json),
        (false, true) => {
            say!("{}", describe_machine(None));
            Ok(ExitCode::SUCCESS)
        }
        (false, false) => list(args.device.as_deref()),
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
    lines.push(format!("shader compiler: {}", adapter.shader_compiler));
    if adapter.shader_compiler == gpu::FXC {
        lines.push("for f16 and subgroups put dxcompiler.dll (1.8.2502 or newer) beside the program".to_owned());
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

/// One case of the self-test.
#[derive(Serialize)]
struct Outcome {
    case: String,
    passed: bool,
    /// The candidate kernel that is nearest to its limit or beyond.
    kernel: String,
    /// Relative; `None` where it could not be measured or is infinite.
    error: Option<f64>,
    limit: Option<f64>,
    /// Against finite differences; `None` where nothing is differentiable.
    gradient_error: Option<f64>,
    /// What the driver or a compiler said.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Outcome {
    fn of(gpu: &Gpu, target: &Target, case: &check::Case) -> Outcome {
        let measured = check::worst_candidate(gpu, target, case)
            .and_then(|worst| Ok((worst, check::gradient_error(gpu, target, case)?)));
        let case = case.name.clone();
        match measured {
            Ok((worst, gradient)) => Outcome {
                case,
                passed: worst.error <= worst.limit && gradient.is_none_or(|error| error <= GRADIENT_LIMIT),
                kernel: worst.candidate,
                error: Some(worst.error),
                limit: Some(worst.limit),
                gradient_error: gradient,
                message: None,
            },
            Err(error) => Outcome {
                case,
                passed: false,
                kernel: String::new(),
                error: None,
                limit: None,
                gradient_error: None,
                message: Some(error.to_string()),
            },
        }
    }

    /// A line of the table.
    fn line(&self, width: usize) -> String {
        let (case, verdict) = (&self.case, if self.passed { "ok" } else { "FAILED" });
        let (Some(error), Some(limit)) = (self.error, self.limit) else {
            return format!("{case:width$}  {verdict}: {}", self.message.as_deref().unwrap_or_default());
        };
        let gradient = match self.gradient_error {
            Some(error) => format!("{error:>8.1e}  {GRADIENT_LIMIT:.0e}"),
            None => "       -     -".to_owned(),
        };
        let kernel = if self.passed { String::new() } else { format!(" (kernel {})", self.kernel) };
        format!("{case:width$}  {error:>7.1e}  {limit:.0e}  {gradient}  {verdict}{kernel}")
    }
}

fn self_test(device: Option<&str>, json: bool) -> Result<ExitCode> {
    // As training runs them: without the driver's checks.
    let gpu = Gpu::open(device, GpuOptions { checked: false })?;
    let (report, target) = (gpu.report(), Target::of(&gpu));
    let mut cases = cases();
    cases.retain(|case| case.runs_on(&target));
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    if !json {
        say!("{} ({}, driver {}, shaders by {})", report.name, report.backend, report.driver, report.shader_compiler);
        say!("{:width$}    error limit  gradient limit", "kernel");
    }
    let mut outcomes = Vec::new();
    for case in &cases {
        let outcome = Outcome::of(&gpu, &target, case);
        if !json {
            say!("{}", outcome.line(width));
        }
        outcomes.push(outcome);
        // A lost device fails everything after it.
        gpu.check()?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if json {
        let test = json!({"adapter": report.index, "cases": outcomes.len(), "failed": failed, "outcomes": outcomes});
        say!("{}", describe_machine(Some(test)));
    } else if failed == 0 {
        say!("all {} cases agree with the CPU: this adapter can be trusted", cases.len());
    } else {
        say!("{failed} of {} cases FAILED: update the driver, or choose another adapter with --device", cases.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that a report of a machine should hold.
fn describe_machine(self_test: Option<Value>) -> Value {
    json!({
        "simsiam": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "adapters": gpu::adapters(),
        "self_test": self_test,
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
