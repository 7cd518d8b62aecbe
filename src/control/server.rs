//! The daemon's end of the control socket: takes requests from its own user and root and hands them on; it answers nothing itself.

use std::collections::VecDeque;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::is_running;
use super::request::{Incoming, Request};
use super::view::{Actor, RefusedKind, Reply};
use super::wire::{
    Answer, Ask, ControlError, LineError, MAX_REQUEST, VERSION, read_line, write_line,
};

/// Connections served at the same time; further ones wait. Each ends in time: without a request after
/// [`PEER_TIME`], with one when it is answered.
const CONNECTIONS: usize = 64;
/// Connections that have sent no request yet: one more sends the oldest of them away, so that who says
/// nothing keeps nobody out.
const SILENT: usize = 16;
/// Questions under way that read the server; one more is told to come later, all others are answered.
const READINGS: usize = 8;
/// How long a peer may take to send its request or to take the answer.
const PEER_TIME: Duration = Duration::from_secs(10);
/// How long the daemon may take to answer; a plan reads the whole list. What writes a file may take longer:
/// the daemon gives up by itself what does not get on.
const ANSWER_TIME: Duration = Duration::from_secs(600);

/// A bound control socket; the file is removed when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    uid: u32,
}

impl Server {
    /// Binds the socket, readable and writable for the owner only. A file left by a dead daemon is replaced.
    ///
    /// # Errors
    /// [`ControlError::Taken`] when another daemon listens there, else I/O with the path.
    pub async fn bind(path: &Path) -> Result<Self, ControlError> {
        let io = |source| ControlError::Io {
            path: path.to_path_buf(),
            source,
        };
        if path.exists() {
            if is_running(path).await? {
                return Err(ControlError::Taken {
                    path: path.to_path_buf(),
                });
            }
            std::fs::remove_file(path).map_err(io)?;
        }
        let listener = UnixListener::bind(path).map_err(io)?;
        // the peer's uid is checked as well, so the moment before this is harmless
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
        Ok(Self {
            listener,
            path: path.to_path_buf(),
            uid: rustix::process::geteuid().as_raw(),
        })
    }

