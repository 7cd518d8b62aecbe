//! Masks a reason: what differs from task to task, and whatever may name a person, becomes a placeholder; in doubt it masks too much.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

mod dictionary;

/// Everything that a masked reason may hold in the place of something else.
pub const PLACEHOLDERS: [&str; 8] = [
    "<mail>", "<host>", "<path>", "<value>", "<dn>", "<n>", "<id>", "<name>",
];

/// Characters of a reason that are looked at.
const LOOKED_AT: usize = 2000;
/// Characters of a masked reason.
const SHOWN: usize = 240;
/// Passes until nothing changes; each one that changes something leaves less to change.
const PASSES: usize = 16;

/// After these a word in small letters is somebody's, unless it is an everyday one.
const PERSON_WORDS: [&str; 12] = [
    "user",
    "login",
    "account",
    "userid",
    "uid",
    "member",
    "employee",
    "person",
    "principal",
    "owner",
    "manager",
    "useradd",
];

/// A distinguished name: attribute and value, again and again.
static DN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let keys =
        "(?:cn|ou|dc|uid|sn|o|l|st|c|givenname|samaccountname|userprincipalname|mail|member)";
    let inner = format!(r"(?:(?:\\.|[^,;=<>\n])*,\s*{keys}\s*=\s*)*");
    Regex::new(&format!(r"(?i)\b{keys}\s*=\s*{inner}[^\s,;=<>()\[\]]*")).ok()
});

/// Dates and times of day, as logs write them.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let of_day = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?";
    let zone = r"(?:Z|\s?[+-]\d{2}:?\d{2})?";
    let date = r"\d{4}[-/.]\d{2}[-/.]\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4}";
    Regex::new(&format!(r"(?:{date})(?:[T ]{of_day}{zone})?|\b{of_day}\b")).ok()
});

/// The same placeholder several times in a row, as a list of names gives it.
static REPEATS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    PLACEHOLDERS
        .iter()
        .filter_map(|placeholder| {
            let again = format!(r"{placeholder}(?:[\s,;:/.|&+-]*{placeholder})+");
            Some((*placeholder, Regex::new(&again).ok()?))
        })
        .collect()
});

/// What a mask knows: names that have to go, and words that may stay.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    names: HashSet<String>,
    words: HashSet<String>,
}

impl Mask {
    /// A name that must not stand in any masked text, in whatever case.
    pub fn name(&mut self, name: &str) {
        let name = name.trim().to_lowercase();
        // one letter is a word of too many texts
        if name.chars().count() > 1 {
            self.names.insert(name);
        }
    }

    /// Words that may stay although they look like names, such as those of a target.
    pub fn keep(&mut self, text: &str) {
        let words = text.split(|c: char| !c.is_alphabetic());
        self.words.extend(
            words
                .filter(|w| w.chars().count() > 1)
                .map(str::to_lowercase),
        );
    }

    /// The masked text; masking it once more changes nothing.
    pub fn text(&self, text: &str) -> String {
        let mut text: String = text
            .chars()
            .take(LOOKED_AT)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        for _ in 0..PASSES {
            let next = self.pass(&text);
            if next == text {
                break;
            }
            text = next;
        }
        shortened(&text)
    }

