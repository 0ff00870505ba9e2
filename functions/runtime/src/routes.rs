//! A function's router, made from the table of operations: a function says which handler serves which
//! operation by its name; method, path, scope and need of an idempotency key come from the table.

use crate::answer::{method_not_allowed, no_such_route};
use crate::edge_signature::{EdgeCaller, EdgeGuard, require_edge_signature};
use crate::problem::{Code, Problem};
use crate::request::idempotency_key;
use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use souk_policy::identity::PSP_PRINCIPAL;
use souk_policy::operations::{Access, Function, Keyed, OPERATIONS, Operation};

/// The operations of one function and their handlers.
#[derive(Debug)]
pub struct Routes<S> {
    function: Function,
    router: Router<S>,
    served: Vec<&'static str>,
    unknown: Vec<&'static str>,
}

/// What table and handlers do not agree on; a test of each function wants it empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disagreement {
    /// Operations of the function that no handler serves.
    pub unserved: Vec<&'static str>,
    /// Names that are served twice, or are no operation of the function.
    pub unknown: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub fn of(function: Function) -> Self {
        Self {
            function,
            router: Router::new(),
            served: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Lets `handler` serve the operation with this name. It runs only for callers with the
    /// operation's scope and, where the operation takes one, with an idempotency key of the right form.
    #[must_use]
    pub fn serve<H, T>(mut self, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let operation = operations(self.function).find(|one| one.name == name);
        let filter = operation.and_then(|one| method_filter(one.method));
        match operation.zip(filter) {
            Some((operation, filter)) if !self.served.contains(&name) => {
                let admitted = on(filter, handler).layer(from_fn_with_state(operation, admit));
                self.router = self.router.route(operation.pattern, admitted);
                self.served.push(name);
            }
            _ => self.unknown.push(name),
        }
        self
    }

    /// What table and handlers do not agree on.
    pub fn disagreement(&self) -> Disagreement {
        let all = operations(self.function).map(|one| one.name);
        Disagreement {
            unserved: all.filter(|name| !self.served.contains(name)).collect(),
            unknown: self.unknown.clone(),
        }
    }

    /// The router behind the edge's signature, with answers for unknown paths and methods.
    pub fn behind_the_edge(self, guard: EdgeGuard) -> Router<S> {
        self.router
            .fallback(no_such_route)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(from_fn_with_state(guard, require_edge_signature))
    }
}

fn operations(function: Function) -> impl Iterator<Item = &'static Operation> {
    OPERATIONS
        .iter()
        .filter(move |operation| operation.function == function)
}

/// The methods of the table. `GET` serves `HEAD` as well.
fn method_filter(method: &str) -> Option<MethodFilter> {
    match method {
        "GET" => Some(MethodFilter::GET),
        "POST" => Some(MethodFilter::POST),
        "PUT" => Some(MethodFilter::PUT),
        "DELETE" => Some(MethodFilter::DELETE),
        _ => None,
    }
}

/// Middleware before each handler: what the table asks of a request. Leaves the [`Operation`] and the
/// idempotency key beside the request.
async fn admit(
    State(operation): State<&'static Operation>,
    mut request: Request,
    next: Next,
) -> Response {
    match check(operation, &mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(operation: &'static Operation, request: &mut Request) -> Result<(), Problem> {
    let edge = request.extensions().get::<EdgeCaller>();
    let (may, needed) = match operation.access {
        Access::Scope(scope) => (
            edge.is_some_and(|edge| edge.scopes.contains(scope)),
            format!("the scope {scope} is needed"),
        ),
        Access::Psp => (
            edge.is_some_and(|edge| edge.caller.principal.as_str() == PSP_PRINCIPAL),
            "only a payment service provider may do this".to_owned(),
        ),
        Access::Public => (true, String::new()),
    };
    if !may {
        return Err(Problem::new(Code::ScopeMissing, needed));
    }
    if operation.keyed == Keyed::Required {
        let key = idempotency_key(request.headers())?;
        request.extensions_mut().insert(key);
    }
    request.extensions_mut().insert(operation);
    Ok(())
}
