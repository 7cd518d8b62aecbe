//! Turns incoming rows into tasks (contract section 5); pure, lenient, and without opinion on what a task means.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use jiff::tz::TimeZone;

mod child;

use super::conceal::{conceal, hides, names_secret};
use super::dates;
use super::wire::{Field, Row, Value};
use crate::model::fields::{FieldPacker, FieldTable};
use crate::model::hash::Seeded;
use crate::model::id::{canonical_key, upper_case};
use crate::model::text::{clip_json, json_len};
use crate::model::{
    DefKey, Fields, Login, Owner, ProcessKey, RoleKey, TargetName, Task, TaskId, TaskStatus,
    UserKey,
};

/// Texts shared by the rows of one page, so that a name that recurs is kept once. It has few places, and
/// what comes later takes the place: most texts of a list never come again.
#[derive(Debug)]
pub struct Interner {
    hasher: Seeded,
    places: Vec<Option<Arc<str>>>,
}

/// Places of an interner; a power of two.
const PLACES: u16 = 1024;

impl Default for Interner {
    fn default() -> Self {
        Self {
            hasher: Seeded::default(),
            places: vec![None; usize::from(PLACES)],
        }
    }
}

impl Interner {
    /// The shared form of a text.
    pub fn get(&mut self, text: &str) -> Arc<str> {
        let hash = self.hasher.hash_one(text);
        // below the number of places
        let at = usize::try_from(hash % u64::from(PLACES)).unwrap_or(0);
        let place = &mut self.places[at];
        match place {
            Some(have) if **have == *text => Arc::clone(have),
            _ => Arc::clone(place.insert(Arc::from(text))),
        }
    }
}

/// What a field's name means to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Id,
    Status,
    Category,
    DefName,
    DefKey,
    Process,
    AppInstance,
    Object,
    TargetUser,
    OwnerKey,
    OwnerLogin,
    GroupKey,
    GroupName,
    InfoCreated,
    Created,
    Started,
    Ended,
    SchReason,
    Reason,
    Response,
    Note,
    Request,
    RetryTask,
    Adapter,
    Child,
    UpdatedBy,
    /// A column that holds a password: that there is one is all that is kept.
    Secret,
    Other,
}

const INFO: &str = "process instance.task information.";
const DETAILS: &str = "process instance.task details.";

fn known(name: &str) -> Known {
    let name = name.trim().to_ascii_lowercase();
    // Mocks and pages disagree about which of the two groups some names belong to, so both are read.
    let short = name
        .strip_prefix(INFO)
        .or_else(|| name.strip_prefix(DETAILS));
    let own = short.unwrap_or(&name);
    if names_secret(own) {
        return Known::Secret;
    }
    if own.starts_with("child") || is_of_child_form(own) {
        return Known::Child;
    }
    match (short, name.as_str()) {
        (Some("key"), _) if name.starts_with(DETAILS) => Known::Id,
        (Some("status"), _) => Known::Status,
        (Some("target user"), _) => Known::TargetUser,
        (Some("assigned to user key"), _) => Known::OwnerKey,
        (Some("assignee user id"), _) => Known::OwnerLogin,
        (Some("assigned to group key"), _) => Known::GroupKey,
        (Some("creation date"), _) if name.starts_with(INFO) => Known::InfoCreated,
        (Some("creation date"), _) => Known::Created,
        (Some("actual start date"), _) => Known::Started,
        // not documented, but what its neighbour's name makes likely
        (Some("actual end date" | "actual end"), _) => Known::Ended,
        (Some("reason"), _) => Known::Reason,
        (Some("data"), _) => Known::Response,
        (Some("note"), _) => Known::Note,
        (Some("retry task"), _) => Known::RetryTask,
        (Some("updated by user id"), _) => Known::UpdatedBy,
        (_, "status.category") => Known::Category,
        (_, "process definition.tasks.task name") => Known::DefName,
        (_, "process definition.tasks.key") => Known::DefKey,
        (_, "process instance.key") => Known::Process,
        (_, "app_instance_name") => Known::AppInstance,
        (_, "objects.name") => Known::Object,
        (_, "groups.group name") => Known::GroupName,
        (_, "sch_reason") => Known::SchReason,
        (_, "req_key") => Known::Request,
        (_, "event handler manager.key") => Known::Adapter,
        _ => Known::Other,
    }
}

