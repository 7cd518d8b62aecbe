//! A task's fields on the wire: their names, their values, and the fast way to write them; it must never leak what only the oracle knows.

use serde_json::Value;

use super::super::scenario::DateForm;
use super::super::time::{Ms, push_number, push_stamp, stamp};
use super::super::world::{Owner, Task, World};

/// The fields of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Descriptive,
    Key,
    Status,
    Category,
    Data,
    Reason,
    Note,
    RowVersion,
    Created,
    Started,
    Type,
    SystemLevel,
    CreatedBy,
    TaskName,
    DefinitionKey,
    Handler,
    ProcessKey,
    TargetUser,
    RetryTask,
    AssignType,
    AssigneeFirst,
    AssigneeLogin,
    UserKey,
    GroupKey,
    UpdatedBy,
    GroupName,
    Object,
    InstanceName,
    InstanceKey,
    Request,
}

/// Names as sent, in the order of the list.
pub const FIELDS: [(Field, &str); 30] = [
    (Field::Descriptive, "Process Instance.Descriptive Data"),
    (Field::Key, "Process Instance.Task Details.Key"),
    (Field::Status, "Process Instance.Task Details.Status"),
    (Field::Category, "Status.Category"),
    (Field::Data, "Process Instance.Task Details.Data"),
    (Field::Reason, "SCH_REASON"),
    (Field::Note, "Process Instance.Task Details.Note"),
    (
        Field::RowVersion,
        "Process Instance.Task Details.Row Version",
    ),
    (
        Field::Created,
        "Process Instance.Task Information.Creation Date",
    ),
    (
        Field::Started,
        "Process Instance.Task Details.Actual Start Date",
    ),
    (Field::Type, "Process Instance.Task Details.Type"),
    (
        Field::SystemLevel,
        "Process Instance.Task Details.System level",
    ),
    (Field::CreatedBy, "Process Instance.Task Details.Created By"),
    (Field::TaskName, "Process Definition.Tasks.Task Name"),
    (Field::DefinitionKey, "Process Definition.Tasks.Key"),
    (Field::Handler, "Event Handler Manager.Key"),
    (Field::ProcessKey, "Process Instance.Key"),
    (
        Field::TargetUser,
        "Process Instance.Task Information.Target User",
    ),
    (
        Field::RetryTask,
        "Process Instance.Task Information.Retry Task",
    ),
    (
        Field::AssignType,
        "Process Instance.Task Information.Assign Type",
    ),
    (
        Field::AssigneeFirst,
        "Process Instance.Task Information.Assignee First Name",
    ),
    (
        Field::AssigneeLogin,
        "Process Instance.Task Information.Assignee User ID",
    ),
    (
        Field::UserKey,
        "Process Instance.Task Information.Assigned To User Key",
    ),
    (
        Field::GroupKey,
        "Process Instance.Task Information.Assigned To Group Key",
    ),
    (
        Field::UpdatedBy,
        "Process Instance.Task Information.Updated By User ID",
    ),
    (Field::GroupName, "Groups.Group Name"),
    (Field::Object, "Objects.Name"),
    (Field::InstanceName, "APP_INSTANCE_NAME"),
    (Field::InstanceKey, "APP_INSTANCE_KEY"),
    (Field::Request, "REQ_KEY"),
];

/// The field of a name, without regard to case.
pub fn field(name: &str) -> Option<Field> {
    FIELDS
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(name))
        .map(|(field, _)| *field)
}

/// One value.
pub enum Cell<'world> {
    Text(&'world str),
    Lower(&'world str),
    Number(u64),
    Date(Ms),
}

/// A status as this server writes it.
fn word<'world>(world: &World, word: &'world str) -> Cell<'world> {
    if world.traits.lower_words {
        Cell::Lower(word)
    } else {
        Cell::Text(word)
    }
}

/// The value of a field.
pub fn cell<'world>(world: &'world World, task: &'world Task, field: Field) -> Cell<'world> {
    let account = world.account_of(task);
    let definition = world.definition_of(task);
    let target = world.target_of(task);
    let beneficiary = world.user(account.user);
    match field {
        Field::Descriptive => {
            Cell::Text(account.descriptive.as_deref().unwrap_or(&beneficiary.login))
        }
        Field::Key => Cell::Number(task.key),
        Field::Status if world.traits.status_words => word(world, task.status.word()),
        Field::Status => word(world, task.status.code()),
        Field::Category => word(world, task.status.category()),
        Field::Data => Cell::Text(&task.data),
        Field::Reason => Cell::Text(&task.reason),
        Field::Note => Cell::Text(&task.note),
        Field::RowVersion => Cell::Number(task.row_version),
        Field::Created => Cell::Date(task.created),
        Field::Started => Cell::Date(task.restarted.unwrap_or(task.created)),
        Field::Type => Cell::Text(""),
        Field::SystemLevel => Cell::Number(0),
        Field::CreatedBy => Cell::Number(1),
        Field::TaskName => Cell::Text(&definition.name),
        Field::DefinitionKey => Cell::Number(definition.key),
        Field::Handler => Cell::Number(definition.handler),
        Field::ProcessKey if world.traits.new_process_key => {
            Cell::Number(account.key + task.ordinal * 1_000_000)
        }
        Field::ProcessKey => Cell::Number(account.key),
        Field::TargetUser => Cell::Text(&beneficiary.login),
        Field::RetryTask => Cell::Number(task.retry_of.unwrap_or(0)),
        Field::AssignType => Cell::Text(task.assign_type),
        Field::AssigneeFirst => match task.owner {
            Owner::User(user) => Cell::Text(&world.user(user).first),
            Owner::Role(_) => Cell::Text(""),
        },
        Field::AssigneeLogin => match task.owner {
            Owner::User(user) => Cell::Text(&world.user(user).login),
            Owner::Role(_) => Cell::Text(""),
        },
        Field::UserKey => match task.owner {
            Owner::User(user) => Cell::Number(world.user(user).key),
            Owner::Role(_) => Cell::Number(0),
        },
        Field::GroupKey => match task.owner {
            Owner::User(_) => Cell::Number(0),
            Owner::Role(role) => Cell::Number(world.role(role).key),
        },
        Field::UpdatedBy => Cell::Text(&world.user(task.updated_by).login),
        Field::GroupName => match task.owner {
            Owner::User(_) => Cell::Text(""),
            Owner::Role(role) => Cell::Text(&world.role(role).name),
        },
        Field::Object | Field::InstanceName => Cell::Text(&target.spec.name),
        Field::InstanceKey => Cell::Number(target.key),
        Field::Request => Cell::Text(task.request.as_deref().unwrap_or("")),
    }
}

