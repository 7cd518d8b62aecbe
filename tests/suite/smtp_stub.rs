//! A mail server on loopback that does what a test wants of it, and keeps all that it hears; it knows nothing of the sender's code.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How it behaves; by default it takes everything, unencrypted.
#[derive(Clone, Default)]
pub struct Manner {
    /// The certificate, by STARTTLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// The same from the first byte.
    pub at_once: bool,
    /// A login that is wanted.
    pub login: Option<(&'static str, &'static str)>,
    /// What is said to a command that begins so, instead of taking it.
    pub refuse: Vec<(&'static str, String)>,
    /// A command that begins so is never answered; `GREETING` and `TEXT` are the two that are none.
    pub hang: Option<&'static str>,
    /// Answers that somebody on the way puts behind the one to STARTTLS.
    pub put_in: &'static str,
}

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Who has logged in.
    pub login: Option<String>,
    /// Without what stands for a dot at the beginning of a line.
    pub text: String,
}

/// All that was heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// Commands, and whether they came encrypted.
    pub lines: Vec<(bool, String)>,
    pub mails: Vec<Mail>,
}

/// The server.
pub struct Smtp {
    pub port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Smtp {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, log) = (manner.clone(), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &manner, &log).await });
            }
        });
        Self { port, heard }
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.heard.lock().expect("no holder panics").mails.clone()
    }

    /// Commands that came so.
    pub fn lines(&self, encrypted: bool) -> Vec<String> {
        let heard = self.heard.lock().expect("no holder panics");
        let lines = heard.lines.iter().filter(|(so, _)| *so == encrypted);
        lines.map(|(_, line)| line.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, manner: &Manner, log: &Mutex<Heard>) {
    let acceptor = manner.tls.clone().map(TlsAcceptor::from);
    match acceptor {
        Some(acceptor) if manner.at_once => {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                talk(&mut stream, manner, log, (true, true)).await;
            }
        }
        Some(acceptor) => {
            if talk(&mut stream, manner, log, (false, true)).await
                && let Ok(mut stream) = acceptor.accept(stream).await
            {
                talk(&mut stream, manner, log, (true, false)).await;
            }
        }
        None => {
            talk(&mut stream, manner, log, (false, true)).await;
        }
    }
}

