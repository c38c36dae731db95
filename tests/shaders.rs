//! Every kernel permutation that the operators' cases and the presets use, on every kind of device, is validated by naga and written
//! through its SPIR-V, MSL and HLSL back ends: the claim of portability is checked where there is no Mac and no Windows.

#[path = "common/permutations.rs"]
mod permutations;
#[path = "common/written.rs"]
mod written;

use naga::back::hlsl::ShaderModel;
use permutations::Permutations;
use simsiam::gpu::{Kernel, shader};
use written::Written;

fn check(kernel: &Kernel) -> Result<(), String> {
    let written = Written::new(kernel)?;
    let bindings = shader::reflect(&written.wgsl)?.len();
    if bindings > 8 {
        return Err(format!("{bindings} bindings, WebGPU guarantees 8 storage buffers"));
    }
    let threads = written.threads();
    if threads > 256 {
        return Err(format!("{threads} threads a workgroup, WebGPU guarantees 256"));
    }
    written.spirv()?;
    written.msl()?;
    // DX12 has no cooperative matrices.
    if !written.coop {
        // FXC's, where it can be said there, or DXC's.
        let model = match (written.f16, written.subgroups()) {
            (true, _) => ShaderModel::V6_2,
            (_, true) => ShaderModel::V6_0,
            _ => ShaderModel::V5_1,
        };
        written.hlsl(model)?;
    }
    Ok(())
}

fn assert_portable(kernels: &Permutations) {
    let failures: Vec<String> =
        kernels.iter().filter_map(|(key, kernel)| check(kernel).err().map(|e| format!("{key}: {e}"))).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_permutation_of_the_cases_is_portable() {
    let kernels = permutations::of_cases();
    assert_portable(&kernels);
    // A file of `shaders/` that no case reaches would escape this test and the others.
    for (file, _) in shader::FILES.iter().filter(|(file, _)| !file.starts_with("common/")) {
        assert!(kernels.values().any(|k| k.shader == *file), "no case runs shaders/{file}.wgsl");
    }
}

#[test]
fn every_kernel_of_the_presets_is_portable() {
    assert_portable(&permutations::of_presets());
}

#[test]
fn a_broken_file_or_flag_is_a_hard_error() {
    assert!(shader::compose(&Kernel::new("nowhere")).unwrap_err().contains("shaders/nowhere.wgsl"));
    // conv2d asks for the flag BIAS.
    let error = shader::compose(&Kernel::new("conv2d").with("F16", false)).unwrap_err();
    assert!(error.contains("BIAS") && error.contains("conv2d.wgsl"), "{error}");
}
