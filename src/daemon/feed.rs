//! The absence file: read beside the loop before each cycle and at a reload, which wait for it and hold up nothing else; and what is said of it in the answer to a reload, in status and in the inbox.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::answer::log_order;
use super::core::{Core, Done, Question};
use super::inbox::general;
use crate::absence::{Feed, FeedProblem, FeedReading, FeedState, Roster};
use crate::control::{Done as Carried, FeedView, InboxItem, Reply};
use crate::model::hash::FastSet;
use crate::model::settings::Settings;
use crate::model::{Known, Login};
use crate::oig::can_be_asked_for;

/// What to do about a file that can't be taken.
const FILE_HINT: &str = "mend the file (`provtaskd check` names what is wrong), it is read again with every cycle; until then the last good reading stands for as long as absence.feed_max_age allows, and without one nobody can be found present or away";
/// What to do about single rows.
const ROW_HINT: &str = "mend the rows (`provtaskd check` names them all), the file is read again with every cycle; the other rows hold";

/// What to do about a column that nobody has named.
const COLUMN_HINT: &str =
    "the file is read again with every cycle; the rows hold, and nobody stands in by them";

/// What to do about stand-ins whom nobody knows.
const STAND_IN_HINT: &str = "write a User Login as OIG has it (no mail address, no staff number; one with a quote or `::` in it can't be asked for), or let the login of the daemon see that user; `provtaskd explain TASK` names whom it was asked for";
/// So many rows are named.
const PLACES: usize = 20;

/// Who is away, and the file that says so.
pub struct Absences {
    feed: Option<Feed>,
    roster: Known<Arc<Roster>>,
    /// A reading is waited for.
    reading: bool,
    /// The file was looked at for the cycle that comes.
    fresh: bool,
    /// It was looked at once at least.
    known: bool,
    /// The file may have changed since the reading was begun.
    again: bool,
    /// Rises with each configuration: what an earlier one has begun is not waited for.
    of: u64,
    /// Who has reloaded, and is told how the file stands.
    reloads: Vec<Reloaded>,
    /// Rows that hold now and whose stand-in is nobody whom OIG shows, by whom they name and their places, and since when.
    strange: Option<(Timestamp, Vec<(Login, String)>)>,
    /// What was asked before the file was looked at for the first time.
    questions: Vec<(Question, oneshot::Sender<Reply>)>,
    /// What the log has said of the file.
    said: Said,
}

/// What is said of the file: once, and where it stays so once a day.
#[derive(Debug, Default)]
struct Said {
    what: BTreeSet<String>,
    at: Option<Timestamp>,
}

/// After so long it is said again.
const SAID_AGAIN: SignedDuration = SignedDuration::from_hours(24);

impl Said {
    /// Those of the problems that are to be said now, and whether all are over that were.
    fn of<'a>(
        &mut self,
        problems: &'a [FeedProblem],
        now: Timestamp,
    ) -> (Vec<&'a FeedProblem>, bool) {
        let again = self
            .at
            .is_none_or(|at| now.duration_since(at) >= SAID_AGAIN);
        let new = |problem: &&FeedProblem| again || !self.what.contains(&problem.sort());
        let new: Vec<&FeedProblem> = problems.iter().filter(new).collect();
        let over = problems.is_empty() && !self.what.is_empty();
        if again {
            self.at = Some(now);
        }
        self.what = problems.iter().map(FeedProblem::sort).collect();
        (new, over)
    }
}

/// A reload that is carried out but for the absence file.
pub struct Reloaded {
    /// What it is answered with.
    pub message: String,
    /// Who has ordered it.
    pub uid: u32,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

impl Absences {
    /// Nothing was read yet.
    pub fn of(settings: &Settings) -> Self {
        Self {
            feed: feed_of(settings),
            roster: Known::unknown("the feed was not read yet"),
            reading: false,
            fresh: false,
            known: false,
            again: false,
            of: 0,
            reloads: Vec::new(),
            strange: None,
            questions: Vec::new(),
            said: Said::default(),
        }
    }

    /// Who is away, as far as is known now.
    pub fn roster(&self) -> Known<Arc<Roster>> {
        self.roster.clone()
    }

    /// True while the end of a reading is waited for, which wakes the loop.
    pub fn is_reading(&self) -> bool {
        self.reading
    }

    /// Other settings: rows of another file, or read in another zone, are not what is asked for now.
    pub fn reconfigure(&mut self, settings: &Settings) {
        let former = self.feed.take();
        self.feed = feed_of(settings).map(|feed| feed.after(former));
        self.roster = Known::unknown("the feed was not read yet");
        self.of += 1;
        self.reading = false;
        self.fresh = false;
    }

    /// Begins a reading, or finds one under way; what is to be waited for.
    fn begin(&mut self, now: Timestamp) -> Result<Option<FeedReading>, FeedProblem> {
        match &mut self.feed {
            Some(feed) => feed.begin(now),
            None => Ok(None),
        }
    }

