//! Bad inputs beside the configuration: the store, the server, and what was typed; a case must say what the message names.

use std::fs;

use provtaskd::cli::failure::Kind;

use crate::inputs::{Case, nothing};

/// What is wrong with the store, the server, and what was typed.
pub const OTHERS: &[Case] = &[
    Case {
        name: "a file for a store",
        config: "",
        spoil: |dir| fs::write(dir.join("store"), "x").expect("written"),
        args: &["status"],
        kind: Kind::Store,
        says: &["store", "not a directory"],
    },
    Case {
        name: "a file for a store, at start",
        config: "",
        spoil: |dir| fs::write(dir.join("store"), "x").expect("written"),
        args: &["run"],
        kind: Kind::Store,
        says: &["store", "not a directory"],
    },
    Case {
        name: "a store where none can be",
        config: "",
        spoil: nothing,
        args: &["--store", "/proc/nowhere", "run"],
        kind: Kind::Store,
        says: &["the store", "/proc/nowhere"],
    },
    Case {
        name: "a journal that is none",
        config: "",
        spoil: |dir| {
            fs::create_dir(dir.join("store")).expect("made");
            fs::write(dir.join("store/journal"), "x").expect("written");
        },
        args: &["status"],
        kind: Kind::Store,
        says: &["store/journal"],
    },
    Case {
        name: "an unreachable server",
        config: "",
        spoil: nothing,
        args: &["plan"],
        kind: Kind::Unreachable,
        says: &["can't connect to http://127.0.0.1:9"],
    },
    Case {
        name: "an unreachable server, one cycle",
        config: "",
        spoil: nothing,
        args: &["run", "--once"],
        kind: Kind::Unreachable,
        says: &["can't connect to http://127.0.0.1:9"],
    },
    Case {
        name: "no daemon",
        config: "",
        spoil: nothing,
        args: &["reload"],
        kind: Kind::Unreachable,
        says: &["no daemon listens"],
    },
    Case {
        name: "a lineage that is none",
        config: "",
        spoil: nothing,
        args: &["outcomes", "show", "Lxyz"],
        kind: Kind::Data,
        says: &["`Lxyz`", "lineage"],
    },
    Case {
        name: "a lineage that is not there",
        config: "",
        spoil: nothing,
        args: &["outcomes", "show", "L99"],
        kind: Kind::Data,
        says: &["`L99`"],
    },
    Case {
        name: "a task that is not there, in a store that is not there",
        config: "",
        spoil: nothing,
        args: &["outcomes", "show", "4711"],
        kind: Kind::Data,
        says: &["`4711`"],
    },
    Case {
        name: "an inbox item that is not there",
        config: "",
        spoil: nothing,
        args: &["approve", "nonsense", "--why", "x"],
        kind: Kind::Data,
        says: &["`nonsense`", "inbox"],
    },
    Case {
        name: "a backlog that is not there",
        config: "",
        spoil: nothing,
        args: &["approve", "baseline:NOWHERE", "--why", "x"],
        kind: Kind::Data,
        says: &["NOWHERE"],
    },
    Case {
        name: "a policy set that was never loaded",
        config: "",
        spoil: nothing,
        args: &[
            "policy", "release", "deadbeef", "--person", "A", "--word", "B",
        ],
        kind: Kind::Data,
        says: &["deadbeef"],
    },
    Case {
        name: "a definition that nobody has learned",
        config: "",
        spoil: nothing,
        args: &["forget", "AD/Nothing"],
        kind: Kind::Data,
        says: &["AD/nothing"],
    },
    Case {
        name: "a definition that is none",
        config: "",
        spoil: nothing,
        args: &["forget", "Nothing"],
        kind: Kind::Usage,
        says: &["`Nothing`"],
    },
    Case {
        name: "a pause that is not there",
        config: "",
        spoil: nothing,
        args: &["resume", "--target", "AD"],
        kind: Kind::Data,
        says: &["not paused"],
    },
    Case {
        name: "a duration that is none",
        config: "",
        spoil: nothing,
        args: &["pause", "--why", "x", "--for", "never"],
        kind: Kind::Usage,
        says: &["never", "30m"],
    },
    Case {
        name: "an action that is none",
        config: "",
        spoil: nothing,
        args: &["plan", "--action", "fly"],
        kind: Kind::Usage,
        says: &["fly", "reassign"],
    },
    Case {
        name: "a scenario that is not there",
        config: "",
        spoil: nothing,
        args: &["sim", "--scenario", "nope"],
        kind: Kind::Data,
        says: &["nope"],
    },
    Case {
        name: "a scenario with an unknown key",
        config: "",
        spoil: |dir| fs::write(dir.join("s.toml"), "[[target]]\nnam = \"x\"\n").expect("written"),
        args: &["sim", "--scenario", "s.toml"],
        kind: Kind::Data,
        says: &["line 2", "nam"],
    },
    Case {
        name: "a simulator for the whole network",
        config: "",
        spoil: nothing,
        args: &["sim", "--bind", "0.0.0.0:0"],
        kind: Kind::Data,
        says: &["loopback"],
    },
];