/// One line without its end; byte by byte, so that nothing of a handshake behind it is taken.
async fn line<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut out = Vec::new();
    loop {
        match stream.read_u8().await.ok()? {
            b'\n' => break,
            b'\r' => {}
            byte => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    let _ = stream.write_all(format!("{text}\r\n").as_bytes()).await;
    let _ = stream.flush().await;
}

/// True where the way is to be encrypted now.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    manner: &Manner,
    log: &Mutex<Heard>,
    (encrypted, greet): (bool, bool),
) -> bool {
    let hangs = |what: &str| manner.hang.is_some_and(|at| what.starts_with(at));
    if greet {
        if hangs("GREETING") {
            std::future::pending::<()>().await;
        }
        say(stream, "220 stub ESMTP").await;
    }
    let mut mail = Mail::default();
    while let Some(heard) = line(stream).await {
        log.lock()
            .expect("no holder panics")
            .lines
            .push((encrypted, heard.clone()));
        if hangs(&heard) {
            std::future::pending::<()>().await;
        }
        let refused = manner.refuse.iter().find(|(to, _)| heard.starts_with(to));
        if let Some((_, words)) = refused {
            say(stream, words).await;
            continue;
        }
        let verb = heard.split([' ', ':']).next().unwrap_or_default();
        match verb {
            "EHLO" => {
                let mut offers = vec!["stub"];
                if manner.tls.is_some() && !encrypted {
                    offers.push("STARTTLS");
                }
                if manner.login.is_some() {
                    offers.push("AUTH PLAIN LOGIN");
                }
                let last = offers.len() - 1;
                for (n, offer) in offers.iter().enumerate() {
                    let mark = if n == last { ' ' } else { '-' };
                    say(stream, &format!("250{mark}{offer}")).await;
                }
            }
            "STARTTLS" => {
                say(stream, &format!("220 go on{}", manner.put_in)).await;
                return true;
            }
            "AUTH" => {
                let given = heard.strip_prefix("AUTH PLAIN ").unwrap_or_default();
                let given = String::from_utf8(STANDARD.decode(given).unwrap_or_default());
                let given = given.unwrap_or_default();
                let wanted = manner
                    .login
                    .map(|(login, word)| format!("\0{login}\0{word}"));
                if wanted.as_ref() == Some(&given) {
                    mail.login = manner.login.map(|(login, _)| login.to_owned());
                    say(stream, "235 welcome").await;
                } else {
                    // some servers say again what they were told
                    let again = heard.strip_prefix("AUTH PLAIN ").unwrap_or_default();
                    say(stream, &format!("535 5.7.8 no\u{1b}[2J: {again}")).await;
                }
            }
            "MAIL" if manner.login.is_some() && mail.login.is_none() => {
                say(stream, "530 5.7.0 Authentication required").await;
            }
            "MAIL" => {
                mail.from = address(&heard);
                say(stream, "250 ok").await;
            }
            "RCPT" => {
                mail.to.push(address(&heard));
                say(stream, "250 ok").await;
            }
            "DATA" => {
                say(stream, "354 go on").await;
                while let Some(row) = line(stream).await {
                    if row == "." {
                        break;
                    }
                    mail.text.push_str(row.strip_prefix('.').unwrap_or(&row));
                    mail.text.push('\n');
                }
                if hangs("TEXT") {
                    std::future::pending::<()>().await;
                }
                let no = manner.refuse.iter().find(|(to, _)| *to == "TEXT");
                if let Some((_, words)) = no {
                    say(stream, words).await;
                    continue;
                }
                log.lock()
                    .expect("no holder panics")
                    .mails
                    .push(std::mem::take(&mut mail));
                say(stream, "250 taken").await;
            }
            "QUIT" => {
                say(stream, "221 bye").await;
                return false;
            }
            _ => say(stream, "500 what?").await,
        }
    }
    false
}

fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}

impl Mail {
    /// A header's value, unfolded.
    pub fn header(&self, name: &str) -> String {
        header(&self.text, name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// The parts by their type, decoded; line ends as in files.
    pub fn parts(&self) -> Vec<(String, String)> {
        let kind = self.header("Content-Type");
        let (_, rest) = kind.split_once("boundary=\"").expect("a boundary");
        let (boundary, _) = rest.split_once('"').expect("its end");
        let mark = format!("\n--{boundary}");
        let parts = self.text.split(&mark).skip(1);
        parts
            .filter(|part| !part.starts_with("--"))
            .map(|part| {
                let part = part.trim_start_matches('\n');
                let (_, body) = part.split_once("\n\n").expect("a body");
                let way = header(part, "Content-Transfer-Encoding").unwrap_or_default();
                let kind = header(part, "Content-Type").expect("a type");
                (kind, decoded(&way, body))
            })
            .collect()
    }
}

fn header(text: &str, name: &str) -> Option<String> {
    let (head, _) = text.split_once("\n\n")?;
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let mut lines = head.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}

fn decoded(way: &str, body: &str) -> String {
    let bytes = match way {
        "base64" => STANDARD.decode(body.replace('\n', "")).expect("base64"),
        "quoted-printable" => {
            let body = body.replace("=\n", "");
            let mut out = Vec::new();
            let mut bytes = body.bytes();
            while let Some(byte) = bytes.next() {
                if byte != b'=' {
                    out.push(byte);
                    continue;
                }
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).expect("ASCII");
                out.push(u8::from_str_radix(&digits, 16).expect("hex digits"));
            }
            out
        }
        "7bit" => body.as_bytes().to_vec(),
        other => panic!("{other} is not asked for"),
    };
    String::from_utf8(bytes)
        .expect("UTF-8")
        .replace("\r\n", "\n")
}
