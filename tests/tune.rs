//! Kernels chosen by measuring: which one is chosen, what is passed over, what is kept, and what it may cost.

use std::error::Error;
use std::path::Path;

use simsiam::gpu::{Gpu, Kernel, Options};
use simsiam::graph::tune::{self, Budget, Cache, Outcome, Tuned, Work, measure, signatures};
use simsiam::graph::{
    Array, Candidate, Choices, Graph, Io, Launch, Lowered, Op, Program, Shape, Slot, Store, Target, grid,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// y = 2·x, by adding it up ROUNDS times.
const DOUBLE: &str = "
//!include common/grid

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(workgroup, workgroups) * 64u + lane;
    if i < VECTORS {
        var sum = vec4f();
        for (var k = 0u; k < ROUNDS; k++) {
            sum += x[(i + k * 97u) % VECTORS] * 1e-30;
        }
        y[i] = sum + FACTOR * x[i];
    }
}
";

/// How a candidate of [`Double`] behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Slow,
    Fast,
    /// Faster than all, and three times x.
    Wrong,
    /// Leaves the last workgroup's part as it was.
    Short,
    /// No WGSL.
    Broken,
    /// Wants more workgroups than any adapter runs.
    Boundless,
    /// Wants a terabyte.
    Huge,
}
use Manner::{Boundless, Broken, Fast, Huge, Short, Slow, Wrong};

/// y = 2·x with the candidates it is told to have.
#[derive(Debug, Clone)]
struct Double {
    manners: Vec<Manner>,
}

impl Double {
    fn candidate(io: &Io, manner: Manner) -> Candidate {
        let vectors = io.outputs[0].stored_len() / 4;
        let kernel = match manner {
            Broken => Kernel::with_text("broken double", "this is no shader"),
            _ => Kernel::with_text("double", DOUBLE),
        };
        let kernel = kernel
            .with("VECTORS", vectors)
            .with("ROUNDS", if manner == Slow { 200u32 } else { 0 })
            .with("FACTOR", if manner == Wrong { 3.0f32 } else { 2.0 });
        let workgroups = match manner {
            Boundless => [u32::MAX, 1, 1],
            Short => grid(vectors.div_ceil(64) - 1),
            _ => grid(vectors.div_ceil(64)),
        };
        let launch = Launch::new(kernel, [Slot::input(0), Slot::output(0)], workgroups);
        Candidate {
            name: format!("{manner:?}"),
            lowered: Lowered {
                launches: vec![launch],
                scratch: if manner == Huge { vec![1 << 38] } else { Vec::new() },
            },
        }
    }
}

impl Op for Double {
    fn name(&self) -> &'static str {
        "double"
    }

    fn infer(&self, inputs: &[Shape]) -> std::result::Result<Vec<Shape>, String> {
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, io: &Io, _target: &Target) -> Lowered {
        Double::candidate(io, self.manners[0]).lowered
    }

    fn candidates(&self, io: &Io, _target: &Target) -> Vec<Candidate> {
        let all = self.manners.iter();
        all.map(|&manner| Double::candidate(io, manner)).collect()
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        let mut y = inputs[0].clone();
        y.data.iter_mut().for_each(|v| *v *= 2.0);
        vec![y]
    }

    fn flops(&self, io: &Io) -> u64 {
        io.outputs[0].len() as u64
    }
}

fn gpu() -> Result<Gpu> {
    Ok(Gpu::open(None, Options { checked: true })?)
}

/// Plenty of everything.
const ENOUGH: Budget = Budget { seconds: 60.0, share: f64::INFINITY, bytes: 1 << 30 };

/// x doubled once for each shape.
fn graph(manners: &[Manner], rows: &[usize]) -> Result<Graph> {
    let mut graph = Graph::new();
    for &rows in rows {
        let x = graph.input("x", Shape::rows([rows, 33]));
        let manners = manners.to_vec();
        let y = graph.add_one(Double { manners }, &[x])?;
        graph.keep(y);
    }
    Ok(graph)
}

fn tune(gpu: &Gpu, graph: &Graph, runs: u64, budget: Budget, cache: &mut Cache) -> Result<Tuned> {
    let (target, work) = (Target::of(gpu), [Work { graph, runs }]);
    Ok(tune::tune(gpu, &target, &work, &budget, cache, &mut |_, _| {})?)
}

/// The names chosen, shapes with the most work first.
fn names(graph: &Graph, choices: &Choices) -> Vec<String> {
    let all = signatures(&[Work { graph, runs: 1 }]);
    all.iter().map(|k| choices.0[&k.signature].clone()).collect()
}

