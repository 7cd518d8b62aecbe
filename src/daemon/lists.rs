//! Reads the lists of all logins that are due and makes one snapshot of them, each task once; a login whose list can't be read, or is not due, is left out of the pass, and nothing follows from its silence.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::evaluate::Bench;
use super::memory::Memory;
use crate::model::hash::{FastMap, FastSet};
use crate::model::seers::{Bits, bit};
use crate::model::{Login, Seers, Snapshot, TaskId};
use crate::oig::OigError;

/// What is known of a login's list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose.
    pub login: Login,
    /// When the last one was begun that was read to its end.
    pub at: Option<Timestamp>,
    /// Tasks in it.
    pub tasks: u64,
    /// Those of them on which it acts, because no login before it sees them. Of a list that the last pass did not
    /// read: those that no list shows that it did read.
    pub acts: u64,
    /// The tasks in it, where another login's list may show them meanwhile; nothing of a single login.
    shown: Arc<[TaskId]>,
    /// It was read in the last pass.
    pub read: bool,
    /// Nothing had moved in it meanwhile.
    pub whole: bool,
    /// Read to its end so many times in a row; the passes between in which it was not due do not count.
    pub in_a_row: u32,
    /// Why it could not be read when it last was due.
    pub error: Option<String>,
    /// The cycle that read it last was thrown away: nothing was decided on what it shows.
    pub again: bool,
    /// It was read, and could not be when it was due before: what it takes its login to read may be had again.
    back: bool,
}

impl Listed {
    fn none_yet(login: &Login) -> Self {
        Self {
            login: login.clone(),
            at: None,
            tasks: 0,
            acts: 0,
            shown: Arc::default(),
            read: false,
            whole: false,
            in_a_row: 0,
            error: None,
            again: false,
            back: false,
        }
    }

    fn take(&mut self, snapshot: &Snapshot) {
        self.at = Some(snapshot.taken_at);
        self.tasks = count(snapshot.tasks.len());
        self.read = true;
        self.whole = snapshot.stable;
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.back = self.error.is_some();
        self.error = None;
        self.again = false;
    }

    fn pass_over(&mut self, error: Option<String>) {
        self.read = false;
        self.back = false;
        self.whole = false;
        if error.is_some() {
            // one that was merely not due has not been read in vain
            self.in_a_row = 0;
            self.error = error;
        }
    }

    /// One that failed is tried again with each pass; what is asked of all of them asks each.
    fn is_due(&self, now: Timestamp, every: Option<SignedDuration>, all: bool) -> bool {
        let (Some(at), Some(every)) = (self.at, every) else {
            return true;
        };
        all || self.again || self.error.is_some() || now.duration_since(at) >= every
    }

    /// True where all that it shows has been seen, as far as a restless list allows.
    pub fn is_known(&self) -> bool {
        self.whole || self.in_a_row >= 3
    }
}

/// Of each list that was not read: what no list shows that was, nor one before it.
fn left_out(lists: &mut [Listed], mut shown: FastSet<TaskId>) {
    for listed in lists.iter_mut().filter(|listed| !listed.read) {
        let new = listed.shown.iter().filter(|id| shown.insert((*id).clone()));
        listed.acts = count(new.count());
    }
}

/// What is on record as old backlog from now on needs a refusal of its own: every list is read again, whatever it is
/// due.
pub fn all_again(lists: &mut [Listed]) {
    for listed in lists {
        listed.again = true;
    }
}

/// An order came while a cycle was worked out, and it begins anew: what was read for it is read again, also
/// where it would not be due for long.
pub fn thrown_away(lists: &mut [Listed]) {
    for listed in lists.iter_mut().filter(|listed| listed.read) {
        listed.again = true;
    }
}

/// True where a cycle at that time reads a list of one of these logins, as far as is known now: one that is stopped
/// or fails has nothing to show, and one that is not due yet is not read.
pub fn shows(
    lists: &[Listed],
    every: impl Fn(usize) -> Option<SignedDuration>,
    by: Bits,
    at: Timestamp,
) -> bool {
    lists.len() < 2
        || lists.iter().enumerate().any(|(n, listed)| {
            by & bit(n) != 0 && listed.error.is_none() && listed.is_due(at, every(n), false)
        })
}

