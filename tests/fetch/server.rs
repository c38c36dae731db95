//! A web server on 127.0.0.1 that misbehaves as a test wants.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// Start of `Range: bytes=N-`.
    pub range: Option<u64>,
    pub if_range: Option<String>,
}

impl Request {
    /// First byte that is wanted.
    pub fn start(&self) -> usize {
        self.range.unwrap_or(0) as usize
    }
}

/// What it is told.
pub struct Reply {
    /// Status and headers.
    pub head: Vec<String>,
    /// What is sent after them.
    pub body: Vec<u8>,
    /// How long the connection stays open, silent, afterwards.
    pub silence: Duration,
}

impl Reply {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        let head = vec![format!("{status} X"), "Content-Length: 0".to_owned()];
        Self::new(head, &[])
    }

    /// The whole body.
    pub fn whole(body: &[u8]) -> Self {
        let head = vec!["200 OK".to_owned(), format!("Content-Length: {}", body.len())];
        Self::new(head, body)
    }

    /// What a good server sends: the rest where a rest is asked for.
    pub fn good(body: &[u8], request: &Request) -> Self {
        let start = request.start();
        match request.range {
            None => Self::whole(body),
            Some(_) if start >= body.len() => Self::status(416),
            Some(_) => {
                let (last, all) = (body.len() - 1, body.len());
                let head = vec![
                    "206 Partial Content".to_owned(),
                    format!("Content-Length: {}", all - start),
                    format!("Content-Range: bytes {start}-{last}/{all}"),
                ];
                Self::new(head, &body[start..])
            }
        }
    }

    pub fn new(head: Vec<String>, body: &[u8]) -> Self {
        Self { head, body: body.to_vec(), silence: Duration::ZERO }
    }

    /// Closes the connection after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Falls silent after what is sent.
    pub fn silent(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    pub fn header(mut self, header: &str) -> Self {
        self.head.push(header.to_owned());
        self
    }
}

/// A running server. Its threads end with the test's process.
pub struct Server {
    pub url: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` gets the number of the request, from 0, and the request.
    pub fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, shared) = (Arc::new(answer), Arc::clone(&log));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&shared));
                std::thread::spawn(move || {
                    // A client that goes away is what some tests are about.
                    let _ = serve(stream, &*answer, &log);
                });
            }
        });
        Ok(Self { url, log })
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        held(&self.log).clone()
    }

    /// Where each request so far began.
    pub fn ranges(&self) -> Vec<Option<u64>> {
        self.requests().iter().map(|r| r.range).collect()
    }
}

fn held(log: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request a connection.
fn serve(
    mut stream: TcpStream,
    answer: &dyn Fn(usize, &Request) -> Reply,
    log: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut request =
        Request { path: first.split(' ').nth(1).unwrap_or_default().to_owned(), range: None, if_range: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.trim().strip_prefix("bytes=");
                let start = range.and_then(|r| r.strip_suffix('-'));
                request.range = start.and_then(|n| n.parse().ok());
            }
            "if-range" => request.if_range = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let number = {
        let mut log = held(log);
        log.push(request.clone());
        log.len() - 1
    };
    let reply = answer(number, &request);
    write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n\r\n", reply.head.join("\r\n"))?;
    stream.write_all(&reply.body)?;
    stream.flush()?;
    std::thread::sleep(reply.silence);
    Ok(())
}
