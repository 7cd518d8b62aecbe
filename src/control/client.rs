//! Asks a running daemon; it never starts one and never opens the store.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;

use super::request::Request;
use super::view::Reply;
use super::wire::{
    Answer, Ask, ControlError, LineError, MAX_ANSWER, VERSION, read_line, write_line,
};

/// Asks and waits for the answer, at most `patience` of wall time.
///
/// # Errors
/// [`ControlError::NotRunning`] when nothing listens there; the others say what went wrong.
pub async fn ask(path: &Path, request: Request, patience: Duration) -> Result<Reply, ControlError> {
    match tokio::time::timeout(patience, exchange(path, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(ControlError::TimedOut {
            path: path.to_path_buf(),
            seconds: patience.as_secs(),
        }),
    }
}

async fn exchange(path: &Path, request: Request) -> Result<Reply, ControlError> {
    let io = |source| ControlError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut stream = connect(path).await?;
    write_line(
        &mut stream,
        &Ask {
            v: VERSION,
            ask: request,
        },
    )
    .await
    .map_err(io)?;
    let answer: Answer = read_line(&mut stream, MAX_ANSWER)
        .await
        .map_err(|error| match error {
            LineError::Io(source) => io(source),
            other => ControlError::Garbled {
                path: path.to_path_buf(),
                what: other.to_string(),
            },
        })?;
    if answer.v != VERSION {
        return Err(ControlError::Garbled {
            path: path.to_path_buf(),
            what: format!("protocol version {}, this is {VERSION}", answer.v),
        });
    }
    Ok(answer.answer)
}

async fn connect(path: &Path) -> Result<UnixStream, ControlError> {
    UnixStream::connect(path)
        .await
        .map_err(|source| match source.kind() {
            // refused: the file is there, but its daemon has died
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => ControlError::NotRunning {
                path: path.to_path_buf(),
            },
            _ => ControlError::Io {
                path: path.to_path_buf(),
                source,
            },
        })
}

/// True where somebody listens.
///
/// # Errors
/// When that can't be told, e.g. because the socket belongs to another user.
pub async fn is_running(path: &Path) -> Result<bool, ControlError> {
    match connect(path).await {
        Ok(_) => Ok(true),
        Err(ControlError::NotRunning { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}
