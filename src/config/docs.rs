//! The documentation and the full example that follow from the key table; they never differ from what the code reads.

use std::fmt::Write as _;

use super::raw::{Fill, SECTIONS};

/// The tables of docs/configuration.md.
pub fn key_tables() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let doc = section.doc.trim();
        // writing to a String can't fail
        let (open, close) = brackets(section.is_repeated());
        let _ = write!(
            out,
            "### `{open}{}{close}`\n\n{doc}\n\n| key | default | meaning |\n|---|---|---|\n",
            section.path
        );
        for key in section.keys {
            let fill = match key.fill {
                Fill::Required(example) => format!("required, e.g. `{example}`"),
                Fill::Default(value) => format!("`{value}`"),
                Fill::Optional(example) => format!("none; e.g. `{example}`"),
            };
            let _ = writeln!(out, "| `{}` | {fill} | {} |", key.name, key.doc);
        }
        out.push('\n');
    }
    out
}

/// examples/full.toml: every key with its default; keys without a default are commented out.
pub fn full_example() -> String {
    let mut out = String::from(
        "# Every key of provtaskd with its default. Made from the code; see docs/configuration.md.\n# Keys without a default are commented out. Start from provtaskd.toml, not from this file.\n",
    );
    for section in SECTIONS {
        // a table that need not be there has no defaults to show
        let repeated = section.is_repeated();
        let (open, close) = brackets(repeated);
        let mark = if repeated { "#" } else { "" };
        let (doc, path) = (section.doc.trim(), section.path);
        let _ = write!(out, "\n# {doc}\n{mark}{open}{path}{close}\n");
        for key in section.keys {
            let _ = writeln!(out, "# {}", key.doc);
            let _ = match key.fill {
                Fill::Required(value) | Fill::Default(value) => {
                    writeln!(out, "{mark}{} = {value}", key.name)
                }
                Fill::Optional(value) => writeln!(out, "#{} = {value}", key.name),
            };
        }
    }
    out.push_str("\n# Limits of one target; what is left out comes from [governor.default].\n#[governor.targets.\"Active Directory\"]\n#per_minute = 30\n");
    out
}

fn brackets(repeated: bool) -> (&'static str, &'static str) {
    if repeated { ("[[", "]]") } else { ("[", "]") }
}
