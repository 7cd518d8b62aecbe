//! A tiny hand-made HTTP server for the client's tests: it answers what the test says, one request per connection, and logs what came.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use provtaskd::model::clock::Clock;
use provtaskd::model::id::Login;
use provtaskd::model::settings::{AuthKind, ServerSettings};
use provtaskd::oig::{Client, LoginState, OigError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn offset(&self) -> u64 {
        let (_, rest) = self.path.split_once("offset=").expect("an offset");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }
}

pub struct Stub {
    pub addr: SocketAddr,
    pub log: Arc<Mutex<Vec<Seen>>>,
}

/// Reads one request from a stream.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        let n = stream.read(&mut buffer).await.ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |l| l.parse().expect("a length"));
    while bytes.len() < end + length {
        let n = stream.read(&mut buffer).await.ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..n]);
    }
    let body = String::from_utf8(bytes[end..].to_vec()).ok()?;
    Some(Seen {
        method,
        path,
        headers,
        body,
    })
}

pub async fn answer(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    // The client may have hung up already, as it should over a bomb.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
}

impl Stub {
    /// Starts; `reply` gets the number of the request (from 0) and the request.
    pub async fn start(reply: impl Fn(usize, &Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (Arc::clone(&log), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    let Some(seen) = read_request(&mut stream).await else {
                        return;
                    };
                    let number = {
                        let mut log = log.lock().expect("a lock");
                        log.push(seen.clone());
                        log.len() - 1
                    };
                    answer(&mut stream, &reply(number, &seen)).await;
                });
            }
        });
        Self { addr, log }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.lock().expect("a lock").clone()
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }
}

/// A whole HTTP answer.
pub fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(body);
    out
}

pub fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    http("200 OK", "Content-Type: application/json\r\n", body)
}

/// A list page over `ids`, with `next` as given.
pub fn page(ids: impl IntoIterator<Item = u64>, more: bool, next: Option<&str>) -> Vec<u8> {
    let tasks: Vec<serde_json::Value> = ids
        .into_iter()
        .map(|id| {
            serde_json::json!({"links": [], "fields": [
            {"name": "Process Instance.Task Details.Key", "value": id},
            {"name": "Process Instance.Task Details.Status", "value": "R"}]})
        })
        .collect();
    let mut links = vec![serde_json::json!({"rel": "self", "href": "http://front/x"})];
    links.extend(next.map(|href| serde_json::json!({"rel": "next", "href": href})));
    let count = tasks.len();
    json(serde_json::json!({"links": links, "count": count, "hasMore": more, "totalResult": -1, "tasks": tasks}).to_string())
}

/// Settings and the directory that holds the password.
pub struct Setup {
    pub dir: tempfile::TempDir,
    pub settings: ServerSettings,
}

pub const PASSWORD: &str = "c0rrect-horse";

pub fn setup(origin: &str) -> Setup {
    let dir = tempfile::tempdir().expect("a directory");
    let password_file: PathBuf = dir.path().join("password");
    write_password(&password_file, PASSWORD);
    Setup {
        settings: ServerSettings {
            origin: origin.to_owned(),
            api_path: "/api/v1".to_owned(),
            token_path: "/token/v1/tokens".to_owned(),
            login: Login::new("bot"),
            login_as_written: "bot".to_owned(),
            password_file,
            auth: AuthKind::Basic,
            ca_file: None,
            client_cert: None,
            proxy: None,
            allow_plain_http: false,
            page_size: 3,
            pages_in_flight: 2,
            max_pages: 50,
            list_filter: None,
            reads_per_minute: 600,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(20),
            max_body: 256 * 1024,
            role_word: "role".to_owned(),
            simulator_clock: false,
            require_probe: false,
            shared_login: false,
            server_zone: TimeZone::UTC,
        },
        dir,
    }
}

pub fn write_password(path: &std::path::Path, password: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("{password}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("mode set");
}

impl Setup {
    pub fn client(&self) -> Client {
        self.try_client(LoginState::Ok).expect("a client")
    }

    pub fn try_client(&self, state: LoginState) -> Result<Client, OigError> {
        Client::new(&self.settings, Clock::wall(), state)
    }
}
