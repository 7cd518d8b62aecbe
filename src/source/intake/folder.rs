//! The watched folder: each whole file of ids becomes hints and is moved to `done`, or to `failed` with the reason beside it; it never takes a part of a file, nor deletes one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::asked::WAITING_MAX;
use super::book::Coming;
use super::cause::Cause;
use super::{Intake, IntakeError, table};
use crate::given;
use crate::model::Road;
use crate::model::text::one_line;

/// So often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The largest file.
const LARGEST: u64 = 16 << 20;
/// Files looked at in one go.
const AT_ONCE: usize = 1_000;

/// What tells whether a file is still being written: it has to be the same in two looks.
type Print = (u64, u64, i64, i64);

/// What is wrong with a folder into which everybody may write: anybody could name tasks there.
pub fn open_to_all(dir: &Path) -> Option<String> {
    let mode = fs::metadata(dir).ok()?.mode() & 0o7777;
    (mode & 0o002 != 0)
        .then(|| format!("everybody may write into it (mode {mode:o}); chmod o-w it"))
}

/// A watched folder.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    /// Ids that fit into the set at all.
    limit: usize,
    seen: BTreeMap<PathBuf, Print>,
    /// Files that were looked into and could not be moved away, with why: none of them is taken again as it is.
    stuck: BTreeMap<PathBuf, (Print, String)>,
}

