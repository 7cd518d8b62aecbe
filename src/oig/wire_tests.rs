//! Tests of the incoming shapes: every leniency of contract section 9 by itself; they reach no network.

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Page<'_> {
    page(text, &["tasks"]).expect("readable")
}

#[test]
fn a_page_is_read_with_its_envelope() {
    let page = one(
        r#"{"links":[{"rel":"self","href":"http://h/p"},{"rel":"self","href":"http://h/p?offset=1"},{"rel":"NEXT","href":"http://h/p?offset=3&limit=2"}],
            "count":2,"hasMore":true,"totalResult":-1,
            "tasks":[{"links":[{"rel":"self","href":"https://h/x/provtasks/41"}],"fields":[{"name":"A","value":"1\"x"},{"name":"B","value":7.50},{"name":"C"},{"name":"D","value":null},{"name":"E","value":{"base":"basis","de":"x"}}]},
                     {"id":42,"fields":{"A":"m","B":null,"C":[1]}}]}"#,
    );
    assert_eq!(page.has_more, Some(true));
    assert_eq!(page.next.as_deref(), Some("http://h/p?offset=3&limit=2"));
    assert_eq!(page.items.len(), 2);
    let first = &page.items[0];
    assert_eq!(first.id().as_deref(), Some("41"));
    assert_eq!(first.text(&[" a", "a"]).as_deref(), Some("1\"x"));
    assert_eq!(first.field("b"), Some(&Value::Number("7.50")));
    assert_eq!(first.field("c"), Some(&Value::Null));
    assert_eq!(first.field("D"), Some(&Value::Null));
    assert_eq!(first.text(&["E"]).as_deref(), Some("basis"));
    let second = &page.items[1];
    assert_eq!(second.id().as_deref(), Some("42"));
    assert_eq!(second.text(&["A"]).as_deref(), Some("m"));
    assert_eq!(second.field("C"), Some(&Value::Json("[1]")));
    assert_eq!(second.text(&["C"]), None);
}

#[test]
fn odd_items_and_fields_do_not_spoil_their_neighbours() {
    let page = one(
        r#"{"TASKS":[null,7,"x",[1,{"a":2}],true,1.5,{"id":"5","fields":[null,3,["n"],{"value":"no name"},{"name":9,"value":1},{"NAME":"K","Value":"v"}]},{"id":"6","fields":null},{"id":"7","fields":"none"}]}"#,
    );
    assert!(page.has_list);
    assert_eq!(page.items.len(), 9);
    assert_eq!(page.items.iter().filter(|r| r.is_object).count(), 3);
    let row = page
        .items
        .iter()
        .find(|r| r.id().as_deref() == Some("5"))
        .expect("there");
    assert_eq!(row.fields.len(), 1);
    assert_eq!(row.text(&["k"]).as_deref(), Some("v"));
}

#[test]
fn a_lone_object_is_a_list_of_one_and_null_is_an_empty_list() {
    assert_eq!(one(r#"{"tasks":{"id":"5"}}"#).items.len(), 1);
    let none = one(r#"{"tasks":null,"hasMore":"true"}"#);
    assert!(none.has_list && none.items.is_empty());
    assert_eq!(none.has_more, Some(true));
    assert!(!one("{}").has_list);
}

#[test]
fn bodies_that_are_not_json_are_told_apart() {
    assert_eq!(body_text(b" \r\n"), Err(WireFault::Empty));
    assert_eq!(body_text(b"<!DOCTYPE html><html>"), Err(WireFault::Html));
    assert_eq!(body_text(b"\n<HTML><body>"), Err(WireFault::Html));
    assert_eq!(
        body_text(b"<?xml version='1.0'?><tasks/>"),
        Err(WireFault::Xml)
    );
    assert_eq!(
        body_text(b"<?xml version='1.0'?><!DOCTYPE html PUBLIC ''><html>"),
        Err(WireFault::Html)
    );
    assert_eq!(body_text(b"<tasks/>"), Err(WireFault::Xml));
    assert_eq!(body_text(b"\xef\xbb\xbf{}").as_deref(), Ok("{}"));
    let truncated = page(r#"{"tasks":[{"id":"5""#, &["tasks"]);
    assert!(matches!(truncated, Err(WireFault::Truncated)));
    for text in ["[]", "7", "{} x", "{\"a\" 1}", "\"s\""] {
        let read = page(text, &["tasks"]);
        assert!(matches!(read, Err(WireFault::Malformed(_))), "{text}");
    }
}

#[test]
fn a_control_character_as_it_is_costs_its_place_and_not_the_list() {
    let raw = "{\n\t\"tasks\":[{\"id\":\"5\",\"fields\":[{\"name\":\"Task Reason\",\"value\":\"down\r\n\tat \\\"x\\\" (\u{1}é)\"}]},{\"id\":\"6\"}]\n}";
    let text = body_text(raw.as_bytes()).expect("a text");
    let page = page(&text, &["tasks"]).expect("readable");
    assert_eq!(page.items.len(), 2);
    let reason = page.items[0].text(&["Task Reason"]);
    assert_eq!(reason.as_deref(), Some("down   at \"x\" ( é)"));
    // outside of strings nothing is mended, and what is right is not copied
    let outside = body_text(b"{\"tasks\":[\x01]}").expect("a text");
    assert!(super::page(&outside, &["tasks"]).is_err());
    let pretty = body_text(b"{\n\t\"tasks\": []\r\n}").expect("a text");
    assert!(matches!(pretty, Cow::Borrowed(_)));
}

#[test]
fn a_lone_surrogate_is_kept_as_written() {
    let page = one(r#"{"tasks":[{"id":"1","fields":[{"name":"A","value":"x\ud800y"}]}]}"#);
    assert_eq!(page.items[0].text(&["A"]).as_deref(), Some("x\\ud800y"));
}

fn probe(body: &[u8]) {
    let Ok(text) = body_text(body) else { return };
    if let Ok(page) = page(&text, &["tasks", "users"]) {
        for row in page.items.iter().chain([&page.own]) {
            let _ = row.id();
            for field in row.fields.iter().chain(&row.flat).chain(&row.form) {
                let _ = (field.value.text(), field.value.flag(), field.value.packed());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        probe(&body);
    }

    #[test]
    fn no_damage_to_a_page_makes_the_reader_panic(at in 0usize..400, with in prop::collection::vec(prop::sample::select(br#"{}[]",:\u0nt-1e<"#.to_vec()), 0..6), cut in 0usize..12) {
        let mut body = br#"{"links":[{"rel":"next","href":"/p?offset=3"}],"hasMore":true,"tasks":[{"links":[{"rel":"self","href":"h/5"}],"id":5,"fields":[{"name":"A","value":"\u00e4"},{"name":"B","value":{"base":"b"}}],"formFields":{"UD_X":[1,2]}},{"fields":{"a":null}}]}"#.to_vec();
        let at = at % body.len();
        let end = (at + cut).min(body.len());
        body.splice(at..end, with);
        probe(&body);
        body.truncate(at);
        probe(&body);
    }
}
