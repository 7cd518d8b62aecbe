//! The key that signs anchors: read from its file, kept in memory alone, shown only as a short digest.

use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use crate::given;
use crate::model::hmac::hmac_sha256;

/// The shortest key that is taken, bytes: its short digest is public.
const SHORTEST: usize = 16;
/// The longest.
const LONGEST: u64 = 4096;
/// Bytes of the digest that names a key.
const NAME: usize = 8;

/// A key file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It can't be read.
    #[error("the key file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no file, or everybody may read it.
    #[error("the key file {} {what}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It holds no key.
    #[error("the key file {} {what}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A secret key, and the short digest by which it is known.
pub struct Key {
    secret: SecretSlice<u8>,
    id: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish()
    }
}

impl Key {
    /// A key of these bytes; none where they are too few.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < SHORTEST {
            return None;
        }
        let name = Sha256::new()
            .chain_update("provtaskd anchor key\n")
            .chain_update(bytes)
            .finalize();
        Some(Self {
            secret: bytes.to_vec().into(),
            id: hex(&name[..NAME]),
        })
    }

    /// Reads a key: the file's bytes without the last line break. Says it where others may read the file.
    ///
    /// # Errors
    /// It can't be read, everybody may read it, or it is too short or too long for a key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read {
            path: path.to_path_buf(),
            source,
        };
        let unusable = |what: String| KeyError::Unusable {
            path: path.to_path_buf(),
            what,
        };
        let no_key = |what: String| KeyError::NoKey {
            path: path.to_path_buf(),
            what,
        };
        let file = given::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(unusable(format!(
                "can be read by everybody (mode {mode:o}): chmod 600 it, and make a new key"
            )));
        }
        if mode & 0o070 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format_args!("{mode:o}"),
                "the key file of the anchors can be read by others than its owner: chmod 600 it"
            );
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
            return Err(no_key(format!("is longer than {LONGEST} bytes")));
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Self::of(line).ok_or_else(|| {
            no_key(format!(
                "holds {} bytes; a key has {SHORTEST} or more, e.g. of `openssl rand -hex 32`",
                line.len()
            ))
        })
    }

    /// The short digest by which it is known.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA256 of a text, in hex (RFC 2104).
    pub fn sign(&self, text: &str) -> String {
        hex(&hmac_sha256(
            self.secret.expose_secret(),
            &[text.as_bytes()],
        ))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // writing to a String can't fail
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};

    use super::*;

    #[test]
    fn it_is_the_hmac_of_rfc_4231() {
        // cases 1, 3 and 6; the RFC's shorter keys are not taken here
        let long = vec![0xaa_u8; 131];
        let key = Key::of(&long).expect("long enough");
        assert_eq!(
            key.sign("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        let key = Key::of(&[0x0b; 20]).expect("long enough");
        assert_eq!(
            key.sign("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn a_file_that_is_open_short_or_long_is_no_key_and_no_error_shows_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let secret = "0123456789abcdef-secret";
        std::fs::write(&path, format!("{secret}\n")).expect("written");
        for (mode, taken) in [(0o600, true), (0o640, true), (0o604, false), (0o602, false)] {
            set_permissions(&path, Permissions::from_mode(mode)).expect("mode");
            let read = Key::read(&path);
            assert_eq!(read.is_ok(), taken, "{mode:o}");
            assert!(!format!("{read:?}").contains(secret));
        }
        set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
        let key = Key::read(&path).expect("a key");
        assert_eq!(key.id(), Key::of(secret.as_bytes()).expect("a key").id());
        for bad in ["", "short\n", &"x".repeat(5000)] {
            std::fs::write(&path, bad).expect("written");
            let error = Key::read(&path).expect_err("no key");
            assert!(error.to_string().contains("key"), "{error}");
        }
        assert!(Key::read(dir.path()).is_err());
        assert!(Key::read(&dir.path().join("gone")).is_err());
    }
}
