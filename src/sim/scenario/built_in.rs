//! The scenarios that ship inside the binary; it must never read a file at run time.

const SHIPPED: &[(&str, &str)] = &[
    (
        "backlog",
        include_str!("../../../examples/scenarios/backlog.toml"),
    ),
    (
        "bench",
        include_str!("../../../examples/scenarios/bench.toml"),
    ),
    (
        "demo",
        include_str!("../../../examples/scenarios/demo.toml"),
    ),
    (
        "faults",
        include_str!("../../../examples/scenarios/faults.toml"),
    ),
    (
        "first-day",
        include_str!("../../../examples/scenarios/first-day.toml"),
    ),
    (
        "leave",
        include_str!("../../../examples/scenarios/leave.toml"),
    ),
    (
        "manual",
        include_str!("../../../examples/scenarios/manual.toml"),
    ),
    (
        "outage",
        include_str!("../../../examples/scenarios/outage.toml"),
    ),
    (
        "retired",
        include_str!("../../../examples/scenarios/retired.toml"),
    ),
    (
        "siblings",
        include_str!("../../../examples/scenarios/siblings.toml"),
    ),
    (
        "small",
        include_str!("../../../examples/scenarios/small.toml"),
    ),
    (
        "stale",
        include_str!("../../../examples/scenarios/stale.toml"),
    ),
    (
        "successors",
        include_str!("../../../examples/scenarios/successors.toml"),
    ),
];

/// The text of a shipped scenario.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// All their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}
