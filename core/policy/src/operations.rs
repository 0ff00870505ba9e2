//! The operations of the origin: the one table from which the edge decides, the functions build their
//! routers, and the API's description is made complete.

use crate::problem::{Code, Problem};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Who has this scope.
    Scope(&'static str),
    /// Anyone, also without a credential. A credential that is presented must still be a good one.
    Public,
    /// The payment service provider of the tenant that the path names, last of its segments, whatever
    /// the host is. The edge knows no credential of it: the function verifies its signature.
    Psp,
}

/// Whether an operation takes an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// It has an effect, which each key has at most once: `Idempotency-Key` must come with it.
    Required,
    /// It has none.
    No,
}

/// The function that serves an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `souk-orders`.
    Orders,
    /// `souk-catalog`.
    Catalog,
    /// `souk-payments`.
    Payments,
    /// `souk-webhooks`.
    Webhooks,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Orders, Self::Catalog, Self::Payments, Self::Webhooks];

    /// The name of its folder and of its package without `souk-`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Catalog => "catalog",
            Self::Payments => "payments",
            Self::Webhooks => "webhooks",
        }
    }
}

/// One operation of the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its stable name, as in the API's description (`operationId`) and in records of idempotency.
    pub name: &'static str,
    /// The HTTP method. `HEAD` is served where `GET` is.
    pub method: &'static str,
    /// The path; a segment in braces stands for any one segment.
    pub pattern: &'static str,
    /// The function behind it.
    pub function: Function,
    /// Who may call it.
    pub access: Access,
    /// Whether it takes an idempotency key.
    pub keyed: Keyed,
}

impl Operation {
    /// The scope that its caller needs, if it needs one.
    pub const fn scope(&self) -> Option<&'static str> {
        match self.access {
            Access::Scope(scope) => Some(scope),
            Public | Access::Psp => None,
        }
    }
}

impl Operation {
    /// What it takes of its caller's rate limits. One is an ordinary request.
    pub fn cost(&self) -> u32 {
        match self.name {
            "import_catalog" => 20,
            "replay_webhook_deliveries" => 10,
            "create_payment_intent" | "confirm_payment_intent" => 2,
            _ => 1,
        }
    }

    /// Whether a kill switch of this name turns it off: its own name, its function's, `writes`, or
    /// `all`.
    pub fn is_switched_off_by(&self, switch: &str) -> bool {
        switch == self.name
            || switch == self.function.name()
            || switch == "all"
            || (switch == "writes" && self.has_effect())
    }

    /// Whether it changes anything.
    pub fn has_effect(&self) -> bool {
        self.keyed == Keyed::Required
    }
}

/// Reads.
const fn read(
    name: &'static str,
    pattern: &'static str,
    function: Function,
    access: Access,
) -> Operation {
    Operation {
        name,
        method: "GET",
        pattern,
        function,
        access,
        keyed: Keyed::No,
    }
}

/// Has an effect, once for each key.
const fn write(
    name: &'static str,
    method: &'static str,
    pattern: &'static str,
    function: Function,
    scope: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        pattern,
        function,
        access: Access::Scope(scope),
        keyed: Keyed::Required,
    }
}

const ORDERS_READ: Access = Access::Scope("orders:read");
const ORDERS_WRITE: &str = "orders:write";
const CATALOG_READ: Access = Access::Scope("catalog:read");
const CATALOG_WRITE: &str = "catalog:write";
const PAYMENTS_READ: Access = Access::Scope("payments:read");
const PAYMENTS_WRITE: &str = "payments:write";
const WEBHOOKS_READ: Access = Access::Scope("webhooks:read");
const WEBHOOKS_WRITE: &str = "webhooks:write";

use Access::Public;
use Function::{Catalog, Orders, Payments, Webhooks};

