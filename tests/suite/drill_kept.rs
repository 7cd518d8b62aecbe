//! Drills of what the store keeps of others' free text: a task's note, which no policy reads, may say why somebody is away.

use std::fs;
use std::path::Path;

use crate::drill::Setup;

/// Files below a directory that hold a text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(holding(&path, text));
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        if bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            out.push(path.display().to_string());
        }
    }
    out
}

/// "Of the note only our line is recorded" (docs/safety.md); of an absence nothing but interval, source and "away" is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_note_of_a_task_that_no_policy_reads_is_not_kept() {
    let world = r#"
name = "kept"
seed = 91
[[user]]
login = "JDOE"
[[target]]
name = "AD"
[[task]]
id = 5001
target = "AD"
user = "JDOE"
task = "Telephone Updated"
failure = "network"
note = "QQZILLNESS of Anne, back in May"
"#;
    let mut drill = Setup::of(world).enforcing().await;
    drill.run_for("1h").await;
    let store = drill.store();
    drill.stop();
    let kept = holding(&store, "QQZILLNESS");
    drill.judged_elsewhere();
    assert!(kept.is_empty(), "kept in {kept:?}");
}
