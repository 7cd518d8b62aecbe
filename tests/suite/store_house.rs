//! A stopped store with everything in it, made once by a drill and copied for each test, and the real binary beside it; it judges nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::drill::Setup;

/// Work of two people on two targets: some of it heals, some is refused, some waits for a person.
pub const WORLD: &str = r#"
name = "store"
seed = 7
# before any wall clock: what it closes is old for the commands
start = "2026-01-05T07:00:00Z"
[[target]]
name = "AD"
[[target]]
name = "SAP"
connector = "erp"
[[population]]
target = "AD"
accounts = 8
prefix = "A"
task = [{ task = "Add User to Group", failure = "network" }]
[[population]]
target = "SAP"
accounts = 4
prefix = "S"
task = [{ task = "Add Role", failure = "lock" }]
"#;

/// What a command has said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// It worked; answers what it printed.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }

    /// It failed with this code, one line of error and one of what to do; answers both.
    #[track_caller]
    pub fn bad(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        let errors = self.err.lines().filter(|l| l.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{}", self.err);
        let hints = self.err.lines().filter(|l| l.starts_with("hint: "));
        assert_eq!(hints.count(), 1, "{}", self.err);
        self.err
    }
}

/// A directory with a configuration and a stopped store.
pub struct House(tempfile::TempDir);

impl House {
    /// A copy of the store that a drill has left.
    pub fn filled() -> Self {
        static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let made = std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    let mut drill = Setup::of(WORLD).enforcing().await;
                    drill.run_for("3h").await;
                    let kept = tempfile::tempdir().expect("a directory");
                    let dir = drill.dir.path().to_path_buf();
                    drill.safe_so_far().await;
                    drill.stop();
                    copy(&dir, kept.path());
                    drill.daemon();
                    drill.run_for("9h").await;
                    drill.judge().await;
                    kept
                })
            });
            made.join().expect("the drill ends well")
        });
        let house = Self::empty();
        copy(&made.path().join("store"), &house.store());
        // where it was opened stands behind the two marks; without it no copy is told, as of a store from before
        let sidecar = fs::File::options()
            .write(true)
            .open(house.store().join("sidecar"));
        sidecar.expect("there").set_len(512).expect("cut");
        // the server and login to which the store belongs; nobody lends a clock any more
        let config = fs::read_to_string(made.path().join("provtaskd.toml")).expect("read");
        let config = config.replace("simulator_clock = true\n", "");
        fs::write(house.path("provtaskd.toml"), config).expect("written");
        let password = house.path("password");
        fs::copy(made.path().join("password"), password).expect("copied");
        house
    }

    /// The same without a store.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = "[server]\norigin = \"http://127.0.0.1:9\"\nlogin = \"ME\"\npassword_file = \"pw\"\n[mode]\nglobal = \"enforce\"\n[store]\ndir = \"store\"\n[admin]\nlisten = \"off\"\n";
        fs::write(dir.path().join("provtaskd.toml"), config).expect("written");
        let password = dir.path().join("pw");
        fs::write(&password, "correct-horse-1\n").expect("written");
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("mode");
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of the binary.
    pub fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().expect("the binary runs").into()
    }

    /// What `store check` says, as JSON; it found nothing wrong.
    #[track_caller]
    pub fn checked(&self) -> Value {
        let text = self.run(&["store", "check", "--json"]).good();
        serde_json::from_str(&text).expect("JSON")
    }

    /// The records of the store, one JSON each.
    pub fn records(&self) -> Vec<String> {
        let out = self.run(&["store", "export", "-"]).good();
        records_of(&out)
    }
}

/// The lines of an export between its first and its last.
pub fn records_of(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("\"export\""), "{}", lines[0]);
    let last = lines.last().expect("a last line");
    assert!(last.starts_with("{\"end\":"), "{last}");
    lines[1..lines.len() - 1]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

/// Copies all files below a directory.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("mode");
    for entry in fs::read_dir(from).expect("read") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Every file below a directory with its bytes, for comparing.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("read");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            let bytes = fs::read(&path).expect("read");
            out.push((path, bytes));
        }
    }
    out.sort();
    out
}
