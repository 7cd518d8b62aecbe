//! What the TLS connection of an answer was: version, and of the server's certificate who issued it and how long it holds; pure over bytes, it verifies nothing (the connection was), and what it can't read it does not tell.

use jiff::Timestamp;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The other side of a TLS connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// `TLS 1.2`, `TLS 1.3`.
    pub version: Option<&'static str>,
    /// The issuer's common name, else its organisation.
    pub issuer: Option<String>,
    /// The end of the certificate.
    pub until: Option<Timestamp>,
}

impl Peer {
    /// Of an answer that came over TLS.
    pub(super) fn of(answer: &reqwest::Response) -> Option<Self> {
        let info = answer.extensions().get::<reqwest::tls::TlsInfo>()?;
        let version = info.version().and_then(|version| {
            [
                (reqwest::tls::Version::TLS_1_2, "TLS 1.2"),
                (reqwest::tls::Version::TLS_1_3, "TLS 1.3"),
            ]
            .into_iter()
            .find(|(known, _)| *known == version)
            .map(|(_, word)| word)
        });
        let (issuer, until) = info.peer_certificate().and_then(certificate).unzip();
        Some(Self {
            version,
            issuer: issuer.flatten(),
            until: until.flatten(),
        })
    }
}

/// Issuer and end of a certificate.
fn certificate(der: &[u8]) -> Option<(Option<String>, Option<Timestamp>)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let until = certificate.validity().not_after.timestamp();
    let until = Timestamp::from_second(until).ok();
    Some((name(certificate.issuer()), until))
}

/// The last common name, which is the most specific one, else the organisation; without control characters.
fn name(issuer: &X509Name<'_>) -> Option<String> {
    let text = |found: &AttributeTypeAndValue<'_>| {
        let text = std::str::from_utf8(found.as_slice()).ok()?;
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        (!text.is_empty()).then_some(text)
    };
    let common = issuer.iter_common_name().filter_map(text).last();
    common.or_else(|| issuer.iter_organization().filter_map(text).last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(year: i32, names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["oig.example.com".to_owned()]).expect("made");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.not_after = date_time_ymd(year, 3, 1);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    #[test]
    fn issuer_and_end_are_read_in_both_forms_of_time() {
        let both = [
            (DnType::OrganizationName, "Example Inc"),
            (DnType::CommonName, "Example CA 2"),
        ];
        let end = |text: &str| text.parse::<Timestamp>().ok();
        assert_eq!(
            certificate(&made(2031, &both)),
            Some((Some("Example CA 2".to_owned()), end("2031-03-01T00:00:00Z")))
        );
        assert_eq!(
            certificate(&made(2061, &both[..1])),
            Some((Some("Example Inc".to_owned()), end("2061-03-01T00:00:00Z")))
        );
        assert_eq!(
            certificate(&made(1999, &[(DnType::CommonName, "\u{1b}[1mCA\n")])),
            Some((Some("[1mCA".to_owned()), end("1999-03-01T00:00:00Z")))
        );
        assert_eq!(
            certificate(&made(2031, &[])),
            Some((None, end("2031-03-01T00:00:00Z")))
        );
        assert_eq!(certificate(b""), None);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            cut in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let _ = certificate(&bytes);
            let mut der = made(2031, &[(DnType::CommonName, "CA")]);
            let at = cut.index(der.len());
            der[at] = to;
            let _ = certificate(&der);
            let _ = certificate(&der[..at]);
        }
    }
}
