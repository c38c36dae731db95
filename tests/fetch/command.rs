//! `simsiam data fetch`, the real binary, against a server that has other bytes than the originals.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use simsiam::data::fetch;

use super::place::Result;
use super::server::{Reply, Server};

fn simsiam(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simsiam"));
    command.args(["data", "fetch"]).args(arguments).current_dir(folder).env("NO_PROXY", "*");
    command
}

/// The one line of an error.
fn error_line(output: &Output) -> Result<String> {
    let text = String::from_utf8(output.stderr.clone())?;
    assert_eq!(text.lines().count(), 1, "{text}");
    Ok(text)
}

/// Bytes of Fashion-MNIST's first file.
fn first_length() -> Result<usize> {
    let entry = fetch::find("fashion-mnist")?;
    let file = entry.files.first().ok_or("no files")?;
    Ok(usize::try_from(file.bytes)?)
}

#[test]
fn a_killed_download_continues_and_wrong_bytes_never_become_a_set() -> Result {
    let folder = tempfile::tempdir()?;
    let length = first_length()?;
    let server = Server::start(move |number, request| {
        let reply = Reply::good(&vec![0; length], request);
        match number {
            0 => reply.cut(1_000_000).silent(Duration::from_secs(60)),
            _ => reply,
        }
    })?;
    let arguments = ["fashion-mnist", "--to", "sets", "--from", &server.url];
    let part = folder.path().join("sets/.fashion-mnist.part/train-images-idx3-ubyte.gz");
    let mut child = simsiam(folder.path(), &arguments).stdout(Stdio::null()).spawn()?;
    let start = Instant::now();
    while fs::metadata(&part).map_or(0, |data| data.len()) < 1_000_000 {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing came");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    assert_eq!(fs::metadata(&part)?.len(), 1_000_000);

    let output = simsiam(folder.path(), &arguments).output()?;
    assert_eq!(output.status.code(), Some(1));
    let text = error_line(&output)?;
    assert!(text.contains("wrong bytes: SHA-256"), "{text}");
    assert!(text.contains("3aede38d61863908"), "{text}");
    assert!(text.contains("the part is discarded"), "{text}");
    assert_eq!(server.ranges(), [None, Some(1_000_000)]);
    assert!(!part.exists());
    assert!(!folder.path().join("sets/fashion-mnist").exists());
    Ok(())
}

#[test]
fn bad_usage_exits_with_2() -> Result {
    let folder = tempfile::tempdir()?;
    let cases: [(&[&str], &str); 2] = [
        (&["mnist", "--to", "sets"], "choose cifar10, cifar100"),
        (&["cifar10", "--to", "sets", "--from", "nowhere"], "neither an address"),
    ];
    for (arguments, expected) in cases {
        let output = simsiam(folder.path(), arguments).output()?;
        assert_eq!(output.status.code(), Some(2));
        let text = error_line(&output)?;
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}
