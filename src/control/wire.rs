//! Framing of the control socket: one JSON line each way, limited in size and time; it knows no meaning.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::request::Request;
use super::view::Reply;

/// The version both sides must speak.
pub const VERSION: u32 = 1;
/// Largest request in bytes.
pub const MAX_REQUEST: u64 = 64 << 10;
/// Largest answer in bytes; a plan of 100,000 tasks is about 100 MB.
pub const MAX_ANSWER: u64 = 1 << 30;

/// A request on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ask {
    /// [`VERSION`]
    pub v: u32,
    /// What is asked.
    pub ask: Request,
}

/// An answer on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`]
    pub v: u32,
    /// The answer.
    pub answer: Reply,
}

/// Control socket trouble.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No daemon listens there.
    #[error("no daemon listens on {}", path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// Another daemon listens there.
    #[error("a daemon already listens on {}", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The kernel or the other side did not let us.
    #[error("control socket {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("the daemon on {} did not answer within {seconds} s{}", path.display(), if *order { "; what was ordered may still be carried out when it goes on" } else { "" })]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
        /// The process that listens there, where the kernel says so.
        pid: Option<i32>,
        /// It was asked to change something, which it may have got.
        order: bool,
    },
    /// What came is not what this version understands.
    #[error("the daemon on {} answered something else than this version understands: {what}", path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What was wrong.
        what: String,
    },
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The stream ended or failed.
    #[error("the connection ended")]
    Io(#[from] std::io::Error),
    /// More than the limit came without a line end.
    #[error("the line is longer than {0} bytes")]
    TooLong(u64),
    /// It is not the JSON that is expected.
    #[error("it is not understood: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads one line of JSON, at most `max` bytes.
///
/// # Errors
/// When the stream ends, the line is too long or is not a `T`.
pub async fn read_line<T, R>(reader: R, max: u64) -> Result<T, LineError>
where
    T: DeserializeOwned,
    R: AsyncRead + Unpin,
{
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(max));
    reader.read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        let full = u64::try_from(line.len()).is_ok_and(|len| len >= max);
        return Err(if full {
            LineError::TooLong(max)
        } else {
            LineError::Io(std::io::ErrorKind::UnexpectedEof.into())
        });
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Writes one line of JSON.
///
/// # Errors
/// When the value can't be JSON or the stream fails.
pub async fn write_line<T, W>(writer: &mut W, value: &T) -> std::io::Result<()>
where
    T: Serialize,
    W: AsyncWrite + Unpin,
{
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}
