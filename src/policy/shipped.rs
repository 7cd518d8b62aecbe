//! The policies, tables and cases that are part of the binary; texts only.

/// The policies, in file-name order.
pub const POLICIES: &[(&str, &str)] = &[
    (
        "10-manual.rhai",
        include_str!("../../policies/10-manual.rhai"),
    ),
    (
        "20-absence.rhai",
        include_str!("../../policies/20-absence.rhai"),
    ),
    (
        "30-retry.rhai",
        include_str!("../../policies/30-retry.rhai"),
    ),
    (
        "40-escalate.rhai",
        include_str!("../../policies/40-escalate.rhai"),
    ),
    (
        "90-leave.rhai",
        include_str!("../../policies/90-leave.rhai"),
    ),
];

/// The kinds table.
pub const KINDS: (&str, &str) = ("kinds.toml", include_str!("../../policies/kinds.toml"));
/// The reasons table.
pub const REASONS: (&str, &str) = ("reasons.toml", include_str!("../../policies/reasons.toml"));

/// The cases, by file name.
pub const CASES: &[(&str, &str)] = &[
    (
        "10-manual.test.toml",
        include_str!("../../policies/10-manual.test.toml"),
    ),
    (
        "20-absence.test.toml",
        include_str!("../../policies/20-absence.test.toml"),
    ),
    (
        "30-retry.test.toml",
        include_str!("../../policies/30-retry.test.toml"),
    ),
    (
        "40-escalate.test.toml",
        include_str!("../../policies/40-escalate.test.toml"),
    ),
    (
        "90-leave.test.toml",
        include_str!("../../policies/90-leave.test.toml"),
    ),
    (
        "kinds.test.toml",
        include_str!("../../policies/kinds.test.toml"),
    ),
    (
        "reasons.test.toml",
        include_str!("../../policies/reasons.test.toml"),
    ),
];
