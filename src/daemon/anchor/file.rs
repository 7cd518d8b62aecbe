//! The file of anchors, written on a thread of its own: a disk that does not answer holds up that thread alone, and what is in the file is never changed.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use tokio::sync::Notify;

use super::keys::Keys;
use super::last::last_of;
use crate::given;
use crate::ledger::anchor::{Anchor, Line, read_line};
use crate::model::settings::AuditSettings;

/// Anchors that wait for a file that can't be written; the oldest of more go.
const KEPT: usize = 256;
/// Anchors on their way to the thread.
const WAITING: usize = 16;
/// How often a file that can't be written is tried (wall time).
const AGAIN: Duration = Duration::from_secs(5);
/// After which time without an answer the disk is said not to answer (wall time).
const SILENT: Duration = Duration::from_secs(30);

/// How large the file may become, and what happens then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    most: u64,
    /// A file that nobody has named is nobody's to move away: a full one lies beside it, with `.1` behind its name, and
    /// the one before it goes.
    aside: bool,
}

impl Room {
    /// Of a named file that is never full.
    #[cfg(test)]
    pub const LARGE: Self = Self {
        most: 1 << 20,
        aside: false,
    };

    /// What a runtime directory is given: it is memory, and the last anchor is all that counts there.
    pub const RUNTIME: Self = Self {
        most: 1 << 20,
        aside: true,
    };

    /// The room that the configuration gives.
    pub fn of(settings: &AuditSettings) -> Self {
        Self {
            most: settings.anchor_file_max,
            aside: !settings.anchor_file_named,
        }
    }
}

/// The way to the file.
pub(super) struct AnchorFile {
    path: PathBuf,
    to: Option<SyncSender<Anchor>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Default)]
struct State {
    /// The last record that is in the file.
    written: Option<u64>,
    /// Anchors that are not in the file yet.
    owed: usize,
    /// Since when.
    since: Option<Instant>,
    trouble: Option<Arc<str>>,
}

impl std::fmt::Debug for AnchorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnchorFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnchorFile {
    /// Makes the thread; the file is opened with the first anchor. `held`: its last anchor was held against
    /// the store already; else that is done first, with the keys by which its anchors count.
    pub fn new(path: PathBuf, room: Room, keys: Arc<Keys>, held: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let (to, anchors) = sync_channel(WAITING);
        let (at, seen) = (path.clone(), Arc::clone(&shared));
        let started = std::thread::Builder::new()
            .name("anchors".to_owned())
            .spawn(move || {
                let mut to = Written {
                    path: &at,
                    room,
                    keys: &keys,
                    held,
                };
                to.pass_on(&anchors, &seen);
            });
        let to = match started {
            Ok(_) => Some(to),
            Err(error) => {
                let why = format!("no thread for it: {error}");
                shared.lock().trouble = Some(Arc::from(why));
                None
            }
        };
        Self { path, to, shared }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands an anchor on, and never waits.
    pub fn append(&self, anchor: Anchor) {
        let Some(to) = &self.to else { return };
        let mut state = self.shared.lock();
        state.owed += 1;
        state.since.get_or_insert_with(Instant::now);
        if to.try_send(anchor).is_err() {
            state.owed -= 1;
            state.trouble = Some(Arc::from(
                "its disk does not answer, and anchors were left out",
            ));
        }
    }

    /// The last record whose anchor is in the file.
    pub fn written(&self) -> Option<u64> {
        self.shared.lock().written
    }

    /// Why the last anchor is not in the file, if that can be said.
    pub fn trouble(&self) -> Option<Arc<str>> {
        let state = self.shared.lock();
        let silent = state.since.is_some_and(|since| since.elapsed() > SILENT);
        match &state.trouble {
            None if silent => Some(Arc::from("its disk does not answer")),
            // whoever asks has waited for the first one
            None if state.written.is_none() && state.owed > 0 => {
                Some(Arc::from("its disk has not answered yet"))
            }
            trouble => trouble.clone(),
        }
    }

    /// True while an anchor waits to be in the file.
    pub fn is_busy(&self) -> bool {
        self.shared.lock().owed > 0
    }

    /// Comes back when all anchors are in the file, or why not is known.
    pub async fn settled(&self) {
        loop {
            let moved = self.shared.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let state = self.shared.lock();
                if state.owed == 0 || state.trouble.is_some() {
                    return;
                }
            }
            moved.await;
        }
    }
}

/// The file, on its thread.
struct Written<'a> {
    path: &'a Path,
    room: Room,
    keys: &'a Keys,
    held: bool,
}

