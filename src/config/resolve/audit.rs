//! The section `[audit]`: when and where the journal's head is noted; no file is opened here.

use super::super::raw::AuditRaw;
use super::super::read::Reader;
use super::{DAY, HOUR, MINUTE};
use crate::model::settings::AuditSettings;

pub(super) fn resolve(r: &mut Reader<'_>, raw: &AuditRaw) -> AuditSettings {
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
        anchor_file: r.path("audit.anchor_file", &raw.anchor_file),
        anchor_file_max: r.number(
            "audit.anchor_file_max",
            &raw.anchor_file_max,
            64 << 20,
            4096,
            1 << 40,
        ),
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
    if settings.anchor_required && settings.anchor_file.is_none() {
        r.error(
            "audit.anchor_required",
            "is set without `anchor_file`",
            "name the file that has to be written, or leave it out",
        );
    }
    settings
}
