//! MoCo against PyTorch: its loss, and what it keeps from step to step.

mod common;

use common::{Reference, Setup, gpu};
use simsiam::config::Config;
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{self, HostValues, StepInfo, moco, training_step};
use simsiam::model::Parameters;
use simsiam::ops::{L2Normalize, MovingAverage, gradients};

const TOLERANCE: f64 = 1e-5;
const IMAGES: usize = 4;

#[test]
fn loss_gradient_and_queue_are_pytorchs() {
    let r = Reference::read("methods/moco");
    let mut setup = Setup::default();
    let [q, k, queue] = ["q", "k", "queue"].map(|name| setup.rows(r.rows(name)));
    let [query, key] = [q, k].map(|rows| setup.add(L2Normalize { eps: 1e-12 }, &[rows]));
    let loss = moco::info_nce(&mut setup.graph, [query, key], queue, r.setting("temperature") as f32).unwrap().loss;
    let dq = gradients(&mut setup.graph, loss, &[q]).unwrap()[0].unwrap();
    // As the step of this pointer enqueues.
    let pointer = r.setting("pointer");
    let rows = (0..IMAGES).map(|row| pointer + row as f64).collect();
    let index = setup.words(Array { dims: vec![IMAGES], data: rows });
    setup.add_updating(MovingAverage { keep: 0.0 }, &[key, index], &[queue]);
    setup.check(
        TOLERANCE,
        &[("loss", loss, r.plain("loss")), ("dq", dq, r.rows("dq")), ("queue", queue, r.rows("queue_after"))],
    );
}

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    let small = [
        "method.name=mocov2",
        "model.arch=resnet_tiny",
        "model.blocks=[1]",
        "model.width=4",
        "model.dim=6",
        "optim.batch_size=4",
        "method.queue=16",
        "method.momentum=0.75",
    ];
    for assignment in small.iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    config
}

/// The values of all entries before the first step and after each of `steps`, and what the steps lost.
fn train(config: &Config, steps: u64) -> (Parameters, Vec<Vec<Vec<f32>>>) {
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let groups = method::of(config).views(config);
    let views = groups.iter().map(|group| graph.input("views", Shape::rows([group.count() * IMAGES, 6, 6, 3])));
    let views: Vec<_> = views.collect();
    let step = training_step(&mut graph, &views, IMAGES, config, &mut parameters).unwrap();
    let mut store = Store::new(&gpu());
    parameters.allocate(&mut store).unwrap();
    parameters.write(&store, &parameters.initialize(3));
    let mut program = Program::compile(&graph, &mut store).unwrap();
    let mut all = vec![parameters.read(&store).unwrap()];
    for i in 0..steps {
        for (salt, &tensor) in views.iter().enumerate() {
            let pixels =
                (0..program.read(tensor).unwrap().len()).map(|n| ((n + 31 * i as usize + salt) as f32 * 1.7).sin());
            program.write(tensor, &pixels.collect::<Vec<_>>());
        }
        program.write(step.rates, &[0.3, 0.3]);
        let info = StepInfo { step: i, steps: 9, steps_per_epoch: 3, images: &[0, 1, 2, 3] };
        step.inputs.iter().for_each(|input| input.write(&program, &info));
        program.run(None).unwrap();
        assert!(program.read(step.loss).unwrap()[0].is_finite());
        all.push(parameters.read(&store).unwrap());
    }
    (parameters, all)
}

#[test]
fn keys_enter_the_queue_one_step_after_the_other_and_begin_again() {
    for assignments in [&[][..], &["method.symmetric=true"], &["method.split_batch_norm=2"]] {
        let config = config(assignments);
        let keys = IMAGES * method::of(&config).views(&config)[0].count();
        let (parameters, all) = train(&config, 5);
        let index = parameters.entries().iter().position(|e| e.name == "queue").unwrap();
        let rows = |step: usize| all[step][index].chunks(6).map(<[f32]>::to_vec).collect::<Vec<_>>();
        for step in 0..5 {
            let (before, after) = (rows(step), rows(step + 1));
            let first = step * keys % 16;
            for (row, (before, after)) in before.iter().zip(&after).enumerate() {
                let length = after.iter().map(|v| v * v).sum::<f32>();
                assert!((length - 1.0).abs() < 1e-5, "row {row} has length {length}");
                assert_eq!(before != after, (first..first + keys).contains(&row), "step {step}, row {row}");
            }
        }
    }
}

