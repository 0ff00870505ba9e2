//! Every operation that a function serves against every kind of caller. The function's own test gives a
//! first tenant with something of everything, and rows: how each operation is asked for what is the
//! first tenant's, and what a stranger then gets.

use crate::signed_request::{identity, signed};
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use souk_app::Clock as _;
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::identity::PSP_PRINCIPAL;
use souk_runtime::operations::{Access, Function, Keyed, OPERATIONS, Operation, find};
use souk_runtime::signature::{KeyRing, SigningKey};
use souk_testkit::{TestDatabase, TestTenant};
use std::collections::BTreeSet;
use tower::ServiceExt as _;
use uuid::Uuid;

/// Stands in what the first tenant has written, and in nothing that a stranger may see.
pub(crate) const MARK: &str = "of-the-first";
/// An idempotency key that the first tenant has used. Strangers use it as well.
pub(crate) const USED_KEY: &str = "used-by-the-first";
/// The same for every tenant, so that nothing but the tenant tells them apart.
const PRINCIPAL: &str = "key_00000000000000000000000000000001";

/// One way to ask for an operation.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name in the table of operations.
    pub(crate) operation: &'static str,
    /// The path, which names something of the first tenant where it names anything.
    pub(crate) path: String,
    /// A body that is right.
    pub(crate) body: Option<Value>,
    /// What a stranger with all scopes gets.
    pub(crate) stranger: Stranger,
    /// Headers that it needs besides.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What a tenant with all scopes gets who asks for what is another's.
#[derive(Debug)]
pub(crate) enum Stranger {
    /// It is refused with this status and code.
    Refused(u16, &'static str),
    /// It is answered from its own rows alone: the status, and what stands at a pointer of the answer.
    Own(u16, &'static str, Value),
    /// It gets what anybody gets: no tenant's data.
    SameForAll,
}

/// A row of the matrix.
pub(crate) fn row(
    operation: &'static str,
    path: &str,
    body: Option<Value>,
    stranger: Stranger,
) -> Row {
    let path = path.to_owned();
    Row {
        operation,
        path,
        body,
        stranger,
        headers: Vec::new(),
    }
}

impl Row {
    /// Who asks for it by right, where no scope is needed.
    fn principal(&self) -> &'static str {
        match self.operation().access {
            Access::Psp => PSP_PRINCIPAL,
            Access::Scope(_) | Access::Public => PRINCIPAL,
        }
    }

    fn operation(&self) -> &'static Operation {
        let operation = OPERATIONS.iter().find(|one| one.name == self.operation);
        operation.unwrap_or_else(|| panic!("{} is no operation", self.operation))
    }

    /// `HEAD` is served where `GET` is, and has to be as closed.
    fn methods(&self) -> &'static [&'static str] {
        match self.operation().method {
            "GET" => &["GET", "HEAD"],
            "POST" => &["POST"],
            "PUT" => &["PUT"],
            "DELETE" => &["DELETE"],
            other => panic!("{other} is new: which methods does it answer?"),
        }
    }

    fn text(&self) -> String {
        self.body
            .as_ref()
            .map_or_else(String::new, Value::to_string)
    }
}

/// A function and everything that it is asked.
pub(crate) struct Shop {
    pub(crate) matrix: Matrix,
    pub(crate) rows: Vec<Row>,
    /// Texts that are in no answer to a stranger who has not said them first.
    pub(crate) secrets: Vec<String>,
}

/// The tests of a function: `$open` opens a [`Shop`].
macro_rules! access_tests {
    ($open:path) => {
        #[tokio::test]
        async fn every_operation_has_a_row() {
            let shop = $open().await;
            shop.matrix.assert_complete(&shop.rows);
        }

        #[tokio::test]
        async fn without_the_edges_signature_nobody_is_served() {
            let shop = $open().await;
            shop.matrix
                .assert_closed_without_signature(&shop.rows)
                .await;
        }

        #[tokio::test]
        async fn without_the_scope_only_what_is_public_is_served() {
            let shop = $open().await;
            shop.matrix.assert_closed_without_scope(&shop.rows).await;
        }

        #[tokio::test]
        async fn with_the_scope_each_row_succeeds() {
            let shop = $open().await;
            shop.matrix.assert_open_to_the_scope(&shop.rows).await;
        }

        #[tokio::test]
        async fn another_tenant_with_all_scopes_sees_and_changes_nothing() {
            let shop = $open().await;
            shop.matrix
                .assert_closed_to_strangers(&shop.rows, &shop.secrets)
                .await;
        }
    };
}
pub(crate) use access_tests;

/// A function with a first tenant in its database.
pub(crate) struct Matrix {
    pub(crate) function: Function,
    pub(crate) db: TestDatabase,
    pub(crate) first: TestTenant,
    pub(crate) app: Router,
    /// What each stranger sells.
    pub(crate) stranger_skus: &'static [(&'static str, i64, u32)],
}

