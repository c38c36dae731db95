use super::*;

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, run) = (folder.path(), folder.path().join("run"));
    good(here, &format!("{TINY} --out run"))?;
    for name in ["config.toml", "metrics.jsonl", "kernels.json", "checkpoints/last.safetensors"] {
        let kept = fs::read(run.join(name))?;
        fs::remove_file(run.join(name))?;
        assert!(Command::new("mkfifo").arg(run.join(name)).status()?.success());
        let (code, out, errors) = simsiam(here, "train --resume run")?;
        let text = out + &errors;
        assert!(text.contains("it is a pipe, socket or device, not a regular file"), "{name}: {text}");
        // Kernels that cannot be read are no reason not to train.
        assert_eq!(code, Some(i32::from(name != "kernels.json")), "{name}: {text}");
        fs::remove_file(run.join(name))?;
        fs::write(run.join(name), kept)?;
    }
    assert!(bad(here, "train --config /dev/zero", 2)?.contains("not a regular file"));
    assert!(bad(here, "eval knn --run run --checkpoint /dev/zero", 1)?.contains("not a regular file"));
    Ok(())
}

#[cfg(unix)]
#[test]
fn output_is_clean_and_not_lost() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let hostile = "a\u{1b}]0;title\u{7}\u{1b}[2J\nerror: forged";
    let outputs = [
        command(here, "").args(TINY.split(' ')).args(["--out", hostile]).output()?,
        command(here, "eval knn --run").arg(hostile).output()?,
        command(here, "train --config").arg(hostile).output()?,
        command(here, "train --set").arg(format!("optim.{hostile}=1")).output()?,
        command(here, "train --data").arg(hostile).output()?,
    ];
    for output in outputs {
        let (_, out, errors) = text(output);
        let all = out + &errors;
        assert!(!all.contains(['\u{1b}', '\u{7}']) && !all.contains("\nerror: forged"), "{all:?}");
    }
    // Results that cannot be written are an error, in whatever form; a reader that has seen enough is none.
    for arguments in ["devices --json", "devices", "data demo"] {
        let full = command(here, arguments).stdout(fs::OpenOptions::new().write(true).open("/dev/full")?).output()?;
        let (code, _, errors) = text(full);
        assert!(code == Some(1) && errors.contains("the output cannot be written"), "{arguments}: {code:?} {errors}");
    }
    let mut child = command(here, "devices").stdout(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    assert!(child.wait()?.success());
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn advice_fits_the_fault() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    fs::write(here.join("file"), "")?;
    let error = bad(here, &format!("{TINY} --out file"), 1)?;
    assert!(error.contains("choose another folder") && !error.contains("free some space"), "{error}");
    // Too little memory for it: one line, whoever notices first.
    let (code, out, errors) = limited(here, "ulimit -v 900000", &format!("{TINY} --out run"))?;
    assert!(code.is_some(), "a signal ended it: {out}{errors}");
    assert!(!errors.contains("backtrace"), "{errors}");
    Ok(())
}
