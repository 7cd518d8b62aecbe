//! Asks a running daemon; it never starts one and never opens the store.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::net::UnixStream;

use super::request::Request;
use super::view::Reply;
use super::wire::{
    Answer, Ask, ControlError, LineError, MAX_ANSWER, VERSION, read_line, write_line,
};

/// How long a daemon may be silent that has only to look at what it holds.
const LOOK: Duration = Duration::from_secs(10);
/// The same where it reads its journal, or waits for its disk before it answers.
const WORK: Duration = Duration::from_secs(30);
/// A plan reads the whole list, which may take minutes, as may a long journal.
const READING: Duration = Duration::from_secs(660);
/// How long it may read before it is asked whether it is still there, each time.
const PROBE: Duration = Duration::from_secs(10);
/// How long that may take: it may be busy for a moment with what it has read.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// Pause between tries where the daemon takes no connections.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a daemon may be silent after such a request.
fn silence(request: &Request) -> Duration {
    match request {
        Request::Status | Request::Inbox | Request::Backlog { .. } => LOOK,
        Request::Plan { .. } | Request::Explain { .. } | Request::RetryOne { .. } => READING,
        // as long as it gets on: the daemon itself gives up what does not
        Request::StoreSave { .. } => Duration::MAX,
        // beside the daemon's other work, which goes on meanwhile
        Request::Journal { .. } | Request::Past { .. } => READING,
        // `stop` is answered when it is accepted, not when the daemon has ended
        _ => WORK,
    }
}

/// Asks and waits for as long as such a request may take. One that reads the server may take long: so
/// long as it does, the daemon is asked now and then whether it is still there.
///
/// # Errors
/// As [`ask`].
pub async fn ask_in_time(path: &Path, request: Request) -> Result<Reply, ControlError> {
    let patience = silence(&request);
    if patience < READING {
        return ask(path, request, patience).await;
    }
    let answer = ask(path, request, patience);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            () = tokio::time::sleep(PROBE) => {}
        }
        let sign = ask(path, Request::Status, SIGN_OF_LIFE);
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            // any answer is one; one that has gone away is told by the question itself
            sign = sign => if let Err(silent @ ControlError::TimedOut { .. }) = sign {
                return Err(silent);
            }
        }
    }
}

/// Asks and waits for the answer, at most `patience` of wall time.
///
/// # Errors
/// [`ControlError::NotRunning`] when nothing listens there; the others say what went wrong.
pub async fn ask(path: &Path, request: Request, patience: Duration) -> Result<Reply, ControlError> {
    let order = !request.is_question();
    let pid = OnceLock::new();
    match tokio::time::timeout(patience, exchange(path, request, &pid)).await {
        Ok(answer) => answer,
        Err(_) => Err(ControlError::TimedOut {
            path: path.to_path_buf(),
            seconds: patience.as_secs(),
            pid: pid.get().copied(),
            order,
        }),
    }
}

async fn exchange(
    path: &Path,
    request: Request,
    pid: &OnceLock<i32>,
) -> Result<Reply, ControlError> {
    let io = |source| ControlError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut stream = patient_connect(path).await?;
    if let Some(listener) = stream.peer_cred().ok().and_then(|peer| peer.pid()) {
        pid.get_or_init(|| listener);
    }
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

/// A daemon that takes no connections for a while has a full queue of them.
async fn patient_connect(path: &Path) -> Result<UnixStream, ControlError> {
    loop {
        match connect(path).await {
            Err(ControlError::Io { source, .. }) if source.kind() == ErrorKind::WouldBlock => {
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_and_says_nothing_is_named_and_an_order_may_have_come_through() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.sock");
        // nobody accepts: the kernel takes connection and request all the same
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        for (request, is_order) in [(Request::Status, false), (Request::Reload, true)] {
            let soon = Duration::from_millis(200);
            let Err(error) = ask(&path, request, soon).await else {
                panic!("nobody is there to answer");
            };
            let said = error.to_string();
            assert_eq!(
                said.contains("may still be carried out"),
                is_order,
                "{said}"
            );
            let ControlError::TimedOut { pid, order, .. } = error else {
                panic!("{said}");
            };
            assert_eq!(order, is_order);
            assert_eq!(pid, i32::try_from(std::process::id()).ok());
        }
    }

    #[test]
    fn a_look_is_waited_for_less_than_work_and_work_less_than_a_reading() {
        let plan = Request::Plan {
            filter: super::super::PlanFilter::default(),
        };
        assert!(silence(&Request::Status) < silence(&Request::Stop));
        assert!(silence(&Request::Stop) < silence(&plan));
    }
}
