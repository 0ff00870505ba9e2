//! What is connected to, and what is not: every address that is none of the internet's is refused when the
//! connection is made, whatever name leads to it and whatever it led to before.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use futures::FutureExt as _;
use futures::future::BoxFuture;
use souk_app::webhooks::{OutgoingWebhook, SendEnd, SendError, WebhookSender as _};
use souk_domain::webhook::{EndpointUrl, TargetRules};
use souk_domain::{EventId, Timestamp};
use souk_runtime::webhook_sender::{HttpWebhookSender, NameLookup};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A server that answers each request as it is told, and tells of each connection.
struct Server {
    address: SocketAddr,
    requests: UnboundedReceiver<String>,
}

impl Server {
    async fn on(ip: IpAddr, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, requests) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut part = [0; 4096];
                while !complete(&request) {
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.extend_from_slice(part.get(..read).unwrap()),
                    }
                }
                tell.send(String::from_utf8_lossy(&request).into_owned())
                    .ok();
                stream.write_all(answer).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self { address, requests }
    }

    async fn local(answer: &'static [u8]) -> Self {
        Self::on([127, 0, 0, 1].into(), answer).await
    }
}

/// All of the head and of as many bytes as it promises.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}

/// A name that leads somewhere else each time it is asked.
#[derive(Debug, Default)]
struct Fickle(Mutex<VecDeque<Vec<SocketAddr>>>);

impl NameLookup for Fickle {
    fn lookup<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let next = self.0.lock().unwrap().pop_front();
        async move { next.ok_or_else(|| io::Error::other("no such name")) }.boxed()
    }
}

fn leads(to: Vec<Vec<SocketAddr>>) -> Arc<Fickle> {
    Arc::new(Fickle(Mutex::new(to.into())))
}

fn rules(allowed: &[IpAddr]) -> TargetRules {
    TargetRules {
        plain_http: true,
        addresses: allowed.iter().copied().collect::<BTreeSet<_>>(),
    }
}

fn sender(allowed: &[IpAddr]) -> HttpWebhookSender {
    HttpWebhookSender::new(rules(allowed)).unwrap()
}

async fn send(sender: &HttpWebhookSender, url: &str) -> SendEnd {
    let url: EndpointUrl = url.parse().unwrap();
    let webhook = OutgoingWebhook {
        url: &url,
        id: "evt_00000000000000000000000000000007"
            .parse::<EventId>()
            .unwrap(),
        at: Timestamp::from_unix_ms(1_795_248_000_999).unwrap(),
        signatures: "v1,AAAA v1,BBBB",
        body: "{\"type\":\"t\"}",
    };
    sender.send(webhook).await
}

const LOCAL: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

