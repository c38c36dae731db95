//! Every kernel permutation that the operators' cases and the presets use, on every kind of device, is validated by naga, held against
//! WebGPU's limits and written through naga's SPIR-V, MSL and HLSL back ends; what compilers are known to refuse in that text is looked
//! for here. `.ci/portability.sh` shows it to the compilers themselves.

#[path = "common/permutations.rs"]
mod permutations;
#[path = "common/uniformity.rs"]
mod uniformity;
#[path = "common/written.rs"]
mod written;

use std::collections::HashSet;

use naga::back::hlsl::ShaderModel;
use permutations::Permutations;
use simsiam::gpu::{Kernel, Value, shader};
use written::Written;

/// What WebGPU guarantees on every device.
struct Limits;

impl Limits {
    const STORAGE_BUFFERS: usize = 8;
    const THREADS: u32 = 256;
    const WORKGROUP_MEMORY: u32 = 16 << 10;
}

/// `forms`: whether the back ends write it checked, as tests run it, or unchecked, as training does.
fn check(kernel: &Kernel, forms: &[bool]) -> Result<(), String> {
    let written = Written::new(kernel)?;
    let (bindings, threads) = (shader::reflect(&written.wgsl)?.len(), written.threads());
    if bindings > Limits::STORAGE_BUFFERS {
        return Err(format!("{bindings} bindings, WebGPU guarantees {} storage buffers", Limits::STORAGE_BUFFERS));
    }
    if threads > Limits::THREADS {
        return Err(format!("{threads} threads a workgroup, WebGPU guarantees {}", Limits::THREADS));
    }
    let is_basic = !written.coop && !written.f16 && !written.subgroups();
    let memory = written.workgroup_memory();
    if is_basic && memory > Limits::WORKGROUP_MEMORY {
        return Err(format!("{memory} bytes of workgroup memory, WebGPU guarantees {}", Limits::WORKGROUP_MEMORY));
    }
    uniformity::check(written.module())?;
    if written.joins_boolean_vectors() {
        return Err(
            "& or | of boolean vectors, which FXC folds to true: take the largest magnitude, or select()".into()
        );
    }
    for &checked in forms {
        written.spirv(checked)?;
        // Metal has cooperative matrices of 8 x 8 only.
        if !kernel.constants.contains(&("SIZE_16", Value::Flag(true))) {
            only_metal_matrices(&written.msl(checked)?)?;
        }
        // DX12 has none.
        if !written.coop {
            // FXC's, where it can be said there, or DXC's.
            let model = match (written.f16, written.subgroups()) {
                (true, _) => ShaderModel::V6_2,
                (_, true) => ShaderModel::V6_0,
                _ => ShaderModel::V5_1,
            };
            defined_once(&written.hlsl(model, checked)?)?;
        }
    }
    Ok(())
}

/// naga writes matrices of any size as MSL.
fn only_metal_matrices(msl: &str) -> Result<(), String> {
    for kind in ["simdgroup_half", "simdgroup_float"] {
        for (at, _) in msl.match_indices(kind) {
            let size = &msl[at + kind.len()..];
            if !size.starts_with("8x8") {
                return Err(format!("MSL: {kind}{}", size.chars().take(8).collect::<String>()));
            }
        }
    }
    Ok(())
}

/// Helpers, constants, structs and variables: what stands at the beginning of a line, up to its body or value. naga has written some
/// helpers twice, which every HLSL compiler refuses.
fn defined_once(hlsl: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    for line in hlsl.lines() {
        let head = line.split(['{', '=', ';']).next().unwrap_or_default().trim_end();
        let defines = head.starts_with(|c: char| c.is_ascii_alphabetic());
        if defines && !seen.insert(head) {
            return Err(format!("HLSL: `{head}` is defined twice"));
        }
    }
    Ok(())
}

