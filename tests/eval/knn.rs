//! kNN against the plain rule.

use std::sync::Arc;

use simsiam::config::Config;
use simsiam::data::{Dataset, ImageSet};
use simsiam::eval::{FeaturePlan, FeatureSpec, FeatureTable, KnnPlan, Output, Prediction, scores};
use simsiam::gpu::Gpu;
use simsiam::graph::Target;
use simsiam::model::Parameters;

use crate::subject::{Result, config, dataset, gpu, network};

fn features(gpu: &Gpu, config: &Config, set: &Arc<dyn ImageSet>, output: Output, batch: usize) -> Result<FeatureTable> {
    let mut parameters = Parameters::new();
    let plan = FeaturePlan::new(config, &mut parameters, &FeatureSpec::new(set.size(), batch, &[output]))?;
    let mut features = plan.compile(&mut network(gpu, &parameters)?)?;
    let table = features.table(set, &mut || true)?;
    Ok(table.ok_or("nobody stopped it")?)
}

/// Votes in f64 from the features of all images.
fn neighbours(config: &Config, data: &Dataset, tables: [&FeatureTable; 2]) -> Vec<Vec<f64>> {
    let unit = |table: &FeatureTable, row: usize| -> Vec<f64> {
        let row: Vec<f64> = table.row(row).iter().map(|&v| f64::from(v)).collect();
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.into_iter().map(|v| v / norm).collect()
    };
    let [bank, test] = tables;
    let labels = data.bank().labels().unwrap_or_default();
    let voters: Vec<Vec<f64>> = (0..bank.images.len()).map(|row| unit(bank, row)).collect();
    let vote = |row: usize| {
        let query = unit(test, row);
        let cosine = |voter: &Vec<f64>| voter.iter().zip(&query).map(|(a, b)| a * b).sum::<f64>();
        let mut near: Vec<(f64, u32)> = voters.iter().map(cosine).zip(labels.to_vec()).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut votes = vec![0.0; data.classes.len()];
        for (similarity, label) in &near[..config.run.knn_k] {
            votes[*label as usize] += (similarity / config.run.knn_temperature).exp();
        }
        votes
    };
    (0..test.images.len()).map(vote).collect()
}

/// Both outputs, in batches that do and do not divide the images: the same verdicts, those of the plain rule.
#[test]
fn knn_follows_the_plain_rule_in_batches_of_any_size() -> Result {
    let (gpu, config) = (gpu()?, config()?);
    let data = dataset(&config)?;
    let classify = |batch: usize| -> Result<Vec<Vec<Prediction>>> {
        let mut parameters = Parameters::new();
        let target = Target::of(&gpu);
        let plan = KnnPlan::of(&Output::ALL, &config, &data, &mut parameters, &target, batch)?;
        let mut store = network(&gpu, &parameters)?;
        let mut knn = plan.ok_or("there are labels")?.compile(&mut store)?;
        Ok(knn.classify(&data, &mut || true)?.ok_or("nobody stopped it")?)
    };
    let verdicts = classify(32)?;
    for batch in [5, 37, 200] {
        assert_eq!(classify(batch)?, verdicts, "batches of {batch}");
    }
    let mut found = Vec::new();
    for (output, verdicts) in Output::ALL.into_iter().zip(&verdicts) {
        let [bank, test] = [data.bank(), &data.test].map(|set| features(&gpu, &config, set, output, 32));
        let votes = neighbours(&config, &data, [&bank?, &test?]);
        assert_eq!(verdicts.len(), 37);
        for (verdict, votes) in verdicts.iter().zip(&votes) {
            let [own, first] = [verdict.label, verdict.predicted].map(|c| votes[c as usize]);
            let most = votes.iter().copied().fold(0.0, f64::max);
            assert!(first > most * (1.0 - 1e-5), "{output:?} {verdict:?} {votes:?}");
            let before = votes.iter().filter(|&&vote| vote > own * (1.0 + 1e-5)).count();
            let rank = if own > 0.0 { before } else { votes.len() };
            assert_eq!(verdict.rank, rank, "{output:?} {verdict:?} {votes:?}");
        }
        found.push(scores(&data, verdicts));
    }
    // Two outputs, not one twice; neither chance nor certainty.
    assert_ne!(verdicts[0], verdicts[1]);
    for scores in found {
        assert!((0.2..0.95).contains(&scores.top1), "{}", scores.top1);
        assert!(scores.top5 > scores.top1);
        let correct: usize = scores.classes.iter().map(|class| class.correct).sum();
        assert_eq!(correct as f64 / 37.0, scores.top1);
    }
    Ok(())
}
