//! Drills of a mount whose server is gone, whole processes: what waits for it holds up nothing else, and the end of the process does not wait for it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::drill::{Drill, Setup};
use crate::drill_ops::STEADY;

const TEXT: &[u8] = b"login,from,to,stand_in\nLOTTO,2020-01-01,2020-02-01,AHOLM\n";

/// A file system with one file, `leave.csv`, whose server answers until it is told not to (FUSE).
struct Remote {
    dir: tempfile::TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    silent: bool,
    /// Requests that got no answer.
    owed: Vec<u64>,
}

impl Remote {
    /// Only root can mount one, and only where the kernel has FUSE.
    fn mounted() -> Result<Self, String> {
        let said = |error: std::io::Error| error.to_string();
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(said)?;
        let dir = tempfile::tempdir().map_err(said)?;
        let mount = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o"])
            .arg("fd=0,rootmode=40000,user_id=0,group_id=0")
            .arg("drill")
            .arg(dir.path())
            .stdin(Stdio::from(device.try_clone().map_err(said)?))
            .output()
            .map_err(said)?;
        if !mount.status.success() {
            return Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned());
        }
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        std::thread::spawn(move || serve(&device, &served));
        Ok(Self { dir, state })
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("leave.csv")
    }

    fn be_silent(&self) {
        self.state.lock().expect("whole").silent = true;
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-f", "-l"])
            .arg(self.dir.path())
            .status();
    }
}

fn attributes(node: u64) -> Vec<u8> {
    let (mode, size) = match node {
        1 => (0o040_755_u32, 0),
        _ => (0o100_644, TEXT.len() as u64),
    };
    let mut out = Vec::new();
    // inode, size, blocks, three times
    for number in [node, size, 1, 1_800_000_000, 1_800_000_000, 1_800_000_000] {
        out.extend(number.to_ne_bytes());
    }
    // their fractions, mode, links, owner, group, device, block size, flags
    for number in [0_u32, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
        out.extend(number.to_ne_bytes());
    }
    out
}

/// Answers the kernel's requests; ends with the mount.
fn serve(device: &File, state: &Mutex<State>) {
    let (mut device, mut request) = (device, vec![0; 1 << 17]);
    let answer = |mut device: &File, unique: u64, error: i32, body: &[u8]| {
        let length = u32::try_from(16 + body.len()).expect("small");
        let mut out = length.to_ne_bytes().to_vec();
        out.extend(error.to_ne_bytes());
        out.extend(unique.to_ne_bytes());
        out.extend(body);
        // one that was given up needs no answer
        let _ = device.write_all(&out);
    };
    while let Ok(length) = device.read(&mut request) {
        let four = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().expect("four"));
        let eight = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().expect("eight"));
        let (sort, unique, node) = (four(4), eight(8), eight(16));
        let mut held = state.lock().expect("whole");
        let mut body = Vec::new();
        let mut error = 0;
        match sort {
            // LOOKUP, GETATTR, OPEN, READ of one whose server is gone
            1 | 3 | 14 | 15 if held.silent => {
                held.owed.push(unique);
                continue;
            }
            // FORGET, BATCH_FORGET
            2 | 42 => continue,
            // INTERRUPT: who waits is being killed, which a network file system lets go too
            36 => {
                let of = eight(40);
                if held.owed.contains(&of) {
                    held.owed.retain(|owed| *owed != of);
                    answer(device, of, -4, &[]);
                }
                continue;
            }
            // INIT
            26 => {
                for number in [7_u32, 31, 0, 0, 0, 1 << 16, 1] {
                    body.extend(number.to_ne_bytes());
                }
                body.resize(64, 0);
            }
            1 if &request[40..length] == b"leave.csv\0" => {
                // node, generation, and how long both may be believed: never
                for number in [2_u64, 0, 0, 0, 0] {
                    body.extend(number.to_ne_bytes());
                }
                body.extend(attributes(2));
            }
            1 => error = -2,
            3 => {
                body.extend([0; 16]);
                body.extend(attributes(node));
            }
            // OPEN: nothing of it is kept by the kernel
            14 => {
                body.extend(0_u64.to_ne_bytes());
                body.extend(1_u64.to_ne_bytes());
            }
            15 => {
                let from = usize::try_from(eight(48)).expect("small").min(TEXT.len());
                let many = usize::try_from(four(56)).expect("small");
                let to = from.saturating_add(many).min(TEXT.len());
                body.extend(&TEXT[from..to]);
            }
            // FLUSH, RELEASE
            18 | 25 => {}
            // whatever else: not implemented
            _ => error = -38,
        }
        drop(held);
        answer(device, unique, error, &body);
    }
}

