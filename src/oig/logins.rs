//! The clients of all logins on one server: each with its own authentication, stop and budget; what one of them meets touches no other.

use std::future::Future as _;
use std::sync::Arc;
use std::task::Poll;

use super::client::{Client, RequestCounts};
use crate::model::Login;

/// All clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logins {
    main: Client,
    further: Arc<[(Login, Client)]>,
}

impl Logins {
    /// The main login's, and those of further ones in their order.
    pub fn new(main: Client, further: Vec<(Login, Client)>) -> Self {
        Self {
            main,
            further: further.into(),
        }
    }

    /// The main one's.
    pub fn main(&self) -> &Client {
        &self.main
    }

    /// All others.
    pub fn further(&self) -> &[(Login, Client)] {
        &self.further
    }

    /// The client of a further login; `None` where it is not configured.
    pub fn of(&self, login: &Login) -> Option<&Client> {
        let mut further = self.further.iter();
        further.find(|(of, _)| of == login).map(|(_, own)| own)
    }

    /// Waits until the server has refused one of them, whatever is being read meanwhile.
    pub async fn stop_came(&self) {
        let further = self.further.iter().map(|(_, client)| client);
        let all = std::iter::once(&self.main).chain(further);
        let mut waits: Vec<_> = all.map(|client| Box::pin(client.stop_came())).collect();
        std::future::poll_fn(|context| {
            let mut any = waits.iter_mut();
            match any.any(|wait| wait.as_mut().poll(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Requests sent by all of them.
    pub fn requests(&self) -> RequestCounts {
        let mut sum = self.main.requests();
        for (_, client) in self.further.iter() {
            let of = client.requests();
            sum.reads += of.reads;
            sum.writes += of.writes;
            sum.tokens += of.tokens;
            sum.bytes += of.bytes;
        }
        sum
    }
}
