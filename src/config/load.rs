//! Reads a configuration file and resolves it; it never reads the environment, which is handed in.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::finding::{Finding, Severity, did_you_mean};
use super::lines::{Lines, line_at};
use super::raw::{Raw, SECTIONS};
use super::resolve::resolve;
use crate::given;
use crate::model::settings::{LogFormat, Settings};

/// The store's directory where none is configured.
pub const STORE_DIR: &str = "/var/lib/provtaskd";
/// The control socket in the store's directory, where none is configured.
pub const SOCKET: &str = "control.sock";

/// Larger files are not configurations.
const MAX_FILE: u64 = 1 << 20;

/// What of the environment matters; read in `cli` only.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// `$CREDENTIALS_DIRECTORY`, as systemd sets it.
    pub credentials_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`, as systemd sets it; of several the first.
    pub runtime_directory: Option<PathBuf>,
}

/// What the command line says against the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--store`
    pub store: Option<PathBuf>,
    /// `--socket`
    pub socket: Option<PathBuf>,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
}

/// A usable configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What is odd about it.
    pub warnings: Vec<Finding>,
}

/// The configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("can't read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// At least one finding is an error.
    #[error("the configuration {} has {} error(s)", path.display(), findings.iter().filter(|f| f.severity == Severity::Error).count())]
    Findings {
        /// The file.
        path: PathBuf,
        /// All findings, in the order of the file's sections.
        findings: Vec<Finding>,
    },
}

/// Reads and resolves a file.
///
/// # Errors
/// [`LoadError::Read`] with the path, or all findings at once.
pub fn load(path: &Path, env: &Env, overrides: &Overrides) -> Result<Loaded, LoadError> {
    let (path, text) = read(path)?;
    parse(&text, &path, env, overrides).map_err(|findings| LoadError::Findings { path, findings })
}

/// For `check` alone: settings with the default for each bad key, and all findings, errors among them.
///
/// # Errors
/// The file can't be read, or is no TOML.
pub fn examine(
    path: &Path,
    env: &Env,
    overrides: &Overrides,
) -> Result<(Settings, Vec<Finding>), LoadError> {
    let (path, text) = read(path)?;
    resolved(&text, &path, env, overrides)
        .map_err(|findings| LoadError::Findings { path, findings })
}

/// The absolute path and the text.
fn read(path: &Path) -> Result<(PathBuf, String), LoadError> {
    let read = |source| LoadError::Read {
        path: path.to_path_buf(),
        source,
    };
    let path = std::path::absolute(path).map_err(read)?;
    let size = std::fs::metadata(&path).map_err(read)?.len();
    if size > MAX_FILE {
        return Err(read(std::io::Error::other(format!(
            "it is {size} bytes long, more than a configuration can be"
        ))));
    }
    let bytes = given::read(&path, MAX_FILE).map_err(read)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(LoadError::Findings {
            findings: vec![not_utf8(&error)],
            path,
        }),
    }
}

/// The key of the line on which a byte stands, by its table; empty where the line has none before it.
fn key_before(bytes: &[u8], at: usize) -> String {
    let (before, _) = bytes.split_at_checked(at).unwrap_or_default();
    let key = String::from_utf8_lossy(before.rsplit(|byte| *byte == b'\n').next().unwrap_or(b""));
    let key = key.split('=').next().unwrap_or("").trim();
    let table = |line: &&[u8]| line.trim_ascii().starts_with(b"[");
    let table = before.rsplit(|byte| *byte == b'\n').find(table);
    let table = String::from_utf8_lossy(table.unwrap_or_default());
    let table = table.trim().trim_matches(['[', ']']).trim();
    let named = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if named {
        super::lines::join(table, key)
    } else {
        String::new()
    }
}

/// What the TOML reader says of a text, in words about configurations, and what to do.
fn in_words(message: &str) -> (String, String) {
    let number = message.contains("value was too large")
        || message.contains("value was too small")
        || (message.contains("integer `") && message.contains("128"));
    if number {
        return (
            "the number is beyond what can be counted (9223372036854775807)".to_owned(),
            "write a smaller one; docs/configuration.md says what each key takes".to_owned(),
        );
    }
    // a section of ours: a table was wanted, and something else stands there
    if message.contains(", expected struct ") || message.ends_with(", expected a map") {
        let what = message.strip_prefix("invalid type: ").unwrap_or(message);
        let what = what.split(", expected ").next().unwrap_or(what);
        return (
            format!("a table is wanted here, and {what} is given"),
            "write a line with the table's name in brackets, as [mode], and below it its keys, as global = \"enforce\"; docs/configuration.md lists them".to_owned(),
        );
    }
    (message.to_owned(), "mend the TOML at this line".to_owned())
}

/// Where a text stops being UTF-8.
fn not_utf8(error: &std::string::FromUtf8Error) -> Finding {
    let good = error.utf8_error().valid_up_to();
    let (before, rest) = error.as_bytes().split_at_checked(good).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    Finding {
        severity: Severity::Error,
        key: key_before(error.as_bytes(), good),
        line: Some(line),
        what: format!(
            "the byte 0x{:02x} is no UTF-8, which a configuration has to be",
            rest.first().copied().unwrap_or_default()
        ),
        hint: "save the file as UTF-8; Latin-1 and UTF-16 are other ways to write the same letters"
            .to_owned(),
    }
}

