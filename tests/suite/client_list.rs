//! The client reads lists over real HTTP: pages, odd endings, bodies that are no list; a list that is not whole must never pass for one.

use jiff::SignedDuration;

use crate::client_stub::{Stub, http, json, page, setup};

#[tokio::test]
async fn the_list_is_read_page_by_page_and_a_second_time_without_a_request_too_many() {
    let stub = Stub::start(|_, seen| {
        let first = seen.offset();
        let next = format!(
            "https://elsewhere:1/api/v1/provtasks?offset={}&limit=3",
            first + 3
        );
        // pages overlap by one row: 8 rows are 4 pages of 3
        page(
            100 + first..(103 + first).min(109),
            first < 6,
            (first < 6).then_some(next.as_str()),
        )
    })
    .await;
    let client = setup(&stub.origin()).client();
    let list = client.list().await.expect("a list");
    assert!(list.complete && list.stable);
    let ids: Vec<&str> = list.tasks.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        ["101", "102", "103", "104", "105", "106", "107", "108"]
    );
    let before = stub.seen().len();
    client.list().await.expect("a list");
    assert_eq!(stub.seen().len() - before, 4, "four pages, four requests");
    for seen in stub.seen() {
        assert_eq!(seen.headers["accept"], "application/json");
        assert!(seen.headers["authorization"].starts_with("Basic "));
    }
}

#[tokio::test]
async fn the_filter_goes_out_encoded_and_a_list_without_next_links_is_still_read() {
    let stub = Stub::start(|_, seen| match seen.offset() {
        1 => page(1..4, true, None),
        3 => page(3..5, false, None),
        _ => page(0..0, false, None),
    })
    .await;
    let mut setup = setup(&stub.origin());
    setup.settings.list_filter = Some("Status.Category eq Rejected".to_owned());
    let list = setup.client().list().await.expect("a list");
    assert_eq!(
        (list.tasks.len(), list.complete, list.stable),
        (4, true, true)
    );
    assert!(
        stub.seen()[0]
            .path
            .ends_with("&q=Status.Category%20eq%20Rejected")
    );
}

#[tokio::test]
async fn odd_endings_of_a_list_make_it_incomplete_or_shifted() {
    // More promised, nothing sent.
    let empty = Stub::start(|n, _| {
        if n == 0 {
            page(1..4, true, None)
        } else {
            page(0..0, true, None)
        }
    })
    .await;
    let list = setup(&empty.origin())
        .client()
        .list()
        .await
        .expect("a list");
    assert!(!list.complete);
    // A next link that points back.
    let back =
        Stub::start(|_, _| page(1..4, true, Some("/api/v1/provtasks?offset=1&limit=3"))).await;
    let list = setup(&back.origin()).client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 3));
    // The server ignores the offset.
    let same = Stub::start(|_, _| page(1..4, true, None)).await;
    let list = setup(&same.origin()).client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 3));
    // A row has come before the page's edge, or one has left: what is at an edge is not told by repeats alone.
    for second in [2..5, 4..7] {
        let shift = Stub::start(move |_, seen| match seen.offset() {
            1 => page(1..4, true, None),
            3 => page(second.clone(), false, None),
            _ => page(0..0, false, None),
        })
        .await;
        let list = setup(&shift.origin())
            .client()
            .list()
            .await
            .expect("a list");
        assert_eq!((list.complete, list.stable), (true, false));
    }
    // So many rows have left that nothing stands at the edge any more; what stood behind it has moved before it.
    let tail = Stub::start(|_, seen| match seen.offset() {
        1 => page(1..4, true, None),
        _ => page(0..0, false, None),
    })
    .await;
    let list = setup(&tail.origin()).client().list().await.expect("a list");
    assert_eq!((list.tasks.len(), list.stable), (3, false));
    // Read ahead past the end: the last row once more is no shift, anything else is.
    for (past, stable) in [(5..6, true), (6..7, false), (0..0, true)] {
        let ahead = Stub::start(move |_, seen| match seen.offset() {
            1 => page(1..4, true, None),
            3 => page(3..6, false, None),
            _ => page(past.clone(), false, None),
        })
        .await;
        let mut setup = setup(&ahead.origin());
        setup.settings.pages_in_flight = 3;
        let list = setup.client().list().await.expect("a list");
        assert_eq!((list.complete, list.stable), (true, stable));
    }
    // No end within the bound.
    let endless = Stub::start(|_, seen| page(seen.offset()..seen.offset() + 3, true, None)).await;
    let mut bounded = setup(&endless.origin());
    bounded.settings.max_pages = 4;
    let list = bounded.client().list().await.expect("a list");
    assert_eq!((list.complete, list.tasks.len()), (false, 9));
    assert_eq!(endless.seen().len(), 4);
}

