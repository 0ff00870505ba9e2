//! What the host is to do, as one text each: the first character says what, a plus behind it that there
//! are chores, and lines follow.

use crate::limiter::question_text;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use souk_policy::config::Config;
use souk_policy::jose::SignatureCheck;
use souk_policy::limit::LimitQuestion;
use souk_policy::log::log_line;
use souk_policy::problem::{Answer, Problem};
use souk_policy::{ForwardPlan, ORIGIN_TIMEOUT_MS};
use std::fmt::Write as _;

/// What the host is to do for a request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Give this answer.
    Answer { answer: Answer, log: String },
    /// Look this up in the store, and resume.
    Kv { handle: u32, key: String },
    /// Fetch these keys, and resume.
    Keys { handle: u32, url: String },
    /// Say whether this signature holds.
    Verify { handle: u32, check: String },
    /// Ask the limiter.
    Limit {
        handle: u32,
        limiter: String,
        question: String,
    },
    /// Read the body.
    Body { handle: u32 },
    /// Give what is kept of an earlier answer.
    Kept { text: String },
    /// Forward.
    Forward { text: String },
    /// The host asked for something that is not there.
    Broken,
}

impl Step {
    pub(crate) const fn broken() -> Self {
        Self::Broken
    }

    pub(crate) fn kv(key: &str) -> Self {
        Self::Kv {
            handle: 0,
            key: key.to_owned(),
        }
    }

    /// Thumbprint, algorithm and JWK of the key, what was signed, and the signature in base64url.
    pub(crate) fn verify(check: &SignatureCheck<'_>) -> Self {
        let check = format!(
            "{}\n{}\n{}\n{}\n{}",
            check.key.thumbprint(),
            check.key.algorithm().name(),
            check.key.to_jwk(),
            check.signing_input,
            BASE64URL.encode(&check.signature)
        );
        Self::Verify { handle: 0, check }
    }

    pub(crate) fn limit(question: &LimitQuestion) -> Self {
        Self::Limit {
            handle: 0,
            limiter: question.limiter.clone(),
            question: question_text(question),
        }
    }

    /// Signs a plan.
    ///
    /// # Errors
    /// Where the body is too large.
    pub(crate) fn forward(
        plan: &ForwardPlan,
        body: &[u8],
        config: &Config,
        now_ms: u64,
    ) -> Result<Self, Problem> {
        let now_unix_s = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        let set = plan.seal(body, &config.signing_key, now_unix_s)?;
        let canary = config
            .canary_origin_url
            .as_deref()
            .filter(|_| plan.is_canary());
        let base = canary.unwrap_or(&config.origin_url);
        let mut text = String::with_capacity(2_048);
        let flags = [plan.may_be_repeated().then_some('r'), canary.map(|_| 'c')];
        let flags: String = flags.into_iter().flatten().collect();
        let _infallible = write!(
            text,
            "{base}{}\n{ORIGIN_TIMEOUT_MS}\n{flags}\n{}\n{}\n{}\n",
            plan.target(),
            plan.cache_key(),
            plan.stripped().join(" "),
            log_line(plan.identity().request_id, Some(plan), None),
        );
        lines(&mut text, &set);
        text.push('\n');
        lines(&mut text, &plan.answer_headers());
        Ok(Self::Forward { text })
    }

    /// What the host keeps under `key` is given, without a signature that nobody would read.
    pub(crate) fn kept(plan: &ForwardPlan, key: &str) -> Self {
        let log = log_line(plan.identity().request_id, Some(plan), None);
        let mut text = format!("{key}\n{log}\n");
        lines(&mut text, &plan.answer_headers());
        Self::Kept { text }
    }

    pub(crate) fn waits(&self) -> bool {
        match self {
            Self::Answer { .. } | Self::Kept { .. } | Self::Forward { .. } | Self::Broken => false,
            Self::Kv { .. }
            | Self::Keys { .. }
            | Self::Verify { .. }
            | Self::Limit { .. }
            | Self::Body { .. } => true,
        }
    }

    pub(crate) fn for_request(mut self, own: u32) -> Self {
        match &mut self {
            Self::Kv { handle, .. }
            | Self::Keys { handle, .. }
            | Self::Verify { handle, .. }
            | Self::Limit { handle, .. }
            | Self::Body { handle } => *handle = own,
            Self::Answer { .. } | Self::Kept { .. } | Self::Forward { .. } | Self::Broken => {}
        }
        self
    }

    pub(crate) fn into_text(self, has_chores: bool) -> String {
        let plus = if has_chores { "+" } else { "" };
        match self {
            Self::Answer { answer, log } => {
                let mut text = format!("A{plus}\n{}\n{log}\n", answer.status);
                lines(&mut text, &answer.headers);
                text.push('\n');
                text.push_str(&answer.body);
                text
            }
            Self::Kv { handle, key } => format!("K{plus}\n{handle}\n{key}"),
            Self::Keys { handle, url } => format!("J{plus}\n{handle}\n{url}"),
            Self::Verify { handle, check } => format!("V{plus}\n{handle}\n{check}"),
            Self::Limit {
                handle,
                limiter,
                question,
            } => format!("L{plus}\n{handle}\n{limiter}\n{question}"),
            Self::Body { handle } => format!("B{plus}\n{handle}"),
            Self::Kept { text } => format!("C{plus}\n{text}"),
            Self::Forward { text } => format!("F{plus}\n{text}"),
            Self::Broken => "X".to_owned(),
        }
    }
}

fn lines(text: &mut String, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
}