    /// The masked text with everyday words alone, for what is passed on: what is in no dictionary may be a name, or what a
    /// person suffers from, in any tongue.
    pub fn everyday(&self, text: &str) -> String {
        let text = self.text(text);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let placeholder = PLACEHOLDERS.iter().find(|of| rest.starts_with(**of));
            let end = match placeholder {
                Some(of) => of.len(),
                None if first.is_alphabetic() => {
                    let end = rest.find(|c: char| !c.is_alphabetic());
                    end.unwrap_or(rest.len())
                }
                None => first.len_utf8(),
            };
            let (part, after) = rest.split_at(end);
            let word = placeholder.is_none() && first.is_alphabetic();
            let known = !word || self.is_known(part) || camel(part).all(|of| self.is_known(of));
            out.push_str(if known { part } else { "<name>" });
            rest = after;
        }
        for (placeholder, repeats) in REPEATS.iter() {
            out = repeats.replace_all(&out, *placeholder).into_owned();
        }
        out
    }

    fn pass(&self, text: &str) -> String {
        let text = quoted(text);
        let text = match &*DN {
            Some(dn) => dn.replace_all(&text, "<dn>").into_owned(),
            None => text,
        };
        let text = match &*TIME {
            Some(time) => time.replace_all(&text, "<n>").into_owned(),
            None => text,
        };
        let text = self.tokens(&text);
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (placeholder, repeats) in REPEATS.iter() {
            text = repeats.replace_all(&text, *placeholder).into_owned();
        }
        text
    }

    /// Takes the text apart into tokens and what stands between them.
    fn tokens(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = String::new();
        while !rest.is_empty() {
            if let Some(placeholder) = PLACEHOLDERS.iter().find(|p| rest.starts_with(**p)) {
                out.push_str(placeholder);
                rest = &rest[placeholder.len()..];
                before.clear();
                continue;
            }
            let end = rest.find(is_delimiter).unwrap_or(rest.len());
            if end == 0 {
                let delimiter = rest.chars().next().map_or(1, char::len_utf8);
                let (between, after) = rest.split_at(delimiter);
                // a mark ends what the word before says of the next one
                if !between.chars().all(char::is_whitespace) {
                    before.clear();
                }
                out.push_str(between);
                rest = after;
                continue;
            }
            let (token, after) = rest.split_at(end);
            out.push_str(&self.token(token, &before));
            before = token
                .trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase();
            rest = after;
        }
        out
    }

    fn token(&self, token: &str, before: &str) -> String {
        let is_mark = |c: char| matches!(c, '.' | ':' | '!' | '?' | '-' | '=' | '|' | '*');
        let inner = token.trim_matches(is_mark);
        if inner.is_empty() {
            return token.to_owned();
        }
        let lead = token.len() - token.trim_start_matches(is_mark).len();
        let (head, tail) = (&token[..lead], &token[lead + inner.len()..]);
        if tail.starts_with('=') && self.is_key(inner) {
            return token.to_owned();
        }
        let masked = self.inner(inner, before);
        let masked = if masked == inner {
            self.scrubbed(inner)
        } else {
            masked
        };
        format!("{head}{masked}{tail}")
    }

    /// A token that stays, without the known names that marks of any sort have hidden in it.
    fn scrubbed(&self, token: &str) -> String {
        let mut out = String::with_capacity(token.len());
        let mut word = String::new();
        let end = |word: &mut String, out: &mut String| {
            let known = self.names.contains(&word.to_lowercase());
            out.push_str(if known { "<name>" } else { word });
            word.clear();
        };
        for c in token.chars() {
            if c.is_alphanumeric() {
                word.push(c);
            } else {
                end(&mut word, &mut out);
                out.push(c);
            }
        }
        end(&mut word, &mut out);
        out
    }

    fn inner(&self, token: &str, before: &str) -> String {
        if self.names.contains(&token.to_lowercase()) {
            return "<name>".to_owned();
        }
        if token.contains('@') {
            return "<mail>".to_owned();
        }
        if token.contains("://") {
            return "<host>".to_owned();
        }
        if let Some((key, _)) = token.split_once('=') {
            return if self.is_key(key) {
                format!("{key}=<value>")
            } else {
                format!("{}=<value>", self.inner(key, ""))
            };
        }
        if is_path(token) {
            return "<path>".to_owned();
        }
        for mark in ['/', '\\', ':', '|', '+', '&', '#', '*', '?', '!', '~', '^'] {
            if token.contains(mark) {
                let parts: Vec<String> = token
                    .split(mark)
                    .map(|part| {
                        if part.is_empty() {
                            String::new()
                        } else {
                            self.token(part, before)
                        }
                    })
                    .collect();
                return parts.join(&mark.to_string());
            }
        }
        if token.chars().any(char::is_numeric) {
            return self.with_digits(token);
        }
        if token.contains('.') {
            return self.dotted(token);
        }
        if token.contains('_') {
            let mut parts = token.split('_').filter(|part| !part.is_empty());
            let known = parts.any(|part| self.is_known(part));
            return if known {
                token.to_owned()
            } else {
                "<id>".to_owned()
            };
        }
        if token.contains(['-', '’', '$', '%']) {
            let parts: Vec<&str> = token.split(['-', '’', '$', '%']).collect();
            let names = |part: &&str| !part.is_empty() && self.is_name(part, before);
            return if parts.iter().any(names) {
                "<name>".to_owned()
            } else {
                token.to_owned()
            };
        }
        if self.is_name(token, before) {
            "<name>".to_owned()
        } else {
            token.to_owned()
        }
    }

    /// A key before a value is a word of a program, unless it is a number or somebody who is known.
    fn is_key(&self, key: &str) -> bool {
        // letters that are numbers as well, such as Roman ones, are numbers
        key.chars()
            .all(|c| (c.is_alphabetic() && !c.is_numeric()) || c == '_')
            && !self.names.contains(&key.to_lowercase())
    }

    fn with_digits(&self, token: &str) -> String {
        let groups: Vec<&str> = token.split('.').collect();
        let all_numbers = |parts: &[&str]| {
            parts
                .iter()
                .all(|p| !p.is_empty() && p.chars().all(char::is_numeric))
        };
        if groups.len() == 4 && all_numbers(&groups) {
            return "<host>".to_owned();
        }
        if token
            .chars()
            .all(|c| c.is_numeric() || matches!(c, '.' | '-' | '%' | '$' | '_'))
        {
            return "<n>".to_owned();
        }
        if let Some((prefix, code)) = token.split_once('-')
            && self.is_known(prefix)
            && code.chars().all(char::is_numeric)
        {
            return format!("{prefix}-<n>");
        }
        if groups.len() > 1 && !groups.contains(&"") && token.chars().any(char::is_alphabetic) {
            return "<host>".to_owned();
        }
        "<id>".to_owned()
    }

    /// Names with dots are hosts, or somebody; a class of a program keeps its own.
    fn dotted(&self, token: &str) -> String {
        let labels: Vec<&str> = token.split('.').collect();
        let first = labels.first().copied().unwrap_or_default();
        let last = labels.last().copied().unwrap_or_default();
        let small = |label: &str| label.chars().all(char::is_lowercase);
        let is_class = labels.len() > 2
            && small(first)
            && last.starts_with(char::is_uppercase)
            && (self.is_known(last) || camel(last).any(|part| self.is_known(part)));
        let is_plain = labels.iter().all(|label| self.is_known(label));
        if is_class || is_plain {
            token.to_owned()
        } else {
            "<host>".to_owned()
        }
    }

    fn is_known(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        word.chars().count() < 2 || self.words.contains(&word) || dictionary::holds(&word)
    }

    fn is_name(&self, word: &str, before: &str) -> bool {
        if self.is_known(word) {
            return false;
        }
        if !word.chars().any(char::is_uppercase) {
            // names of scripts without capitals have nothing to be told by
            let no_case = |c: char| c.is_alphabetic() && !c.is_lowercase();
            return PERSON_WORDS.contains(&before) || word.chars().any(no_case);
        }
        // a compound of a program, such as UpdErr
        let compound =
            word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
        !(compound && camel(word).any(|part| part.chars().count() > 1 && self.is_known(part)))
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | ',' | ';' | '\''
        )
}