/// `ud_adusrc_groupname`: a column bears its form's name, and that of a child form ends with C by custom. Whatever else
/// begins with `ud_` may be of the account's own form. Taken for a row's it would tell a grant from the revoke of the
/// same row by what has changed in the account meanwhile; a row that is not told only waits, or is asked about.
fn is_of_child_form(name: &str) -> bool {
    let parts = name.strip_prefix("ud_").and_then(|of| of.split_once('_'));
    parts.is_some_and(|(form, column)| form.len() > 1 && form.ends_with('c') && !column.is_empty())
}

/// Maps the rows of one page; its table of names and values is shared by them.
#[derive(Debug)]
pub struct Mapper<'z> {
    packer: FieldPacker,
    /// Name and meaning by the packer's index, so that a name is looked at once per page.
    known: Vec<(Box<str>, Known)>,
    /// Field order of the last row: the next one mostly has the same.
    order: Vec<u16>,
    zone: &'z TimeZone,
}

/// What a row showed, before the typed members are made of it.
#[derive(Default)]
struct Seen<'r> {
    status: Option<Cow<'r, str>>,
    category: Option<Cow<'r, str>>,
    owner_key: Option<Cow<'r, str>>,
    owner_login: Option<Cow<'r, str>>,
    group_key: Option<Cow<'r, str>>,
    group_name: Option<Cow<'r, str>>,
    app_instance: Option<Cow<'r, str>>,
    object: Option<Cow<'r, str>>,
    info_created: Option<Cow<'r, str>>,
    created: Option<Cow<'r, str>>,
    started: Option<Cow<'r, str>>,
    ended: Option<Cow<'r, str>>,
    sch_reason: Option<Cow<'r, str>>,
    reason: Option<Cow<'r, str>>,
    retry_task: Option<Cow<'r, str>>,
    /// A long reason, kept once for the row and for its fields.
    long: Option<Arc<str>>,
    child: Vec<(&'r str, Cow<'r, str>)>,
}

/// Texts from here on are worth a place of their own beside the packed fields.
const LONG: usize = 48;

fn is_reason(meaning: Known) -> bool {
    matches!(meaning, Known::SchReason | Known::Reason)
}

impl Seen<'_> {
    /// True where this text is the row's long one; the first that is long enough becomes it.
    fn holds(&mut self, value: &Value<'_>, pool: &mut Interner) -> bool {
        match (value, &self.long) {
            (Value::Text(text), Some(long)) => **text == **long,
            (Value::Text(text), None) if text.len() >= LONG => {
                self.long = Some(pool.get(text));
                true
            }
            _ => false,
        }
    }
}

impl<'z> Mapper<'z> {
    /// A mapper for one page; `zone` holds for dates without one.
    pub fn new(zone: &'z TimeZone) -> Self {
        Self {
            packer: FieldPacker::default(),
            known: Vec::new(),
            order: Vec::new(),
            zone,
        }
    }

    /// The table of all rows mapped so far; give it to each by [`Fields::share_table`].
    pub fn table(&self) -> Arc<FieldTable> {
        self.packer.table()
    }

    fn name(&mut self, at: usize, name: &str) -> Option<(u16, Known)> {
        if let Some(guess) = self.order.get(at).copied()
            && let Some((have, meaning)) = self.known.get(usize::from(guess))
            && &**have == name
        {
            return Some((guess, *meaning));
        }
        let index = self.packer.name(name)?;
        if usize::from(index) >= self.known.len() {
            self.known.push((Box::from(name), known(name)));
        }
        match self.order.get_mut(at) {
            Some(slot) => *slot = index,
            None => self.order.push(index),
        }
        let (_, meaning) = self.known.get(usize::from(index))?;
        Some((index, *meaning))
    }