/// The authors average before the next keys: the averages that those of step 2 see are of the weights that step 1 left.
#[test]
fn the_momentum_encoder_averages_weights() {
    let (parameters, all) = train(&config(&[]), 2);
    let index = |name: &str| parameters.entries().iter().position(|e| e.name == name).unwrap();
    let mut averages = 0;
    for (i, entry) in parameters.entries().iter().enumerate() {
        let Some(online) = &entry.average_of else { continue };
        averages += 1;
        let online = index(online);
        assert_eq!(all[0][i], all[0][online], "{}", entry.name);
        for step in 1..=2 {
            let both = all[step - 1][i].iter().zip(&all[step][online]);
            let expected: Vec<f32> = both.map(|(t, o)| 0.75 * t + 0.25 * o).collect();
            let array = |values: &[f32]| Array::from_f32(&[values.len()], values);
            let error = array(&all[step][i]).relative_error(&array(&expected));
            assert!(error < 1e-6, "{}: {error}", entry.name);
        }
    }
    assert!(averages > 4, "{averages}");
}

#[test]
fn groups_of_the_batch_have_statistics_of_their_own() {
    let statistics = |assignments: &[&str]| {
        let (parameters, all) = train(&config(assignments), 1);
        let of = |name: &str| all[1][parameters.entries().iter().position(|e| e.name == name).unwrap()].clone();
        [of("encoder.bn1.running_mean"), of("encoder.bn1.running_var")]
    };
    let ([mean, variance], [split_mean, split_variance]) =
        (statistics(&[]), statistics(&["method.split_batch_norm=2"]));
    // The mean of the parts is about that of the batch; what lies between the parts is not in their variances.
    for (whole, parts) in mean.iter().zip(&split_mean) {
        assert!((whole - parts).abs() < 0.02, "{mean:?} {split_mean:?}");
    }
    assert_ne!(variance, split_variance);
}

#[test]
fn bad_settings_are_refused_with_the_fix() {
    let mut good = config(&[]);
    assert!(good.validate().is_ok());
    for (assignment, expected) in [
        ("method.queue=18", "method.queue = 18: the queue must be a multiple of the 4 keys of a step; set it to 20"),
        ("method.split_batch_norm=3", "method.split_batch_norm = 3: the 4 images of a batch must have equal parts"),
        ("method.split_batch_norm=4", "equal parts of at least two"),
    ] {
        let mut config = good.clone();
        config.set(assignment).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (assignment, expected) in [
        ("method.temperature=0", "0.001 or more"),
        ("method.momentum=1.5", "0 to 1"),
        ("method.queue=0", "2 to 16777216 keys"),
    ] {
        let error = good.set(assignment).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_step_says_where_keys_go() {
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let views = [0; 2].map(|_| graph.input("views", Shape::rows([IMAGES, 6, 6, 3])));
    let step = training_step(&mut graph, &views, IMAGES, &config(&[]), &mut parameters).unwrap();
    let rows = |step_number| {
        let info = StepInfo { step: step_number, steps: 9, steps_per_epoch: 3, images: &[] };
        let HostValues::Words(words) = step.inputs[0].values(&info) else { panic!("words") };
        words
    };
    assert_eq!(rows(2), [8, 9, 10, 11]);
    assert_eq!(rows(4), [0, 1, 2, 3]);
}

#[test]
fn every_preset_has_its_numbers() {
    for method in ["mocov1", "mocov2"] {
        for preset in Config::presets() {
            let config = Config::preset_for(preset, method).unwrap();
            config.validate().unwrap();
            assert!(config.model.dim <= 256, "{method} for {preset}");
        }
    }
}