impl Written<'_> {
    fn pass_on(&mut self, anchors: &Receiver<Anchor>, shared: &Shared) {
        let mut owed: VecDeque<Anchor> = VecDeque::new();
        // the first anchor of this run, until the file was held against it
        let mut first: Option<Anchor> = None;
        loop {
            let next = if owed.is_empty() {
                anchors.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                anchors.recv_timeout(AGAIN)
            };
            match next {
                Ok(anchor) => owed.push_back(anchor),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            owed.extend(anchors.try_iter());
            if !self.held && first.is_none() {
                first = owed.front().cloned();
            }
            let more = owed.len().saturating_sub(KEPT);
            owed.drain(..more);
            // the file may not have been there when the store was opened
            let fits = first
                .as_ref()
                .map_or(Ok(()), |first| fits(self.path, first, self.keys));
            let done = fits.and_then(|()| append(self.path, self.room, &owed));
            if done.is_ok() {
                (self.held, first) = (true, None);
            }
            let mut state = shared.lock();
            match done {
                Ok(()) => {
                    state.written = owed.back().map(|anchor| anchor.seq).or(state.written);
                    state.owed = state.owed.saturating_sub(owed.len() + more);
                    // more may have come meanwhile
                    state.since = (state.owed > 0).then(Instant::now);
                    state.trouble = None;
                    owed.clear();
                }
                Err(why) => {
                    state.owed = state.owed.saturating_sub(more);
                    state.since = None;
                    state.trouble = Some(Arc::from(why));
                }
            }
            drop(state);
            shared.moved.notify_waiters();
        }
    }
}

/// What this run has noted first must come behind what the file has of the same store: else an older copy
/// of the store was put back. The file is left as it is then, so that the next start finds it.
fn fits(path: &Path, first: &Anchor, keys: &Keys) -> Result<(), String> {
    let read = AtomicU64::new(0);
    let last = last_of(path, &first.store, keys, &read).map_err(|e| e.to_string())?;
    match last.told() {
        Some(last) if last.seq > first.seq => Err(format!(
            "it has an anchor of record {} already, and this store ended with record {} at start: an older copy of the store was put back; stop the daemon, and start it with this file in its place",
            last.seq, first.seq
        )),
        _ => Ok(()),
    }
}

