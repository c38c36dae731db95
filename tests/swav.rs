//! SwAV against PyTorch, its prototypes from step to step, and what its settings refuse.

mod common;

use common::{Reference, Setup, gpu, stack};
use simsiam::config::Config;
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{self, StepInfo, swav, training_step};
use simsiam::model::Parameters;
use simsiam::ops::{L2Normalize, Linear, gradients};

const TOLERANCE: f64 = 1e-5;
const IMAGES: usize = 4;

#[test]
fn codes_loss_and_gradients_are_pytorchs() {
    let r = Reference::read("methods/swav");
    let mut setup = Setup::default();
    let z = setup.rows(stack(&r.rows("z1"), &r.rows("z2")));
    let prototypes = setup.weight(r.weight("prototypes"));
    let unit = setup.add(L2Normalize { eps: 1e-12 }, &[z]);
    let scores = setup.add(Linear { bias: false }, &[unit, prototypes]);
    let settings = swav::SwAv {
        epsilon: r.setting("epsilon"),
        sinkhorn_rounds: r.setting("rounds") as usize,
        ..swav::SwAv::default()
    };
    let codes = settings.codes(&mut setup.graph, scores, None).unwrap();
    let temperature = r.setting("temperature") as f32;
    let loss = swav::swapped_prediction(&mut setup.graph, scores, None, codes, temperature).unwrap();
    let found = gradients(&mut setup.graph, loss, &[z, prototypes]).unwrap();
    setup.check(
        TOLERANCE,
        &[
            ("codes", codes, stack(&r.rows("codes1"), &r.rows("codes2"))),
            ("loss", loss, r.plain("loss")),
            ("dz", found[0].unwrap(), stack(&r.rows("dz1"), &r.rows("dz2"))),
            ("dprototypes", found[1].unwrap(), r.weight("dprototypes")),
        ],
    );
}

/// Numbers that look random and are the same everywhere.
fn noise(rows: usize, columns: usize, seed: f64) -> Array {
    let number = |i: usize| ((i as f64 * 12.9898 + seed).sin() * 43_758.547).fract();
    Array::from_f32(&[rows, columns], &(0..rows * columns).map(|i| number(i) as f32).collect::<Vec<_>>())
}

/// The sum as the paper writes it, over all pairs of a large view and another.
#[test]
fn every_crop_predicts_the_codes_of_the_large_views() {
    let (images, crops, prototypes, temperature) = (3, 4, 5, 0.1);
    let (large, small) = (noise(2 * images, prototypes, 1.0), noise(crops * images, prototypes, 2.0));
    let mut codes = noise(2 * images, prototypes, 3.0);
    codes.data.iter_mut().for_each(|v| *v = v.abs());
    let all = stack(&large, &small);
    let row = |array: &Array, i: usize| array.data[i * prototypes..][..prototypes].to_vec();
    let mut expected = 0.0;
    for i in 0..2 {
        for v in (0..2 + crops).filter(|&v| v != i) {
            for image in 0..images {
                let scores: Vec<f64> = row(&all, v * images + image).iter().map(|s| s / temperature).collect();
                let log_sum = scores.iter().map(|s| s.exp()).sum::<f64>().ln();
                let entropy =
                    row(&codes, i * images + image).iter().zip(&scores).map(|(q, s)| -q * (s - log_sum)).sum::<f64>();
                expected += 0.5 / (1 + crops) as f64 * entropy / images as f64;
            }
        }
    }
    let mut setup = Setup::default();
    let [large, small, codes] = [large, small, codes].map(|array| setup.rows(array));
    let loss = swav::swapped_prediction(&mut setup.graph, large, Some(small), codes, temperature as f32).unwrap();
    setup.check(TOLERANCE, &[("loss", loss, Array { dims: vec![1], data: vec![expected] })]);
}

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    let small = [
        "method.name=swav",
        "method.prototypes=5",
        "model.arch=resnet_tiny",
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=6",
        "data.image_size=6",
        "optim.batch_size=4",
    ];
    for assignment in small.iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    config
}

