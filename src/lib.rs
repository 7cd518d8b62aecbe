//! provtaskd: decides which failed or stranded Oracle Identity Governance provisioning tasks to retry, reassign or leave alone, and never repeats an attempt by mistake.
//!
//! ```text
//!  source ──► Snapshot ──► policy ──► Decision ──► guard + governor ──► Admitted ──► batcher ──┐
//!  (poll, hints)           (+ Facts)                                                           ▼
//!                                                                               ledger.claim(batch)
//!                                                                                              │
//!  ledger.settle ◄── Outcome ◄── verify ◄── Receipt ◄── deliver ◄── Batch<Claimed> ◄────────────┘
//! ```
//!
//! Data flows one way. Each room may import only the rooms that its row in [`ROOMS`] names;
//! a test parses every path in `src/` and fails on an edge that the table does not allow.
#![forbid(unsafe_code)]

pub mod absence;
pub mod admin;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod daily;
pub mod dispatch;
pub mod given;
pub mod governor;
pub mod guard;
pub mod ledger;
pub mod mail;
pub mod model;
pub mod oig;
pub mod policy;
pub mod sim;
pub mod source;
pub mod survey;
pub mod telemetry;
pub mod traits;

/// Who may import whom: a room, and what it may name beside itself. The longest row that fits a
/// file counts; an entry such as `governor::Admitted` allows that path alone. Inside a test module
/// everything is allowed. Checked by `tests/suite/architecture.rs`.
pub const ROOMS: &[(&str, &[&str])] = &[
    // floor 0
    ("model", &[]),
    // floor 1: pure
    ("calendar", &["model"]),
    ("policy", &["model", "calendar"]),
    ("guard", &["model"]),
    ("governor", &["model", "guard"]),
    (
        "dispatch::batch",
        &["model", "governor::Admitted", "governor::Lane"],
    ),
    // what was read and decided becomes a report, and a report becomes text
    ("survey", &["model"]),
    // what makes a text harmless in HTML is one thing
    ("daily", &["model", "survey::render"]),
    // what answers were like; their texts are masked as the survey's are
    ("traits", &["model", "survey::mask"]),
    ("config::raw", &[]),
    // floor 2: I/O
    // how a file is opened that somebody has named, for all who do
    ("given", &[]),
    ("policy::load", &["model", "policy", "given"]),
    // cron lines are read where they are written
    ("config", &["model", "calendar", "given"]),
    ("telemetry", &["model"]),
    ("control", &["model"]),
    ("absence", &["model", "calendar", "given"]),
    ("oig", &["model", "given"]),
    ("source", &["model", "oig", "given"]),
    // a claim is made of what the governor admitted, in batches; nothing else of both rooms is known here
    (
        "ledger",
        &[
            "model",
            "given",
            "governor::Admitted",
            "governor::Lane",
            "dispatch::batch",
        ],
    ),
    ("dispatch", &["model", "governor", "ledger", "oig"]),
    // a finished report by SMTP: what is in it is not its matter
    ("mail", &["model", "given"]),
    // floor 3: the stand-in knows nothing of the client that is tested against it
    ("sim", &[]),
    ("admin", &["telemetry"]),
    (
        "daemon",
        &[
            "model",
            "given",
            "calendar",
            "policy",
            "guard",
            "governor",
            "absence",
            "oig",
            "source",
            "dispatch",
            "ledger",
            "config",
            "telemetry",
            "control",
            "admin",
            "survey",
            "daily",
            "traits",
        ],
    ),
    // floor 4
    (
        "cli",
        &[
            "model",
            "given",
            "absence",
            "calendar",
            "policy",
            "config",
            "telemetry",
            "control",
            "sim",
            "survey",
            "daily",
            "mail",
            "traits",
            "daemon",
            // commands for a store that nobody holds: there is no daemon to ask
            "ledger::upkeep",
        ],
    ),
];
