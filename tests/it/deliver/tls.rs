//! TLS: whom we trust, who we are, HTTP/2, and the ways it fails.

use std::sync::Arc;

use http::Version;
use shopbell::model::{FailureClass, Phases, Secret, TlsKeys, Verdict, Webhook};
use tokio::net::TcpListener;

use super::real::{loopback, start};
use super::rig::webhook;
use crate::support::receiver::{Answer, Receiver};
use crate::support::tls::{Authority, Identity, Terms, TlsReceiver};

const NOW: (i32, i32) = (2020, 2090);

fn keys(ca: Option<&str>, client: Option<&Identity>) -> Arc<TlsKeys> {
    let client = client.map(|client| (client.certificate.clone(), Secret::new(client.key.clone())));
    Arc::new(TlsKeys { ca: ca.map(str::to_owned), client })
}

#[tokio::test]
async fn failures_of_tls_are_told_apart() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = ours.sign("localhost", NOW);
    let trusted = Some(ours.pem.as_str());
    let plain = || Terms::new(good.clone());
    let picky = || Terms { clients_of: Some(ours.pem.clone()), ..plain() };
    let stranger = other.sign("shopbell", NOW);
    let rows = [
        (
            plain(),
            None,
            "its certificate is signed by nobody this machine trusts: if that is right, name its CA in tls.ca",
        ),
        (Terms::new(ours.sign("localhost", (2000, 2001))), Some(keys(trusted, None)), "its certificate has expired"),
        (
            Terms::new(ours.sign("localhost", (2080, 2090))),
            Some(keys(trusted, None)),
            "its certificate is not valid yet",
        ),
        (
            Terms::new(ours.sign("elsewhere.example", NOW)),
            Some(keys(trusted, None)),
            "its certificate is for another name",
        ),
        (Terms { protocols: vec!["gopher"], ..plain() }, Some(keys(trusted, None)), "it refused the handshake"),
        (
            picky(),
            Some(keys(trusted, None)),
            "it asks for a client certificate: name one in tls.client_cert and tls.client_key",
        ),
        (picky(), Some(keys(trusted, Some(&stranger))), "it does not accept our client certificate"),
    ];
    for (terms, tls, says) in rows {
        let data = tempfile::tempdir().unwrap();
        let mut receiver = TlsReceiver::start(terms).await;
        let url = format!("https://localhost:{}/in", receiver.address.port());
        let running = start(data.path(), Webhook { url, tls, ..webhook(1) }, loopback()).await;
        running.event("7").await;
        let attempt = running.attempt().await;
        let Verdict::Failed { class, text } = &attempt.verdict else { panic!("delivered: {says}") };
        assert_eq!(*class, FailureClass::Tls, "{text}");
        assert!(text.starts_with("TLS failed: ") && text.contains(says), "{text} for {says}");
        assert_eq!(attempt.address, Some(receiver.address.to_string()));
        assert!(attempt.phases.dns_us.is_some() && attempt.phases.tcp_us.is_some(), "{:?}", attempt.phases);
        assert!(receiver.seen.try_recv().is_err(), "nothing was sent");
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_apart_too() {
    let plain = Receiver::start(vec![Answer::status(200)]).await;
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing_at = closing.local_addr().unwrap();
    let closer = tokio::spawn(async move {
        while let Ok((stream, _)) = closing.accept().await {
            drop(stream);
        }
    });
    let rows = [
        (plain.address, "what answers there does not speak TLS: should the URL begin with http://?"),
        (closing_at, "it closed the connection during the handshake"),
    ];
    for (address, says) in rows {
        let data = tempfile::tempdir().unwrap();
        let table = Webhook { url: format!("https://{address}/"), ..webhook(1) };
        let running = start(data.path(), table, loopback()).await;
        running.event("7").await;
        let Verdict::Failed { class, text } = running.attempt().await.verdict else { panic!("delivered") };
        assert_eq!((class, text.contains(says)), (FailureClass::Tls, true), "{text}");
    }
    closer.abort();
}

#[tokio::test]
async fn an_extra_ca_and_a_client_certificate_open_the_way() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let client = clients.sign("shopbell", NOW);
    let rows =
        [(vec!["h2", "http/1.1"], Version::HTTP_2), (vec!["http/1.1"], Version::HTTP_11), (vec![], Version::HTTP_11)];
    for (protocols, version) in rows {
        let data = tempfile::tempdir().unwrap();
        let identity = servers.sign("localhost", NOW);
        let mut receiver =
            TlsReceiver::start(Terms { identity, clients_of: Some(clients.pem.clone()), protocols }).await;
        let url = format!("https://localhost:{}/in", receiver.address.port());
        let table = Webhook { url, tls: Some(keys(Some(&servers.pem), Some(&client))), ..webhook(1) };
        let running = start(data.path(), table, loopback()).await;
        let ping = receiver.seen.recv().await.unwrap();
        assert_eq!((ping.version, &ping.body[..]), (version, &b"webhook_id=1"[..]));
        running.event("7").await;
        let seen = receiver.delivery().await;
        assert_eq!((seen.version, &seen.body[..]), (version, &br#"{"id":"7"}"#[..]));
        assert_eq!(seen.headers["x-wc-webhook-topic"], "order.updated");
        let attempt = running.attempt().await;
        assert_eq!(attempt.verdict, Verdict::Ok);
        assert_eq!((attempt.tls.as_deref(), attempt.http.clone()), (Some("TLSv1.3"), Some(format!("{version:?}"))));
        let Phases { dns_us, tcp_us, tls_us, connected_us, .. } = attempt.phases;
        let steps = [dns_us, tcp_us, tls_us, connected_us];
        assert!(if attempt.reused { tls_us.is_none() } else { tls_us.is_some() && steps.is_sorted() }, "{attempt:?}");
        assert!(attempt.phases.connected_us <= attempt.phases.first_byte_us);
    }
}
