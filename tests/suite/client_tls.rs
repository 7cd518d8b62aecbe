//! The client over TLS: own authorities, and failures that say which side lacks what; all on loopback.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use provtaskd::model::decision::Action;
use provtaskd::model::id::{BatchId, TaskId};
use provtaskd::oig::{PutEnd, UnsentCause, WriteItem};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::client_stub::{Setup, answer, page, read_request, setup};

pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub fn authority() -> Authority {
    named("First Test Authority")
}

pub fn named(name: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a certificate").pem();
    Authority {
        pem,
        issuer: Issuer::new(params, key),
    }
}

/// A TLS server for `name` that answers a list of one; returns its port.
pub async fn serve(authority: &Authority, name: &str) -> u16 {
    let config = server(authority, name, None, rustls::DEFAULT_VERSIONS);
    listen(config).await.0
}

/// A server's configuration with a certificate for `name`. It demands a client's certificate of
/// `clients`, where there are any.
pub fn server(
    authority: &Authority,
    name: &str,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    of_certificate(params, authority, clients, versions)
}

fn of_certificate(
    params: CertificateParams,
    authority: &Authority,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let key = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&key, &authority.issuer).expect("signed");
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("versions");
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            let pem = CertificateDer::from_pem_slice(clients.pem.as_bytes()).expect("PEM");
            roots.add(pem).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    config
        .with_single_cert(vec![cert.der().clone()], der)
        .expect("a configuration")
}

/// Serves a list of one to whoever shakes hands; answers the port, and what was asked for.
pub async fn listen(config: ServerConfig) -> (u16, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if let Some(request) = read_request(&mut stream).await {
                let method = request.method;
                log.lock().expect("no holder panics").push(method);
                answer(&mut stream, &page(1..2, false, None)).await;
            }
        }
    });
    (port, seen)
}

