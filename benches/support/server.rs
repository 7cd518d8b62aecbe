//! A static OIG stand-in on loopback: pages made on the fly, every PUT answered with SUCCESS by id; it remembers nothing but counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::world::{PAGE, World};

/// What was asked since the last reset.
#[derive(Default)]
pub struct Counts {
    /// Pages of the list.
    pub pages: AtomicU64,
    /// PUTs.
    pub puts: AtomicU64,
    /// Items in them.
    pub items: AtomicU64,
    /// Anything else.
    pub others: AtomicU64,
}

struct Shared {
    world: World,
    visible: AtomicUsize,
    counts: Counts,
    first: Mutex<Option<Instant>>,
}

/// The running server.
pub struct Server {
    shared: Arc<Shared>,
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
}

impl Server {
    /// Binds to a free port of loopback.
    pub async fn start(world: World) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            world,
            visible: AtomicUsize::new(0),
            counts: Counts::default(),
            first: Mutex::new(None),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    // a client that goes away ends its connection, nothing else
                    let _ = serve(stream, &shared).await;
                });
            }
        });
        Ok(Self { shared, origin })
    }

    /// Shows so many tasks from now on, and forgets the counts.
    pub fn show(&self, tasks: usize) {
        let shared = &self.shared;
        shared.visible.store(tasks, Ordering::SeqCst);
        for count in [
            &shared.counts.pages,
            &shared.counts.puts,
            &shared.counts.items,
            &shared.counts.others,
        ] {
            count.store(0, Ordering::SeqCst);
        }
        *shared.first.lock().expect("no holder panics") = None;
    }

    /// Pages, PUTs, items, other requests since the last `show`.
    pub fn counts(&self) -> [u64; 4] {
        let of = &self.shared.counts;
        [&of.pages, &of.puts, &of.items, &of.others].map(|count| count.load(Ordering::SeqCst))
    }

    /// When the first request since the last `show` came in.
    pub fn first(&self) -> Option<Instant> {
        *self.shared.first.lock().expect("no holder panics")
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::with_capacity(64 << 10);
    loop {
        let head = loop {
            if let Some(at) = find(&buffer, b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        shared
            .first
            .lock()
            .expect("no holder panics")
            .get_or_insert_with(Instant::now);
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        let expects = text.to_ascii_lowercase().contains("expect: 100-continue");
        if expects {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while buffer.len() < head + 4 + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let body = answer(shared, &text, &buffer[head + 4..head + 4 + length]);
        buffer.drain(..head + 4 + length);
        let front = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(front.as_bytes()).await?;
        stream.write_all(&body).await?;
    }
}

fn answer(shared: &Shared, head: &str, body: &[u8]) -> Vec<u8> {
    let line = head.lines().next().unwrap_or("");
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let counts = &shared.counts;
    match (method, path.split('?').next().unwrap_or("")) {
        ("GET", list) if list.ends_with("/provtasks") => {
            counts.pages.fetch_add(1, Ordering::Relaxed);
            let number = |key: &str, or: usize| {
                path.split(['?', '&'])
                    .find_map(|pair| pair.strip_prefix(key))
                    .and_then(|value| value.parse().ok())
                    .unwrap_or(or)
            };
            let from = number("offset=", 1).saturating_sub(1);
            let limit = number("limit=", 10).min(PAGE);
            let visible = shared.visible.load(Ordering::Relaxed);
            shared.world.page(from, limit, visible)
        }
        ("PUT", _) => {
            counts.puts.fetch_add(1, Ordering::Relaxed);
            let (items, answer) = accept(path, body);
            counts.items.fetch_add(items, Ordering::Relaxed);
            answer
        }
        _ => {
            counts.others.fetch_add(1, Ordering::Relaxed);
            b"{\"links\":[],\"count\":0,\"hasMore\":false,\"totalResult\":-1,\"users\":[],\"roles\":[]}".to_vec()
        }
    }
}

/// Every id of the body with SUCCESS; the ids are found by scanning for `"id"`, not by decoding.
fn accept(path: &str, body: &[u8]) -> (u64, Vec<u8>) {
    let last = path.rsplit('/').next().unwrap_or("");
    if last != "provtasks" {
        return (
            1,
            format!("{{\"links\":[],\"id\":\"{last}\",\"status\":\"SUCCESS\"}}").into_bytes(),
        );
    }
    let mut out = Vec::with_capacity(body.len() * 2 + 64);
    out.extend_from_slice(b"{\"links\":[],\"tasks\":[");
    let mut items = 0;
    let mut rest = body;
    while let Some(at) = find(rest, b"\"id\"") {
        rest = &rest[at + 4..];
        let Some(open) = rest.iter().position(|byte| *byte == b'"') else {
            break;
        };
        let Some(len) = rest[open + 1..].iter().position(|byte| *byte == b'"') else {
            break;
        };
        if items > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(&rest[open + 1..open + 1 + len]);
        out.extend_from_slice(b"\",\"status\":\"SUCCESS\",\"action\":\"retry\"}");
        rest = &rest[open + 1 + len..];
        items += 1;
    }
    out.extend_from_slice(b"]}");
    (items, out)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = what[0];
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if bytes[at..].starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
