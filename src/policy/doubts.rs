//! The words of a definition's name that speak against the kind its pattern gives; it only takes a kind away, and never gives one.

use serde::Deserialize;

use crate::model::Kind;

/// The lists of `[words]`: single words, `*` at the end for any ending.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Giving access.
    giving: Vec<String>,
    /// Taking access.
    taking: Vec<String>,
    /// States of who has none.
    off: Vec<String>,
    /// What keeps somebody out: to take it is to give.
    limits: Vec<String>,
    /// What bounds, checks or marks access.
    measures: Vec<String>,
    /// Undoing, and saying no.
    undoing: Vec<String>,
    /// Changing.
    changing: Vec<String>,
}

/// The words of a text in small letters: cut at whatever is no letter or digit.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// `DisableUser` is two words.
fn humps(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut small = false;
    for c in word.chars() {
        if small && c.is_uppercase() {
            parts.push(String::new());
        }
        small = c.is_lowercase();
        if let Some(last) = parts.last_mut() {
            last.extend(c.to_lowercase());
        }
    }
    parts
}

fn holds(list: &[String], word: &str) -> bool {
    list.iter().any(|of| match of.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => word == of,
    })
}

impl Words {
    /// The first word of `name` that speaks against `kind`; what the pattern spells out itself does not count.
    pub fn against(&self, kind: Kind, pattern: &str, name: &str) -> Option<String> {
        let spelled: Vec<String> = words(pattern).map(str::to_lowercase).collect();
        let mut out_of = false;
        for word in words(name) {
            let whole = word.to_lowercase();
            // whom or what somebody is taken out of stands behind it
            out_of |= whole == "from";
            if spelled.contains(&whole) {
                continue;
            }
            let mut parts = humps(word);
            if parts.len() > 1 {
                parts.push(whole);
            }
            let speaks = |part: &String| !spelled.contains(part) && self.speaks(kind, part, out_of);
            if let Some(part) = parts.into_iter().find(speaks) {
                return Some(part);
            }
        }
        None
    }

    fn speaks(&self, kind: Kind, word: &str, out_of: bool) -> bool {
        let (giving, taking) = (&self.giving, &self.taking);
        match kind {
            Kind::Revoke | Kind::Disable => {
                let lists = [
                    giving,
                    &self.limits,
                    &self.measures,
                    &self.undoing,
                    &self.changing,
                ];
                lists.iter().any(|list| holds(list, word)) || out_of && holds(&self.off, word)
            }
            Kind::Create | Kind::Grant | Kind::Enable => {
                let lists = [
                    taking,
                    &self.off,
                    &self.limits,
                    &self.measures,
                    &self.undoing,
                ];
                lists.iter().any(|list| holds(list, word))
            }
            Kind::Change => {
                let lists = [giving, taking, &self.off, &self.limits, &self.undoing];
                lists.iter().any(|list| holds(list, word))
            }
            // what tells, or sets a password, may take access on the way
            Kind::Password | Kind::Notify => holds(taking, word),
            Kind::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> Words {
        let list = |text: &str| words(text).map(str::to_owned).collect();
        Words {
            giving: vec!["enabl*".to_owned(), "unlock".to_owned()],
            taking: list("lock remove"),
            off: list("disabled"),
            limits: list("lock"),
            ..Words::default()
        }
    }

    #[test]
    fn a_word_counts_unless_the_pattern_spells_it() {
        let doubt = |kind, pattern, name| of().against(kind, pattern, name);
        assert_eq!(doubt(Kind::Disable, "lock user*", "Lock User"), None);
        let lock = Some("lock".to_owned());
        assert_eq!(doubt(Kind::Revoke, "remove *", "Remove AccountLock"), lock);
        assert_eq!(doubt(Kind::Enable, "unlock user*", "UnLock User"), None);
        let enabling = Some("enabling".to_owned());
        assert_eq!(doubt(Kind::Change, "* update", "Enabling update"), enabling);
        let from = "Remove User from Disabled Group";
        let disabled = Some("disabled".to_owned());
        assert_eq!(doubt(Kind::Revoke, "remove * from *", from), disabled);
        assert_eq!(
            doubt(Kind::Revoke, "delete *", "Delete Disabled User"),
            None
        );
        assert_eq!(doubt(Kind::Unknown, "*", from), None);
    }
}