    /// Maps one row; its [`Fields`] have no names yet. What looks like a secret in its texts is not taken along.
    ///
    /// # Errors
    /// Why the row is no task: it is no object or shows no id.
    pub fn task(&mut self, row: &Row<'_>, pool: &mut Interner) -> Result<Task, String> {
        if !row.is_object {
            return Err("an item of the list is not an object".to_owned());
        }
        if let Some(task) = self.read(row, pool, true)? {
            return Ok(task);
        }
        // few rows hold one, so that only they are copied
        let masked = masked(row);
        let task = self.read(&masked, pool, false)?;
        task.ok_or_else(|| "an item of the list could not be read".to_owned())
    }

    /// The task; nothing where `wary` and one of the texts that are told on holds a secret.
    fn read(
        &mut self,
        row: &Row<'_>,
        pool: &mut Interner,
        wary: bool,
    ) -> Result<Option<Task>, String> {
        let mut task = Task::bare(TaskId::from_canonical(Arc::default()), TaskStatus::Pending);
        let mut id: Option<Cow<'_, str>> = None;
        let mut seen = Seen::default();
        let mut at = 0;
        let own = row.fields.len();
        for (place, field) in row.fields.iter().chain(&row.form).enumerate() {
            let Some((index, meaning)) = self.name(at, &field.name) else {
                continue;
            };
            at += 1;
            if wary && hides_secret(meaning, &field.value) {
                self.packer.take_row();
                return Ok(None);
            }
            if is_reason(meaning) && seen.holds(&field.value, pool) {
                self.packer.push_long(index);
            } else if let Some(value) = field.value.packed() {
                self.packer.push(index, value);
            }
            // The form (contract section 2, SingleProvTask) is shown with a single task alone, and nothing says whether
            // it is the account's or a child row's: policies may read it, and no row is told from another by it.
            if place >= own {
                continue;
            }
            if meaning == Known::Id {
                id = id.or_else(|| filled(&field.value));
            } else if !matches!(meaning, Known::Other | Known::Secret) {
                take(meaning, field, &mut task, &mut seen, pool);
            }
        }
        let packed = self.packer.take_row();
        let id = id
            .filter(|text| canonical_key(text) != "0")
            .map(Cow::into_owned)
            .or_else(|| row.id());
        let Some(id) = id else {
            return Err(format!(
                "an item of the list shows no id ({} fields)",
                row.fields.len()
            ));
        };
        if !fits(&id) {
            return Err(format!(
                "an item of the list shows an id of {} bytes; the longest that is taken has {NAME}",
                id.len()
            ));
        }
        task.id = TaskId::new(&id);
        task.fields = Fields::new(Arc::default(), packed).with_long(seen.long.clone());
        finish(task, seen, self.zone, pool).map(Some)
    }
}

/// True where the value may not be kept as it is.
fn hides_secret(meaning: Known, value: &Value<'_>) -> bool {
    let Value::Text(text) = value else {
        return meaning == Known::Secret && !matches!(value, Value::Null);
    };
    match meaning {
        Known::Secret => !text.is_empty(),
        Known::SchReason | Known::Reason | Known::Note | Known::Response => hides(text),
        _ => false,
    }
}

/// The row without them.
fn masked<'r>(row: &Row<'r>) -> Row<'r> {
    let mut row = row.clone();
    for field in row.fields.iter_mut().chain(&mut row.form) {
        let meaning = known(&field.name);
        if !hides_secret(meaning, &field.value) {
            continue;
        }
        let text = match &field.value {
            Value::Text(text) if meaning != Known::Secret => conceal(text).into_owned(),
            _ => "***".to_owned(),
        };
        field.value = Value::Text(Cow::Owned(text));
    }
    row
}

/// Maps a single row or the rows of a short list, with their names.
///
/// # Errors
/// As [`Mapper::task`].
pub fn single(row: &Row<'_>, zone: &TimeZone) -> Result<Task, String> {
    let mut mapper = Mapper::new(zone);
    let mut task = mapper.task(row, &mut Interner::default())?;
    task.fields.share_table(mapper.table());
    Ok(task)
}