/// Whether a task's field passes a test, with every spelling of its value.
pub fn test(world: &World, task: &Task, field: Field, test: &mut dyn FnMut(&str) -> bool) -> bool {
    if field == Field::Status {
        return test(task.status.code()) || test(task.status.word());
    }
    match cell(world, task, field) {
        Cell::Text(text) | Cell::Lower(text) => test(text),
        Cell::Number(number) => test(&number.to_string()),
        Cell::Date(ms) => test(&stamp(ms)),
    }
}

/// Writes a JSON string.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    let plain = text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
    }
}

fn push_cell(out: &mut Vec<u8>, world: &World, cell: &Cell<'_>) {
    match cell {
        Cell::Text(text) if world.traits.localised => {
            out.extend_from_slice(b"{\"base\":");
            push_text(out, text);
            out.push(b'}');
        }
        Cell::Text(text) => push_text(out, text),
        Cell::Lower(text) => {
            push_cell(out, world, &Cell::Text(&text.to_lowercase()));
        }
        Cell::Number(number) => push_number(out, *number),
        Cell::Date(ms) if world.traits.dates == DateForm::Zulu => {
            out.push(b'"');
            push_stamp(out, *ms);
            out.push(b'"');
        }
        Cell::Date(ms) => {
            let zulu = stamp(*ms);
            let bare = zulu.trim_end_matches('Z');
            match world.traits.dates {
                DateForm::Zulu => push_text(out, &zulu),
                DateForm::Offset => push_text(out, &format!("{bare}.000+00:00")),
                DateForm::NoZone => push_text(out, bare),
                DateForm::Day => push_text(out, bare.get(..10).unwrap_or(bare)),
                DateForm::Millis => out.extend_from_slice(ms.to_string().as_bytes()),
            }
        }
    }
}

/// A reason as a list shows it.
fn cut<'world>(world: &World, text: &'world str) -> Cell<'world> {
    let end = world
        .traits
        .list_reason
        .and_then(|most| text.char_indices().nth(most));
    Cell::Text(end.map_or(text, |(at, _)| &text[..at]))
}

/// Writes the `fields` value of a task, as a list or as a request for that task alone shows it.
pub fn push_fields(out: &mut Vec<u8>, world: &World, task: &Task, listed: bool) {
    let map = world.traits.map_fields;
    out.push(if map { b'{' } else { b'[' });
    let extra = world.traits.show_child.then(|| {
        let item = task.child.as_deref().unwrap_or("");
        (
            "Process Instance.Task Information.Child Data",
            Cell::Text(item),
        )
    });
    let end = task.finished.filter(|_| world.traits.task_ends);
    let end = end.map(|at| {
        let name = "Process Instance.Task Details.Actual End Date";
        (name, Cell::Date(at))
    });
    let notes = !world.traits.no_notes;
    let rows = FIELDS
        .iter()
        .filter(|(field, _)| notes || !matches!(field, Field::Note))
        .filter(|(field, _)| *field != Field::ProcessKey || !world.traits.no_process_key)
        .filter(|(field, _)| {
            let hidden = !listed && world.traits.process_no_adapter;
            !hidden || !matches!(field, Field::Handler)
        })
        .filter(|(field, _)| {
            let hidden = listed && world.traits.list_no_dates;
            !hidden || !matches!(field, Field::Created)
        })
        .filter(|(field, _)| {
            let hidden = listed && world.traits.list_reason == Some(0);
            !hidden || !matches!(field, Field::Reason)
        })
        .map(|(field, name)| match field {
            Field::Reason if listed => (*name, cut(world, &task.reason)),
            field => (*name, cell(world, task, *field)),
        })
        .chain(extra)
        .chain(end);
    for (number, (name, value)) in rows.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        if map {
            push_text(out, name);
            out.push(b':');
            push_cell(out, world, &value);
        } else {
            out.extend_from_slice(b"{\"name\":\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\",\"value\":");
            push_cell(out, world, &value);
            out.push(b'}');
        }
    }
    out.push(if map { b'}' } else { b']' });
}

/// Writes a `links` array with one self link.
pub fn push_self(out: &mut Vec<u8>, world: &World, path: &str) {
    out.extend_from_slice(b"[{\"rel\":\"self\",\"href\":\"");
    out.extend_from_slice(world.origin.as_bytes());
    out.extend_from_slice(super::BASE.as_bytes());
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b"\"}]");
}
