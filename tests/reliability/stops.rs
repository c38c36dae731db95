use super::*;

/// What a run was that ends before its first checkpoint.
fn take_back(run: &Path) -> Result {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    fs::write(run.join("metrics.jsonl"), text.split_inclusive('\n').next().unwrap_or_default())?;
    for entry in fs::read_dir(run.join("checkpoints"))? {
        fs::remove_file(entry?.path())?;
    }
    fs::write(run.join("checkpoints/.simsiam-killed.partial"), "half")?;
    Ok(())
}

#[test]
fn a_run_that_ended_before_its_first_checkpoint_begins_again() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    let (lines, bytes) = (timeless(&run)?, last(&run)?);
    for again in [format!("{TINY} --out run"), "train --resume run --no-tune".to_owned()] {
        take_back(&run)?;
        good(here, &again)?;
        assert!(last(&run)? == bytes && timeless(&run)? == lines, "{again}");
        assert_eq!(fs::read_dir(run.join("checkpoints"))?.count(), 1, "{again}");
    }
    // What is anyone else's stays.
    take_back(&run)?;
    fs::write(run.join("notes.txt"), "mine")?;
    assert!(bad(here, &format!("{TINY} --out run"), 2)?.contains("already holds a run"));
    assert_eq!(fs::read_to_string(run.join("notes.txt"))?, "mine");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_signal_before_training_leaves_no_dead_end() -> Result {
    let folder = tempfile::tempdir()?;
    let slow = TINY.replace("--no-tune", "").replace("--epochs 2", "--epochs 2000");
    let mut child =
        command(folder.path(), &format!("{slow} --out run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    // Kernels are measured from here on.
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().ok_or("a pipe")?), &mut line)?;
    assert!(line.starts_with("device"), "{line}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?.success());
    let (code, _, errors) = text(child.wait_with_output()?);
    assert!(code == Some(1) && errors.contains("stopped before training began"), "{code:?} {errors}");
    assert!(RunFolder::vacant(&folder.path().join("run")).is_ok());
    Ok(())
}

#[test]
fn one_process_trains_a_run_at_a_time() -> Result {
    let folder = tempfile::tempdir()?;
    good(folder.path(), &format!("{TINY} --out run"))?;
    let held = RunFolder::open(&folder.path().join("run"), None)?;
    let error = bad(folder.path(), "train --resume run", 1)?;
    let holder = format!("process {}", std::process::id());
    assert!(error.contains("is being trained by") && (cfg!(windows) || error.contains(&holder)), "{error}");
    // The file stays; the lock does not.
    drop(held);
    good(folder.path(), "train --resume run")?;
    Ok(())
}
