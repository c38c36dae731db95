//! Every operator on odd shapes: kernels against CPU references, gradients against finite differences. `SIMSIAM_CASES=sinkhorn` runs only
//! the cases with that in their names.

use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::graph::Target;
use simsiam::ops::check::{self, Case};

fn gpu() -> Gpu {
    // Checks on: a kernel that relies on them, or that reads workgroup memory before writing it, shows elsewhere.
    Gpu::open(None, GpuOptions { checked: true }).expect("an adapter; install mesa-vulkan-drivers for a software one")
}

fn cases() -> Vec<Case> {
    let part = std::env::var("SIMSIAM_CASES").unwrap_or_default();
    let mut cases = simsiam::ops::cases();
    cases.retain(|case| case.name.contains(&part));
    assert!(!cases.is_empty(), "no case has {part} in its name");
    cases
}

#[test]
fn kernels_match_their_references() {
    let gpu = gpu();
    let mut failures = Vec::new();
    if gpu.report().coop.is_none() {
        println!("cooperative matrices are not run: this adapter has none");
    }
    // The kernels that other kinds of device run are checked here too.
    for target in Target::kinds(&gpu) {
        let kind = match target {
            Target { coop: Some(_), .. } => "GPU with cooperative matrices",
            Target { units: 1, .. } => "small GPU",
            Target { software: false, .. } => "GPU",
            Target { subgroup: Some(_), .. } => "software with subgroups",
            _ => "software",
        };
        for case in cases().iter().filter(|case| case.runs_on(&target)) {
            match check::worst_candidate(&gpu, &target, case) {
                Ok(worst) if worst.error <= worst.limit => {}
                Ok(worst) => failures.push(format!(
                    "{kind}: {}, {}: {:.2e} > {:.0e}",
                    case.name, worst.candidate, worst.error, worst.limit
                )),
                Err(error) => failures.push(format!("{kind}: {}: {error}", case.name)),
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn gradients_match_finite_differences() {
    let gpu = gpu();
    let mut failures = Vec::new();
    let target = Target::of(&gpu);
    for case in cases().iter().filter(|case| case.runs_on(&target)) {
        match check::gradient_error(&gpu, &target, case) {
            Ok(None) => {}
            Ok(Some(error)) if error <= 1e-4 => {}
            Ok(Some(error)) => failures.push(format!("{}: {error:.2e}", case.name)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
