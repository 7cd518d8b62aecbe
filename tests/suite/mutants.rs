//! The patches that take guards out of the daemon still fit the sources and name drills that exist, so that they don't rot between two runs of `tests/mutants/run`; nothing is built or patched here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use provtaskd::governor::gate_names;
use provtaskd::guard::guard_names;

/// Guards and gates without a patch of their own, each with why.
const WITHOUT: [(&str, &str); 1] = [(
    "proof",
    "the types leave no way to ask with another proof; a unit test of the governor does",
)];

/// A patch as it lies beside the script.
struct Patch {
    name: String,
    guard: String,
    tests: Vec<String>,
    says: Vec<String>,
    /// What it wants to find and what it leaves, by file.
    hunks: Vec<(String, String, String)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str, text: &str) -> Patch {
    let (head, body) = text.split_once("\n--- ").expect("a head and a diff");
    let all = |key: &str| -> Vec<String> {
        let lines = head.lines().filter_map(|line| line.strip_prefix(key));
        lines.map(|value| value.trim().to_owned()).collect()
    };
    let mut hunks: Vec<(String, String, String)> = Vec::new();
    let mut file = String::new();
    for line in format!("--- {body}").lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@ ") {
            hunks.push((file.clone(), String::new(), String::new()));
        } else if let Some((_, old, new)) = hunks.last_mut()
            && !line.starts_with("--- a/")
        {
            let (mark, rest) = line.split_at(1);
            for (text, of) in [(old, '-'), (new, '+')] {
                if mark == " " || mark.starts_with(of) {
                    text.push_str(rest);
                    text.push('\n');
                }
            }
        }
    }
    Patch {
        name: name.to_owned(),
        guard: all("Guard: ").concat(),
        tests: all("Test: "),
        says: all("Says: "),
        hunks,
    }
}

fn patches() -> Vec<Patch> {
    let dir = root().join("tests/mutants");
    let mut names: Vec<_> = fs::read_dir(&dir)
        .expect("tests/mutants")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "patch"))
        .collect();
    names.sort();
    let patch = |path: &std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        read(&name, &fs::read_to_string(path).expect("a patch"))
    };
    names.iter().map(patch).collect()
}

/// Why a patch does not fit, if it does not: each hunk is to be found once, and to change something.
fn misfit(patch: &Patch, source: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if patch.hunks.is_empty() {
        return Some("it changes nothing".to_owned());
    }
    patch.hunks.iter().find_map(|(file, old, new)| {
        let Some(text) = source(file) else {
            return Some(format!("there is no {file}"));
        };
        // whole lines only
        let begins = text.match_indices('\n').map(|(at, _)| at + 1);
        let found = std::iter::once(0)
            .chain(begins)
            .filter(|at| text[*at..].starts_with(old.as_str()))
            .count();
        if old == new {
            return Some(format!("it leaves {file} as it is"));
        }
        (found != 1).then(|| format!("found {found} times in {file}, not once:\n{old}"))
    })
}

fn of_disk(file: &str) -> Option<String> {
    fs::read_to_string(root().join(file)).ok()
}

#[test]
fn every_patch_fits_the_sources() {
    let patches = patches();
    assert!(patches.len() >= 12, "{} patches", patches.len());
    let misfits: Vec<String> = patches
        .iter()
        .filter_map(|patch| {
            let why = misfit(patch, &of_disk)?;
            Some(format!("{}: {why}", patch.name))
        })
        .collect();
    assert!(
        misfits.is_empty(),
        "mend the patch, so that it takes out the same guard again:\n{}",
        misfits.join("\n")
    );
    for patch in &patches {
        let outside = patch
            .hunks
            .iter()
            .find(|(file, ..)| !file.starts_with("src/"));
        assert!(outside.is_none(), "{}: only the daemon changes", patch.name);
    }
}

#[test]
fn a_patch_that_does_not_fit_is_found_out() {
    let text = "Guard: g\nTest: t::x\nSays: s\n\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,2 @@\n one\n-two\n three\n";
    let patch = read("x", text);
    assert_eq!(patch.hunks.len(), 1);
    let fits = |source: &'static str| misfit(&patch, &move |_| Some(source.to_owned()));
    assert_eq!(fits("zero\none\ntwo\nthree\n"), None);
    for source in [
        "one\nthree\n",
        "one\ntwo and a half\nthree\n",
        "bone\ntwo\nthree\n",
        "one\ntwo\nthree\none\ntwo\nthree\n",
    ] {
        assert!(fits(source).is_some(), "{source:?}");
    }
    assert!(misfit(&patch, &|_| None).is_some(), "no such file");
    let idle = text.replace("-two\n", " two\n");
    let idle = read("x", &idle);
    assert!(misfit(&idle, &|_| Some("one\ntwo\nthree\n".to_owned())).is_some());
}

/// Each one names the guard, and for each drill that must fail what the failure says.
#[test]
fn every_patch_names_its_guard_and_a_drill_that_exists() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for patch in patches() {
        let name = &patch.name;
        assert!(!patch.guard.is_empty(), "{name} names no guard");
        assert!(!patch.tests.is_empty(), "{name} names no drill");
        assert_eq!(patch.tests.len(), patch.says.len(), "{name}");
        assert!(patch.says.iter().all(|words| words.len() > 3), "{name}");
        for test in &patch.tests {
            let (module, function) = test.split_once("::").expect("module::test");
            let text = files.entry(module.to_owned()).or_insert_with(|| {
                of_disk(&format!("tests/suite/{module}.rs")).unwrap_or_default()
            });
            let there = text.contains(&format!("\nasync fn {function}() {{"));
            assert!(there, "{name}: there is no drill {test}");
        }
    }
}

/// What is added to the guards and gates gets a patch of its own, or a reason for having none.
#[test]
fn every_guard_and_gate_has_a_patch() {
    let patched: BTreeSet<String> = patches()
        .iter()
        .flat_map(|patch| {
            let words = patch.guard.split('`').skip(1).step_by(2);
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let without = WITHOUT.map(|(name, _)| name);
    for name in guard_names().chain(gate_names()) {
        assert!(
            patched.contains(name) != without.contains(&name),
            "a patch in tests/mutants takes out `{name}`, or a reason says why none does"
        );
    }
}

/// The manual shows what the script printed last, for these very patches.
#[test]
fn the_manual_lists_every_patch() {
    let manual = of_disk("docs/testing.md").expect("docs/testing.md");
    for patch in patches() {
        let row = format!("| `{}` | {} |", patch.name, patch.guard);
        assert!(manual.contains(&row), "docs/testing.md lacks: {row}");
    }
}
