//! Compaction, retention and erasing: what each takes out, shown as a plan before it acts; none touches what open work needs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::differ::Allowed;
use super::erase::{Met, Person, Unfinished, is_closed};
use super::error::UpkeepError;
use super::file::Coming;
use super::lines::{self, Lines};
use super::rewrite::{Estimate, Ground, Job, Order, Rewritten, text_of};
use super::strip::{Goes, references, strip};
use super::swap::After;
use super::texts::Texts;
use crate::ledger::index::Short;
use crate::ledger::newcomer::LATE;
use crate::ledger::record::{Event, EventBody, RewriteWhy};
use crate::ledger::retention;
use crate::model::settings::StoreSettings;
use crate::model::{LineageId, Login, PolicyHash};

/// Pieces of work that a refusal names at most.
const NAMED: usize = 20;

/// Rewrites the journal so that it takes as little room as it can; no record is changed. What takes more
/// room when rewritten stays as it is.
///
/// # Errors
/// The store is held, rewound or not there, or the new journal would not say the same.
pub fn compact(
    settings: &StoreSettings,
    order: Order<'_>,
    after: After<'_>,
) -> Result<Rewritten, UpkeepError> {
    let Order { actor, now, last } = order;
    let ground = Ground::take(settings, last)?;
    let job = Job {
        why: RewriteWhy::Compact,
        reason: Arc::from("to take less room"),
        actor,
        now,
        change: &|_| None,
        taken_out: &mut |_| Ok(()),
    };
    let ready = ground.rewrite(job, &Allowed::default())?;
    ground.swap_unless_more(ready, after)
}

/// What retention would take out, or has taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionPlan {
    /// Closed lineages in which nothing has happened for the asked time.
    pub lineages: u64,
    /// Lineages that stay as they are.
    pub kept: u64,
    /// Stored texts that go.
    pub texts: u64,
    /// Records.
    pub estimate: Estimate,
    /// The time before which nothing may have happened to what goes.
    pub before: Timestamp,
    /// What was done; `None` for a plan.
    pub done: Option<Rewritten>,
    /// Where the records were written to before they were changed.
    pub export: Option<PathBuf>,
}

/// Plans what could go of work that was closed more than `older` ago; with `export` writes those records
/// there, reads them back, and takes them out.
///
/// # Errors
/// As [`compact`]; the file exists or can't be written.
pub fn retention(
    settings: &StoreSettings,
    older: SignedDuration,
    export: Option<&Path>,
    order: Order<'_>,
    after: After<'_>,
) -> Result<RetentionPlan, UpkeepError> {
    let Order { actor, now, last } = order;
    let ground = Ground::take(settings, last)?;
    let plan = retention::plan(&ground.before.index, older, now);
    let before = now.checked_sub(older).unwrap_or(Timestamp::MIN);
    let mut goes = Goes {
        lineages: plan.lineages.iter().copied().collect(),
        ..Goes::default()
    };
    let mut uses = Uses::default();
    let mut states = States::default();
    ground.each(|event| {
        uses.note(&event.body, |lineage| goes.lineages.contains(&lineage));
        states.note(event);
    })?;
    goes.states_before = (states.whole_from, before);
    goes.texts = uses.free();
    let change = |event: &Event| {
        let body = strip(event, &goes)?;
        Some(Event {
            body,
            ..event.clone()
        })
    };
    let mut out = RetentionPlan {
        lineages: u64::try_from(plan.lineages.len()).unwrap_or(u64::MAX),
        kept: plan.kept,
        texts: u64::try_from(goes.texts.len()).unwrap_or(u64::MAX),
        estimate: ground.estimate(change)?,
        before,
        done: None,
        export: None,
    };
    let Some(path) = export else {
        return Ok(out);
    };
    if out.estimate.changed == 0 {
        return Err(UpkeepError::Nothing(
            "there is nothing to take out: no record would say less".to_owned(),
        ));
    }
    let mut coming = Coming::begin(path)?;
    let failed = |e: std::io::Error| UpkeepError::file(path, e);
    let mut lines = Lines::begin(&mut coming.out, lines::TAKEN_OUT).map_err(failed)?;
    let job = Job {
        why: RewriteWhy::Retention,
        reason: Arc::from(format!("closed before {before:.0}")),
        actor,
        now,
        change: &change,
        taken_out: &mut |bytes| lines.record(bytes).map_err(failed),
    };
    let allowed = Allowed {
        lineages: goes.lineages.clone(),
        texts: goes.texts.clone(),
        words: false,
    };
    let ready = ground.rewrite(job, &allowed)?;
    let (_, wrote) = lines.end().map_err(failed)?;
    coming.synced()?;
    // nothing goes that can't be read back
    let read_back = std::fs::File::open(coming.unfinished()).map_err(failed)?;
    let reader = std::io::BufReader::with_capacity(1 << 20, read_back);
    let read = lines::read(reader, path, lines::TAKEN_OUT, |_| Ok(()))?;
    if read != wrote || read.records != ready.changed {
        return Err(UpkeepError::BadFile {
            path: path.to_path_buf(),
            why: "what was read back is not what was written".to_owned(),
        });
    }
    coming.end()?;
    out.done = Some(ground.swap(ready, after)?);
    out.export = Some(path.to_path_buf());
    Ok(out)
}

