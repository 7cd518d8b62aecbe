//! Says of each trait what was seen and what it means for provtaskd; it invents nothing that the traits do not hold.

mod accounts;
mod retry;
mod wire;

use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;

use super::file::Traits;
use super::learned::{Counts, Field};

/// One trait in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Meaning {
    /// Which part of the server.
    pub part: &'static str,
    /// The trait.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
    /// What it means for provtaskd.
    pub means: String,
    /// True where a person should do something about it.
    pub warn: bool,
}

struct Out(Vec<Meaning>);

impl Out {
    fn say(&mut self, part: &'static str, name: &'static str, seen: String, means: &str) {
        self.0.push(Meaning {
            part,
            name,
            seen,
            means: means.to_owned(),
            warn: false,
        });
    }

    fn warn(&mut self, part: &'static str, name: &'static str, seen: String, means: &str) {
        self.say(part, name, seen, means);
        if let Some(last) = self.0.last_mut() {
            last.warn = true;
        }
    }

    /// Warns where the condition holds, else says.
    fn tell(
        &mut self,
        warn: bool,
        part: &'static str,
        name: &'static str,
        seen: String,
        means: &str,
    ) {
        if warn {
            self.warn(part, name, seen, means);
        } else {
            self.say(part, name, seen, means);
        }
    }
}

/// What of the configuration traits are held against.
#[derive(Clone, Debug)]
pub struct Limits<'a> {
    /// Zone of dates without one.
    pub server_zone: &'a str,
    /// Rows per page.
    pub page_size: u32,
    /// Time that a batch may take.
    pub batch_time: Duration,
    /// Its largest size.
    pub batch_max: u32,
}

/// A certificate that ends so soon is said to.
pub const RENEW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// All traits in words.
pub fn meanings(traits: &Traits, limits: &Limits<'_>) -> Vec<Meaning> {
    let (server_zone, page_size) = (limits.server_zone, limits.page_size);
    let mut out = Out(Vec::new());
    list(&mut out, traits, server_zone);
    pages(&mut out, traits, page_size);
    scope(&mut out, traits);
    wire::wire(&mut out, traits);
    accounts::say(&mut out, traits);
    people(&mut out, traits);
    roads(&mut out, traits);
    if let Some(taught) = &traits.retry {
        retry::retry(&mut out, taught, limits);
    }
    out.0
}

/// `a 3, b 1`, the most frequent first.
fn counted(counts: &Counts) -> String {
    if counts.is_empty() {
        return "not seen".to_owned();
    }
    let mut pairs: Vec<(&String, &u64)> = counts.iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<String> = pairs
        .into_iter()
        .map(|(word, count)| format!("{word} ({count})"))
        .collect();
    words.join(", ")
}

fn of(part: u64, all: u64) -> String {
    format!("{part} of {all} rows")
}

/// How the fields end that say why a task failed (contract section 5).
const REASONS: [&str; 2] = ["SCH_REASON", "Task Details.Reason"];

