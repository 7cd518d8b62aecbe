//! A person, and every body of which a field can hold words, with him in all of them.

use super::*;
use crate::ledger::ran::RunMark;

/// How a person is called.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub login: String,
    pub first: String,
    pub last: String,
    pub key: String,
}

impl Called {
    fn full(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// One of the ways in which words name him.
    pub fn words(&self, way: usize) -> Arc<str> {
        let Self {
            login,
            first,
            last,
            key,
        } = self;
        let text = match way % 7 {
            0 => format!("user {} is locked", login.to_uppercase()),
            1 => format!("the account of {first} {last} is locked"),
            2 => format!("{}, {} has left", last.to_uppercase(), first),
            3 => format!("asked for by <{first}.{last}@example.org>"),
            4 => format!("owner user#{key} is away"),
            5 => format!("({login})"),
            _ => format!("{first}_{last}: no such mailbox"),
        };
        Arc::from(text)
    }

    /// What must not be found afterwards, in lower case.
    pub fn strings(&self) -> Vec<String> {
        let Self {
            login,
            first,
            last,
            key,
        } = self;
        let all = [
            login.clone(),
            format!("{first} {last}"),
            format!("{last}, {first}"),
            format!("{first}.{last}"),
            format!("{first}_{last}"),
            format!("user#{key}"),
            format!("\"key\":\"{key}\""),
        ];
        all.iter().map(|text| names::folded(text)).collect()
    }

    /// A row in which he is owner and beneficiary, as it is stored.
    fn row(&self, number: u32) -> String {
        let fields = [
            (
                "Process Instance.Task Information.Target User",
                self.login.to_uppercase(),
            ),
            (
                "Process Instance.Task Information.Assignee User ID",
                self.login.clone(),
            ),
            (
                "Process Instance.Task Information.Assignee First Name",
                self.first.clone(),
            ),
            (
                "Process Instance.Task Information.Assignee Last Name",
                self.last.clone(),
            ),
            (
                "Process Instance.Task Information.Assigned To User Key",
                self.key.clone(),
            ),
            ("Users.Display Name", self.full()),
        ];
        let fields = fields
            .iter()
            .map(|(name, value)| format!("{}:{name},s{}:{value},", name.len(), value.len()));
        format!("2;{number}:{}", fields.collect::<String>())
    }
}

/// Every body of which a field can hold words, with him in all of them; lineage 1 is his, 2 another's.
pub(super) fn bodies(who: &Called) -> Vec<EventBody> {
    let mut way = 0;
    let mut words = || {
        way += 1;
        who.words(way)
    };
    let login = Login::new(&who.login);
    let owner = || {
        Some(Owner::User {
            key: Some(UserKey::new(&who.key)),
            login: Some(login.clone()),
        })
    };
    let by_key = || {
        Some(Owner::User {
            key: Some(UserKey::new(&who.key)),
            login: None,
        })
    };
    let to = || Principal::User {
        key: Some(UserKey::new(&who.key)),
        login: login.clone(),
    };
    let definition = || DefinitionId {
        target: TargetName::new("AD"),
        definition: "create user".into(),
    };
    let task = |lineage: u64| TaskId::new(&format!("{}", 100 + lineage));
    let row = who.row(1);
    let alike = who.row(2);
    let set = |n: u8| PolicyHash::new(&format!("{n:064}"));
    let policy = format!("// for {}\nfn decide(task, facts) {{ }}", who.full());
    let hold = || Digest::new("h");
    let batch = |n: u128| BatchId(uuid::Uuid::from_u128(n));
    let mut out = vec![
        EventBody::StoreCreated {
            store: "0190-s".to_owned(),
        },
        EventBody::WorldBound {
            fingerprint: "http://oig/ ME".to_owned(),
        },
        stored(&policy),
        EventBody::PolicySeen {
            hash: set(1),
            sources: digest_of(policy.as_bytes()),
        },
        EventBody::PolicySeen {
            hash: set(2),
            sources: Digest::new("none"),
        },
        EventBody::PolicyReleased {
            hash: set(2),
            word: words(),
        },
        EventBody::ModeChanged {
            mode: Mode::Enforce,
            reason: words(),
        },
        EventBody::LineagesOpened {
            items: (1..=2)
                .map(|n| OpenedItem {
                    lineage: LineageId(n),
                    task: task(n),
                    created: Some(at()),
                    kind: Kind::Grant,
                    target: Some(TargetName::new("AD")),
                    definition: None,
                    name: Some("Add".into()),
                    process: None,
                    user: Some(if n == 1 {
                        login.clone()
                    } else {
                        Login::new("SOMEBODY")
                    }),
                    child: None,
                    owner: owner(),
                    print: 5,
                    ambiguous: false,
                    run: RunMark::default(),
                    by_date: false,
                    known_by: Default::default(),
                })
                .collect(),
        },
        EventBody::BaselineTaken {
            up_to: LineageId(2),
        },
        EventBody::BaselineHeld {
            lineages: vec![LineageId(2)],
        },
        EventBody::BaselineReleased {
            lineages: vec![LineageId(1), LineageId(2)],
            reason: words(),
        },
        stored(&row),
        EventBody::InputsAlike {
            base: digest_of(row.as_bytes()),
            items: vec![AlikeItem {
                digest: digest_of(alike.as_bytes()),
                steps: crate::model::alike::steps(&row, &alike).expect("alike"),
            }],
        },
    ];
    for n in 1..=2 {
        let verdicts = [
            Verdict::Leave {
                reason: words(),
                after: None,
            },
            Verdict::Ask {
                reason: words(),
                after: None,
            },
            Verdict::Act {
                action: Action::SetNote { text: words() },
                after: None,
                because: Some(words()),
                priority: 0,
            },
            Verdict::Act {
                action: Action::Reassign { to: to() },
                after: Some(SignedDuration::from_hours(1)),
                because: None,
                priority: 0,
            },
        ];
        let items = verdicts.into_iter().map(|verdict| DecidedItem {
            lineage: LineageId(n),
            task: task(n),
            version: 1,
            kind: Kind::Grant,
            policy: Some(words()),
            line: Some(3),
            hash: set(2),
            inputs: digest_of(if n == 1 {
                alike.as_bytes()
            } else {
                row.as_bytes()
            }),
            moment: None,
            verdict: Some(verdict),
            fault: Some(words()),
            refusal: Some(Refusal {
                values: vec![("owner".to_owned(), words().to_string())],
                ..Refusal::new(RefusalReason::AssigneeAway, Scope::Task(task(n)))
            }),
            read: Arc::from([
                ("task.reason".into(), words()),
                (
                    "task.field(\"Users.First Name\")".into(),
                    who.first.as_str().into(),
                ),
                ("owner.key".into(), format!("\"{}\"", who.key).into()),
            ]),
            relook: None,
        });
        out.push(EventBody::Decided {
            items: items.collect(),
        });
    }
    let claim = |n: u64, ordinal: u32, action: Action, policy: Arc<str>| ClaimItem {
        lineage: LineageId(n),
        ordinal,
        task: task(n),
        action,
        process: None,
        definition: None,
        kind: Kind::Grant,
        policy: Some(policy),
        inputs: digest_of(row.as_bytes()),
        version: 1,
        rests: Arc::default(),
    };
    let claims = |n: u128, name: ActionName, items: Vec<ClaimItem>| EventBody::Claims {
        batch: batch(n),
        target: TargetName::new("AD"),
        action: name,
        items,
    };
    let answered = |n: u128, ordinal: u32, status: [ReceiptStatus; 2]| EventBody::Receipts {
        batch: batch(n),
        took_ms: 3,
        items: (1..=2)
            .zip(status)
            .map(|(n, status)| ReceiptItem {
                lineage: LineageId(n),
                ordinal,
                task: task(n),
                status,
            })
            .collect(),
    };
    let mut both =
        |n: u128, ordinal: u32, action: &dyn Fn(Arc<str>) -> Action, name: ActionName| {
            let items = (1..=2)
                .map(|n| claim(n, ordinal, action(words()), words()))
                .collect();
            let refused = |reason| ReceiptStatus::Refused {
                reason,
                manual: false,
            };
            vec![
                claims(n, name, items),
                answered(n, ordinal, [refused(words()), refused(words())]),
            ]
        };
    out.extend(both(
        1,
        1,
        &|text| Action::SetNote { text },
        ActionName::SetNote,
    ));
    out.extend(both(
        2,
        2,
        &|_| Action::Reassign { to: to() },
        ActionName::Reassign,
    ));
    let role = |name| Action::Reassign {
        to: Principal::Role { key: None, name },
    };
    out.extend(both(3, 3, &role, ActionName::Reassign));
    out.extend(both(
        4,
        4,
        &|code| Action::SetResponse { code },
        ActionName::SetResponse,
    ));
    let unsent = |why| ReceiptStatus::Unsent { why };
    let last = |n| claim(n, 5, Action::Retry, "30-retry.rhai".into());
    out.push(claims(5, ActionName::Retry, vec![last(1), last(2)]));
    out.push(answered(5, 5, [unsent(words()), unsent(words())]));
    let last = |n| claim(n, 6, Action::Retry, "30-retry.rhai".into());
    out.push(claims(6, ActionName::Retry, vec![last(1), last(2)]));
    let unknown = |why| ReceiptStatus::Unknown { why };
    out.push(answered(6, 6, [unknown(words()), unknown(words())]));
    out.push(EventBody::Seen {
        items: (1..=2)
            .map(|n| SeenItem {
                lineage: LineageId(n),
                print: 9,
                early: n == 2,
                run: RunMark::default(),
                foreign: n == 2,
                by_id: false,
                owner: by_key(),
                status: words(),
                redefined: Some(Redefined {
                    definition: "7".into(),
                    process: None,
                    user: Some(login.clone()),
                    child: None,
                }),
            })
            .collect(),
    });
    out.push(EventBody::LineagesJoined {
        items: vec![JoinedItem {
            lineage: LineageId(1),
            task: TaskId::new("900"),
            created: None,
            how: How::Link,
            print: 4,
            moved: Some(Redefined {
                definition: "7".into(),
                process: None,
                user: Some(login.clone()),
                child: None,
            }),
        }],
    });
    out.push(EventBody::EpisodeReset {
        lineage: LineageId(2),
        reason: words(),
    });
    out.push(EventBody::OrderReleased {
        lineage: LineageId(2),
        task: TaskId::new("11"),
        release: OrderRelease {
            reason: RefusalReason::WaitsForOlder,
            other: TaskId::new("12"),
            status: "R".into(),
            until: at(),
        },
        reason: words(),
    });
    out.push(EventBody::JustificationClaimed {
        batch: batch(7),
        lineage: LineageId(2),
        ordinal: 6,
        task: TaskId::new("11"),
        target: TargetName::new("AD"),
        line: words(),
    });
    for status in [unsent(words()), unknown(words())] {
        out.push(EventBody::JustificationEnded {
            batch: batch(7),
            lineage: LineageId(2),
            ordinal: 6,
            task: TaskId::new("11"),
            status,
            seen: false,
        });
    }
    out.push(EventBody::LineageAmbiguous {
        lineages: vec![],
        tasks: vec![],
    });
    out.push(EventBody::Outcomes {
        items: (1..=2)
            .map(|n| Outcome {
                lineage: LineageId(n),
                ordinal: 6,
                event: AttemptEvent::ReadCompleted,
                at: at(),
                task: Some(task(n)),
                evidence: Some(words()),
            })
            .collect(),
    });
    // a text of which the end was never written, cut in the middle of his name
    let (cut, rest) = who.first.split_at(2);
    for (part, text) in [
        (0, format!("row of {cut}")),
        (1, format!("{rest} {}", who.last)),
    ] {
        let digest = Digest::new("cut");
        out.push(EventBody::InputsStored {
            digest,
            part,
            of: 3,
            text,
        });
    }
    let state = |part, text: &str| EventBody::GovernorState {
        version: 1,
        part,
        of: 2,
        json: text.to_owned(),
    };
    out.extend([
        EventBody::Learned {
            definition: definition(),
            manual: true,
            reason: words(),
        },
        EventBody::Learned {
            definition: DefinitionId {
                target: TargetName::new("SAP"),
                ..definition()
            },
            manual: true,
            reason: words(),
        },
        EventBody::Forgot {
            definition: definition(),
        },
        EventBody::HoldOpened {
            hold: hold(),
            action: ActionName::Reassign,
            target: TargetName::new("AD"),
            policy: set(2),
            tasks: vec![task(1)],
        },
        EventBody::Approved {
            hold: hold(),
            until: at(),
            reason: words(),
        },
        EventBody::Rejected {
            hold: hold(),
            reason: words(),
        },
        EventBody::HoldClosed {
            hold: hold(),
            reason: words(),
        },
        EventBody::Paused {
            scope: Scope::Global,
            until: None,
            reason: words(),
        },
        EventBody::Resumed {
            scope: Scope::Global,
        },
        EventBody::Paused {
            scope: Scope::Global,
            until: None,
            reason: words(),
        },
        EventBody::LoginStopped {
            login: login.clone(),
            secret: None,
            why: words(),
        },
        EventBody::LoginCleared {
            login: login.clone(),
            why: words(),
        },
        EventBody::LoginStopped {
            login: Login::new("ME"),
            secret: None,
            why: words(),
        },
        state(0, &format!("{{\"by\":\"{cut}")),
        state(1, &format!("{rest} {}\"}}", who.last)),
        state(0, "{\"by\":"),
        state(1, "\"nobody\"}"),
        EventBody::StoreRewound {
            expected: 3,
            found: 2,
            damage: None,
            restored: Some(words()),
            lineages: vec![LineageId(1)],
        },
        EventBody::RewindSettled { reason: words() },
        EventBody::LineagesLeft {
            lineages: vec![LineageId(2)],
            lost: false,
            reason: Some(words()),
        },
        EventBody::WorldDoubted { why: words() },
        EventBody::WorldKept { reason: words() },
        EventBody::IdsReused {
            items: vec![ReusedItem {
                lineage: LineageId(2),
                task: TaskId::new("77"),
                why: words(),
            }],
        },
        EventBody::WorldAccepted {
            up_to: LineageId(2),
            reason: words(),
        },
        EventBody::Rewritten {
            why: RewriteWhy::Compact,
            to: 0,
            changed: 0,
            sum: Digest::new("-"),
            head: Digest::new("-"),
            reason: words(),
        },
        EventBody::ServerBackOff {
            until: at(),
            pause: SignedDuration::ZERO,
            why: words(),
        },
        EventBody::Dropped {},
        EventBody::Checkpoint { up_to: 1 },
        EventBody::Requests {
            from: at(),
            to: at(),
            reads: 3,
            tokens: 1,
        },
        EventBody::LateOver {
            items: vec![AttemptItem {
                lineage: LineageId(2),
                ordinal: 1,
            }],
        },
        EventBody::Note { text: words() },
    ]);
    out
}

fn stored(text: &str) -> EventBody {
    EventBody::InputsStored {
        digest: digest_of(text.as_bytes()),
        part: 0,
        of: 1,
        text: text.to_owned(),
    }
}
