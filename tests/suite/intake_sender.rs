//! The sender in shell that ships, run as it is against a listener: it appends to what its messages go to, and empties nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

const BEFORE: &str = "what others have logged before\n";

/// Answers one request.
fn answers_once(listener: TcpListener, status: &'static str, body: &'static str) -> String {
    let (stream, _) = listener.accept().expect("a sender");
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        let low = line.to_ascii_lowercase();
        if let Some(bytes) = low.strip_prefix("content-length:") {
            length = bytes.trim().parse().expect("a number");
        }
        head += &line;
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).expect("the body");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(answer.as_bytes()).expect("answered");
    format!("{head}{}", String::from_utf8_lossy(&sent))
}

#[test]
fn a_sender_whose_messages_are_appended_to_a_log_leaves_what_stands_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (secret, log) = (dir.path().join("secret"), dir.path().join("log"));
    fs::write(&secret, "a-secret-that-nobody-guesses-1234\n").expect("written");
    fs::write(&log, BEFORE).expect("written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/intake/send.sh");
    for (status, body, code) in [
        ("202 Accepted", "{\"taken\":2}", 0),
        ("401 Unauthorized", "{\"error\":\"signature\"}", 1),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let at = listener.local_addr().expect("an address");
        let peer = std::thread::spawn(move || answers_once(listener, status, body));
        let stderr = fs::File::options().append(true).open(&log).expect("open");
        let ended = Command::new("sh")
            .arg(script)
            .arg(&secret)
            .arg(format!("http://{at}/v1/tasks"))
            .args(["4711", "4712"])
            .stderr(stderr)
            .output()
            .expect("it runs");
        assert_eq!(ended.status.code(), Some(code), "{status}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "");
        let asked = peer.join().expect("a request");
        assert!(asked.starts_with("POST /v1/tasks "), "{asked}");
        assert!(asked.contains("webhook-signature: v1,"), "{asked}");
        assert!(
            asked.ends_with("{\"tasks\":[\"4711\",\"4712\"]}"),
            "{asked}"
        );
        let logged = fs::read_to_string(&log).expect("read");
        assert!(logged.starts_with(BEFORE), "{logged:?}");
        assert!(logged.ends_with(&format!("{body}\n")), "{logged:?}");
    }
}
