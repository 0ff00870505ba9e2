//! Entity tags and the preconditions on them (RFC 9110, sections 8.8.3 and 13.1).

use crate::answer::to_http;
use crate::problem::{Code, Problem};
use axum::response::{IntoResponse as _, Response};
use core::fmt::Write as _;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};
use souk_app::{ExpectedVersion, StoredResponse};

/// Bytes of the digest that a tag carries: two representations of one resource share a tag once in
/// 2^64.
const DIGEST_BYTES: usize = 8;

/// The strong tag of a representation: `"7-0123456789abcdef"` for one of version 7, and the digest
/// alone for one that has no version of its own. `If-Match` looks at the version only, since what
/// changes without it, such as prices and stock, is not what the command replaces.
pub fn entity_tag(version: Option<u64>, body: &[u8]) -> String {
    let mut tag = String::from("\"");
    if let Some(version) = version {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{version}-");
    }
    for byte in Sha256::digest(body).iter().take(DIGEST_BYTES) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// The versions that `If-Match` names; [`ExpectedVersion::Any`] without the header. Tags that are weak
/// or carry no version match nothing.
///
/// # Errors
/// 400 `precondition_invalid`.
pub fn if_match(headers: &HeaderMap) -> Result<ExpectedVersion, Problem> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(ExpectedVersion::Any);
    }
    let Tags::Listed(tags) = tags(headers, &IF_MATCH)? else {
        return Ok(ExpectedVersion::Existing);
    };
    let versions = tags.iter().filter(|tag| !tag.weak).filter_map(|tag| {
        let version = tag.opaque.split('-').next()?;
        version.parse().ok()
    });
    Ok(ExpectedVersion::OneOf(versions.collect()))
}

/// A successful answer to a `GET`: 304 without its body where `If-None-Match` has its tag.
///
/// # Errors
/// 400 `precondition_invalid`.
pub fn unless_none_match(
    headers: &HeaderMap,
    response: StoredResponse,
) -> Result<Response, Problem> {
    let Some(tag) = response.headers.get("etag") else {
        return Ok(to_http(response));
    };
    let known = headers.contains_key(IF_NONE_MATCH)
        && match tags(headers, &IF_NONE_MATCH)? {
            Tags::All => true,
            // The weak comparison of section 8.8.3.2.
            Tags::Listed(tags) => tags
                .iter()
                .any(|known| tag.trim_matches('"') == known.opaque),
        };
    if !known {
        return Ok(to_http(response));
    }
    let mut response = to_http(StoredResponse {
        status: StatusCode::NOT_MODIFIED.as_u16(),
        body: Vec::new(),
        ..response
    });
    response.headers_mut().remove(http::header::CONTENT_TYPE);
    Ok(response.into_response())
}

enum Tags<'a> {
    All,
    Listed(Vec<Tag<'a>>),
}

struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Tags<'a>, Problem> {
    let invalid = || {
        let detail = format!("{name} is * or a list of entity tags such as \"7\"");
        Problem::new(Code::PreconditionInvalid, detail)
    };
    let mut listed = Vec::new();
    for value in headers.get_all(name) {
        let mut rest = value.to_str().map_err(|_| invalid())?.trim();
        if rest == "*" {
            return Ok(Tags::All);
        }
        loop {
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let opened = quoted.strip_prefix('"').ok_or_else(invalid)?;
            let (opaque, after) = opened.split_once('"').ok_or_else(invalid)?;
            listed.push(Tag { weak, opaque });
            let after = after.trim_start();
            if after.is_empty() {
                break;
            }
            rest = after.strip_prefix(',').ok_or_else(invalid)?.trim_start();
        }
    }
    Ok(Tags::Listed(listed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::collections::BTreeMap;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn if_match_names_versions() {
        let expected = |values: &[&'static str]| if_match(&headers(&IF_MATCH, values));
        assert_eq!(expected(&[]).unwrap(), ExpectedVersion::Any);
        assert_eq!(expected(&["*"]).unwrap(), ExpectedVersion::Existing);
        let of = |versions: &[u64]| ExpectedVersion::OneOf(versions.to_vec());
        assert_eq!(expected(&["\"7\""]).unwrap(), of(&[7]));
        assert_eq!(
            expected(&["\"7-ab\" ,\"8\"", "\"9\""]).unwrap(),
            of(&[7, 8, 9])
        );
        // Neither weak tags nor foreign ones match any version.
        assert_eq!(expected(&["W/\"7\", \"x\", \"-7\""]).unwrap(), of(&[]));
        for bad in ["7", "\"7", "\"7\" \"8\"", "\"7\",", ""] {
            let problem = if_match(&headers(&IF_MATCH, &[bad])).unwrap_err();
            assert_eq!(problem.code(), "precondition_invalid", "{bad:?}");
        }
    }

    #[test]
    fn a_known_tag_is_answered_without_the_body() {
        let tag = entity_tag(Some(7), b"{}");
        assert!(tag.starts_with("\"7-") && tag.len() == 2 + 2 + 16, "{tag}");
        assert_ne!(tag, entity_tag(Some(7), b"{ }"));
        let response = StoredResponse {
            status: 200,
            headers: BTreeMap::from([("etag".to_owned(), tag.clone())]),
            body: b"{}".to_vec(),
        };
        let status = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            let answer = unless_none_match(&headers, response.clone()).unwrap();
            assert_eq!(answer.headers()["etag"], tag.as_str());
            answer.status().as_u16()
        };
        assert_eq!(status(&[]), 200);
        assert_eq!(status(&["\"7\""]), 200);
        assert_eq!(status(&["\"x\"", &format!("W/{tag}")]), 304);
        assert_eq!(status(&["*"]), 304);
    }
}