/// A page of three at most as it should be, with what its own keys say instead.
fn saying(rows: std::ops::Range<u64>, says: serde_json::Value, next: Option<&str>) -> Vec<u8> {
    let tasks: Vec<serde_json::Value> = rows
        .map(|id| serde_json::json!({"id": id.to_string(), "fields": [{"name": "Status.Category", "value": "Rejected"}]}))
        .collect();
    let links = next.map(|href| serde_json::json!({"rel": "next", "href": href}));
    let links: Vec<serde_json::Value> = links.into_iter().collect();
    let mut body = serde_json::json!({"links": links, "count": tasks.len(), "totalResult": -1, "tasks": tasks});
    for (key, value) in says.as_object().expect("keys") {
        body[key] = value.clone();
    }
    json(body.to_string())
}

/// The list of a server of seven rows: how many came, whether it is whole and stable, and the requests.
async fn seven(says: serde_json::Value, link: bool) -> (usize, bool, bool, usize) {
    let stub = Stub::start(move |_, seen| {
        let first = seen.offset();
        let end = (first + 3).min(8).max(first);
        let next = format!("/api/v1/provtasks?offset={}&limit=3", first + 3);
        let next = (link && end < 8).then_some(next.as_str());
        saying(first.min(8)..end.min(8), says.clone(), next)
    })
    .await;
    let client = setup(&stub.origin()).client();
    let list = client.list().await.expect("a list");
    (
        list.tasks.len(),
        list.complete,
        list.stable,
        stub.seen().len(),
    )
}

/// Neither hasMore nor count is trusted alone: what says that there is more is looked after.
#[tokio::test]
async fn a_list_whose_end_is_contradicted_is_read_on_and_never_taken_as_whole_unread() {
    // the flag denies what the next link shows, or is not there: three pages that overlap by one row
    for says in [
        serde_json::json!({"hasMore": false}),
        serde_json::json!({"hasMore": "false"}),
    ] {
        assert_eq!(seven(says, true).await, (7, true, true, 3));
    }
    // the flag denies what a total shows
    let total = serde_json::json!({"hasMore": false, "totalResult": 7});
    assert_eq!(seven(total, false).await, (7, true, true, 3));
    // without a flag a link, or else a full page, is followed by another
    for link in [true, false] {
        let (rows, whole, stable, _) = seven(serde_json::json!({}), link).await;
        assert_eq!((rows, whole, stable), (7, true, true));
    }
    // nothing but a full page beside a flag that says the end: it is the end, and nothing is asked once more
    let (rows, whole, _, asked) = seven(serde_json::json!({"hasMore": false}), false).await;
    assert_eq!((rows, whole, asked), (3, true, 1));
    // more was counted than ever comes
    for says in [
        serde_json::json!({"hasMore": false, "count": 11}),
        serde_json::json!({"hasMore": false, "totalResult": 11}),
        serde_json::json!({"count": 11}),
    ] {
        let stub = Stub::start(move |_, seen| {
            let rows = if seen.offset() == 1 { 1..3 } else { 2..3 };
            saying(rows, says.clone(), None)
        })
        .await;
        let list = setup(&stub.origin()).client().list().await.expect("a list");
        assert_eq!((list.tasks.len(), list.complete), (2, false));
        assert_eq!(
            stub.seen().len(),
            2,
            "nothing new came, so nothing more is asked"
        );
    }
    // a server that ignores the offset
    let same = Stub::start(|_, _| {
        saying(
            1..4,
            serde_json::json!({"hasMore": false}),
            Some("/api/v1/provtasks?offset=4&limit=3"),
        )
    })
    .await;
    let list = setup(&same.origin()).client().list().await.expect("a list");
    assert_eq!((list.tasks.len(), list.complete), (3, false));
    // a page in the middle counts more than it holds
    let middle = Stub::start(|_, seen| match seen.offset() {
        1 => saying(1..4, serde_json::json!({"hasMore": true}), None),
        3 => saying(
            3..5,
            serde_json::json!({"hasMore": false, "count": 3}),
            None,
        ),
        _ => saying(0..0, serde_json::json!({"hasMore": false}), None),
    })
    .await;
    let list = setup(&middle.origin())
        .client()
        .list()
        .await
        .expect("a list");
    assert_eq!((list.tasks.len(), list.complete), (4, false));
}