impl Folder {
    /// A folder, with `done` and `failed` made below it.
    ///
    /// # Errors
    /// It is not there, everybody may write into it, or nothing can be made in it.
    pub fn open(dir: &Path, limit: usize) -> Result<Self, IntakeError> {
        let wrong = |what: String| IntakeError::Folder {
            path: dir.to_path_buf(),
            what,
        };
        let meta = fs::metadata(dir).map_err(|error| wrong(error.to_string()))?;
        if !meta.is_dir() {
            return Err(wrong("it is no directory".to_owned()));
        }
        if let Some(what) = open_to_all(dir) {
            return Err(wrong(what));
        }
        for name in ["done", "failed"] {
            match fs::create_dir(dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(wrong(format!("{name} can't be made in it: {error}")));
                }
                _ => its_own(&dir.join(name)).map_err(|error| wrong(error.to_string()))?,
            }
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            limit,
            seen: BTreeMap::new(),
            stuck: BTreeMap::new(),
        })
    }

    /// Takes files until `stop`.
    pub async fn watch(mut self, intake: Intake, stop: CancellationToken) {
        let mut said = None;
        loop {
            let trouble = self
                .look(&intake)
                .await
                .err()
                .map(|error| error.to_string());
            if let Some(error) = &trouble
                && said != trouble
            {
                tracing::warn!(error = %error, dir = %self.dir.display(), "something is wrong with the folder of the intake");
            }
            intake
                .shared
                .set_folder_trouble(trouble.as_deref().map(Arc::from));
            said = trouble;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// One look: what is whole is taken.
    async fn look(&mut self, intake: &Intake) -> Result<(), std::io::Error> {
        // somebody may have opened it since the start
        if let Some(what) = open_to_all(&self.dir) {
            return Err(std::io::Error::other(format!(
                "{what}: nothing of it is taken"
            )));
        }
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let path = entry.path();
            // links, folders, FIFOs and devices are left alone, and take no file's place in the row
            if is_wanted(&path) && entry.file_type().is_ok_and(|sort| sort.is_file()) {
                names.push(path);
            }
        }
        names.sort();
        self.stuck
            .retain(|path, _| names.binary_search(path).is_ok());
        // what lies there for good comes last, and keeps nothing from its turn
        names.sort_by_key(|path| self.stuck.contains_key(path));
        names.truncate(AT_ONCE);
        let before = std::mem::take(&mut self.seen);
        for path in names {
            let Ok(meta) = fs::symlink_metadata(&path) else {
                continue;
            };
            if !meta.is_file() {
                continue;
            }
            let print = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
            if self.stuck.get(&path).is_some_and(|(of, _)| *of == print) {
                self.seen.insert(path, print);
                continue;
            }
            if before.get(&path) != Some(&print) {
                // one that is still written is another one at the next look
                self.stuck.remove(&path);
                self.seen.insert(path, print);
                continue;
            }
            let why = match self.take(&path, intake).await {
                Ok(()) => None,
                Err(Refused::Later) => {
                    self.seen.insert(path, print);
                    continue;
                }
                Err(Refused::Never(why)) => Some(why),
            };
            intake.shared.counts.file(why.is_none());
            let into = if why.is_none() { "done" } else { "failed" };
            let moved = put_away(&path, &self.dir.join(into), why.as_deref());
            // whoever may put a file there must not write lines of the log
            let file = one_line(&path.to_string_lossy());
            match (&why, &moved) {
                (None, _) => tracing::info!(%file, "a file of ids was taken"),
                (Some(why), Ok(())) => {
                    tracing::warn!(%file, %why, "a file of ids can't be used; it lies in `failed` now");
                }
                (Some(why), Err(_)) => tracing::warn!(%file, %why, "a file of ids can't be used"),
            }
            if let Err(error) = moved {
                let taken = if why.is_none() {
                    "was taken"
                } else {
                    "can't be used"
                };
                let what = format!(
                    "{file} {taken} and can't be moved into `{into}`: {error}; it is left alone until it changes: move it away"
                );
                self.seen.insert(path.clone(), print);
                self.stuck.insert(path, (print, what));
            }
        }
        if let Some((_, what)) = self.stuck.values().next() {
            let more = match self.stuck.len() {
                1 => String::new(),
                many => format!("; so are {} others", many - 1),
            };
            return Err(std::io::Error::other(format!("{what}{more}")));
        }
        Ok(())
    }

    async fn take(&self, path: &Path, intake: &Intake) -> Result<(), Refused> {
        let never = |error: std::io::Error| Refused::Never(format!("it can't be read: {error}"));
        // what has come into its place since it was looked at is neither followed nor waited for
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let file: File = OpenOptions::new()
            .read(true)
            .custom_flags(nofollow | given::at_once())
            .open(path)
            .map_err(never)?;
        given::is_file(&file.metadata().map_err(never)?).map_err(never)?;
        let mut text = String::new();
        file.take(LARGEST + 1)
            .read_to_string(&mut text)
            .map_err(never)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > LARGEST) {
            return Err(Refused::Never(format!("it is larger than {LARGEST} bytes")));
        }
        let named = table::names(&text).map_err(Refused::Never)?;
        if named.tasks.len() > self.limit {
            return Err(Refused::Never(format!(
                "it names {} tasks; intake.max_waiting lets {} wait at a time",
                named.tasks.len(),
                self.limit
            )));
        }
        if named.persons.len() > WAITING_MAX {
            return Err(Refused::Never(format!(
                "it names {} persons; {WAITING_MAX} may wait at a time",
                named.persons.len()
            )));
        }
        let coming = Coming {
            event: None,
            named,
            road: Road::Folder,
        };
        match intake.take(coming).await {
            Ok(_) => Ok(()),
            Err(Cause::Full | Cause::Busy | Cause::NotStored) => Err(Refused::Later),
            Err(other) => Err(Refused::Never(other.explanation().to_owned())),
        }
    }
}

enum Refused {
    /// It is tried again.
    Later,
    /// It is put away, with this reason.
    Never(String),
}

/// Names that begin with a dot or end with `.part` or `.tmp` are still being written.
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| {
        let wanted = !name.starts_with('.') && name != "done" && name != "failed";
        wanted && !name.ends_with(".part") && !name.ends_with(".tmp")
    })
}

/// That what files are moved into is a directory here, and no link by which they would leave the folder.
fn its_own(dir: &Path) -> Result<(), std::io::Error> {
    if fs::symlink_metadata(dir)?.is_dir() {
        return Ok(());
    }
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    Err(std::io::Error::other(format!(
        "`{name}` in it is no directory of its own; move it away, the daemon makes one at its start"
    )))
}

