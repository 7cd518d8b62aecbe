//! Parses every file in src/ and fails on an import that the table in src/lib.rs does not allow, on a file that grew too long or lacks its first sentence.

use std::path::{Path, PathBuf};

use provtaskd::ROOMS;
use syn::visit::{self, Visit};

const MAX_LINES: usize = 600;

/// Files that have to be split yet, with the length they may not exceed until then.
const TO_SPLIT: &[(&str, usize)] = &[("governor/machine.rs", 760), ("ledger/handle.rs", 900)];

/// Collects the absolute paths (without `crate`) that a file names, outside of test code.
struct Edges {
    module: Vec<String>,
    found: Vec<String>,
}

impl Edges {
    fn of(module: &[&str], source: &str) -> Result<Vec<String>, syn::Error> {
        let mut edges = Self {
            module: module.iter().map(|part| (*part).to_owned()).collect(),
            found: Vec::new(),
        };
        edges.visit_file(&syn::parse_file(source)?);
        Ok(edges.found)
    }

    fn add(&mut self, segments: &[String]) {
        let mut at = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    at.pop();
                }
                name => at.push(name.to_owned()),
            }
        }
        if !at.is_empty() {
            self.found.push(at.join("::"));
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.tree(item, prefix);
                }
            }
            syn::UseTree::Name(name) => {
                prefix.push(name.ident.to_string());
                self.add(prefix);
                prefix.pop();
            }
            syn::UseTree::Rename(name) => {
                prefix.push(name.ident.to_string());
                self.add(prefix);
                prefix.pop();
            }
            syn::UseTree::Glob(_) => self.add(prefix),
        }
    }
}

/// `cfg(test)` stands on the item.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("cfg")
            && matches!(&a.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Edges {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.add(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        // tokens of a macro are not parsed: every `crate::…` in them counts
        let text = mac.tokens.to_string().replace(' ', "");
        for rest in text.split("crate::").skip(1) {
            let path: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                .collect();
            let mut segments = vec!["crate".to_owned()];
            segments.extend(
                path.split("::")
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned),
            );
            self.add(&segments);
        }
        visit::visit_macro(self, mac);
    }
}

fn starts_with(path: &str, prefix: &str) -> bool {
    path == prefix
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with("::"))
}

/// The row of a module: the longest that fits.
fn row(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    ROOMS
        .iter()
        .filter(|(room, _)| starts_with(module, room))
        .max_by_key(|(room, _)| room.len())
        .copied()
}

fn allowed(module: &str, edge: &str) -> bool {
    row(module).is_some_and(|(room, may)| {
        starts_with(edge, room) || may.iter().any(|entry| starts_with(edge, entry))
    })
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, Vec<String>, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).expect("inside").with_extension("");
            let mut module: Vec<String> = inside
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let text = std::fs::read_to_string(&path).expect("readable");
            (inside.with_extension("rs"), module, text)
        })
        .collect()
}

#[test]
fn no_room_imports_what_the_table_does_not_allow() {
    let mut wrong = Vec::new();
    for (path, module, text) in sources() {
        let parts: Vec<&str> = module.iter().map(String::as_str).collect();
        if matches!(parts.as_slice(), ["lib" | "main"]) {
            continue;
        }
        let name = module.join("::");
        let edges = Edges::of(&parts, &text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for edge in edges {
            if !allowed(&name, &edge) {
                wrong.push(format!("{}: {name} names {edge}", path.display()));
            }
        }
    }
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "not in ROOMS of src/lib.rs:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_room_has_a_row_and_every_row_a_room() {
    let modules: Vec<String> = sources().iter().map(|(_, m, _)| m.join("::")).collect();
    for module in modules
        .iter()
        .filter(|m| !matches!(m.as_str(), "lib" | "main"))
    {
        assert!(row(module).is_some(), "{module} has no row in ROOMS");
    }
    for (room, may) in ROOMS {
        assert!(
            modules.iter().any(|m| starts_with(m, room)),
            "{room} is no room"
        );
        for entry in *may {
            let top = entry.split("::").next().unwrap_or(entry);
            assert!(modules.iter().any(|m| m == top), "{entry} is no room");
        }
    }
}

#[test]
fn the_check_sees_every_way_to_name_a_room() {
    let source = "use crate::oig::client::Client;\nuse super::super::sim as other;\nuse crate::{model::Task, ledger::{self, Store}};\nfn f() -> crate::daemon::X { g!(crate::cli::y()) }\n#[cfg(test)] mod tests { use crate::admin::Z; }\nmod inner { use super::super::admin::Q; }\n";
    let edges = Edges::of(&["guard", "stale"], source).expect("parses");
    for expected in [
        "oig::client::Client",
        "sim",
        "model::Task",
        "ledger::Store",
        "daemon::X",
        "cli::y",
        "guard::admin::Q",
    ] {
        assert!(
            edges.iter().any(|e| e == expected),
            "{expected} in {edges:?}"
        );
    }
    assert!(!edges.iter().any(|e| e == "admin::Z"), "{edges:?}");
    assert!(allowed("guard::stale", "model::Task"));
    assert!(!allowed("guard::stale", "oig::client::Client"));
    assert!(!allowed("sim::server", "model::Task"));
    assert!(!allowed("ledger::sled", "dispatch::deliver"));
    assert!(allowed("ledger::sled", "dispatch::batch::Batch"));
}

#[test]
fn files_open_with_their_purpose_and_stay_short() {
    for (path, _, text) in sources() {
        let path = path.display();
        assert!(
            text.starts_with("//! "),
            "{path} does not open with a //! sentence"
        );
        // tests may follow in the same file and don't count
        let lines = text.lines().take_while(|l| *l != "#[cfg(test)]").count();
        let most = TO_SPLIT
            .iter()
            .find(|(file, _)| *file == path.to_string())
            .map_or(MAX_LINES, |(_, most)| *most);
        assert!(
            lines <= most,
            "{path} has {lines} lines: split it (at most {most})"
        );
    }
}
