//! Finds what a person means by a name: however it is written, and never something that was never seen, unless that is said.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use crate::config::finding::did_you_mean;
use crate::control::{RefusedKind, Reply};
use crate::ledger::LedgerError;
use crate::model::task::DefinitionId;
use crate::model::{Scope, TargetName};

/// Known names that a hint lists at most.
const LISTED: usize = 20;

/// A name that nothing seen goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// What was never seen.
    pub what: String,
    /// What there is instead.
    pub hint: String,
}

impl Unknown {
    /// The answer where nothing else will do.
    pub fn refused(self) -> Reply {
        Reply::refused(RefusedKind::NotFound, self.what, self.hint)
    }
}

/// The known target that a name means: as it is written, else without regard to case.
pub fn meant<'a>(
    name: &TargetName,
    known: impl Iterator<Item = &'a TargetName> + Clone,
) -> Option<&'a TargetName> {
    let exact = known.clone().find(|target| *target == name);
    exact.or_else(|| known.clone().find(|target| target.is_like(name)))
}

impl Core {
    /// Every target that was ever seen: by the ledger, or in the last list.
    pub(super) fn targets_seen(&self) -> BTreeSet<TargetName> {
        let mut known: BTreeSet<TargetName> = self
            .ledger
            .read(|index| index.targets_seen().cloned().collect());
        known.extend(self.last.seen.targets.keys().cloned());
        known
    }

    /// The target that a person means, by its own name: one that was seen, else one that the configuration names.
    ///
    /// # Errors
    /// No target of that name was ever seen, nor is it configured.
    pub fn target_named(&self, name: &TargetName) -> Result<TargetName, Unknown> {
        let seen = self.target_seen(name);
        let configured = || {
            let (target, _) = self.target_configured(name)?;
            Some(target.clone())
        };
        seen.or_else(|unknown| configured().ok_or(unknown))
    }

    /// The target that a person means, of those that were seen. What stands in the configuration alone may be a slip
    /// there as well: it is told, and stands for nothing.
    ///
    /// # Errors
    /// No target of that name was ever seen.
    fn target_seen(&self, name: &TargetName) -> Result<TargetName, Unknown> {
        let seen = self.targets_seen();
        if let Some(target) = meant(name, seen.iter()) {
            return Ok(target.clone());
        }
        let near = nearest(name.as_str(), seen.iter().map(|target| target.as_str()));
        let listed = match self.last.at {
            None if seen.is_empty() => "no list was read yet".to_owned(),
            _ if seen.is_empty() => "no target was seen yet".to_owned(),
            _ => format!("seen are: {}", some_of(seen.iter().map(|of| of.as_str()))),
        };
        let mut configured: BTreeSet<&TargetName> = self.settings.modes.targets.keys().collect();
        configured.extend(self.settings.governor.targets.keys());
        Err(match self.target_configured(name) {
            Some((target, key)) => Unknown {
                what: format!(
                    "no task of target `{target}` was ever seen: {key} of the configuration names it, and nothing else does"
                ),
                hint: format!("{near}{listed}; look for a slip in the configuration as well"),
            },
            None if configured.is_empty() => Unknown {
                what: format!("no target `{name}` was ever seen"),
                hint: format!("{near}{listed}"),
            },
            None => Unknown {
                what: format!("no target `{name}` was ever seen"),
                hint: format!(
                    "{near}{listed}; the configuration names: {}",
                    some_of(configured.iter().map(|of| of.as_str()))
                ),
            },
        })
    }

    /// The target of that name that the configuration names, and with which key.
    fn target_configured(&self, name: &TargetName) -> Option<(&TargetName, &'static str)> {
        let modes = meant(name, self.settings.modes.targets.keys());
        let limits = || meant(name, self.settings.governor.targets.keys());
        let modes = modes.map(|target| (target, "mode.targets"));
        modes.or_else(|| limits().map(|target| (target, "governor.targets")))
    }

    /// The definition that a person means: by its id, else by the name under which it was shown.
    ///
    /// # Errors
    /// The store failed.
    fn definition_named(
        &self,
        id: &DefinitionId,
    ) -> Result<Result<DefinitionId, Unknown>, LedgerError> {
        let found = self.ledger.read(|index| {
            let exact = index.definitions_seen().find(|seen| *seen == id);
            exact
                .or_else(|| index.definitions_seen().find(|seen| seen.is_like(id)))
                .cloned()
        });
        if let Some(found) = found {
            return Ok(Ok(found));
        }
        // the index knows ids alone, and the journal the names as well
        Ok(by_name(id, &self.ledger.definitions_shown()?))
    }

    /// What a person means by a scope, by its own name. A task is meant as its lineage: a retry must
    /// not slip out under a new id.
    pub fn scope_named(&self, scope: &Scope) -> Result<Result<Scope, Unknown>, LedgerError> {
        Ok(match scope {
            Scope::Global | Scope::Lineage(_) => Ok(scope.clone()),
            Scope::Target(name) => self.target_seen(name).map(Scope::Target),
            Scope::ActionOnTarget(action, name) => self
                .target_seen(name)
                .map(|target| Scope::ActionOnTarget(*action, target)),
            Scope::Definition(id) => self.definition_named(id)?.map(Scope::Definition),
            Scope::Task(id) => match self.lineage_named(id.as_str()) {
                Some(lineage) => Ok(Scope::Lineage(lineage)),
                None => Err(Unknown {
                    what: format!("no task {id} was ever seen"),
                    hint: "write OIG's task id, or a lineage id such as L12".to_owned(),
                }),
            },
            Scope::Account(key) => {
                if self.ledger.knows_account(key)? {
                    Ok(scope.clone())
                } else {
                    Err(Unknown {
                        what: format!("no task of account {key} was ever seen"),
                        hint: "write the process instance's key, as `provtaskd explain TASK` shows the account".to_owned(),
                    })
                }
            }
        })
    }
}