/// Reads what is due. The main login's list comes first, and has to come unless that login is stopped: then the
/// pass shows what others see, and nothing follows from what it does not show; it may show nothing at all, where
/// no other list is due, and open attempts are read singly all the same.
///
/// # Errors
/// Any [`OigError`] of the main login's list; its stop only where every other list that was due failed, and none is
/// merely not due.
pub async fn read(bench: &Bench, memory: &mut Memory) -> Result<Snapshot, OigError> {
    let further = bench.logins.further();
    let began = bench.clock.now();
    let pages = memory.cache.pages();
    let (mut snapshot, stop) = match bench.client.list_counted(&pages).await {
        Err(stop @ OigError::LoginStopped { .. }) if !further.is_empty() => {
            (without_main(bench, began), Some(stop))
        }
        told => (told?, None),
    };
    let names = std::iter::once(&snapshot.login).chain(further.iter().map(|(login, _)| login));
    if memory.lists.len() != further.len() + 1 {
        memory.lists = names.clone().map(Listed::none_yet).collect();
    }
    let Some((main, lists)) = memory.lists.split_first_mut() else {
        return Ok(snapshot);
    };
    match &stop {
        Some(stop) => main.pass_over(Some(stop.to_string())),
        None => {
            main.take(&snapshot);
            main.acts = main.tasks;
        }
    }
    if further.is_empty() {
        return Ok(snapshot);
    }
    if stop.is_none() {
        main.shown = ids_of(&snapshot);
    }
    let mut seers = Seers {
        logins: names.cloned().collect(),
        read: if stop.is_none() { bit(0) } else { 0 },
        whole: if snapshot.stable { bit(0) } else { 0 },
        rows: vec![bit(0); snapshot.tasks.len()],
    };
    let mut not_due = false;
    let ids = snapshot.tasks.iter().enumerate();
    let mut places: FastMap<TaskId, usize> = ids.map(|(at, task)| (task.id.clone(), at)).collect();
    for (n, ((login, client), listed)) in (1..).zip(further.iter().zip(lists)) {
        let every = bench.settings.logins.get(n - 1).and_then(|of| of.every);
        if !listed.is_due(bench.clock.now(), every, bench.whole) {
            listed.pass_over(None);
            not_due = true;
            continue;
        }
        let own = match client.list_counted(&pages).await {
            Ok(own) if own.complete => own,
            Ok(own) => {
                let why = own.unreadable.first().map_or("", String::as_str);
                pass_over(listed, format!("it was not read to its end: {why}"));
                continue;
            }
            Err(error) => {
                // a stop was said when it came, and stands in the inbox
                if error.is_login() {
                    listed.pass_over(Some(error.to_string()));
                } else {
                    pass_over(listed, error.to_string());
                }
                continue;
            }
        };
        listed.take(&own);
        listed.shown = ids_of(&own);
        listed.acts = 0;
        seers.read |= bit(n);
        if own.stable {
            seers.whole |= bit(n);
        }
        snapshot.pages = snapshot.pages.saturating_add(own.pages);
        let whose = |why: String| format!("in the list of {login}: {why}");
        snapshot
            .unreadable
            .extend(own.unreadable.into_iter().map(whose));
        for task in own.tasks {
            if let Some(at) = places.get(&task.id) {
                seers.rows[*at] |= bit(n);
                snapshot.tasks[*at].doubt(&task, true);
                continue;
            }
            listed.acts += 1;
            places.insert(task.id.clone(), snapshot.tasks.len());
            seers.rows.push(bit(n));
            snapshot.tasks.push(task);
        }
    }
    left_out(&mut memory.lists, places.into_keys().collect());
    if memory.lists.iter().any(|listed| listed.back) {
        memory.ask_again();
    }
    if let Some(stop) = stop.filter(|_| seers.read == 0 && !not_due) {
        return Err(stop);
    }
    snapshot.seers = Some(seers);
    Ok(snapshot)
}

