//! The program under `mpirun`: what `tests/ranks.rs` shows of threads, shown of processes, and what happens when one of them ends.
//!
//! Needs the feature `mpi` and an MPI (Debian: `openmpi-bin libopenmpi-dev libclang-dev`).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SMALL: [&str; 14] = [
    "--limit-train",
    "160",
    "--limit-test",
    "50",
    "--batch-size",
    "16",
    "--set",
    "model.width=4",
    "--set",
    "model.blocks=[1]",
    "--set",
    "run.tensorboard=false",
    "--no-tune",
    "--set",
];

/// A rank's own arguments and program, one rank each.
struct Ranks(Vec<(PathBuf, Vec<String>)>);

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_simsiam"))
}

fn train(arguments: &[&str], out: &Path) -> Vec<String> {
    let fixed = ["train"].iter().chain(&SMALL).chain(&["run.rank_timeout=60"]).chain(arguments);
    fixed.map(|a| (*a).to_owned()).chain(["--out".to_owned(), out.display().to_string()]).collect()
}

impl Ranks {
    fn of(size: usize, arguments: &[String]) -> Ranks {
        Ranks(vec![(program(), arguments.to_vec()); size])
    }

    fn command(&self) -> Command {
        let mut command = Command::new("mpirun");
        command.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]);
        for (index, (program, arguments)) in self.0.iter().enumerate() {
            command.args((index > 0).then_some(":")).args(["-n", "1"]).arg(program).args(arguments);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Output {
        self.command().output().expect("mpirun; install openmpi-bin")
    }

    fn start(&self) -> Child {
        self.command().spawn().expect("mpirun; install openmpi-bin")
    }
}

/// The lines of errors that a job printed.
fn errors(output: &Output) -> Vec<String> {
    let all = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&all).into_owned();
    text.lines().filter(|line| line.starts_with("error:")).map(str::to_owned).collect()
}

fn losses(run: &Path) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["event"] == "step").filter_map(|line| line["loss"].as_f64()).collect()
}

fn last(run: &Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/last.safetensors")).unwrap()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} did not come");
        sleep(Duration::from_millis(50));
    }
}

/// The processes that `mpirun` has started.
fn children(job: &Child) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &job.id().to_string()]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

fn signal(name: &str, processes: &[String]) {
    assert!(Command::new("kill").arg(name).args(processes).status().unwrap().success());
}

fn output(mut job: Child) -> String {
    let mut text = String::new();
    job.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    job.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    job.wait().unwrap();
    text
}

#[test]
fn processes_train_as_one_and_have_the_same_bits_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| folder.path().join(name);
    let one = Command::new(program()).args(train(&["--epochs", "2"], &run("one"))).output().unwrap();
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    let two = Ranks::of(2, &train(&["--epochs", "2"], &run("two"))).run();
    assert!(two.status.success(), "{:?}", errors(&two));
    let text = String::from_utf8_lossy(&two.stdout);
    assert!(text.contains("rank 1 ") && text.matches("done in").count() == 1, "{text}");
    let [expected, found] = [losses(&run("one")), losses(&run("two"))];
    assert_eq!((expected.len(), found.len()), (20, 20));
    for (step, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() < 1e-4, "step {step}: {a} of two ranks, {b} of one");
    }

    // A job that its scheduler ends leaves a checkpoint, and goes on from there with the same bits.
    let job = Ranks::of(2, &train(&["--epochs", "2"], &run("again"))).start();
    wait_for("a step", || losses(&run("again")).len() > 2);
    signal("-TERM", &children(&job));
    let text = output(job);
    assert!(text.contains("stopped after step") && text.contains("rank 1: told to end"), "{text}");
    let resume = ["train".to_owned(), "--resume".to_owned(), run("again").display().to_string()];
    let resumed = Ranks::of(2, &resume).run();
    assert!(resumed.status.success(), "{:?}", errors(&resumed));
    assert!(last(&run("again")) == last(&run("two")), "the run that went on has other weights");
}

#[test]
fn a_rank_that_dies_ends_the_job_and_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let job = Ranks::of(2, &train(&["--epochs", "50"], &run)).start();
    wait_for("a step of the second epoch", || losses(&run).len() > 11);
    let processes = children(&job);
    signal("-KILL", &processes[1..]);
    let began = Instant::now();
    let text = output(job);
    // Its system may take a moment longer to take the process away than mpirun waits.
    wait_for("the end of rank 0", || !Path::new("/proc").join(&processes[0]).exists());
    assert!(began.elapsed() < Duration::from_secs(30), "the job went on");
    assert!(text.contains("rank 0: told to end") && text.contains("if one is gone, the last one stays"), "{text}");
    let mut alone = Command::new(program());
    alone.args(["train", "--epochs", "51", "--resume"]).arg(&run).stdout(Stdio::piped());
    let mut resumed = alone.spawn().unwrap();
    let before = losses(&run).len();
    wait_for("a step of one process", || losses(&run).len() > before + 1 || resumed.try_wait().unwrap().is_some());
    signal("-TERM", &[resumed.id().to_string()]);
    let text = String::from_utf8_lossy(&resumed.wait_with_output().unwrap().stdout).into_owned();
    assert!(text.contains("continue after step") && text.contains("stopped after step"), "{text}");
}

#[test]
fn a_training_that_diverges_ends_on_all_ranks_with_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let began = Instant::now();
    let diverging = ["--epochs", "3", "--set", "optim.lr=1e30"];
    let output = Ranks::of(2, &train(&diverging, &run)).run();
    assert!(!output.status.success() && began.elapsed() < Duration::from_secs(50), "it waited for a rank that is gone");
    let errors = errors(&output);
    assert!(errors.len() == 1 && errors[0].contains("what usually helps"), "{errors:?}");
}

#[test]
fn what_cannot_work_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let refused = |ranks: &Ranks| {
        let output = ranks.run();
        assert!(!output.status.success() && !out.exists());
        let errors = errors(&output);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].clone()
    };
    let good = train(&[], &out);
    let error = refused(&Ranks::of(3, &good));
    assert!(error.contains("optim.batch_size is 16, which 3 ranks cannot share evenly"), "{error}");
    let error = refused(&Ranks::of(2, &train(&["--set", "optim.lr=-1"], &out)));
    assert!(error.contains("optim.lr") && !error.contains("rank"), "{error}");
    let error = refused(&Ranks(vec![(program(), good.clone()), (program(), train(&["--device", "none such"], &out))]));
    assert!(error.contains("rank 1: no adapter matches device `none such`"), "{error}");
    let other = folder.path().join("simsiam");
    fs::copy(program(), &other).unwrap();
    let mut bytes = fs::OpenOptions::new().append(true).open(&other).unwrap();
    std::io::Write::write_all(&mut bytes, b"another build").unwrap();
    drop(bytes);
    let error = refused(&Ranks(vec![(program(), good.clone()), (other, good)]));
    assert!(error.contains("rank 1 has a program other than rank 0"), "{error}");
}
