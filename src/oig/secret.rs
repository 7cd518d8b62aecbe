//! Reads the password from its file and recognises it later by a salted digest; the password itself is never stored or shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::OigError;
use crate::given;

/// Rounds of hashing, so that a stolen store doesn't invite guessing.
const ROUNDS: u32 = 4_096;
/// No password is longer, bytes.
const LONGEST: u64 = 64 * 1024;

/// Tells whether a login and password are the ones that were refused, without keeping them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SecretDigest {
    /// Drawn anew for every digest.
    pub salt: String,
    /// Iterated SHA-256 over salt, login and password, in hex.
    pub sha256: String,
}

impl SecretDigest {
    /// A digest with a new salt.
    pub(super) fn new(login: &str, secret: &SecretString) -> Self {
        let salt = uuid::Uuid::now_v7().simple().to_string();
        let sha256 = digest(&salt, login, secret);
        Self { salt, sha256 }
    }

    /// True for the same login and password.
    pub(super) fn is_of(&self, login: &str, secret: &SecretString) -> bool {
        digest(&self.salt, login, secret) == self.sha256
    }
}

fn digest(salt: &str, login: &str, secret: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update([0]);
    hash.update(login);
    hash.update([0]);
    hash.update(secret.expose_secret());
    let mut sum = hash.finalize();
    for _ in 1..ROUNDS {
        sum = Sha256::new()
            .chain_update(salt)
            .chain_update(sum)
            .finalize();
    }
    sum.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads the password: the file's text without its last line break. A file that everybody may read is
/// refused, as the secret of the intake is; one that a group may read, as some service managers make it, is
/// only said.
///
/// # Errors
/// [`OigError::File`] with the path; [`OigError::Settings`] where the file is empty, holds several lines, or
/// can be read by everybody.
pub(super) fn read(path: &Path) -> Result<SecretString, OigError> {
    let failed = |source| OigError::File {
        path: path.to_owned(),
        source,
    };
    let file = given::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(OigError::Settings(format!(
            "the password file {} can be read by everybody (mode {mode:o}): chmod 600 it, and change the password",
            path.display()
        )));
    }
    if mode & 0o070 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:o}"),
            "the password file can be read by others than its owner: chmod 600 it"
        );
    }
    let bytes = given::all(file, LONGEST).map_err(failed)?;
    let text = SecretString::from(given::utf8(bytes).map_err(failed)?);
    let line = text.expose_secret();
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let wrong = |what: &str| {
        Err(OigError::Settings(format!(
            "the password file {} {what}; it must hold the password alone, on one line",
            path.display()
        )))
    };
    if line.starts_with('\u{feff}') {
        return wrong(
            "begins with a byte order mark (BOM), which an editor has put there and the server would not know",
        );
    }
    if line.is_empty() {
        return wrong("is empty");
    }
    if line.contains(['\n', '\r', '\0']) {
        return wrong("holds more than one line");
    }
    Ok(SecretString::from(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_break_is_no_part_of_the_password() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pw");
        std::fs::write(&path, "s3cr3t ä \r\n").expect("written");
        let mode = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("mode");
        };
        for open in [0o644, 0o604, 0o666] {
            mode(open);
            let refused = read(&path)
                .expect_err("everybody could know it")
                .to_string();
            assert!(refused.contains("by everybody"), "{refused}");
        }
        mode(0o640);
        assert!(read(&path).is_ok(), "a group may, and that is only said");
        mode(0o600);
        assert_eq!(read(&path).expect("read").expose_secret(), "s3cr3t ä ");
        std::fs::write(&path, "\u{feff}s3cr3t\n").expect("written");
        let refused = read(&path).expect_err("the server does not know it");
        assert!(refused.to_string().contains("byte order mark"), "{refused}");
        for bad in ["", "\n", "a\nb\n"] {
            std::fs::write(&path, bad).expect("written");
            assert!(matches!(read(&path), Err(OigError::Settings(_))), "{bad:?}");
        }
        let gone = read(&dir.path().join("gone"));
        assert!(matches!(gone, Err(OigError::File { .. })));
    }

    #[test]
    fn a_digest_knows_its_secret_and_its_login_and_shows_neither() {
        let secret = SecretString::from("open sesame");
        let digest = SecretDigest::new("amy", &secret);
        assert!(digest.is_of("amy", &secret));
        assert!(!digest.is_of("bob", &secret));
        assert!(!digest.is_of("amy", &SecretString::from("open sesam")));
        assert!(!format!("{digest:?}").contains("sesame"));
        assert_ne!(digest, SecretDigest::new("amy", &secret));
    }
}