/// All of them. What is not here does not pass the edge and has no route behind it.
#[rustfmt::skip] // A table is read in columns.
pub const OPERATIONS: [Operation; 51] = [
    write("place_order", "POST", "/v1/orders", Orders, ORDERS_WRITE),
    read("list_orders", "/v1/orders", Orders, ORDERS_READ),
    read("get_order", "/v1/orders/{id}", Orders, ORDERS_READ),
    read("get_order_timeline", "/v1/orders/{id}/timeline", Orders, ORDERS_READ),
    write("cancel_order", "POST", "/v1/orders/{id}/cancel", Orders, ORDERS_WRITE),
    write("confirm_order", "POST", "/v1/orders/{id}/confirm", Orders, ORDERS_WRITE),
    write("fulfil_order", "POST", "/v1/orders/{id}/fulfil", Orders, ORDERS_WRITE),
    write("complete_order", "POST", "/v1/orders/{id}/complete", Orders, ORDERS_WRITE),
    QUOTE,
    read("get_pricing_rules", "/v1/pricing-rules", Catalog, CATALOG_READ),
    write("put_pricing_rules", "PUT", "/v1/pricing-rules", Catalog, CATALOG_WRITE),
    read("get_idempotency_key", "/v1/idempotency-keys/{key}", Orders, Access::Scope("idempotency_keys:read")),
    read("get_openapi", "/openapi.json", Orders, Public),
    read("get_problem", "/problems/{code}", Orders, Public),
    read("list_products", "/v1/products", Catalog, Public),
    read("get_product", "/v1/products/{code}", Catalog, Public),
    write("put_product", "PUT", "/v1/products/{code}", Catalog, CATALOG_WRITE),
    write("delete_product", "DELETE", "/v1/products/{code}", Catalog, CATALOG_WRITE),
    read("get_sku", "/v1/skus/{sku}", Catalog, Public),
    write("put_sku", "PUT", "/v1/skus/{sku}", Catalog, CATALOG_WRITE),
    write("delete_sku", "DELETE", "/v1/skus/{sku}", Catalog, CATALOG_WRITE),
    read("get_prices", "/v1/skus/{sku}/prices/{currency}", Catalog, Public),
    write("put_prices", "PUT", "/v1/skus/{sku}/prices/{currency}", Catalog, CATALOG_WRITE),
    read("get_stock", "/v1/skus/{sku}/stock", Catalog, Access::Scope("inventory:read")),
    write("put_stock", "PUT", "/v1/skus/{sku}/stock/{location}", Catalog, "inventory:write"),
    write("import_catalog", "POST", "/v1/catalog-imports", Catalog, CATALOG_WRITE),
    write("create_payment_intent", "POST", "/v1/payment-intents", Payments, PAYMENTS_WRITE),
    read("list_payment_intents", "/v1/payment-intents", Payments, PAYMENTS_READ),
    read("get_payment_intent", "/v1/payment-intents/{id}", Payments, PAYMENTS_READ),
    write("confirm_payment_intent", "POST", "/v1/payment-intents/{id}/confirm", Payments, PAYMENTS_WRITE),
    write("capture_payment_intent", "POST", "/v1/payment-intents/{id}/capture", Payments, PAYMENTS_WRITE),
    write("cancel_payment_intent", "POST", "/v1/payment-intents/{id}/cancel", Payments, PAYMENTS_WRITE),
    write("refund_payment_intent", "POST", "/v1/payment-intents/{id}/refunds", Payments, PAYMENTS_WRITE),
    read("list_refunds", "/v1/payment-intents/{id}/refunds", Payments, PAYMENTS_READ),
    read("list_payment_attempts", "/v1/payment-intents/{id}/attempts", Payments, PAYMENTS_READ),
    read("get_refund", "/v1/refunds/{id}", Payments, PAYMENTS_READ),
    read("list_disputes", "/v1/disputes", Payments, PAYMENTS_READ),
    read("get_dispute", "/v1/disputes/{id}", Payments, PAYMENTS_READ),
    STRIPE_EVENT,
    write("create_webhook_endpoint", "POST", "/v1/webhook-endpoints", Webhooks, WEBHOOKS_WRITE),
    read("list_webhook_endpoints", "/v1/webhook-endpoints", Webhooks, WEBHOOKS_READ),
    read("get_webhook_endpoint", "/v1/webhook-endpoints/{id}", Webhooks, WEBHOOKS_READ),
    write("put_webhook_endpoint", "PUT", "/v1/webhook-endpoints/{id}", Webhooks, WEBHOOKS_WRITE),
    write("delete_webhook_endpoint", "DELETE", "/v1/webhook-endpoints/{id}", Webhooks, WEBHOOKS_WRITE),
    write("enable_webhook_endpoint", "POST", "/v1/webhook-endpoints/{id}/enable", Webhooks, WEBHOOKS_WRITE),
    write("disable_webhook_endpoint", "POST", "/v1/webhook-endpoints/{id}/disable", Webhooks, WEBHOOKS_WRITE),
    write("rotate_webhook_secret", "POST", "/v1/webhook-endpoints/{id}/rotate-secret", Webhooks, WEBHOOKS_WRITE),
    read("list_webhook_deliveries", "/v1/webhook-endpoints/{id}/deliveries", Webhooks, WEBHOOKS_READ),
    read("get_webhook_delivery", "/v1/webhook-endpoints/{id}/deliveries/{event_id}", Webhooks, WEBHOOKS_READ),
    write("replay_webhook_delivery", "POST", "/v1/webhook-endpoints/{id}/deliveries/{event_id}/replay", Webhooks, WEBHOOKS_WRITE),
    write("replay_webhook_deliveries", "POST", "/v1/webhook-endpoints/{id}/replays", Webhooks, WEBHOOKS_WRITE),
];

