//! Operators against PyTorch: forward and every gradient.

mod common;

use common::{Reference, Setup, gpu, stack};
use simsiam::graph::{Array, Graph, Io, Lowered, Op, Program, Shape, Store, Target, Tensor};
use simsiam::ops::{
    AddRelu, ColumnStd, CosineSimilarity, Ema, GlobalAvgPool, Groups, L2Normalize, LarsScale, MaxPool, Mean, Segment,
    Sgd, SoftCrossEntropy, StopGradient, SwapViews, gradients,
};
use std::sync::Arc;

const TOLERANCE: f64 = 1e-5;

#[test]
fn max_pool() {
    let r = Reference::read("ops/max_pool_3x3_stride2");
    let mut setup = Setup::default();
    let x = setup.rows(r.rows("x"));
    let op = MaxPool {
        kernel: r.setting("kernel") as usize,
        stride: r.setting("stride") as usize,
        padding: r.setting("padding") as usize,
    };
    let y = setup.add(op, &[x]);
    let dx = setup.backward(r.rows("dy"))[0];
    setup.check(TOLERANCE, &[("y", y, r.rows("y")), ("dx", dx, r.rows("dx"))]);
}

#[test]
fn global_avg_pool() {
    let r = Reference::read("ops/global_avg_pool");
    let mut setup = Setup::default();
    let x = setup.rows(r.rows("x"));
    let y = setup.add(GlobalAvgPool, &[x]);
    let dx = setup.backward(r.rows("dy"))[0];
    setup.check(TOLERANCE, &[("y", y, r.rows("y")), ("dx", dx, r.rows("dx"))]);
}

#[test]
fn add_relu() {
    let r = Reference::read("ops/add_relu");
    let mut setup = Setup::default();
    let inputs = [setup.rows(r.rows("x")), setup.rows(r.rows("residual"))];
    let y = setup.add(AddRelu, &inputs);
    let gradients = setup.backward(r.rows("dy"));
    setup.check(
        TOLERANCE,
        &[("y", y, r.rows("y")), ("dx", gradients[0], r.rows("dx")), ("dresidual", gradients[1], r.rows("dresidual"))],
    );
}

/// Predictions and projections of both views, stacked as the network makes them.
fn branches(r: &Reference) -> (Setup, Tensor, Tensor) {
    let mut setup = Setup::default();
    let p = setup.rows(stack(&r.rows("p1"), &r.rows("p2")));
    let z = setup.rows(stack(&r.rows("z1"), &r.rows("z2")));
    (setup, p, z)
}

/// Each view's prediction is held against the other view's projection; the mean over both halves is half the sum of the
/// two means.
fn loss(setup: &mut Setup, similarity: impl Op + 'static, scale: f32, p: Tensor, z: Tensor) -> Tensor {
    let other = setup.add(SwapViews, &[z]);
    let each = setup.add(similarity, &[p, other]);
    let count = setup.graph.shape(each).len();
    setup.add(Mean { count, scale }, &[each])
}

fn both(r: &Reference, name: impl Fn(usize) -> String) -> Array {
    stack(&r.rows(&name(1)), &r.rows(&name(2)))
}

#[test]
fn simsiam_loss_with_stop_gradient() {
    let r = Reference::read("ops/simsiam_loss");
    let (mut setup, p, z) = branches(&r);
    let target = setup.add(StopGradient, &[z]);
    let loss = loss(&mut setup, CosineSimilarity { eps: 1e-8 }, -1.0, p, target);
    let forward = setup.graph.nodes().len();
    let found = gradients(&mut setup.graph, loss, &[p, z]).unwrap();
    assert_eq!(found[1], None, "no gradient passes the stop");
    assert_eq!(
        setup.graph.nodes().len() - forward,
        2,
        "only the mean and the similarity for p go backward: nothing is computed for the stopped side"
    );
    setup.check(
        TOLERANCE,
        &[("loss", loss, r.plain("loss")), ("dp", found[0].unwrap(), both(&r, |i| format!("dp{i}")))],
    );
}

#[test]
fn simsiam_loss_without_stop_gradient() {
    let r = Reference::read("ops/simsiam_loss");
    let (mut setup, p, z) = branches(&r);
    let loss = loss(&mut setup, CosineSimilarity { eps: 1e-8 }, -1.0, p, z);
    let found = gradients(&mut setup.graph, loss, &[p, z]).unwrap();
    let expected = |of: &str| both(&r, |i| format!("d{of}{i}_no_stop"));
    setup.check(
        TOLERANCE,
        &[
            ("loss", loss, r.plain("loss")),
            ("dp", found[0].unwrap(), expected("p")),
            ("dz", found[1].unwrap(), expected("z")),
        ],
    );
}

