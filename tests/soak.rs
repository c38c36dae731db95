//! A run under faults drawn at random, over and over: it must end as one that was never disturbed. Not part of the suite; `docs/reliability.md`
//! says how to run it.
#![cfg(unix)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simsiam::random::{Draw, Purpose};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Eighteen epochs of four steps with kNN and a checkpoint kept every sixth epoch.
const TRAIN: &str = "train --out run --preset demo --limit-train 256 --limit-test 60 --epochs 18 --no-tune --set data.image_size=12 \
     --set model.blocks=[1] --set model.width=4 --set model.dim=16 --set model.projector_hidden=16 --set model.predictor_dim=8 \
     --set run.knn_k=20 --set run.checkpoint_every=6";
const FAULTS: [&str; 11] = [
    "kill",
    "terminate",
    "full disk",
    "lost device",
    "refused submit",
    "refused memory",
    "kill in tuning",
    "kill in an evaluation",
    "damaged checkpoint",
    "damaged metrics",
    "killed writes",
];

/// Of this build, or another one's: such as one that a rebuild does not replace meanwhile.
fn program() -> String {
    std::env::var("SIMSIAM_SOAK_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_simsiam").to_owned())
}

/// The first of those that need a checkpoint.
const DAMAGE: usize = 7;

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
    shell(folder, limits, arguments)
}

fn shell(folder: &Path, limits: &str, arguments: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{limits} exec \"$0\" {arguments}"), &program()]);
    shell.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    shell.stdout(Stdio::null()).stderr(Stdio::piped());
    shell
}

struct Soak {
    draw: Draw,
    counts: [u64; FAULTS.len()],
    kills: u64,
    /// Seconds of an undisturbed run, within which processes are killed.
    seconds: f64,
    /// Bytes of a checkpoint.
    checkpoint: u64,
}

/// Every file of a run with its bytes.
fn contents(run: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(run)?.chain(fs::read_dir(run.join("checkpoints"))?) {
        let path = entry?.path();
        if path.is_file() {
            let bytes = fs::read(&path)?;
            files.push((path, bytes));
        }
    }
    files.sort();
    Ok(files)
}

impl Soak {
    /// Kills what was started after a random part of the time that a run takes, unless it is done by then; what it said.
    fn kill(&mut self, signal: &str, mut child: Child) -> Result<(ExitStatus, String)> {
        std::thread::sleep(Duration::from_secs_f64(self.draw.uniform(0.0, self.seconds)));
        Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status()?;
        let ended = self.end(&mut child)?;
        self.kills += u64::from(ended.0.code().is_none());
        Ok(ended)
    }

    fn end(&self, child: &mut Child) -> Result<(ExitStatus, String)> {
        let mut errors = String::new();
        if let Some(pipe) = &mut child.stderr {
            std::io::Read::read_to_string(pipe, &mut errors)?;
        }
        Ok((child.wait()?, errors))
    }

    /// What is possible now: without a checkpoint there is nothing to damage, and without another one nothing to continue from.
    fn possible(run: &Path) -> Vec<usize> {
        let has = |name: &str| run.join("checkpoints").join(name).exists();
        let (last, kept) = (has("last.safetensors"), has("epoch-006.safetensors") || has("epoch-012.safetensors"));
        let possible = |fault: usize| match FAULTS[fault] {
            "damaged checkpoint" => last && kept,
            "damaged metrics" | "killed writes" | "kill in an evaluation" => last,
            _ => true,
        };
        (0..FAULTS.len()).filter(|&fault| possible(fault)).collect()
    }

