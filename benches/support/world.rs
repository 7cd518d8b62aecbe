//! Renders pages of a made-up task list fast enough that the server is never what is measured; it holds no task.

/// Tasks per page at most.
pub const PAGE: usize = 500;
/// Targets over which the tasks are spread, one task per account.
pub const TARGETS: usize = 40;

const REASON: &str = "java.net.ConnectException: Connection refused: connect to app{T}.example.com:636 after 30000 ms; the connector gave up in oracle.iam.connectors.icfcommon.prov.ICProvisioningManager.deleteUser line 412 while it looked for the account of {U}";

/// What of a row differs from its neighbours: places of ids in the rendered row of a target.
struct Template {
    bytes: Vec<u8>,
    /// Where the task's number goes (ten digits).
    task: Vec<usize>,
    /// Where the account's number goes (ten digits).
    account: Vec<usize>,
}

/// The list: rows by number, from 0.
pub struct World {
    templates: Vec<Template>,
}

impl World {
    /// A world whose tasks were created at this time (`2026-01-01T00:00:00Z`).
    pub fn new(created: &str) -> Self {
        let templates = (0..TARGETS)
            .map(|target| template(target, created))
            .collect();
        Self { templates }
    }

    /// The task id of row `n`.
    pub fn id(n: usize) -> usize {
        1_000_000_000 + n
    }

    /// One page: rows from `from` (0-based), at most `limit`, out of `total`.
    pub fn page(&self, from: usize, limit: usize, total: usize) -> Vec<u8> {
        let end = total.min(from + limit);
        let count = end.saturating_sub(from);
        let more = end < total;
        let mut out = Vec::with_capacity(count * 2300 + 300);
        let head = format!(
            "{{\"links\":[{{\"rel\":\"self\",\"href\":\"/iam/governance/selfservice/api/v1/provtasks\"}}],\"count\":{count},\"hasMore\":{more},\"totalResult\":-1,\"tasks\":["
        );
        out.extend_from_slice(head.as_bytes());
        for n in from..end {
            if n > from {
                out.push(b',');
            }
            self.row(n, &mut out);
        }
        out.extend_from_slice(b"]}");
        out
    }

    fn row(&self, n: usize, out: &mut Vec<u8>) {
        // runs of one target, as a server that lists by process shows them
        let template = &self.templates[n / 25 % TARGETS];
        let at = out.len();
        out.extend_from_slice(&template.bytes);
        for (places, number) in [
            (&template.task, Self::id(n)),
            (&template.account, 2_000_000_000 + n),
        ] {
            let text = number.to_string();
            for place in places {
                out[at + place..at + place + 10].copy_from_slice(text.as_bytes());
            }
        }
    }
}

fn template(target: usize, created: &str) -> Template {
    let name = format!("Application {target:02}");
    let user = "U@@@@@@@@@@";
    let reason = REASON
        .replace("{T}", &format!("{target:02}"))
        .replace("{U}", user);
    let task = "##########";
    let account = "@@@@@@@@@@";
    let text = |value: &str| format!("\"{value}\"");
    let fields: [(&str, String); 25] = [
        ("Process Instance.Descriptive Data", text(user)),
        ("Process Instance.Task Details.Key", task.to_owned()),
        ("Process Instance.Task Details.Status", text("R")),
        ("Status.Category", text("Rejected")),
        (
            "Process Instance.Task Details.Data",
            text("CONNECTION_FAILED"),
        ),
        ("SCH_REASON", text(&reason)),
        ("Process Instance.Task Details.Note", text("")),
        (
            "Process Instance.Task Information.Creation Date",
            text(created),
        ),
        (
            "Process Instance.Task Details.Actual Start Date",
            text(created),
        ),
        ("Process Instance.Task Details.Type", text("")),
        ("Process Instance.Task Details.System level", "0".to_owned()),
        ("Process Instance.Task Details.Created By", "1".to_owned()),
        ("Process Definition.Tasks.Task Name", text("Delete User")),
        ("Process Definition.Tasks.Key", format!("{}", 300 + target)),
        ("Event Handler Manager.Key", "41".to_owned()),
        ("Process Instance.Key", account.to_owned()),
        ("Process Instance.Task Information.Target User", text(user)),
        (
            "Process Instance.Task Information.Assign Type",
            text("Group"),
        ),
        (
            "Process Instance.Task Information.Assigned To User Key",
            "0".to_owned(),
        ),
        (
            "Process Instance.Task Information.Assigned To Group Key",
            "7".to_owned(),
        ),
        ("Groups.Group Name", text("PROVISIONING OPERATORS")),
        ("Objects.Name", text(&name)),
        ("APP_INSTANCE_NAME", text(&name)),
        ("APP_INSTANCE_KEY", format!("{}", 50 + target)),
        ("REQ_KEY", text("")),
    ];
    let mut row = format!(
        "{{\"links\":[{{\"rel\":\"self\",\"href\":\"/iam/governance/selfservice/api/v1/provtasks/{task}\"}}],\"fields\":["
    );
    for (n, (name, value)) in fields.iter().enumerate() {
        if n > 0 {
            row.push(',');
        }
        row.push_str(&format!("{{\"name\":\"{name}\",\"value\":{value}}}"));
    }
    row.push_str("]}");
    let places = |mark: &str| row.match_indices(mark).map(|(at, _)| at).collect();
    Template {
        task: places(task),
        account: places(account),
        bytes: row.into_bytes(),
    }
}