fn feed(drill: &Drill) -> Value {
    drill.json(&["status", "--json"])["absence_feed"].clone()
}

/// Threads of the daemon that read for it.
fn readers(drill: &Drill) -> usize {
    let pid = drill.child.as_ref().expect("it runs").id();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("there");
    let names = tasks.map(|task| {
        let name = task.expect("an entry").path().join("comm");
        std::fs::read_to_string(name).unwrap_or_default()
    });
    names.filter(|name| name.trim() == "reader").count()
}

async fn ends(drill: &mut Drill) -> Option<i32> {
    let began = Instant::now();
    loop {
        let child = drill.child.as_mut().expect("it runs");
        if let Some(status) = child.try_wait().expect("its own child") {
            drill.child = None;
            drill.expect.lives.push(drill.journal().len());
            return status.code();
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it does not end: {}",
            drill.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn with_a_silent_feed(remote: &Remote) -> Drill {
    let file = remote.file();
    let table = format!("[absence]\nfeed = \"{}\"", file.display());
    let mut drill = Setup::of(STEADY).config(&table).enforcing().await;
    let good = feed(&drill);
    assert_eq!(good["rows"], 1, "{good:#}");
    remote.be_silent();
    drill.run_for("20m").await;
    drill
}

fn skipped(why: &str) {
    crate::drill_full::skipped("the mount whose server is gone, no FUSE here", why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mount_whose_server_is_gone_holds_up_nothing_but_its_reader() {
    let remote = match Remote::mounted() {
        Ok(remote) => remote,
        Err(why) => return skipped(&why),
    };
    let mut drill = with_a_silent_feed(&remote).await;
    let now = feed(&drill);
    assert_eq!(now["rows"], 1, "the last good reading stands: {now:#}");
    let problem = now["problem"].as_str().unwrap_or_default();
    assert!(
        problem.contains("does not answer") && problem.contains("umount"),
        "{now:#}"
    );
    let output = drill.cli(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not answer"), "{said}");
    drill.done(&["pause", "--why", "the drill"]);
    drill.done(&["resume"]);
    // cycles go on, and none of them leaves a reader of its own
    let before = drill.journal().len();
    drill.run_for("6h").await;
    assert!(drill.journal().len() > before);
    assert_eq!(readers(&drill), 1);
    drill.signal(Signal::TERM);
    assert_eq!(ends(&mut drill).await, Some(0), "{}", drill.log());
    // a start beside it waits no longer, and takes nobody for present
    drill.daemon();
    drill.run_for("30m").await;
    assert_eq!(feed(&drill)["rows"], Value::Null);
    drill.stop();
    drop(remote);
    drill.write("leave.csv", std::str::from_utf8(TEXT).expect("text"));
    let config = std::fs::read_to_string(drill.dir.path().join("provtaskd.toml")).expect("read");
    let local = config
        .lines()
        .map(|line| match line.starts_with("feed = ") {
            true => "feed = \"leave.csv\"",
            false => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    drill.write("provtaskd.toml", &local);
    drill.daemon();
    drill.run_for("24h").await;
    assert_eq!(feed(&drill)["problem"], Value::Null);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_of_a_mount_whose_server_is_gone_comes_to_its_end() {
    let remote = match Remote::mounted() {
        Ok(remote) => remote,
        Err(why) => return skipped(&why),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let config = format!(
        "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[absence]\nfeed = \"{}\"\n",
        remote.file().display()
    );
    std::fs::write(at("provtaskd.toml"), config).expect("written");
    std::fs::write(at("pw"), "correct-horse-1").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(at("pw"), mode).expect("mode");
    let check = |dir: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_provtaskd"))
            .arg("check")
            .current_dir(dir)
            .env_clear()
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(0), "{said}");
    remote.be_silent();
    let (_, said) = check(dir.path());
    assert!(said.contains("does not answer"), "{said}");
}