fn assert_portable(kernels: &Permutations, forms: &[bool]) {
    let failures: Vec<String> =
        kernels.iter().filter_map(|(key, kernel)| check(kernel, forms).err().map(|e| format!("{key}: {e}"))).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_permutation_of_the_cases_is_portable() {
    let kernels = permutations::of_cases();
    assert_portable(&kernels, &[false, true]);
    // A file of `shaders/` that no case reaches would escape this test and the others.
    for (file, _) in shader::FILES.iter().filter(|(file, _)| !file.starts_with("common/")) {
        assert!(kernels.values().any(|k| k.shader == *file), "no case runs shaders/{file}.wgsl");
    }
}

#[test]
fn every_kernel_of_the_presets_is_portable() {
    // Thousands: the cases have shown that checks are written for the same kernels.
    assert_portable(&permutations::of_presets(), &[false]);
}

#[test]
fn a_broken_file_or_flag_is_a_hard_error() {
    assert!(shader::compose(&Kernel::new("nowhere")).unwrap_err().contains("shaders/nowhere.wgsl"));
    // conv2d asks for the flag BIAS.
    let error = shader::compose(&Kernel::new("conv2d").with("F16", false)).unwrap_err();
    assert!(error.contains("BIAS") && error.contains("conv2d.wgsl"), "{error}");
}

#[test]
fn an_alias_is_refused() {
    let kernel = Kernel::with_text("own", "alias Stored = vec4<f32>;\n");
    let error = shader::compose(&kernel).unwrap_err();
    assert!(error.contains("own.wgsl:1") && error.contains("//!type"), "{error}");
    let kernel = Kernel::with_text("own", "//!type Four vec4<f32>\nvar<private> x: Four; var<private> Fourth: i32;\n");
    assert_eq!(shader::compose(&kernel).as_deref(), Ok("var<private> x: vec4<f32>; var<private> Fourth: i32;\n"));
}

/// The faults that a DX12 driver found must be found here.
#[test]
fn known_faults_are_found() {
    let twice = "float4 ZeroValuefloat4() {\n    return (float4)0;\n}\n\nfloat4 ZeroValuefloat4() {\n";
    assert!(defined_once(twice).is_err_and(|e| e.contains("ZeroValuefloat4")));
    assert!(only_metal_matrices("simdgroup_half16x16 a;").is_err());
    let written = |body: &str| {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
            @compute @workgroup_size(64)
            fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) workgroup: vec3u) {{ {body} }}"
        );
        Written::of_text(text, false, false).expect("WGSL")
    };
    let joins = |body: &str| written(body).joins_boolean_vectors();
    let (both, small) = ("var good = vec4(true); good = good &", "(vec4(x[lane]) < vec4(9u));");
    assert!(joins(&format!("{both} {small} x[0] = u32(all(good));")));
    assert!(!joins("if x[0] < 9u & x[1] < 9u { x[2] = x[0] & x[1]; }"));
    let check = |body: &str| uniformity::check(written(body).module());
    let barrier = "workgroupBarrier();";
    let varying_loop = "for (var i = lane; i < 99u; i += 64u) { x[i] = 0u; }";
    // As knn_vote had it: FXC's X3663.
    assert!(check(&format!("for (var t = 0u; t < 4u; t++) {{ {barrier} {varying_loop} }}")).is_err());
    assert!(check(&format!("if lane < 8u {{ {barrier} }}")).is_err());
    assert!(check(&format!("if x[0] < 8u {{ {barrier} }}")).is_err());
    assert!(check(&format!("if lane < 8u {{ return; }} {barrier}")).is_err());
    assert!(
        check(&format!("var n = 4u; if lane == 0u {{ n = 5u; }} for (var t = 0u; t < n; t++) {{ {barrier} }}"))
            .is_err()
    );
    assert!(check(&format!("for (var t = 0u; t < 9u; t++) {{ if t == lane {{ break; }} {barrier} }}")).is_err());
    assert_eq!(check(&format!("if workgroup.x > 3u {{ return; }} {varying_loop} {barrier} {varying_loop}")), Ok(()));
    assert_eq!(
        check(&format!("for (var t = workgroup.x; t < 9u; t++) {{ var k = 0u; while k < t {{ k++; }} {barrier} }}")),
        Ok(())
    );
}
