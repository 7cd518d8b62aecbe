//! Which of the tasks that hints name the list shows, and which become rows behind it: those that are followed, read by their ids within a share of the read budget; it sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::by_id::{Finder, Told};
use super::core::Core;
use super::evaluate::Bench;
use crate::control::IntakeView;
use crate::given;
use crate::model::hash::FastSet;
use crate::model::seers::bit;
use crate::model::settings::IntakeSettings;
use crate::model::{Road, Snapshot, TargetName, TaskId};
use crate::oig::{FileFault, OigError};
use crate::source::intake::{open_to_all, read_secrets};
use crate::source::{Hint, HintEnd, Intake};

/// What was asked for before the list was: a list that began later shows it as it was told of.
#[derive(Debug, Default)]
pub struct Asked {
    hints: Vec<Hint>,
    targets: BTreeMap<TargetName, u64>,
}

/// Which rows of a snapshot are there by hints, and what became of those.
#[derive(Debug, Default)]
pub struct Hinted {
    /// Rows of the list; those behind them were read by their ids.
    pub(super) listed: usize,
    roads: Vec<Road>,
    /// Each hint with its end; none: it could not be read this time.
    pub ends: Vec<(Hint, Option<HintEnd>)>,
    /// Those of which nothing was told, and that wait on without having been tried.
    pub kept: Vec<Hint>,
    /// New ones that no list shows: they are read beside what follows.
    pub new: Vec<Hint>,
    /// Targets of which somebody has said that they work again.
    pub targets: BTreeMap<TargetName, u64>,
}

impl Hinted {
    /// By which road a row was seen.
    pub fn road(&self, row: usize) -> Road {
        let behind = row.checked_sub(self.listed);
        let road = behind.and_then(|at| self.roads.get(at));
        road.copied().unwrap_or(Road::List)
    }

    /// Rows that no list shows: a hint or a walk through accounts has named them.
    pub fn unlisted(&self, snapshot: &Snapshot) -> FastSet<TaskId> {
        let behind = snapshot.tasks.iter().skip(self.listed);
        behind.map(|task| task.id.clone()).collect()
    }

    /// The roads of all rows that no list shows.
    pub fn roads(&self) -> &[Road] {
        &self.roads
    }
}

/// What a cycle, or a question, has to read: a question takes no hint away from the next cycle.
pub fn asked(bench: &Bench) -> Asked {
    let Some(intake) = bench.intake.as_ref().filter(|_| !bench.ahead) else {
        return Asked::default();
    };
    if !bench.whole {
        let (hints, targets) = intake.hints();
        return Asked { hints, targets };
    }
    let mut hints = intake.hints_for_a_look();
    let is_asked = |hint: &Hint| bench.only.as_ref() == Some(&hint.task);
    hints.retain(|hint| hint.followed || is_asked(hint));
    hints.sort_by_key(|hint| !is_asked(hint));
    Asked {
        hints,
        targets: BTreeMap::new(),
    }
}

/// How many tasks are read by their ids in a cycle, and how many of these are such as were followed before: half, so
/// that new hints always get their turn. Where more are followed they are read in turn.
fn limits(bench: &Bench) -> (usize, usize) {
    let budget = bench.settings.server.reads_per_minute / 4;
    let budget = usize::try_from(budget).unwrap_or(usize::MAX);
    let reads = bench.settings.intake.reads_per_cycle.min(budget).max(2);
    (reads, reads / 2)
}

