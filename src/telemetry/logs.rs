//! Sets up `tracing` once per process, with lines of the `log` crate bridged in; it never prints to standard output.

use std::fmt::{Debug, Result as FmtResult};

use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{Format, Full, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::model::settings::{LogFormat, LogSettings};

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is not a filter.
    #[error("log.level `{level}` is not a level or filter")]
    Filter {
        /// As written.
        level: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word of `log.level` is no level.
    #[error("log.level `{level}`: `{word}` is not a level (off, error, warn, info, debug, trace)")]
    Word {
        /// As written.
        level: String,
        /// The word.
        word: String,
    },
    /// Logging was set up before.
    #[error("logging is already set up in this process")]
    Twice,
}

/// Says whether a text is a level or filter, without setting anything up.
///
/// # Errors
/// [`TelemetryError::Filter`] when it is not.
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    filter(level).map(drop)
}

/// The engine of the store, as its lines name it.
const ENGINE: &str = "sled";
/// Levels as they may stand alone.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    // a bare word is taken for a target by the parser, and everything else would fall silent
    let word = level.split(',').map(str::trim).find(|part| {
        !part.contains(['=', ':', '['])
            && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part))
    });
    if let Some(word) = word {
        return Err(TelemetryError::Word {
            level: level.to_owned(),
            word: word.to_owned(),
        });
    }
    let parse = |level: &str| EnvFilter::builder().parse(level);
    // what sled can't write it answers as an error as well, which has a line of ours with what to do; whoever names it
    // hears it all the same
    let quiet = format!("{level},{ENGINE}=off");
    let parsed = match level.contains(ENGINE) {
        true => parse(level),
        // whatever is wrong is told of what stands in the configuration
        false => parse(level).and_then(|_| parse(&quiet)),
    };
    parsed.map_err(|source| TelemetryError::Filter {
        level: level.to_owned(),
        source,
    })
}

/// Lines as the journal takes them from a service's standard error: the level as systemd's prefix (sd-daemon(3)), no time,
/// for the journal has its own, and what is said with all its values, since `journalctl` shows nothing but that.
struct ForJournal(Format<Full, ()>);

impl ForJournal {
    fn new() -> Self {
        let format = fmt::format().without_time().with_level(false);
        Self(format.with_target(false).with_ansi(false))
    }
}

/// A value of a line; what has blanks stands in quotes, so that it is seen where the next one begins.
fn put(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> FmtResult {
    let text = format!("{value:?}");
    if field.name() == "message" {
        return writer.write_str(&text);
    }
    let is_quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    match !is_quoted && text.contains(|c: char| c.is_whitespace() || c == '"') {
        true => write!(writer, "{}={text:?}", field.name()),
        false => write!(writer, "{}={text}", field.name()),
    }
}

/// The level as syslog counts.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> FmtResult {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// Sets up logging to standard error.
///
/// # Errors
/// When the filter can't be read, or it was set up before.
pub fn init(settings: &LogSettings, colour: bool) -> Result<(), TelemetryError> {
    let filter = filter(&settings.level)?;
    let base = tracing_subscriber::registry().with(filter);
    // try_init also bridges lines of the `log` crate (sled writes such)
    let done = match settings.format {
        LogFormat::Human => base
            .with(
                fmt::layer()
                    .with_writer(std::io::stderr)
                    // a log that can't be written must not end the daemon
                    .log_internal_errors(false)
                    .with_ansi(colour)
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => base
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .log_internal_errors(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Journald => base
            .with(
                fmt::layer()
                    .event_format(ForJournal::new())
                    .fmt_fields(debug_fn(put).delimited(" "))
                    .with_ansi(false)
                    .log_internal_errors(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
    done.map_err(|_| TelemetryError::Twice)
}