#[test]
fn the_fastest_right_candidate_is_chosen() -> Result {
    let gpu = gpu()?;
    let manners = [Slow, Wrong, Broken, Fast, Short, Boundless, Huge];
    let mut graph = graph(&manners, &[4097])?;
    let kind = signatures(&[Work { graph: &graph, runs: 1 }]).remove(0);
    let candidates = kind.candidates(&Target::of(&gpu));
    let measured = measure(&gpu, &kind, &candidates, ENOUGH.bytes, &mut |_| 60.0)?;
    let outcome = |manner: Manner| {
        let index = manners.iter().position(|&m| m == manner);
        &measured.trials[index.unwrap_or(0)].outcome
    };
    let (Outcome::Seconds(slow), Outcome::Seconds(fast)) = (outcome(Slow), outcome(Fast)) else {
        panic!("{measured:?}");
    };
    assert!(fast * 2.0 < *slow, "{fast} and {slow} seconds");
    assert!(matches!(outcome(Wrong), Outcome::Differs(by) if (by - 0.5).abs() < 1e-3));
    assert_eq!(outcome(Short), &Outcome::Differs(f64::INFINITY));
    assert!(matches!(outcome(Broken), Outcome::Failed(why) if why.contains("broken double")));
    assert!(matches!(outcome(Boundless), Outcome::Failed(why) if why.contains("workgroups")));
    assert_eq!(outcome(Huge), &Outcome::TooLarge);
    assert_eq!(measured.trials[measured.chosen].name, "Fast");

    // Nothing of it sticks to the device, and the graph runs what was chosen.
    let tuned = tune(&gpu, &graph, 1, ENOUGH, &mut Cache::none())?;
    assert_eq!((tuned.kinds, tuned.known, tuned.measured), (1, 0, 1));
    assert_eq!(names(&graph, &tuned.choices), ["Fast"]);
    // Wrong, Broken, Short and Boundless; a candidate that is too large is nobody's fault.
    assert_eq!(tuned.remarks.len(), 4, "{:?}", tuned.remarks);
    graph.choose(&tuned.choices);
    let kernels = graph.kernels(&Target::of(&gpu));
    assert!(kernels[0].key().contains("ROUNDS=0") && kernels[0].key().contains("FACTOR=2"));
    let mut program = Program::compile(&graph, &mut Store::new(&gpu))?;
    program.run(None)?;
    gpu.wait()?;
    Ok(())
}

#[test]
fn what_is_not_clearly_faster_changes_nothing() -> Result {
    let gpu = gpu()?;
    // The same kernel under two names: the first is kept whatever the clock says.
    let graph = graph(&[Fast, Fast], &[4097])?;
    let kind = signatures(&[Work { graph: &graph, runs: 1 }]).remove(0);
    let candidates = kind.candidates(&Target::of(&gpu));
    let measured = measure(&gpu, &kind, &candidates, ENOUGH.bytes, &mut |_| 60.0)?;
    let times: Vec<f64> = measured.trials.iter().filter_map(|t| t.seconds()).collect();
    assert_eq!(times.len(), 2);
    assert!(measured.chosen == 0 || times[1] * 1.03 < times[0], "{times:?}");
    Ok(())
}

#[test]
fn a_budget_is_kept() -> Result {
    let gpu = gpu()?;
    let graph = graph(&[Slow, Fast], &[4097, 515, 129])?;
    let spend = |seconds: f64, share: f64, runs: u64| {
        let budget = Budget { seconds, share, ..ENOUGH };
        tune(&gpu, &graph, runs, budget, &mut Cache::none())
    };
    let chosen = |tuned: &Tuned| names(&graph, &tuned.choices);
    // Nothing to spend: nothing is measured, and the first candidates are named.
    let none = spend(0.0, f64::INFINITY, 1000)?;
    assert_eq!((none.kinds, none.measured), (3, 0));
    assert_eq!(chosen(&none), ["Slow"; 3]);
    // A run that is over before anything pays.
    assert_eq!(spend(60.0, 1e-6, 1)?.measured, 0);
    // A long run pays for all.
    let all = spend(60.0, 0.01, 1 << 40)?;
    assert_eq!(all.measured, 3);
    assert_eq!(chosen(&all), ["Fast"; 3]);
    Ok(())
}

/// The only file in a folder.
fn only_file(folder: &Path) -> Result<std::path::PathBuf> {
    let mut files = std::fs::read_dir(folder)?;
    let file = files.next().ok_or("a file")??.path();
    assert!(files.next().is_none(), "one file");
    Ok(file)
}