    /// Serves until `stop`: each request goes into `requests`, its answer back to the peer.
    pub async fn serve(self, requests: mpsc::Sender<Incoming>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let readings = Arc::new(Semaphore::new(READINGS));
        let mut silent = Silent::default();
        let mut peers = JoinSet::new();
        loop {
            // a slot first, so that waiting peers stay in the kernel's queue
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            let Ok(slot) = slot else { break };
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match stream {
                Ok((stream, _)) => {
                    let requests = requests.clone();
                    let readings = Arc::clone(&readings);
                    let uid = self.uid;
                    let away = silent.enter();
                    peers.spawn(async move {
                        serve_peer(stream, uid, requests, readings, away).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket did not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while peers.try_join_next().is_some() {}
        }
        // let answers under way (such as the one to `stop`) reach their askers
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while peers.join_next().await.is_some() {}
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // another daemon can't have bound it meanwhile: we were listening
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Those that have not sent their request yet, the oldest first.
#[derive(Default)]
struct Silent(VecDeque<Place>);

/// Tells a connection that it is sent away, and the others that it has spoken or gone.
struct Away {
    sent_away: CancellationToken,
    spoken: Arc<AtomicBool>,
}

impl Drop for Away {
    fn drop(&mut self) {
        self.spoken.store(true, Ordering::Release);
    }
}

/// Sends a connection away when there are too many.
struct Place {
    sent_away: CancellationToken,
    spoken: Arc<AtomicBool>,
}

impl Silent {
    fn enter(&mut self) -> Away {
        self.0.retain(|peer| !peer.spoken.load(Ordering::Acquire));
        while self.0.len() >= SILENT {
            if let Some(oldest) = self.0.pop_front() {
                oldest.sent_away.cancel();
            }
        }
        let away = Away {
            sent_away: CancellationToken::new(),
            spoken: Arc::default(),
        };
        self.0.push_back(Place {
            sent_away: away.sent_away.clone(),
            spoken: Arc::clone(&away.spoken),
        });
        away
    }
}

async fn serve_peer(
    mut stream: UnixStream,
    own: u32,
    requests: mpsc::Sender<Incoming>,
    readings: Arc<Semaphore>,
    away: Away,
) {
    let asked = tokio::select! {
        biased;
        asked = tokio::time::timeout(PEER_TIME, admit(&mut stream, own)) => asked.unwrap_or_else(|_| {
            Err(Reply::refused(RefusedKind::Invalid, "no request came in time", ""))
        }),
        () = away.sent_away.cancelled() => Err(Reply::refused(
            RefusedKind::Busy,
            format!("more than {SILENT} connections sent no request; this was the oldest"),
            "try again; see what else holds the control socket open",
        )),
    };
    drop(away);
    let answer = match asked {
        Ok((ask, actor)) => hand_on(ask, actor, &requests, &readings).await,
        Err(refused) => refused,
    };
    let answer = Answer { v: VERSION, answer };
    match tokio::time::timeout(PEER_TIME, write_line(&mut stream, &answer)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the asker did not take its answer"),
        Err(_) => tracing::debug!("the asker did not take its answer in time"),
    }
}

async fn admit(stream: &mut UnixStream, own: u32) -> Result<(Ask, Actor), Reply> {
    let peer = stream.peer_cred().map_err(|error| {
        Reply::refused(
            RefusedKind::NotAllowed,
            format!("the peer is not known: {error}"),
            "",
        )
    })?;
    let actor = Actor {
        uid: peer.uid(),
        pid: peer.pid(),
    };
    if !may_ask(actor.uid, own) {
        tracing::warn!(uid = actor.uid, "a request of another user was refused");
        return Err(Reply::refused(
            RefusedKind::NotAllowed,
            format!(
                "uid {} may not ask this daemon (it runs as uid {own})",
                actor.uid
            ),
            "run the command as the daemon's user, or as root",
        ));
    }
    let ask: Ask = read_line(stream, MAX_REQUEST)
        .await
        .map_err(|error: LineError| {
            Reply::refused(
                RefusedKind::Invalid,
                format!("the request: {error}"),
                "use the same version of provtaskd as the daemon",
            )
        })?;
    if ask.v != VERSION {
        return Err(Reply::refused(
            RefusedKind::Invalid,
            format!("protocol version {}, the daemon speaks {VERSION}", ask.v),
            "use the same version of provtaskd as the daemon",
        ));
    }
    Ok((ask, actor))
}

fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

async fn hand_on(
    ask: Ask,
    actor: Actor,
    requests: &mpsc::Sender<Incoming>,
    readings: &Semaphore,
) -> Reply {
    let reads = matches!(
        ask.ask,
        Request::Plan { .. } | Request::Explain { .. } | Request::RetryOne { .. }
    );
    let reading = readings.try_acquire();
    if reads && reading.is_err() {
        return Reply::refused(
            RefusedKind::Busy,
            format!("{READINGS} questions that read the server are being answered already"),
            "wait for one of them to end, then ask again",
        );
    }
    // others keep no place
    let _reading = reading.ok().filter(|_| reads);
    let (reply, answer) = oneshot::channel();
    let incoming = Incoming {
        request: ask.ask,
        actor,
        reply,
    };
    let patience = match incoming.request {
        Request::StoreSave { .. } => Duration::MAX,
        _ => ANSWER_TIME,
    };
    let busy = "try again in a moment";
    if requests.try_send(incoming).is_err() {
        return Reply::refused(RefusedKind::Busy, "the daemon is busy or stopping", busy);
    }
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => Reply::refused(
            RefusedKind::Busy,
            "the daemon has ended before it answered",
            "it is stopping: ask again once it runs; if it should be running, look at its log",
        ),
        Err(_) => Reply::refused(RefusedKind::Busy, "the daemon did not answer in time", busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{PlanFilter, ask};

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn with_server(answer: Reply, check: impl AsyncFnOnce(&Path)) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.sock");
        let server = Server::bind(&path).await.expect("bound");
        let (tx, mut rx) = mpsc::channel::<Incoming>(4);
        let stop = CancellationToken::new();
        let daemon = async {
            while let Some(incoming) = rx.recv().await {
                assert_eq!(incoming.actor.uid, rustix::process::geteuid().as_raw());
                let _ = incoming.reply.send(answer.clone());
            }
        };
        let client = async {
            check(&path).await;
            stop.cancel();
        };
        tokio::join!(server.serve(tx, stop.clone()), daemon, client);
        assert!(!path.exists(), "the socket file is left behind");
    }

    #[tokio::test]
    async fn a_request_reaches_the_daemon_and_its_answer_comes_back() {
        with_server(Reply::done("paused everything"), async |path: &Path| {
            let mode = std::fs::metadata(path)
                .expect("socket")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            let reply = ask(path, Request::LoginClear, PATIENCE)
                .await
                .expect("an answer");
            assert_eq!(reply, Reply::done("paused everything"));
        })
        .await;
    }

    #[tokio::test]
    async fn garbage_and_oversize_are_refused_without_reaching_the_daemon() {
        with_server(Reply::done("never"), async |path: &Path| {
            let huge = vec![b'x'; usize::try_from(MAX_REQUEST).expect("small") + 10];
            for bytes in [b"{\"v\":1}\n".to_vec(), b"not json\n".to_vec(), huge] {
                let mut stream = UnixStream::connect(path).await.expect("connected");
                // the server may close while an oversized request is still being written
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
                let answer: Answer = read_line(&mut stream, 1 << 16).await.expect("an answer");
                let Reply::Refused(refused) = answer.answer else {
                    panic!("accepted {:?}", String::from_utf8_lossy(&bytes));
                };
                assert_eq!(refused.kind, RefusedKind::Invalid);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn who_says_nothing_keeps_nobody_out() {
        let soon = Duration::from_secs(5);
        with_server(Reply::done("paused everything"), async |path: &Path| {
            let mut silent = Vec::new();
            for _ in 0..3 * CONNECTIONS {
                silent.push(UnixStream::connect(path).await.expect("connected"));
            }
            for _ in 0..3 {
                let reply = ask(path, Request::LoginClear, soon).await;
                assert_eq!(reply.expect("an answer"), Reply::done("paused everything"));
            }
            let oldest = &mut silent[0];
            let answer: Answer = read_line(oldest, 1 << 16).await.expect("it is told");
            let Reply::Refused(refused) = answer.answer else {
                panic!("it has asked nothing");
            };
            assert_eq!(refused.kind, RefusedKind::Busy);
        })
        .await;
    }

    #[tokio::test]
    async fn a_long_answer_is_not_hurt_by_those_who_say_nothing_and_questions_have_a_bound() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.sock");
        let server = Server::bind(&path).await.expect("bound");
        let (tx, mut rx) = mpsc::channel::<Incoming>(32);
        let stop = CancellationToken::new();
        let plan = || Request::Plan {
            filter: PlanFilter::default(),
        };
        let client = async {
            let plans: Vec<_> = (0..READINGS)
                .map(|_| {
                    let path = path.clone();
                    tokio::spawn(async move { ask(&path, plan(), PATIENCE).await })
                })
                .collect();
            let mut under_way = Vec::new();
            while under_way.len() < READINGS {
                under_way.push(rx.recv().await.expect("a plan is asked for"));
            }
            let mut silent = Vec::new();
            for _ in 0..3 * CONNECTIONS {
                silent.push(UnixStream::connect(&path).await.expect("connected"));
            }
            let more = ask(&path, plan(), PATIENCE).await.expect("an answer");
            let Reply::Refused(refused) = more else {
                panic!("more questions than there are places");
            };
            assert_eq!(refused.kind, RefusedKind::Busy);
            let stopping = tokio::spawn({
                let path = path.clone();
                async move { ask(&path, Request::Stop, PATIENCE).await }
            });
            let order = rx.recv().await.expect("an order comes through");
            assert_eq!(order.request, Request::Stop);
            for incoming in under_way.into_iter().chain([order]) {
                incoming.reply.send(Reply::done("done")).expect("it waits");
            }
            for asked in plans.into_iter().chain([stopping]) {
                let reply = asked.await.expect("no panic").expect("an answer");
                assert_eq!(reply, Reply::done("done"));
            }
            stop.cancel();
        };
        tokio::join!(server.serve(tx, stop.clone()), client);
    }

    #[tokio::test]
    async fn a_stale_file_is_replaced_and_a_living_daemon_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("c.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists());
        assert!(matches!(
            ask(&path, Request::Status, PATIENCE).await,
            Err(ControlError::NotRunning { .. })
        ));
        let living = Server::bind(&path).await.expect("a stale file is replaced");
        assert!(matches!(
            Server::bind(&path).await,
            Err(ControlError::Taken { .. })
        ));
        drop(living);
    }

    #[test]
    fn only_the_same_user_and_root_may_ask() {
        assert!(may_ask(1000, 1000));
        assert!(may_ask(0, 1000));
        assert!(!may_ask(1001, 1000));
        assert!(!may_ask(1000, 0));
    }
}
