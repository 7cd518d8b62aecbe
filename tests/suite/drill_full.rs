//! Drills of a store that can't write any more, whole processes: sending stops at once, nothing that was acknowledged is lost, and with room again all of it goes on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::drill::{Drill, Setup};
use crate::drill_ops::failed;

/// Work that needs two retries, whose connectors run after the call.
const WORK: &str = r#"
name = "full"
seed = 51
[[target]]
name = "AD"
run = "later"
later = "45s"
[[population]]
target = "AD"
accounts = 24
task = [{ task = "Telephone Updated", failure = "lock", heals_after = 2 }]
"#;

/// A small file system in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Only root can mount one.
    fn mounted() -> Result<Self, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs"])
            .arg(dir.path())
            .output()
            .map_err(|error| format!("mount: {error}"))?;
        if mount.status.success() {
            Ok(Self(dir))
        } else {
            Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned())
        }
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("made");
        for size in [1 << 16, 1 << 12, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("removed");
    }
}

/// A file system in a file, which can fail as a broken disk makes it fail.
struct Image {
    mount: tempfile::TempDir,
    file: tempfile::NamedTempFile,
}

fn run_tool(tool: &str, args: &[&std::ffi::OsStr]) -> Result<(), String> {
    let done = Command::new(tool)
        .args(args)
        .output()
        .map_err(|error| format!("{tool}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(format!("{tool}: {said}"))
}

impl Image {
    /// Only root can mount one, and only where there are loop devices.
    fn mounted() -> Result<Self, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(32 << 20).expect("sized");
        run_tool("mkfs.ext4", &["-q".as_ref(), file.path().as_ref()])?;
        let image = Self {
            mount: tempfile::tempdir().expect("a directory"),
            file,
        };
        image.mount()?;
        let store = image.store();
        fs::create_dir(&store).map_err(|error| error.to_string())?;
        fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).expect("its own");
        Ok(image)
    }

    fn store(&self) -> std::path::PathBuf {
        self.mount.path().join("store")
    }

    fn mount(&self) -> Result<(), String> {
        let way: [&std::ffi::OsStr; 2] = ["-o".as_ref(), "loop".as_ref()];
        let ends = [self.file.path().as_ref(), self.mount.path().as_ref()];
        run_tool("mount", &[way, ends].concat())
    }

    /// As after an error of the disk: the kernel lets nobody write any more.
    fn fail(&self) {
        let way: [&std::ffi::OsStr; 2] = ["-o".as_ref(), "remount,abort".as_ref()];
        run_tool("mount", &[&way[..], &[self.mount.path().as_ref()]].concat()).expect("aborted");
    }

    /// What an admin does then.
    fn mend(&self) {
        run_tool("umount", &[self.mount.path().as_ref()]).expect("nobody uses it");
        // it answers 1 where it has mended something
        let _ = run_tool("e2fsck", &["-fy".as_ref(), self.file.path().as_ref()]);
        self.mount().expect("mounted again");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.mount.path())
            .status();
    }
}