/// Packs the fields of a row that is no task, as they came but for what looks like a secret.
pub fn pack(row: &Row<'_>) -> Fields {
    let row = masked(row);
    let fields = row.fields.iter();
    Fields::from_pairs(fields.filter_map(|f| Some((f.name.as_ref(), f.value.packed()?))))
}

fn filled<'r>(value: &'r Value<'_>) -> Option<Cow<'r, str>> {
    value.text().filter(|text| !text.trim().is_empty())
}

/// Bytes that a name may take in a record of ours, as JSON; what is longer is cut. A key or a login that
/// is longer is none: cut, it could be taken for another.
const NAME: usize = 400;

/// A name, not longer than records have room for.
fn named<'r>(value: &'r Value<'_>) -> Option<Cow<'r, str>> {
    filled(value).map(|text| match clip_json(&text, NAME) {
        Cow::Borrowed(whole) if whole.len() == text.len() => text,
        cut => Cow::Owned(cut.into_owned()),
    })
}

fn whole<'r>(value: &'r Value<'_>) -> Option<Cow<'r, str>> {
    filled(value).filter(|text| fits(text))
}

fn fits(text: &str) -> bool {
    text.len() * 6 <= NAME || json_len(text) <= NAME
}

/// A key is there where it is neither blank nor zero.
fn key<'r>(value: &'r Value<'_>) -> Option<Cow<'r, str>> {
    whole(value).filter(|text| {
        let canon = canonical_key(text);
        canon != "0" && !canon.starts_with('-')
    })
}

fn take<'r>(
    meaning: Known,
    field: &'r Field<'_>,
    task: &mut Task,
    seen: &mut Seen<'r>,
    pool: &mut Interner,
) {
    let value = &field.value;
    let mut shared_key = |v: &Value<'_>| key(v).map(|t| pool.get(&canonical_key(&t)));
    match meaning {
        Known::DefKey => task.definition_key = shared_key(value).map(DefKey::from_canonical),
        Known::Process => task.process = shared_key(value).map(ProcessKey::from_canonical),
        Known::Request => task.request = shared_key(value),
        Known::DefName => task.definition_name = named(value).map(|t| pool.get(t.trim())),
        Known::TargetUser => task.beneficiary = whole(value).map(|t| login(&t, pool)),
        Known::UpdatedBy => task.updated_by = whole(value).map(|t| login(&t, pool)),
        Known::Response => task.response = value.text().map(|t| pool.get(&t)),
        // a field that is there and says nothing is an empty note; one that is not there is an unknown one
        Known::Note => {
            let text = match value {
                Value::Null => Some(Cow::Borrowed("")),
                other => other.text(),
            };
            task.note = text.map(|t| pool.get(&t));
        }
        Known::Adapter => {
            task.has_adapter = value
                .text()
                .and_then(|t| t.trim().parse::<u64>().ok())
                .map(|n| n != 0);
        }
        Known::Status => seen.status = named(value),
        Known::Category => seen.category = named(value),
        Known::OwnerKey => seen.owner_key = key(value),
        Known::OwnerLogin => seen.owner_login = whole(value),
        Known::GroupKey => seen.group_key = key(value),
        Known::GroupName => seen.group_name = named(value),
        Known::AppInstance => seen.app_instance = named(value),
        Known::Object => seen.object = named(value),
        Known::InfoCreated => seen.info_created = filled(value),
        Known::Created => seen.created = filled(value),
        Known::Started => seen.started = filled(value),
        Known::Ended => seen.ended = filled(value),
        Known::SchReason => seen.sch_reason = value.text(),
        Known::Reason => seen.reason = value.text(),
        Known::RetryTask => seen.retry_task = whole(value),
        Known::Child => {
            if let Some(text) = value.text() {
                seen.child.push((&field.name, text));
            }
        }
        Known::Id | Known::Secret | Known::Other => {}
    }
}

fn login(text: &str, pool: &mut Interner) -> Login {
    let text = text.trim();
    Login::from_canonical(pool.get(&upper_case(text)))
}

