//! Several commands at once and several wrong passwords in turn, through the real binary: what the server has refused is sent once, whoever asks (invariant 12).

use std::io::BufRead as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::client_stub::{answer, http, read_request};
use crate::survey_house::{House, PATIENCE, WORLD};

/// A server that refuses everybody; the first is answered once there is a permit.
async fn refusing(permit: Arc<Semaphore>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (kept, permit) = (Arc::clone(&kept), Arc::clone(&permit));
            tokio::spawn(async move {
                let Some(request) = read_request(&mut stream).await else {
                    return;
                };
                let count = {
                    let mut all = kept.lock().expect("a lock");
                    all.push(request.path);
                    all.len()
                };
                if count == 1 {
                    permit.acquire().await.expect("open").forget();
                } else {
                    // one that did not wait: there is nothing to wait for any more
                    permit.add_permits(1);
                }
                answer(&mut stream, &http("401 Unauthorized", "", "")).await;
            });
        }
    });
    (origin, seen)
}

fn house(origin: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[server]\norigin = \"{origin}\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n"
    );
    std::fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
    let password = dir.path().join("pw");
    std::fs::write(&password, "correct-horse-not").expect("written");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).expect("mode");
    dir
}

fn begin(dir: &std::path::Path, args: &[&str]) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_provtaskd"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

/// Its exit code and what it said on standard error; `waits` is called as soon as it says that it waits.
fn end(mut child: Child, waits: impl Fn()) -> (Option<i32>, String) {
    let stderr = child.stderr.take().expect("a pipe");
    let mut said = String::new();
    for line in std::io::BufReader::new(stderr).lines() {
        let line = line.expect("text");
        if line.contains("another command is trying login ME") {
            waits();
        }
        said += &line;
        said.push('\n');
    }
    (child.wait().expect("it ends").code(), said)
}

/// The first request is answered when all other commands have said that they wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_begun_at_once_try_a_wrong_password_once() {
    let permit = Arc::new(Semaphore::new(0));
    let (origin, seen) = refusing(Arc::clone(&permit)).await;
    let house = house(&origin);
    let commands: [&[&str]; 5] = [
        &["check", "--online"],
        &["survey"],
        &["probe"],
        &["run", "--once"],
        &["check", "--online"],
    ];
    let waiting = Arc::new(Mutex::new(0));
    let all = commands.map(|args| {
        let child = begin(house.path(), args);
        let (permit, waiting) = (Arc::clone(&permit), Arc::clone(&waiting));
        tokio::task::spawn_blocking(move || {
            end(child, || {
                let mut waiting = waiting.lock().expect("a lock");
                *waiting += 1;
                if *waiting == commands.len() - 1 {
                    permit.add_permits(1);
                }
            })
        })
    });
    for child in all {
        let ended = tokio::time::timeout(PATIENCE, child)
            .await
            .expect("in time");
        let (code, said) = ended.expect("joined");
        assert_eq!(code, Some(77), "{said}");
    }
    let seen = seen.lock().expect("a lock").clone();
    assert_eq!(seen.len(), 1, "tried again: {seen:?}");
    // all but the one that tried: each says what it waits for
    assert_eq!(*waiting.lock().expect("a lock"), 4);
}

/// Two passwords, both wrong, lie in the file in turn: each is sent once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_wrong_passwords_each_is_tried_once() {
    let house = House::of(WORLD).await;
    let refused = |house: &House| {
        let all = house.requests(0);
        all.iter().filter(|row| row["status"] == 401).count()
    };
    let mut counts = Vec::new();
    let commands: [&[&str]; 3] = [&["check", "--online"], &["probe"], &["run", "--once"]];
    for command in commands {
        for password in ["first-not", "second-not"] {
            house.password(password);
            let output = house.cli(command);
            assert_eq!(output.status.code(), Some(77), "{output:?}");
            counts.push(refused(&house));
        }
    }
    assert_eq!(counts, [1, 2, 2, 2, 2, 2]);
    // the right one ends it all, and so a password that is right by now is tried again
    house.password("sim-password-1");
    house.done(&["check", "--online"]);
    house.password("first-not");
    let output = house.cli(&["check", "--online"]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert_eq!(refused(&house), 3);
}
