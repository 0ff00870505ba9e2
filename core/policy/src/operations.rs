//! The origin's operations: which method and path they have, and the scope each needs.

use crate::problem::{Code, Problem};

/// One operation of the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The HTTP method.
    pub method: &'static str,
    /// The path; a segment in braces stands for any one segment.
    pub pattern: &'static str,
    /// The scope that its caller needs.
    pub scope: &'static str,
}

/// All of them. What is not here does not pass the edge.
pub const OPERATIONS: [Operation; 3] = [
    Operation {
        method: "POST",
        pattern: "/v1/orders",
        scope: "orders:write",
    },
    Operation {
        method: "GET",
        pattern: "/v1/orders/{id}",
        scope: "orders:read",
    },
    Operation {
        method: "POST",
        pattern: "/v1/orders/{id}/cancel",
        scope: "orders:write",
    },
];

/// Finds the operation of a request, or says that the path has none (404) or others (405).
pub fn find(method: &str, path: &str) -> Result<&'static Operation, Problem> {
    let mut allowed: Vec<&str> = Vec::new();
    for operation in &OPERATIONS {
        if !matches(operation.pattern, path) {
            continue;
        }
        if operation.method == method {
            return Ok(operation);
        }
        allowed.push(operation.method);
    }
    if allowed.is_empty() {
        return Err(Problem::new(
            Code::RouteNotFound,
            "No operation has this path.",
        ));
    }
    Err(method_not_allowed(&allowed))
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

    #[test]
    fn finds_by_method_and_path() {
        let scope = |method, path| find(method, path).map(|found| found.scope);
        assert_eq!(scope("POST", "/v1/orders"), Ok("orders:write"));
        assert_eq!(scope("GET", "/v1/orders/ord_1"), Ok("orders:read"));
        assert_eq!(scope("POST", "/v1/orders/a/cancel"), Ok("orders:write"));
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
            ("GET", "/v1/orders"),
            ("get", "/v1/orders/a"),
        ] {
            let code = find(method, path).unwrap_err().code();
            assert_eq!(code, Code::MethodNotAllowed, "{method} {path}");
        }
    }
}