/// The one definition that was shown under a name on its target, else what there is.
fn by_name(
    id: &DefinitionId,
    shown: &BTreeSet<(DefinitionId, Arc<str>)>,
) -> Result<DefinitionId, Unknown> {
    let wanted = id.definition.trim();
    let named: BTreeSet<&DefinitionId> = shown
        .iter()
        .filter(|(of, name)| {
            of.target.is_like(&id.target) && name.trim().eq_ignore_ascii_case(wanted)
        })
        .map(|(of, _)| of)
        .collect();
    let mut meant = named.iter();
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok((*one).clone()),
        (Some(_), Some(_)) => {
            let ids: Vec<String> = named.iter().map(ToString::to_string).collect();
            Err(Unknown {
                what: format!(
                    "which definition {id} is can't be told: {} were shown by that name, and a task by that name alone was never seen",
                    ids.len()
                ),
                hint: format!("name one by its key: {}", ids.join(", ")),
            })
        }
        (None, _) => {
            let all: BTreeSet<String> = shown
                .iter()
                .map(|(of, name)| match name.trim() {
                    "" => of.to_string(),
                    name => format!("{}/{name}", of.target),
                })
                .collect();
            let wanted = id.to_string();
            Err(Unknown {
                what: format!("no task of definition {wanted} was ever seen"),
                hint: format!(
                    "{}; TARGET/#KEY, as `provtaskd explain TASK` shows it, is taken too",
                    known("definition", &wanted, all.iter().map(String::as_str))
                ),
            })
        }
    }
}

/// The nearest of the known names, and all of them where they are few.
fn known<'a>(sort: &str, name: &str, all: impl Iterator<Item = &'a str> + Clone) -> String {
    if all.clone().next().is_none() {
        return format!("no {sort} was seen yet");
    }
    let near = nearest(name, all.clone());
    format!("{near}known are: {}", some_of(all))
}

/// A question after the name that is nearest, where one is near.
fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> String {
    let lower = name.to_lowercase();
    let lowered: Vec<(String, &str)> = all.map(|n| (n.to_lowercase(), n)).collect();
    did_you_mean(&lower, lowered.iter().map(|(lower, _)| lower.as_str()))
        .and_then(|near| lowered.iter().find(|(lower, _)| lower == near))
        .map_or_else(String::new, |(_, name)| format!("did you mean `{name}`? "))
}

/// As many names as find room.
fn some_of<'a>(all: impl Iterator<Item = &'a str> + Clone) -> String {
    let more = all.clone().count().saturating_sub(LISTED);
    let names: Vec<&str> = all.take(LISTED).collect();
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_meant_as_it_is_written_before_it_is_meant_otherwise() {
        let all = [TargetName::new("AD"), TargetName::new("ad")];
        for (name, is) in [("ad", "ad"), ("AD", "AD"), ("Ad", "AD")] {
            assert_eq!(
                meant(&TargetName::new(name), all.iter()),
                Some(&TargetName::new(is))
            );
        }
        assert_eq!(meant(&TargetName::new("A D"), all.iter()), None);
    }

    #[test]
    fn the_nearest_name_is_named_first_and_the_list_ends() {
        let names: Vec<String> = (0..25).map(|n| format!("SAP{n:02}")).collect();
        let said = known("target", "sap07", names.iter().map(String::as_str));
        assert!(
            said.starts_with("did you mean `SAP07`? known are: SAP00, "),
            "{said}"
        );
        assert!(said.ends_with("SAP19, and 5 more"), "{said}");
        assert_eq!(
            known("target", "x", std::iter::empty()),
            "no target was seen yet"
        );
    }
    #[test]
    fn a_definition_is_meant_by_its_name_where_one_alone_goes_by_it() {
        let id = |target: &str, definition: &str| DefinitionId {
            target: TargetName::new(target),
            definition: definition.into(),
        };
        let shown: BTreeSet<(DefinitionId, Arc<str>)> = [
            (id("AD", "#39"), "Add User to Group"),
            (id("AD", "#40"), "Create User"),
            (id("AD", "#41"), "create user "),
            (id("SAP", "#42"), "Create User"),
            (id("SAP", "#43"), ""),
        ]
        .map(|(id, name)| (id, Arc::from(name)))
        .into();
        let meant = |target: &str, name: &str| by_name(&id(target, name), &shown);
        assert_eq!(meant("ad", "add user to group"), Ok(id("AD", "#39")));
        assert_eq!(meant("SAP", "CREATE USER"), Ok(id("SAP", "#42")));
        let two = meant("AD", "create user").expect_err("two go by it");
        assert!(two.hint.contains("AD/#40, AD/#41"), "{two:?}");
        let none = meant("AD", "add user to grup").expect_err("none does");
        assert!(none.what.contains("ever seen"), "{none:?}");
        for said in [
            "did you mean `AD/Add User to Group`?",
            "SAP/#43",
            "SAP/Create User",
        ] {
            assert!(none.hint.contains(said), "{said}: {none:?}");
        }
    }
}
