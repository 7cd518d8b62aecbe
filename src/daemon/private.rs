//! Writes files that are for this user alone: whole, or not at all; it never leaves a half-written one.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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
    written
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
