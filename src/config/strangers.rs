//! Names in the configuration that nothing answers to: policies that are not in the set, targets without a task; each is said, none is an error.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Severity, did_you_mean, slips_between};
use super::lines::join;
use crate::model::settings::{Modes, Settings, Slip};
use crate::model::{Mode, TargetName};

/// Policies of the set that no line of `[mode.policies]` names, and for which a line that names none may be a slip: they
/// are held in the mode that the line asks for.
pub fn policy_slips<'a>(
    modes: &Modes,
    names: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, Mode> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut slips = BTreeMap::new();
    let lower = modes
        .policies
        .iter()
        .filter(|(name, mode)| **mode < Mode::Enforce && !names.contains(&name.as_str()));
    for (written, mode) in lower {
        let unnamed = names
            .iter()
            .filter(|name| !modes.policies.contains_key(**name));
        for name in unnamed.filter(|name| may_mean(stem(written), stem(name))) {
            let held = slips.entry((*name).to_owned()).or_insert(*mode);
            *held = (*held).min(*mode);
        }
    }
    slips
}

/// A policy's name without what each of them ends with.
fn stem(name: &str) -> &str {
    let name = name.trim();
    let end = name.len().saturating_sub(".rhai".len());
    match name.split_at_checked(end) {
        Some((stem, end)) if end.eq_ignore_ascii_case(".rhai") => stem,
        _ => name,
    }
}

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
            let lower = modes.policies.get(name).filter(|mode| **mode < Mode::Enforce);
            // a line of its own may be one that a slip has brought
            let held: Vec<&str> = names
                .iter()
                .filter(|known| lower.is_some() && may_mean(stem(name), stem(known)))
                .filter(|known| modes.policies.get(**known).is_none_or(|of| Some(of) == lower))
                .copied()
                .collect();
            let what = match (lower, held.is_empty()) {
                (Some(mode), false) => format!(
                    "no policy of the set has this name; it may be a slip for {}, which is held in {mode} until the name is mended",
                    held.join(", ")
                ),
                _ => "no policy of the set has this name; the key does nothing".to_owned(),
            };
            warning(join("mode.policies", name), what, hint)
        })
        .collect()
}

/// Targets that were seen, that no line of `[mode.targets]` names, and for which a line that names none may be a slip:
/// until that is mended they are held in the mode that the line asks for, or what was meant to be observed is enforced.
/// A target with a line of its own is taken at its word.
pub fn mode_slips(modes: &Modes, seen: &[TargetName]) -> BTreeMap<TargetName, Slip> {
    let named = |of: &TargetName| modes.targets.keys().any(|name| name.is_like(of));
    let unnamed: Vec<&TargetName> = seen.iter().filter(|of| !named(of)).collect();
    let mut slips: BTreeMap<TargetName, Slip> = BTreeMap::new();
    let lower = modes
        .targets
        .iter()
        .filter(|(_, mode)| **mode < Mode::Enforce);
    for (written, mode) in lower.filter(|(name, _)| !seen.iter().any(|of| of.is_like(name))) {
        for target in unnamed
            .iter()
            .filter(|of| may_mean(written.as_str(), of.as_str()))
        {
            let slip = Slip {
                written: written.clone(),
                mode: *mode,
            };
            let known = slips
                .entry((*target).clone())
                .or_insert_with(|| slip.clone());
            if slip.mode < known.mode {
                *known = slip;
            }
        }
    }
    slips
}