/// Moves a file, under a free name, and writes the reason beside it.
fn put_away(path: &Path, into: &Path, why: Option<&str>) -> Result<(), std::io::Error> {
    its_own(into)?;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let free = (0_u32..)
        .map(|n| match n {
            0 => into.join(&name),
            n => into.join(format!("{name}.{n}")),
        })
        .find(|place| fs::symlink_metadata(place).is_err())
        .unwrap_or_else(|| into.join(&name));
    if let Some(why) = why {
        let mut beside = free.clone().into_os_string();
        beside.push(".reason");
        // the log has it as well: a name that leaves no room for it keeps nothing from being moved
        let written = File::create_new(&beside).and_then(|mut file| writeln!(file, "{why}"));
        if let Err(error) = written {
            tracing::warn!(file = %one_line(&beside.to_string_lossy()), %error, "why the file can't be used can't be written beside it");
        }
    }
    fs::rename(path, free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Clock;

    #[tokio::test]
    async fn what_can_not_be_put_away_takes_no_place_in_the_row_however_many_they_are() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join("in").join(name);
        fs::create_dir(dir.path().join("in")).expect("made");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path().join("in"), mode).expect("mode");
        let intake = Intake::open(&dir.path().join("hints"), 5, &Clock::wall()).expect("opened");
        let mut folder = Folder::open(&dir.path().join("in"), 5).expect("opened");
        // each lies in `failed` already, and has no room in its name for another one
        for n in 0..AT_ONCE {
            let name = format!("{n:a>255}");
            fs::write(at("failed").join(&name), "").expect("written");
            fs::write(at(&name), "x,y\n1,2\n").expect("written");
        }
        fs::write(at("b"), "17\n").expect("written");
        for _ in 0..4 {
            let said = folder.look(&intake).await;
            assert!(said.is_err() || !at("done/b").exists());
        }
        assert!(at("done/b").exists());
        assert_eq!(folder.stuck.len(), AT_ONCE);
        // and none of them is tried over and over
        let tried = intake.shared.counts.read().files_failed;
        assert_eq!(tried, u64::try_from(AT_ONCE).expect("few"));
    }

    #[tokio::test]
    async fn only_files_are_taken_and_nothing_leaves_the_folder_by_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join("in").join(name);
        fs::create_dir(dir.path().join("in")).expect("made");
        fs::create_dir(dir.path().join("out")).expect("made");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path().join("in"), mode).expect("mode");
        let intake = Intake::open(&dir.path().join("hints"), 5, &Clock::wall()).expect("opened");
        let mut folder = Folder::open(&dir.path().join("in"), 5).expect("opened");
        fs::write(dir.path().join("out/ids"), "7\n").expect("written");
        // more of what is no file than is looked at in one go, and all of it comes first by its name
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        for n in 0..AT_ONCE {
            let fifo = at(&format!("a-{n:04}"));
            mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        }
        std::os::unix::fs::symlink(dir.path().join("out/ids"), at("b-link")).expect("linked");
        fs::create_dir(at("c-folder")).expect("made");
        fs::write(at("d"), "17\n").expect("written");
        fs::write(at("e"), "x,y\n1,2\n").expect("written");
        // what lies where the reason is to be written is neither written into nor waited for
        let reason = at("failed/e.reason");
        mknodat(CWD, &reason, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        for _ in 0..2 {
            folder.look(&intake).await.expect("looked");
        }
        assert_eq!(intake.standing().waiting, 1);
        assert!(at("done/d").exists() && at("failed/e").exists());
        assert!(at("b-link").exists() && at("c-folder").exists());
        fs::rename(at("done"), at("was-done")).expect("moved");
        std::os::unix::fs::symlink(dir.path().join("out"), at("done")).expect("linked");
        fs::write(at("f"), "18\n").expect("written");
        folder.look(&intake).await.expect("looked");
        let said = folder.look(&intake).await.expect_err("it can't be moved");
        assert!(
            said.to_string().contains("no directory of its own"),
            "{said}"
        );
        assert!(at("f").exists() && !dir.path().join("out/f").exists());
        let said = Folder::open(&dir.path().join("in"), 5).expect_err("a link");
        assert!(
            said.to_string().contains("no directory of its own"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn whole_files_are_taken_and_the_others_wait_or_fail_with_their_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join("in").join(name);
        fs::create_dir(dir.path().join("in")).expect("made");
        fs::set_permissions(
            dir.path().join("in"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("mode");
        let intake = Intake::open(&dir.path().join("hints"), 5, &Clock::wall()).expect("opened");
        let mut folder = Folder::open(&dir.path().join("in"), 5).expect("opened");
        for (name, text) in [
            ("a.csv", "task,owner\n17,A\n18,B\n"),
            ("b.txt", "19\n"),
            ("c.part", "20\n"),
            (".d", "21\n"),
            ("bad.csv", "x,y\n1,2\n"),
            ("many", "1\n2\n3\n4\n5\n6\n"),
        ] {
            fs::write(at(name), text).expect("written");
        }
        std::os::unix::fs::symlink(at("b.txt"), at("link")).expect("linked");
        folder.look(&intake).await.expect("looked");
        assert_eq!(intake.standing().waiting, 0, "nothing at the first sight");
        // it grows: another look is needed for this one
        fs::write(at("b.txt"), "19\n20\n").expect("written");
        // nor is anything taken while everybody may write into it
        let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        let watched = dir.path().join("in");
        let was = fs::metadata(&watched).expect("there").permissions();
        fs::set_permissions(&watched, mode(0o777)).expect("mode");
        for _ in 0..2 {
            let open = folder.look(&intake).await.expect_err("open to all");
            assert!(open.to_string().contains("chmod o-w"), "{open}");
        }
        assert!(at("a.csv").exists(), "it is not taken");
        fs::set_permissions(&watched, was).expect("mode");
        folder.look(&intake).await.expect("looked");
        assert_eq!(intake.standing().waiting, 2);
        assert!(at("done/a.csv").exists() && at("b.txt").exists());
        folder.look(&intake).await.expect("looked");
        assert_eq!(intake.standing().waiting, 4);
        assert!(at("done/b.txt").exists() && at("c.part").exists() && at(".d").exists());
        for (name, said) in [("bad.csv", "line 1"), ("many", "max_waiting")] {
            assert!(at(&format!("failed/{name}")).exists());
            let why = fs::read_to_string(at(&format!("failed/{name}.reason"))).expect("a reason");
            assert!(why.contains(said), "{why}");
        }
        // the set is full: it waits where it is, and is taken whole later
        fs::write(at("a.csv"), "id\n31\n32\n").expect("written");
        folder.look(&intake).await.expect("looked");
        folder.look(&intake).await.expect("looked");
        assert!(at("a.csv").exists());
        assert_eq!(intake.standing().waiting, 4);
        let (hints, targets) = intake.hints();
        let read = hints
            .into_iter()
            .map(|hint| (hint, Some(super::super::HintEnd::Listed)));
        intake.end(read.collect(), targets).await;
        folder.look(&intake).await.expect("looked");
        assert_eq!(intake.standing().waiting, 2);
        assert!(at("done/a.csv.1").exists(), "the first one is kept");
    }

    /// Its place is closed: it is taken once and named, the others are taken all the same, and it is taken again once
    /// it is another one.
    #[tokio::test]
    async fn a_file_that_can_t_be_moved_away_is_taken_once_and_holds_up_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let watched = dir.path().join("in");
        fs::create_dir(&watched).expect("made");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&watched, mode).expect("mode");
        let intake = Intake::open(&dir.path().join("hints"), 50, &Clock::wall()).expect("opened");
        let mut folder = Folder::open(&watched, 50).expect("opened");
        // a name of 255 bytes that is in `done` already: no free one can be made beside it
        let name = "b".repeat(255);
        fs::write(watched.join("done").join(&name), "").expect("written");
        fs::write(watched.join(&name), "17\n").expect("written");
        fs::write(watched.join("c"), "18\n").expect("written");
        folder.look(&intake).await.expect("looked");
        for _ in 0..4 {
            let told = folder.look(&intake).await.expect_err("it is named");
            assert!(
                told.to_string().contains("can't be moved into `done`"),
                "{told}"
            );
        }
        assert!(watched.join("done/c").exists() && watched.join(&name).exists());
        let files = |intake: &Intake| intake.standing().counted.files;
        assert_eq!(files(&intake), 2, "each was taken once");
        fs::write(watched.join(&name), "17\n19\n").expect("written");
        folder
            .look(&intake)
            .await
            .expect("it has changed, and may be written yet");
        folder.look(&intake).await.expect_err("it is named");
        assert_eq!((files(&intake), intake.standing().waiting), (3, 3));
        fs::remove_file(watched.join(&name)).expect("removed");
        folder
            .look(&intake)
            .await
            .expect("nothing is wrong any more");
    }

    #[test]
    fn a_folder_into_which_everybody_may_write_is_not_watched() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .expect("mode");
        assert!(Folder::open(dir.path(), 5).is_err());
        assert!(Folder::open(&dir.path().join("none"), 5).is_err());
    }
}