#[test]
fn cross_entropy_loss() {
    let r = Reference::read("ops/simsiam_loss");
    let (mut setup, p, z) = branches(&r);
    let target = setup.add(StopGradient, &[z]);
    let loss = loss(&mut setup, SoftCrossEntropy, 1.0, p, target);
    let found = gradients(&mut setup.graph, loss, &[p, z]).unwrap();
    assert_eq!(found[1], None, "no gradient passes the stop");
    setup.check(
        TOLERANCE,
        &[
            ("loss", loss, r.plain("loss_cross_entropy")),
            ("dp", found[0].unwrap(), both(&r, |i| format!("dp{i}_cross_entropy"))),
        ],
    );
}

#[test]
fn output_std_of_each_view() {
    let r = Reference::read("ops/simsiam_loss");
    let (mut setup, _, z) = branches(&r);
    let rows = r.plain("z1").dims[0];
    let unit = setup.add(L2Normalize { eps: 1e-12 }, &[z]);
    let std_z1 = setup.add(ColumnStd { rows }, &[unit]);
    let swapped = setup.add(SwapViews, &[unit]);
    let std_z2 = setup.add(ColumnStd { rows }, &[swapped]);
    setup.check(TOLERANCE, &[("std_z1", std_z1, r.plain("std_z1")), ("std_z2", std_z2, r.plain("std_z2"))]);
}

/// A segment of rate 0 up to `split`, one of rate 1 after it.
fn split_at(split: usize, n: usize) -> Groups {
    let segment = |rate, end| Segment { end, rate, decay: true, lars: true };
    let both = [segment(0, split), segment(1, n)];
    Groups::Segments(both.into_iter().filter(|s| s.end > 0 && (s.rate == 0 || split < n)).collect())
}

/// An optimiser as it runs in training: everything it touches lies in arenas.
struct Optimiser {
    program: Program,
    gradients: Tensor,
    rates: Tensor,
    parameters: Tensor,
}

fn optimiser(op: impl Op + 'static, lars: Option<LarsScale>, parameters: &Array) -> Optimiser {
    let shape = || Shape::rows(parameters.dims.clone());
    let mut graph = Graph::new();
    let gradients = graph.state("gradients", shape(), "gradients", 0);
    let rates = graph.input("rates", Shape::rows([2]));
    let updates =
        [graph.state("parameters", shape(), "parameters", 0), graph.state("momentum", shape(), "momentum", 0)];
    let mut inputs = vec![gradients, rates];
    inputs.extend(lars.map(|lars| graph.add_one(lars, &[updates[0], gradients]).unwrap()));
    graph.add_updating(Arc::new(op), &inputs, &updates).unwrap();
    let program = Program::compile(&graph, &mut Store::new(&gpu())).unwrap();
    program.write_array(updates[0], parameters);
    Optimiser { program, gradients, rates, parameters: updates[0] }
}

#[test]
fn sgd() {
    let r = Reference::read("ops/sgd");
    let parameters = r.plain("param");
    // All parameters before the split, then all after it.
    for (split, group) in [(64, 0), (0, 1)] {
        let op = Sgd {
            momentum: r.setting("momentum") as f32,
            weight_decay: r.setting("weight_decay") as f32,
            groups: split_at(split, 50),
            lars: false,
            scaled: false,
        };
        let mut o = optimiser(op, None, &parameters);
        for step in 0..4 {
            let mut rates = [0.0; 2];
            let cosine = 0.5 * (1.0 + (std::f64::consts::PI * f64::from(step) / 4.0).cos());
            rates[group] = (r.setting("lr") * cosine) as f32;
            o.program.write(o.rates, &rates);
            o.program.write_array(o.gradients, &r.plain(&format!("grad_{step}")));
            o.program.run(None).unwrap();
            let expected = r.plain(&format!("param_after_{step}"));
            let got = o.program.read_array(o.parameters).unwrap();
            let error = got.relative_error(&expected);
            println!("split {split}, step {step}: {error:.1e}");
            assert!(error <= TOLERANCE, "split {split}, step {step}: {error:.2e}");
        }
    }
}

