//! Linear classifiers against a plain implementation, and the network that they leave alone.

use simsiam::eval::{FeatureTable, LinearEvent, LinearOptions, Probe, ProbeOptimizer, ProbePlan, linear, linear_plan};
use simsiam::model::Parameters;
use simsiam::random::{Draw, Purpose};

use crate::subject::{Result, config, dataset, gpu, network};

/// A step of one classifier as PyTorch's SGD, or apex's LARC around it, does it: in f64.
struct Reference {
    classes: usize,
    rate: f64,
    lars: bool,
    weight: Vec<f64>,
    bias: Vec<f64>,
    momentum: [Vec<f64>; 2],
}

impl Reference {
    fn logits(&self, x: &[f32]) -> Vec<f64> {
        let column = |c: usize| {
            let products = x.iter().enumerate();
            let products = products.map(|(i, &x)| f64::from(x) * self.weight[i * self.classes + c]);
            products.sum::<f64>() + self.bias[c]
        };
        (0..self.classes).map(column).collect()
    }

    fn step(&mut self, batch: &[&[f32]], labels: &[u32], factor: f64) {
        let mut gradients = [vec![0.0; self.weight.len()], vec![0.0; self.classes]];
        for (x, &label) in batch.iter().zip(labels) {
            let exps: Vec<f64> = self.logits(x).into_iter().map(f64::exp).collect();
            let sum: f64 = exps.iter().sum();
            for c in 0..self.classes {
                let slope = exps[c] / sum - f64::from(u8::from(c as u32 == label));
                let slope = slope / batch.len() as f64;
                gradients[1][c] += slope;
                for (i, &x) in x.iter().enumerate() {
                    gradients[0][i * self.classes + c] += slope * f64::from(x);
                }
            }
        }
        let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let parameters = [&mut self.weight, &mut self.bias];
        for ((w, m), g) in parameters.into_iter().zip(&mut self.momentum).zip(&gradients) {
            let ratio = match self.lars && norm(w) > 0.0 && norm(g) > 0.0 {
                true => 0.001 * norm(w) / (norm(g) + 1e-8),
                false => 1.0,
            };
            for ((w, m), g) in w.iter_mut().zip(m).zip(g) {
                *m = 0.9 * *m + ratio * g;
                *w -= self.rate * factor * *m;
            }
        }
    }
}

/// Random features whose class shows in them.
fn separable(images: usize, width: usize, classes: usize) -> (FeatureTable, Vec<u32>) {
    let mut draw = Draw::new(5, Purpose::Benchmark, 0, 0, 0);
    let labels: Vec<u32> = (0..images).map(|i| (i % classes) as u32).collect();
    let values = labels.iter().flat_map(|&label| {
        let value = |i: usize| f64::from(u8::from(i % classes == label as usize));
        let row: Vec<f32> = (0..width).map(|i| (2.0 * value(i) + 0.5 * draw.normal()) as f32).collect();
        row
    });
    let table = FeatureTable { width, values: values.collect(), images: (0..images as u32).collect() };
    (table, labels)
}

/// Each classifier of the sweep takes the very steps it would take alone.
#[test]
fn every_classifier_of_a_sweep_steps_as_the_reference() -> Result {
    let gpu = gpu()?;
    let (width, classes, batch) = (13, 5, 11);
    let (table, labels) = separable(44, width, classes);
    for (optimizer, rates) in [(ProbeOptimizer::Sgd, vec![0.03, 0.5, 0.1]), (ProbeOptimizer::Lars, vec![0.1, 3.0, 1.0])]
    {
        let plan = ProbePlan { width, classes, batch, rates: rates.clone(), optimizer, seed: 1 };
        let mut probe = plan.compile(&gpu)?;
        let columns = rates.len() * classes;
        let own = |values: &[f32], group: usize| -> Vec<f64> {
            let rows = values.chunks(columns);
            let rows = rows.flat_map(|row| &row[group * classes..(group + 1) * classes]);
            rows.map(|&v| f64::from(v)).collect()
        };
        let [weight, bias] = probe.parameters()?;
        let mut references: Vec<Reference> = (0..rates.len())
            .map(|group| Reference {
                classes,
                rate: rates[group],
                lars: optimizer == ProbeOptimizer::Lars,
                weight: own(&weight, group),
                bias: own(&bias, group),
                momentum: [vec![0.0; width * classes], vec![0.0; classes]],
            })
            .collect();
        // One start for all, small and not zero.
        assert_eq!(references[0].weight, references[2].weight);
        let square: f64 = references[0].weight.iter().map(|w| w * w).sum();
        let deviation = (square / (width * classes) as f64).sqrt();
        assert!((0.007..0.013).contains(&deviation), "{deviation}");
        for step in 0..12 {
            let rows: Vec<usize> = (0..batch).map(|i| (step * batch + i) % 44).collect();
            let x: Vec<&[f32]> = rows.iter().map(|&row| table.row(row)).collect();
            let y: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
            let factor = 1.0 - step as f64 / 12.0;
            let (program, input) = probe.features();
            program.write(input, &x.concat());
            let y_floats: Vec<f32> = y.iter().map(|&y| y as f32).collect();
            probe.step(&y_floats, factor)?;
            for reference in &mut references {
                reference.step(&x, &y, factor);
            }
            let [weight, bias] = probe.parameters()?;
            for (group, reference) in references.iter().enumerate() {
                for (made, expected) in [(own(&weight, group), &reference.weight), (own(&bias, group), &reference.bias)]
                {
                    let error: f64 = made.iter().zip(expected).map(|(a, b)| (a - b) * (a - b)).sum();
                    let size: f64 = expected.iter().map(|v| v * v).sum();
                    let error = (error / size).sqrt();
                    assert!(error < 2e-5, "{optimizer:?} {group} step {step}: {error:.1e}");
                }
            }
        }
        let ranks = probe.ranks(&table, &labels)?;
        for (ranks, reference) in ranks.iter().zip(&references) {
            let plain = labels.iter().enumerate().map(|(row, &label)| {
                let logits = reference.logits(table.row(row));
                logits.iter().filter(|&&l| l > logits[label as usize]).count()
            });
            assert!(plain.eq(ranks.iter().copied()));
        }
    }
    Ok(())
}

