//! How the program behaves towards people, shells and logs: what a narrow terminal shows, what `--quiet` leaves, completions, manual pages.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Output};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const TRAINING: &str = "train --limit-train 128 --limit-test 40 --epochs 2 --no-tune --set data.image_size=12 --set model.blocks=[1,1] \
    --set model.width=4 --set model.dim=16 --set model.projector_hidden=16 --set model.predictor_dim=8 --set run.knn_k=20";

/// `program` in `folder`, with a kernel cache of its own.
fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    command
}

fn simsiam(folder: &Path, arguments: &str) -> Result<Output> {
    Ok(command(folder, env!("CARGO_BIN_EXE_simsiam")).args(arguments.split_whitespace()).output()?)
}

/// What a terminal receives, by util-linux's `script`.
#[cfg(target_os = "linux")]
fn in_terminal(folder: &Path, columns: u32, arguments: &str, no_color: bool) -> Result<String> {
    let line = format!("stty cols {columns} rows 24; '{}' {arguments}", env!("CARGO_BIN_EXE_simsiam"));
    let mut script = command(folder, "script");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let output = script.env("TERM", "xterm-256color").args(["-qec", &line, "/dev/null"]).output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// What is seen of `text`, without the sequences that move the cursor, erase or colour, in pieces that lie side by side.
#[cfg(target_os = "linux")]
fn rows(text: &str) -> Vec<String> {
    let mut seen = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                let _bracket = characters.next();
                characters.by_ref().find(char::is_ascii_alphabetic);
            }
            '\r' => seen.push('\n'),
            other => seen.push(other),
        }
    }
    seen.lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn lines_and_bars_fit_a_narrow_terminal_and_colours_can_be_off() -> Result {
    let folder = tempfile::tempdir()?;
    let text = in_terminal(folder.path(), 40, &format!("{TRAINING} --out a"), false)?;
    // A command stays in one line, so that it can be copied.
    let long = |row: &String| row.trim_end().chars().count() > 40 && !row.contains("simsiam ");
    let long: Vec<String> = rows(&text).into_iter().filter(long).collect();
    assert!(long.is_empty(), "{long:#?}");
    let step = |row: &String| row.starts_with("3/4  ") && row.contains(" left  loss ");
    assert!(rows(&text).iter().any(step), "no bar: {text:?}");
    // A wide one has room for a bar, which has a colour.
    for (run, no_color) in [("b", false), ("c", true)] {
        let text = in_terminal(folder.path(), 100, &format!("{TRAINING} --out {run}"), no_color)?;
        assert_eq!(text.contains("\u{1b}[36m"), !no_color, "{text:?}");
    }
    Ok(())
}

#[test]
fn quiet_leaves_results_and_the_log_has_everything() -> Result {
    let folder = tempfile::tempdir()?;
    let output = simsiam(folder.path(), &format!("{TRAINING} --out a --quiet --log all.log"))?;
    let printed = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(matches!(lines[..], [done] if done.starts_with("done in ")), "{printed}");
    let log = std::fs::read_to_string(folder.path().join("all.log"))?;
    for (n, line) in log.lines().enumerate() {
        let (time, _) = line.split_once(' ').ok_or("no time")?;
        assert!(time.len() == 20 && time.ends_with('Z'), "line {n}: {line}");
    }
    for part in [" device   ", " training 2 epochs", " epoch 2/2 ", " done in ", " next     "] {
        assert!(log.contains(part), "{part:?} in {log}");
    }

    // An error is never left out, and the log is continued.
    let output = simsiam(folder.path(), "train --data nowhere -q --log all.log")?;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr)?;
    assert!(error.starts_with("error: "), "{error}");
    let after = std::fs::read_to_string(folder.path().join("all.log"))?;
    assert!(after.starts_with(&log) && after.contains(error.trim_end()), "{after}");

    let output = simsiam(folder.path(), "data demo --log nowhere/all.log")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)?.starts_with("error: --log nowhere/all.log: "));
    Ok(())
}

#[test]
fn shells_and_man_know_every_command() -> Result {
    let folder = tempfile::tempdir()?;
    let help = String::from_utf8(simsiam(folder.path(), "--help")?.stdout)?;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"train") && commands.len() > 12, "{help}");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = String::from_utf8(simsiam(folder.path(), &format!("completions {shell}"))?.stdout)?;
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("limit-train"), "{shell}");
    }
    simsiam(folder.path(), "man --out pages")?;
    for command in commands.iter().filter(|name| **name != "help") {
        let page = folder.path().join(format!("pages/simsiam-{command}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    let page = std::fs::read_to_string(folder.path().join("pages/simsiam-train.1"))?;
    assert!(page.contains("optim.batch_size") && page.starts_with(".ie"), "{page}");
    Ok(())
}

#[test]
fn names_are_suggested_by_spelling_and_by_meaning() -> Result {
    let folder = tempfile::tempdir()?;
    for (arguments, expected) in [
        ("train --set optim.learning_rate=1", "--set: unknown key optim.learning_rate; did you mean optim.lr?"),
        ("train --set bs=1", "--set: unknown key bs; did you mean optim.batch_size?"),
        (
            "train --preset cifar-10",
            "unknown preset \"cifar-10\"; did you mean cifar10? Otherwise choose one of demo, ",
        ),
        (
            "experiment stopgradient --out x",
            "unknown experiment \"stopgradient\"; did you mean stop-gradient? Otherwise ",
        ),
    ] {
        let output = simsiam(folder.path(), arguments)?;
        let error = String::from_utf8(output.stderr)?;
        assert!(error.starts_with(&format!("error: {expected}")), "{arguments}: {error}");
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
    Ok(())
}
