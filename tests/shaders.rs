//! Every kernel permutation that the operators' cases and the presets use, on every kind of device, is validated by naga and written
//! through its SPIR-V, MSL and HLSL back ends: the claim of portability is checked where there is no Mac and no Windows.

use std::collections::BTreeMap;

use naga::back;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use simsiam::augment::{ViewOptions, views};
use simsiam::config::{Config, Precision};
use simsiam::gpu::{Coop, Kernel, Roofline, Tier, Value, shader};
use simsiam::graph::{Graph, Shape, Target};
use simsiam::method::training_step;
use simsiam::model::Parameters;
use simsiam::ops::{AugmentParams, cases};

/// Software with and without subgroups, a GPU, one that a few workgroups fill, and GPUs with cooperative matrices.
fn targets() -> Vec<Target> {
    let basic = Target::basic(true);
    let subgroups = Target { tier: Tier::Subgroups, subgroup: Some(8), ..basic };
    let gpu = Target::basic(false);
    let small = Target { units: 1, ..gpu };
    // NVIDIA and AMD; Apple; Mesa's software driver.
    let coop = [(16, true, 32), (16, true, 64), (8, true, 32), (8, false, 8)];
    let coop = coop.map(|(size, f32_sum, lanes)| Target {
        tier: Tier::Coop,
        coop: Some(Coop { size, f32_sum, lanes }),
        workgroup_memory: 32 << 10,
        ..small
    });
    [&[basic, subgroups, gpu, small][..], &coop].concat()
}

/// What adapters of the higher tiers have.
const CAPABILITIES: Capabilities =
    Capabilities::SUBGROUP.union(Capabilities::SHADER_FLOAT16).union(Capabilities::COOPERATIVE_MATRIX);

fn check(kernel: &Kernel) -> Result<(), String> {
    let source = shader::compose(kernel)?;
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| e.emit_to_string(&source))?;
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
        .validate(&module)
        .map_err(|e| e.emit_to_string(&source))?;
    let bindings = shader::reflect(&source)?.len();
    if bindings > 8 {
        return Err(format!("{bindings} bindings, WebGPU guarantees 8 storage buffers"));
    }
    let threads: u32 = module.entry_points.iter().map(|e| e.workgroup_size.iter().product::<u32>()).sum();
    if threads > 256 {
        return Err(format!("{threads} threads a workgroup, WebGPU guarantees 256"));
    }
    back::spv::write_vec(&module, &info, &back::spv::Options::default(), None).map_err(|e| format!("SPIR-V: {e}"))?;
    let coop = kernel.constants.contains(&("COOP", Value::Flag(true)));
    let msl = back::msl::Options {
        // What has matrices has this.
        lang_version: if coop { (2, 3) } else { (1, 0) },
        fake_missing_bindings: true,
        ..Default::default()
    };
    back::msl::write_string(&module, &info, &msl, &Default::default()).map_err(|e| format!("MSL: {e}"))?;
    if coop {
        // DX12 has none.
        return Ok(());
    }
    let hlsl = back::hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let mut text = String::new();
    back::hlsl::Writer::new(&mut text, &hlsl, &Default::default())
        .write(&module, &info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    Ok(())
}

fn assert_portable(kernels: &BTreeMap<String, Kernel>) {
    let failures: Vec<String> =
        kernels.iter().filter_map(|(key, kernel)| check(kernel).err().map(|e| format!("{key}: {e}"))).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_permutation_of_the_cases_is_portable() {
    let mut kernels = BTreeMap::new();
    for target in targets() {
        for case in cases() {
            for kernel in case.kernels(&target).expect("the cases are sound") {
                kernels.insert(kernel.key(), kernel);
            }
        }
    }
    for target in targets() {
        for half in [false, true] {
            for kernel in Roofline::kernels(half, target.coop) {
                kernels.insert(kernel.key(), kernel);
            }
        }
    }
    assert_portable(&kernels);
    // A file of `shaders/` that no case reaches would escape this test and the others.
    for (file, _) in shader::FILES.iter().filter(|(file, _)| !file.starts_with("common/")) {
        assert!(kernels.values().any(|k| k.shader == *file), "no case runs shaders/{file}.wgsl");
    }
}

#[test]
fn every_kernel_of_the_presets_is_portable() {
    let mut kernels = BTreeMap::new();
    let presets = Config::presets().map(|preset| (preset, Precision::F32));
    for (preset, precision) in presets.chain([("cifar10", Precision::F16)]) {
        let mut config = Config::preset(preset).expect("presets are sound").resolved();
        config.run.precision = precision;
        let (batch, size) = (config.optim.batch_size, config.data.image_size);
        let mut parameters = Parameters::new();
        let mut training = Graph::new();
        let bytes = training.input("bytes", Shape::words(1024));
        let table = training.input("table", Shape::words(2 * batch * AugmentParams::WORDS));
        let options = ViewOptions::training(&config.augment);
        let images = views(&mut training, bytes, table, size, &options).expect("views");
        training_step(&mut training, &[images], batch, &config, &mut parameters).expect("a training step");
        let mut evaluation = Graph::new();
        let images = evaluation.input("images", Shape::rows([batch, size, size, 3]));
        simsiam::method::evaluation(&mut evaluation, images, &config, &mut parameters, true).expect("an evaluation");
        // The other kinds of device choose among the same kernels.
        for target in &targets()[..5] {
            if target.units == 1 && target.coop.is_none() {
                continue;
            }
            for graph in [&training, &evaluation] {
                let possible = graph.possible_kernels(target).into_iter();
                kernels.extend(possible.map(|kernel| (kernel.key(), kernel)));
            }
        }
    }
    assert_portable(&kernels);
}

#[test]
fn a_broken_file_or_flag_is_a_hard_error() {
    assert!(shader::compose(&Kernel::new("nowhere")).unwrap_err().contains("shaders/nowhere.wgsl"));
    // conv2d asks for the flag BIAS.
    let error = shader::compose(&Kernel::new("conv2d").with("F16", false)).unwrap_err();
    assert!(error.contains("BIAS") && error.contains("conv2d.wgsl"), "{error}");
}