/// What erasing a person would take out, or has taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErasePlan {
    /// Closed lineages in which something names him, or that are about him.
    pub lineages: u64,
    /// Lineages that are not closed and keep what they need.
    pub open: Vec<LineageId>,
    /// Stored texts that go.
    pub texts: u64,
    /// Stored texts that name him and stay, because open work rests on them.
    pub texts_kept: u64,
    /// What is in force and names him: it stays.
    pub in_force: u64,
    /// Records in which a name of the server's configuration names him: it stays.
    pub configured: u64,
    /// Records.
    pub estimate: Estimate,
    /// What was done; `None` for a plan.
    pub done: Option<Rewritten>,
}

/// Who is to be erased, and why.
#[derive(Clone, Copy, Debug)]
pub struct Erasing<'a> {
    /// His login.
    pub login: &'a str,
    /// Names and mail addresses by which he may stand in words, beside those that the store shows with him.
    pub names: &'a [String],
    /// Why; it is recorded, and may not name him.
    pub reason: &'a str,
    /// Do it; else it is planned.
    pub yes: bool,
}

/// Plans what of a person could go; or takes it out.
///
/// # Errors
/// As [`compact`]; nobody of that login is in the store.
pub fn erase(
    settings: &StoreSettings,
    who: Erasing<'_>,
    order: Order<'_>,
    after: After<'_>,
) -> Result<ErasePlan, UpkeepError> {
    let Order { actor, now, last } = order;
    let ground = Ground::take(settings, last)?;
    let index = &ground.before.index;
    super::known_as::refuse_target(&ground, who.login)?;
    let read = text_of(&ground.held.store);
    // a successor that comes late has to find its elder
    let left_before = now.checked_sub(LATE).unwrap_or(Timestamp::MIN);
    let (person, many, texts_kept, in_force) = find(&ground, &read, who, left_before)?;
    // it borrows the store, which is about to be swapped
    drop(read);
    if person.is_named(who.reason) || person.is_mentioned(who.reason) {
        return Err(UpkeepError::Nothing(
            "the reason names the person who is to be erased: it is recorded, and would be there afterwards".to_owned(),
        ));
    }
    let met = RefCell::new(Met::default());
    let change = |event: &Event| person.erase(event, index, &met);
    let estimate = ground.estimate(change)?;
    let found = met.take();
    let mut out = ErasePlan {
        lineages: u64::try_from(found.touched.len()).unwrap_or(u64::MAX),
        open: found.open.into_iter().collect(),
        texts: many,
        texts_kept,
        in_force: in_force + found.in_force,
        configured: found.configured,
        estimate,
        done: None,
    };
    if estimate.changed == 0 {
        let login = Login::new(who.login);
        return Err(UpkeepError::Nothing(match out.open.len() {
            0 => format!("nothing in the store names {login}"),
            open => {
                let named = out.open.iter().take(NAMED).map(ToString::to_string);
                let named: Vec<String> = named.collect();
                let more = match open.saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let what = if open == 1 { "piece" } else { "pieces" };
                format!(
                    "only work that is not closed names {login}, and keeps what it needs: {open} {what} of work, {}{more}",
                    named.join(", ")
                )
            }
        }));
    }
    if !who.yes {
        return Ok(out);
    }
    let job = Job {
        why: RewriteWhy::Erase,
        reason: Arc::from(who.reason),
        actor,
        now,
        change: &change,
        taken_out: &mut |_| Ok(()),
    };
    let allowed = Allowed {
        lineages: found.touched,
        texts: person.texts.clone(),
        words: true,
    };
    let ready = ground.rewrite(job, &allowed)?;
    out.done = Some(ground.swap(ready, after)?);
    Ok(out)
}

