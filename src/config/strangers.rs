//! Names in the configuration that nothing answers to: policies that are not in the set, targets without a task; each is said, none is an error.

use std::collections::BTreeSet;

use super::finding::{Finding, Severity, did_you_mean};
use super::lines::join;
use crate::model::TargetName;
use crate::model::settings::{Modes, Settings};

/// `[mode.policies]` without a policy of that name.
pub fn policy_strangers<'a>(
    modes: &Modes,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<Finding> {
    let names: Vec<&str> = names.into_iter().collect();
    let unknown = modes
        .policies
        .keys()
        .filter(|name| !names.contains(&name.as_str()));
    unknown
        .map(|name| {
            let whole = format!("{}.rhai", name.trim_end_matches(".rhai"));
            let near = names
                .iter()
                .find(|known| **known == whole)
                .copied()
                .or_else(|| did_you_mean(name, names.iter().copied()));
            let hint = match near {
                Some(near) => format!("write the file's whole name: did you mean \"{near}\"?"),
                None => format!("write the file's whole name, one of: {}", names.join(", ")),
            };
            let what = "no policy of the set has this name; the key does nothing";
            warning(join("mode.policies", name), what.to_owned(), hint)
        })
        .collect()
}

/// Targets of `[mode.targets]` of which nobody has ever seen a task, in words beside their names: such a key does nothing,
/// and a slip there enforces what was meant to be observed. None where nothing was seen yet.
pub fn mode_strangers(modes: &Modes, seen: &[TargetName]) -> Vec<(TargetName, String)> {
    let named = modes.targets.keys().filter(|_| !seen.is_empty());
    let unknown = named.filter(|target| !seen.iter().any(|of| of.is_like(target)));
    let words = |target: &TargetName| {
        let near = did_you_mean(target.as_str(), seen.iter().map(TargetName::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        let words =
            format!("no task of such a target was ever seen, so that it does nothing{near}");
        (target.clone(), words)
    };
    unknown.map(words).collect()
}

/// `[mode.targets]`, `[governor.targets]` and `policy.fulfilment_roles` without a task of that target in a whole list.
pub fn target_strangers(settings: &Settings, seen: &BTreeSet<&TargetName>) -> Vec<Finding> {
    let modes = settings.modes.targets.keys().map(|t| ("mode.targets", t));
    let limits = settings.governor.targets.keys();
    let limits = limits.map(|t| ("governor.targets", t));
    let roles: Vec<TargetName> = settings
        .policy
        .fulfilment_roles
        .keys()
        .filter(|name| *name != "*")
        .map(|name| TargetName::new(name))
        .collect();
    let roles = roles.iter().map(|t| ("policy.fulfilment_roles", t));
    modes
        .chain(limits)
        .chain(roles)
        .filter(|(_, target)| !seen.iter().any(|of| of.is_like(target)))
        .map(|(section, target)| {
            let near = did_you_mean(target.as_str(), seen.iter().map(|t| t.as_str()));
            let hint = near.map_or_else(
                || "is the name as `provtaskd status` shows it? if so, it may have no open task now".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            let what = "the list shows no task of this target; the key did nothing";
            warning(join(section, target.as_str()), what.to_owned(), hint)
        })
        .collect()
}

fn warning(key: String, what: String, hint: String) -> Finding {
    Finding {
        severity: Severity::Warning,
        key,
        line: None,
        what,
        hint,
    }
}