/// What the provider tells has its effect once by the id of the event, not by a key.
const STRIPE_EVENT: Operation = Operation {
    name: "receive_stripe_event",
    method: "POST",
    pattern: "/v1/psp/stripe/{tenant}",
    function: Payments,
    access: Access::Psp,
    keyed: Keyed::No,
};

/// A quote changes nothing, so it needs no key, though it is a `POST`.
const QUOTE: Operation = Operation {
    name: "quote",
    method: "POST",
    pattern: "/v1/quotes",
    function: Orders,
    access: Access::Scope("quotes:write"),
    keyed: Keyed::No,
};

/// The operations by the word that their paths begin with: a request is compared with a handful of them.
static BY_COLLECTION: LazyLock<BTreeMap<&'static str, Vec<&'static Operation>>> =
    LazyLock::new(|| {
        let mut all: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
        for operation in &OPERATIONS {
            let collection = all.entry(collection(operation.pattern)).or_default();
            collection.push(operation);
        }
        all
    });

/// The first segment behind the version. No pattern has a brace there.
fn collection(path: &str) -> &str {
    let rest = path.strip_prefix("/v1/").unwrap_or(path);
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    rest.split('/').next().unwrap_or_default()
}

/// All operations of a path.
fn of_path(path: &str) -> impl Iterator<Item = &'static Operation> {
    let candidates = BY_COLLECTION.get(collection(path)).into_iter().flatten();
    candidates
        .copied()
        .filter(move |one| matches(one.pattern, path))
}

/// Finds the operation of a request, or says that the path has none (404) or others (405). `HEAD` asks
/// for what `GET` would answer, without the body (RFC 9110, section 9.3.2).
pub fn find(method: &str, path: &str) -> Result<&'static Operation, Problem> {
    let wanted = if method == "HEAD" { "GET" } else { method };
    if let Some(operation) = of_path(path).find(|one| one.method == wanted) {
        return Ok(operation);
    }
    let allowed = methods_of(path);
    if allowed.is_empty() {
        return Err(Problem::new(
            Code::RouteNotFound,
            "No operation has this path.",
        ));
    }
    Err(method_not_allowed(&allowed))
}

/// The methods that a path has, `HEAD` among them; none where it has no operation.
pub fn methods_of(path: &str) -> Vec<&'static str> {
    let mut methods: Vec<&str> = Vec::new();
    for operation in of_path(path) {
        methods.push(operation.method);
        if operation.method == "GET" {
            methods.push("HEAD");
        }
    }
    methods
}

/// Whether some operation asks for this scope.
pub fn is_known_scope(scope: &str) -> bool {
    OPERATIONS.iter().any(|one| one.scope() == Some(scope))
}