/// A link on the last page, or one that leads nowhere, costs a look and no more.
#[tokio::test]
async fn a_next_link_on_the_last_page_is_looked_after_and_the_list_is_whole() {
    for (href, asked) in [
        ("/api/v1/provtasks?offset=4&limit=3", 2),
        ("/api/v1/provtasks?cursor=zz", 2),
        ("https://elsewhere/x?offset=4", 2),
        ("/api/v1/provtasks?offset=1&limit=3", 2),
    ] {
        let stub = Stub::start(move |n, _| {
            let says = serde_json::json!({"hasMore": false});
            if n == 0 {
                saying(1..3, says, Some(href))
            } else {
                saying(2..2, says, None)
            }
        })
        .await;
        let list = setup(&stub.origin()).client().list().await.expect("a list");
        assert_eq!(
            (list.tasks.len(), list.complete, list.stable),
            (2, true, true),
            "{href}"
        );
        assert_eq!(stub.seen().len(), asked, "{href}");
    }
    // one that goes round
    let round = Stub::start(|_, _| {
        saying(
            1..3,
            serde_json::json!({"hasMore": false}),
            Some("/api/v1/provtasks?cursor=zz"),
        )
    })
    .await;
    let list = setup(&round.origin())
        .client()
        .list()
        .await
        .expect("a list");
    assert_eq!((list.tasks.len(), list.complete), (2, false));
}

/// A server that has shown several pages, and one full one now: it may have forgotten the flag, so one look more.
#[tokio::test]
async fn a_list_that_ends_at_a_full_page_after_longer_ones_is_looked_after_once() {
    let stub = Stub::start(|n, seen| match (n, seen.offset()) {
        (0, 1) => saying(1..4, serde_json::json!({"hasMore": true}), None),
        (1, 3) => saying(3..6, serde_json::json!({"hasMore": false}), None),
        (_, 1) => saying(1..4, serde_json::json!({"hasMore": false}), None),
        (_, 3) => saying(3..4, serde_json::json!({"hasMore": false}), None),
        _ => saying(0..0, serde_json::json!({"hasMore": false}), None),
    })
    .await;
    let mut setup = setup(&stub.origin());
    setup.settings.pages_in_flight = 1;
    let client = setup.client();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let list = client.list().await.expect("a list");
        assert!(list.complete && list.stable);
        asked.push(stub.seen().len());
    }
    assert_eq!(asked, [2, 4, 5, 6]);
}

#[tokio::test]
async fn a_next_link_never_leads_to_another_host_or_path() {
    let other = Stub::start(|_, _| page(50..51, false, None)).await;
    let href = format!("{}/api/v1/provtasks?cursor=abc", other.origin());
    let stub = Stub::start(move |_, seen| {
        if seen.path.contains("cursor=abc") {
            page(2..3, true, Some("http://x/admin/delete?cursor=zzz"))
        } else {
            page(1..2, true, Some(&href))
        }
    })
    .await;
    let list = setup(&stub.origin()).client().list().await.expect("a list");
    assert_eq!(list.tasks.len(), 2);
    assert!(!list.complete, "the last link can't be followed");
    assert!(other.seen().is_empty());
    assert!(
        stub.seen()
            .iter()
            .all(|s| s.path.starts_with("/api/v1/provtasks?"))
    );
}

