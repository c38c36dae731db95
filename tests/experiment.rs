//! Experiments on a device: what is run, what is shared, what is left when they are stopped.

mod tiny;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command as Process;
use std::sync::mpsc;

use simsiam::config::Config;
use simsiam::experiment::{Definition, ExperimentEvent, ExperimentPlan, Folder, Runner};
use simsiam::gpu::{Gpu, GpuOptions};
use simsiam::train::{Command, Event, Outcome};
use tiny::tiny;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Two epochs of eight steps in well under a second.
fn base() -> Result<Config> {
    Ok(tiny(&[])?)
}

/// Runs a plan; stops at the step `stop` of the run that begins as number `at`. The names of the runs that were begun or continued.
fn run(
    gpu: &Gpu,
    folder: &Folder,
    plan: &ExperimentPlan,
    stop: Option<(usize, u64)>,
) -> Result<(Outcome, Vec<String>)> {
    let (stopper, commands) = mpsc::channel();
    let mut begun = Vec::new();
    let runner = Runner { gpu, folder, plan, tune: false };
    let outcome = runner.run(&commands, &mut |event| match event {
        ExperimentEvent::Run { run, steps_done, .. } => begun.push(format!("{} {steps_done}", run.name)),
        ExperimentEvent::Event(Event::Step(step)) if stop == Some((begun.len(), step.step)) => {
            // The receiver lives as long as the training.
            let _ = stopper.send(Command::Stop);
        }
        _ => {}
    })?;
    Ok((outcome, begun))
}

fn definitions(names: &[&str]) -> Result<Vec<Definition>> {
    names.iter().map(|name| Ok(Definition::built_in(name)?)).collect()
}

fn report(folder: &Path) -> Result<String> {
    Ok(fs::read_to_string(folder.join("report.html"))?)
}

/// Exit code, standard output and standard error of the program.
fn simsiam(arguments: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = Process::new(env!("CARGO_BIN_EXE_simsiam")).args(arguments).output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn what_cannot_be_done_is_refused_in_a_line() -> Result {
    let parent = tempfile::tempdir()?;
    let at = |name: &str| parent.path().join(name).display().to_string();
    fs::write(at("file"), "x")?;
    fs::write(at("own.toml"), "title = 3")?;
    let here = parent.path().display().to_string();
    for (arguments, said) in [
        (vec!["experiment", "nothing", "--out", &at("a")], "stop-gradient, predictor"),
        (vec!["experiment", &at("none.toml"), "--out", &at("a")], "none.toml cannot be read"),
        (vec!["experiment", &at("own.toml"), "--out", &at("a")], "own.toml: line 1"),
        (vec!["experiment", "similarity", "--out", &here], "holds no experiments, but other things"),
        (vec!["experiment", "similarity", "--out", &at("a"), "--epochs", "0"], "--epochs: optim.epochs = 0"),
        (vec!["experiment", "batch-size", "--out", &at("a"), "--batch-size", "2"], "optim.batch_size = 1"),
        (vec!["experiment", "similarity"], "--out"),
        (vec!["report"], "<DIR>"),
        (vec!["report", &here], "holds no runs"),
    ] {
        let (code, _, error) = simsiam(&arguments)?;
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(said), "{error}");
        assert!(!Path::new(&at("a")).exists(), "{arguments:?} left something");
    }
    // Data that is not there is seen before anything is made.
    let (data, out) = (format!("idx:{}", at("no")), at("a"));
    let (code, _, error) = simsiam(&["experiment", "similarity", "--out", &out, "--preset", "demo", "--data", &data])?;
    assert!(code == Some(1) && error.contains("no"), "{error}");
    assert!(!Path::new(&out).exists());
    let (code, list, _) = simsiam(&["experiment", "--list"])?;
    assert_eq!((code, list.lines().count()), (Some(0), 15));
    Ok(())
}

