//! The secrets that sign events, one or two of them, read again whenever their file changes; never shown, and none is believed while the file can't be used.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::given;

/// The file is looked at so often at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest file, bytes.
const LONGEST: u64 = 4096;
/// Bytes of a secret, by Standard Webhooks.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;
/// So many hold at a time: the new one and the old one.
const AT_MOST: usize = 2;

/// What holds now, or why nothing does.
pub type Held = Result<Arc<[Vec<u8>]>, Arc<str>>;

/// The secrets behind a file.
pub struct Secrets {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    looked: Option<Instant>,
    print: Option<Print>,
    held: Held,
}

/// Tells one content of the file from another.
type Print = (u64, u64, i64, i64, u64);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    /// Those of a file; it is read when they are asked for.
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            state: Mutex::new(State {
                looked: None,
                print: None,
                held: Err(Arc::from("the file was not read yet")),
            }),
        }
    }

    /// What holds now: a file that was changed is read again, and an unusable one leaves none.
    pub fn held(&self) -> Held {
        // a panic while it was held leaves the state of before
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return state.held.clone();
        }
        let first = state.looked.is_none();
        state.looked = Some(Instant::now());
        let print = std::fs::metadata(&self.path).ok().map(|meta| {
            (
                meta.dev(),
                meta.ino(),
                // also a change of its mode counts
                meta.ctime(),
                meta.ctime_nsec(),
                meta.len(),
            )
        });
        if !first && print.is_some() && print == state.print {
            return state.held.clone();
        }
        let held = read(&self.path);
        match (&state.held, &held) {
            (before, Err(why)) if first || before.as_ref().err() != Some(why) => {
                tracing::error!(
                    why = %why,
                    "no event is taken until the secret of the intake can be used"
                );
            }
            (_, Ok(secrets)) if state.print != print => {
                tracing::info!(
                    secrets = secrets.len(),
                    path = %self.path.display(),
                    "the secrets of the intake were read"
                );
            }
            _ => {}
        }
        state.print = print;
        state.held = held;
        state.held.clone()
    }
}

/// Reads the file: one or two lines, each `whsec_` and base64.
///
/// # Errors
/// What is wrong with it, in words that show nothing of its content.
pub fn read(path: &Path) -> Held {
    let wrong = |what: String| {
        Err(Arc::from(format!(
            "the secret file {} {what}",
            path.display()
        )))
    };
    let file = match given::open(path) {
        Ok(file) => file,
        Err(error) => return wrong(format!("can't be read: {error}")),
    };
    match file.metadata() {
        Ok(meta) if meta.permissions().mode() & 0o007 != 0 => {
            return wrong(format!(
                "can be read by everybody (mode {:o}): chmod 600 it, and make a new secret",
                meta.permissions().mode() & 0o777
            ));
        }
        Ok(_) => {}
        Err(error) => return wrong(format!("can't be looked at: {error}")),
    }
    let mut text = String::new();
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(_) if u64::try_from(text.len()).is_ok_and(|length| length > LONGEST) => {
            return wrong(format!("is longer than {LONGEST} bytes"));
        }
        Ok(_) => {}
        Err(error) => return wrong(format!("can't be read: {}", error.kind())),
    }
    let mut secrets = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let secret = line
            .strip_prefix("whsec_")
            .and_then(|text| STANDARD.decode(text).ok())
            .filter(|secret| SIZES.contains(&secret.len()));
        match secret {
            Some(secret) => secrets.push(secret),
            None => {
                return wrong(format!(
                    "holds no secret in line {number}: write whsec_ and the base64 text of 24 to 64 bytes, as of `openssl rand -base64 32`"
                ));
            }
        }
    }
    match secrets.len() {
        0 => wrong("holds no secret".to_owned()),
        1..=AT_MOST => Ok(secrets.into()),
        many => wrong(format!(
            "holds {many} secrets; at most {AT_MOST} hold at a time, the new one and the old one"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode");
        (dir, path)
    }

    const ONE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn one_or_two_lines_are_secrets_and_anything_else_is_none() {
        let (_dir, path) = file(&format!("{ONE}\n\n{ONE}\r\n"), 0o600);
        assert_eq!(read(&path).expect("two").len(), 2);
        let three = format!("{ONE}\n{ONE}\n{ONE}\n");
        for (text, said) in [
            ("", "holds no secret"),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "line 1"),
            ("whsec_c2hvcnQ=\n", "line 1"),
            ("whsec_???\n", "line 1"),
            (three.as_str(), "holds 3 secrets"),
        ] {
            let (_dir, path) = file(text, 0o600);
            let why = read(&path).expect_err("no secret");
            assert!(why.contains(said), "{text:?}: {why}");
            assert!(!why.contains("MfKQ9"), "nothing of it is shown: {why}");
        }
        let (_dir, path) = file(ONE, 0o604);
        assert!(read(&path).expect_err("open").contains("everybody"));
        assert!(read(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn nothing_that_prints_secrets_shows_them() {
        let (_dir, path) = file(ONE, 0o600);
        let secrets = Secrets::of(&path);
        assert_eq!(secrets.held().expect("one").len(), 1);
        assert!(!format!("{secrets:?}").contains("242")); // 0xf2, its second byte
    }
}
