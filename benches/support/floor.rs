//! F, the floor program: reads and decodes all pages into packed rows, decides natively, PUTs 500 at a time; it keeps nothing durable and refuses nothing.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use provtaskd::model::fields::{FieldPacker, FieldValue};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::world::PAGE;

/// What F took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// Fetching and decoding alone.
    pub read: Duration,
    /// Of that, decoding, summed over the workers.
    pub decode: Duration,
    /// Everything.
    pub whole: Duration,
    /// Rows seen.
    pub rows: usize,
    /// Items sent.
    pub sent: usize,
}

/// A packed row, as little as deciding needs beside it.
struct Row {
    id: Box<str>,
    retry: bool,
    _fields: Box<str>,
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(rename = "hasMore")]
    more: bool,
    #[serde(borrow)]
    tasks: Vec<Item<'a>>,
}

#[derive(serde::Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    fields: Vec<Pair<'a>>,
}

/// A name and its value, borrowed from the page.
struct Pair<'a> {
    name: Cow<'a, str>,
    value: &'a RawValue,
}

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pair<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name and a value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pair<'de>, A::Error> {
                let (mut name, mut value) = (None, None);
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "name" => name = Some(Cow::Borrowed(map.next_value::<&str>()?)),
                        "value" => value = Some(map.next_value::<&RawValue>()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let lacks = |what| serde::de::Error::missing_field(what);
                Ok(Pair {
                    name: name.ok_or_else(|| lacks("name"))?,
                    value: value.ok_or_else(|| lacks("value"))?,
                })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Pair<'de>, A::Error> {
                Err(serde::de::Error::custom("a list is no field"))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Decodes one page into packed rows; true where more follow.
fn decode(body: &[u8]) -> (Vec<Row>, bool) {
    let page: Page<'_> = serde_json::from_slice(body).expect("the server's own page");
    let mut packer = FieldPacker::default();
    let mut rows = Vec::with_capacity(page.tasks.len());
    for item in &page.tasks {
        let (mut id, mut rejected, mut refused) = ("", false, false);
        for pair in &item.fields {
            let raw = pair.value.get();
            let text = raw.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            match &*pair.name {
                "Process Instance.Task Details.Key" => id = raw,
                "Process Instance.Task Details.Status" => rejected = raw == "\"R\"",
                "SCH_REASON" => refused = raw.contains("Connection refused"),
                _ => {}
            }
            let name = packer.name(&pair.name).expect("few names");
            packer.push(name, text.map_or(FieldValue::Number(raw), FieldValue::Text));
        }
        rows.push(Row {
            id: id.into(),
            retry: rejected && refused,
            _fields: packer.take_row(),
        });
    }
    (rows, page.more)
}

/// Runs F against an origin. `decide` false: only reading and decoding.
pub async fn run(origin: &str, width: usize, decide: bool) -> Took {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(width)
        .build()
        .expect("a client");
    let base = format!("{origin}/iam/governance/selfservice/api/v1/provtasks");
    let began = Instant::now();
    let mut took = Took::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut flight = JoinSet::new();
    let (mut asked, mut end) = (0, false);
    loop {
        while !end && flight.len() < width {
            let url = format!("{base}?offset={}&limit={PAGE}", asked * PAGE + 1);
            let client = client.clone();
            asked += 1;
            flight.spawn(async move {
                let answer = client
                    .get(url)
                    .basic_auth("bench", Some("secret"))
                    .send()
                    .await;
                let body = answer.expect("an answer").bytes().await.expect("a body");
                let began = Instant::now();
                let (rows, more) = decode(&body);
                (rows, more, began.elapsed())
            });
        }
        let Some(done) = flight.join_next().await else {
            break;
        };
        let (page, more, spent) = done.expect("a page");
        took.decode += spent;
        rows.extend(page);
        end |= !more;
    }
    took.rows = rows.len();
    took.read = began.elapsed();
    if decide {
        let mut sending = JoinSet::new();
        let wanted: Vec<&Row> = rows.iter().filter(|row| row.retry).collect();
        for part in wanted.chunks(PAGE) {
            let mut body = String::with_capacity(part.len() * 70);
            body.push_str("{\"tasks\":[");
            for (n, row) in part.iter().enumerate() {
                let comma = if n > 0 { "," } else { "" };
                write!(
                    body,
                    "{comma}{{\"id\":\"{0}\",\"action\":\"retry\",\"taskId\":\"{0}\"}}",
                    row.id
                )
                .expect("a string takes everything");
            }
            body.push_str("]}");
            took.sent += part.len();
            if sending.len() >= width {
                sending.join_next().await;
            }
            let request = client
                .put(&base)
                .basic_auth("bench", Some("secret"))
                .header("Content-Type", "application/json")
                .header("X-Requested-By", "bench")
                .body(body);
            sending.spawn(async move {
                let answer = request.send().await.expect("an answer");
                let body = answer.bytes().await.expect("a body");
                serde_json::from_slice::<IgnoredAny>(&body).expect("JSON");
            });
        }
        while sending.join_next().await.is_some() {}
    }
    took.whole = began.elapsed();
    took
}