/// Who asks.
struct Asker {
    tenant: String,
    principal: &'static str,
    scopes: String,
    signing_key: SigningKey,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The status, and the code of the problem where there is a body.
    fn told(&self) -> (u16, Option<String>) {
        let code = self.json()["code"].as_str().map(str::to_owned);
        (self.status.as_u16(), code)
    }

    fn assert_refused(&self, status: u16, code: &str, context: &str) {
        let without_body = context.starts_with("HEAD");
        let expected = (status, (!without_body).then(|| code.to_owned()));
        assert_eq!(self.told(), expected, "{context}: {self:?}");
    }
}

fn edge_key(byte: u8) -> SigningKey {
    SigningKey::new("k1", vec![byte; 32]).unwrap()
}

/// What checks the signatures of the tests.
pub(crate) fn guard(first: &TestTenant) -> EdgeGuard {
    EdgeGuard::new(
        KeyRing::new(vec![edge_key(1)]).unwrap(),
        first.clock.clone(),
    )
}

fn all_scopes_but(left_out: Option<&str>) -> String {
    let scopes: BTreeSet<&str> = OPERATIONS.iter().filter_map(Operation::scope).collect();
    let kept = scopes.into_iter().filter(|one| Some(*one) != left_out);
    kept.collect::<Vec<_>>().join(" ")
}

impl Matrix {
    fn asker(&self, scopes: &str) -> Asker {
        Asker {
            tenant: self.first.id.to_string(),
            principal: PRINCIPAL,
            scopes: scopes.to_owned(),
            signing_key: edge_key(1),
        }
    }

