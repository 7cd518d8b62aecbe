//! The words of a definition's name that speak against the kind its pattern gives; it only takes a kind away, and never gives one.

use serde::Deserialize;

use crate::model::Kind;

/// Why a name has no kind although it fits a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// This word speaks against the kind.
    Against(String),
    /// This word is none of those that only say what or where: nobody has said what it does.
    Strange(String),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Against(word) => write!(f, "`{word}` speaks against that"),
            Self::Strange(word) => write!(f, "nobody has said what `{word}` is"),
        }
    }
}

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
    /// What may stand beside the pattern's words in a name that revokes, disables, enables or creates; without
    /// the list anything may.
    plain: Option<Vec<String>>,
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
    /// A table of one's own that has lists and not the last one, which came later, has that one of `shipped`.
    pub fn or_plain_of(mut self, shipped: Self) -> Self {
        self.plain = self.plain.or(shipped.plain);
        self
    }

    /// Why `name` is not of `kind`, if so: a word that speaks against it, else one that is not known. What the pattern
    /// spells out itself does not count, nor do the target's own words as strangers.
    pub fn against(&self, kind: Kind, pattern: &str, target: &str, name: &str) -> Option<Doubt> {
        let spelled: Vec<String> = words(pattern).map(str::to_lowercase).collect();
        let of_target: Vec<String> = words(target).map(str::to_lowercase).collect();
        // a revoke goes past the guard of stale grants, and an enable or a create ends an earlier disable
        let closed = matches!(
            kind,
            Kind::Revoke | Kind::Disable | Kind::Enable | Kind::Create
        );
        let plain = self.plain.as_deref().filter(|_| closed);
        let known = |list: &[String], word: &String| {
            word.bytes().all(|b| b.is_ascii_digit())
                || holds(list, word)
                || spelled.contains(word)
                || of_target.contains(word)
        };
        let mut strange = None;
        let mut out_of = false;
        for word in words(name) {
            let whole = word.to_lowercase();
            // whom or what somebody is taken out of stands behind it
            out_of |= whole == "from";
            if spelled.contains(&whole) {
                continue;
            }
            let mut parts = humps(word);
            if strange.is_none()
                && let Some(plain) = plain
                && !known(plain, &whole)
                && !parts.iter().all(|part| known(plain, part))
            {
                strange = Some(whole.clone());
            }
            if parts.len() > 1 {
                parts.push(whole);
            }
            let speaks = |part: &String| !spelled.contains(part) && self.speaks(kind, part, out_of);
            if let Some(part) = parts.into_iter().find(speaks) {
                return Some(Doubt::Against(part));
            }
        }
        strange.map(Doubt::Strange)
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
        let doubt = |kind, pattern, name| match of().against(kind, pattern, "", name) {
            Some(Doubt::Against(word)) => Some(word),
            other => other.map(|doubt| panic!("{doubt}")),
        };
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

    #[test]
    fn what_takes_or_ends_a_disable_may_say_only_what_is_known() {
        let list = |text: &str| words(text).map(str::to_owned).collect();
        let shipped = Words {
            plain: Some(list("user role from")),
            ..Words::default()
        };
        let of = of().or_plain_of(shipped);
        let doubt = |kind, target, name| of.against(kind, "remove *", target, name);
        assert_eq!(doubt(Kind::Revoke, "AD", "Remove Role from User"), None);
        let curfew = "Remove Curfew from User";
        let strange = Some(Doubt::Strange("curfew".to_owned()));
        assert_eq!(doubt(Kind::Revoke, "AD", curfew), strange);
        assert_eq!(doubt(Kind::Enable, "AD", curfew), strange);
        assert_eq!(doubt(Kind::Grant, "AD", curfew), None);
        assert_eq!(doubt(Kind::Revoke, "Curfew Desk", curfew), None);
        assert_eq!(doubt(Kind::Revoke, "AD", "Remove UserRole 365"), None);
        let lock = Some(Doubt::Against("lock".to_owned()));
        assert_eq!(doubt(Kind::Revoke, "AD", "Remove Curfew Lock"), lock);
    }
}
