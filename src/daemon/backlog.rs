//! What of the old backlog waits for a person, by target and age, and its release by one; it never releases by itself, nor more than a person was told of.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::DaemonError;
use super::core::Core;
use super::orders::tasks;
use super::views::{backlogs, born, is_backlog};
use crate::control::{
    AgeView, BacklogPart, BacklogRow, BacklogView, LoginRow, PartView, RefusedKind, Reply,
    undecided_words,
};
use crate::ledger::Index;
use crate::ledger::record::{Actor, EventBody};
use crate::model::hash::FastSet;
use crate::model::{ActionName, LineageId, Mode, TargetName};

const DAY: i64 = 24 * 60;
/// Where one class of age ends and the next begins, in minutes, by the word that `--max-age` takes.
const ENDS: [(&str, i64); 6] = [
    ("1d", DAY),
    ("3d", 3 * DAY),
    ("7d", 7 * DAY),
    ("14d", 14 * DAY),
    ("30d", 30 * DAY),
    ("90d", 90 * DAY),
];

impl Core {
    /// All targets on which some of it waits, with how old it is.
    pub fn backlog_view(&self) -> BacklogView {
        let now = self.clock.now();
        // without a daemon no list is read for this at all
        let read = self.last.at.is_some();
        let not_read = match read {
            true => LoginRow::not_read(&self.login_rows()),
            false => Vec::new(),
        };
        let pending = self.backlog_pending();
        let young = self.young(now);
        self.ledger.read(|index| {
            let wanted = wanted(index);
            let mut rows: BTreeMap<TargetName, BacklogRow> = BTreeMap::new();
            for (target, lineages) in backlogs(index) {
                let mut row = BacklogRow {
                    id: format!("baseline:{target}"),
                    target: target.clone(),
                    tasks: 0,
                    wanted: 0,
                    oldest: None,
                    ages: ages(),
                };
                for lineage in lineages {
                    let born = born(index, lineage, young);
                    let acts = wanted.contains(&lineage);
                    row.tasks += 1;
                    row.wanted += u64::from(acts);
                    row.oldest = [row.oldest, born].into_iter().flatten().min();
                    let age = born.map(|born| now.duration_since(born));
                    if let Some(class) = row.ages.get_mut(class_of(age)) {
                        class.tasks += 1;
                        class.wanted += u64::from(acts);
                    }
                }
                let mut releases = 0;
                for class in &mut row.ages {
                    releases += class.tasks;
                    class.releases = releases;
                }
                rows.insert(target, row);
            }
            BacklogView {
                taken: index.baseline().map(|taken| taken.at),
                pending: pending.clone(),
                logins: self.login_names(),
                rows: rows.into_values().collect(),
                not_read: not_read.clone(),
                part: None,
            }
        })
    }

    /// The same, with what a release would let go, where that is asked too.
    pub fn backlog_asked(&self, part: Option<BacklogPart>) -> Reply {
        let mut view = self.backlog_view();
        if let Some(part) = part {
            let (target, lineages) = match self.released_by(&part) {
                Ok(found) => found,
                Err(refused) => return refused,
            };
            let observed = self.observed(&target);
            let stranger = self.stranger_beside(&target);
            let young = self.young(self.clock.now());
            let (acts, open) = self.wanted_of(&lineages);
            view.part = Some(self.ledger.read(|index| {
                PartView {
                    target,
                    tasks: count(lineages.len()),
                    wanted: acts,
                    undecided: open,
                    oldest: lineages
                        .iter()
                        .filter_map(|of| born(index, *of, young))
                        .min(),
                    observed,
                    stranger,
                }
            }));
        }
        Reply::Backlog(Box::new(view))
    }

    /// With how many of these the policies want something done, and of how many it is not known yet. What was decided
    /// before a reload is no word of the policies that are live now.
    fn wanted_of(&self, lineages: &[LineageId]) -> (u64, u64) {
        if self.last.reloaded {
            return (0, count(lineages.len()));
        }
        self.ledger.read(|index| {
            let wanted = wanted(index);
            let acts = lineages.iter().filter(|of| wanted.contains(of)).count();
            (count(acts), undecided(index, lineages))
        })
    }

    /// What a release of this part lets go, and the target by its known name; never nothing.
    fn released_by(&self, part: &BacklogPart) -> Result<(TargetName, Vec<LineageId>), Reply> {
        let target = self
            .target_named(&part.target)
            .map_err(|unknown| unknown.refused())?;
        let now = self.clock.now();
        let born_after = part.max_age.and_then(|age| now.checked_sub(age).ok());
        let lineages = self.backlog(&target, born_after);
        if lineages.is_empty() {
            return Err(Reply::refused(
                RefusedKind::NotFound,
                match part.max_age {
                    None => format!("nothing of an old backlog waits on target `{target}`"),
                    Some(age) => format!(
                        "nothing of an old backlog that is younger than {age:#} waits on target `{target}`"
                    ),
                },
                "see `provtaskd baseline show` for what waits now",
            ));
        }
        Ok((target, lineages))
    }