/// Past the test's own capture, so that it is seen; `.ci/run` collects these lines.
pub fn skipped(what: &str, why: &str) {
    let line = format!("SKIPPED: {what}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

impl Drop for Disk {
    fn drop(&mut self) {
        // a lazy one also ends where somebody still looks
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// How often each id was sent, and by which requests.
fn sent(drill: &Drill) -> BTreeMap<String, Vec<String>> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in drill.journal().iter().filter(|row| row["class"] == "put") {
        for item in row["items"].as_array().expect("the items of a PUT") {
            let id = item["id"].to_string().trim_matches('"').to_owned();
            ids.entry(id)
                .or_default()
                .push(row["request_id"].to_string());
        }
    }
    ids
}

fn puts(drill: &Drill) -> usize {
    let journal = drill.journal();
    journal.iter().filter(|row| row["class"] == "put").count()
}

/// Lets the daemon go on until it ends by itself; its exit code.
async fn ends(drill: &mut Drill) -> Option<i32> {
    drill.post("/sim/clock/hold", json!({ "for": "6h" })).await;
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
            "it goes on although its store can't write"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first write that fails is the end: nothing is sent after it, and the last lines say why. What
/// the store could still write before it (a file may have room of its own) was sent rightly.
async fn stops(drill: &mut Drill, why: &str) {
    assert_eq!(ends(drill).await, Some(73), "{}", drill.log());
    let log = drill.log();
    assert!(!log.contains("iobuf"), "the engine's own words: {log}");
    let (_, end) = log
        .split_once("the ledger could not write")
        .unwrap_or_else(|| panic!("it is not said: {log}"));
    // one may have been on its way, with its claim on disk: its answer comes in yet
    let answers = end.matches("sent target_system").count();
    assert!(answers <= 1, "{end}");
    for part in ["error: the store can't be used: ", "hint: ", why] {
        assert!(end.contains(part), "{part}: {end}");
    }
}

/// With room again everything that was acknowledged is there, and all is done, once.
async fn goes_on(mut drill: Drill, sent_before: BTreeMap<String, Vec<String>>) {
    drill.daemon();
    drill.run_for("2m").await;
    for id in sent_before.keys() {
        let story = drill.json(&["outcomes", "show", id, "--json"]);
        let attempts = story["attempts"].as_array().map_or(0, Vec::len);
        assert!(attempts > 0, "{id} was sent, and nothing is known of it");
    }
    drill.run_for("40h").await;
    for (id, requests) in sent(&drill) {
        assert_eq!(requests.len(), 1, "{id} was sent by {requests:?}");
    }
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_sending_at_once_and_nothing_is_lost_or_sent_twice() {
    let disk = match Disk::mounted() {
        Ok(disk) => disk,
        Err(why) => return skipped("the full disk, no tmpfs can be mounted", &why),
    };
    let mut drill = Setup::of(WORK).start().await;
    symlink(disk.0.path(), drill.store()).expect("linked");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("6h", "something was sent", |drill| puts(drill) > 0)
        .await;
    disk.fill();
    stops(&mut drill, "no space left").await;
    let (code, said) = failed(&drill, &["status"]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("no space left"), "{said}");
    let (code, said) = failed(&drill, &["run"]);
    assert_eq!(code, Some(73), "a start without room: {said}");
    let sent_before = sent(&drill);
    disk.make_room();
    goes_on(drill, sent_before).await;
}

/// Who orders something must not take an order for given that the disk did not take, nor give it up that it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_on_a_full_disk_says_whether_it_is_on_record() {
    let disk = match Disk::mounted() {
        Ok(disk) => disk,
        Err(why) => return skipped("orders on a full disk, no tmpfs can be mounted", &why),
    };
    let mut drill = Setup::of(WORK).start().await;
    symlink(disk.0.path(), drill.store()).expect("linked");
    drill.daemon();
    drill.run_for("1m").await;
    drill.done(&["pause", "--why", "before it", "--unseen", "--task", "9999"]);
    disk.fill();
    // what has room in the journal's last file is taken yet; texts that don't shrink fill it
    let long = |n: u32| {
        let mut text = String::new();
        let mut state = n.wrapping_mul(2_654_435_761) | 1;
        while text.len() < 900 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            text.push_str(&format!("{state:x}"));
        }
        text
    };
    let mut taken = 0;
    let (code, said) = (1..4_000)
        .find_map(|n| {
            let task = n.to_string();
            let why = long(n);
            let args = ["pause", "--unseen", "--task", &task, "--why", &why];
            let output = drill.cli(&args);
            taken = n;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (!output.status.success()).then(|| (output.status.code(), said))
        })
        .expect("the disk is full");
    assert_eq!(code, Some(73), "{said}");
    assert!(
        said.contains("no space left")
            && said.contains("whether the order is on record is not known"),
        "{said}"
    );
    let child = drill.child.as_mut().expect("it was started");
    assert_eq!(child.wait().expect("its own child").code(), Some(73));
    drill.child = None;
    drill.expect.lives.push(drill.journal().len());
    let (code, said) = failed(&drill, &["pause", "--why", "without a daemon"]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("nothing of it is on record"), "{said}");
    let (code, said) = failed(&drill, &["store", "backup", "b.backup"]);
    assert_eq!(code, Some(73), "{said}");
    let errors = said.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{said}");
    assert!(!drill.dir.path().join("b.backup").exists());
    disk.make_room();
    let status = drill.json(&["status", "--json"]);
    let pauses = status["pauses"].as_array().expect("pauses");
    let mut by: Vec<&str> = pauses.iter().filter_map(|p| p["by"].as_str()).collect();
    by.sort_unstable();
    by.dedup();
    let ours = format!("uid {}", rustix::process::getuid().as_raw());
    assert_eq!(by, [ours], "who has ordered them is not lost");
    let confirmed = usize::try_from(taken).expect("small");
    assert!(
        (confirmed..=confirmed + 1).contains(&pauses.len()),
        "{} of {confirmed}, and the one that is not known",
        pauses.len()
    );
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill.run_for("40h").await;
    assert_eq!(drill.count("healed"), 24);
    drill.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_stops_sending_at_once_and_nothing_is_lost_or_sent_twice() {
    let disk = match Image::mounted() {
        Ok(disk) => disk,
        Err(why) => return skipped("the failing disk, no image can be mounted", &why),
    };
    let mut drill = Setup::of(WORK).start().await;
    symlink(disk.store(), drill.store()).expect("linked");
    drill.release();
    drill.daemon();
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("6h", "something was sent", |drill| puts(drill) > 0)
        .await;
    disk.fail();
    stops(&mut drill, "Read-only file system").await;
    let sent_before = sent(&drill);
    let (code, said) = failed(&drill, &["run"]);
    assert_eq!(
        code,
        Some(73),
        "a start on a disk that can't be written: {said}"
    );
    assert_eq!(sent(&drill), sent_before);
    disk.mend();
    goes_on(drill, sent_before).await;
}

/// The length of the largest file below a directory.
fn largest(dir: &Path) -> u64 {
    let mut most = 0;
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let size = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => largest(&path),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        };
        most = most.max(size);
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_size_of_files_is_as_good_as_a_full_disk() {
    let mut drill = Setup::of(WORK).start().await;
    drill.release();
    // the kernel's signal kills who writes too much and does not look after it
    let mut run = Command::new(env!("CARGO_BIN_EXE_provtaskd"));
    run.arg("run");
    drill.daemon_by(run);
    drill.run_for("1m").await;
    drill.approve_backlog();
    drill
        .run_until("6h", "something was sent", |drill| puts(drill) > 0)
        .await;
    let size = Some(largest(&drill.store()));
    let child = drill.child.as_ref().expect("it runs");
    let limit = Rlimit {
        current: size,
        maximum: size,
    };
    prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).expect("its own child");
    stops(&mut drill, "too large").await;
    let sent_before = sent(&drill);
    goes_on(drill, sent_before).await;
}