/// Targets of `[mode.targets]` of which nobody has ever seen a task, in words beside their names: what they are taken
/// for, or that they do nothing. None where nothing was seen yet.
pub fn mode_strangers(modes: &Modes, seen: &[TargetName]) -> Vec<(TargetName, String)> {
    let named = modes.targets.iter().filter(|_| !seen.is_empty());
    let unknown = named.filter(|(target, _)| !seen.iter().any(|of| of.is_like(target)));
    let slips = mode_slips(modes, seen);
    let words = |(target, mode): (&TargetName, &Mode)| {
        let held: Vec<&str> = slips
            .keys()
            .filter(|of| *mode < Mode::Enforce && may_mean(target.as_str(), of.as_str()))
            .map(TargetName::as_str)
            .collect();
        let words = if held.is_empty() {
            let near = did_you_mean(target.as_str(), seen.iter().map(TargetName::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            format!("no task of such a target was ever seen, so that it does nothing{near}")
        } else {
            let held = held.join(", ");
            format!(
                "no task of such a target was ever seen; it may be a slip for {held}, which is held in {mode} until the name is mended or {held} has a line of its own"
            )
        };
        (target.clone(), words)
    };
    unknown.map(words).collect()
}

/// The same of `[governor.targets]`: limits of a target that nobody has ever seen limit nothing. None is held for it.
pub fn limit_strangers<'a>(
    named: impl Iterator<Item = &'a TargetName>,
    seen: &[TargetName],
) -> Vec<(TargetName, String)> {
    let named: Vec<&TargetName> = named.filter(|_| !seen.is_empty()).collect();
    let has_own = |of: &TargetName| named.iter().any(|name| name.is_like(of));
    let unknown = named
        .iter()
        .filter(|name| !seen.iter().any(|of| of.is_like(name)));
    let words = |name: &&TargetName| {
        let meant = seen.iter().filter(|of| !has_own(of));
        let meant: Vec<&str> = meant
            .map(TargetName::as_str)
            .filter(|of| may_mean(name.as_str(), of))
            .collect();
        let more = match meant.as_slice() {
            [] => String::new(),
            meant => format!(
                "; it may be a slip for {}, for which the limits of [governor.default] hold until the name is mended",
                meant.join(", ")
            ),
        };
        let words =
            format!("no task of such a target was ever seen, so that it limits nothing{more}");
        ((*name).clone(), words)
    };
    unknown.map(words).collect()
}

/// True where one name may be written by somebody who means the other: the same letters and digits, or at most two
/// slips of the finger in a name that is otherwise the same for at least its half.
fn may_mean(written: &str, known: &str) -> bool {
    let plain = |name: &str| -> Vec<char> {
        let all = name.chars().flat_map(char::to_lowercase);
        all.filter(|c| c.is_alphanumeric()).collect()
    };
    let (written, known) = (plain(written), plain(known));
    let far = slips_between(&written, &known);
    far == 0 || far <= 2 && far * 2 <= written.len().max(known.len())
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
        // said with what is held for it
        .filter(|(section, target)| {
            let taken = |slip: &Slip| slip.written == **target;
            *section != "mode.targets" || !settings.modes.slips.values().any(taken)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<TargetName> {
        all.iter().map(|name| TargetName::new(name)).collect()
    }

    fn modes(lines: &[(&str, Mode)]) -> Modes {
        let targets = lines
            .iter()
            .map(|(name, mode)| (TargetName::new(name), *mode));
        Modes {
            global: Mode::Enforce,
            actions: BTreeMap::new(),
            policies: BTreeMap::new(),
            targets: targets.collect(),
            others: None,
            slips: BTreeMap::new(),
        }
    }

    #[test]
    fn a_slip_holds_what_it_may_stand_for_and_nothing_else() {
        for (written, seen, may) in [
            ("SAPP", "SAP", true),
            ("SPA", "SAP", true),
            ("SAPXY", "SAP", true),
            ("sap hr", "SAP_HR", true),
            ("AD ", "AD", true),
            ("ADD", "AD", true),
            ("Exchagne", "EXCHANGE", true),
            ("ORACLE-DB", "Oracle DB", true),
            ("HR", "AD", false),
            ("AD", "SAP", false),
            ("CRM", "ERP", false),
            ("Active Directory", "AD", false),
        ] {
            let modes = modes(&[(written, Mode::Observe)]);
            let mut held = modes.clone();
            held.slips = mode_slips(&modes, &names(&[seen, "LEGACYHR"]));
            let mode = held.of_target(&TargetName::new(seen));
            assert_eq!(mode, may.then_some(Mode::Observe), "{written} for {seen}");
            assert_eq!(held.of_target(&TargetName::new("LEGACYHR")), None);
        }
    }

    #[test]
    fn limits_of_a_target_that_nobody_has_seen_are_told_and_hold_nothing() {
        let told = |named: &[&str], seen: &[&str]| -> Vec<(String, bool)> {
            let strangers = limit_strangers(names(named).iter(), &names(seen)).into_iter();
            strangers
                .map(|(name, why)| (name.to_string(), why.contains("may be a slip for AD,")))
                .collect()
        };
        let ad2 = |slip| vec![("AD2".to_owned(), slip)];
        assert_eq!(told(&["AD2"], &["AD", "SAP"]), ad2(true));
        assert_eq!(
            told(&["ad", "AD2"], &["AD", "SAP"]),
            ad2(false),
            "AD has its own"
        );
        assert_eq!(told(&["ad"], &["AD"]), []);
        assert_eq!(told(&["AD2"], &[]), [], "nothing was seen yet");
    }

    #[test]
    fn a_line_of_its_own_or_a_name_that_was_seen_makes_no_slip() {
        let seen = names(&["AD1", "AD2"]);
        let one = modes(&[("AD1", Mode::Off)]);
        assert_eq!(mode_slips(&one, &seen), BTreeMap::new(), "both are there");
        let own = modes(&[("AD3", Mode::Off), ("ad1", Mode::Enforce)]);
        let held: Vec<TargetName> = mode_slips(&own, &seen).into_keys().collect();
        assert_eq!(held, names(&["AD2"]), "AD1 has a line of its own");
        let two = modes(&[("AD3", Mode::Observe), ("AD4", Mode::Off)]);
        let lowest: Vec<Mode> = mode_slips(&two, &seen).values().map(|of| of.mode).collect();
        assert_eq!(lowest, [Mode::Off, Mode::Off]);
        let more = modes(&[("AD3", Mode::Enforce)]);
        assert_eq!(
            mode_slips(&more, &seen),
            BTreeMap::new(),
            "it asks for nothing lower"
        );
        assert_eq!(mode_slips(&two, &[]), BTreeMap::new());
    }
}
