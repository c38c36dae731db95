//! A run's folder damaged at random: what is read of it is an error or what was written, and nothing panics.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::health_monitor::HealthMonitor;
use super::keep::Keep;
use super::position::Position;
use super::{History, Kernels, MetricsFile, RunFolder, declared};
use crate::config::Config;
use crate::graph::{Choices, Graph, Shape};
use crate::method;
use crate::model::{Arena, Parameters};
use crate::mutation::{Random, mutate};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Lines of every kind.
const LINES: &str = r#"{"event":"start","adapter":"a","backend":"Vulkan","parameters":9,"memory_bytes":9,"train_images":64,"test_images":9,"batch_size":16,"epochs":2,"steps":8,"dim":16}
{"event":"epoch","epoch":0,"loss":-0.03,"output_std":0.24,"effective_rank":7.7,"knn_top1":0.41,"seconds":0.3}
{"event":"step","step":1,"epoch":1,"loss":-0.04,"output_std":0.2473,"gradient_norm":0.5,"lr":0.01,"predictor_lr":0.01,"images_per_second":512.0}
{"event":"watch","step":1,"epoch":1,"effective_rank":7.5,"z_norm":3.1,"p_norm":2.9,"view_cosine":0.3,"gradient_norms":{"stem":0.1,"layer1":0.2},"channel_std":[0.2,0.3]}
{"event":"alarm","step":2,"epoch":1,"kind":"collapse","message":"m","advice":"a"}
{"event":"step","step":2,"epoch":1,"loss":null,"output_std":null,"lr":0.01,"images_per_second":500.0}
{"event":"epoch","epoch":1,"loss":-0.1,"output_std":0.2,"effective_rank":7.0,"seconds":0.3}
{"event":"failed","step":2,"message":"m"}
{"event":"done","steps":8,"seconds":1.5,"knn_top1":0.4,"knn_top1_untrained":0.41}
"#;

