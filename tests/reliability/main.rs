//! Faults, through the real binary: kills, full disks, damage, hostile names. `docs/reliability.md` says what is promised.

mod copies;
mod damage;
mod device;
mod files;
mod numbers;
mod stops;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simsiam::gpu;
use simsiam::train::RunFolder;
use simsiam::train::checkpoint::Checkpoint;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Two epochs of four steps, in well under a second.
const TINY: &str = "train --preset demo --limit-train 256 --limit-test 60 --epochs 2 --no-tune --set data.image_size=12 \
     --set model.blocks=[1] --set model.width=4 --set model.dim=16 --set model.projector_hidden=16 --set model.predictor_dim=8 \
     --set run.knn_k=20";

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simsiam"));
    command.args(arguments.split(' ').filter(|word| !word.is_empty())).current_dir(folder);
    command.env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    command
}

/// Exit code, standard output and standard error.
fn text(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn simsiam(folder: &Path, arguments: &str) -> Result<(Option<i32>, String, String)> {
    Ok(text(command(folder, arguments).output()?))
}

/// Runs it under limits of the shell.
#[cfg(unix)]
fn limited(folder: &Path, limits: &str, arguments: &str) -> Result<(Option<i32>, String, String)> {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{limits}; exec \"$0\" {arguments}"), env!("CARGO_BIN_EXE_simsiam")]);
    shell.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    Ok(text(shell.output()?))
}

/// Runs it and fails where it fails.
fn good(folder: &Path, arguments: &str) -> Result<String> {
    match simsiam(folder, arguments)? {
        (Some(0), out, _) => Ok(out),
        (code, out, errors) => Err(format!("{arguments}: {code:?}\n{out}{errors}").into()),
    }
}

/// Runs it and returns its one line of error, which must come with this exit code.
fn bad(folder: &Path, arguments: &str, code: i32) -> Result<String> {
    let (found, out, errors) = simsiam(folder, arguments)?;
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    match (found, &lines[..]) {
        (Some(found), [line]) if found == code => Ok((*line).to_owned()),
        _ => Err(format!("{arguments}: {found:?}\n{out}{errors}").into()),
    }
}

/// What a run has reported, without what a clock decides.
fn timeless(run: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    let mut lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    for object in lines.iter_mut().filter_map(Value::as_object_mut) {
        object.remove("seconds");
        object.remove("images_per_second");
        object.remove("padding");
    }
    Ok(lines)
}

fn last(run: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(run.join("checkpoints/last.safetensors"))?)
}

/// Waits until a run has reported this many steps.
fn wait_for_steps(run: &Path, steps: usize) {
    let began = Instant::now();
    let reported = || fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().matches("\"step\",").count();
    while reported() < steps && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
}