#[test]
fn only_what_is_missing_is_run() -> Result {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let parent = tempfile::tempdir()?;
    let path = parent.path().join("out");
    let base = base()?;
    let folder = Folder::open(&path, &base)?;
    let plan = ExperimentPlan::new(definitions(&["stop-gradient"])?, &base, 2)?;

    // Stopped in the middle of the second run: the first is shown, the second as unfinished.
    let (outcome, begun) = run(&gpu, &folder, &plan, Some((2, 5)))?;
    assert!(matches!(outcome, Outcome::Stopped { step } if step < 16), "{outcome:?}");
    assert_eq!(begun, ["base-seed-0 0", "stop_gradient=false-seed-0 0"]);
    let Outcome::Stopped { step } = outcome else {
        return Err("it was stopped".into());
    };
    assert!(report(&path)?.contains(&format!("unfinished: step {step} of 16")));

    // A run that a crash has left before its first checkpoint begins again.
    let crashed = path.join("runs/base-seed-1");
    fs::create_dir_all(crashed.join("checkpoints"))?;
    fs::copy(path.join("runs/base-seed-0/config.toml"), crashed.join("config.toml"))?;
    let text = fs::read_to_string(crashed.join("config.toml"))?;
    fs::write(crashed.join("config.toml"), text.replace("seed = 0", "seed = 1"))?;

    let (outcome, begun) = run(&gpu, &folder, &plan, None)?;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(
        begun,
        [format!("stop_gradient=false-seed-0 {step}"), "base-seed-1 0".into(), "stop_gradient=false-seed-1 0".into()]
    );
    let page = report(&path)?;
    assert!(!page.contains("unfinished") && !page.contains("not run yet"));
    assert!(image::open(path.join("stop-gradient.png"))?.width() > 1000);

    // Another experiment on the same settings finds the common run there, whatever its folder is called.
    fs::rename(path.join("runs/base-seed-0"), path.join("runs/renamed"))?;
    let plan = ExperimentPlan::new(definitions(&["stop-gradient", "similarity"])?, &base, 1)?;
    let (_, begun) = run(&gpu, &folder, &plan, None)?;
    assert_eq!(begun, ["similarity=cross_entropy-seed-0 0"]);
    let page = report(&path)?;
    assert!(page.contains("id=\"stop-gradient\"") && page.contains("id=\"similarity\""));
    // Both seeds are still there.
    assert!(page.contains("without collapses: ") && page.contains(" of 2 runs"));

    // The same for a script: nothing is missing, so nothing is trained.
    let file = parent.path().join("base.toml").display().to_string();
    fs::write(&file, base.to_toml()?)?;
    let out = path.display().to_string();
    let (code, said, error) = simsiam(&["experiment", "similarity", "--config", &file, "--out", &out, "--json"])?;
    assert_eq!(code, Some(0), "{error}");
    let found: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!((&found["runs"], &found["missing_runs"]), (&2.into(), &0.into()), "{said}");
    let of =
        |name: &str| found["experiments"].as_array().and_then(|all| all.iter().find(|e| e["name"] == name).cloned());
    let shown = of("stop-gradient").ok_or("an experiment of which all runs are there")?;
    let verdicts = ["reproduced", "not-reproduced", "too-close"];
    for claim in shown["claims"].as_array().into_iter().flatten() {
        assert!(verdicts.iter().any(|verdict| claim["verdict"] == *verdict), "{claim}");
    }
    let knn = &shown["variants"][0]["knn_top1"];
    assert_eq!((knn["seeds"].as_array().map(Vec::len), knn["std"].is_number()), (Some(2), true), "{shown}");
    let (_, said, _) = simsiam(&["experiment", "--list", "--json"])?;
    let list: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!(list["experiments"].as_array().map(Vec::len), Some(15));

    let run_folder = |name: &str| path.join("runs").join(name).display().to_string();
    let out = parent.path().join("two.html").display().to_string();
    let (code, said, error) =
        simsiam(&["report", &run_folder("renamed"), &run_folder("stop_gradient=false-seed-0"), "--out", &out])?;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(said.contains("2 runs in ") && fs::read_to_string(&out)?.contains("<code>method.stop_gradient</code>"));
    let (_, said, _) = simsiam(&["report", &run_folder("renamed"), "--out", &out, "--json"])?;
    let one: serde_json::Value = serde_json::from_str(&said)?;
    assert_eq!((&one["report"], &one["runs"][0]["done"]), (&out.as_str().into(), &true.into()), "{said}");
    assert!(one["runs"][0]["knn_top1"].as_f64().is_some_and(|top1| (0.0..=1.0).contains(&top1)), "{said}");
    let (code, _, error) = simsiam(&["report", &run_folder("renamed"), "--out", "two.txt"])?;
    assert!(code == Some(2) && error.contains("end the file's name in .html"), "{error}");

    // Nothing is missing: the report is written anyway.
    fs::remove_file(path.join("report.html"))?;
    assert!(run(&gpu, &folder, &plan, None)?.1.is_empty());
    assert!(report(&path)?.contains("</html>"));
    Ok(())
}

#[test]
fn a_run_that_diverges_is_a_result() -> Result {
    let gpu = Gpu::open(None, GpuOptions { checked: true })?;
    let parent = tempfile::tempdir()?;
    let path = parent.path().join("out");
    let base = base()?;
    let folder = Folder::open(&path, &base)?;
    let text = r#"
        title = "Learning rate"
        question = "How far can it go?"
        [[variant]]
        name = "wild"
        label = "lr {optim.lr}"
        set = { "optim.lr" = 1e38, "optim.weight_decay" = 1e30 }
        [[variant]]
        name = "usual"
        label = "usual"
        [[expect]]
        better = "usual"
        worse = "wild""#;
    let plan = ExperimentPlan::new(vec![Definition::parse("rate", text, "rate.toml")?], &base, 1)?;
    let (outcome, begun) = run(&gpu, &folder, &plan, None)?;
    assert_eq!((outcome, begun.len()), (Outcome::Done, 2));
    let page = report(&path)?;
    assert!(page.contains("diverged at step") && !page.contains("Paper, %"));
    assert!(page.contains("usual classifies better than lr 1e38: the latter diverges"));
    assert!(run(&gpu, &folder, &plan, None)?.1.is_empty());
    Ok(())
}
