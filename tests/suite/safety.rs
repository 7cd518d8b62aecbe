//! The safety manual equals the code: its tables are generated and compared, never written by hand.

use provtaskd::governor::gate_names;
use provtaskd::guard::guard_names;
use provtaskd::model::{RefusalReason, attempt};

fn reasons() -> String {
    let mut out = String::from("| reason | meaning | what helps |\n|---|---|---|\n");
    for reason in RefusalReason::ALL {
        out.push_str(&format!(
            "| `{reason}` | {} | {} |\n",
            reason.explanation().trim(),
            reason.remedy()
        ));
    }
    out
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("1. `{name}`\n")).collect()
}

#[test]
fn the_safety_manual_shows_the_tables_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/safety.md");
    let mut doc = std::fs::read_to_string(path).expect("docs/safety.md");
    let before = doc.clone();
    for (name, table) in [
        ("guards", list(guard_names())),
        ("gates", list(gate_names())),
        ("reasons", reasons()),
        ("states", attempt::states()),
        ("attempts", attempt::table()),
    ] {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let from = doc.find(&begin).expect("the section's begin") + begin.len();
        let to = doc.find(&end).expect("the section's end");
        doc.replace_range(from..to, &table);
    }
    if doc != before && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &doc).expect("docs/safety.md is writable");
        return;
    }
    assert_eq!(before, doc, "run this test once with UPDATE_DOCS=1");
}
