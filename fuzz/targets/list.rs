//! List answers, led by coverage: any body is read or refused, and no task comes out of it without an id.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use provtaskd::oig::map::{Interner, Mapper};
use provtaskd::oig::{filter, wire};

fuzz_target!(|body: &[u8]| {
    let Ok(text) = wire::body_text(body) else {
        return;
    };
    let Ok(page) = wire::page(&text, &["tasks"]) else {
        return;
    };
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let (mut mapper, mut pool) = (Mapper::new(&zone), Interner::default());
    let mut tasks = Vec::new();
    for row in page.items.iter().chain([&page.own]) {
        let _ = (row.id(), row.self_segment());
        tasks.extend(mapper.task(row, &mut pool));
    }
    let table = mapper.table();
    for task in &mut tasks {
        task.fields.share_table(std::sync::Arc::clone(&table));
        assert!(!task.id.as_str().trim().is_empty(), "a task without an id");
        let _ = (task.version(), task.definition(), format!("{task:?}"));
    }
    if let Some(next) = &page.next {
        let (path, query) = filter::path_and_query(next);
        let _ = (path.len(), filter::number_of(query, "offset"));
    }
});