/// A pass that begins without the main login's rows.
fn without_main(bench: &Bench, began: Timestamp) -> Snapshot {
    Snapshot {
        taken_at: began,
        tasks: Vec::new(),
        complete: true,
        stable: false,
        login: bench.settings.server.login.clone(),
        seers: None,
        pages: 0,
        unreadable: Vec::new(),
        unread: Vec::new(),
    }
}

fn pass_over(listed: &mut Listed, why: String) {
    tracing::warn!(login = %listed.login, why = %why, "the list of a further login could not be read: nothing is done with what only it sees, and none of that is taken as gone");
    listed.pass_over(Some(why));
}

fn ids_of(snapshot: &Snapshot) -> Arc<[TaskId]> {
    let ids = snapshot.tasks.iter().map(|task| task.id.clone());
    ids.collect()
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_due_in_its_time_and_one_that_failed_at_once() {
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let hour = Some(SignedDuration::from_hours(1));
        let mut listed = Listed::none_yet(&Login::new("B"));
        assert!(listed.is_due(at(0), hour, false), "never read");
        listed.at = Some(at(0));
        assert!(!listed.is_due(at(59), hour, false));
        assert!(listed.is_due(at(59), hour, true), "a question asks all");
        assert!(listed.is_due(at(59), None, false), "in each cycle");
        assert!(listed.is_due(at(60), hour, false));
        let mut lists = [listed.clone()];
        lists[0].read = true;
        thrown_away(&mut lists);
        assert!(lists[0].is_due(at(1), hour, false), "nothing came of it");
        listed.pass_over(Some("no answer".to_owned()));
        assert!(listed.is_due(at(1), hour, false));
        listed.pass_over(None);
        assert!(
            listed.error.is_some(),
            "not tried, so nothing is known to be well"
        );
    }

    fn restless(login: &Login, at: Timestamp) -> Snapshot {
        Snapshot {
            taken_at: at,
            tasks: Vec::new(),
            complete: true,
            stable: false,
            login: login.clone(),
            seers: None,
            pages: 1,
            unreadable: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Pages of a busy server move with each reading, and this list is due in every third cycle.
    #[test]
    fn a_restless_list_that_is_read_seldom_is_known_some_day() {
        let login = Login::new("B");
        let mut listed = Listed::none_yet(&login);
        let mut known = Vec::new();
        for n in 0..9 {
            if n % 3 == 0 {
                listed.take(&restless(&login, Timestamp::UNIX_EPOCH));
            } else {
                listed.pass_over(None);
            }
            known.push(listed.read && listed.is_known());
        }
        let third = [false, false, false, false, false, false, true, false, false];
        assert_eq!(known, third);
        listed.pass_over(Some("no answer".to_owned()));
        listed.take(&restless(&login, Timestamp::UNIX_EPOCH));
        assert!(!listed.is_known(), "after a failure it begins anew");
    }

    #[test]
    fn a_cycle_shows_what_a_list_shows_that_works_and_is_due() {
        let at = |minute| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let of = |name: &str| {
            let mut listed = Listed::none_yet(&Login::new(name));
            listed.at = Some(at(0));
            listed
        };
        let mut lists = vec![of("A"), of("B")];
        let hourly = |n: usize| (n > 0).then_some(SignedDuration::from_hours(1));
        assert!(shows(&lists[..1], hourly, bit(0), at(1)), "one login");
        assert!(shows(&lists, hourly, bit(0), at(1)));
        assert!(!shows(&lists, hourly, bit(1), at(59)), "not due");
        assert!(shows(&lists, hourly, bit(1), at(60)));
        assert!(shows(&lists, hourly, bit(0) | bit(1), at(1)));
        assert!(shows(&lists, |_| None, bit(1), at(1)));
        lists[0].pass_over(Some("refused".to_owned()));
        assert!(!shows(&lists, hourly, bit(0), at(1)), "stopped");
    }
}
