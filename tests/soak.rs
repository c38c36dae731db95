//! A run under faults drawn at random, over and over: it must end as one that was never disturbed. Not part of the suite; `docs/reliability.md`
//! says how to run it.
#![cfg(unix)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simsiam::random::{Draw, Purpose};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Six epochs of four steps with kNN and a checkpoint kept every second epoch.
const TRAIN: &str = "train --out run --preset demo --limit-train 256 --limit-test 60 --epochs 6 --no-tune --set data.image_size=12 \
     --set model.blocks=[1] --set model.width=4 --set model.dim=16 --set model.projector_hidden=16 --set model.predictor_dim=8 \
     --set run.knn_k=20 --set run.checkpoint_every=2";
const FAULTS: [&str; 6] = ["kill", "terminate", "full disk", "damaged checkpoint", "damaged metrics", "killed writes"];

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a run has reported, without what a clock decides.
fn timeless(run: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    let mut lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    for object in lines.iter_mut().filter_map(Value::as_object_mut) {
        object.remove("seconds");
        object.remove("images_per_second");
    }
    Ok(lines)
}

/// Starts or continues the run in `folder`, under limits of the shell.
fn start(folder: &Path, limits: &str) -> Command {
    let arguments = match folder.join("run/config.toml").exists() {
        true => "train --resume run --no-tune",
        false => TRAIN,
    };
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{limits} exec \"$0\" {arguments}"), env!("CARGO_BIN_EXE_simsiam")]);
    shell.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    shell.stdout(Stdio::null()).stderr(Stdio::piped());
    shell
}

struct Soak {
    draw: Draw,
    counts: [u64; FAULTS.len()],
    /// Seconds of an undisturbed run, within which processes are killed.
    seconds: f64,
    /// Bytes of a checkpoint.
    checkpoint: u64,
}

impl Soak {
    /// One fault; whether the run is done.
    fn fault(&mut self, folder: &Path) -> Result<bool> {
        let run = folder.join("run");
        let mut fault = self.draw.below(FAULTS.len() as u32) as usize;
        let kept = fs::read_dir(run.join("checkpoints")).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("epoch-")).count()
        });
        // Without another checkpoint there is nothing to continue from.
        let possible = match FAULTS[fault] {
            "damaged checkpoint" => kept > 0,
            "damaged metrics" | "killed writes" => run.join("checkpoints/last.safetensors").exists(),
            _ => true,
        };
        if !possible {
            fault = self.draw.below(3) as usize;
        }
        self.counts[fault] += 1;
        let mut limits = String::new();
        match FAULTS[fault] {
            "full disk" => {
                let kilobytes = self.draw.below(2 + (self.checkpoint / 1000) as u32);
                limits = format!("trap '' XFSZ; ulimit -f {kilobytes};");
            }
            "damaged checkpoint" => {
                let path = run.join("checkpoints/last.safetensors");
                if let Ok(mut bytes) = fs::read(&path) {
                    let place = self.draw.below(bytes.len() as u32) as usize;
                    bytes[place] ^= 1 << self.draw.below(8);
                    fs::write(&path, bytes)?;
                }
            }
            "damaged metrics" => {
                let path = run.join("metrics.jsonl");
                let garbage: &[u8] =
                    [b"{\"event\":\"st\xff".as_slice(), b"\xff\xfe\n", b"{\"event\":\"step\",\"step\":900}\n"]
                        [self.draw.below(3) as usize];
                fs::write(&path, [&fs::read(&path)?, garbage].concat())?;
            }
            "killed writes" => fs::write(run.join("checkpoints/.simsiam-soak.partial"), "half")?,
            _ => {}
        }
        let mut child = start(folder, &limits).spawn()?;
        // The other faults are of the files: half of those runs are killed too.
        let signal = match FAULTS[fault] {
            "terminate" => "-TERM",
            _ => "-KILL",
        };
        if fault < 2 || self.draw.below(2) == 0 {
            std::thread::sleep(Duration::from_secs_f64(self.draw.uniform(0.0, 2.5 * self.seconds)));
            Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status()?;
        }
        let mut errors = String::new();
        if let Some(pipe) = &mut child.stderr {
            std::io::Read::read_to_string(pipe, &mut errors)?;
        }
        let status = child.wait()?;
        let panicked = errors.contains("panicked");
        // A full disk and a signal before training are errors; nothing else is.
        let excused = fault == 2 || status.code().is_none() || errors.contains("stopped before training");
        if panicked || !status.success() && !excused {
            return Err(format!("{}: {status}: {errors}", FAULTS[fault]).into());
        }
        Ok(timeless(&run).is_ok_and(|lines| lines.last().is_some_and(|line| line["event"] == "done")))
    }
}

