//! `souk catalog import` as it is built, against the catalog function on a port of this machine, with
//! what the edge does in between: it signs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod told;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use souk_app::Clock as _;
use souk_catalog::{CatalogState, router};
use souk_domain::TenantId;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, MessageParts, SigningKey, sign};
use souk_testkit::{FixedClock, TestDatabase, TestTenant};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use told::{Told, told};
use uuid::Uuid;

/// What happens to the n-th request, from 0.
type Fate = dyn Fn(u32) -> Step + Send + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is answered.
    Answer,
    /// It has its effect, and the answer is lost.
    LoseAnswer,
    /// It is refused with this status before it gets anywhere.
    Refuse(u16),
}

#[derive(Clone)]
struct Edge {
    tenant: TenantId,
    clock: Arc<FixedClock>,
    fate: Arc<Fate>,
    requests: Arc<AtomicU32>,
}

async fn edge(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let number = edge.requests.fetch_add(1, Ordering::SeqCst);
    let step = (edge.fate)(number);
    if let Step::Refuse(status) = step {
        let problem = r#"{"code":"told","detail":"as the test wants","request_id":"req_1"}"#;
        let mut response = (StatusCode::from_u16(status).unwrap(), problem).into_response();
        let seconds = HeaderValue::from_static("0");
        response.headers_mut().insert("retry-after", seconds);
        return response;
    }
    assert_eq!(request.headers()["authorization"], "Bearer souk_sk_test");
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, 256 * 1024).await.unwrap();
    for (name, value) in [
        ("souk-tenant", edge.tenant.to_string()),
        (
            "souk-principal",
            "key_00000000000000000000000000000001".to_owned(),
        ),
        ("souk-scopes", "catalog:write".to_owned()),
        ("souk-region", "local".to_owned()),
        (
            "souk-request-id",
            format!("req_{}", Uuid::now_v7().simple()),
        ),
    ] {
        parts
            .headers
            .insert(name, HeaderValue::from_str(&value).unwrap());
    }
    let pairs: Vec<(&str, &str)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let message = MessageParts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: None,
        headers: &pairs,
        body: &body,
    };
    let key = SigningKey::new("k1", vec![1; 32]).unwrap();
    let signature = sign(&message, &key, edge.clock.now().unix_s(), 30).unwrap();
    for (name, value) in [
        ("content-digest", signature.content_digest),
        ("signature-input", signature.signature_input),
        ("signature", signature.signature),
    ] {
        parts
            .headers
            .insert(name, HeaderValue::from_str(&value).unwrap());
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if step == Step::LoseAnswer {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    response
}

/// A shop, its function, and a folder for files.
struct Shop {
    db: TestDatabase,
    _tenant: TestTenant,
    url: String,
    requests: Arc<AtomicU32>,
    folder: TempDir,
}

impl Shop {
    async fn open(fate: impl Fn(u32) -> Step + Send + Sync + 'static) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[]).await;
        let ring = KeyRing::new(vec![SigningKey::new("k1", vec![1; 32]).unwrap()]).unwrap();
        let requests = Arc::new(AtomicU32::new(0));
        let shim = Edge {
            tenant: tenant.id,
            clock: tenant.clock.clone(),
            fate: Arc::new(fate),
            requests: requests.clone(),
        };
        let state = CatalogState {
            tools: tenant.tools.clone(),
        };
        let guard = EdgeGuard::new(ring, tenant.clock.clone());
        let app: Router = router(state, guard).layer(from_fn_with_state(shim, edge));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            db,
            _tenant: tenant,
            url,
            requests,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn import(&self, file: &Path, options: &[&str]) -> Told {
        let mut all = vec!["--url", &self.url, "--api-key", "souk_sk_test"];
        all.extend(options);
        souk(file, &all).await
    }

    async fn revision(&self) -> i64 {
        self.db
            .number("SELECT sum(revision)::bigint FROM souk.catalog_revisions")
            .await
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn souk(file: &Path, options: &[&str]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
    command.args(["catalog", "import"]).arg(file).args(options);
    command.env_remove("SOUK_URL").env_remove("SOUK_API_KEY");
    told(command).await
}

fn many(rows: u32) -> String {
    let mut text = "sku,title,currency,amount_minor,on_hand\n".to_owned();
    for row in 0..rows {
        writeln!(text, "S-{row:05},Thing {row},EUR,{row},3").unwrap();
    }
    text
}

#[tokio::test]
async fn a_spreadsheet_is_imported_and_every_bad_row_is_reported_by_its_line() {
    let shop = Shop::open(|_| Step::Answer).await;
    let mut csv = b"\xef\xbb\xbfproduct_code,product_title,sku,title,currency,amount_minor,on_hand,buckets\r\n".to_vec();
    csv.extend(b"TEA,Tea,TEA-1,\"Tea, 1 kg\",EUR,1299,40,4\r\n"); // 2
    csv.extend(b"TEA,,TEA-2,\"two\r\nlines\",EUR,1,1,\r\n"); // 3 and 4
    csv.extend(b"TEA,,TEA-3, padded ,,,,\r\n"); // 5
    csv.extend(b"\r\n"); // 6
    csv.extend(b"TEA,,TEA-4,T\xfc,EUR,12.50,many,\r\n"); // 7: not UTF-8
    csv.extend(b"TEA,,TEA-5,Five,EUR,12.50,many,\r\n"); // 8
    csv.extend(b"NONE,,TEA-6,Six,,,,\r\n"); // 9: only the shop knows
    csv.extend(b"TEA,,TEA-7,Seven\r\n"); // 10
    csv.extend(b"TEA,,TEA-8,\"Say \"\"hi\"\"\",JPY,500,0,"); // 11
    let file = shop.file("tea.csv", csv);
    let report = shop.folder.path().join("rejected.csv");
    let told = shop
        .import(&file, &["--report", report.to_str().unwrap()])
        .await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.out
            .contains("8 rows read: 3 applied, 5 rejected; 3 skus are new."),
        "{told:?}"
    );
    let report = std::fs::read_to_string(report).unwrap();
    let places: Vec<&str> = report
        .lines()
        .map(|line| line.rsplitn(2, ',').last().unwrap_or(line))
        .map(|line| line.split(",\"").next().unwrap())
        .collect();
    let reasons = |line: &str| report.lines().filter(|l| l.starts_with(line)).count();
    assert_eq!(report.lines().next(), Some("line,column,reason"));
    assert_eq!(
        (reasons("3,title,"), reasons("7,title,")),
        (1, 1),
        "{places:?}"
    );
    assert_eq!((reasons("8,amount_minor,"), reasons("8,on_hand,")), (1, 1));
    assert_eq!((reasons("9,product_code,"), reasons("10,,")), (1, 1));
    assert_eq!(report.lines().count(), 7, "{report}");
    let stock = "SELECT sum(available)::bigint * 100 + count(*) FROM souk.stock_levels";
    assert_eq!(shop.db.number(stock).await, 4_005);
    let titles =
        "SELECT count(*) FROM souk.skus WHERE title IN ('Tea, 1 kg', 'padded', 'Say \"hi\"')";
    assert_eq!(shop.db.number(titles).await, 3);
}

#[tokio::test]
async fn after_a_crash_the_same_command_goes_on_and_repeats_nothing() {
    // The third chunk meets a defect once; the run ends there.
    let shop = Shop::open(|request| {
        if request == 2 {
            Step::Refuse(400)
        } else {
            Step::Answer
        }
    })
    .await;
    let file = shop.file("many.csv", many(95));
    let before = shop.revision().await;
    let first = shop.import(&file, &["--chunk-size", "10"]).await;
    assert_eq!(first.code, 2, "{first:?}");
    assert!(
        first.err.contains("as the test wants") && first.err.contains("req_1"),
        "{first:?}"
    );
    assert_eq!(shop.revision().await, before + 2);
    let second = shop.import(&file, &["--chunk-size", "10"]).await;
    assert_eq!(second.code, 0, "{second:?}");
    assert!(
        second.out.contains("95 rows read: 95 applied, 0 rejected"),
        "{second:?}"
    );
    assert!(
        second.out.contains("2 of 10 chunks had been applied"),
        "{second:?}"
    );
    // Each of the ten chunks had its effect once.
    assert_eq!(shop.revision().await, before + 10);
    assert_eq!(shop.db.number("SELECT count(*) FROM souk.skus").await, 95);

    let third = shop.import(&file, &["--chunk-size", "10"]).await;
    assert!(third.out.contains("10 of 10 chunks"), "{third:?}");
    assert_eq!(shop.revision().await, before + 10);
    let again = shop
        .import(&file, &["--chunk-size", "10", "--again", "x"])
        .await;
    assert_eq!((again.code, again.out.contains("earlier run")), (0, false));
    assert_eq!(shop.revision().await, before + 20);
    // A file with other content is another import, whatever its name.
    let file = shop.file("many.csv", many(96));
    shop.import(&file, &["--chunk-size", "10"]).await;
    assert_eq!(shop.revision().await, before + 30);
}

#[tokio::test]
async fn lost_answers_and_a_shop_in_distress_are_tried_again() {
    let shop = Shop::open(|request| match request % 5 {
        0 => Step::LoseAnswer,
        1 => Step::Refuse(503),
        2 => Step::Refuse(429),
        3 => Step::Answer,
        _ => Step::Refuse(500),
    })
    .await;
    let before = shop.revision().await;
    let file = shop.file("many.csv", many(30));
    let told = shop.import(&file, &["--chunk-size", "10"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("30 rows read: 30 applied"), "{told:?}");
    assert_eq!(shop.revision().await, before + 3);
    assert!(shop.requests() > 6);
    // Not for ever.
    let down = Shop::open(|_| Step::Refuse(503)).await;
    let file = down.file("many.csv", many(30));
    let told = down.import(&file, &["--attempts-max", "3"]).await;
    assert_eq!((told.code, down.requests()), (2, 3), "{told:?}");
    assert!(told.err.contains("run the same command again"), "{told:?}");
}

#[tokio::test]
async fn json_lines_are_read_one_by_one() {
    let shop = Shop::open(|_| Step::Answer).await;
    let mut lines = b"\xef\xbb\xbf{\"sku\":\"A\",\"title\":\"A\",\"on_hand\":3}\n\n".to_vec(); // 1
    lines.extend(b"{\"sku\":\"B\",\"title\":\"B\",\"colour\":\"red\"}\n"); // 3
    lines.extend(b"{\"sku\":\"C\",\"title\":\"C\",\"sku\":\"D\"}\n"); // 4
    lines.extend(b"not json\n"); // 5
    lines.extend(b"[1]\n"); // 6
    lines.extend(b"{\"sku\":\"E\",\"title\":\"\xff\"}\n"); // 7
    lines.extend(format!("{{\"sku\":\"F\",\"title\":\"{}\"}}\n", "x".repeat(70_000)).bytes()); // 8
    lines.extend(b"{\"sku\":\"G\",\"title\":\"G\",\"amount_minor\":\"1\",\"currency\":\"EUR\"}\n"); // 9
    lines.extend(b"{\"sku\":\"H\",\"title\":\"H\"}\r\n"); // 10
    let file = shop.file("rows.jsonl", lines);
    let told = shop.import(&file, &[]).await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.out.contains("9 rows read: 2 applied, 7 rejected"),
        "{told:?}"
    );
    for line in [
        "line 3, colour: ",
        "line 4, sku: ",
        "line 5: ",
        "line 6: ",
        "line 7: the line is not UTF-8",
        "line 8: the row has more than 65536 bytes",
        "line 9, amount_minor: ",
    ] {
        assert!(told.err.contains(line), "{line} in {told:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_finished_says_what_to_do() {
    let shop = Shop::open(|_| Step::Refuse(401)).await;
    let sku = "sku,title\nA,A\n";
    for (name, content, wanted) in [
        ("a.csv", &b"sku,title,sku\n"[..], "\"sku\" occurs twice"),
        (
            "b.csv",
            b"sku,title,colour\nA,A,red\n",
            "\"colour\" is unknown",
        ),
        ("c.csv", b"sku;title\nA;A\n", "with commas between them"),
        ("d.csv", b"title\nA\n", "\"sku\" is missing"),
        ("e.csv", b"", "there is none"),
        ("f.csv", b"\xff\xfes\0k\0u\0\n\0", "UTF-16"),
        (
            "g.csv",
            b"sku,title\nA,\"open\nB,B\n",
            "line 2: a quote is opened",
        ),
        ("h.txt", sku.as_bytes(), "--format csv"),
        ("i.csv", sku.as_bytes(), "catalog:write"),
    ] {
        let file = shop.file(name, content);
        let told = shop.import(&file, &[]).await;
        assert_eq!(told.code, 2, "{name}: {told:?}");
        assert!(told.err.contains(wanted), "{name}: {told:?}");
    }
    assert_eq!(shop.requests(), 1);
    let file = shop.file("i.csv", sku);
    let nobody = [
        "--url",
        "http://127.0.0.1:1",
        "--api-key",
        "k",
        "--attempts-max",
        "2",
    ];
    let told = souk(&file, &nobody).await;
    assert_eq!(told.code, 2);
    assert!(told.err.contains("Check --url and the network"), "{told:?}");
    assert_eq!(
        souk(&shop.folder.path().join("none.csv"), &nobody)
            .await
            .code,
        2
    );
    assert_eq!(
        souk(&file, &[]).await.code,
        2,
        "neither URL nor key was given"
    );
}

#[tokio::test]
async fn a_dry_run_needs_no_shop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, "sku,title\nA,A\nB,\nC,C\n").unwrap();
    let told = souk(&file, &["--dry-run"]).await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.out
            .contains("3 rows read: 2 are good, 1 would be rejected"),
        "{told:?}"
    );
    assert!(told.err.contains("line 3, title: it is needed"), "{told:?}");
}