    /// Releases what the first-day baseline and the age limit hold back on a target.
    pub(super) async fn release_backlog(
        &mut self,
        part: &BacklogPart,
        at_most: Option<u64>,
        why: &str,
        who: Actor,
        now: Timestamp,
    ) -> Result<Reply, DaemonError> {
        let (target, lineages) = match self.released_by(part) {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        let many = lineages.len();
        if at_most.is_some_and(|most| count(many) > most) {
            return Ok(Reply::refused(
                RefusedKind::Invalid,
                format!(
                    "this would release {} of the old backlog on {target}, more than was agreed to: nothing is released",
                    tasks(many)
                ),
                "look at `provtaskd baseline show`; its last column is what a release lets go",
            ));
        }
        let (acts, open) = self.wanted_of(&lineages);
        let open = undecided_words(open);
        self.put(
            EventBody::BaselineReleased {
                lineages,
                reason: Arc::from(why),
            },
            who,
            now,
        )
        .await?;
        let observed = self.observed(&target);
        let observed = observed.map_or_else(String::new, |why| {
            format!("; {why}, and they go once that ends, without another word")
        });
        let stranger = self.stranger_beside(&target);
        let stranger = stranger.map_or_else(String::new, |words| format!("; {words}"));
        Ok(Reply::done(format!(
            "released: {} of the old backlog on {target}{}, the policies want something done with {acts} of them{open}; guards, modes, caps and rates still hold{observed}{stranger}",
            tasks(many),
            match part.max_age {
                Some(age) => format!(", all that are not older than {age:#}"),
                None => ", whatever their age".to_owned(),
            }
        )))
    }

    /// Which lines of `[mode.targets]` ask for less than the global mode and name no target that was ever seen, where this one
    /// has neither a line of its own nor one that is taken for it: one of them may have been meant for it.
    fn stranger_beside(&self, target: &TargetName) -> Option<String> {
        let modes = &self.settings.modes;
        let others = modes.others.is_some_and(|mode| mode < modes.global);
        if others || modes.names(target) || modes.slips.contains_key(target) {
            return None;
        }
        let names: Vec<String> = self
            .mode_strangers()
            .into_iter()
            .filter_map(|(name, _)| {
                let mode = modes.of_target(&name)?;
                (mode < modes.global).then(|| format!("{name} ({mode})"))
            })
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "`mode.targets` names what no task ever bore: {}; if one of them is meant for {target}, nothing holds {target} until the name is mended",
                names.join(", ")
            )
        })
    }

    /// Which mode keeps everything on a target from being sent, if one does: the lowest wins.
    fn observed(&self, target: &TargetName) -> Option<String> {
        let modes = &self.settings.modes;
        let of_target = modes.of_target(target).unwrap_or(Mode::Enforce);
        let of_retries = modes.actions.get(&ActionName::Retry).copied();
        match (modes.global, of_target) {
            (Mode::Enforce, Mode::Enforce) => {
                let of = of_retries.filter(|of| *of < Mode::Enforce)?;
                Some(format!(
                    "`mode.actions` has retry in {of}: no retry is sent now"
                ))
            }
            (global, of) if of < global => Some(match modes.slips.get(target) {
                Some(slip) if slip.mode == of => format!(
                    "`mode.targets` has {} in {of}, which no task ever bore and which may be a slip for {target}: nothing is sent now",
                    slip.written
                ),
                _ if !modes.names(target) => format!(
                    "`mode.targets` has \"*\" in {of} and no line for {target}: nothing is sent now"
                ),
                _ => format!("`mode.targets` has {target} in {of}: nothing is sent now"),
            }),
            (global, _) => Some(format!("`mode.global` is {global}: nothing is sent now")),
        }
    }
}

/// How much of it no policy was asked about yet: the first list is in, and nothing is decided.
fn undecided(index: &Index, lineages: &[LineageId]) -> u64 {
    let open = lineages.iter().filter(|of| index.memo(**of).is_none());
    count(open.count())
}

/// What of it the policies want something done with. Guards that have to read first, modes and caps are asked
/// after a release only: it is no promise that it is sent.
fn wanted(index: &Index) -> FastSet<LineageId> {
    let all = index.inbox(Timestamp::MIN).into_iter();
    all.filter(|item| is_backlog(item.why))
        .map(|item| item.lineage)
        .collect()
}

fn count(many: usize) -> u64 {
    u64::try_from(many).unwrap_or(u64::MAX)
}

/// The classes, empty.
fn ages() -> Vec<AgeView> {
    let ends = ENDS.iter().map(|(word, _)| Some((*word).to_owned()));
    let class = |up_to| AgeView {
        up_to,
        tasks: 0,
        wanted: 0,
        releases: 0,
    };
    ends.chain([None]).map(class).collect()
}

/// The first class that is not too young for this age; work of unknown age is of the last.
fn class_of(age: Option<SignedDuration>) -> usize {
    let fits = |age: SignedDuration| {
        ENDS.iter()
            .position(|(_, end)| age <= SignedDuration::from_mins(*end))
    };
    age.and_then(fits).unwrap_or(ENDS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_its_max_age_releases_and_the_one_before_does_not() {
        let days = |n: i64| Some(SignedDuration::from_hours(24 * n));
        let classes = [0, 1, 2, 3, 7, 8, 14, 30, 90, 91].map(|n| class_of(days(n)));
        assert_eq!(classes, [0, 0, 1, 1, 2, 3, 3, 4, 5, 6]);
        assert_eq!(class_of(None), ENDS.len());
        assert_eq!(ages().len(), ENDS.len() + 1);
        for (word, minutes) in ENDS {
            let read = crate::config::parse_duration(word);
            assert_eq!(read, Some(SignedDuration::from_mins(minutes)), "{word}");
        }
    }
}
