//! Puts a new journal and sidecar in the place of the old ones so that a kill at any moment leaves either the old or the new store; it never touches what a record says.
//!
//! New files are made beside the old ones as `journal.new` and `sidecar.new`. A marker (`swap`) says that they
//! are whole: before it is there, the next opening throws them away; from then on it finishes the change.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::super::error::StoreError;
use super::super::files::{create, private_dir, remove, rename, sync_dir};

/// The journal's directory in a store.
pub(super) const JOURNAL: &str = "journal";
/// The sidecar's file.
pub(super) const SIDECAR: &str = "sidecar";
/// Both, in the order in which they are replaced.
const PARTS: [&str; 2] = [JOURNAL, SIDECAR];
/// How the new ones end.
const NEW: &str = ".new";
/// How the old ones end while they are thrown away.
const OLD: &str = ".old";
/// The file that says that the new ones are whole.
const MARKER: &str = "swap";
/// The same while it is written.
const UNFINISHED: &str = "swap.unfinished";
/// Its first line.
const TITLE: &str = "provtaskd swap 1";

/// What has just been done of a change, for those who rehearse a kill at each moment.
pub type After<'a> = &'a mut dyn FnMut(&'static str);

/// Where a part of the new store is made.
pub(super) fn new(dir: &Path, part: &str) -> PathBuf {
    dir.join(format!("{part}{NEW}"))
}

/// Puts the new parts in their place. `keep` names a directory below `aside` into which the old ones are
/// moved; without it they are removed.
pub(super) fn commit(dir: &Path, keep: Option<&str>, after: After<'_>) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED);
    let mut file = create(&unfinished)?;
    file.write_all(format!("{TITLE}\n{}\n", keep.unwrap_or("")).as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| StoreError::io(&unfinished, e))?;
    after("the marker is written");
    rename(&unfinished, &dir.join(MARKER))?;
    sync_dir(dir)?;
    after("the marker is in its place");
    finish(dir, keep, after)
}

/// Brings a change that was cut off to its end, or takes it back; says so where there was one. The caller
/// holds the store's lock.
pub(in crate::ledger) fn recover(dir: &Path) -> Result<Option<String>, StoreError> {
    let marker = dir.join(MARKER);
    match fs::read_to_string(&marker) {
        Ok(text) => {
            let mut lines = text.lines();
            if lines.next() != Some(TITLE) {
                return Err(StoreError::Damaged {
                    path: dir.to_path_buf(),
                    why: format!(
                        "{} is not a marker that this program knows",
                        marker.display()
                    ),
                });
            }
            let keep = lines.next().filter(|name| is_name(name));
            finish(dir, keep, &mut |_| {})?;
            Ok(Some(
                "finished the change of the store that was cut off: the new journal is in its place"
                    .to_owned(),
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => undo(dir),
        Err(error) => Err(StoreError::io(marker, error)),
    }
}

/// A plain name, so that nothing outside `aside` is written to.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn finish(dir: &Path, keep: Option<&str>, after: After<'_>) -> Result<(), StoreError> {
    let aside = keep.map(|name| dir.join("aside").join(name));
    if let Some(aside) = &aside {
        private_dir(aside)?;
        sync_dir(&dir.join("aside"))?;
    }
    for part in PARTS {
        let (here, coming) = (dir.join(part), new(dir, part));
        if !coming.exists() {
            // it is in its place already
            continue;
        }
        if here.exists() {
            let old = match &aside {
                Some(aside) => aside.join(part),
                None => dir.join(format!("{part}{OLD}")),
            };
            rename(&here, &old)?;
            after(match part {
                JOURNAL => "the old journal is out of the way",
                _ => "the old sidecar is out of the way",
            });
        }
        rename(&coming, &here)?;
        after(match part {
            JOURNAL => "the new journal is in its place",
            _ => "the new sidecar is in its place",
        });
    }
    if let Some(aside) = &aside {
        sync_dir(aside)?;
    }
    sync_dir(dir)?;
    after("both are on disk");
    remove(&dir.join(MARKER))?;
    sync_dir(dir)?;
    after("the marker is gone");
    for part in PARTS {
        remove(&dir.join(format!("{part}{OLD}")))?;
    }
    sync_dir(dir)?;
    after("the old files are gone");
    Ok(())
}

/// Without a marker the store that is there is the whole one, and what lies beside it is of no use.
fn undo(dir: &Path) -> Result<Option<String>, StoreError> {
    let mut found = [false; 2];
    for part in PARTS {
        let beside = [new(dir, part), dir.join(format!("{part}{OLD}"))];
        for (found, path) in found.iter_mut().zip(beside) {
            *found |= path.exists();
            remove(&path)?;
        }
    }
    remove(&dir.join(UNFINISHED))?;
    let said = match found {
        [false, false] => return Ok(None),
        [true, _] => {
            "removed what a change of the store had left that was cut off: the store is as it was"
        }
        [false, true] => "removed the old files that a finished change of the store had left",
    };
    sync_dir(dir)?;
    Ok(Some(said.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of plain files, and a new one beside it.
    fn prepared() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (journal, sidecar, text) in [
            ("journal", "sidecar", "old"),
            ("journal.new", "sidecar.new", "new"),
        ] {
            fs::create_dir(dir.path().join(journal)).expect("made");
            fs::write(dir.path().join(journal).join("db"), text).expect("written");
            fs::write(dir.path().join(sidecar), text).expect("written");
        }
        dir
    }

    fn read(dir: &Path) -> (String, String) {
        (
            fs::read_to_string(dir.join("journal/db")).expect("a journal"),
            fs::read_to_string(dir.join("sidecar")).expect("a sidecar"),
        )
    }

    /// Carries the change out and ends it, as a kill would, after so many steps.
    fn cut(dir: &Path, keep: Option<&str>, steps: usize) -> bool {
        struct Killed;
        let mut left = steps;
        let mut after = |_: &'static str| {
            if left == 0 {
                std::panic::panic_any(Killed);
            }
            left -= 1;
        };
        let run = std::panic::AssertUnwindSafe(|| commit(dir, keep, &mut after));
        match std::panic::catch_unwind(run) {
            Ok(done) => {
                done.expect("carried out");
                true
            }
            Err(error) => {
                assert!(error.is::<Killed>());
                false
            }
        }
    }

    #[test]
    fn a_kill_after_any_step_leaves_the_old_or_the_new_store_and_never_a_mixture() {
        for keep in [None, Some("replaced-1")] {
            let mut through = false;
            let mut olds = 0;
            for steps in 0..20 {
                let dir = prepared();
                through = cut(dir.path(), keep, steps);
                let said = recover(dir.path()).expect("recovered");
                assert!(!through || said.is_none(), "nothing is left: {said:?}");
                let (journal, sidecar) = read(dir.path());
                assert_eq!(journal, sidecar, "after {steps} steps");
                olds += usize::from(journal == "old");
                if let Some(said) = &said {
                    let as_it_was = said.contains("as it was");
                    assert_eq!(as_it_was, journal == "old", "after {steps} steps: {said}");
                }
                let mut names: Vec<String> = fs::read_dir(dir.path())
                    .expect("read")
                    .map(|entry| {
                        entry
                            .expect("an entry")
                            .file_name()
                            .to_string_lossy()
                            .into_owned()
                    })
                    .collect();
                names.sort();
                if let (Some(keep), "new") = (keep, &*journal) {
                    assert_eq!(names, ["aside", "journal", "sidecar"]);
                    let kept = dir.path().join("aside").join(keep);
                    assert_eq!(read(&kept), ("old".to_owned(), "old".to_owned()));
                } else {
                    assert_eq!(names, ["journal", "sidecar"], "after {steps} steps");
                }
                // a second start finds nothing to do
                assert_eq!(recover(dir.path()).expect("nothing"), None);
                if through {
                    break;
                }
            }
            assert!(through, "it comes to an end");
            assert_eq!(olds, 1, "only before the marker is in its place");
        }
    }

    #[test]
    fn a_marker_that_is_not_known_stops_everything() {
        let dir = prepared();
        fs::write(dir.path().join("swap"), "provtaskd swap 9\n").expect("written");
        assert!(recover(dir.path()).is_err());
        assert_eq!(read(dir.path()).0, "old");
        assert!(dir.path().join("journal.new").exists());
    }
}