/// The status that a row shows; the category where it shows no other, but that one does not tell how a task has ended.
/// What is open by one and done by the other ("R", and "Completed") is not understood. A category of a word that nobody knows says nothing, "Pending" may stand for all that
/// is open, and which one goes with UC, X and PX is not documented.
fn status(status: Option<&str>, category: Option<&str>) -> TaskStatus {
    use TaskStatus::{
        Cancelled, Completed, ManuallyCompleted, Pending, Rejected, Suspended,
        UnsuccessfullyCompleted, Waiting,
    };
    let (Some(shown), Some(category)) = (status, category) else {
        return match (status, category.map(TaskStatus::parse)) {
            (None, Some(Completed)) => TaskStatus::closed(),
            (None, Some(of)) => of,
            (shown, _) => TaskStatus::parse(shown.unwrap_or("")),
        };
    };
    let open = |of: &TaskStatus| matches!(of, Rejected | Pending | Waiting | Suspended);
    let (is, of) = (TaskStatus::parse(shown), TaskStatus::parse(category));
    let done = matches!(
        of,
        Completed | ManuallyCompleted | UnsuccessfullyCompleted | Cancelled
    );
    let contradicts = match &is {
        Completed | ManuallyCompleted => open(&of),
        is => open(is) && done,
    };
    if contradicts {
        let (shown, category) = (shown.trim(), category.trim());
        return TaskStatus::Unknown(format!("{shown}, and of the category {category}").into());
    }
    is
}

fn finish(
    mut task: Task,
    mut seen: Seen<'_>,
    zone: &TimeZone,
    pool: &mut Interner,
) -> Result<Task, String> {
    task.status = status(seen.status.as_deref(), seen.category.as_deref());
    task.target = seen
        .app_instance
        .or(seen.object)
        .map(|t| TargetName::from_canonical(pool.get(t.trim())));
    task.created = [seen.info_created, seen.created]
        .into_iter()
        .flatten()
        .find_map(|t| dates::read(&t, zone));
    task.started = seen.started.and_then(|t| dates::read(&t, zone));
    // one that is open has an end to come, if any
    let ended = seen.ended.filter(|_| task.status.is_finished());
    task.ended = ended.and_then(|t| dates::read(&t, zone)).map(Box::new);
    let blank = |t: &Option<Cow<'_, str>>| t.as_ref().is_none_or(|t| t.trim().is_empty());
    // An empty SCH_REASON is known to be empty, but a text in the other field says more.
    let reason = if blank(&seen.sch_reason) && !blank(&seen.reason) {
        seen.reason
    } else {
        seen.sch_reason.or(seen.reason)
    };
    task.reason = reason.map(|t| match seen.long {
        Some(long) if *long == *t => long,
        _ => pool.get(&t),
    });
    let user_key = seen.owner_key.map(|t| pool.get(&canonical_key(&t)));
    let group_key = seen.group_key.map(|t| pool.get(&canonical_key(&t)));
    let user_login = seen.owner_login.map(|t| login(&t, pool));
    let group_name = seen.group_name.map(|t| pool.get(t.trim()));
    task.owner = match (user_key, group_key) {
        // Both above zero contradicts the contract: not understood, so unknown.
        (Some(_), Some(_)) => Owner::Unknown,
        (Some(key), None) => Owner::User {
            key: Some(UserKey::from_canonical(key)),
            login: user_login,
        },
        (None, Some(key)) => Owner::Role {
            key: Some(RoleKey::from_canonical(key)),
            name: group_name,
        },
        (None, None) => match (user_login, group_name) {
            (Some(login), None) => Owner::User {
                key: None,
                login: Some(login),
            },
            (None, Some(name)) => Owner::Role {
                key: None,
                name: Some(name),
            },
            _ => Owner::Unknown,
        },
    };
    task.retry_of = seen.retry_task.and_then(|text| retried(&text, &task.id));
    if let Some((child, row)) = child::digests(&mut seen.child) {
        (task.child, task.row) = (Some(child), row);
    }
    Ok(task)
}

/// `Retry Task` is a key only where it can't be a flag or counter: above 1,000 and below the task's own id.
fn retried(text: &str, own: &TaskId) -> Option<TaskId> {
    let old = TaskId::new(text);
    let (number, own) = (old.number()?, own.number()?);
    (number > 1_000 && number < own).then_some(old)
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
