//! Files and directories of a store: made for its user alone, and on disk before anything rests on them; it never follows what a store says.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::error::StoreError;

/// Bytes that are free where a copy is to be made.
pub(super) fn room(dir: &Path) -> Result<u64, StoreError> {
    rustix::fs::statvfs(dir)
        .map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize))
        .map_err(|e| StoreError::io(dir, e.into()))
}

/// Bytes of all files below a directory.
pub(super) fn size_of(dir: &Path) -> Result<u64, StoreError> {
    let mut size = 0_u64;
    for entry in fs::read_dir(dir).map_err(|e| StoreError::io(dir, e))? {
        let path = entry.map_err(|e| StoreError::io(dir, e))?.path();
        let meta = fs::metadata(&path).map_err(|e| StoreError::io(&path, e))?;
        size = size.saturating_add(if meta.is_dir() {
            size_of(&path)?
        } else {
            meta.len()
        });
    }
    Ok(size)
}

/// That a store's journal, where anything of that name is, is a directory.
///
/// # Errors
/// It is something else, which no version has ever made.
pub fn journal_is_dir(journal: &Path) -> Result<(), StoreError> {
    match fs::metadata(journal) {
        Ok(meta) if !meta.is_dir() => Err(StoreError::io(
            journal,
            std::io::Error::other(
                "it is not a directory, as a store's journal is: something else was put into its place; move it away, and put the store back from a backup (`provtaskd store restore`)",
            ),
        )),
        // whoever opens it says what else is wrong
        _ => Ok(()),
    }
}

/// A new or emptied file.
pub(super) fn create(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::io(path, e))
}

/// A directory, with those above it where they are missing.
pub(super) fn private_dir(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| StoreError::io(dir, e))
}

/// Brings a directory's entries to the disk.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| StoreError::io(dir, e))
}

/// Moves a file or directory; what is at the new place already is replaced only where it is a file.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|e| StoreError::io(from, e))
}

/// Removes a file or a directory with all that is in it; nothing there is no error.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let done = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    done.map_err(|e| StoreError::io(path, e))
}