#[tokio::test]
async fn bodies_that_are_no_list_are_clear_errors_without_secrets() {
    let html = "<html><form>Login: bot c0rrect-horse</form>";
    let kinds: Vec<(Vec<u8>, &str)> = vec![
        (http("200 OK", "Content-Type: text/html\r\n", html), "html"),
        (json(html), "html"),
        (json(""), "empty"),
        (json("<?xml version='1.0'?><tasks/>"), "xml"),
        (json("{\"tasks\":[{\"id\":\"5\""), "truncated"),
        (json("{\"error\":\"no\"}"), "malformed"),
        (json("[]"), "malformed"),
        (http("503 Busy", "Retry-After: 17\r\n", html), "status"),
        (
            http("404 Not Found", "Content-Type: text/html\r\n", html),
            "status",
        ),
        (
            http(
                "302 Found",
                "Location: https://sso/login?x=c0rrect-horse\r\n",
                "",
            ),
            "redirect",
        ),
        (
            http("307 Moved", "Location: /elsewhere\r\n", ""),
            "redirect",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"tasks\"".to_vec(),
            "broken",
        ),
    ];
    for (answer, kind) in kinds {
        let stub = Stub::start(move |_, _| answer.clone()).await;
        let error = setup(&stub.origin()).client().list().await.expect_err(kind);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.to_string().contains("c0rrect"), "{error}");
        if kind == "status" && error.retry_after().is_some() {
            assert_eq!(error.retry_after(), Some(SignedDuration::from_secs(17)));
        }
        assert_eq!(
            stub.seen().len(),
            1,
            "{kind}: nothing is repeated or followed"
        );
    }
}

#[tokio::test]
async fn a_body_is_capped_after_decompression() {
    let bomb = include_bytes!("../fixtures/wire/blanks-4mib.json.gz");
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let stub = Stub::start(move |_, _| http("200 OK", headers, bomb)).await;
    let small = setup(&stub.origin());
    assert!(bomb.len() < small.settings.max_body);
    let client = small.client();
    assert_eq!(
        client.list().await.expect_err("too large").kind(),
        "too_large"
    );
    let limit = u64::try_from(small.settings.max_body).expect("small");
    assert!(
        client.requests().bytes < 2 * limit,
        "reading stopped at the cap"
    );
    let mut large = setup(&stub.origin());
    large.settings.max_body = 8 << 20;
    let list = large.client().list().await;
    assert!(list.is_ok_and(|l| l.tasks.is_empty() && l.complete));
}

/// A page over ids, an item without one where there is none.
fn holed(rows: &[Option<u64>], more: bool) -> Vec<u8> {
    let tasks: Vec<serde_json::Value> = rows
        .iter()
        .map(|id| match id {
            Some(id) => serde_json::json!({"links": [], "fields": [
                {"name": "Process Instance.Task Details.Key", "value": id},
                {"name": "Process Instance.Task Details.Status", "value": "R"}]}),
            None => serde_json::json!({"links": [], "fields": [
                {"name": "Process Instance.Task Details.Status", "value": "R"}]}),
        })
        .collect();
    json(serde_json::json!({"links": [], "hasMore": more, "tasks": tasks}).to_string())
}

/// Any task could be the one of a row without an id: it is not absent because no other row shows it.
#[tokio::test]
async fn a_row_that_can_not_be_read_may_be_any_task_and_is_counted_once() {
    // pages of three rows that overlap by one; the row without an id is before, at and behind the edge
    for (first, second, unread) in [
        ([Some(1), None, Some(3)], [Some(3), Some(4)], 1),
        ([Some(1), Some(2), None], [None, Some(4)], 1),
        ([Some(1), Some(2), None], [None, None], 2),
        ([Some(1), Some(2), Some(3)], [Some(3), None], 1),
        // the list has shifted, and another row stands at the edge
        ([Some(1), Some(2), None], [Some(4), Some(5)], 1),
        ([Some(1), Some(2), Some(3)], [None, Some(5)], 1),
    ] {
        let stub = Stub::start(move |_, seen| match seen.offset() {
            1 => holed(&first, true),
            3 => holed(&second, false),
            _ => holed(&[], false),
        })
        .await;
        let list = setup(&stub.origin()).client().list().await.expect("a list");
        let said = format!("{first:?} {second:?}");
        assert!(list.complete, "{said}");
        assert!(!list.stable, "{said}");
        assert_eq!(list.unreadable.len(), unread, "{said}");
    }
}

