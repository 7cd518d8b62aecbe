//! Brings policy files into memory: a directory, or the shipped set inside the binary; the only file here that reads the disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, PolicyError};
use super::set::{PolicySet, Source, Sources};
use super::shipped;
use crate::given;
use crate::model::PolicyHash;
use crate::model::settings::PolicySettings;

/// Largest file that is taken for a policy, a table or cases, bytes.
const MOST_BYTES: u64 = 256 * 1024;

/// Loads and compiles the policy set that the settings name.
///
/// # Errors
/// All findings at once: unreadable files with their path, scripts and tables with line and excerpt.
pub fn load(settings: &PolicySettings) -> Result<PolicySet, PolicyError> {
    let named = |mut error: PolicyError| {
        if let Some(dir) = &settings.dir {
            error
                .findings
                .iter_mut()
                .for_each(|found| place(dir, found));
        }
        PolicyError {
            dir: settings.dir.clone(),
            ..error
        }
    };
    of_settings(settings).map_err(named)
}

/// Names the file of a finding as it can be opened; tables that are not in the directory are those that ship.
fn place(dir: &Path, found: &mut Diagnostic) {
    let path = dir.join(&*found.file);
    // what can't be read is named so already
    if path.is_file() {
        found.file = path.display().to_string().into();
    }
}

/// Stands for a set that can't be read, where none is asked: the shipped one under the hash of the set in force.
///
/// # Errors
/// As [`load`], of the shipped set.
pub fn unread(in_force: Option<PolicyHash>) -> Result<PolicySet, PolicyError> {
    let hash = in_force.unwrap_or_else(|| PolicyHash::new("none"));
    Ok(PolicySet::compile(shipped_sources())?.under(hash))
}

fn of_settings(settings: &PolicySettings) -> Result<PolicySet, PolicyError> {
    let (mut sources, mut findings) = match &settings.dir {
        Some(dir) => read_dir(dir)?,
        None => (shipped_sources(), Vec::new()),
    };
    sources.configured_kinds.clone_from(&settings.kinds);
    let lib_missing = findings.iter().any(|found| is_lib(&found.file));
    match PolicySet::compile(sources) {
        Ok(set) if findings.is_empty() => Ok(set),
        Ok(_) => Err(found(findings)),
        // what a file that can't be read would have said is not held against the ones that import it
        Err(_) if lib_missing => Err(found(findings)),
        Err(error) => {
            findings.extend(error.findings);
            Err(found(findings))
        }
    }
}

fn found(findings: Vec<Diagnostic>) -> PolicyError {
    PolicyError {
        findings,
        dir: None,
    }
}

/// True for a file in the directory of modules.
fn is_lib(file: &str) -> bool {
    let dir = Path::new(file).parent().and_then(Path::file_name);
    dir.is_some_and(|name| name == "lib")
}

/// The shipped set's texts.
pub fn shipped_sources() -> Sources {
    Sources {
        policies: shipped::POLICIES.iter().map(owned).collect(),
        libs: Vec::new(),
        kinds: owned(&shipped::KINDS),
        reasons: owned(&shipped::REASONS),
        configured_kinds: Vec::new(),
    }
}

/// The cases beside the policies: those of the directory, or the shipped ones.
///
/// # Errors
/// Unreadable files with their path.
pub fn cases(dir: Option<&Path>) -> Result<Vec<Source>, PolicyError> {
    let Some(dir) = dir else {
        return Ok(shipped::CASES.iter().map(owned).collect());
    };
    let mut findings = Vec::new();
    let mut cases = Vec::new();
    for (name, path) in list(dir, ".test.toml")? {
        match read(&path) {
            Ok(text) => cases.push((name, text)),
            Err(found) => findings.push(found),
        }
    }
    if findings.is_empty() {
        Ok(cases)
    } else {
        Err(found(findings))
    }
}

fn owned(source: &(&str, &str)) -> Source {
    (source.0.to_owned(), source.1.to_owned())
}

/// What could be read, and what could not; a table that can't be read is the shipped one meanwhile.
fn read_dir(dir: &Path) -> Result<(Sources, Vec<Diagnostic>), PolicyError> {
    let mut findings = Vec::new();
    let mut take = |files: Vec<(String, PathBuf)>, prefix: &str| -> Vec<Source> {
        let mut out = Vec::new();
        for (name, path) in files {
            match read(&path) {
                Ok(text) => out.push((format!("{prefix}{name}"), text)),
                Err(found) => findings.push(found),
            }
        }
        out
    };
    let policies = take(list(dir, ".rhai")?, "");
    let lib = dir.join("lib");
    let libs = if lib.is_dir() {
        take(list(&lib, ".rhai")?, "lib/")
    } else {
        Vec::new()
    };
    let mut table = |shipped: &(&str, &str)| -> Source {
        let path = dir.join(shipped.0);
        if !path.exists() {
            return owned(shipped);
        }
        take(vec![(shipped.0.to_owned(), path)], "")
            .pop()
            .unwrap_or_else(|| owned(shipped))
    };
    let kinds = table(&shipped::KINDS);
    let reasons = table(&shipped::REASONS);
    let sources = Sources {
        policies,
        libs,
        kinds,
        reasons,
        configured_kinds: Vec::new(),
    };
    Ok((sources, findings))
}

/// Files of a directory by the end of their name, sorted; hidden ones (editors' leftovers) don't count.
fn list(dir: &Path, end: &str) -> Result<Vec<(String, PathBuf)>, PolicyError> {
    let failed = |error: std::io::Error| {
        PolicyError::from(
            Diagnostic::file(
                &dir.display().to_string(),
                format!("can't read the directory: {error}"),
            )
            .hint("policy.dir must name a directory that this user may read"),
        )
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(end) && !name.starts_with('.') {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, Diagnostic> {
    let at = path.display().to_string();
    let failed = |error: std::io::Error| Diagnostic::file(&at, format!("can't read it: {error}"));
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MOST_BYTES {
        return Err(Diagnostic::file(
            &at,
            format!("has {size} bytes; a file of a policy set has at most {MOST_BYTES}"),
        ));
    }
    given::text(path, MOST_BYTES).map_err(failed)
}
