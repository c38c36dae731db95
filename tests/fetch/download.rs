//! Servers.

use std::fs;
use std::time::{Duration, Instant};

use simsiam::data::fetch::{FetchError, FetchEvent, FetchOptions, FetchOutcome, fetch};

use super::archive::noise;
use super::place::{Place, Result, entry, get, options, quietly, refused, toy};
use super::server::{Reply, Server};

#[test]
fn a_good_server_is_asked_once_and_a_complete_set_is_left_alone() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |_, request| Reply::good(&sent, request))?;
    let entry = entry(&body, &[&server.url]);
    let folder = place.to().join("toy");
    assert_eq!(get(&entry, &place)?, FetchOutcome::Fetched(folder.clone()));
    place.assert_complete()?;
    assert_eq!(get(&entry, &place)?, FetchOutcome::AlreadyThere(folder));
    assert_eq!(server.ranges(), [None]);
    Ok(())
}

#[test]
fn cut_connections_are_continued_as_long_as_they_get_on() -> Result {
    // More cuts than retries: those that bring enough do not count.
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |_, request| Reply::good(&sent, request).cut(70_000))?;
    let entry = entry(&body, &[&server.url]);
    let mut retries = 0;
    let options = FetchOptions { retries: 1, ..options() };
    fetch(&entry, &place.to(), &options, &mut |event| {
        retries += usize::from(matches!(event, FetchEvent::Retry { .. }));
    })?;
    place.assert_complete()?;
    let all = [None, Some(70_000), Some(140_000), Some(210_000), Some(280_000)];
    assert_eq!(server.ranges(), all);
    assert_eq!(retries, 4);
    Ok(())
}

#[test]
fn what_a_dead_server_sent_is_kept_for_the_next_call() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |number, request| match number {
        0 => Reply::good(&sent, request).cut(1000),
        1..=3 => Reply::good(&sent, request).cut(0),
        _ => Reply::good(&sent, request),
    })?;
    let entry = entry(&body, &[&server.url]);
    let error = refused(get(&entry, &place))?;
    let FetchError::Connection { have, tries, .. } = &error else {
        return Err(error.into());
    };
    assert_eq!((*have, *tries), (1000, 4));
    place.assert_nothing_but_parts()?;
    assert_eq!(fs::read(place.part())?, body[..1000]);
    get(&entry, &place)?;
    place.assert_complete()?;
    assert_eq!(server.ranges().last(), Some(&Some(1000)));
    Ok(())
}

#[test]
fn a_killed_unpacking_is_swept_away() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |_, request| Reply::good(&sent, request))?;
    let half = place.to().join(".toy.part/unpacked/toy");
    fs::create_dir_all(&half)?;
    fs::write(half.join("train.bin"), "half")?;
    fs::write(place.part(), &body[..2000])?;
    get(&entry(&body, &[&server.url]), &place)?;
    place.assert_complete()?;
    assert_eq!(server.ranges(), [Some(2000)]);
    Ok(())
}

#[test]
fn a_complete_part_needs_no_server() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    fs::create_dir_all(place.to().join(".toy.part"))?;
    fs::write(place.part(), &body)?;
    get(&entry(&body, &["http://127.0.0.1:1"]), &place)?;
    place.assert_complete()
}

#[test]
fn a_server_without_ranges_starts_over() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |number, _| match number {
        0 => Reply::whole(&sent).cut(5000),
        _ => Reply::whole(&sent),
    })?;
    get(&entry(&body, &[&server.url]), &place)?;
    place.assert_complete()?;
    assert_eq!(server.ranges(), [None, Some(5000)]);
    Ok(())
}

#[test]
fn a_file_that_changes_between_two_tries_is_fetched_anew() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let (old, new) = (noise(body.len()), body.clone());
    let server = Server::start(move |number, _| match number {
        0 => Reply::whole(&old).header("ETag: \"old\"").cut(5000),
        // What RFC 9110 wants where the tag of If-Range is not the file's.
        _ => Reply::whole(&new).header("ETag: \"new\""),
    })?;
    get(&entry(&body, &[&server.url]), &place)?;
    place.assert_complete()?;
    let tags: Vec<_> = server.requests().into_iter().map(|r| r.if_range).collect();
    assert_eq!(tags, [None, Some("\"old\"".to_owned())]);
    Ok(())
}

#[test]
fn redirects_keep_the_range() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/moved" => Reply::good(&sent, request),
        _ => Reply::status(302).header("Location: /moved"),
    })?;
    fs::create_dir_all(place.to().join(".toy.part"))?;
    fs::write(place.part(), &body[..3000])?;
    get(&entry(&body, &[&server.url]), &place)?;
    place.assert_complete()?;
    assert_eq!(server.ranges(), [Some(3000), Some(3000)]);
    Ok(())
}