fn is_path(token: &str) -> bool {
    let slashes = token.matches(['/', '\\']).count();
    (token.starts_with(['/', '\\']) && token.chars().count() > 1) || slashes > 1
}

/// The parts of `LdapErr` and `ALREADYExists`, each from a capital letter to the next.
fn camel(word: &str) -> impl Iterator<Item = &str> {
    let mut starts = vec![0];
    let mut small = false;
    for (at, c) in word.char_indices() {
        if c.is_uppercase() && small {
            starts.push(at);
        }
        small = c.is_lowercase();
    }
    starts.push(word.len());
    let ends: Vec<usize> = starts.iter().skip(1).copied().collect();
    starts
        .into_iter()
        .zip(ends)
        .map(move |(from, to)| &word[from..to])
}

/// Values in quotes of any sort; an apostrophe inside a word is none.
fn quoted(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let inside = |place: Option<usize>| {
            place
                .and_then(|place| chars.get(place))
                .is_some_and(|c| c.is_alphanumeric())
        };
        let end = match c {
            // one that is not closed goes on to the end
            '"' | '“' | '”' | '„' | '«' | '»' | '`' => {
                let closes = |c: &char| matches!(c, '"' | '“' | '”' | '«' | '»' | '`');
                let close = chars.iter().skip(at + 1).position(closes);
                Some(close.map_or(chars.len() - 1, |close| at + 1 + close))
            }
            '\'' | '‘' if !inside(at.checked_sub(1)) => (at + 1..chars.len())
                .find(|to| matches!(chars.get(*to), Some('\'' | '’')) && !inside(Some(to + 1))),
            _ => None,
        };
        match end {
            Some(end) => {
                out.push_str("<value>");
                at = end + 1;
            }
            None => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// The text up to a blank before the limit.
fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let short: String = text.chars().take(SHOWN - 2).collect();
    let whole = short.rsplit_once(' ').map_or("", |(whole, _)| whole);
    format!("{whole} …").trim().to_owned()
}

#[cfg(test)]
mod tests;
