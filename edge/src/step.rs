//! What the host is to do, as one text each: the first character says what, a plus behind it that there
//! are chores, and lines follow.

use crate::limiter::question_text;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use souk_policy::config::Config;
use souk_policy::jose::SignatureCheck;
use souk_policy::jwks_cache::store_key;
use souk_policy::limit::LimitQuestion;
use souk_policy::log::log_line;
use souk_policy::problem::{Answer, Problem};
use souk_policy::{ForwardPlan, ORIGIN_TIMEOUT_MS};
use std::fmt::Write as _;

/// Milliseconds that the origin may take where there is an old answer to give instead.
const IMPATIENT_TIMEOUT_MS: u32 = 2_000;

/// What is known of a request on its way to the origin besides its plan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Others wait for its answer.
    pub(crate) is_waited_for: bool,
    /// There is an old answer.
    pub(crate) has_old_answer: bool,
}

/// What the host is to do for a request.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Give this answer.
    Answer { answer: Answer, log: String },
    /// Look this up in the store, and resume.
    Kv { handle: u32, key: String },
    /// Fetch these keys, and resume.
    Keys { handle: u32, url: String },
    /// Look up what the store has of these keys, and resume.
    StoredKeys {
        handle: u32,
        url: String,
        store_key: String,
    },
    /// Another request fetches the same: wait for it, and resume.
    Wait { handle: u32, key: String },
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

    pub(crate) fn keys(url: &str) -> Self {
        Self::Keys {
            handle: 0,
            url: url.to_owned(),
        }
    }

    pub(crate) fn stored_keys(url: &str) -> Self {
        Self::StoredKeys {
            handle: 0,
            url: url.to_owned(),
            store_key: store_key(url),
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
        (config, manner): (&Config, Manner),
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
        let key = plan.cache_key();
        let is_read = !plan.reads_body();
        let flags = [
            plan.may_be_repeated().then_some('r'),
            canary.map(|_| 'c'),
            // An answer to HEAD has no body to keep.
            (!key.is_empty() && plan.method() == "GET").then_some('k'),
            manner.is_waited_for.then_some('w'),
        ];
        let flags: String = flags.into_iter().flatten().collect();
        let timeout_ms = if manner.has_old_answer {
            IMPATIENT_TIMEOUT_MS
        } else {
            ORIGIN_TIMEOUT_MS
        };
        let hedge_after_ms = config.hedge_after_ms.filter(|_| is_read).unwrap_or(0);
        let _infallible = write!(
            text,
            "{base}{}\n{timeout_ms} {hedge_after_ms}\n{flags}\n{key}\n{}\n{}\n",
            plan.target(),
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
            | Self::StoredKeys { .. }
            | Self::Wait { .. }
            | Self::Verify { .. }
            | Self::Limit { .. }
            | Self::Body { .. } => true,
        }
    }

    pub(crate) fn for_request(mut self, own: u32) -> Self {
        match &mut self {
            Self::Kv { handle, .. }
            | Self::Keys { handle, .. }
            | Self::StoredKeys { handle, .. }
            | Self::Wait { handle, .. }
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
            Self::StoredKeys {
                handle,
                url,
                store_key,
            } => format!("S{plus}\n{handle}\n{url}\n{store_key}"),
            Self::Wait { handle, key } => format!("W{plus}\n{handle}\n{key}"),
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
