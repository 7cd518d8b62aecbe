//! The section `[audit]`: when and where the journal's head is noted; no file is opened here.

use std::path::{Path, PathBuf};

use super::super::raw::AuditRaw;
use super::super::read::Reader;
use super::{DAY, HOUR, MINUTE};
use crate::model::settings::AuditSettings;

/// Where anchors are noted beside the store's directory, and in it: a copy of that directory takes none of them along.
const BESIDE: &str = "-anchors";
const FILE: &str = "anchors.jsonl";

/// Beside the store, in a directory of their own, so that a service which may write to a few directories alone can be
/// given it; none beside a directory without a name.
fn beside(store: &Path) -> Option<PathBuf> {
    let mut name = store.file_name()?.to_owned();
    name.push(BESIDE);
    Some(store.with_file_name(name).join(FILE))
}

pub(super) fn resolve(
    r: &mut Reader<'_>,
    raw: &AuditRaw,
    store: &Path,
    runtime: Option<&Path>,
) -> AuditSettings {
    let named = r.path("audit.anchor_file", &raw.anchor_file);
    let settings = AuditSettings {
        anchor_every: r.duration(
            "audit.anchor_every",
            &raw.anchor_every,
            HOUR,
            MINUTE,
            DAY * 7,
        ),
        anchor_records: r.number(
            "audit.anchor_records",
            &raw.anchor_records,
            10_000,
            100,
            10_000_000,
        ),
        anchor_file_named: named.is_some(),
        anchor_file: named.or_else(|| beside(store)),
        anchor_file_max: r.number(
            "audit.anchor_file_max",
            &raw.anchor_file_max,
            64 << 20,
            4096,
            1 << 40,
        ),
        anchor_run: runtime.map(|dir| dir.join(FILE)),
        anchor_required: r
            .plain("audit.anchor_required", &raw.anchor_required)
            .unwrap_or(false),
        hmac_key_file: r.path("audit.hmac_key_file", &raw.hmac_key_file),
        former_hmac_key_files: r.paths("audit.former_hmac_key_files", &raw.former_hmac_key_files),
    };
    if settings.hmac_key_file.is_none() && !settings.former_hmac_key_files.is_empty() {
        r.error(
            "audit.former_hmac_key_files",
            "is set without `hmac_key_file`: without a key that signs, any line of the file counts",
            "name the key that signs now, or leave it out",
        );
    }
    if settings.anchor_required && !settings.anchor_file_named {
        r.error(
            "audit.anchor_required",
            "is set without `anchor_file`",
            "name the file that has to be written, or leave it out",
        );
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_beside_the_store_and_never_in_it() {
        for (store, file) in [
            (
                "/var/lib/provtaskd",
                Some("/var/lib/provtaskd-anchors/anchors.jsonl"),
            ),
            (
                "/var/lib/provtaskd/",
                Some("/var/lib/provtaskd-anchors/anchors.jsonl"),
            ),
            ("store", Some("store-anchors/anchors.jsonl")),
            ("/", None),
            ("/srv/..", None),
        ] {
            assert_eq!(
                beside(Path::new(store)).as_deref(),
                file.map(Path::new),
                "{store}"
            );
        }
    }
}
