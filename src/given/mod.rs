//! Files that the program is told to read: regular ones alone, opened so that nobody is waited for; it knows nothing of what is in them.

mod apart;

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{Error, Read as _, Result};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

pub use apart::{Apart, Coming};

/// The largest file that is read as a whole where its own sort has no other limit, bytes.
pub const MOST: u64 = 256 << 20;

/// Opens a file to be read. Whatever is no regular file is refused with what it is, before it is opened: a FIFO
/// would keep its reader waiting for a writer, and a device may do something by being opened.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub fn open(path: &Path) -> Result<File> {
    is_file(&std::fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(at_once())
        .open(path)?;
    // another one may lie there since
    is_file(&file.metadata()?)?;
    Ok(file)
}

/// Flags with which opening waits for nobody, whatever has come into the file's place meanwhile.
pub fn at_once() -> i32 {
    i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0)
}

/// Reads a whole file of at most so many bytes.
///
/// # Errors
/// It can't be read, is no regular file, or is larger.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    all(open(path)?, most)
}

/// Reads a file that was opened here to its end; see [`read`].
///
/// # Errors
/// It can't be read, or is larger.
pub fn all(file: File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(Error::other(format!(
            "it is larger than {most} bytes, and was not read"
        )));
    }
    Ok(bytes)
}

/// Reads a whole file of at most so many bytes, which has to be UTF-8.
///
/// # Errors
/// As [`read`], or it is no UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    utf8(read(path, most)?)
}

/// The text of a file's bytes.
///
/// # Errors
/// They are no UTF-8; the line is named.
pub fn utf8(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..good).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        Error::new(
            std::io::ErrorKind::InvalidData,
            format!("line {line} is no UTF-8, which it has to be"),
        )
    })
}

/// That something is a regular file.
///
/// # Errors
/// What it is instead.
pub fn is_file(meta: &Metadata) -> Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    Err(Error::other(format!(
        "it is not a file but {}; only regular files are read",
        sort(meta.file_type())
    )))
}

fn sort(of: FileType) -> &'static str {
    if of.is_dir() {
        "a directory"
    } else if of.is_fifo() {
        "a FIFO (named pipe), whose reader may wait for ever"
    } else if of.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a path, by a reader that would hang with any of them but the last.
    fn said(path: &Path) -> String {
        let (path, (tell, told)) = (path.to_owned(), std::sync::mpsc::sync_channel(1));
        std::thread::spawn(move || {
            let said = match read(&path, 8) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => error.to_string(),
            };
            let _ = tell.send(said);
        });
        told.recv_timeout(std::time::Duration::from_secs(20))
            .expect("it does not hang")
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_waits_for_anybody() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a FIFO");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for (path, what) in [
            (at("fifo"), "a FIFO"),
            (at("socket"), "a socket"),
            (dir.path().to_owned(), "a directory"),
            ("/dev/null".into(), "a device"),
        ] {
            let said = said(&path);
            assert!(
                said.contains("not a file but") && said.contains(what),
                "{path:?}: {said}"
            );
        }
        std::os::unix::fs::symlink(at("fifo"), at("link")).expect("a link");
        assert!(said(&at("link")).contains("a FIFO"));
        std::fs::write(at("file"), "12345678").expect("written");
        std::os::unix::fs::symlink(at("file"), at("to-file")).expect("a link");
        assert_eq!(said(&at("to-file")), "12345678", "a link is followed");
        std::fs::write(at("file"), "123456789").expect("written");
        assert!(said(&at("file")).contains("larger than 8 bytes"));
        std::fs::write(at("file"), b"a\nb\n\xff\n").expect("written");
        let error = text(&at("file"), 99).expect_err("no UTF-8").to_string();
        assert!(error.contains("line 3 is no UTF-8"), "{error}");
    }
}