struct Subject {
    folder: tempfile::TempDir,
    parameters: Parameters,
    config: Config,
    checkpoint: Checkpoint,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Subject {
    fn new() -> Result<Subject> {
        let mut config = Config::preset("demo")?;
        for assignment in
            ["model.blocks=[1]", "model.width=4", "model.dim=4", "model.projector_hidden=4", "model.predictor_dim=4"]
        {
            config.set(assignment)?;
        }
        let (mut parameters, mut graph) = (Parameters::new(), Graph::new());
        let views = graph.input("views", Shape::rows([4, 8, 8, 3]));
        method::training_step(&mut graph, &[views], 2, &config, &mut parameters)?;
        let weights = parameters.initialize(1);
        let momentum: Vec<Vec<f32>> =
            parameters.of(Arena::PARAMETERS).map(|entry| vec![0.5; entry.shape.len()]).collect();
        let mut checkpoint = Checkpoint::new(&parameters, &weights, Some(&momentum));
        (checkpoint.step, checkpoint.epoch) = (2, 1);
        checkpoint.config = Some(config.to_toml()?);
        for key in [
            "epoch.loss_sum",
            "epoch.effective_rank",
            "epoch.lost_steps",
            "knn.last",
            "loss_scale.scale",
            "steps.skipped",
        ] {
            checkpoint.extra.insert(key.to_owned(), "1".to_owned());
        }
        Keep::new(2).write(&mut checkpoint);
        HealthMonitor::new(&config, 4).write(&mut checkpoint);
        let folder = tempfile::tempdir()?;
        let run = RunFolder::create(&folder.path().join("run"), &config)?;
        checkpoint.save(&run.checkpoints().join("last.safetensors"))?;
        fs::write(run.metrics(), LINES)?;
        let choices = Choices([("conv2d 3x3".to_owned(), "register 1x16x4".to_owned())].into());
        let words = || "a".to_owned();
        Kernels { adapter: words(), backend: words(), driver: words(), hash: words(), choices }
            .write(&run.kernels())?;
        let names = ["config.toml", "metrics.jsonl", "kernels.json", "checkpoints/last.safetensors"];
        let read = |name: &str| -> Result<(PathBuf, Vec<u8>)> {
            let path = run.path().join(name);
            Ok((path.clone(), fs::read(path)?))
        };
        let files = names.into_iter().map(read).collect::<Result<_>>()?;
        let checkpoint = Checkpoint::load(&run.checkpoints().join("last.safetensors"))?;
        Ok(Subject { folder, parameters, config, checkpoint, files })
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Damages one file, or writes a whole checkpoint whose metadata says strange things; reads everything as a resumed run, a report and the
    /// window do; fixes what was damaged. Whether the run could be opened.
    fn round(&self, random: &mut Random) -> Result<bool> {
        let (path, good) = &self.files[random.below(self.files.len())];
        let is_checkpoint = path.extension().is_some_and(|extension| extension == "safetensors");
        let strange = is_checkpoint && random.below(3) == 0;
        match strange {
            true => self.strange(random).save(path)?,
            false => {
                let mut bytes = good.clone();
                mutate(&mut bytes, random);
                fs::write(path, bytes)?;
            }
        }
        let opened = RunFolder::open(&self.run(), None);
        if let Ok((folder, _, checkpoint)) = &opened {
            // Damage that a checkpoint survives has taken its checksums along.
            let same = *checkpoint == self.checkpoint;
            assert!(strange || !is_checkpoint || same || !holds(path, b"simsiam.crc32")?, "{}", path.display());
            let _ = (checkpoint.weights(&self.parameters), checkpoint.momentum(&self.parameters));
            let position = Position::read(checkpoint, &declared(&self.config));
            let _ = (
                position.epochs(4),
                position.stuck(0),
                Position::step_lines(checkpoint),
                Position::epoch_lines(checkpoint),
            );
            HealthMonitor::new(&self.config, 4).read(checkpoint);
            Keep::new(2).read(checkpoint);
            let _ = Kernels::read(&folder.kernels());
            let read = |run: &Path| History::read(run).map(|history| history.steps.clone());
            let before = read(&self.run());
            // Lines that were kept are read as they were.
            if let Ok(mut metrics) = MetricsFile::resume(&folder.metrics(), checkpoint) {
                let _ = metrics.remarks();
                assert!(before.is_ok() == read(&self.run()).is_ok());
            }
        }
        let opened = opened.is_ok();
        for (path, good) in &self.files {
            fs::write(path, good)?;
        }
        Ok(opened)
    }

    /// The checkpoint with numbers at their limits in its metadata, and checksums that are right.
    fn strange(&self, random: &mut Random) -> Checkpoint {
        const VALUES: [&str; 10] =
            ["", "-1", "1e400", "NaN", "inf", "18446744073709551615", "9223372036854775807", "0.5", "\u{1b}[2J", "[1"];
        let mut checkpoint = self.checkpoint.clone();
        let value = |random: &mut Random| VALUES[random.below(VALUES.len())].to_owned();
        for _ in 0..=random.below(3) {
            let keys: Vec<String> = checkpoint.extra.keys().cloned().collect();
            match random.below(5) {
                0 => checkpoint.step = random.next(),
                1 => checkpoint.epoch = random.next() >> 1,
                2 => checkpoint.config = Some(value(random)),
                _ => drop(checkpoint.extra.insert(keys[random.below(keys.len())].clone(), value(random))),
            }
        }
        checkpoint
    }
}

fn holds(path: &Path, word: &[u8]) -> Result<bool> {
    Ok(fs::read(path)?.windows(word.len()).any(|part| part == word))
}

#[test]
fn random_damage_to_a_run_is_an_error_or_harmless() -> Result {
    let (subject, mut random) = (Subject::new()?, Random::new(7));
    for _ in 0..150 {
        subject.round(&mut random)?;
    }
    RunFolder::open(&subject.run(), None)?;
    Ok(())
}

#[test]
#[ignore = "takes FUZZ_SECONDS, 10 where that is not set; run it after a change to what a run leaves, with --nocapture"]
fn fuzz() -> Result {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(10));
    let (subject, mut random) = (Subject::new()?, Random::new(number("FUZZ_SEED").unwrap_or(1)));
    let (start, mut rounds, mut opened) = (Instant::now(), 0_u32, 0_u32);
    while start.elapsed() < time {
        rounds += 1;
        opened += u32::from(subject.round(&mut random)?);
    }
    println!("a run: {rounds} rounds, {opened} of them opened");
    Ok(())
}