fn ends_with(name: &str, end: &str) -> bool {
    let at = name.len().checked_sub(end.len());
    let tail = at.and_then(|at| name.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn list(out: &mut Out, traits: &Traits, server_zone: &str) {
    let (rows, part) = (&traits.rows, "list");
    if rows.seen == 0 {
        out.warn(
            part,
            "rows",
            "none: the list is empty for this login".to_owned(),
            "nothing could be learned about tasks; probe again when there are some",
        );
        return;
    }
    out.tell(
        rows.unreadable > 0,
        part,
        "rows",
        format!("{} looked at, {} unreadable", rows.seen, rows.unreadable),
        if rows.unreadable > 0 {
            "nothing is concluded from a list with rows that can't be read: send a capture"
        } else {
            "each row is understood"
        },
    );
    out.say(
        part,
        "fields",
        format!("{} as {}", rows.fields.len(), counted(&rows.shape)),
        "both shapes are read",
    );
    out.say(
        part,
        "ids",
        format!(
            "field: {}; key `id`: {}; self link: {}",
            counted(&rows.id_field),
            counted(&rows.id_key),
            counted(&rows.id_link)
        ),
        "read as text in every form, sent as strings",
    );
    let words: Vec<String> = rows
        .status
        .iter()
        .map(|(field, words)| format!("{field}: {}", counted(words)))
        .collect();
    let unknown = !rows.status_unknown.is_empty();
    out.tell(
        unknown || words.is_empty(),
        part,
        "status words",
        if words.is_empty() {
            "none".to_owned()
        } else {
            words.join("; ")
        },
        &if unknown {
            format!(
                "not known, so never acted on: {}",
                counted(&rows.status_unknown)
            )
        } else if words.is_empty() {
            "without a status nothing is acted on".to_owned()
        } else {
            "all are known; codes and words are read in any case".to_owned()
        },
    );
    let tells = |name: &&Field| REASONS.iter().any(|end| ends_with(&name.name, end));
    let reasons = rows
        .fields
        .iter()
        .filter(tells)
        .map(|field| field.name.as_str());
    let reasons: Vec<&str> = reasons.collect();
    out.tell(
        reasons.is_empty(),
        part,
        "reasons",
        match reasons.is_empty() {
            true => "no field of the list shows one".to_owned(),
            false => reasons.join(", "),
        },
        if reasons.is_empty() {
            "why a task failed can't be told from the list: `run` reads each failed task by itself for it, 100 in a cycle at most (a quarter of server.reads_per_minute), what takes access and the oldest first; until its turn the shipped policies leave a task alone"
        } else {
            "policies tell by it what may heal by itself"
        },
    );
    let without = rows.dates.contains_key("no zone") || rows.dates.contains_key("day");
    out.tell(
        without || rows.dates.is_empty(),
        part,
        "dates",
        counted(&rows.dates),
        &if without {
            format!(
                "they name no zone and are read as {server_zone}: set server.server_zone to the server's"
            )
        } else if rows.dates.is_empty() {
            "the list shows none: ages count from the first sight by provtaskd, and a survey can't tell which is the oldest".to_owned()
        } else {
            "read as they are".to_owned()
        },
    );
    out.tell(
        rows.process < rows.seen,
        part,
        "process keys",
        of(rows.process, rows.seen),
        if rows.process < rows.seen {
            "without one, accounts can't be read: creates, grants and changes wait for a person, and a retry's successor is not recognised"
        } else {
            "accounts can be read, and successors recognised by process, definition and user"
        },
    );
    out.tell(
        rows.definition < rows.seen || rows.beneficiary < rows.seen,
        part,
        "definition and user",
        format!(
            "definition in {}, user in {}",
            of(rows.definition, rows.seen),
            of(rows.beneficiary, rows.seen)
        ),
        "a task that shows no definition has no kind, one without a user can't be cleared by the guards; both are left alone",
    );
    out.say(
        part,
        "child data",
        of(rows.child, rows.seen),
        "where it is not shown, two grants of one account can't be told apart and wait for each other",
    );
    out.say(
        part,
        "retry link",
        of(rows.retry_link, rows.seen),
        "where a successor names what it retries, lineages continue by that; else by process, definition and user",
    );
    out.say(
        part,
        "adapter",
        counted(&rows.adapter),
        "no adapter is a hint that a task is manual; the first refusal of a retry proves it for its definition",
    );
}

fn pages(out: &mut Out, traits: &Traits, page_size: u32) {
    let (paging, part) = (&traits.paging, "pages");
    out.tell(
        paging.pages == "unstable",
        part,
        "stability",
        format!("{} ({})", paging.pages, paging.evidence),
        match &*paging.pages {
            "stable" => "a row that is missing from a whole list has left it",
            "unstable" => {
                "what a list does not show is not taken for gone: it is asked for by its id, which costs reads"
            }
            _ => "not known yet: each list is checked for shifts anyway",
        },
    );
    let most = paging.capped_at.or(paging.refused_at.and(paging.largest));
    let small = most.is_some_and(|most| most < u64::from(page_size));
    let seen = match (paging.largest, paging.capped_at, paging.refused_at) {
        (_, Some(most), _) => format!("never more than {most}, whatever is asked"),
        (Some(most), _, Some(refused)) => format!("{most} came in full, {refused} were refused"),
        (None, _, Some(refused)) => format!("{refused} were refused"),
        (Some(most), None, None) => format!("at least {most}; no limit was met"),
        (None, None, None) => "not seen: the list is shorter".to_owned(),
    };
    out.tell(
        small,
        part,
        "largest page",
        format!(
            "{seen}; {} bytes a row, slowest page {} ms",
            paging.row_bytes, paging.slowest_ms
        ),
        &match most {
            Some(most) if small => {
                format!("server.page_size is {page_size}: set it to {most} or less")
            }
            _ => format!("server.page_size {page_size} fits"),
        },
    );
    if let Some(rows) = paging.default_rows {
        out.say(
            part,
            "default page",
            format!("{rows} rows without `limit`"),
            "provtaskd always names a limit",
        );
    }
    out.say(
        part,
        "next link",
        format!(
            "{}{}; totalResult {}",
            paging.next,
            if paging.foreign_links {
                ", to another host than the one that was called"
            } else {
                ""
            },
            paging.total
        ),
        "only path and query of a link are used, on the configured origin; totals are not believed",
    );
    if let Some(why) = &paging.contradiction {
        out.tell(
            true,
            part,
            "end of the list",
            why.clone(),
            "the list is read on to where nothing more comes, which costs a request in each cycle; where rows stay away that are counted, it is incomplete and nothing is sent: look at what stands between this machine and OIG",
        );
    }
    let by = &traits.order.by;
    let twice = match traits.order.repeatable {
        Some(true) => "the same twice",
        Some(false) => "another one each time",
        None => "one reading",
    };
    out.say(
        part,
        "order",
        format!("{by}, {twice}"),
        "provtaskd sorts by origin itself",
    );
}

fn scope(out: &mut Out, traits: &Traits) {
    let (scope, part) = (&traits.scope, "scope");
    let roles = match &scope.roles {
        None => "its roles are not shown".to_owned(),
        Some(roles) if roles.is_empty() => "it is in no role".to_owned(),
        Some(roles) => format!("its roles: {}", roles.join(", ")),
    };
    out.say(
        part,
        "whose tasks",
        format!(
            "{}: its own {}, its roles' {}, other roles' {}, other people's {}, nobody's {}; {roles}",
            scope.shows, scope.own, scope.own_roles, scope.other_roles, scope.others, scope.nobody
        ),
        match &*scope.shows {
            "own" => "only what is assigned to this login itself: make it a member of the roles that own tasks",
            "own and roles" => "what others own is not visible: provtaskd says \"visible to this login\", never \"exist\"",
            "wider" => "the list is wider than this login's own queue; whether it is everybody's can't be told from here",
            _ => "nothing to tell it by",
        },
    );
    if let Some(why) = &scope.administrator {
        out.warn(
            part,
            "administrator",
            why.clone(),
            "a lesser account does: one that owns no access itself and is a member of the roles that own tasks",
        );
    }
}

fn people(out: &mut Out, traits: &Traits) {
    let (people, part) = (&traits.people, "people");
    let bad = people.asked > 0 && people.shown == 0;
    out.tell(
        bad,
        part,
        "visible",
        format!("{} of {} who were asked for", people.shown, people.asked),
        if bad {
            "this login may not read users: give it the User Viewer admin role, else every create and grant waits"
        } else {
            "whoever is not shown counts as unknown, and is given nothing"
        },
    );
    let unknown = !people.unknown.is_empty();
    out.tell(
        unknown,
        part,
        "states",
        counted(&people.status),
        &if unknown {
            format!("not known, so never active: {}", counted(&people.unknown))
        } else {
            "all are known".to_owned()
        },
    );
    out.say(
        part,
        "several at once",
        match people.joined {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "not seen".to_owned(),
        },
        "else each person costs one request",
    );
}

fn roads(out: &mut Out, traits: &Traits) {
    let (roads, part) = (&traits.roads, "roads");
    let word = |there: Option<bool>| match there {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not asked",
    };
    out.tell(
        roads.single == Some(false),
        part,
        "single task",
        format!("{}, id {}", word(roads.single), roads.single_id),
        "each task is read once more before it is acted on",
    );
    out.say(
        part,
        "history",
        word(roads.history).to_owned(),
        "who acted is told by it where it is there",
    );
    out.say(
        part,
        "responses",
        word(roads.responses).to_owned(),
        "setResponse needs it",
    );
    out.tell(
        roads.filter == "ignored",
        part,
        "filter",
        roads.filter.clone(),
        "with server.list_filter a list is as small as the filter lets it be, if it is honoured",
    );
    out.say(
        part,
        "token service",
        roads.token.clone(),
        "server.auth = \"bearer\" needs it: the password then leaves once per token, and not with every call",
    );
}