/// The optimum of classes that a plane separates is to be right about all of them; a rate beyond all numbers shows as diverged.
#[test]
fn separable_classes_are_separated() -> Result {
    let (table, labels) = separable(60, 16, 4);
    for (optimizer, rate) in [(ProbeOptimizer::Sgd, 0.5), (ProbeOptimizer::Lars, 30.0)] {
        let plan = ProbePlan { width: 16, classes: 4, batch: 60, rates: vec![rate, 1e38], optimizer, seed: 0 };
        let mut probe: Probe = plan.compile(&gpu()?)?;
        let y: Vec<f32> = labels.iter().map(|&y| y as f32).collect();
        for step in 0..60 {
            let (program, input) = probe.features();
            program.write(input, &table.values);
            probe.step(&y, 1.0)?;
            if step == 0 {
                // Small weights know nothing: the loss is that of a guess.
                let loss = probe.losses()?[0];
                assert!((loss - 4_f64.ln()).abs() < 0.2, "{loss}");
            } else if step == 40 {
                probe.losses()?;
            }
        }
        let [loss, diverged] = probe.losses()?[..] else {
            panic!("two classifiers");
        };
        assert!(loss < 0.3, "{optimizer:?}: {loss}");
        let ranks = probe.ranks(&table, &labels)?;
        assert!(ranks[0].iter().all(|&rank| rank == 0), "{optimizer:?}");
        // Weights that have overflown know nothing, and do not pass for right.
        assert!(!diverged.is_finite(), "{optimizer:?}: {diverged}");
        assert!(ranks[1].iter().all(|&rank| rank == 4), "{optimizer:?}");
    }
    Ok(())
}

/// Both protocols learn something on a network of random weights, which stays as it was.
#[test]
fn a_linear_evaluation_leaves_the_network_alone() -> Result {
    let (gpu, config) = (gpu()?, config()?);
    let data = dataset(&config)?;
    let mut parameters = Parameters::new();
    for quick in [true, false] {
        let plan = linear_plan(&config, &data, &mut parameters, 32)?;
        let mut store = network(&gpu, &parameters)?;
        let mut features = plan.compile(&mut store)?;
        let options =
            LinearOptions { epochs: 12, rates: vec![1e-6, 10.0], optimizer: ProbeOptimizer::Sgd, quick, seed: 0 };
        let mut steps = 0;
        let network = (&parameters, &store);
        let report = linear(&mut features, network, &config, &data, &options, &mut |event| {
            if let LinearEvent::Step(done, of) = event {
                steps += 1;
                assert_eq!((*done, *of), (steps, 12 * 4));
            }
        })?;
        assert_eq!((steps, report.images, report.batch), (48, [133, 37], 32));
        let [still, moved] = &report.rates[..] else {
            panic!("two rates");
        };
        assert_eq!(moved.rate, 10.0 * 32.0 / 256.0);
        assert!((still.loss - 10_f64.ln()).abs() < 0.1, "{}", still.loss);
        assert!(moved.loss < still.loss - 0.05, "quick {quick}: {} {}", moved.loss, still.loss);
        assert!(moved.best.top1 > 0.15 && moved.best.top1 >= moved.last.top1);
        assert_eq!((report.best(), report.at_edge()), (Some(moved), Some(true)));
        assert_eq!(parameters.read(&store)?, parameters.initialize(3));
    }
    Ok(())
}
