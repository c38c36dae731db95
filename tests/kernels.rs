//! Every operator on odd shapes: kernels against CPU references, gradients against finite differences.

use simsiam::gpu::{Gpu, Options};
use simsiam::graph::Target;
use simsiam::ops::{cases, check};

fn gpu() -> Gpu {
    // Checks on: a kernel that relies on them, or that reads workgroup memory before writing it, shows elsewhere.
    Gpu::open(None, Options { checked: true })
        .expect("an adapter; install mesa-vulkan-drivers for a software one")
}

#[test]
fn kernels_match_their_references() {
    let gpu = gpu();
    let mut failures = Vec::new();
    // The kernels that other kinds of device run are checked here too.
    for target in Target::kinds(&gpu) {
        let kind = match (target.software, target.subgroup, target.units) {
            (false, _, 1) => "small GPU",
            (false, _, _) => "GPU",
            (true, Some(_), _) => "software with subgroups",
            (true, None, _) => "software",
        };
        for case in cases() {
            match check::candidate_errors(&gpu, &target, &case) {
                Ok(errors) => failures.extend(
                    errors
                        .iter()
                        .filter(|(_, error)| *error > case.tolerance)
                        .map(|(candidate, error)| {
                            let (name, limit) = (&case.name, case.tolerance);
                            format!("{kind}: {name}, {candidate}: {error:.2e} > {limit:.0e}")
                        }),
                ),
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
    for case in cases() {
        match check::gradient_error(&gpu, &Target::of(&gpu), &case) {
            Ok(None) => {}
            Ok(Some(error)) if error <= 1e-4 => {}
            Ok(Some(error)) => failures.push(format!("{}: {error:.2e}", case.name)),
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