/// Sorts out what the list shows, and reads by its ids what is followed; what is open of it becomes rows behind those of
/// the list. New ones that no list shows are read beside what follows, or with the others where nothing follows.
///
/// # Errors
/// Only a stopped login.
pub async fn read(
    bench: &Bench,
    asked: Asked,
    snapshot: &mut Snapshot,
) -> Result<Hinted, OigError> {
    let mut out = Hinted {
        listed: snapshot.tasks.len(),
        targets: asked.targets,
        ..Hinted::default()
    };
    if asked.hints.is_empty() {
        return Ok(out);
    }
    let wanted: FastSet<&TaskId> = asked.hints.iter().map(|hint| &hint.task).collect();
    let shown: FastSet<TaskId> = snapshot
        .tasks
        .iter()
        .filter(|task| wanted.contains(&task.id))
        .map(|task| task.id.clone())
        .collect();
    drop(wanted);
    let (listed, others): (Vec<Hint>, Vec<Hint>) = asked
        .hints
        .into_iter()
        .partition(|hint| shown.contains(&hint.task));
    let ends = listed.into_iter().map(|hint| (hint, Some(HintEnd::Listed)));
    out.ends.extend(ends);
    if !snapshot.complete {
        // the pages that are missing may show them
        return Ok(out);
    }
    if !snapshot.has_main() {
        // so may the list of the main login, which is stopped: as another one they would be tried in vain
        for hint in &others {
            unsure(snapshot, hint);
        }
        out.kept = others;
        return Ok(out);
    }
    let (reads, places) = limits(bench);
    let (mut followed, mut asked) = (0, 0);
    let mut finder = Finder::of(bench);
    for hint in others {
        let has_place = !hint.followed || followed < places;
        if finder.is_stopped() || !has_place || asked >= reads {
            unsure(snapshot, &hint);
            continue;
        }
        asked += 1;
        followed += usize::from(hint.followed);
        if bench.hints_beside && !hint.followed {
            out.new.push(hint);
            continue;
        }
        match finder.read(&hint).await? {
            Told::Ended(end) => {
                if end == HintEnd::NotFound && !hint.missed {
                    unsure(snapshot, &hint);
                }
                out.ends.push((hint, Some(end)));
            }
            Told::Open(task, by) => {
                snapshot.tasks.push(*task);
                if let Some(seers) = &mut snapshot.seers {
                    seers.rows.push(bit(by));
                }
                out.roads.push(hint.road);
                out.ends.push((hint, Some(HintEnd::Followed)));
            }
            // nothing follows from the absence of what could not be read
            Told::Waits => {
                unsure(snapshot, &hint);
                out.kept.push(hint);
            }
            Told::InVain => {
                unsure(snapshot, &hint);
                out.ends.push((hint, None));
            }
        }
    }
    Ok(out)
}

/// Nothing follows from its not being shown, where one that is followed could not be read; of the others the lists
/// tell as ever.
fn unsure(snapshot: &mut Snapshot, hint: &Hint) {
    if hint.followed {
        snapshot.unread.push(hint.task.clone());
    }
}

/// What is wrong with the secret that signs events, for `check`; nothing of it is kept.
pub fn secret_fault(settings: &IntakeSettings) -> Option<FileFault> {
    settings.listen?;
    let path = settings.secret_file.as_ref()?;
    let what = read_secrets(path).err()?.to_string();
    let opened = given::open(path).err();
    Some(FileFault {
        key: "intake.secret_file",
        what,
        denied: opened.is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied),
    })
}

/// Waits for a hint that no cycle has taken yet.
pub async fn hint(intake: Option<&Intake>) {
    match intake {
        Some(intake) => intake.came().await,
        None => std::future::pending().await,
    }
}

impl Core {
    /// A hint waits: the next cycle comes earlier, but not while the server is in trouble, nor sooner than
    /// `intake.earliest` after the last one. Nothing is sent earlier for it.
    pub fn hint_came(&mut self, now: Timestamp) {
        if self.memory.is_none() || self.last.failures > 0 || self.last.at.is_none() {
            return;
        }
        let pause = self.settings.intake.earliest;
        let after = self.last.at.and_then(|at| at.checked_add(pause).ok());
        let rest = SignedDuration::try_from(self.last.took).unwrap_or(SignedDuration::ZERO);
        let rested = rest
            .checked_mul(4)
            .and_then(|rest| self.last.at?.checked_add(rest).ok());
        let soonest = after.max(rested).unwrap_or(now).max(now);
        let soonest = soonest.max(self.soonest(now));
        if soonest < self.next_tick {
            self.next_tick = soonest;
            self.asked_early = true;
        }
    }

