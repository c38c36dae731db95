//! Every kernel permutation that the operators' cases use, on every kind of device, is validated by naga and written
//! through its SPIR-V, MSL and HLSL back ends: the claim of portability is checked where there is no Mac and no Windows.

use std::collections::BTreeMap;

use naga::back;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use simsiam::gpu::{Kernel, Tier, shader};
use simsiam::graph::Target;
use simsiam::ops::cases;

fn targets() -> [Target; 2] {
    [true, false].map(|software| Target {
        software,
        tier: Tier::Basic,
        max_words: 1 << 25,
    })
}

fn check(kernel: &Kernel) -> Result<(), String> {
    let source = shader::compose(kernel)?;
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| e.emit_to_string(&source))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string(&source))?;
    let bindings = shader::reflect(&source)?.len();
    if bindings > 8 {
        return Err(format!(
            "{bindings} bindings, WebGPU guarantees 8 storage buffers"
        ));
    }
    let threads: u32 = module
        .entry_points
        .iter()
        .map(|e| e.workgroup_size.iter().product::<u32>())
        .sum();
    if threads > 256 {
        return Err(format!(
            "{threads} threads a workgroup, WebGPU guarantees 256"
        ));
    }
    back::spv::write_vec(&module, &info, &back::spv::Options::default(), None)
        .map_err(|e| format!("SPIR-V: {e}"))?;
    let msl = back::msl::Options {
        fake_missing_bindings: true,
        ..Default::default()
    };
    back::msl::write_string(&module, &info, &msl, &Default::default())
        .map_err(|e| format!("MSL: {e}"))?;
    let hlsl = back::hlsl::Options {
        fake_missing_bindings: true,
        ..Default::default()
    };
    let mut text = String::new();
    back::hlsl::Writer::new(&mut text, &hlsl, &Default::default())
        .write(&module, &info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

#[test]
fn every_permutation_is_portable() {
    let mut kernels = BTreeMap::new();
    for target in targets() {
        for case in cases() {
            for kernel in case.kernels(&target).expect("the cases are sound") {
                kernels.insert(kernel.key(), kernel);
            }
        }
    }
    let failures: Vec<String> = kernels
        .iter()
        .filter_map(|(key, kernel)| check(kernel).err().map(|e| format!("{key}: {e}")))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    // A file of `shaders/` that no case reaches would escape this test and the others.
    for (file, _) in shader::FILES
        .iter()
        .filter(|(file, _)| !file.starts_with("common/"))
    {
        assert!(
            kernels.values().any(|k| k.shader == *file),
            "no case runs shaders/{file}.wgsl"
        );
    }
}

#[test]
fn a_broken_file_or_flag_is_a_hard_error() {
    assert!(
        shader::compose(&Kernel::new("nowhere"))
            .unwrap_err()
            .contains("shaders/nowhere.wgsl")
    );
    // conv2d asks for the flag BIAS.
    let error = shader::compose(&Kernel::new("conv2d").with("TX", 1u32)).unwrap_err();
    assert!(
        error.contains("BIAS") && error.contains("conv2d.wgsl"),
        "{error}"
    );
}