/// Reads the store until all is known of a person; answers how many texts go, how many name him and stay,
/// and how much that is in force names him, beside.
fn find(
    ground: &Ground,
    read: super::texts::Fallback<'_>,
    who: Erasing<'_>,
    left_before: Timestamp,
) -> Result<(Person, u64, u64, u64), UpkeepError> {
    let index = &ground.before.index;
    let mut person = Person::new(who.login, who.names)?;
    person.left_before = left_before;
    ground.each(|event| person.learn(event, index))?;
    // what is wrong with a text was found when the store was examined
    let mut texts = Texts::default();
    ground.each(|event| {
        let _ = texts.take(&event.body, Some((read, index)), |came| {
            person.learn_text(came.text);
        });
    })?;
    // and once more: which texts are about him shows only once all of his work and names is known
    let mut uses = Uses::default();
    let mut named: HashSet<Short> = HashSet::new();
    let mut texts = Texts::default();
    let mut states = States::default();
    let mut unfinished = Unfinished::default();
    ground.each(|event| {
        uses.note_but(&event.body, index.in_force.as_ref(), |lineage| {
            is_closed(index, lineage, left_before)
        });
        states.note_naming(event, &person);
        unfinished.note(&event.body, index);
        let _ = texts.take(&event.body, Some((read, index)), |came| {
            if person.is_shown(came.text) {
                named.insert(Short::from(came.digest));
            }
        });
        references(&event.body, &mut |lineage, digest| {
            if lineage.is_some_and(|lineage| person.own.contains(&lineage)) {
                named.insert(Short::from(digest));
            }
        });
    })?;
    let stored = |text: &Short| index.kept.contains_key(text);
    named.retain(stored);
    let (texts, texts_kept) = uses.free_of(named);
    let many = u64::try_from(texts.len()).unwrap_or(u64::MAX);
    let unfinished: Vec<Short> = unfinished.naming(&person).collect();
    person.texts = texts.into_iter().filter(stored).chain(unfinished).collect();
    let in_force = states.split(&mut person.states);
    Ok((person, many, texts_kept, in_force))
}

/// Which stored texts are used by what.
#[derive(Default)]
struct Uses {
    /// By work of which something goes.
    by_closed: HashSet<Short>,
    /// By everything else.
    by_others: HashSet<Short>,
    /// Texts that are stored as their difference, with what they lean on.
    leaning: Vec<(Short, Vec<Short>)>,
}

impl Uses {
    fn note(&mut self, body: &EventBody, closed: impl Fn(LineageId) -> bool) {
        self.note_but(body, None, closed);
    }

    /// The same; with a policy set the sources of all others count as used by closed work: none of them
    /// decides any more.
    fn note_but(
        &mut self,
        body: &EventBody,
        in_force: Option<&PolicyHash>,
        closed: impl Fn(LineageId) -> bool,
    ) {
        let past_set = match body {
            EventBody::PolicySeen { hash, .. } => in_force.is_some_and(|now| now != hash),
            _ => false,
        };
        references(body, &mut |lineage, digest| {
            let of = match lineage {
                Some(lineage) if closed(lineage) => &mut self.by_closed,
                None if past_set => &mut self.by_closed,
                _ => &mut self.by_others,
            };
            of.insert(digest.into());
        });
        if let EventBody::InputsAlike { base, items } = body {
            let items = items.iter().map(|item| Short::from(&item.digest));
            self.leaning.push((base.into(), items.collect()));
        }
    }

