//! Answers to writes, led by coverage: one receipt for each item that was sent, in order, and none is accepted or refused that the text does not name.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use provtaskd::model::{ReceiptStatus, TaskId};
use provtaskd::oig::{receipts, wire};

fuzz_target!(|body: &[u8]| {
    let Ok(text) = wire::body_text(body) else {
        return;
    };
    let Ok(answer) = receipts::read(&text, Duration::ZERO) else {
        return;
    };
    let sent = ["3016", "3018", "3020", "4000"].map(TaskId::new);
    let told = receipts::receipts(&sent, &answer);
    assert!(told.iter().map(|(id, _)| id).eq(&sent), "one for each, in order");
    let upper = text.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| upper.contains(word)) || text.contains('\\');
    for (id, status) in told {
        match status {
            ReceiptStatus::Accepted => {
                assert!(text.contains(id.as_str()) || text.contains('\\') || text.contains('%'));
                assert!(says(&["SUCCESS", "OK", "COMPLETED"]), "{text}");
            }
            ReceiptStatus::Refused { .. } => assert!(says(&["FAIL", "ERROR"]), "{text}"),
            ReceiptStatus::Unknown { .. } => {}
            ReceiptStatus::Unsent { .. } => panic!("an answer never proves that"),
        }
    }
});
