//! Downloads one file, continues what is there, and decides by its SHA-256.
//!
//! The part is an ordinary file that grows; what it holds after a cut, a kill or Ctrl-C is the beginning of the whole, so the next try
//! asks for the rest (`Range`, RFC 9110 section 14). Nothing else is remembered between runs: the sum over the whole file decides
//! whether the parts fit together.
//!
//! Looked at instead: trauma 3 continues files too, but checks no sum, has no time limit, and brings 200 crates with an async runtime;
//! hf-hub 1 (284 crates) knows one host.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::http::HeaderMap;
use ureq::{Agent, Error as HttpError};

use super::{FetchError, FetchEvent, FetchOptions, RemoteFile};

/// Tries that bring less than this count as failures, in bytes.
const GETTING_ON: u64 = 1 << 16;

/// Longest wait between tries.
const WAIT_MOST: Duration = Duration::from_secs(30);

/// How one try ended.
enum Failure {
    /// Another try may help.
    Broken(String),
    /// No other try at this address does.
    Final(FetchError),
}

/// The HTTP client, with the environment's proxies by default.
pub(super) fn agent(options: &FetchOptions) -> Agent {
    let config = Agent::config_builder()
        .user_agent(concat!("simsiam/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .timeout_connect(Some(options.timeout))
        .timeout_recv_response(Some(options.timeout))
        // Between two reads: a large file may take as long as it needs, silence may not.
        .timeout_per_read(Some(options.timeout));
    let config = match options.proxy {
        true => config,
        false => config.proxy(None),
    };
    config.build().into()
}

/// Brings `file` from the first of `urls` that has it to `path`, continuing what is at `path`.
pub(super) fn download(
    agent: &Agent,
    file: &RemoteFile,
    urls: &[String],
    path: &Path,
    options: &FetchOptions,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<(), FetchError> {
    let mut result = Err(FetchError::Server { url: file.name.clone(), problem: "no address is known".to_owned() });
    for (index, url) in urls.iter().enumerate() {
        result = from_one(agent, file, url, path, options, listen).and_then(|()| {
            listen(FetchEvent::Checking { file });
            check(path, file, url, "the part is discarded, run this again").inspect_err(|e| {
                if matches!(e, FetchError::Checksum { .. }) {
                    // Where it cannot be removed, the next run finds it wrong again.
                    let _ = std::fs::remove_file(path);
                }
            })
        });
        match &result {
            Err(error) if !error.is_local() && index + 1 < urls.len() => {
                listen(FetchEvent::NextServer { error });
            }
            _ => break,
        }
    }
    result
}

/// Holds the whole file at `path`, which came from `source`, against its sum.
pub(super) fn check(path: &Path, file: &RemoteFile, source: &str, fix: &'static str) -> Result<(), FetchError> {
    let failed = |e| FetchError::disk(path, "read", e);
    let mut stream = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let found: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if found == file.sha256 {
        return Ok(());
    }
    Err(FetchError::Checksum { source_name: source.to_owned(), found, expected: file.sha256.clone(), fix })
}

/// Tries one address until all bytes are there or it stops getting on.
fn from_one(
    agent: &Agent,
    file: &RemoteFile,
    url: &str,
    path: &Path,
    options: &FetchOptions,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<(), FetchError> {
    let mut part = Part::open(path)?;
    let mut tag = None;
    let mut tries = 0;
    loop {
        let before = part.have;
        let problem = match attempt(agent, file, url, &mut part, &mut tag, listen) {
            Ok(()) => return part.sync(),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Broken(problem)) => problem,
        };
        if part.have >= before.saturating_add(GETTING_ON) {
            tries = 0;
        }
        tries += 1;
        if tries > options.retries {
            return Err(FetchError::Connection {
                url: url.to_owned(),
                problem,
                tries,
                have: part.have,
                bytes: file.bytes,
            });
        }
        let wait = options.wait.saturating_mul(1 << (tries - 1).min(16));
        let wait = wait.min(WAIT_MOST);
        listen(FetchEvent::Retry { problem: &problem, wait });
        std::thread::sleep(wait);
    }
}

/// One request for what is missing.
fn attempt(
    agent: &Agent,
    file: &RemoteFile,
    url: &str,
    part: &mut Part,
    tag: &mut Option<String>,
    listen: &mut dyn FnMut(FetchEvent),
) -> Result<(), Failure> {
    let server = |problem: String| Failure::Final(FetchError::Server { url: url.to_owned(), problem });
    let length =
        |found: String| Failure::Final(FetchError::Length { url: url.to_owned(), found, expected: file.bytes });
    if part.have > file.bytes {
        part.discard()?;
    }
    if part.have == file.bytes {
        return Ok(());
    }
    let mut request = agent.get(url);
    if part.have > 0 {
        request = request.header("Range", format!("bytes={}-", part.have));
        if let Some(tag) = &tag {
            request = request.header("If-Range", tag);
        }
    }
    let mut response = request.call().map_err(|e| failure(e, &server))?;
    match response.status().as_u16() {
        200 => {
            let promised = response.body().content_length();
            if let Some(found) = promised.filter(|n| *n != file.bytes) {
                return Err(length(found.to_string()));
            }
            // The server does not know Range, or its file has changed since.
            part.discard()?;
        }
        206 => {
            let range = content_range(response.headers());
            match range {
                Some((start, _)) if start != part.have => {
                    return Err(server(format!("it sends bytes from {start} when asked for those from {}", part.have)));
                }
                Some((_, Some(total))) if total != file.bytes => {
                    return Err(length(total.to_string()));
                }
                Some(_) => {}
                None => return Err(server("it does not say which bytes it sends".to_owned())),
            }
        }
        // Its file is shorter than what is here, so what is here is not of this file.
        416 => {
            let have = part.have;
            part.discard()?;
            return Err(Failure::Broken(format!("the server has nothing after {have} bytes")));
        }
        status @ (408 | 425 | 429 | 500..=599) => {
            return Err(Failure::Broken(format!("the server answers {status}")));
        }
        status => {
            let url = url.to_owned();
            return Err(Failure::Final(FetchError::Status { url, status }));
        }
    }
    *tag = strong_tag(response.headers());
    listen(FetchEvent::Downloading { file, have: part.have });
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failure::Broken(format!("the connection broke ({e})"))),
        };
        if n as u64 > file.bytes - part.have {
            part.discard()?;
            return Err(length("more".to_owned()));
        }
        part.append(&buffer[..n])?;
        listen(FetchEvent::Bytes { have: part.have });
    }
    match part.have == file.bytes {
        true => Ok(()),
        false => Err(Failure::Broken("the connection ended early".to_owned())),
    }
}