    /// The cycle has read what hints have named.
    pub async fn hints_read(&mut self, hinted: &mut Hinted, known: bool) {
        let Some(intake) = self.intake.clone() else {
            return;
        };
        let ends = std::mem::take(&mut hinted.ends);
        let targets = std::mem::take(&mut hinted.targets);
        intake.had_turn(&std::mem::take(&mut hinted.kept));
        let new = std::mem::take(&mut hinted.new);
        if known {
            self.start_look_up(&intake, new);
        } else {
            // another world tells nothing of them, and they bring no cycle forward to be told so again
            intake.are_read(&new);
        }
        for target in targets.keys() {
            tracing::info!(target_system = %target, "an event says that it works again; the list was read for it, its breaker and pauses are as they were");
        }
        if !(ends.is_empty() && targets.is_empty()) {
            intake.end(ends, targets).await;
        }
    }

    /// What is shown of the intake.
    pub fn intake_view(&self) -> Option<IntakeView> {
        let standing = self.intake.as_ref()?.standing();
        let counted = standing.counted;
        let settings = &self.settings.intake;
        let words = |counts: Vec<(&'static str, u64)>| -> Vec<(String, u64)> {
            let some = counts.into_iter().filter(|(_, count)| *count > 0);
            some.map(|(word, count)| (word.to_owned(), count)).collect()
        };
        let refused = counted.refused.iter();
        let ended = counted.ended.iter();
        Some(IntakeView {
            listen: self.intake_at.map(|at| at.to_string()),
            folder: settings
                .folder
                .as_ref()
                .map(|path| path.display().to_string()),
            waiting: standing.waiting,
            followed: standing.followed,
            accepted: counted.accepted,
            duplicates: counted.duplicates,
            files: counted.files,
            files_failed: counted.files_failed,
            refused: words(
                refused
                    .map(|(cause, count)| (cause.as_str(), *count))
                    .collect(),
            ),
            ended: words(ended.map(|(end, count)| (end.as_str(), *count)).collect()),
            problem: self.intake_problem(standing.trouble, standing.folder),
            walk: self.walk_view(),
            persons_waiting: standing.persons,
            persons: self.persons_view(),
        })
    }

    /// What keeps events or files from being taken now: what is wrong with disk, secret and folder.
    fn intake_problem(
        &self,
        trouble: Option<Arc<str>>,
        folder_now: Option<Arc<str>>,
    ) -> Option<String> {
        let settings = &self.settings.intake;
        let secret = settings
            .secret_file
            .as_ref()
            .filter(|_| settings.listen.is_some());
        let secret = secret.and_then(|file| read_secrets(file).err());
        let folder = settings.folder.as_ref().and_then(|dir| {
            let what = open_to_all(dir)?;
            Some(format!(
                "the folder {}: {what}: nothing of it is taken",
                dir.display()
            ))
        });
        let folder = folder.or_else(|| Some(format!("the folder: {}", folder_now?)));
        let all = [
            trouble.map(|why| why.to_string()),
            secret.map(|why| format!("no event is taken (no_secret): {why}")),
            folder,
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Brings the metrics of the intake up to date.
    pub fn meter_intake(&mut self) {
        let Some(intake) = &self.intake else {
            return;
        };
        let standing = intake.standing();
        let counted = standing.counted;
        self.metrics
            .set_hints_waiting(standing.waiting, standing.followed);
        let mut events = vec![
            ("accepted", counted.accepted),
            ("duplicate", counted.duplicates),
        ];
        events.extend(
            counted
                .refused
                .iter()
                .map(|(cause, n)| (cause.as_str(), *n)),
        );
        let ends = counted.ended.iter().map(|(end, n)| (end.as_str(), *n));
        let files = [("done", counted.files), ("failed", counted.files_failed)];
        self.metrics
            .intake(&mut self.metered_intake, events, ends.collect(), files);
    }
}