#[test]
fn lars() {
    let r = Reference::read("methods/lars");
    let parameters = r.plain("param");
    let n = parameters.dims[0];
    // Alone, and as the second tensor of an arena, after one without LARS and decay.
    for before in [0, 64] {
        let tensor = Segment { end: before + n, rate: 1, decay: true, lars: true };
        let other = Segment { end: before, rate: 0, decay: false, lars: false };
        let groups = Groups::Segments([other, tensor].into_iter().filter(|s| s.end > 0).collect());
        let weight_decay = r.setting("weight_decay") as f32;
        let scale = LarsScale {
            groups: groups.clone(),
            trust: r.setting("trust") as f32,
            weight_decay,
            eps: r.setting("epsilon") as f32,
            scaled: false,
        };
        let op = Sgd { momentum: r.setting("momentum") as f32, weight_decay, groups, lars: true, scaled: false };
        let within = |array: Array| Array { dims: vec![before + n], data: [vec![0.5; before], array.data].concat() };
        let mut o = optimiser(op, Some(scale), &within(parameters.clone()));
        o.program.write(o.rates, &[0.0, r.setting("lr") as f32]);
        for step in 0..3 {
            o.program.write_array(o.gradients, &within(r.plain(&format!("grad_{step}"))));
            o.program.run(None).unwrap();
            let expected = within(r.plain(&format!("param_after_{step}")));
            let got = o.program.read_array(o.parameters).unwrap();
            // Of the change: the parameters hardly move.
            let moved = |array: &Array| Array {
                dims: vec![n],
                data: array.data[before..].iter().zip(&parameters.data).map(|(a, b)| a - b).collect(),
            };
            let error = moved(&got).relative_error(&moved(&expected));
            println!("{before} words before, step {step}: {error:.1e}");
            assert!(got.relative_error(&expected) <= TOLERANCE && error <= 1e-3, "{before}, step {step}: {error:.2e}");
        }
    }
}

#[test]
fn ema() {
    let r = Reference::read("methods/moco");
    let (online, target) = (r.plain("param"), r.plain("key_param"));
    let mut graph = Graph::new();
    let shape = || Shape::rows(online.dims.clone());
    let parameters = graph.state("parameters", shape(), "parameters", 0);
    let momentum = graph.input("momentum", Shape::rows([1]));
    let keys = graph.state("keys", shape(), "keys", 0);
    graph.add_updating(Arc::new(Ema { scaled: false }), &[parameters, momentum], &[keys]).unwrap();
    let mut program = Program::compile(&graph, &mut Store::new(&gpu())).unwrap();
    program.write_array(parameters, &online);
    program.write_array(keys, &target);
    program.write(momentum, &[r.setting("momentum") as f32]);
    program.run(None).unwrap();
    let error = program.read_array(keys).unwrap().relative_error(&r.plain("key_param_after"));
    assert!(error <= TOLERANCE, "{error:.2e}");
}

/// The optimiser on an adapter that binds only 128 words at once.
#[derive(Debug)]
struct SmallBindings(Sgd);

impl Op for SmallBindings {
    fn name(&self) -> &'static str {
        "sgd"
    }
    fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>, String> {
        self.0.infer(inputs)
    }
    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        let max_words = 128;
        self.0.lower(io, &Target { max_words, ..*target })
    }
    fn reference(&self, inputs: &[&Array], updates: &mut [Array]) -> Vec<Array> {
        self.0.reference(inputs, updates)
    }
}

#[test]
fn sgd_in_parts_is_the_same() {
    let op = Sgd { momentum: 0.9, weight_decay: 0.01, groups: split_at(192, 331), lars: false, scaled: false };
    let values = |scale: f64| Array { dims: vec![331], data: (0..331).map(|i| (f64::from(i) * scale).sin()).collect() };
    let run = |mut o: Optimiser| {
        o.program.write(o.rates, &[0.25, 0.5]);
        o.program.write_array(o.gradients, &values(0.7));
        for _ in 0..2 {
            o.program.run(None).unwrap();
        }
        (o.program.dispatches(), o.program.read(o.parameters).unwrap())
    };
    let (one, whole) = run(optimiser(op.clone(), None, &values(0.3)));
    let (three, parts) = run(optimiser(SmallBindings(op), None, &values(0.3)));
    assert_eq!((one, three), (1, 3));
    assert_eq!(whole, parts);
}
