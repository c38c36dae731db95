use super::*;

/// As other systems and programs leave text files.
fn with_crlf(path: &Path, change: impl Fn(String) -> String) -> Result {
    let text = change(fs::read_to_string(path)?);
    fs::write(path, text.replace('\n', "\r\n"))?;
    Ok(())
}

/// A run's folder means the same elsewhere: under another path, with the line ends of another system, begun on another device.
#[test]
fn a_copied_run_continues() -> Result {
    let folder = tempfile::tempdir()?;
    let (here, whole) = (folder.path(), folder.path().join("whole"));
    good(here, &format!("{TINY} --out whole --set run.checkpoint_every=1"))?;
    let copy = here.join("moved/a run, \u{e9}");
    fs::create_dir_all(copy.join("checkpoints"))?;
    for name in ["config.toml", "kernels.json", "metrics.jsonl", "views.png", "checkpoints/epoch-001.safetensors"] {
        fs::copy(whole.join(name), copy.join(name))?;
    }
    fs::rename(copy.join("checkpoints/epoch-001.safetensors"), copy.join("checkpoints/last.safetensors"))?;
    with_crlf(&copy.join("config.toml"), |text| text)?;
    with_crlf(&copy.join("metrics.jsonl"), |text| text)?;
    let adapter = serde_json::from_slice::<Value>(&fs::read(whole.join("kernels.json"))?)?["adapter"].clone();
    let adapter = adapter.as_str().ok_or("an adapter")?.to_owned();
    with_crlf(&copy.join("kernels.json"), |text| text.replace(&adapter, "Another GPU"))?;
    let (code, out, errors) = text(command(here, "train --resume").arg(&copy).output()?);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("continue after step 4 of 8"), "{out}");
    assert!(out.contains("the run began on Another GPU") && out.contains(&format!("goes on on {adapter}")), "{out}");
    // The kernels are the same here, so the bits are.
    assert!(last(&copy)? == last(&whole)? && timeless(&copy)? == timeless(&whole)?);
    Ok(())
}

/// A command as a user without write permission: the system user `nobody` where the tests run as root. `None` where that is not possible.
#[cfg(target_os = "linux")]
fn unprivileged(folder: &Path, arguments: &str) -> Result<Option<(Option<i32>, String, String)>> {
    let root = String::from_utf8(Command::new("id").arg("-u").output()?.stdout)?.trim() == "0";
    let plain = command(folder, arguments);
    if !root {
        return Ok(Some(simsiam(folder, arguments)?));
    }
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(plain.get_program()).args(plain.get_args());
    nobody.current_dir(folder).env("XDG_RUNTIME_DIR", folder).env("SIMSIAM_CACHE_DIR", folder.join("cache"));
    match nobody.output() {
        // The program or its folder may be closed to others.
        Ok(output) if output.status.code().is_some_and(|code| code < 126) => Ok(Some(text(output))),
        _ => Ok(None),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_may_not_be_touched_is_named() -> Result {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    good(here, &format!("{TINY} --out run"))?;
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let bytes = last(&here.join("run"))?;
    fs::copy(here.join("run/config.toml"), here.join("closed.toml"))?;
    mode(&here.join("closed.toml"), 0)?;
    for closed in [here.join("run/checkpoints"), here.join("run"), here.to_path_buf()] {
        mode(&closed, 0o555)?;
    }
    let mut errors = Vec::new();
    for (arguments, named) in [
        (format!("{TINY} --out new"), "new"),
        ("train --resume run".to_owned(), "run"),
        ("train --config closed.toml".to_owned(), "closed.toml"),
        // What only reads, works.
        ("eval features --run run --images 20 --views 2".to_owned(), ""),
        ("embed --run run --data demo --out features.npy".to_owned(), "features.npy"),
    ] {
        if let Some((code, out, said)) = unprivileged(here, &arguments)? {
            errors.push((arguments, named, code, out, said));
        }
    }
    for opened in [here.to_path_buf(), here.join("run"), here.join("run/checkpoints")] {
        mode(&opened, 0o755)?;
    }
    if errors.is_empty() {
        eprintln!("skipped: these tests run as root and cannot run anything as somebody else");
    }
    for (arguments, named, code, out, said) in errors {
        if named.is_empty() {
            assert!(code == Some(0), "{arguments}: {code:?} {out}{said}");
            continue;
        }
        assert!(code == Some(1) || code == Some(2), "{arguments}: {code:?} {out}{said}");
        assert!(said.contains(named) && said.contains("Permission denied"), "{arguments}: {said}");
        assert!(!said.contains("free some space"), "{arguments}: {said}");
    }
    assert!(last(&here.join("run"))? == bytes);
    Ok(())
}

/// A disk that fails, as `strace` injects it.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_is_not_called_full() -> Result {
    let folder = tempfile::tempdir()?;
    let here = folder.path();
    let plain = command(here, &format!("{TINY} --out run"));
    let mut traced = Command::new("strace");
    traced.args([
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:error=EIO:when=5+",
    ]);
    traced.arg(plain.get_program()).args(plain.get_args()).current_dir(here).env("XDG_RUNTIME_DIR", here);
    let Ok(output) = traced.env("SIMSIAM_CACHE_DIR", here.join("cache")).output() else {
        eprintln!("skipped: strace is not installed");
        return Ok(());
    };
    let (code, out, errors) = text(output);
    if errors.contains("ptrace") {
        eprintln!("skipped: strace may not trace here");
        return Ok(());
    }
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(code == Some(1) && lines.len() == 1, "{code:?} {out}{errors}");
    assert!(lines[0].contains("Input/output error") && !lines[0].contains("free some space"), "{errors}");
    good(here, if here.join("run/config.toml").exists() { "train --resume run" } else { "devices" })?;
    Ok(())
}
