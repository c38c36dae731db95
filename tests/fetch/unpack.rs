//! Archives whose sums are right, so that only unpacking can find what is wrong with them.

use std::path::Path;

use simsiam::data::fetch::FetchError;
use tar::EntryType;

use super::archive::{Member, file, noise, pack, special};
use super::place::{Place, Result, TRAIN, entry, get, refused, toy};
use super::server::{Reply, Server};

#[test]
fn hostile_archives_leave_nothing() -> Result {
    let good = || file("toy/train.bin", &noise(TRAIN));
    let test = || file("toy/test.bin", &[7; 100]);
    let claims = |kind, size| Member { kind, name: "toy/big", link: "", size, bytes: vec![b'a'; 1024] };
    let many = |count, bytes: usize| {
        let zeros = vec![0; bytes];
        // Names of their own, so that it is not the second of one name that is refused.
        (0..count).map(|n| file(String::leak(format!("toy/{n}")), &zeros)).collect::<Vec<_>>()
    };
    let cases: Vec<(&str, Vec<Member>)> = vec![
        ("leads out", vec![file("../evil", b"x"), good(), test()]),
        ("leads out", vec![file("toy/../../../evil", b"x")]),
        ("leads out", vec![file("/tmp/simsiam-evil", b"x")]),
        ("leads out", vec![special(EntryType::Directory, "../evil/", "")]),
        ("a symbolic link", vec![special(EntryType::Symlink, "toy/link", "../../..")]),
        ("a symbolic link", vec![special(EntryType::Symlink, "toy", "../../.."), file("toy/evil", b"x")]),
        ("a hard link", vec![special(EntryType::Link, "toy/link", "../../../neighbour")]),
        ("a device or pipe", vec![special(EntryType::Fifo, "toy/pipe", "")]),
        ("a name that is too long", vec![claims(EntryType::GNULongName, 1 << 33)]),
        ("something special", vec![claims(EntryType::XHeader, 1 << 33)]),
        ("more than the set has", vec![claims(EntryType::Regular, 1 << 33)]),
        ("more than the set has", vec![file("toy/zeros", &vec![0; 50_000_000])]),
        ("more than the set has", many(3, 1 << 19)),
        ("more than 1000 entries", many(1001, 0)),
        ("comes twice", vec![good(), good()]),
        ("test.bin is missing", vec![good()]),
        ("train.bin has 1 bytes, expected 300000", vec![file("toy/train.bin", b"x"), test()]),
        ("toy is not a folder", vec![file("other/train.bin", b"x")]),
        ("toy is not a folder", vec![file("toy", b"x")]),
        ("ends inside", vec![test(), claims(EntryType::Regular, 100_000)]),
    ];
    for (expected, members) in cases {
        hostile(expected, &pack(&members)?)?;
    }
    let cut = toy()?;
    hostile("damaged", &cut[..cut.len() / 2])?;
    hostile("damaged", b"<html>not an archive</html>")?;
    assert!(!Path::new("/tmp/simsiam-evil").exists());
    Ok(())
}

fn hostile(expected: &str, body: &[u8]) -> Result {
    let place = Place::new()?;
    let sent = body.to_vec();
    let server = Server::start(move |_, request| Reply::good(&sent, request))?;
    let error = refused(get(&entry(body, &[&server.url]), &place))?;
    assert!(matches!(error, FetchError::Archive { .. }), "{error}");
    assert!(error.to_string().contains(expected), "{expected:?}: {error}");
    place.assert_nothing_but_parts()
}