#[tokio::test]
async fn the_message_is_sent_as_the_specification_says() {
    let mut server = Server::local(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let url = format!("http://{}/hooks?a=1", server.address);
    let end = send(&sender(&LOCAL), &url).await;
    assert_eq!(end.answer, Ok((204, String::new())));
    let request = server.requests.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /hooks?a=1 HTTP/1.1"));
    let headers: BTreeSet<String> = lines.map(str::to_owned).collect();
    for wanted in [
        &format!("host: {}", server.address),
        "content-type: application/json",
        "webhook-id: evt_00000000000000000000000000000007",
        "webhook-timestamp: 1795248000",
        "webhook-signature: v1,AAAA v1,BBBB",
    ] {
        assert!(headers.contains(wanted), "{wanted} in {headers:?}");
    }
    assert_eq!(body, "{\"type\":\"t\"}");
}

/// First, last and some of each block that is not the internet's.
const REFUSED: [&str; 31] = [
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
];

#[tokio::test]
async fn no_private_address_is_connected_to_also_by_a_name() {
    for text in REFUSED {
        let ip: IpAddr = text.parse().unwrap();
        let host = if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        let strict = HttpWebhookSender::new(TargetRules {
            plain_http: true,
            addresses: BTreeSet::new(),
        })
        .unwrap();
        let literal = send(&strict, &format!("http://{host}/")).await;
        assert_eq!(literal.answer, Err(SendError::NotAllowed), "{text}");
        for scheme in ["http", "https"] {
            let named = strict
                .clone()
                .with_names(leads(vec![vec![SocketAddr::new(ip, 80)]]));
            let named = send(&named, &format!("{scheme}://shop.example/")).await;
            assert_eq!(named.answer, Err(SendError::NotAllowed), "{text}");
        }
    }
}

#[tokio::test]
async fn a_private_address_with_a_server_behind_it_hears_nothing() {
    let mut server = Server::on([127, 0, 0, 2].into(), b"HTTP/1.1 200 OK\r\n\r\n").await;
    let there = server.address;
    // Only 127.0.0.1 is allowed here.
    let by_name = sender(&LOCAL).with_names(leads(vec![vec![there]]));
    let end = send(&by_name, &format!("http://shop.example:{}/", there.port())).await;
    assert_eq!(end.answer, Err(SendError::NotAllowed));
    let end = send(&sender(&LOCAL), &format!("http://{there}/")).await;
    assert_eq!(end.answer, Err(SendError::NotAllowed));
    server.requests.close();
    assert_eq!(server.requests.recv().await, None);
}

/// DNS rebinding: the first lookup leads to where it may, the second one elsewhere.
#[tokio::test]
async fn a_name_that_changes_its_address_leads_nowhere_new() {
    let mut good = Server::local(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let mut bad = Server::on([127, 0, 0, 2].into(), b"HTTP/1.1 200 OK\r\n\r\n").await;
    let names = leads(vec![
        vec![good.address],
        vec![bad.address],
        vec![good.address],
    ]);
    let fickle = sender(&LOCAL).with_names(names.clone());
    let url = "http://shop.example/";
    assert_eq!(send(&fickle, url).await.answer, Ok((200, "ok".to_owned())));
    // One lookup for one attempt: what was checked is what was connected to.
    assert_eq!(names.0.lock().unwrap().len(), 2);
    assert_eq!(send(&fickle, url).await.answer, Err(SendError::NotAllowed));
    assert_eq!(send(&fickle, url).await.answer, Ok((200, "ok".to_owned())));
    assert!(good.requests.recv().await.is_some());
    bad.requests.close();
    assert_eq!(bad.requests.recv().await, None);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_allowed_are_tried() {
    let mut bad = Server::on([127, 0, 0, 2].into(), b"HTTP/1.1 200 OK\r\n\r\n").await;
    let good = Server::local(b"HTTP/1.1 202 Accepted\r\n\r\n").await;
    let names = leads(vec![vec![bad.address, good.address]]);
    let end = send(&sender(&LOCAL).with_names(names), "http://shop.example/").await;
    assert_eq!(end.answer, Ok((202, String::new())));
    bad.requests.close();
    assert_eq!(bad.requests.recv().await, None);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let mut target = Server::local(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let location = format!(
        "HTTP/1.1 307 Elsewhere\r\nLocation: http://{}/\r\n\r\n",
        target.address
    );
    let from = Server::local(location.leak().as_bytes()).await;
    let end = send(&sender(&LOCAL), &format!("http://{}/", from.address)).await;
    assert_eq!(end.answer.map(|(status, _)| status), Ok(307));
    target.requests.close();
    assert_eq!(target.requests.recv().await, None);
}

#[tokio::test]
async fn plain_http_needs_an_explicit_rule() {
    let server = Server::local(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let rules = TargetRules {
        plain_http: false,
        addresses: LOCAL.into(),
    };
    let strict = HttpWebhookSender::new(rules).unwrap();
    let end = send(&strict, &format!("http://{}/", server.address)).await;
    assert_eq!(end.answer, Err(SendError::NotAllowed));
    // Encrypted it would be sent; this server hangs up.
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", rude.local_addr().unwrap());
    let (end, accepted) = tokio::join!(send(&strict, &url), async {
        drop(rude.accept().await.unwrap());
    });
    let ((), SendEnd { answer, .. }) = (accepted, end);
    assert!(
        matches!(answer, Err(SendError::Connection(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn what_comes_back_is_bounded() {
    let long = [b"HTTP/1.1 500 No\r\n\r\n".as_slice(), &vec![b'x'; 100_000]].concat();
    let server = Server::local(long.leak()).await;
    let end = send(&sender(&LOCAL), &format!("http://{}/", server.address)).await;
    let (status, body) = end.answer.unwrap();
    assert_eq!((status, body.len()), (500, 4_096));
    let head = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(100_000));
    let server = Server::local(head.leak().as_bytes()).await;
    let end = send(&sender(&LOCAL), &format!("http://{}/", server.address)).await;
    assert!(matches!(end.answer, Err(SendError::Answer(_))), "{end:?}");
    let server = Server::local(b"SSH-2.0-OpenSSH\r\n").await;
    let end = send(&sender(&LOCAL), &format!("http://{}/", server.address)).await;
    assert!(matches!(end.answer, Err(SendError::Answer(_))), "{end:?}");
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_waited_for_no_longer_than_the_bound() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let short = sender(&LOCAL).with_attempt_timeout(Duration::from_millis(50));
    assert_eq!(send(&short, &url).await.answer, Err(SendError::TimedOut));
    assert_eq!(
        souk_runtime::webhook_sender::ATTEMPT_TIMEOUT,
        Duration::from_secs(15)
    );
}

#[tokio::test]
async fn names_that_lead_nowhere_and_ports_that_are_closed_are_told_apart() {
    let nowhere = sender(&LOCAL).with_names(leads(vec![vec![]]));
    assert_eq!(
        send(&nowhere, "http://shop.example/").await.answer,
        Err(SendError::Unresolved)
    );
    let unknown = sender(&LOCAL).with_names(leads(vec![]));
    assert_eq!(
        send(&unknown, "http://shop.example/").await.answer,
        Err(SendError::Unresolved)
    );
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let end = send(&sender(&LOCAL), &format!("http://{address}/")).await;
    assert!(
        matches!(end.answer, Err(SendError::Connection(_))),
        "{end:?}"
    );
}
