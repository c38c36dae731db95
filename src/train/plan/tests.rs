use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::data::{self, Limits, Spec};
use crate::gpu::{GpuOptions, Kernel};
use crate::graph::{Array, Candidate, Io, Launch, Lowered, Op, Shape, Slot, grid};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// y = x, slowly or at once.
#[derive(Debug)]
struct Copy;

const COPY: &str = "
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x < VECTORS {
        var sum = x[id.x];
        for (var k = 0u; k < ROUNDS; k++) {
            sum += 1e-30 * x[(id.x + k * 97u) % VECTORS];
        }
        y[id.x] = sum;
    }
}
";

impl Op for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn infer(&self, inputs: &[Shape]) -> std::result::Result<Vec<Shape>, String> {
        Ok(inputs.to_vec())
    }

    fn lower(&self, io: &Io, target: &Target) -> Lowered {
        self.candidates(io, target).remove(0).lowered
    }

    fn candidates(&self, io: &Io, _target: &Target) -> Vec<Candidate> {
        let vectors = io.outputs[0].stored_len() / 4;
        let candidate = |(name, rounds): (&str, u32)| {
            let kernel = Kernel::with_text("copy", COPY).with("VECTORS", vectors).with("ROUNDS", rounds);
            let slots = [Slot::input(0), Slot::output(0)];
            Candidate {
                name: name.to_owned(),
                lowered: Lowered::one(Launch::new(kernel, slots, grid(vectors.div_ceil(64)))),
            }
        };
        [("slow", 200), ("fast", 0)].map(candidate).to_vec()
    }

    fn reference(&self, inputs: &[&Array], _updates: &mut [Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }

    /// More than anything else in the graph, so that it is measured first.
    fn flops(&self, _io: &Io) -> u64 {
        1 << 40
    }
}

/// A tiny and very long training with a [`Copy`] in it, and the copy's signature.
fn plan(gpu: &Gpu) -> Result<(TrainPlan, String)> {
    let mut config = Config::preset("demo")?;
    for assignment in [
        "data.limit_train=64",
        "data.image_size=8",
        "model.blocks=[1, 1]",
        "model.width=4",
        "model.projector_hidden=16",
        "model.dim=16",
        "model.predictor_dim=8",
        "optim.batch_size=8",
        "run.knn_every=0",
    ] {
        config.set(assignment)?;
    }
    let spec: Spec = config.data.source.parse()?;
    let data = Arc::new(data::open(&spec, Limits::from(&config.data))?);
    let mut plan = TrainPlan::new(gpu, &config, data)?;
    for graph in [&mut plan.plain, &mut plan.graph] {
        let x = graph.constant(1.0, Shape::rows([1025, 32]));
        graph.add_one(Copy, &[x])?;
    }
    plan.start.steps = 1 << 40;
    let signature = match plan.graph.nodes().last() {
        Some(node) => plan.graph.signature(node),
        None => String::new(),
    };
    Ok((plan, signature))
}

fn only_file(folder: &Path) -> Result<std::path::PathBuf> {
    let mut files = std::fs::read_dir(folder)?;
    Ok(files.next().ok_or("a file")??.path())
}

#[test]
fn a_resumed_run_has_the_kernels_it_began_with_whatever_the_cache_says() -> Result {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let folder = tempfile::tempdir()?;
    let cache = || Cache::at(folder.path(), &gpu);

    let (mut first, copy) = plan(&gpu)?;
    let mut events = Vec::new();
    let tuned = first.tune(&mut cache(), &mut |event| events.push(event.clone()))?;
    assert_eq!(tuned.choices.0[&copy], "fast");
    let kinds = tuned.kinds;
    assert_eq!(events.first(), Some(&Event::Tuning(Tuning { done: 0, of: kinds })));
    assert_eq!(events.last(), Some(&Event::Tuning(Tuning { done: kinds, of: kinds })));
    let path = folder.path().join("kernels.json");
    first.kernels().write(&path)?;
    let kept = Kernels::read(&path)?.ok_or("the file")?;
    assert_eq!(kept, first.kernels());
    std::fs::remove_file(path)?;

    // Another choice in the cache: a new run takes it, a resumed one does not.
    let file = only_file(folder.path())?;
    let text = std::fs::read_to_string(&file)?;
    let other = text.replace("\"kernel\": \"fast\"", "\"kernel\": \"slow\"");
    assert_ne!(text, other);
    std::fs::write(&file, other)?;
    let (mut second, _) = plan(&gpu)?;
    let tuned = second.tune(&mut cache(), &mut |_| {})?;
    assert_eq!(tuned.choices.0[&copy], "slow");
    assert_ne!(second.kernels().hash, kept.hash);

    let (mut resumed, _) = plan(&gpu)?;
    resumed.continue_with(Some(&kept))?;
    assert_eq!(resumed.kernels(), kept);
    assert!(resumed.remarks.is_empty(), "{:?}", resumed.remarks);

    // A kernel that is gone: the run goes on, and says that its bits may differ.
    let mut gone = kept;
    gone.choices.0.insert(copy, "gone".to_owned());
    let (mut resumed, _) = plan(&gpu)?;
    resumed.continue_with(Some(&gone))?;
    assert!(resumed.remarks[0].contains("kernels are not those that the run began with"));
    Ok(())
}
