//! A folder as source, and what may be in the way where the set is to be.

use std::fs;

use simsiam::data::fetch::{FetchError, FetchOptions, FetchOutcome, Form, fetch};

use super::archive::noise;
use super::place::{Place, Result, entry, get, names, options, quietly, refused, remote, toy};

#[test]
fn files_come_from_a_folder_too_and_stay_there() -> Result {
    let place = Place::new()?;
    let source = place.root.path().join("source");
    fs::create_dir(&source)?;
    let (one, two) = (noise(1000), noise(2000));
    let mut entry = entry(&[], &[]);
    entry.form = Form::Files;
    entry.files = vec![remote("one.gz", &one, &[]), remote("two.gz", &two, &[])];
    entry.contents = vec![("one.gz".to_owned(), 1000), ("two.gz".to_owned(), 2000)];
    let options = FetchOptions { from: Some(source.display().to_string()), ..options() };
    let get = || fetch(&entry, &place.to(), &options, &mut quietly);
    fs::write(source.join("one.gz"), &one)?;
    assert!(matches!(refused(get())?, FetchError::NotThere { .. }));
    fs::write(source.join("two.gz"), noise(1999))?;
    assert!(matches!(refused(get())?, FetchError::Checksum { .. }));
    assert!(!place.to().join("toy").exists());
    fs::write(source.join("two.gz"), &two)?;
    assert_eq!(get()?, FetchOutcome::Fetched(place.to().join("toy")));
    assert_eq!(names(&place.to())?, ["toy"]);
    assert_eq!(fs::read(place.to().join("toy/two.gz"))?, two);
    assert_eq!(names(&source)?, ["one.gz", "two.gz"]);
    Ok(())
}

#[test]
fn what_is_in_the_way_is_left_alone() -> Result {
    let body = toy()?;
    let entry = entry(&body, &["http://127.0.0.1:1"]);
    let place = Place::new()?;
    fs::create_dir_all(place.to().join("toy"))?;
    fs::write(place.to().join("toy/train.bin"), "mine")?;
    let text = refused(get(&entry, &place))?.to_string();
    assert!(text.contains("train.bin has 4 bytes"), "{text}");
    assert_eq!(names(&place.to())?, ["toy"]);
    assert_eq!(fs::read(place.to().join("toy/train.bin"))?, b"mine");

    let place = Place::new()?;
    fs::write(place.to(), "a file")?;
    refused(get(&entry, &place))?;
    assert_eq!(fs::read(place.to())?, b"a file");
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_parts_is_not_followed() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    let elsewhere = place.root.path().join("elsewhere");
    fs::create_dir_all(place.to())?;
    fs::create_dir(&elsewhere)?;
    std::os::unix::fs::symlink(&elsewhere, place.to().join(".toy.part"))?;
    let error = refused(get(&entry(&body, &["http://127.0.0.1:1"]), &place))?;
    assert!(matches!(error, FetchError::Foreign { .. }), "{error}");
    assert!(names(&elsewhere)?.is_empty());
    Ok(())
}

#[test]
fn two_at_once_do_not_write_the_same_part() -> Result {
    let (place, body) = (Place::new()?, toy()?);
    fs::create_dir_all(place.to().join(".toy.part"))?;
    let lock = fs::File::create(place.to().join(".toy.part/lock"))?;
    lock.lock()?;
    let error = refused(get(&entry(&body, &["http://127.0.0.1:1"]), &place))?;
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    Ok(())
}
