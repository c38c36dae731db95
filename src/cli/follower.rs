//! A rank that is not the first: it trains what rank 0 sends it, prints warnings only, and writes nothing.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::{Context, Result};
use simsiam::config::Config;
use simsiam::gpu::Gpu;
use simsiam::graph::tune::Cache;
use simsiam::train::checkpoint::Checkpoint;
use simsiam::train::{Command, Event, Kernels, TrainPlan, Trainer};

use super::ranks::Job;
use super::signals::Signals;
use super::{output, settings, train};

/// Sends the settings, and where the run continues, from rank 0: other hosts need not see its folder.
pub fn send(ranks: &Job, config: &Config, checkpoint: Option<&Checkpoint>) -> Result<()> {
    if ranks.ranks().is_alone() {
        return Ok(());
    }
    let file = checkpoint.map(|checkpoint| {
        let path = checkpoint.origin();
        fs::read(path).with_context(|| path.display().to_string())
    });
    let file = ranks.together(file.transpose())?.unwrap_or_default();
    let link = ranks.link();
    link.set_timeout(Duration::from_secs(config.run.rank_timeout));
    link.broadcast(config.to_toml()?.as_bytes())?;
    link.broadcast(&file)?;
    Ok(())
}

/// Sends the kernels that rank 0 has chosen.
pub fn send_kernels(ranks: &Job, plan: &TrainPlan) -> Result<()> {
    ranks.link().broadcast(&serde_json::to_vec(&plan.kernels())?)?;
    Ok(())
}

fn received(ranks: &Job) -> Result<(Config, Option<Checkpoint>)> {
    ranks.together(Ok(()))?;
    let link = ranks.link();
    let text = String::from_utf8(link.broadcast(&[])?)?;
    let file = link.broadcast(&[])?;
    let config = Config::from_toml(&text, "rank 0")?;
    link.set_timeout(Duration::from_secs(config.run.rank_timeout));
    let checkpoint = match file.is_empty() {
        true => None,
        false => {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("last.safetensors");
            fs::write(&path, file)?;
            Some(Checkpoint::load(&path)?)
        }
    };
    Ok((config, checkpoint))
}

/// Trains as rank 0 does.
pub fn run(args: &train::Args, ranks: &Job, signals: &Signals, commands: &Receiver<Command>) -> Result<ExitCode> {
    ranks.together(Ok(()))?;
    let (config, checkpoint) = received(ranks)?;
    let prepared = (|| {
        let dataset = Arc::new(settings::open(&config)?);
        config.check_against(dataset.train.len())?;
        let gpu = ranks.open(&args.device, args.share_devices)?;
        let plan = TrainPlan::linked(&gpu, &config, dataset.clone(), ranks.link())?;
        Ok((dataset, gpu, plan))
    })();
    let (dataset, gpu, mut plan) = ranks.together(prepared)?;
    ranks.agree(&dataset)?;
    ranks.texts(&gpu.report().name)?;
    ranks.together(Ok(()))?;
    choose_kernels(args, ranks, &gpu, &mut plan)?;
    let trainer = (|| {
        let mut trainer = Trainer::new(plan, None)?;
        if let Some(checkpoint) = &checkpoint {
            trainer.restore(checkpoint)?;
        }
        Ok(trainer)
    })();
    let mut trainer = ranks.together(trainer)?;
    signals.training();
    let rank = ranks.ranks().rank;
    let outcome = trainer.run(commands, &mut |event| {
        if let Event::Warning(warning) = event {
            output::error_line(&format!("rank {rank}: warning: {}", warning.message));
        }
    });
    ranks.ended(outcome)?;
    Ok(ExitCode::SUCCESS)
}

/// On a device like rank 0's its kernels, so that a run has the same bits again; on another one the fastest there.
fn choose_kernels(args: &train::Args, ranks: &Job, gpu: &Gpu, plan: &mut TrainPlan) -> Result<()> {
    let kernels: Kernels = serde_json::from_slice(&ranks.link().broadcast(&[])?)?;
    if !plan.use_kernels_of(&kernels)? && !args.no_tune {
        plan.tune(&mut Cache::open(gpu), &mut |_| {})?;
    }
    Ok(())
}
