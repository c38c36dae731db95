use std::error::Error;

use super::*;
use crate::config::Config;
use crate::gpu::{Gpu, GpuOptions};
use crate::graph::{Graph, Shape, Store};
use crate::method::metric::names;
use crate::method::training_step;
use crate::model::{Arena, Parameters};
use crate::train::effective_rank;
use crate::train::metrics::with_host;

#[test]
fn some_steps_of_every_epoch_are_watched_and_its_last() {
    let of = |per_epoch: u64, epochs: u64| -> Vec<u64> {
        let steps = 1..=per_epoch * epochs;
        steps.filter(|&step| is_watched(step, per_epoch)).collect()
    };
    assert_eq!(of(1, 3), [1, 2, 3]);
    let first = of(25, 1);
    assert_eq!(first, [3, 6, 9, 12, 15, 18, 21, 24, 25]);
    let second: Vec<u64> = first.iter().map(|step| step + 25).collect();
    assert_eq!(of(25, 2)[9..], second);
    let long = of(5004, 1);
    assert_eq!((long.len(), long[0], long[50]), (51, 100, 5004));
}

/// Wide outputs, where the Gram matrix is of the rows, and narrow ones, where it is of the channels.
#[test]
fn numbers_arrive_by_step_and_are_those_of_the_tensors() -> Result<(), Box<dyn Error>> {
    const IMAGES: usize = 9;
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    for dim in [22, 6] {
        let mut config = Config::preset("demo")?;
        for assignment in ["model.blocks=[1]", "model.width=4", "model.predictor_dim=3"] {
            config.set(assignment)?;
        }
        config.model.dim = dim;
        let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
        let views = graph.input("views", Shape::rows([2 * IMAGES, 5, 5, 3]));
        let nodes = training_step(&mut graph, &[views], IMAGES, &config, &mut parameters)?;
        graph.keep(nodes.normalized_z);
        let mut store = Store::new(&gpu);
        parameters.allocate(&mut store)?;
        parameters.write(&store, &parameters.initialize(1));
        let mut program = Program::compile(&graph, &mut store)?;
        let mut inbox = Inbox::new(&program, &nodes, &with_host(nodes.metrics.clone()), dim);
        program.write(nodes.rates, &[0.5, 0.5]);
        let pixels = (0..2 * IMAGES * 25 * 3).map(|i| (i as f32 * 1.7).sin());
        program.write(views, &pixels.collect::<Vec<_>>());

        let watched = [false, true, false, false, true, false, true];
        for (step, watched) in (1..).zip(watched) {
            program.run(Some((inbox.ring(watched), step)))?;
        }
        let mut arrived = Vec::new();
        while let Some(numbers) = inbox.wait()? {
            arrived.push(numbers);
        }
        let steps: Vec<(u64, bool)> = arrived.iter().map(|n| (n.step, n.watched.is_some())).collect();
        assert_eq!(steps, (1..).zip(watched).collect::<Vec<_>>());

        let last = &arrived[6];
        let z = program.read(nodes.normalized_z)?;
        let watched = last.watched.as_ref().ok_or("it was watched")?;
        let expected = effective_rank(&z[..IMAGES * dim], dim);
        let rank = watched.readings.get(names::EFFECTIVE_RANK);
        assert!((rank / expected - 1.0).abs() < 1e-4, "{rank} is not {expected}");
        assert_eq!(watched.channel_std.len(), dim);
        let mean = f64::from(watched.channel_std.iter().sum::<f32>() / dim as f32);
        assert!((mean / last.readings.get(names::OUTPUT_STD) - 1.0).abs() < 1e-5);
        let (first, second) = z.split_at(IMAGES * dim);
        let cosine = first.iter().zip(second).map(|(a, b)| a * b).sum::<f32>() / IMAGES as f32;
        assert!((last.readings.get("view_cosine") - f64::from(cosine)).abs() < 1e-5);
        let gradients = parameters.read_twins(&store, Arena::GRADIENTS)?;
        let norm = gradients.iter().flatten().map(|v| v * v).sum::<f32>().sqrt();
        let reported = last.readings.get(names::GRADIENT_NORM);
        assert!((reported / f64::from(norm) - 1.0).abs() < 1e-5, "{reported} is not {norm}");
        let loss = |numbers: &StepMetrics| numbers.readings.get(names::LOSS);
        assert!(loss(&arrived[0]) != loss(last) && !last.readings.has(names::LOSS_SCALE));
    }
    Ok(())
}