/// A server that answers the client's hello with these bytes; returns its port.
pub async fn raw(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn trusting(authority: &Authority, port: u16) -> Setup {
    let mut setup = setup(&format!("https://localhost:{port}"));
    let path: PathBuf = setup.dir.path().join("ca.pem");
    std::fs::write(&path, &authority.pem).expect("written");
    setup.settings.ca_file = Some(path);
    setup
}

async fn failure(setup: &Setup) -> String {
    let client = setup.client();
    let item = WriteItem {
        task: TaskId::new("1"),
        request: None,
        action: Action::Retry,
    };
    let end = client.put_one(BatchId(uuid::Uuid::nil()), &item).await;
    assert!(
        matches!(
            &end,
            Err(PutEnd::Unsent {
                cause: UnsentCause::Connect,
                ..
            })
        ),
        "a failed handshake proves that nothing was sent: {end:?}"
    );
    let error = client.list().await.expect_err("no connection");
    assert_eq!(error.kind(), "connect", "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_own_authority_is_trusted_once_it_is_named() {
    let authority = authority();
    let port = serve(&authority, "localhost").await;
    let list = trusting(&authority, port).client().list().await;
    assert_eq!(list.expect("a list").tasks.len(), 1);
}

#[tokio::test]
async fn an_unknown_issuer_points_to_the_ca_file() {
    let port = serve(&named("Second Test Authority"), "localhost").await;
    let text = failure(&trusting(&authority(), port)).await;
    assert!(text.contains("neither in server.ca_file"), "{text}");
}

#[tokio::test]
async fn a_renewed_authority_of_the_same_name_is_told_apart() {
    let port = serve(&authority(), "localhost").await;
    let text = failure(&trusting(&authority(), port)).await;
    assert!(text.contains("present certificate"), "{text}");
}

#[tokio::test]
async fn a_certificate_for_another_name_says_so() {
    let authority = authority();
    let port = serve(&authority, "oig.example.com").await;
    let text = failure(&trusting(&authority, port)).await;
    assert!(text.contains("another host name"), "{text}");
}

#[tokio::test]
async fn an_authority_s_own_certificate_on_a_server_is_named_with_what_to_do() {
    let authority = authority();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let config = of_certificate(params, &authority, None, rustls::DEFAULT_VERSIONS);
    let port = listen(config).await.0;
    let text = failure(&trusting(&authority, port)).await;
    assert!(text.contains("an authority's own"), "{text}");
    assert!(text.contains("have a server certificate issued"), "{text}");
}

#[tokio::test]
async fn an_old_server_is_told_what_it_lacks() {
    // Alerts handshake_failure (40) and protocol_version (70), and a ServerHello's record of TLS 1.0 with one.
    for alert in [
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ] {
        let port = raw(alert).await;
        let text = failure(&trusting(&authority(), port)).await;
        assert!(
            text.contains("TLS 1.2 or 1.3, ECDHE") && text.contains("WebLogic"),
            "{text}"
        );
        // the alert does not tell which of them is lacking, so all are named, and how to find out
        for said in ["AES-GCM or ChaCha20", "CBC", "openssl s_client"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
}

#[tokio::test]
async fn a_port_without_tls_is_named_as_such() {
    let port = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let text = failure(&trusting(&authority(), port)).await;
    assert!(text.contains("not with TLS"), "{text}");
}

#[test]
fn a_ca_file_that_is_missing_or_empty_is_named() {
    let mut setup = setup("https://localhost:1");
    let path = setup.dir.path().join("ca.pem");
    setup.settings.ca_file = Some(path.clone());
    let text = setup
        .try_client(Default::default())
        .expect_err("missing")
        .to_string();
    assert!(text.contains("ca.pem"), "{text}");
    std::fs::write(&path, "no certificate").expect("written");
    let text = setup
        .try_client(Default::default())
        .expect_err("empty")
        .to_string();
    assert!(text.contains("ca.pem"), "{text}");
}

/// A client's certificate of an authority, as two files of the setup.
fn with_certificate(mut setup: Setup, of: &Authority) -> Setup {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["provsvc".to_owned()]).expect("parameters");
    let cert = params.signed_by(&key, &of.issuer).expect("signed");
    let dir = setup.dir.path();
    let (pem, secret) = (dir.join("client.pem"), dir.join("client.key"));
    std::fs::write(&pem, cert.pem()).expect("written");
    std::fs::write(&secret, key.serialize_pem()).expect("written");
    setup.settings.client_cert = Some((pem, secret));
    setup
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[tokio::test]
async fn a_server_that_demands_a_certificate_of_the_client_takes_a_good_one() {
    let (ours, clients) = (authority(), named("Authority of the Clients"));
    for version in VERSIONS {
        let config = server(&ours, "localhost", Some(&clients), &[version]);
        let (port, seen) = listen(config).await;
        let setup = with_certificate(trusting(&ours, port), &clients);
        let list = setup.client().list().await.expect("a list");
        assert_eq!(list.tasks.len(), 1, "{version:?}");
        assert_eq!(*seen.lock().expect("no holder panics"), ["GET"]);
    }
}

/// What a client without a certificate, or with one of somebody else, is told; the server has read no request then.
#[tokio::test]
async fn a_server_that_demands_a_certificate_of_the_client_is_named_as_such() {
    let (ours, clients) = (authority(), named("Authority of the Clients"));
    for version in VERSIONS {
        for stranger in [None, Some(named("Authority of Strangers"))] {
            let config = server(&ours, "localhost", Some(&clients), &[version]);
            let (port, seen) = listen(config).await;
            let mut setup = trusting(&ours, port);
            if let Some(stranger) = &stranger {
                setup = with_certificate(setup, stranger);
            }
            let client = setup.client();
            let error = client.list().await.expect_err("no certificate, no list");
            let text = error.to_string();
            assert!(
                text.contains("server.client_cert"),
                "{version:?}, {}: {text}",
                stranger.is_some()
            );
            let item = WriteItem {
                task: TaskId::new("1"),
                request: None,
                action: Action::Retry,
            };
            let end = client.put_one(BatchId(uuid::Uuid::nil()), &item).await;
            assert!(end.is_err(), "{end:?}");
            let seen = seen.lock().expect("no holder panics");
            assert!(seen.is_empty(), "{seen:?} came through");
        }
    }
}
