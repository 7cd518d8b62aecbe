//! Notices another provtaskd that acts on the same server under the same login on this machine: two with a store of their own would each retry what the other has retried; it stops nobody but itself.
//!
//! Who acts holds a name that the kernel knows for as long as the process lives (an abstract socket, by
//! network namespace). Whoever takes that name without being a provtaskd only makes one observe.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::core::Core;
use super::login::world;
use crate::model::Digest;
use crate::model::settings::ServerSettings;

/// This process among those that may act on one server under one login.
#[derive(Debug, Default)]
pub struct Instance {
    /// The name, where one is asked for.
    name: Option<String>,
    /// It is ours.
    held: Option<UnixListener>,
    /// It is another's, or was until a moment ago, in words.
    other: Option<Arc<str>>,
    /// Until when what another has sent may still be carried out, of which this store knows nothing.
    until: Option<Timestamp>,
    /// The same for each further login.
    more: Vec<Instance>,
}

impl Instance {
    /// Tries to be the one that acts under each of these logins.
    pub fn of_all<'a>(
        logins: impl IntoIterator<Item = &'a ServerSettings>,
        now: Timestamp,
        settle_after: SignedDuration,
    ) -> Self {
        let one =
            |server: &ServerSettings| Self::of(&on_this_machine(&world(server)), now, settle_after);
        let mut all = logins.into_iter().map(one);
        let mut first = all.next().unwrap_or_default();
        first.more = all.collect();
        first
    }

    /// Tries to be the one that acts; `world` is server and login.
    pub fn of(world: &str, now: Timestamp, settle_after: SignedDuration) -> Self {
        let mut instance = Self {
            name: Some(format!("provtaskd-{}", Digest::new(world))),
            ..Self::default()
        };
        instance.look(now, settle_after);
        instance
    }

    /// Tries again where another had the name; true where that changed. What the other one has sent last is
    /// not known here and may be carried out for a while: until then nothing may be sent, else it would be
    /// done twice.
    fn look(&mut self, now: Timestamp, settle_after: SignedDuration) -> bool {
        let own = self.look_once(now, settle_after);
        let more = self.more.iter_mut();
        more.fold(own, |changed, one| one.look(now, settle_after) || changed)
    }

    fn look_once(&mut self, now: Timestamp, settle_after: SignedDuration) -> bool {
        if let Some(until) = self.until {
            if now < until {
                return false;
            }
            (self.until, self.other) = (None, None);
            return true;
        }
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
            Ok(listener) => {
                self.held = Some(listener);
                if before.is_some() {
                    let until = now.checked_add(settle_after).unwrap_or(Timestamp::MAX);
                    self.until = Some(until);
                    self.other = Some(Arc::from(format!(
                        "another provtaskd acted on this server under this login until a moment ago; what it has sent may still be carried out until {until:.0} (delivery.settle_after)"
                    )));
                    return true;
                }
            }
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
        let more = || self.more.iter().find_map(Self::other);
        self.other.clone().or_else(more)
    }
}

/// A world whose server is this machine itself, under one spelling of that. Other names are not looked up: that
/// takes time, may fail, and one server may have several addresses.
fn on_this_machine(world: &str) -> String {
    let looped = || {
        let (origin, login) = world.rsplit_once(" as ")?;
        let (scheme, _) = origin.split_once("://")?;
        let url = reqwest::Url::parse(origin).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']);
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let is_loopback = match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback(),
            Ok(IpAddr::V6(ip)) => {
                ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
            }
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        };
        let port = url.port_or_known_default()?;
        is_loopback.then(|| format!("{scheme}://127.0.0.1:{port} as {login}"))
    };
    looped().unwrap_or_else(|| world.to_owned())
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
        let now = self.clock.now();
        let settle_after = self.settings.delivery.settle_after;
        if !self.instance.look(now, settle_after) {
            return;
        }
        self.epoch += 1;
        match self.instance.other() {
            Some(why) => tracing::error!(%why, "nothing is sent"),
            None => tracing::warn!(
                "no other provtaskd acts under this login any more; sending may go on"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_one_server_under_all_its_names() {
        let names = [
            "127.0.0.1",
            "localhost",
            "LocalHost.",
            "127.1.2.3",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "a.localhost",
        ];
        for name in names {
            let world = format!("https://{name}:14001 as BOT");
            assert_eq!(
                on_this_machine(&world),
                "https://127.0.0.1:14001 as BOT",
                "{name}"
            );
        }
        assert_eq!(
            on_this_machine("https://localhost as BOT"),
            "https://127.0.0.1:443 as BOT"
        );
        for other in [
            "https://oig.example.com as BOT",
            "https://10.0.0.1:14001 as BOT",
            "http://localhost.example as BOT",
            "x",
        ] {
            assert_eq!(on_this_machine(other), other);
        }
    }

    #[test]
    fn who_comes_second_waits_until_what_the_first_one_sent_had_its_time() {
        let at = |minute: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let settle = SignedDuration::from_mins(15);
        let world = format!("https://oig.example.com as {}", uuid::Uuid::now_v7());
        let first = Instance::of(&world, at(0), settle);
        assert_eq!(first.other(), None);
        let mut second = Instance::of(&world, at(1), settle);
        let words = |of: &Instance| of.other().map(|why| why.to_string()).unwrap_or_default();
        let me = format!("process {} of user", std::process::id());
        assert!(words(&second).contains(&me), "{}", words(&second));
        assert!(!second.look(at(2), settle));
        drop(first);
        assert!(second.look(at(3), settle));
        assert!(
            words(&second).contains("until 1970-01-01T00:18:00Z"),
            "{}",
            words(&second)
        );
        assert!(!second.look(at(17), settle));
        assert!(second.other().is_some());
        assert!(second.look(at(18), settle));
        assert_eq!(second.other(), None);
        // it is the one that acts now
        assert!(Instance::of(&world, at(19), settle).other().is_some());
    }
}
