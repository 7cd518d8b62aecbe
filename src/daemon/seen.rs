//! The numbers of a snapshot, for status, metrics and log; it counts what this login sees, nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::left_alone::LeftOpen;
use super::lists::Listed;
use crate::absence::Roster;
use crate::control::ListView;
use crate::governor::Census;
use crate::model::hash::FastSet;
use crate::model::{Kind, Known, LeftAlone, Login, Owner, Road, Snapshot, TargetName, TaskStatus};

/// Numbers of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When the first page was asked for.
    pub taken_at: Option<Timestamp>,
    /// Tasks visible to this login.
    pub visible: u64,
    /// Every page was read to the end: enough to act on, because what gives access is acted on only
    /// with its account's process read.
    pub complete: bool,
    /// Complete, and no row has moved while it was read: enough to conclude from what is not there.
    pub whole: bool,
    /// Pages read.
    pub pages: u32,
    /// Rows that could not be read, with why (the first few).
    pub unreadable: Vec<String>,
    /// Per target: visible, rejected.
    pub targets: BTreeMap<TargetName, (u64, u64)>,
    /// Definitions without a kind, with their counts.
    pub unmapped: BTreeMap<String, u64>,
    /// Tasks by the road on which they were seen; those of the list are the rest of `visible`.
    pub roads: BTreeMap<Road, u64>,
    /// Rejected tasks that no login's list shows, by owner, and when a pass has last read all lists.
    pub no_road: Option<(Timestamp, BTreeMap<String, u64>)>,
    /// What came of each login's list; the main one's is the first.
    pub logins: Vec<Listed>,
    /// Tasks per kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// What no policy wants to act on and nobody was asked about.
    pub left_alone: LeftAlone,
    /// Where access stays open for long of these.
    pub left_open: Vec<LeftOpen>,
    /// People whom the absence file names: who of them owns a task or is the beneficiary of one, and who does not.
    pub absent: Option<Absent>,
}

/// People whom the absence file names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Absent {
    /// Those who own a task or are the beneficiary of one.
    pub seen: Vec<Login>,
    /// The others.
    pub unseen: Vec<Login>,
}

impl Seen {
    /// False where the main login is stopped and its list was left out.
    pub fn has_main(&self) -> bool {
        self.logins.first().is_none_or(|main| main.read)
    }

    /// True where no login was left out.
    pub fn all_read(&self) -> bool {
        self.logins.iter().all(|of| of.read)
    }

    /// Each login's list, as what was seen rests on it.
    pub fn lists(&self) -> Vec<ListView> {
        let list = |of: &Listed| ListView {
            login: of.login.clone(),
            read: of.read,
            tasks: of.read.then_some(of.tasks),
            why_not: (!of.read).then(|| {
                let why = of.error.clone();
                why.unwrap_or_else(|| "it was not due (`every`)".to_owned())
            }),
        };
        self.logins.iter().map(list).collect()
    }

    /// Visible tasks per target, for the governor's share caps.
    pub fn census(&self) -> Census {
        let visible = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let targets = self.targets.iter();
        Census(
            targets
                .map(|(target, (count, _))| (target.clone(), visible(*count)))
                .collect(),
        )
    }
}

/// People whom the absence file names, and whom of them the rows show.
fn absent(snapshot: &Snapshot, roster: &Roster) -> Absent {
    let mut left: FastSet<&Login> = roster.logins().collect();
    // lists come in runs of one owner
    let mut last = None;
    for task in &snapshot.tasks {
        if left.is_empty() {
            break;
        }
        if let Owner::User {
            login: Some(login), ..
        } = &task.owner
            && last != Some(login)
        {
            left.remove(login);
            last = Some(login);
        }
        if let Some(login) = &task.beneficiary {
            left.remove(login);
        }
    }
    let (unseen, seen) = roster.logins().cloned().partition(|of| left.contains(of));
    Absent { seen, unseen }
}

/// Counts a snapshot, with the roads of those rows that no list shows, and who of the absence file is among them.
pub fn count(
    snapshot: &Snapshot,
    kinds: &[Kind],
    behind: &[Road],
    roster: &Known<Arc<Roster>>,
) -> Seen {
    let seers = snapshot.seers.as_ref();
    let still = seers.is_none_or(|seers| seers.whole == seers.read);
    let mut seen = Seen {
        taken_at: Some(snapshot.taken_at),
        visible: u64::try_from(snapshot.tasks.len()).unwrap_or(u64::MAX),
        complete: snapshot.complete,
        whole: snapshot.complete && snapshot.stable && still,
        pages: snapshot.pages,
        unreadable: snapshot.unreadable.iter().take(5).cloned().collect(),
        ..Seen::default()
    };
    seen.absent = roster.value().map(|roster| absent(snapshot, roster));
    let listed = snapshot.tasks.len().saturating_sub(behind.len());
    let listed = u64::try_from(listed).unwrap_or(u64::MAX);
    seen.roads.insert(Road::List, listed);
    for road in behind {
        *seen.roads.entry(*road).or_default() += 1;
    }
    for (task, kind) in snapshot.tasks.iter().zip(kinds) {
        if let Some(target) = &task.target {
            if let Some(row) = seen.targets.get_mut(target) {
                row.0 += 1;
                row.1 += u64::from(task.status == TaskStatus::Rejected);
            } else {
                seen.targets.insert(
                    target.clone(),
                    (1, u64::from(task.status == TaskStatus::Rejected)),
                );
            }
        }
        *seen.kinds.entry(*kind).or_default() += 1;
        if *kind == Kind::Unknown {
            let name = task.definition_name.as_deref().unwrap_or("(no name)");
            let target = task.target.as_ref().map_or("-", |t| t.as_str());
            *seen.unmapped.entry(format!("{target}/{name}")).or_default() += 1;
        }
    }
    seen
}
