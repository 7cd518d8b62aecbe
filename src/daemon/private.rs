//! Writes files that are for this user alone: whole, or not at all; it never leaves a half-written one.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Seconds after which a half-written file beside is nobody's any more.
const LEFT: u64 = 60;

/// Writes a file with mode 0600 beside its place, then puts it there.
///
/// # Errors
/// As the system says it; nothing is left beside then, and what was at its place is as it was.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", uuid::Uuid::now_v7().simple()));
    let beside = PathBuf::from(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // it may never have been made
        let _ = std::fs::remove_file(&beside);
    }
    remove_left(path, &beside);
    written
}

/// Takes away what a killed process has left beside a file that it was writing: whatever bears that file's name
/// and was begun more than a minute before this one.
fn remove_left(path: &Path, beside: &Path) {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let began = |file: &Path| {
        let rest = file.file_name()?.as_encoded_bytes();
        let rest = rest
            .strip_prefix(name.as_encoded_bytes())?
            .strip_prefix(b".")?;
        let id = uuid::Uuid::try_parse_ascii(rest).ok()?;
        Some(id.get_timestamp()?.to_unix().0)
    };
    let (Some(now), Ok(all)) = (began(beside), std::fs::read_dir(dir)) else {
        return;
    };
    for file in all.flatten().map(|entry| entry.path()) {
        if began(&file).is_some_and(|at| at.saturating_add(LEFT) < now) {
            // whoever can't take it away leaves it: it is in nobody's way
            let _ = std::fs::remove_file(&file);
        }
    }
}

/// Makes a directory with mode 0700, and those above it that are missing; one that is there is left as it is.
///
/// # Errors
/// As the system says it.
pub fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_has_left_beside_is_taken_away() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("traits.json.login");
        let id = |seconds| {
            let at = uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0);
            uuid::Uuid::new_v7(at).simple().to_string()
        };
        let now = uuid::Uuid::now_v7()
            .get_timestamp()
            .expect("v7")
            .to_unix()
            .0;
        let names = [
            format!("traits.json.login.{}", id(now - 3_600)),
            // another process may still write it
            format!("traits.json.login.{}", id(now)),
            // of another file
            format!("traits.json.{}", id(now - 3_600)),
            "traits.json.login.bak".to_owned(),
        ];
        for name in &names {
            std::fs::write(dir.path().join(name), "x").expect("written");
        }
        write_private(&path, "whole").expect("written");
        let there = names.map(|name| dir.path().join(name).exists());
        assert_eq!(there, [false, true, true, true]);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "whole");
    }
}
