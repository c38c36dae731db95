//! SimCLR against PyTorch, and what its settings refuse.

mod common;

use common::{Reference, Setup, stack};
use simsiam::config::Config;
use simsiam::graph::{Graph, Shape, Target};
use simsiam::method::{metric, simclr, training_step};
use simsiam::model::Parameters;
use simsiam::ops::{L2Normalize, gradients};

const TOLERANCE: f64 = 1e-5;

#[test]
fn the_loss_and_its_gradient_are_pytorchs() {
    let r = Reference::read("methods/simclr");
    let mut setup = Setup::default();
    let z = setup.rows(stack(&r.rows("z1"), &r.rows("z2")));
    let unit = setup.add(L2Normalize { eps: 1e-12 }, &[z]);
    let loss = simclr::nt_xent(&mut setup.graph, [unit, unit], r.setting("temperature") as f32).unwrap().loss;
    let dz = gradients(&mut setup.graph, loss, &[z]).unwrap()[0].unwrap();
    let expected = stack(&r.rows("dz1"), &r.rows("dz2"));
    setup.check(TOLERANCE, &[("loss", loss, r.plain("loss")), ("dz", dz, expected)]);
}

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    let small = ["method.name=simclr", "model.arch=resnet_tiny", "model.blocks=[1]", "model.width=4", "model.dim=6"];
    for assignment in small.iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    config
}

#[test]
fn the_projector_has_batch_norms_where_the_settings_say_so() {
    let names = |assignment: &str| {
        let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
        let views = graph.input("views", Shape::rows([8, 6, 6, 3]));
        let config = config(&["model.projector_layers=2", assignment]);
        training_step(&mut graph, &[views], 4, &config, &mut parameters).unwrap();
        let names = parameters.entries().iter().filter_map(|entry| entry.name.strip_prefix("encoder.fc."));
        names.map(str::to_owned).filter(|name| !name.contains("running")).collect::<Vec<_>>()
    };
    let hidden = ["0.weight", "1.weight", "1.bias"];
    let all = names("method.batch_norm=all");
    assert_eq!(all, [&hidden[..], &["3.weight", "4.weight", "4.bias"]].concat());
    assert_eq!(names("method.batch_norm=hidden"), [&hidden[..], &["3.weight", "3.bias"]].concat());
    assert_eq!(names("method.batch_norm=none"), ["0.weight", "0.bias", "3.weight", "3.bias"]);
}

#[test]
fn similarities_are_measured_and_bad_settings_refused() {
    let declared = metric::declared(&config(&[])).unwrap();
    for name in ["positive_similarity", "negative_similarity"] {
        assert!(declared.iter().any(|metric| metric.name == name), "{name}");
    }
    for value in ["0", "-1", "0.0001", "inf"] {
        let error = config(&[]).set(&format!("method.temperature={value}")).unwrap_err().to_string();
        assert!(error.contains("method.temperature") && error.contains("0.001 or more"), "{error}");
    }
    let error = config(&[]).set("method.momentum=0.9").unwrap_err().to_string();
    assert!(error.contains("simclr has name, temperature, batch_norm, predictor, stop_gradient"), "{error}");
}

#[test]
fn a_batch_of_4096_fits_what_large_adapters_bind_and_is_refused_by_name_elsewhere() {
    let mut graph = Graph::new();
    let unit = graph.input("z", Shape::rows([8192, 128]));
    let loss = simclr::nt_xent(&mut graph, [unit, unit], 0.1).unwrap().loss;
    gradients(&mut graph, loss, &[unit]).unwrap();
    let with = |bytes: usize| graph.memory(&Target { max_words: bytes / 4, ..Target::basic(false) });
    assert!(with((1 << 31) - 4).is_ok());
    let error = with(128 << 20).unwrap_err().to_string();
    assert!(error.contains("matmul_transposed` [8192, 8192] needs 256 MiB"), "{error}");
    assert!(error.contains("use a smaller batch_size"), "{error}");
}

#[test]
fn every_preset_has_its_numbers() {
    for preset in Config::presets() {
        let config = Config::preset_for(preset, "simclr").unwrap();
        config.validate().unwrap();
        assert_eq!((config.method.name(), config.model.dim), ("simclr", 128), "{preset}");
    }
}