/// Which of the client's errors another try may fix.
fn failure(error: HttpError, server: &impl Fn(String) -> Failure) -> Failure {
    match error {
        // A certificate that does not fit comes as this.
        HttpError::Io(e) if e.kind() == ErrorKind::InvalidData => server(format!("cannot be asked ({e})")),
        HttpError::Io(_)
        | HttpError::Timeout(_)
        | HttpError::HostNotFound
        | HttpError::ConnectionFailed
        | HttpError::Protocol(_) => Failure::Broken(format!("no answer ({error})")),
        // Addresses that are none, proxies that refuse.
        error => server(format!("cannot be asked ({error})")),
    }
}

/// Start and, where the server says it, total length of `Content-Range: bytes 10-19/20`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get("content-range")?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    match total.trim() {
        "*" => Some((start, None)),
        total => Some((start, Some(total.parse().ok()?))),
    }
}

/// The entity tag, unless it is a weak one, which `If-Range` does not take.
fn strong_tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get("etag")?.to_str().ok()?;
    (!tag.starts_with("W/")).then(|| tag.to_owned())
}

/// The growing file.
struct Part<'a> {
    path: &'a Path,
    file: File,
    /// Its length.
    have: u64,
}

impl<'a> Part<'a> {
    fn open(path: &'a Path) -> Result<Self, FetchError> {
        let failed = |e| FetchError::disk(path, "written", e);
        let mut file = File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let have = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path, file, have })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let result = self.file.write_all(bytes);
        self.have += bytes.len() as u64;
        result.map_err(|e| self.failed(e))
    }

    fn discard(&mut self) -> Result<(), Failure> {
        self.have = 0;
        let result = self.file.set_len(0).and_then(|()| self.file.rewind());
        result.map_err(|e| self.failed(e))
    }

    fn sync(&self) -> Result<(), FetchError> {
        let result = self.file.sync_all();
        result.map_err(|e| FetchError::disk(self.path, "written", e))
    }

    fn failed(&self, problem: io::Error) -> Failure {
        Failure::Final(FetchError::disk(self.path, "written", problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            let value = ureq::http::HeaderValue::from_static(text);
            headers.insert("content-range", value);
            content_range(&headers)
        };
        assert_eq!(read("bytes 10-19/20"), Some((10, Some(20))));
        assert_eq!(read("bytes 0-0/*"), Some((0, None)));
        for wrong in ["", "10-19/20", "bytes */20", "bytes 1-2", "bytes 1-2/x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(content_range(&HeaderMap::new()), None);
    }
}