/// Where a daemon is found, when the configuration can't be used: its store and its control socket, from
/// what can still be read of the file, else by default. Orders must reach a daemon whatever was written
/// into its file since.
pub fn whereabouts(path: &Path, overrides: &Overrides) -> (PathBuf, PathBuf) {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let base = path.parent().unwrap_or(Path::new("/"));
    let bytes = given::read(&path, MAX_FILE).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (table, _) = DeTable::parse_recoverable(&text);
    let read = |section: &str, key: &str| {
        let section = table.get_ref().get(section)?.get_ref().as_table()?;
        let value = section.get(key)?.get_ref().as_str()?;
        (!value.trim().is_empty()).then(|| base.join(value))
    };
    let store = overrides.store.clone().or_else(|| read("store", "dir"));
    let store = store.unwrap_or_else(|| PathBuf::from(STORE_DIR));
    let socket = overrides
        .socket
        .clone()
        .or_else(|| read("admin", "socket").filter(|_| overrides.store.is_none()));
    let socket = socket.unwrap_or_else(|| store.join(SOCKET));
    (store, socket)
}

/// Resolves a text as if it had been read from `path` (absolute); no I/O.
///
/// # Errors
/// All findings, at least one of which is an error.
pub fn parse(
    text: &str,
    path: &Path,
    env: &Env,
    overrides: &Overrides,
) -> Result<Loaded, Vec<Finding>> {
    let (settings, findings) = resolved(text, path, env, overrides)?;
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Err(findings);
    }
    Ok(Loaded {
        settings,
        warnings: findings,
    })
}

/// Settings and all findings; an error where the text is no TOML.
fn resolved(
    text: &str,
    path: &Path,
    env: &Env,
    overrides: &Overrides,
) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    let lines = Lines::of(text);
    let mut unknown = Vec::new();
    // only the message of a TOML error is shown: its excerpt could hold a password
    let syntax = |error: toml::de::Error| {
        let (what, hint) = in_words(error.message());
        let span = error.span().filter(|span| *span != (0..0));
        vec![Finding {
            severity: Severity::Error,
            key: span
                .as_ref()
                .map(|span| key_before(text.as_bytes(), span.start))
                .unwrap_or_default(),
            line: span.map(|span| line_at(text, span.start)),
            what,
            hint,
        }]
    };
    let deserializer = toml::Deserializer::parse(text).map_err(syntax)?;
    let raw: Raw = serde_ignored::deserialize(deserializer, |path| unknown.push(key_path(&path)))
        .map_err(syntax)?;
    let strangers: Vec<Finding> = unknown.iter().map(|key| stranger(key, &lines)).collect();
    let (settings, findings) = resolve(&raw, &lines, path, env, overrides);
    Ok((settings, strangers.into_iter().chain(findings).collect()))
}

fn key_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path as P;
    match path {
        P::Root => String::new(),
        P::Map { parent, key } => super::lines::join(&key_path(parent), key),
        P::Seq { parent, index } => super::lines::join(&key_path(parent), &index.to_string()),
        P::Some { parent } | P::NewtypeStruct { parent } | P::NewtypeVariant { parent } => {
            key_path(parent)
        }
    }
}

fn stranger(key: &str, lines: &Lines) -> Finding {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let lower = name.to_ascii_lowercase();
    let secret = (matches!(section, "server" | "mail") || section.starts_with("login."))
        && ["password", "passwd", "secret", "token", "pass"].contains(&lower.as_str());
    let (what, hint) = if secret {
        (
            "a password must not stand in the configuration".to_owned(),
            "move it into a file of its own, name that as password_file, and change the password: this file may have been read".to_owned(),
        )
    } else {
        let hint = in_another_table(key).unwrap_or_else(|| nearest(section, name));
        ("is not a known key".to_owned(), hint)
    };
    Finding {
        severity: Severity::Error,
        key: key.to_owned(),
        line: lines.line(key),
        what,
        hint,
    }
}

/// A key that was written in full below a table belongs to that table: as where `mode.global = "enforce"` is
/// appended to a file.
fn in_another_table(key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    let is_table = |path: &str| {
        let below = |s: &str| {
            s.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        SECTIONS.iter().any(|s| s.path == path || below(s.path))
    };
    let (above, path) = (1..parts.len()).find_map(|from| {
        let (above, path) = parts.split_at_checked(from)?;
        let path = path.join(".");
        is_table(&path).then(|| (above.join("."), path))
    })?;
    Some(format!(
        "it stands below [{above}], and so belongs to that table: write the line before the first table of the file, or its last part below a line [{path}]"
    ))
}

fn nearest(section: &str, name: &str) -> String {
    let table = if section.starts_with("governor.targets.") {
        "governor.default"
    } else if section.starts_with("login.") {
        "login"
    } else {
        section
    };
    let near = match SECTIONS.iter().find(|s| s.path == table) {
        Some(found) => did_you_mean(name, found.keys.iter().map(|k| k.name)),
        None => did_you_mean(name, SECTIONS.iter().map(|s| s.path)),
    };
    if let Some(near) = near {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = SECTIONS
        .iter()
        .find(|s| s.keys.iter().any(|k| k.name == name));
    match elsewhere {
        Some(other) => format!("it belongs into [{}]", other.path),
        None => "remove it; docs/configuration.md lists every key".to_owned(),
    }
}
