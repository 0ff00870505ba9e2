//! The line that a host writes to its log for each request.

use crate::forward::ForwardPlan;
use crate::problem::Code;
use souk_domain::RequestId;
use std::fmt::Write as _;

/// The beginning of a JSON object for the log: ids and names of ours, nothing that a client said.
pub fn log_line(request_id: RequestId, plan: Option<&ForwardPlan>, code: Option<Code>) -> String {
    let mut line = format!("{{\"event\":\"edge.request\",\"request_id\":\"{request_id}\"");
    if let Some(plan) = plan {
        let (tenant, operation) = (plan.identity().tenant, plan.operation().name);
        let _infallible = write!(
            line,
            ",\"tenant\":\"{tenant}\",\"operation\":\"{operation}\",\"over_limit\":{}",
            plan.is_over_limit()
        );
    }
    if let Some(code) = code {
        let _infallible = write!(line, ",\"code\":\"{}\"", code.as_str());
    }
    line
}
