//! Builds the HTTP clients and says in words why a connection failed; no redirect, no ambient proxy, no hidden retry, no HTTP/2.

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::Path;

use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Url};

use super::error::OigError;
use crate::given;
use crate::model::settings::ServerSettings;

/// The two clients: reads may keep connections alive, each write has a fresh one.
pub(super) struct Http {
    pub(super) read: reqwest::Client,
    pub(super) write: reqwest::Client,
}

/// Checks the origin: scheme, host and port only; plain http only to loopback or where accepted in words.
///
/// # Errors
/// [`OigError::Settings`] with what to change.
pub(super) fn check_origin(settings: &ServerSettings) -> Result<Url, OigError> {
    let wrong = |why: &str| {
        Err(OigError::Settings(format!(
            "server origin {:?}: {why}",
            settings.origin
        )))
    };
    let Ok(url) = Url::parse(&settings.origin) else {
        return wrong("is no URL; write e.g. https://oig.example.com:14001");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OigError::Settings(
            "the server origin must not hold a login or password; use server.login and server.password_file".to_owned(),
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return wrong("must be scheme, host and port only");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if settings.allow_plain_http || is_loopback(&url) => Ok(url),
        "http" => wrong(
            "plain http sends the password unencrypted, which is allowed to loopback only; use https, or accept it with server.plain_http",
        ),
        _ => wrong("must start with https:// or http://"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Builds both clients; TLS is set up only for https, so that a machine without CA bundle can still speak http.
///
/// # Errors
/// [`OigError::File`] and [`OigError::Settings`].
pub(super) fn build(settings: &ServerSettings, https: bool) -> Result<Http, OigError> {
    let make = |write: bool| -> Result<reqwest::Client, OigError> {
        let first = builder(settings, https, write, false)?.build();
        match first {
            Ok(client) => Ok(client),
            // No system roots on this machine: the configured ones must do.
            Err(_) if https && settings.ca_file.is_some() => builder(settings, https, write, true)?
                .build()
                .map_err(|e| OigError::Settings(unusable(&e))),
            Err(e) => Err(OigError::Settings(unusable(&e))),
        }
    };
    Ok(Http {
        read: make(false)?,
        write: make(true)?,
    })
}

/// Why a client can't be made. The one cause that is met is a machine that knows no authority.
pub fn unusable(e: &reqwest::Error) -> String {
    let why = chain(e);
    if why.contains("No CA certificates") {
        return "this machine has no certificate authorities, without which no https can be spoken: install its package ca-certificates, or name a PEM file of authorities as server.ca_file".to_owned();
    }
    format!("the HTTP client can't be set up: {why}")
}

fn builder(
    settings: &ServerSettings,
    https: bool,
    write: bool,
    only_own_roots: bool,
) -> Result<ClientBuilder, OigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("provtaskd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .no_proxy()
        .tls_info(!write)
        .connect_timeout(settings.connect_timeout)
        .timeout(if write {
            settings.write_timeout
        } else {
            settings.read_timeout
        });
    if write {
        builder = builder.pool_max_idle_per_host(0);
    }
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy)
            .map_err(|e| OigError::Settings(format!("server.proxy: {}", chain(&e))))?;
        builder = builder.proxy(proxy);
    }
    if !https {
        return Ok(builder.tls_certs_only(Vec::new()));
    }
    if let Some(path) = &settings.ca_file {
        let roots = authorities(path)?;
        builder = if only_own_roots {
            builder.tls_certs_only(roots)
        } else {
            builder.tls_certs_merge(roots)
        };
    }
    if let Some((cert, key)) = &settings.client_cert {
        builder = builder.identity(identity(cert, key)?);
    }
    Ok(builder)
}

/// The certificates of a file, at least one.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, OigError> {
    let roots = Certificate::from_pem_bundle(&read(path)?).map_err(|e| pem(path, &e))?;
    if roots.is_empty() {
        return Err(OigError::Settings(format!(
            "{} holds no certificate; it must be PEM",
            path.display()
        )));
    }
    Ok(roots)
}

/// A client certificate with its key.
pub(super) fn identity(cert: &Path, key: &Path) -> Result<Identity, OigError> {
    let mut both = read(cert)?;
    both.push(b'\n');
    both.extend(read(key)?);
    Identity::from_pem(&both).map_err(|e| pem(cert, &e))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, OigError> {
    given::read(path, given::MOST).map_err(|source| OigError::File {
        path: path.to_owned(),
        source,
    })
}

fn pem(path: &Path, e: &reqwest::Error) -> OigError {
    OigError::Settings(format!(
        "{} is not usable PEM: {}",
        path.display(),
        chain(e)
    ))
}

/// All causes of an error in one line, without the URL.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut out = String::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = error.source();
    while let Some(e) = next {
        let text = e.to_string();
        if !out.contains(&text) {
            if !out.is_empty() {
                out.push_str(": ");
            }
            // Writing to a String can't fail.
            let _ = write!(out, "{text}");
        }
        next = e.source();
    }
    if out.is_empty() {
        out = "unknown transport error".to_owned();
    }
    out
}

/// What to do about a server that refuses our side's certificate, or the lack of one.
const OURS: &str = "the server refused our side's certificate: it demands a client certificate that it trusts; name it as server.client_cert";

/// True for a server's alerts about our side's certificate.
fn refuses_ours(lower: &str) -> bool {
    [
        "certificaterequired",
        "badcertificate",
        "certificateunknown",
        "unknownca",
    ]
    .iter()
    .any(|alert| lower.contains(&format!("alert: {alert}")))
}

/// Why a connection broke. With TLS 1.3 a server says only after the handshake that it wants another
/// certificate of ours, when the request may be on its way already.
pub(super) fn broken(error: &reqwest::Error) -> String {
    let text = chain(error);
    if refuses_ours(&text.to_ascii_lowercase()) {
        return format!("{OURS} ({text})");
    }
    text
}

/// Says which side lacks what and what to do, from rustls' and the system's own words.
pub(super) fn explain(error: &reqwest::Error, settings: &ServerSettings) -> String {
    let text = chain(error);
    let lower = text.to_ascii_lowercase();
    let has = |needle: &str| lower.contains(needle);
    let advice = if has("peer is incompatible")
        || has("alert: handshakefailure")
        || has("alert: protocolversion")
        || has("alert: insufficientsecurity")
        || has("unsupportedversion")
        || has("unknownprotocolversion")
    {
        "the server lacks what provtaskd needs: it offers nothing newer than TLS 1.1 or no forward-secret cipher; \
         provtaskd needs TLS 1.2 with ECDHE: enable it in WebLogic (Java 8 or later, -Dweblogic.security.SSL.minimumProtocolVersion=TLSv1.2, ECDHE cipher suites); \
         if the server demands a client certificate, name server.client_cert"
    } else if has("causedasendentity") {
        "the server shows an authority's own certificate (CA) in place of one of its own, which is trusted for nothing but to issue others: have a server certificate issued by it for this host name and install that (WebLogic's demo identity and a self-signed certificate made as a CA look like this); server.ca_file then names the authority's"
    } else if has("unknownissuer") || has("unknown issuer") {
        if settings.ca_file.is_some() {
            "the server's certificate was issued by an authority that is neither in server.ca_file nor known to this machine: put the issuing CA's certificate (PEM) into that file"
        } else {
            "the server's certificate was issued by an authority that this machine does not know: name its certificate (PEM) as server.ca_file"
        }
    } else if has("badsignature") || has("bad signature") {
        "the server's certificate names an authority that is known here, but was not signed with its key: the authority was probably renewed; put its present certificate (PEM) into server.ca_file"
    } else if has("not valid for name") || has("notvalidforname") {
        "the server's certificate is for another host name than the one configured: use the name in the certificate as server origin, or have the certificate reissued"
    } else if has("expired") || has("notvalidyet") || has("not valid yet") {
        "the server's certificate is outside its dates: renew it, and check both clocks"
    } else if refuses_ours(&lower) {
        OURS
    } else if has("corrupt message") || has("invalidcontenttype") {
        "the port answers, but not with TLS: check scheme and port"
    } else if has("handshake eof") || has("tls handshake eof") {
        "the server closed the connection during the TLS handshake: it may offer nothing newer than TLS 1.1, or the port is not a TLS port"
    } else if has("dns") || has("failed to lookup") || has("name or service") {
        "the host name can't be resolved: check server origin and DNS"
    } else if has("refused") {
        "nothing listens on that port, or a firewall refuses: check host, port and whether OIG is up"
    } else if has("timed out") || has("deadline") {
        "no connection within server.connect_timeout: check host, port and firewall"
    } else {
        return text;
    };
    format!("{advice} ({text})")
}