    fn request(&self, asker: &Asker, method: &str, row: &Row, key: &str) -> Request<Body> {
        let mut headers = identity(&asker.tenant, asker.principal, &asker.scopes);
        let mut add = |name: &str, value: &str| headers.insert(name.to_owned(), value.to_owned());
        add("content-type", "application/json");
        if row.operation().keyed == Keyed::Required {
            add("idempotency-key", key);
        }
        for (name, value) in &row.headers {
            add(name, value);
        }
        let now = self.first.clock.now().unix_s();
        signed(
            (method, &row.path),
            &headers,
            &row.text(),
            (&asker.signing_key, now),
        )
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    /// The first tenant does something, with all scopes and this idempotency key: it has to succeed.
    pub(crate) async fn first_does(&self, row: &Row, key: &str) -> Answer {
        let asker = Asker {
            principal: row.principal(),
            ..self.asker(&all_scopes_but(None))
        };
        let method = row.operation().method;
        let answer = self.send(self.request(&asker, method, row, key)).await;
        assert!(answer.status.is_success(), "{row:?}: {answer:?}");
        answer
    }

    /// Every row of every table that is the first tenant's.
    async fn books(&self) -> Vec<String> {
        let tenant = self.first.id.as_uuid();
        let each = format!(
            "SELECT format('SELECT %L || t::text FROM %s t WHERE tenant_id = %L', \
                           c.relname || ' ', c.oid::regclass, '{tenant}') \
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' \
             WHERE c.relnamespace = 'souk'::regnamespace AND c.relkind IN ('r', 'p') \
               AND NOT c.relispartition"
        );
        let each = self.db.texts(&each).await;
        assert!(each.len() > 8, "the catalog of tables was not read");
        let mut rows = self.db.texts(&each.join(" UNION ALL ")).await;
        rows.sort_unstable();
        assert!(rows.iter().any(|row| row.starts_with("idempotency_keys ")));
        rows
    }

    /// The table and the rows agree: each operation of the function has one at least, and each row's
    /// path leads to its operation.
    pub(crate) fn assert_complete(&self, rows: &[Row]) {
        let own = OPERATIONS
            .iter()
            .filter(|one| one.function == self.function);
        let wanted: BTreeSet<&str> = own.map(|one| one.name).collect();
        let there: BTreeSet<&str> = rows.iter().map(|row| row.operation).collect();
        assert_eq!(
            there, wanted,
            "operations without a row, or rows without an operation"
        );
        for row in rows {
            let operation = row.operation();
            let path = row.path.split('?').next().unwrap();
            assert_eq!(find(operation.method, path), Ok(operation), "{row:?}");
        }
    }

    /// Nobody is served without the edge's signature, whatever the headers say.
    pub(crate) async fn assert_closed_without_signature(&self, rows: &[Row]) {
        let before = self.books().await;
        for row in rows {
            for method in row.methods() {
                let asker = self.asker(&all_scopes_but(None));
                let forger = Asker {
                    signing_key: edge_key(9),
                    ..self.asker(&asker.scopes)
                };
                let idempotency_key = Uuid::now_v7().to_string();
                let by = |asker: &Asker| self.request(asker, method, row, &idempotency_key);
                let without = |gone: &[&str]| {
                    let mut request = by(&asker);
                    for name in gone {
                        assert!(request.headers_mut().remove(*name).is_some(), "{name}");
                    }
                    request
                };
                let requests = [
                    without(&["signature", "signature-input", "content-digest"]),
                    without(&["signature"]),
                    without(&["souk-tenant"]),
                    by(&forger),
                ];
                for request in requests {
                    let context = format!("{method} {}", row.path);
                    let answer = self.send(request).await;
                    answer.assert_refused(401, "edge_signature_invalid", &context);
                }
            }
        }
        assert_eq!(self.books().await, before);
    }

    /// Without its scope an operation is closed, to who has none as to who has all others. What is public
    /// is served to both.
    pub(crate) async fn assert_closed_without_scope(&self, rows: &[Row]) {
        let before = self.books().await;
        for row in rows {
            let scope = row.operation().scope();
            let nobody = Asker {
                principal: "anonymous",
                ..self.asker("")
            };
            for asker in [nobody, self.asker(&all_scopes_but(scope))] {
                for method in row.methods() {
                    let context = format!("{method} {} by {}", row.path, asker.principal);
                    let key = Uuid::now_v7().to_string();
                    let answer = self.send(self.request(&asker, method, row, &key)).await;
                    match row.operation().access {
                        Access::Scope(_) | Access::Psp => {
                            answer.assert_refused(403, "scope_missing", &context);
                        }
                        Access::Public => {
                            assert_eq!(answer.status, StatusCode::OK, "{context}: {answer:?}");
                        }
                    }
                }
            }
        }
        assert_eq!(self.books().await, before);
    }

    /// Every row is right: with the one scope it succeeds for whom it belongs to. What the others are
    /// refused is refused for who they are, and what a stranger sees is not what the first tenant does.
    pub(crate) async fn assert_open_to_the_scope(&self, rows: &[Row]) {
        for row in rows {
            let asker = Asker {
                principal: row.principal(),
                ..self.asker(row.operation().scope().unwrap_or_default())
            };
            let key = Uuid::now_v7().to_string();
            let method = row.operation().method;
            let answer = self.send(self.request(&asker, method, row, &key)).await;
            assert!(answer.status.is_success(), "{row:?}: {answer:?}");
            // What is made or replaced comes from the request alone, whoever asks.
            let read = method != "PUT" && answer.status != StatusCode::CREATED;
            if let (Stranger::Own(_, pointer, strangers), true) = (&row.stranger, read) {
                let own = answer.json().pointer(pointer).cloned();
                assert!(
                    own.is_some_and(|own| own != *strangers),
                    "{row:?}: {answer:?}"
                );
            }
        }
    }

    /// A stranger with all scopes, and with an idempotency key that the first tenant has used, gets to
    /// nothing that is the first tenant's. `secrets` are texts that are in no answer to a stranger who has
    /// not said them first.
    pub(crate) async fn assert_closed_to_strangers(&self, rows: &[Row], secrets: &[String]) {
        let before = self.books().await;
        for row in rows {
            let stranger = TestTenant::create(&self.db, self.stranger_skus).await;
            let asker = Asker {
                tenant: stranger.id.to_string(),
                principal: row.principal(),
                ..self.asker(&all_scopes_but(None))
            };
            for method in row.methods() {
                let context = format!("{method} {}", row.path);
                let answer = self.send(self.request(&asker, method, row, USED_KEY)).await;
                match &row.stranger {
                    Stranger::Refused(status, code) => {
                        answer.assert_refused(*status, code, &context);
                    }
                    Stranger::Own(status, pointer, expected) => {
                        assert_eq!(answer.status.as_u16(), *status, "{context}: {answer:?}");
                        let found = answer.json().pointer(pointer).cloned();
                        let expected = (*method != "HEAD").then(|| expected.clone());
                        assert_eq!(found, expected, "{context}: {answer:?}");
                    }
                    Stranger::SameForAll => {
                        let mine = self.asker(&all_scopes_but(None));
                        let mine = self.send(self.request(&mine, method, row, USED_KEY)).await;
                        assert_eq!(answer.status, StatusCode::OK, "{context}");
                        assert_eq!(answer.text, mine.text, "{context}");
                    }
                }
                assert_eq!(answer.headers.get("idempotent-replayed"), None, "{context}");
                let said = format!("{}{}", row.path, row.text());
                for secret in secrets.iter().filter(|one| !said.contains(one.as_str())) {
                    assert!(!answer.text.contains(secret), "{context}: {answer:?}");
                }
            }
            assert_eq!(self.books().await, before, "{row:?}");
        }
    }
}