/// The problem of a path that has other methods (RFC 9110, section 15.5.6).
pub(crate) fn method_not_allowed(allowed: &[&str]) -> Problem {
    let detail = "The path has no operation with this method.";
    Problem::new(Code::MethodNotAllowed, detail).with_header("allow", allowed.join(", "))
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = pattern.split('/').all(|wanted| {
        let stands_for_any = wanted.starts_with('{');
        let found = segments.next();
        found.is_some_and(|found| found == wanted || (stands_for_any && !found.is_empty()))
    });
    all && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Scopes;
    use std::collections::BTreeSet;

    #[test]
    fn finds_by_method_and_path() {
        let name = |method, path| find(method, path).map(|found| found.name);
        assert_eq!(name("POST", "/v1/orders"), Ok("place_order"));
        assert_eq!(name("GET", "/v1/orders/ord_1"), Ok("get_order"));
        assert_eq!(name("HEAD", "/v1/orders/ord_1"), Ok("get_order"));
        assert_eq!(name("POST", "/v1/orders/a/cancel"), Ok("cancel_order"));
        assert_eq!(name("PUT", "/v1/skus/a/stock/main"), Ok("put_stock"));
        for path in [
            "/",
            "/v1",
            "/v1/orders/",
            "/v1/orders/a/",
            "/v1/orders/a/b",
            "/v1/orders/a/cancel/b",
            "/v2/orders",
            "/V1/orders",
        ] {
            let code = find("GET", path).unwrap_err().code();
            assert_eq!(code, Code::RouteNotFound, "{path}");
        }
        for (method, path) in [
            ("DELETE", "/v1/orders/a"),
            ("HEAD", "/v1/quotes"),
            ("get", "/v1/orders/a"),
        ] {
            let code = find(method, path).unwrap_err().code();
            assert_eq!(code, Code::MethodNotAllowed, "{method} {path}");
        }
    }

    /// The index leaves nothing out: compared with a walk over all of them.
    #[test]
    fn what_the_index_finds_is_what_all_of_them_would() {
        let segments = [
            "",
            "v1",
            "v2",
            "orders",
            "skus",
            "a",
            "prices",
            "EUR",
            "problems",
            "openapi.json",
            "{id}",
            "psp",
            "stripe",
        ];
        let mut paths: Vec<String> = OPERATIONS
            .iter()
            .map(|one| one.pattern.to_owned())
            .collect();
        for first in segments {
            for second in segments {
                for third in segments {
                    paths.push(format!("/{first}/{second}/{third}"));
                    paths.push(format!("/{first}/{second}"));
                    paths.push(format!("{first}/{second}/{third}/{first}"));
                }
            }
        }
        for path in paths {
            let walked: Vec<_> = OPERATIONS
                .iter()
                .filter(|one| matches(one.pattern, &path))
                .collect();
            let found: Vec<_> = of_path(&path).collect();
            assert_eq!(found, walked, "{path}");
        }
        for one in &OPERATIONS {
            assert!(!collection(one.pattern).contains('{'), "{}", one.pattern);
        }
    }

    #[test]
    fn names_and_routes_are_unique_and_every_effect_has_a_key_and_a_scope() {
        let names: BTreeSet<_> = OPERATIONS.iter().map(|one| one.name).collect();
        let routes: BTreeSet<_> = OPERATIONS
            .iter()
            .map(|one| (one.method, one.pattern))
            .collect();
        assert_eq!(
            (names.len(), routes.len()),
            (OPERATIONS.len(), OPERATIONS.len())
        );
        for one in &OPERATIONS {
            assert_eq!(find(one.method, one.pattern), Ok(one), "found as itself");
            if let Some(scope) = one.scope() {
                assert!(Scopes::new([scope]).is_ok(), "{scope}");
            }
            let reads = one.method == "GET" || one.name == "quote" || one.access == Access::Psp;
            assert_eq!(one.keyed == Keyed::No, reads, "{}", one.name);
            assert!(one.access != Public || one.method == "GET", "{}", one.name);
        }
    }
}
