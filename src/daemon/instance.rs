//! Notices another provtaskd that acts on the same server under the same login on this machine: two with a store of their own would each retry what the other has retried; it stops nobody but itself.
//!
//! Who acts holds a name that the kernel knows for as long as the process lives (an abstract socket, by
//! network namespace). Whoever takes that name without being a provtaskd only makes one observe.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;

use super::core::Core;
use super::under_way::Why;
use crate::model::Digest;

/// This process among those that may act on one server under one login.
#[derive(Debug, Default)]
pub struct Instance {
    /// The name, where one is asked for.
    name: Option<String>,
    /// It is ours.
    held: Option<UnixListener>,
    /// It is another's, in words.
    other: Option<Arc<str>>,
}

impl Instance {
    /// Tries to be the one that acts; `world` is server and login.
    pub fn of(world: &str) -> Self {
        let mut instance = Self {
            name: Some(format!("provtaskd-{}", Digest::new(world))),
            ..Self::default()
        };
        instance.look();
        instance
    }

    /// Tries again where another had the name; true where that changed.
    fn look(&mut self) -> bool {
        let Some(name) = self.name.as_ref().filter(|_| self.held.is_none()) else {
            return false;
        };
        let before = self.other.take();
        let bound = SocketAddr::from_abstract_name(name).and_then(|at| {
            UnixListener::bind_addr(&at).map_err(|error| match error.kind() {
                ErrorKind::AddrInUse => std::io::Error::new(error.kind(), holder(&at)),
                _ => error,
            })
        });
        match bound {
            Ok(listener) => self.held = Some(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                self.other = Some(Arc::from(format!(
                    "another provtaskd ({error}) acts on this server under this login; each would repeat what the other has done: end one of them"
                )));
            }
            // where the kernel has no such names nothing can be noticed, and nothing is wrong
            Err(error) => {
                tracing::debug!(%error, "a second instance on this machine would not be noticed");
                self.name = None;
            }
        }
        before.is_some() != self.other.is_some()
    }

    /// Who else acts.
    pub fn other(&self) -> Option<Arc<str>> {
        self.other.clone()
    }
}

/// Who holds the name.
fn holder(at: &SocketAddr) -> String {
    let cred = UnixStream::connect_addr(at)
        .ok()
        .and_then(|stream| rustix::net::sockopt::socket_peercred(&stream).ok());
    cred.map_or_else(
        || "a process that does not answer".to_owned(),
        |cred| {
            format!(
                "process {} of user {}",
                cred.pid.as_raw_nonzero(),
                cred.uid.as_raw()
            )
        },
    )
}

impl Core {
    /// Looks whether another one acts, before a cycle.
    pub fn look_for_another(&mut self) {
        if !self.instance.look() {
            return;
        }
        self.epoch += 1;
        match self.instance.other() {
            Some(why) => {
                tracing::error!(%why, "nothing is sent");
                let now = self.clock.now();
                self.void_queue(now, Why::OtherWorld);
            }
            None => tracing::warn!(
                "no other provtaskd acts under this login any more; sending may go on"
            ),
        }
    }
}