#[test]
fn the_cache_knows_what_was_measured() -> Result {
    let gpu = gpu()?;
    let folder = tempfile::tempdir()?;
    let folder = &folder.path().join("of/simsiam");
    let graph_of = |rows: &[usize]| graph(&[Slow, Fast], rows);
    let first = graph_of(&[4097])?;
    let run = |graph: &Graph, runs: u64, budget: Budget| tune(&gpu, graph, runs, budget, &mut Cache::at(folder, &gpu));
    let counts = |tuned: &Tuned| (tuned.kinds, tuned.known, tuned.measured);
    assert_eq!(counts(&run(&first, 1, ENOUGH)?), (1, 0, 1));
    let file = only_file(folder)?;
    let whole = std::fs::read_to_string(&file)?;

    // Known now, also beside a shape that is not; choices are the same.
    let second = graph_of(&[4097, 515])?;
    let tuned = run(&second, 1, ENOUGH)?;
    assert_eq!(counts(&tuned), (2, 1, 1));
    assert_eq!(names(&second, &tuned.choices), ["Fast"; 2]);
    assert_eq!(counts(&run(&second, 1, ENOUGH)?), (2, 2, 0));

    // Other candidates: what is known of a kind does not help.
    let other = graph(&[Slow, Fast, Slow], &[4097])?;
    assert_eq!(counts(&run(&other, 1, ENOUGH)?).1, 0);

    // Another driver or other shaders: the file is not believed.
    for (key, end) in [("\"driver\": \"", "old "), ("\"shaders\": \"", "0")] {
        std::fs::write(&file, whole.replace(key, &format!("{key}{end}")))?;
        assert_eq!(counts(&run(&first, 1, ENOUGH)?), (1, 0, 1), "{key}");
    }

    // A broken file is told, and mended.
    std::fs::write(&file, &whole[..whole.len() / 2])?;
    let tuned = run(&first, 1, ENOUGH)?;
    assert_eq!(counts(&tuned), (1, 0, 1));
    assert!(tuned.remarks[0].contains("cannot be read"), "{:?}", tuned.remarks);
    let tuned = run(&first, 1, ENOUGH)?;
    assert_eq!((counts(&tuned), tuned.remarks), ((1, 1, 0), Vec::new()));

    // A folder that cannot be is no reason not to go on.
    let nowhere = file.join("folder");
    let tuned = tune(&gpu, &first, 1, ENOUGH, &mut Cache::at(&nowhere, &gpu))?;
    assert_eq!(counts(&tuned), (1, 0, 1));
    assert!(tuned.remarks.iter().any(|line| line.contains("cannot be written")));
    Ok(())
}

#[test]
fn a_choice_made_in_haste_is_kept_for_a_run_of_that_length() -> Result {
    let gpu = gpu()?;
    let folder = tempfile::tempdir()?;
    let graph = graph(&[Slow, Fast], &[4097])?;
    let run = |runs: u64, share: f64| {
        let budget = Budget { share, ..ENOUGH };
        tune(&gpu, &graph, runs, budget, &mut Cache::at(folder.path(), &gpu))
    };
    let counts = |tuned: &Tuned| (tuned.known, tuned.measured);
    assert_eq!(counts(&run(100, 1e-9)?), (0, 0));
    // The same run again has the same kernels, and so the same bits, although it could measure more.
    assert_eq!(counts(&run(100, 1.0)?), (1, 0));
    // One that is much longer measures.
    let tuned = run(1 << 40, 1.0)?;
    assert_eq!(counts(&tuned), (0, 1));
    assert_eq!(names(&graph, &tuned.choices), ["Fast"]);
    assert_eq!(counts(&run(100, 1.0)?), (1, 0));
    Ok(())
}

#[test]
fn noise_reaches_every_part_of_a_tensor() -> Result {
    // A tensor that is larger than what is made on the host and larger than what is compared: a candidate that stops early shows.
    let gpu = gpu()?;
    let graph = graph(&[Fast, Short], &[40_001])?;
    let kind = signatures(&[Work { graph: &graph, runs: 1 }]).remove(0);
    let candidates = kind.candidates(&Target::of(&gpu));
    let measured = measure(&gpu, &kind, &candidates, ENOUGH.bytes, &mut |_| 60.0)?;
    assert_eq!(measured.trials[1].outcome, Outcome::Differs(f64::INFINITY));
    Ok(())
}

/// A convolution by Winograd is sixteen products between transforms: its operations, counted by definition, are the products'.
#[test]
fn a_nodes_operations_are_counted_at_its_working_kernel() -> Result {
    use simsiam::ops::Conv2d;
    let gpu = gpu()?;
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::rows([2, 8, 8, 64]));
    let w = graph.input("w", Shape::weight([3, 3, 64, 64]));
    let convolution = Conv2d { stride: 1, padding: 1 };
    let y = graph.add_one(convolution, &[x, w])?;
    graph.keep(y);
    let node = graph.nodes()[0].clone();
    let candidates = node.op.candidates(&graph.io(&node), &Target::of(&gpu));
    let winograd = candidates.iter().find(|c| c.name.contains("winograd"));
    let name = winograd.ok_or("64 channels have one")?.name.clone();
    graph.choose(&Choices([(graph.signature(&node), name)].into_iter().collect()));
    let mut program = Program::compile(&graph, &mut Store::new(&gpu))?;
    let timed = program.plan().profile()?;
    let asked: f64 = timed.iter().map(|t| t.flops).sum();
    assert_eq!(asked, graph.flops() as f64);
    let families = |working: bool| {
        let of = timed.iter().filter(|t| (t.flops > 0.0) == working);
        of.map(|t| t.kernel).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(families(false).iter().all(|k| k.starts_with("winograd")), "{:?}", families(false));
    assert_eq!(families(true).len(), 1, "{:?}", families(true));
    assert!(!families(true).iter().any(|k| k.starts_with("winograd")));
    Ok(())
}