/// Whatever a row shows, it becomes a record, and a list with it stops nobody else's work.
#[tokio::test]
async fn texts_of_any_length_fit_the_records_that_are_made_of_them() {
    let long = "ü\u{1}\"".repeat(1_000);
    let row = |id: &str, text: &str| {
        let names = [
            "Process Definition.Tasks.Task Name",
            "Process Definition.Tasks.Key",
            "Process Instance.Key",
            "Process Instance.Task Information.Target User",
            "Process Instance.Task Details.Reason",
            "Objects.Name",
            "Groups.Group Name",
            "Status.Category",
            "UD_ADUSER_NOTE",
        ];
        let of = |name: &&str| serde_json::json!({"name": name, "value": text});
        let mut fields: Vec<_> = names.iter().map(of).collect();
        fields.push(serde_json::json!({"name": "Process Instance.Task Details.Key", "value": id}));
        serde_json::json!({"fields": fields})
    };
    let tasks = [row("41", &long), row(&long, "x"), row("42", "Rejected")];
    let body = serde_json::json!({"tasks": tasks, "count": 3, "hasMore": false}).to_string();
    let stub = Stub::start(move |_, _| json(&body)).await;
    let setup = setup(&stub.origin());
    let list = setup.client().list().await.expect("a list");
    let ids: Vec<&str> = list.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["41", "42"]);
    assert!(
        list.unreadable[0].contains("an id of "),
        "{:?}",
        list.unreadable
    );
    assert_eq!(
        (&list.tasks[0].process, &list.tasks[0].beneficiary),
        (&None, &None)
    );
    let now = list.taken_at;
    let ledger = provtaskd::ledger::Ledger::memory(now).expect("a ledger");
    let kinds = vec![provtaskd::model::Kind::Unknown; list.tasks.len()];
    let sight = provtaskd::ledger::Sighting {
        snapshot: std::sync::Arc::new(list),
        kinds,
        cycle: provtaskd::model::CycleId(uuid::Uuid::now_v7()),
        delivery: provtaskd::model::settings::DeliverySettings {
            settle_after: SignedDuration::from_mins(15),
            verify_first: SignedDuration::from_mins(1),
            verify_cap: SignedDuration::from_hours(2),
            verify_give_up: SignedDuration::from_hours(72),
            reread_after: SignedDuration::from_mins(2),
            grace: std::time::Duration::from_secs(30),
            manual_ttl: SignedDuration::from_hours(24),
            note: false,
            note_max: 1000,
        },
        unlisted: Default::default(),
        asked: false,
    };
    let seen = ledger.observe(sight, now).await.expect("recorded");
    assert_eq!(seen.opened, 2);
}

/// A server that gives fewer rows than were asked for, and says neither `hasMore` nor `next`.
#[tokio::test]
async fn a_short_page_without_a_flag_is_no_end_of_the_list() {
    let stub = Stub::start(|_, seen| {
        let first = seen.offset();
        let rows: Vec<serde_json::Value> = (first..(first + 2).min(8))
            .map(|id| {
                serde_json::json!({"fields": [
                {"name": "Process Instance.Task Details.Key", "value": 100 + id},
                {"name": "Process Instance.Task Details.Status", "value": "R"}]})
            })
            .collect();
        json(serde_json::json!({"count": rows.len(), "totalResult": -1, "tasks": rows}).to_string())
    })
    .await;
    let list = setup(&stub.origin()).client().list().await.expect("a list");
    assert!(
        list.tasks.len() == 7 || !list.complete,
        "{} of 7 tasks, complete: {}",
        list.tasks.len(),
        list.complete
    );
}