/// Appends lines and syncs them; answers why not, in words.
pub(super) fn append(path: &Path, room: Room, anchors: &VecDeque<Anchor>) -> Result<(), String> {
    let mut text = String::new();
    for anchor in anchors {
        text += &anchor.line().map_err(|e| e.to_string())?;
        text.push('\n');
    }
    let io = |e: std::io::Error| e.to_string();
    let is_new = match std::fs::metadata(path) {
        Ok(meta) => given::is_file(&meta).map(|()| false).map_err(io)?,
        Err(_) => true,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(given::at_once())
        .open(path)
        .map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    given::is_file(&meta).map_err(io)?;
    let length = meta.len();
    is_for_anchors(&file).map_err(io)?;
    if length > 0 && !ends_a_line(&file, length).map_err(io)? {
        // a line that a crash has cut stays as it is
        text.insert(0, '\n');
    }
    let more = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if length.saturating_add(more) > room.most {
        return if room.aside {
            put_aside(path, text.trim_start())
                .map_err(|e| format!("{}; {e}", full(length, room.most)))
        } else {
            Err(full(length, room.most))
        };
    }
    file.write_all(text.as_bytes()).map_err(io)?;
    file.sync_data().map_err(io)?;
    if is_new && let Some(dir) = path.parent() {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
    }
    Ok(())
}

/// The full file lies beside a new one that holds `text`; at no moment is there none that can be read.
fn put_aside(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (full, new) = (beside(".1"), beside(".new"));
    let gone = |path: &Path| match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(&new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    gone(&full)?;
    std::fs::hard_link(path, &full)?;
    std::fs::rename(&new, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Why lines could not be appended, for `check`; nothing is written or made.
pub fn unwritable(path: &Path, most: u64) -> Option<std::io::Error> {
    let tried = match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => given::is_file(&meta),
        Ok(meta) if meta.len() >= most => Err(std::io::Error::other(full(meta.len(), most))),
        Ok(_) => OpenOptions::new()
            .read(true)
            .append(true)
            .custom_flags(given::at_once())
            .open(path)
            .and_then(|file| is_for_anchors(&file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new("."));
            access(above, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
                std::io::Error::new(
                    std::io::Error::from(error).kind(),
                    format!("it can't be made in {}: {error}", above.display()),
                )
            })
        }
        Err(error) => Err(error),
    };
    tried.err()
}

/// Makes the directory of a file of anchors, for its user alone, where it is not there; the file itself is made with the
/// first anchor.
///
/// # Errors
/// The file could not be written.
pub fn made(path: &Path) -> std::io::Result<()> {
    if let Some(above) = path.parent()
        && !above.exists()
    {
        std::fs::DirBuilder::new().mode(0o700).create(above)?;
    }
    // a full one is put aside
    unwritable(path, u64::MAX).map_or(Ok(()), Err)
}

/// So many bytes of a file say whether it holds anchors.
const BEGIN: usize = 64 << 10;

/// That a file is empty, or holds anchors, if only one that was cut: a slip in `audit.anchor_file` must not append to
/// the configuration.
fn is_for_anchors(file: &File) -> std::io::Result<()> {
    let mut begin = vec![0; BEGIN];
    let read = file.read_at(&mut begin, 0)?;
    let text = String::from_utf8_lossy(begin.get(..read).unwrap_or_default()).into_owned();
    let is_anchor = |line: &str| !matches!(read_line(line), Line::Other);
    if text.is_empty() || text.starts_with('{') || text.lines().any(is_anchor) {
        return Ok(());
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::AlreadyExists,
        "it is there already and holds no anchors: it is left as it is; name another file",
    ))
}

fn full(length: u64, most: u64) -> String {
    format!(
        "it holds {length} bytes, and audit.anchor_file_max is {most}: move it away, it is needed to verify"
    )
}

fn ends_a_line(file: &File, length: u64) -> std::io::Result<bool> {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::anchor::Head;
    use crate::model::Digest;

    fn anchor(seq: u64) -> Anchor {
        let head = Head {
            store: "s".to_owned(),
            seq,
            link: Digest::new(&"ab".repeat(32)),
        };
        Anchor::of(&head, "2026-11-28T08:00:00Z".parse().expect("a time"), None)
    }

    fn room(most: u64) -> Room {
        Room { most, aside: false }
    }

    fn seqs(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).expect("a file");
        let read = text.lines().filter_map(|line| match read_line(line) {
            Line::Anchor(anchor) => Some(anchor.seq),
            _ => None,
        });
        read.collect()
    }

    #[test]
    fn lines_are_appended_behind_a_torn_one_and_a_full_file_is_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("anchors");
        append(&path, room(4096), &[anchor(1)].into()).expect("written");
        let torn = std::fs::read_to_string(&path).expect("read") + "{\"anchor\":1,\"st";
        std::fs::write(&path, &torn).expect("torn");
        append(&path, room(4096), &[anchor(2), anchor(3)].into()).expect("written");
        assert_eq!(seqs(&path), [1, 2, 3]);
        let before = std::fs::read(&path).expect("read");
        let most = u64::try_from(before.len()).expect("small") + 10;
        let why = append(&path, room(most), &[anchor(4)].into()).expect_err("full");
        assert!(why.contains("anchor_file_max"), "{why}");
        assert_eq!(std::fs::read(&path).expect("read"), before);
        let why = append(dir.path(), room(4096), &[anchor(4)].into()).expect_err("a directory");
        assert!(!why.is_empty());
        // a slip in the configuration costs nothing
        let config = dir.path().join("provtaskd.toml");
        std::fs::write(&config, "[server]\n").expect("written");
        let why = append(&config, room(4096), &[anchor(4)].into()).expect_err("no anchors");
        assert!(why.contains("holds no anchors"), "{why}");
        assert!(unwritable(&config, 4096).is_some());
        assert_eq!(
            std::fs::read_to_string(&config).expect("read"),
            "[server]\n"
        );
        assert!(unwritable(&path, 1 << 20).is_none());
    }

    #[test]
    fn a_full_file_that_nobody_has_named_is_put_aside_and_the_next_one_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("anchors.jsonl");
        let room = Room {
            most: 700,
            aside: true,
        };
        for seq in 1..=20 {
            append(&path, room, &[anchor(seq)].into()).expect("written");
            assert_eq!(seqs(&path).last(), Some(&seq));
            let size = std::fs::metadata(&path).expect("there").len();
            assert!(size <= 700, "{size}");
        }
        let aside = seqs(&dir.path().join("anchors.jsonl.1"));
        let all = [aside, seqs(&path)].concat();
        let until: Vec<u64> = (all[0]..=20).collect();
        assert_eq!(all, until, "the full one and the new one meet");
        assert!(all[0] > 1 && all.len() >= 3, "{all:?}");
        let names = std::fs::read_dir(dir.path()).expect("read").count();
        assert_eq!(names, 2, "no third file is left");
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (gone, path) = (dir.path().join("mount"), dir.path().join("mount/anchors"));
        let file = AnchorFile::new(path.clone(), room(1 << 20), Arc::default(), false);
        file.append(anchor(1));
        file.settled().await;
        let why = file.trouble().expect("there is no such directory");
        assert!(why.contains("o such file"), "{why}");
        assert_eq!(file.written(), None);
        std::fs::create_dir(&gone).expect("mounted");
        // the next one brings the first along
        file.append(anchor(2));
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, async {
            loop {
                let moved = file.shared.moved.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if file.written() == Some(2) {
                    return;
                }
                moved.await;
            }
        })
        .await
        .expect("written");
        assert_eq!(file.trouble(), None);
        assert_eq!(seqs(&path), [1, 2]);
    }
}