    /// Takes in what a reading has brought.
    fn end(&mut self, now: Timestamp, not_begun: Option<FeedProblem>) {
        self.known = true;
        let Some(feed) = &mut self.feed else {
            self.roster = Known::Yes {
                value: Arc::new(Roster::default()),
                as_of: now,
            };
            return;
        };
        let (roster, problems) = feed.end(now, not_begun);
        let (new, over) = self.said.of(&problems, now);
        for problem in new {
            tracing::warn!(problem = %problem, "absence feed");
        }
        if over {
            tracing::info!("the absence feed is as it should be again");
        }
        self.roster = roster;
    }

    /// Reads the file where there is no loop that anything else is asked of.
    pub async fn read_now(&mut self, now: Timestamp) {
        let begun = self.begin(now);
        let not_begun = match begun {
            Ok(Some(reading)) => {
                reading.ended().await;
                None
            }
            Ok(None) => None,
            Err(problem) => Some(problem),
        };
        self.end(now, not_begun);
    }
}

/// The reader of the absence feed, where one is configured.
pub fn feed_of(settings: &Settings) -> Option<Feed> {
    let absence = &settings.absence;
    let path = absence.feed.clone()?;
    Some(Feed::new(path, settings.zone.clone(), absence.feed_max_age))
}

impl Core {
    /// True where the file was looked at for the cycle that is due; else that is begun, and its end wakes the loop.
    pub fn absences_are_read(&mut self) -> bool {
        if !self.absences.fresh {
            self.read_absences();
        }
        // without a file there is nothing to wait for
        std::mem::take(&mut self.absences.fresh)
    }

    /// Has the file read beside the loop, once at a time: whatever a file system does, pauses and signals are heard.
    fn read_absences(&mut self) {
        if self.absences.reading {
            return;
        }
        let now = self.clock.now();
        match self.absences.begin(now) {
            Ok(Some(reading)) => {
                self.absences.reading = true;
                let of = self.absences.of;
                self.jobs.spawn(async move {
                    reading.ended().await;
                    Done::Absences { of }
                });
            }
            Ok(None) => self.end_absences(None),
            Err(problem) => self.end_absences(Some(problem)),
        }
    }

    fn end_absences(&mut self, not_begun: Option<FeedProblem>) {
        let now = self.clock.now();
        self.absences.end(now, not_begun);
        // what a reload has read is older than a cycle that begins later
        self.absences.fresh = self.cycle_is_due(now);
    }

    /// Somebody has reloaded: the file is read again, and he is told what is wrong with it.
    pub fn absences_after_reload(&mut self) {
        self.absences.fresh = false;
        if self.absences.reading {
            // it may have begun before the file was changed
            self.absences.again = true;
        } else {
            self.read_absences();
        }
    }

    /// Answers a reload, now or when the file was read.
    pub fn answer_reload(&mut self, reloaded: Reloaded) {
        self.absences.reloads.push(reloaded);
        if !self.absences.reading {
            self.tell_reloads();
        }
    }

    fn tell_reloads(&mut self) {
        let but = self.feed_trouble(self.clock.now());
        for reloaded in std::mem::take(&mut self.absences.reloads) {
            let answer = Reply::Done(Carried {
                message: reloaded.message,
                but: but.clone(),
            });
            log_order("reload", reloaded.uid, "", "", &answer);
            // an asker that went away needs no answer
            let _ = reloaded.reply.send(answer);
        }
    }

    /// True where a question has to wait until it is known for the first time who is away.
    pub fn waits_for_absences(&self) -> bool {
        self.absences.reading && !self.absences.known
    }

    /// Keeps a question until then.
    pub fn ask_after_absences(&mut self, question: Question, reply: oneshot::Sender<Reply>) {
        self.absences.questions.push((question, reply));
    }

    /// The reading that was waited for has ended, or takes too long.
    pub fn absences_read(&mut self, of: u64) {
        if of != self.absences.of {
            return;
        }
        self.absences.reading = false;
        self.end_absences(None);
        if std::mem::take(&mut self.absences.again) {
            self.absences.fresh = false;
            self.read_absences();
        }
        if self.absences.reading {
            return;
        }
        self.tell_reloads();
        for (question, reply) in std::mem::take(&mut self.absences.questions) {
            self.ask_afresh(question, reply);
        }
    }

    fn feed_state(&self, now: Timestamp) -> Option<FeedState> {
        self.absences.feed.as_ref().map(|feed| feed.state(now))
    }

    /// How the file stands, where one is configured.
    pub fn feed_view(&self, now: Timestamp) -> Option<FeedView> {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.feed_state(now).map(|state| FeedView {
            file: state.path.display().to_string(),
            rows: state.rows.map(count),
            as_of: state.as_of,
            read_at: state.read_at,
            bad_rows: count(state.bad_rows),
            problem: state.problem,
            people: self
                .last
                .seen
                .absent
                .as_ref()
                .map(|of| count(of.seen.len() + of.unseen.len())),
            people_seen: self.last.seen.absent.as_ref().map(|of| {
                let unseen = of
                    .unseen
                    .iter()
                    .filter(|login| !self.last.known_absent.contains(login));
                let unseen: FastSet<&Login> = unseen.collect();
                let given = self.ledger.read(|index| index.gave_work(&unseen));
                count(of.seen.len() + of.unseen.len() - unseen.len() + given)
            }),
        })
    }

