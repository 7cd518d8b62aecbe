//! How many requests survey and probe make within a minute.

use crate::survey_house::{House, WORLD, text};

/// The most requests within any minute of the world's time.
fn most_within_a_minute(house: &House) -> (usize, usize) {
    let times: Vec<i64> = house
        .requests(0)
        .iter()
        .map(|request| {
            let at = text(&request["at"]);
            let at: jiff::Timestamp = at.parse().expect("a time");
            at.as_second()
        })
        .collect();
    let most = (0..times.len())
        .map(|from| {
            times[from..]
                .iter()
                .take_while(|at| **at < times[from] + 60)
                .count()
        })
        .max()
        .unwrap_or(0);
    (times.len(), most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_keeps_the_read_budget_of_each_minute() {
    let house = House::with(WORLD, "reads_per_minute = 30", "").await;
    house.done(&["survey"]);
    let (all, most) = most_within_a_minute(&house);
    assert!(all > 60 && most <= 60, "{all} requests, {most} in a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_keeps_the_read_budget_of_each_minute() {
    let house = House::with(WORLD, "reads_per_minute = 10\npage_size = 10", "").await;
    house.done(&["probe"]);
    let (all, most) = most_within_a_minute(&house);
    assert!(all > 20 && most <= 20, "{all} requests, {most} in a minute");
}