#[test]
#[ignore = "runs for as long as it is asked to"]
fn a_disturbed_run_is_the_undisturbed_one() -> Result {
    let (minutes, seed) = (variable("SIMSIAM_SOAK_MINUTES", 60), variable("SIMSIAM_SOAK_SEED", 0));
    let whole = tempfile::tempdir()?;
    let began = Instant::now();
    assert!(start(whole.path(), "").status()?.success());
    let seconds = began.elapsed().as_secs_f64();
    let last = |folder: &Path| fs::read(folder.join("run/checkpoints/last.safetensors"));
    let (lines, bytes) = (timeless(&whole.path().join("run"))?, last(whole.path())?);
    let draw = Draw::new(seed, Purpose::Benchmark, 0, 0, 0);
    let mut soak = Soak { draw, counts: [0; FAULTS.len()], seconds, checkpoint: bytes.len() as u64 };
    let mut runs = 0;
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        let folder = tempfile::tempdir()?;
        while !soak.fault(folder.path())? {}
        assert_eq!(timeless(&folder.path().join("run"))?, lines, "run {runs}");
        assert!(last(folder.path())? == bytes, "run {runs}: the checkpoints differ");
        let left = fs::read_dir(folder.path().join("run/checkpoints"))?.count();
        assert!(left == 4, "run {runs}: {left} files");
        runs += 1;
    }
    let counts: Vec<String> = FAULTS.iter().zip(soak.counts).map(|(fault, n)| format!("{n} x {fault}")).collect();
    println!(
        "{runs} runs under {} faults ({}) ended like the undisturbed one",
        soak.counts.iter().sum::<u64>(),
        counts.join(", ")
    );
    Ok(())
}

/// Killed at every system call that writes, syncs or renames, one after the other, where `strace` is installed.
#[test]
#[ignore = "takes minutes, and needs strace"]
fn a_kill_at_any_system_call_changes_nothing() -> Result {
    const CALLS: [&str; 4] =
        ["write,writev,pwrite64", "fsync,fdatasync", "rename,renameat,renameat2", "unlink,unlinkat,ftruncate"];
    let most = variable("SIMSIAM_SOAK_CALLS", 40);
    let whole = tempfile::tempdir()?;
    assert!(start(whole.path(), "").status()?.success());
    let last = |folder: &Path| fs::read(folder.join("run/checkpoints/last.safetensors"));
    let (lines, bytes) = (timeless(&whole.path().join("run"))?, last(whole.path())?);
    let mut kills = 0;
    for calls in CALLS {
        for number in 1..=most {
            let folder = tempfile::tempdir()?;
            let strace =
                format!("exec strace -f --seccomp-bpf -o /dev/null -e inject={calls}:signal=KILL:when={number}");
            let mut traced = start(folder.path(), "");
            let command = traced.get_args().nth(1).ok_or("a command")?.to_string_lossy().replace("exec", &strace);
            let killed = !Command::new("bash")
                .args(["-c", &command, env!("CARGO_BIN_EXE_simsiam")])
                .current_dir(folder.path())
                .env("XDG_RUNTIME_DIR", folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?
                .success();
            kills += u64::from(killed);
            traced = start(folder.path(), "");
            let output = traced.output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{calls} {number}: {errors}");
            assert_eq!(timeless(&folder.path().join("run"))?, lines, "{calls} {number}");
            assert!(last(folder.path())? == bytes, "{calls} {number}");
            if !killed {
                break;
            }
        }
    }
    println!("{kills} kills at system calls changed nothing");
    Ok(())
}
