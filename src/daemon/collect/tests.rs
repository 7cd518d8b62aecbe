//! Proxies as they are read; no server.

use super::*;
use crate::model::facts::ProxyEnd;

#[test]
fn a_proxy_without_a_login_makes_the_list_unknown_unless_it_does_not_hold() {
    let now: Timestamp = "2027-03-10T12:00:00Z".parse().expect("a timestamp");
    let proxy = |login: Option<&str>, state: &str| Proxy {
        key: Some(UserKey::new("17")),
        login: login.map(Login::new),
        from: ProxyEnd::Open,
        until: ProxyEnd::Open,
        state: Some(state.to_owned()),
    };
    let rows = |proxies: Vec<Proxy>| proxy_rows(&Login::new("owner"), proxies, now);
    let named = rows(vec![
        proxy(Some("ann"), "NOT STARTED"),
        proxy(None, "NOT_STARTED"),
    ]);
    let named = named.value().expect("all who may hold are named");
    assert_eq!(named.len(), 1);
    assert!(named[0].not_started);
    let nameless = rows(vec![proxy(Some("ann"), "ACTIVE"), proxy(None, "ACTIVE")]);
    assert!(
        nameless
            .why()
            .is_some_and(|why| why.contains("without a login"))
    );
}