#[test]
fn wrong_bytes_are_discarded_whether_they_came_at_once_or_in_parts() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let (wrong, right) = (noise(body.len()), body.clone());
    let server = Server::start(move |number, request| match number {
        0 => Reply::good(&wrong, request),
        1 => Reply::good(&wrong, request).cut(1000),
        2..=4 => Reply::good(&wrong, request).cut(0),
        _ => Reply::good(&right, request),
    })?;
    let entry = entry(&body, &[&server.url]);
    for expected in ["wrong", "parts", "wrong"] {
        let error = refused(get(&entry, &place))?;
        place.assert_nothing_but_parts()?;
        match (&error, expected) {
            (FetchError::Checksum { .. }, "wrong") => {
                let text = error.to_string();
                assert!(text.contains("the part is discarded"), "{text}");
                assert!(text.contains(&entry.files[0].sha256), "{text}");
                assert!(!place.part().exists());
            }
            // Wrong ones too, but that shows only at the end.
            (FetchError::Connection { have: 1000, .. }, "parts") => {}
            _ => return Err(error.into()),
        }
    }
    get(&entry, &place)?;
    place.assert_complete()?;
    let nothing = [None, None, Some(1000), Some(1000), Some(1000), Some(1000), None];
    assert_eq!(server.ranges(), nothing);
    Ok(())
}

#[test]
fn refusals_are_final_and_overload_is_not() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let server = Server::start(move |number, request| match number {
        0 => Reply::status(404),
        1 => Reply::status(503),
        _ => Reply::good(&sent, request),
    })?;
    let entry = entry(&body, &[&server.url]);
    let error = refused(get(&entry, &place))?;
    assert!(matches!(error, FetchError::Status { status: 404, .. }));
    assert_eq!(server.requests().len(), 1);
    place.assert_nothing_but_parts()?;
    get(&entry, &place)?;
    assert_eq!(server.requests().len(), 3);
    place.assert_complete()
}

#[test]
fn the_next_server_helps_where_one_fails_or_lies() -> Result {
    for lie in [false, true] {
        let (place, body) = (Place::new()?, toy()?);
        let (wrong, sent) = (noise(body.len()), body.clone());
        let bad = Server::start(move |_, request| match lie {
            true => Reply::good(&wrong, request),
            false => Reply::status(403),
        })?;
        let good = Server::start(move |_, request| Reply::good(&sent, request))?;
        let mut told = 0;
        let entry = entry(&body, &[&bad.url, &good.url]);
        fetch(&entry, &place.to(), &options(), &mut |event| {
            told += usize::from(matches!(event, FetchEvent::NextServer { .. }));
        })?;
        place.assert_complete()?;
        assert_eq!((told, good.ranges()), (1, vec![None]));
    }
    Ok(())
}

#[test]
fn silence_ends_a_try_at_the_head_and_in_the_body() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let sent = body.clone();
    let long = Duration::from_secs(60);
    let server = Server::start(move |number, request| match number {
        0 => {
            std::thread::sleep(long);
            Reply::status(500)
        }
        1 => Reply::good(&sent, request).cut(4000).silent(long),
        _ => Reply::good(&sent, request),
    })?;
    let options = FetchOptions { timeout: Duration::from_millis(300), ..options() };
    let start = Instant::now();
    let entry = entry(&body, &[&server.url]);
    fetch(&entry, &place.to(), &options, &mut quietly)?;
    assert!(start.elapsed() < long / 2);
    place.assert_complete()?;
    assert_eq!(server.ranges(), [None, None, Some(4000)]);
    Ok(())
}

#[test]
fn answers_that_make_no_sense_are_refused() -> Result {
    let body = toy()?;
    let all = body.len();
    let head = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    // Bytes on disk before, the answer's head, its body, what the error says.
    let cases = [
        (0, head(&["200 OK", "Content-Length: 10"]), 10, "10 bytes where"),
        (0, head(&["200 OK"]), all + 1, "more bytes where"),
        (
            100,
            head(&["206 X", &format!("Content-Range: bytes 0-9/{all}")]),
            10,
            "sends bytes from 0 when asked for those from 100",
        ),
        (100, head(&["206 X", "Content-Range: bytes 100-109/110"]), 10, "110 bytes where"),
        (100, head(&["206 X"]), 10, "does not say which bytes"),
    ];
    for (before, head, length, expected) in cases {
        let place = Place::new()?;
        fs::create_dir_all(place.to().join(".toy.part"))?;
        fs::write(place.part(), &body[..before])?;
        let server = Server::start(move |_, _| Reply::new(head.clone(), &noise(length)))?;
        let text = refused(get(&entry(&body, &[&server.url]), &place))?.to_string();
        assert!(text.contains(expected), "{expected:?}: {text}");
        assert_eq!(server.requests().len(), 1);
        place.assert_nothing_but_parts()?;
    }
    Ok(())
}

#[test]
fn a_part_that_is_too_long_for_the_server_or_the_set_starts_over() -> Result {
    // 416 first: the server's file is shorter than the part. Then a part longer than the set, which is not even asked for.
    for (before, ranges) in [(100, vec![Some(100), None]), (1_000_000, vec![None])] {
        let (place, body) = (Place::new()?, toy()?);
        let sent = body.clone();
        let server = Server::start(move |_, request| match request.range {
            Some(_) => Reply::status(416),
            None => Reply::good(&sent, request),
        })?;
        fs::create_dir_all(place.to().join(".toy.part"))?;
        fs::write(place.part(), noise(before))?;
        get(&entry(&body, &[&server.url]), &place)?;
        place.assert_complete()?;
        assert_eq!(server.ranges(), ranges);
    }
    Ok(())
}