    /// One fault; whether the run is done.
    fn fault(&mut self, folder: &Path) -> Result<bool> {
        let run = folder.join("run");
        let mut possible = Soak::possible(&run);
        // Damage is possible only after a checkpoint, which most faults come before.
        if possible.contains(&DAMAGE) && self.draw.below(2) == 0 {
            possible.retain(|&fault| fault >= DAMAGE);
        }
        let fault = possible[self.draw.below(possible.len() as u32) as usize];
        self.counts[fault] += 1;
        let mut limits = String::new();
        match FAULTS[fault] {
            "full disk" => {
                let kilobytes = self.draw.below(2 + (self.checkpoint / 1000) as u32);
                limits = format!("trap '' XFSZ; ulimit -f {kilobytes};");
            }
            // A run has more than a hundred replays, kNN among them.
            "lost device" => limits = format!("export SIMSIAM_FAULT=lost@{};", self.draw.below(120)),
            "refused submit" => limits = format!("export SIMSIAM_FAULT=submit@{};", self.draw.below(120)),
            "refused memory" => limits = format!("export SIMSIAM_FAULT=memory@{};", self.draw.below(4 << 20)),
            "kill in tuning" => {
                self.kill_in_tuning(folder)?;
                return Ok(false);
            }
            "kill in an evaluation" => {
                let before = contents(&run)?;
                let kind = ["eval knn", "eval linear --epochs 3", "embed --data demo --out features.npy"];
                let kind = kind[self.draw.below(3) as usize];
                let child = shell(folder, &limits, &format!("{kind} --run run")).spawn()?;
                let (status, errors) = self.kill("-KILL", child)?;
                if !status.success() && status.code().is_some() {
                    return Err(format!("{kind}: {status}: {errors}").into());
                }
                assert!(contents(&run)? == before, "{kind} has changed the run");
                return Ok(false);
            }
            "damaged checkpoint" => {
                let path = run.join("checkpoints/last.safetensors");
                let mut bytes = fs::read(&path)?;
                let place = self.draw.below(bytes.len() as u32) as usize;
                bytes[place] ^= 1 << self.draw.below(8);
                fs::write(&path, bytes)?;
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
        // The other faults are of the device and the files: most of those runs are killed too.
        let (status, errors) = match FAULTS[fault] {
            "terminate" => self.kill("-TERM", child)?,
            "kill" => self.kill("-KILL", child)?,
            _ if self.draw.below(4) > 0 => self.kill("-KILL", child)?,
            _ => self.end(&mut child)?,
        };
        // Full disks, devices that fail again and again, and signals before training are errors; nothing else is.
        let refused = ["full disk", "lost device", "refused submit", "refused memory"].contains(&FAULTS[fault]);
        let excused = refused || status.code().is_none() || errors.contains("stopped before training");
        if errors.contains("panicked") || !status.success() && !excused {
            return Err(format!("{}: {status}: {errors}", FAULTS[fault]).into());
        }
        Ok(timeless(&run).is_ok_and(|lines| lines.last().is_some_and(|line| line["event"] == "done")))
    }

    /// A run of its own, because measured kernels may have other bits: what is left of it, and of the cache, can be trained on.
    fn kill_in_tuning(&mut self, folder: &Path) -> Result {
        let tuned = folder.join("tuned");
        let cache = format!("export SIMSIAM_CACHE_DIR={};", tuned.join("cache").display());
        let train =
            TRAIN.replace("--no-tune", "").replace("--out run", "--out tuned/run").replace("--epochs 18", "--epochs 1");
        let child = shell(folder, &cache, &train).spawn()?;
        self.kill("-KILL", child)?;
        let again = match tuned.join("run/config.toml").exists() {
            true => "train --resume tuned/run".to_owned(),
            false => train,
        };
        let (status, errors) = self.end(&mut shell(folder, &cache, &again).spawn()?)?;
        assert!(status.success(), "{again}: {errors}");
        fs::remove_dir_all(tuned)?;
        Ok(())
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
    let mut soak = Soak { draw, counts: [0; FAULTS.len()], kills: 0, seconds, checkpoint: bytes.len() as u64 };
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
        "{runs} runs under {} faults ({}), {} of them killed at a random moment, ended like the undisturbed one",
        soak.counts.iter().sum::<u64>(),
        counts.join(", "),
        soak.kills
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
                .args(["-c", &command, &program()])
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

/// Memory in kB, open files and threads of a process.
#[cfg(target_os = "linux")]
fn usage(process: u32) -> Result<[u64; 3]> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = fs::read_to_string(folder.join("status"))?;
    let number = |key: &str| status.lines().find(|line| line.starts_with(key))?.split_whitespace().nth(1)?.parse().ok();
    let files = fs::read_dir(folder.join("fd"))?.count() as u64;
    Ok([number("VmRSS:").ok_or("VmRSS")?, files, number("Threads:").ok_or("Threads")?])
}

/// One process that trains, classifies and saves for as long as it is asked to, its metrics removed now and then.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "runs for as long as it is asked to"]
fn a_long_run_needs_no_more_with_time() -> Result {
    let minutes = variable("SIMSIAM_SOAK_MINUTES", 60);
    let folder = tempfile::tempdir()?;
    let train = TRAIN.replace("--epochs 18", "--epochs 1000000 --set run.keep=2");
    let mut child = shell(folder.path(), "", &train).spawn()?;
    let began = Instant::now();
    let mut samples: Vec<[u64; 3]> = Vec::new();
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        std::thread::sleep(Duration::from_secs(1));
        if child.try_wait()?.is_some() {
            return Err(ended(&mut child).into());
        }
        samples.push(usage(child.id())?);
        if samples.len().is_multiple_of(20) {
            fs::remove_file(folder.path().join("run/metrics.jsonl"))?;
        }
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    assert!(child.wait()?.success());
    // The driver compiles in the first quarter; the most of the second is held against the most of the last.
    let quarter = samples.len() / 4;
    let most = |part: &[[u64; 3]], what: usize| part.iter().map(|sample| sample[what]).max().unwrap_or(0);
    let [early, late] = [&samples[quarter..2 * quarter], &samples[3 * quarter..]];
    let [early, late] = [early, late].map(|part| [0, 1, 2].map(|what| most(part, what)));
    let steps = fs::read_to_string(folder.path().join("run/metrics.jsonl"))?.matches("\"step\",").count();
    println!("{steps} steps in {minutes} minutes; memory in kB, files, threads: {early:?}, at the end {late:?}");
    assert!(late[0] <= early[0] + early[0] / 50 && late[1] <= early[1] && late[2] <= early[2]);
    Ok(())
}

#[cfg(target_os = "linux")]
fn ended(child: &mut Child) -> String {
    let mut errors = String::new();
    if let Some(pipe) = &mut child.stderr {
        // What it said last, as far as it can be read.
        let _ = std::io::Read::read_to_string(pipe, &mut errors);
    }
    format!("the training has ended: {errors}")
}
