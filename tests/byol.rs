//! BYOL against PyTorch, and its target network from step to step.

mod common;

use common::{Reference, Setup, gpu, stack};
use simsiam::config::Config;
use simsiam::graph::{Array, Graph, Program, Shape, Store};
use simsiam::method::{HostValues, StepInfo, byol, training_step};
use simsiam::model::{Arena, Parameters};
use simsiam::ops::gradients;

const TOLERANCE: f64 = 1e-5;
const IMAGES: usize = 4;

#[test]
fn the_loss_and_its_gradient_are_pytorchs() {
    let r = Reference::read("methods/byol");
    let both = |name: &str| stack(&r.rows(&format!("{name}1")), &r.rows(&format!("{name}2")));
    let mut setup = Setup::default();
    let [p, target] = ["p", "target"].map(|name| setup.rows(both(name)));
    let loss = byol::loss(&mut setup.graph, p, target).unwrap();
    let dp = gradients(&mut setup.graph, loss, &[p]).unwrap()[0].unwrap();
    setup.check(TOLERANCE, &[("loss", loss, r.plain("loss")), ("dp", dp, both("dp"))]);
}

fn config(assignments: &[&str]) -> Config {
    let mut config = Config::default();
    let small = ["method.name=byol", "model.arch=resnet_tiny", "model.blocks=[1]", "model.width=4", "model.dim=6"];
    for assignment in small.iter().chain(assignments) {
        config.set(assignment).unwrap();
    }
    config
}

/// A training of one network: the values of all entries before the first step and after each.
fn train(config: &Config, momenta: &[f32]) -> (Parameters, Vec<Vec<Vec<f32>>>) {
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let views = graph.input("views", Shape::rows([2 * IMAGES, 6, 6, 3]));
    let step = training_step(&mut graph, &[views], IMAGES, config, &mut parameters).unwrap();
    let mut store = Store::new(&gpu());
    parameters.allocate(&mut store).unwrap();
    parameters.write(&store, &parameters.initialize(3));
    let mut program = Program::compile(&graph, &mut store).unwrap();
    let mut all = vec![parameters.read(&store).unwrap()];
    for (i, &momentum) in momenta.iter().enumerate() {
        let pixels = (0..2 * IMAGES * 6 * 6 * 3).map(|n| ((n + 31 * i) as f32 * 1.7).sin());
        program.write(views, &pixels.collect::<Vec<_>>());
        program.write(step.rates, &[0.3, 0.3]);
        for input in &step.inputs {
            program.write(input.tensor, &[momentum]);
        }
        program.run(None).unwrap();
        all.push(parameters.read(&store).unwrap());
    }
    (parameters, all)
}

#[test]
fn the_target_network_starts_as_the_encoder_and_averages_its_weights_after_every_step() {
    let momenta = [0.75, 0.5];
    let (parameters, all) = train(&config(&[]), &momenta);
    let index = |name: &str| parameters.entries().iter().position(|e| e.name == name).unwrap();
    let mut averages = 0;
    for (i, entry) in parameters.entries().iter().enumerate() {
        let Some(online) = &entry.average_of else { continue };
        averages += 1;
        assert_eq!((entry.arena, entry.name.replace("momentum_encoder", "encoder")), (Arena::AVERAGED, online.clone()));
        let online = index(online);
        assert_eq!(all[0][i], all[0][online], "{}", entry.name);
        for (step, momentum) in (1..).zip(momenta) {
            let expected =
                all[step - 1][i].iter().zip(&all[step][online]).map(|(t, o)| momentum * t + (1.0 - momentum) * o);
            let (got, expected): (Vec<f32>, Vec<f32>) = (all[step][i].clone(), expected.collect());
            let error = Array::from_f32(&[got.len()], &got).relative_error(&Array::from_f32(&[got.len()], &expected));
            assert!(error < 1e-6, "{}: {error}", entry.name);
        }
    }
    let online = parameters.of(Arena::PARAMETERS).filter(|e| e.name.starts_with("encoder."));
    assert_eq!(averages, online.count());
    // Its batch norms have running statistics of their own: of the weights before the average, so of others from the second step on.
    let [own, online] = ["momentum_encoder.bn1.running_mean", "encoder.bn1.running_mean"].map(index);
    assert_eq!(all[1][own], all[1][online]);
    assert_ne!(all[2][own], all[2][online]);
}

#[test]
fn the_momentum_of_a_step_is_pytorchs() {
    let r = Reference::read("methods/byol");
    let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
    let views = graph.input("views", Shape::rows([2 * IMAGES, 6, 6, 3]));
    let step = training_step(&mut graph, &[views], IMAGES, &config(&[]), &mut parameters).unwrap();
    let steps = r.setting("steps") as u64;
    for (i, tau) in (0..=steps).zip(r.plain("tau_of_step").to_f32()) {
        let info = StepInfo { step: i, steps, steps_per_epoch: 5, images: &[] };
        let HostValues::Floats(got) = step.inputs[0].values(&info) else { panic!("a number") };
        assert!((got[0] - tau).abs() < 1e-6, "{i}: {got:?}, not {tau}");
    }
}
