//! A request on its way to the origin.

use crate::decide::{BODY_BYTES_MAX, HEADERS_BYTES_MAX, RequestFacts, body_too_large};
use crate::headers::stripped_names;
use crate::identity::EdgeIdentity;
use crate::problem::{Code, Problem};
use crate::signature::{
    CONTENT_DIGEST_HEADER, MessageParts, SIGNATURE_HEADER, SIGNATURE_INPUT_HEADER,
    SIGNED_OF_CLIENT, SigningKey, TTL_S_MAX, sign,
};

/// What is forwarded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardPlan {
    identity: EdgeIdentity,
    method: String,
    path: String,
    query: Option<String>,
    /// Headers of the client that are signed as they are.
    signed_of_client: Vec<(&'static str, String)>,
    stripped: Vec<String>,
}

impl ForwardPlan {
    pub(crate) fn new(facts: &RequestFacts<'_>, identity: EdgeIdentity) -> Result<Self, Problem> {
        let stripped = stripped_names(facts.headers);
        let mut forwarded_bytes = 0_usize;
        let mut signed_of_client = Vec::new();
        for (name, value) in facts.headers {
            if stripped.iter().any(|own| own == name) {
                continue;
            }
            forwarded_bytes = forwarded_bytes
                .saturating_add(name.len())
                .saturating_add(value.len());
            if let Some(own) = SIGNED_OF_CLIENT.into_iter().find(|own| own == name) {
                signed_of_client.push((own, (*value).to_owned()));
            }
        }
        if forwarded_bytes > HEADERS_BYTES_MAX {
            let detail = "The headers to be forwarded are larger than 6 KiB.";
            return Err(Problem::new(Code::HeadersTooLarge, detail));
        }
        Ok(Self {
            identity,
            method: facts.method.to_owned(),
            path: facts.path.to_owned(),
            query: facts.query.map(str::to_owned),
            signed_of_client,
            stripped,
        })
    }

    /// Who the request is from.
    pub fn identity(&self) -> &EdgeIdentity {
        &self.identity
    }

    /// Names of incoming headers to take out, in lower case. All others are handed on.
    pub fn stripped(&self) -> &[String] {
        &self.stripped
    }

    /// Path and query, to be put behind the origin's base URL.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Whether there can be a body to read and forward. Where there cannot, none is forwarded.
    pub fn reads_body(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The headers to set, in place of any of the same name: the identity, and the signature over
    /// it and the request. `created_unix_s` (Unix seconds) is read when the body has arrived: the
    /// signature lives 30 seconds, and a slow upload must not use them up.
    pub fn seal(
        &self,
        body: &[u8],
        key: &SigningKey,
        created_unix_s: i64,
    ) -> Result<Vec<(&'static str, String)>, Problem> {
        if body.len() > BODY_BYTES_MAX {
            return Err(body_too_large());
        }
        let mut headers = self.identity.to_headers().to_vec();
        let covered: Vec<(&str, &str)> = headers
            .iter()
            .chain(&self.signed_of_client)
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let parts = MessageParts {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &covered,
            body,
        };
        let signed = sign(&parts, key, created_unix_s, TTL_S_MAX).map_err(|error| {
            Problem::new(
                Code::EdgeMisconfigured,
                format!("The request could not be signed: {error}."),
            )
        })?;
        headers.push((CONTENT_DIGEST_HEADER, signed.content_digest));
        headers.push((SIGNATURE_INPUT_HEADER, signed.signature_input));
        headers.push((SIGNATURE_HEADER, signed.signature));
        Ok(headers)
    }
}
