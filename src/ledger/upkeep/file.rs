//! Writes a file that appears whole or not at all, for its user alone, and over nothing; what is half written goes away again.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::error::UpkeepError;
use crate::ledger::error::StoreError;
use crate::ledger::files::sync_dir;

/// A file on its way.
pub(super) struct Coming {
    path: PathBuf,
    unfinished: PathBuf,
    pub out: BufWriter<File>,
    done: bool,
}

impl Coming {
    /// Begins a file that does not exist yet.
    pub fn begin(path: &Path) -> Result<Self, UpkeepError> {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(UpkeepError::Exists(path.to_path_buf()));
        }
        let mut name = path.as_os_str().to_os_string();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        // what a kill has left; of two at the same time one ends with an error
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(UpkeepError::file(&unfinished, error));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(|e| UpkeepError::file(&unfinished, e))?;
        Ok(Self {
            path: path.to_path_buf(),
            unfinished,
            out: BufWriter::with_capacity(1 << 20, file),
            done: false,
        })
    }

    /// An error of this file.
    pub fn failed(&self, source: std::io::Error) -> UpkeepError {
        UpkeepError::file(&self.path, source)
    }

    /// Brings it to the disk; it has not got its name yet.
    pub fn synced(&mut self) -> Result<&File, UpkeepError> {
        let done = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all());
        done.map_err(|e| self.failed(e))?;
        Ok(self.out.get_ref())
    }

    /// Where it lies as long as it has no name.
    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Gives it its name. Answers its bytes.
    pub fn end(mut self) -> Result<u64, UpkeepError> {
        let bytes = self.synced()?.metadata().map_err(|e| self.failed(e))?.len();
        let named = renameat_with(
            CWD,
            &self.unfinished,
            CWD,
            &self.path,
            RenameFlags::NOREPLACE,
        );
        match named {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Err(UpkeepError::Exists(self.path.clone())),
            // a file system that can't do it in one step
            Err(_) if std::fs::symlink_metadata(&self.path).is_ok() => {
                return Err(UpkeepError::Exists(self.path.clone()));
            }
            Err(_) => {
                std::fs::rename(&self.unfinished, &self.path).map_err(|e| self.failed(e))?;
            }
        }
        self.done = true;
        if let Some(dir) = self.path.parent() {
            let dir = if dir.as_os_str().is_empty() {
                Path::new(".")
            } else {
                dir
            };
            // a folder of the file's, not of the store
            sync_dir(dir).map_err(|error| match error {
                StoreError::Io { path, source } => UpkeepError::file(path, source),
                other => other.into(),
            })?;
        }
        Ok(bytes)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if !self.done {
            // a second try removes it as well
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}
