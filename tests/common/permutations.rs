//! Every kernel permutation that the operators' cases and the presets use, on every kind of device: `tests/shaders.rs` validates them,
//! `examples/dump_shaders.rs` writes them to files for compilers that are not part of this project.

use std::collections::BTreeMap;

use simsiam::augment::{ViewOptions, views};
use simsiam::config::{Config, Precision};
use simsiam::gpu::{Coop, Kernel, Roofline, Tier};
use simsiam::graph::{Graph, Shape, Target};
use simsiam::method::simsiam::{evaluation, training_step};
use simsiam::model::Parameters;
use simsiam::ops::{AugmentParams, cases};

/// Kernels by [`Kernel::key`].
pub type Permutations = BTreeMap<String, Kernel>;

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

/// What the operators' cases and the measurement of ceilings use.
pub fn of_cases() -> Permutations {
    let mut kernels = Permutations::new();
    for target in targets() {
        for case in cases() {
            for kernel in case.kernels(&target).expect("the cases are sound") {
                kernels.insert(kernel.key(), kernel);
            }
        }
        for half in [false, true] {
            for kernel in Roofline::kernels(half, target.coop) {
                kernels.insert(kernel.key(), kernel);
            }
        }
    }
    kernels
}

/// What training and evaluation with the presets use.
pub fn of_presets() -> Permutations {
    let mut kernels = Permutations::new();
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
        training_step(&mut training, images, batch, &config, &mut parameters).expect("a training step");
        let mut evaluating = Graph::new();
        let images = evaluating.input("images", Shape::rows([batch, size, size, 3]));
        evaluation(&mut evaluating, images, &config, &mut parameters, true).expect("an evaluation");
        // The other kinds of device choose among the same kernels.
        for target in &targets()[..5] {
            if target.units == 1 && target.coop.is_none() {
                continue;
            }
            for graph in [&training, &evaluating] {
                let possible = graph.possible_kernels(target).into_iter();
                kernels.extend(possible.map(|kernel| (kernel.key(), kernel)));
            }
        }
    }
    kernels
}