/// The values of an entry before the first step and after each of `steps`, three an epoch.
fn train(config: &Config, steps: u64, entry: &str) -> Vec<Vec<f32>> {
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let groups = method::of(config).views(config);
    let shapes = groups.iter().map(|group| [group.count() * IMAGES, group.size, group.size, 3]);
    let views: Vec<_> = shapes.map(|shape| graph.input("views", Shape::rows(shape))).collect();
    let step = training_step(&mut graph, &views, IMAGES, config, &mut parameters).unwrap();
    let mut store = Store::new(&gpu());
    parameters.allocate(&mut store).unwrap();
    parameters.write(&store, &parameters.initialize(3));
    let mut program = Program::compile(&graph, &mut store).unwrap();
    let index = parameters.entries().iter().position(|e| e.name == entry).unwrap();
    let mut all = vec![parameters.read(&store).unwrap()[index].clone()];
    for i in 0..steps {
        for (salt, &tensor) in views.iter().enumerate() {
            let len = program.read(tensor).unwrap().len();
            let pixels = (0..len).map(|n| ((n + 31 * i as usize + salt) as f32 * 1.7).sin());
            program.write(tensor, &pixels.collect::<Vec<_>>());
        }
        program.write(step.rates, &[0.3, 0.3]);
        let info = StepInfo { step: i, steps: 9, steps_per_epoch: 3, images: &[0, 1, 2, 3] };
        step.inputs.iter().for_each(|input| input.write(&program, &info));
        program.run(None).unwrap();
        assert!(program.read(step.loss).unwrap()[0].is_finite());
        all.push(parameters.read(&store).unwrap()[index].clone());
    }
    all
}

#[test]
fn prototypes_stay_where_they_are_until_they_learn() {
    let small = ["augment.small.count=2", "augment.small.size=4"];
    for assignments in [&[][..], &small, &["method.queue=8", "method.queue_epoch=0"], &["optim.optimizer=lars"]] {
        let all = train(&config(assignments), 5, "prototypes.weight");
        // A prototype is a column: every fifth number from its own on.
        let unit = |values: &[f32], k: usize| {
            let column: Vec<f32> = values.iter().skip(k).step_by(5).copied().collect();
            let length = column.iter().map(|v| v * v).sum::<f32>().sqrt();
            (length, column.into_iter().map(|v| v / length).collect::<Vec<_>>())
        };
        for k in 0..5 {
            let (_, first) = unit(&all[0], k);
            for (step, values) in all.iter().enumerate().skip(1) {
                let (length, now) = unit(values, k);
                assert!(step > 3 || (length - 1.0).abs() < 1e-3, "{assignments:?}: {length}");
                let moved = first.iter().zip(&now).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert_eq!(moved > 1e-6, step > 3, "{assignments:?}: step {step}, {moved}");
            }
        }
    }
}

#[test]
fn the_queue_keeps_the_features_of_both_views() {
    let all = train(&config(&["method.queue=8"]), 4, "queue");
    for (step, values) in all.iter().enumerate().skip(1) {
        let filled = values.chunks(6).map(|row| row.iter().map(|v| v * v).sum::<f32>() > 0.5);
        let first = |row: usize| row % 12 / 4;
        for (row, filled) in filled.enumerate() {
            assert_eq!(filled, first(row) < step, "step {step}, row {row}");
        }
    }
}

#[test]
fn bad_settings_are_refused_with_the_fix() {
    for (assignment, expected) in [
        ("method.prototypes=1", "2 to 65536 prototypes"),
        ("method.temperature=0", "0.001 or more"),
        ("method.epsilon=-1", "0.001 or more"),
        ("method.sinkhorn_rounds=0", "1 to 100 rounds"),
    ] {
        let error = config(&[]).set(assignment).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (assignments, expected) in [
        (
            &["method.queue=9"][..],
            "method.queue = 9: the queue must be a multiple of the batch of 4; set it to 12, or 0",
        ),
        (&["method.queue=8", "method.stop_gradient=false"], "without method.stop_gradient it must be 0"),
        (&["augment.small.count=2", "augment.small.size=7"], "augment.small.size = 7: small crops must not be larger"),
    ] {
        let error = config(assignments).validate().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(method::check(&config(&["augment.small.count=2", "augment.small.size=4"])).is_ok());
}

#[test]
fn every_preset_has_its_numbers() {
    for preset in Config::presets() {
        let config = Config::preset_for(preset, "swav").unwrap();
        config.validate().unwrap();
        assert_eq!((config.method.name(), config.model.dim), ("swav", 128), "{preset}");
    }
}