    /// A file that can't be taken is for a person to mend.
    pub fn feed_item(&self, now: Timestamp) -> Option<InboxItem> {
        let state = self.feed_state(now).filter(|state| !state.taken)?;
        let problem = state.problem?;
        let since = state.since.unwrap_or(now);
        let text = format!("{problem}; {FILE_HINT}");
        Some(general("absence_feed", since, "absence_feed", text))
    }

    /// Looks which rows name a stand-in whom OIG does not show, or can't be asked for, and says so when that changes. Of
    /// whom it was asked alone: for whose work somebody was looked for.
    pub fn look_at_stand_ins(&mut self, now: Timestamp) {
        let Some(memory) = &self.memory else { return };
        let roster = self.absences.roster();
        let named = roster.value().map(|roster| roster.named_stand_ins(now));
        let before = self.absences.strange.take();
        // what nothing was decided about in this cycle was not asked for again
        let stays = |row: &(Login, String)| {
            let known = before.as_ref().is_some_and(|(_, rows)| rows.contains(row));
            known && !memory.cache.has_person(&row.0)
        };
        let rows = named.into_iter().flatten();
        let rows = rows.map(|(login, place)| (login.clone(), place.to_owned()));
        let mut rows: Vec<(Login, String)> = rows
            .filter(|row| {
                !can_be_asked_for(&row.0) || memory.cache.is_not_shown(&row.0) || stays(row)
            })
            .collect();
        rows.sort_by(|a, b| a.1.cmp(&b.1));
        let since = before.as_ref().map_or(now, |(since, _)| *since);
        let is_new = before.is_none_or(|(_, before)| before != rows);
        self.absences.strange = (!rows.is_empty()).then_some((since, rows));
        if is_new && let Some(words) = self.stand_ins_unknown() {
            tracing::warn!("{words}");
        }
    }

    /// Which rows those are, in words that repeat nothing of the file.
    pub fn stand_ins_unknown(&self) -> Option<String> {
        let (_, rows) = self.absences.strange.as_ref()?;
        let shown = rows.iter().take(PLACES).map(|(_, place)| place.as_str());
        let shown: Vec<&str> = shown.collect();
        let more = match rows.len().saturating_sub(PLACES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "absence.feed: OIG shows no user of the name that stands as stand-in in {}{more}: nobody is handed that work by the row; {STAND_IN_HINT}",
            shown.join(", ")
        ))
    }

    /// The same for a person to mend.
    pub fn stand_in_item(&self, now: Timestamp) -> Option<InboxItem> {
        let text = self.stand_ins_unknown()?;
        let since = self.absences.strange.as_ref();
        let since = since.map_or(now, |(since, _)| *since);
        Some(general("stand_ins", since, "stand_in_unknown", text))
    }

    /// What is wrong with the file, and what to do.
    pub fn feed_trouble(&self, now: Timestamp) -> Option<(String, String)> {
        let state = self.feed_state(now)?;
        let problem = state.problem?;
        Some(if state.taken && state.bad_rows == 0 {
            // the rows hold, and something beside them is not read
            (problem, COLUMN_HINT.to_owned())
        } else if state.taken {
            let what = format!(
                "rows of the absence file that can't be read: {}, the first: {problem}",
                state.bad_rows
            );
            (what, ROW_HINT.to_owned())
        } else {
            let stands = match state.as_of {
                Some(at) => format!("the reading of {at:.0} stands"),
                None => "absences are unknown".to_owned(),
            };
            (
                format!("the absence file can't be used, {stands}: {problem}"),
                FILE_HINT.to_owned(),
            )
        })
    }
}

/// Places of the rows whose stand-in OIG can't be asked for, whenever they hold; for `check`.
pub fn not_to_be_asked_for(roster: &Roster) -> Vec<String> {
    let named = roster.all_stand_ins();
    let odd = named.filter(|(login, _)| !can_be_asked_for(login));
    odd.map(|(_, place)| place.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_is_wrong_with_the_file_is_said_when_it_changes_and_once_a_day() {
        let at = |hour: i64| Timestamp::from_second(1_900_000_000 + hour * 3_600).expect("a time");
        let path = || PathBuf::from("leave.csv");
        let old = |age_hours| FeedProblem::TooOld {
            path: path(),
            age_hours,
            limit_hours: 24,
        };
        let empty = || FeedProblem::Empty { path: path() };
        let mut said = Said::default();
        for (hour, problems, new, over) in [
            (0, vec![], 0, false),
            (1, vec![old(25)], 1, false),
            (2, vec![old(26)], 0, false),
            (3, vec![old(27), empty()], 1, false),
            (4, vec![empty()], 0, false),
            (5, vec![], 0, true),
            (6, vec![], 0, false),
            (7, vec![empty()], 1, false),
            (26, vec![empty()], 1, false),
            (27, vec![empty()], 0, false),
        ] {
            let (now, ended) = said.of(&problems, at(hour));
            assert_eq!((now.len(), ended), (new, over), "in hour {hour}");
        }
    }
}
