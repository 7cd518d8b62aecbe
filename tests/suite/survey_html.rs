//! A strict reader of the survey's HTML: every element is closed in its order, every attribute quoted, every mark escaped, nothing is loaded and nothing runs.

use std::collections::BTreeSet;

/// Ends where something stands that a report must not hold.
pub fn well_formed(html: &str) {
    let rest = html
        .strip_prefix("<!DOCTYPE html>\n")
        .expect("begins as HTML does");
    let mut open: Vec<String> = Vec::new();
    let mut ids = BTreeSet::new();
    let mut refers: Vec<String> = Vec::new();
    let mut rest = rest;
    while let Some(at) = rest.find('<') {
        entities(&rest[..at], open.last().map(String::as_str));
        rest = &rest[at + 1..];
        let end = tag_end(rest).unwrap_or_else(|| panic!("a tag is not closed: {rest:.80}"));
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed out of order");
            continue;
        }
        let (tag, alone) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "<{name}> is no element"
        );
        assert!(
            !["script", "iframe", "object", "link", "img", "form"].contains(&name),
            "<{name}> has no place in a report"
        );
        for (key, value) in attributes_of(attributes) {
            assert!(!key.starts_with("on"), "{key} runs something");
            assert!(
                !["href", "src", "xlink:href"].contains(&key.as_str()),
                "{key} loads something"
            );
            entities(&value, None);
            match key.as_str() {
                "id" => assert!(ids.insert(value.clone()), "id {value} twice"),
                "aria-labelledby" => refers.extend(value.split(' ').map(str::to_owned)),
                _ => {}
            }
        }
        if !alone {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    assert!(!html.contains("url("), "a style loads something");
    for id in refers {
        assert!(ids.contains(&id), "nothing has the id {id}");
    }
}

fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        if c == '"' {
            quoted = !quoted;
        }
        (c == '>' && !quoted).then_some(at)
    })
}

fn attributes_of(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return found;
        }
        let (key, rest) = text
            .split_once("=\"")
            .unwrap_or_else(|| panic!("not quoted: {text}"));
        let (value, rest) = rest
            .split_once('"')
            .unwrap_or_else(|| panic!("not closed: {text}"));
        assert!(!value.contains('<'), "{key}={value}");
        found.push((key.to_owned(), value.to_owned()));
        text = rest;
    }
}

fn entities(text: &str, within: Option<&str>) {
    if within == Some("style") {
        return;
    }
    assert!(!text.contains('>'), "a bare > in {text}");
    for part in text.split('&').skip(1) {
        let name = part.split_once(';').map_or("", |(name, _)| name);
        assert!(
            ["amp", "lt", "gt", "quot", "#39"].contains(&name),
            "a bare & before {part:.20}"
        );
    }
}
