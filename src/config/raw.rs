//! The shape of the file as serde reads it, with every key's default and documentation; it never judges a value.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A leaf as written, or why it has the wrong type; one bad leaf never hides the others.
#[derive(Clone, Debug)]
pub struct Field<T>(pub Result<T, String>);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        Ok(Self(
            T::deserialize(value).map_err(|error| error.to_string().trim_end().to_owned()),
        ))
    }
}

/// What stands for a key that is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// It has to be written; this is an example, as TOML.
    Required(&'static str),
    /// This value, as TOML.
    Default(&'static str),
    /// Nothing; this is an example, as TOML.
    Optional(&'static str),
}

/// One key of a section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Default or example.
    pub fill: Fill,
    /// What it means, one sentence.
    pub doc: &'static str,
}

/// One `[section]`.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Path, e.g. `governor.default`.
    pub path: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

impl Section {
    /// The one that may stand there several times, or not at all.
    pub fn is_repeated(&self) -> bool {
        self.path == LoginRaw::SECTION.path
    }
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident $path:literal {
            $($key:ident : $ty:ty = $fill:ident($text:literal), $doc:literal;)+
        }
        $(nested { $($inner:ident : $inner_ty:ty,)+ })?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(#[doc = $doc] pub $key: Option<Field<$ty>>,)+
            $($(#[doc = "A section of its own."] pub $inner: $inner_ty,)+)?
        }

        impl $name {
            /// The section's keys, with defaults and documentation.
            pub const SECTION: Section = Section {
                path: $path,
                doc: concat!($($about),+),
                keys: &[$(Key { name: stringify!($key), fill: Fill::$fill($text), doc: $doc },)+],
            };
        }
    };
}

type Words = BTreeMap<String, String>;

section! {
    /// The OIG server and the login that acts.
    ServerRaw "server" {
        origin: String = Required(r#""https://oig.example.com:14001""#), "Scheme, host and port of the server, nothing else.";
        login: String = Required(r#""PROVTASKD""#), "The login that acts; it sees the tasks assigned to it and to its roles.";
        password_file: String = Required(r#""password""#), "File that holds the password alone; exactly one of `password_file` and `credential`.";
        credential: String = Optional(r#""oig-password""#), "Name of a systemd credential (`LoadCredential=`) that holds the password, instead of `password_file`.";
        auth: String = Default(r#""basic""#), "`basic` (on every call) or `bearer` (a token, renewed before it expires).";
        api_path: String = Default(r#""/iam/governance/selfservice/api/v1""#), "Path prefix of the REST API.";
        token_path: String = Default(r#""/iam/governance/token/api/v1/tokens""#), "Path of the token service.";
        ca_file: String = Optional(r#""oig-ca.pem""#), "More certificate authorities to trust (PEM), besides the system's.";
        client_cert: String = Optional(r#""client.pem""#), "Client certificate (PEM); needs `client_key`.";
        client_key: String = Optional(r#""client.key""#), "Private key of the client certificate (PEM).";
        proxy: String = Optional(r#""http://proxy.example.com:3128""#), "HTTP proxy; the environment's proxies are never used.";
        plain_http: String = Optional(r#""I accept that passwords cross the network unencrypted""#), "Exactly this sentence allows plain http to a host that is not loopback.";
        page_size: i64 = Default("500"), "Tasks per page of the list (1 to 10000).";
        pages_in_flight: i64 = Default("2"), "Page reads at the same time (1 to 16).";
        max_pages: i64 = Default("20000"), "A list longer than this many pages is an error.";
        list_filter: String = Optional(r#""Status.Category eq Rejected""#), "The list's `q`; by default every open task visible to the login.";
        reads_per_minute: i64 = Default("600"), "Budget of read requests per minute, verification included.";
        connect_timeout: String = Default(r#""10s""#), "Wall time to connect.";
        read_timeout: String = Default(r#""60s""#), "Wall time of one read.";
        write_timeout: String = Default(r#""10m""#), "Wall time of one write; a retry may run its connector in the call.";
        max_body: i64 = Default("67108864"), "Largest answer in bytes after decompression.";
        role_word: String = Default(r#""role""#), "The word for `type` when a task is reassigned to a role.";
        server_zone: String = Default(r#""UTC""#), "Zone of the server's dates that name none.";
        traits: String = Optional(r#""traits.json""#), "File of what `provtaskd probe` has learned of this server; by default `traits.json` in the store's directory.";
        require_probe: bool = Optional("true"), "Enforce an action only once `provtaskd probe` has learned what it rests on; by default true, but with simulator_clock false.";
        shared_login: bool = Default("false"), "Others are meant to act under this login as well (a script, a person): what they do is counted and said, and no longer pauses sending.";
        simulator_clock: bool = Default("false"), "Take domain time from a simulator; only with a simulator on loopback.";
    }
}

section! {
    /// When cycles run: an interval, or cron lines in a zone.
    ScheduleRaw "schedule" {
        every: String = Default(r#""5m""#), "Pause between the end of a cycle and the next; caps hold for as long. A reading that is due, a hint or an order brings a cycle forward, which counts into the same caps.";
        at_most: String = Default(r#""30m""#), "Longest pause: it grows by half with each cycle whose list brings nothing new to decide or to tell (tasks may have gone from it), and where the list is slow; it begins anew with the next that does.";
        cron: Vec<String> = Optional(r#"["*/10 6-20 * * 1-5", "0 * * * *"]"#), "Cron lines (5 or 6 fields, 0 and 7 are Sunday) instead of `every`. Between their times what was sent is read, and nothing is sent (`not_scheduled`); a target that is not yet known gets little in each cycle, so name many times rather than one a night.";
        zone: String = Default(r#""UTC""#), "IANA zone of cron lines, business hours and absences without an offset.";
        business_hours: Words = Default(r#"{ mon = "08:00-18:00", tue = "08:00-18:00", wed = "08:00-18:00", thu = "08:00-18:00", fri = "08:00-18:00" }"#), "Opening times per weekday (`mon` to `sun`); a missing day is closed.";
    }
}

section! {
    /// How far the daemon may go: off, observe, enforce; the lowest of all that apply wins.
    ModeRaw "mode" {
        global: String = Default(r#""observe""#), "`off` (do nothing), `observe` (decide and record, send nothing) or `enforce`.";
        actions: Words = Default("{}"), "Mode per action: retry, reassign, set_note, set_response, manual_complete.";
        policies: Words = Default("{}"), "Mode per policy file name.";
        targets: Words = Default("{}"), "Mode per target; `\"*\"` is every target that is not named, also one that comes later.";
    }
}

section! {
    /// Where policies are and what definitions mean.
    PolicyRaw "policy" {
        dir: String = Optional(r#""policies""#), "Directory of `*.rhai`, `kinds.toml` and `reasons.toml`; by default the set inside the binary.";
        kinds: Words = Default("{}"), "Kind per definition pattern `target/name` (`*` matches anything), before the shipped table.";
        named: Vec<String> = Default("[]"), "Definition patterns of kind password or notify that may be retried; one of unknown kind stays refused until `policy.kinds` maps it.";
        fulfilment_roles: Words = Default("{}"), "Role that does the manual work, per target, whose name is taken in any case; `*` for any.";
    }
}

section! {
    /// The guards' limits; no policy can go beyond them.
    GuardRaw "guard" {
        age_limit: String = Default(r#""14d""#), "Older tasks wait until a person releases them.";
        manual_complete: Vec<String> = Default("[]"), "Definition patterns for which manual_complete is allowed; never for revoke and disable.";
        set_response: Vec<String> = Default("[]"), "Definition patterns for which set_response is allowed; never for revoke and disable.";
        assignee_load: i64 = Default("50"), "Nobody who holds this many open tasks is handed more.";
        handed_for: String = Default(r#""7d""#), "So long what was handed to somebody counts towards that where no list shows it since (1h to 30d).";
        fact_age: String = Default(r#""10m""#), "A beneficiary's reading may be this old before a grant.";
    }
}

section! {
    /// Caps and back-off over all targets.
    GovernorRaw "governor" {
        max_attempts: i64 = Default("5"), "Attempts per episode (1 to 100).";
        max_attempts_taking: i64 = Optional("10"), "The same of retries that take access away, revokes and disables (1 to 100; left out: twice `max_attempts`): one too many hurts nobody, and one that is given up leaves access open.";
        count_foreign_attempts: bool = Default("true"), "Retries by OIG's own job and by admins count too.";
        backoff_base: String = Default(r#""5m""#), "First back-off after a failed attempt.";
        backoff_factor: f64 = Default("3.0"), "Factor per further attempt (1 to 100).";
        backoff_cap: String = Default(r#""12h""#), "Longest back-off.";
        cap_retries: i64 = Default("200"), "Most retries per target and interval (`schedule.every`, or the time to the next cron line), however many cycles it has; the rest waits.";
        cap_reassigns: i64 = Default("50"), "Most reassignments per target and interval; above it all are held for approval.";
        cap_share_percent: i64 = Default("50"), "Per cent of a target's visible tasks that one action may touch per interval.";
        share_from: i64 = Default("50"), "The share cap holds from this many visible tasks up.";
        approval_ttl: String = Default(r#""24h""#), "An approval expires after this.";
        writes_in_flight: i64 = Default("4"), "Writes at the same time over all targets (1 to 64); one of revokes and disables goes beside them where none of theirs is on its way.";
    }
    nested {
        default: LimitsRaw,
        targets: BTreeMap<String, LimitsRaw>,
    }
}

section! {
    /// Limits of each target; `[governor.targets."NAME"]` takes the same keys and falls back to these.
    LimitsRaw "governor.default" {
        per_minute: i64 = Default("60"), "Items per minute.";
        in_flight: i64 = Default("1"), "Retries in flight at the same time (1 to 64), and as many writes that are said to OIG alone (notes, hand-overs, answers); one of revokes and disables goes beside them.";
        batch_max: i64 = Default("25"), "Largest batch (1 to 500).";
        batch_start: i64 = Default("1"), "First batch on a target that is not yet known.";
        batch_time: String = Default(r#""200s""#), "Learned time per item times items stays below this; by default a third of `server.write_timeout`.";
        breaker_after: i64 = Default("3"), "Consecutive failures that open the breaker.";
        breaker_pause: String = Default(r#""10m""#), "First pause of an open breaker; doubled up to `breaker_cap`.";
        breaker_cap: String = Default(r#""4h""#), "Longest pause of an open breaker.";
    }
}

section! {
    /// Who is away and who stands in.
    AbsenceRaw "absence" {
        feed: String = Optional(r#""absences.csv""#), "CSV file `login,from,to,stand_in` in UTF-8, see docs/operations.md; a row that can't be read leaves it unknown whether its person is away, a file that breaks off in a row (the last one without its line end), is empty, or is not written as said there, is not taken; its header alone says that nobody is away.";
        feed_max_age: String = Optional(r#""2d""#), "A feed older than this is not believed.";
        use_proxies: bool = Default("true"), "OIG proxies are candidates for stand-in.";
        use_manager: bool = Default("false"), "The manager may stand in.";
        max_depth: i64 = Default("3"), "Longest chain of stand-ins (1 to 10).";
    }
}

section! {
    /// Sending and re-reading.
    DeliveryRaw "delivery" {
        settle_after: String = Default(r#""15m""#), "How long a request that was sent may still take effect, counted from its send (of one that a start finds open, from that start; `run --once`: docs/operations.md). Until then a task that stands as before, or is gone, concludes nothing; an unanswered attempt is not repeated and holds its account; a person can't settle it. Once it has passed, two readings that show the task as before, `verify_first` or more apart, end the attempt: as not applied where no answer came, as bounced where OIG had accepted. At least 1m, not shorter than `server.write_timeout`, and not longer than `verify_give_up`; set it above your server's own longest limit, and above the time by which a node of it may lag behind (a balancer with several nodes, a replica that is read): what was read there is taken as how things stand. It may be as long as `verify_first`, or shorter: the two readings still have to lie apart.";
        verify_first: String = Default(r#""1m""#), "First re-look after an answer, then doubled; also the least time between the two readings that end an attempt (see `settle_after`).";
        verify_cap: String = Default(r#""2h""#), "Longest pause between re-looks.";
        verify_give_up: String = Default(r#""3d""#), "What can't be told after this goes to the inbox.";
        reread_after: String = Default(r#""2m""#), "A task read longer ago is read again before it is acted on.";
        grace: String = Default(r#""30s""#), "Wall time that shutdown waits for what is in flight.";
        manual_ttl: String = Default(r#""90d""#), "Learned \"not automated\" facts expire after this.";
        note: bool = Default("false"), "After an attempt, add a line that says what was done and why to the task's own note (docs/safety.md, \"The task's note\").";
        note_max: i64 = Default("1000"), "Longest note in characters (200 to 4000): where the line does not fit beside what stands there, it is left out.";
    }
}

section! {
    /// The ledger's place.
    StoreRaw "store" {
        dir: String = Default(r#""/var/lib/provtaskd""#), "Directory of the ledger, private to the daemon's user.";
        cache: i64 = Default("8388608"), "The store's cache in bytes.";
    }
}

section! {
    /// Anchors: heads of the journal that are noted outside the store, so that a later change of the store shows (docs/audit.md).
    AuditRaw "audit" {
        anchor_every: String = Default(r#""1h""#), "Domain time between two anchors while records are written (1m to 7d); one more is noted at start and at a clean end.";
        anchor_records: i64 = Default("10000"), "After so many records one is noted earlier (100 to 10000000).";
        anchor_file: String = Optional(r#""/mnt/audit/provtaskd-anchors.jsonl""#), "File to which anchors are appended as JSON lines, best on another machine's disk; by default `anchors.jsonl` in a directory beside the store's with `-anchors` behind its name, where that can be made. They are in the log in any case.";
        anchor_file_max: i64 = Default("67108864"), "Largest size of that file in bytes (4096 to 1 TiB); a full one is not written to until it is moved away; the default one is put aside (`.1`).";
        anchor_required: bool = Default("false"), "Nothing is sent while the last anchor is not in `anchor_file`, which has to be named then.";
        hmac_key_file: String = Optional(r#""anchor.key""#), "File of a secret key (16 to 4096 bytes) with which each anchor is signed.";
        former_hmac_key_files: Vec<String> = Default("[]"), "Files of keys that have signed anchors before: they sign nothing any more, and what they have signed still counts, at start as well; needs `hmac_key_file`.";
    }
}

section! {
    /// Where operators look.
    AdminRaw "admin" {
        listen: String = Default(r#""127.0.0.1:9464""#), "Address of /metrics, /livez and /readyz; loopback only; `off` for none.";
        socket: String = Optional(r#""control.sock""#), "Control socket; by default `control.sock` in the store's directory.";
    }
}

section! {
    /// Hints from outside that tasks should be read (docs/intake.md); off by default.
    IntakeRaw "intake" {
        listen: String = Default(r#""off""#), "Address for signed events, e.g. `127.0.0.1:9465`; loopback only; `off` for none.";
        secret_file: String = Optional(r#""intake-secret""#), "File of the secret that signs events, or of two while it is changed: a line each, `whsec_` and base64. It is read again whenever it changes.";
        credential: String = Optional(r#""intake-secret""#), "Name of a systemd credential (`LoadCredential=`) that holds the secret, instead of `secret_file`.";
        folder: String = Optional(r#""intake""#), "Directory of files with task ids; what is taken is moved to `done` in it, the rest to `failed`.";
        max_waiting: i64 = Default("100000"), "Tasks that may wait to be read (100 to 1000000); more are refused.";
        reads_per_cycle: i64 = Default("100"), "Tasks that are read by their ids in one cycle, because the list does not show them (2 to 10000); a quarter of `server.reads_per_minute` at most.";
        earliest: String = Default(r#""30s""#), "Shortest pause between the end of a cycle and one that a hint asks for.";
        persons_file: String = Optional(r#""persons""#), "File of logins, one a line (`#` begins a comment): the accounts of these persons are walked through, and rejected tasks that no list shows are read by their ids. It is read again in each cycle.";
        persons_every: String = Default(r#""6h""#), "From the begin of a walk through all these persons to the next (at least 10m).";
        persons_per_cycle: i64 = Default("5"), "Persons whose accounts are walked through after one cycle (2 to 1000), those that an event or a file of the folder names first; an eighth of `server.reads_per_minute` is read for it at most.";
    }
}

section! {
    /// Further logins, one table each, at most 8: the list shows a login only the tasks that are assigned to it or to its roles, so several see more. Server, TLS and time-outs are those of `[server]` (docs/operations.md, "Several logins").
    LoginRaw "login" {
        login: String = Required(r#""PROVTASKD2""#), "The login; it sees the tasks assigned to it and to its roles, and acts on those that no login before it sees.";
        password_file: String = Required(r#""password2""#), "File that holds its password alone; exactly one of `password_file` and `credential`.";
        credential: String = Optional(r#""oig-password2""#), "Name of a systemd credential (`LoadCredential=`) that holds the password, instead of `password_file`.";
        reads_per_minute: i64 = Optional("300"), "Its own budget of read requests per minute; by default that of `[server]`.";
        every: String = Optional(r#""30m""#), "Its list is read at most so often; by default in each cycle. Between two of its lists nothing is done with what only it sees.";
    }
}

section! {
    /// Where `report daily --mail` sends its report; off unless `server` is written.
    MailRaw "mail" {
        server: String = Optional(r#""smtp.example.com:587""#), "Host and port of the mail server.";
        tls: String = Default(r#""starttls""#), "`starttls` (encrypted before anything is said; a server that does not offer it is not used), `tls` (encrypted from the first byte, usually port 465) or `none` (to loopback only).";
        from: String = Optional(r#""provtaskd@example.com""#), "The sender, alone or as `Name <name@example.com>`; needed with `server`.";
        to: Vec<String> = Optional(r#"["oig-team@example.com"]"#), "Who gets the report (1 to 100); needed with `server`.";
        login: String = Optional(r#""provtaskd""#), "Login at the mail server; needs `password_file` or `credential`.";
        password_file: String = Optional(r#""smtp-password""#), "File that holds the password of that login alone.";
        credential: String = Optional(r#""smtp-password""#), "Name of a systemd credential (`LoadCredential=`) that holds it, instead of `password_file`.";
        ca_file: String = Optional(r#""mail-ca.pem""#), "More certificate authorities to trust (PEM), besides the system's.";
        timeout: String = Default(r#""60s""#), "Wall time in which a mail has to be sent (1s to 10m).";
    }
}

section! {
    /// Log format and level.
    LogRaw "log" {
        format: String = Default(r#""human""#), "`human`, `json` or `journald`: lines for the journal of a systemd unit, with the level as a prefix and without the time.";
        level: String = Default(r#""info""#), "A level, or a filter such as `info,provtaskd::oig=debug`.";
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Raw {
    /// `[server]`
    pub server: ServerRaw,
    /// `[schedule]`
    pub schedule: ScheduleRaw,
    /// `[mode]`
    pub mode: ModeRaw,
    /// `[policy]`
    pub policy: PolicyRaw,
    /// `[guard]`
    pub guard: GuardRaw,
    /// `[governor]`
    pub governor: GovernorRaw,
    /// `[absence]`
    pub absence: AbsenceRaw,
    /// `[delivery]`
    pub delivery: DeliveryRaw,
    /// `[store]`
    pub store: StoreRaw,
    /// `[audit]`
    pub audit: AuditRaw,
    /// `[admin]`
    pub admin: AdminRaw,
    /// `[intake]`
    pub intake: IntakeRaw,
    /// `[[login]]`
    pub login: Vec<LoginRaw>,
    /// `[mail]`
    pub mail: MailRaw,
    /// `[log]`
    pub log: LogRaw,
}

/// Every section, in the order of the docs.
pub const SECTIONS: [Section; 16] = [
    ServerRaw::SECTION,
    ScheduleRaw::SECTION,
    ModeRaw::SECTION,
    PolicyRaw::SECTION,
    GuardRaw::SECTION,
    GovernorRaw::SECTION,
    LimitsRaw::SECTION,
    AbsenceRaw::SECTION,
    DeliveryRaw::SECTION,
    StoreRaw::SECTION,
    AuditRaw::SECTION,
    AdminRaw::SECTION,
    IntakeRaw::SECTION,
    LoginRaw::SECTION,
    MailRaw::SECTION,
    LogRaw::SECTION,
];
