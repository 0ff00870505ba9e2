//! Trace context (W3C Trace Context, level 1): a caller's trace goes on, or one begins.

use souk_domain::RequestId;

/// The header.
pub(crate) const TRACEPARENT_HEADER: &str = "traceparent";
/// What goes with it, and means nothing without.
pub(crate) const TRACESTATE_HEADER: &str = "tracestate";

/// The trace and its flags, from a header of the caller's; nothing where it is malformed.
fn continued(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hexadecimal = |text: &str, digits: usize| {
        let lower = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        text.len() == digits && text.bytes().all(lower)
    };
    let said = |text: &str| text.bytes().any(|byte| byte != b'0');
    let known = version == "00" && parts.next().is_none();
    let fits = known
        && hexadecimal(trace, 32)
        && hexadecimal(parent, 16)
        && hexadecimal(flags, 2)
        && said(trace)
        && said(parent);
    fits.then_some((trace, flags))
}

/// Whether the caller brought a trace that can be continued.
pub(crate) fn is_continued(traceparent: Option<&str>) -> bool {
    traceparent.and_then(continued).is_some()
}

/// What the origin is told: the caller's trace or one named like the request, and the edge as parent. The
/// parent's id is of the random part of the request's.
pub(crate) fn traceparent(of_caller: Option<&str>, request_id: RequestId) -> String {
    let bits = request_id.as_uuid().as_u128();
    let (trace, flags) = match of_caller.and_then(continued) {
        Some((trace, flags)) => (trace.to_owned(), flags),
        None => (format!("{bits:032x}"), "01"),
    };
    let parent = bits & u128::from(u64::MAX);
    format!("00-{trace}-{parent:016x}-{flags}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_or_begins() {
        let id: RequestId = "req_0197c0de8f2b7c3a9d4e5f6071829306".parse().unwrap();
        let own = "00-0197c0de8f2b7c3a9d4e5f6071829306-9d4e5f6071829306-01";
        assert_eq!(traceparent(None, id), own);
        let of_caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        assert_eq!(
            traceparent(Some(of_caller), id),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-9d4e5f6071829306-00"
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00, 00-x",
        ] {
            assert_eq!(traceparent(Some(bad), id), own, "{bad}");
        }
    }
}