    /// Texts that nothing but closed work uses, and that no other text leans on that stays; with what is there
    /// only for others to lean on, and which no work uses by itself.
    fn free(mut self) -> HashSet<Short> {
        let mut out: HashSet<Short> = &self.by_closed - &self.by_others;
        for (base, items) in &self.leaning {
            if items.iter().any(|item| !out.contains(item)) {
                self.by_others.insert(*base);
            }
        }
        out.extend(self.leaning.iter().map(|(base, _)| *base));
        out.retain(|text| !self.by_others.contains(text));
        out
    }

    /// Of these texts those that open work does not use, with all that lean on them; and how many stay.
    fn free_of(self, wanted: HashSet<Short>) -> (HashSet<Short>, u64) {
        let stays = |text: &Short| self.by_others.contains(text);
        let all = wanted.len();
        let mut out: HashSet<Short> = wanted.into_iter().filter(|text| !stays(text)).collect();
        // what leans on one that goes can't be told any more either, and goes too; unless open work uses it
        let mut held = HashSet::new();
        for (base, items) in &self.leaning {
            if out.contains(base) && items.iter().any(stays) {
                held.insert(*base);
            }
        }
        out.retain(|text| !held.contains(text));
        let kept = all - out.len();
        for (base, items) in &self.leaning {
            if out.contains(base) {
                out.extend(items.iter().copied());
            }
        }
        (out, u64::try_from(kept).unwrap_or(u64::MAX))
    }
}

/// Where the last whole state of the governor begins.
#[derive(Default)]
struct States {
    begins: u64,
    next: u32,
    whole_from: u64,
    /// The state that is coming, and its records.
    coming: (String, Vec<u64>),
    /// Records of states that name the person who is asked for.
    naming: Vec<u64>,
}

impl States {
    fn note(&mut self, event: &Event) {
        let EventBody::GovernorState { part, of, .. } = &event.body else {
            return;
        };
        if *part == 0 {
            (self.begins, self.next) = (event.seq, 0);
        }
        if *part == self.next {
            self.next += 1;
            if self.next == *of {
                self.whole_from = self.begins;
            }
        }
    }

    /// The same, and which of them name a person: a name may be cut where a part ends.
    fn note_naming(&mut self, event: &Event, person: &Person) {
        self.note(event);
        let EventBody::GovernorState { part, json, .. } = &event.body else {
            return;
        };
        if *part == 0 {
            self.coming = (String::new(), Vec::new());
        }
        self.coming.0.push_str(json);
        self.coming.1.push(event.seq);
        if person.is_named(&self.coming.0) {
            self.naming.append(&mut self.coming.1);
        }
    }

    /// Hands out the records of former states that name him; answers whether the one in force does.
    fn split(self, former: &mut HashSet<u64>) -> u64 {
        let from = self.whole_from;
        former.extend(self.naming.iter().filter(|seq| **seq < from));
        u64::from(self.naming.iter().any(|seq| *seq >= from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::AlikeItem;
    use crate::model::Digest;

    /// Texts 1 and 2 lean on 9, which no work uses by itself.
    fn uses(closed: &[&str], open: &[&str]) -> Uses {
        let text = |name: &&str| Short::from(&Digest::new(name));
        let mut uses = Uses {
            by_closed: closed.iter().map(text).collect(),
            by_others: open.iter().map(text).collect(),
            leaning: Vec::new(),
        };
        let item = |name| AlikeItem {
            digest: Digest::new(name),
            steps: Vec::new(),
        };
        for name in ["1", "2"] {
            let (base, items) = (Digest::new("9"), vec![item(name)]);
            uses.note(&EventBody::InputsAlike { base, items }, |_| false);
        }
        uses
    }

    #[test]
    fn what_is_there_only_for_others_to_lean_on_goes_with_the_last_of_them() {
        let named = |names: &[&str]| -> HashSet<Short> {
            names
                .iter()
                .map(|name| Short::from(&Digest::new(name)))
                .collect()
        };
        assert_eq!(uses(&["1", "2"], &[]).free(), named(&["1", "2", "9"]));
        assert_eq!(uses(&["1", "2"], &["2"]).free(), named(&["1"]));
        assert_eq!(uses(&["1", "2"], &["9"]).free(), named(&["1", "2"]));
        assert_eq!(uses(&["1"], &[]).free(), named(&["1"]));
    }
}
