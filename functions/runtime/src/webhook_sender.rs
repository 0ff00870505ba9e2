//! Sends webhooks over HTTP.
//!
//! A connection is made for each message, to an address that was looked up for it and checked, and to
//! nothing else: the name is not looked up again between check and connection, so a name whose address
//! changes in between (DNS rebinding) leads nowhere new. There is no proxy, no redirect is followed, and
//! no connection is kept.

mod connect;
mod exchange;
mod lookup;

pub use lookup::{NameLookup, SystemLookup};

use core::time::Duration;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use souk_app::webhooks::{OutgoingWebhook, SendEnd, SendError, WebhookSender};
use souk_domain::webhook::TargetRules;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// An attempt: name, connection, handshake, request and answer together.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Sends over connections of its own.
#[derive(Debug, Clone)]
pub struct HttpWebhookSender {
    rules: TargetRules,
    names: Arc<dyn NameLookup>,
    tls: Arc<ClientConfig>,
    attempt_timeout: Duration,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct TlsError(#[from] rustls::Error);

impl HttpWebhookSender {
    /// Sends to what `rules` allow, to hosts that the roots of the web vouch for.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(rules: TargetRules) -> Result<Self, TlsError> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::with_roots(rules, roots)
    }

    /// The same with other roots.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn with_roots(rules: TargetRules, roots: RootCertStore) -> Result<Self, TlsError> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            rules,
            names: Arc::new(SystemLookup),
            tls: Arc::new(tls),
            attempt_timeout: ATTEMPT_TIMEOUT,
        })
    }

    /// The same with another way to look names up.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn NameLookup>) -> Self {
        Self { names, ..self }
    }

    /// The same with another bound on an attempt.
    #[must_use]
    pub fn with_attempt_timeout(self, attempt_timeout: Duration) -> Self {
        Self {
            attempt_timeout,
            ..self
        }
    }

    async fn attempt(&self, webhook: OutgoingWebhook<'_>) -> Result<(u16, String), SendError> {
        self.rules
            .check(webhook.url)
            .map_err(|_| SendError::NotAllowed)?;
        let stream = connect::connect(&self.rules, self.names.as_ref(), webhook.url).await?;
        if webhook.url.is_encrypted() {
            let stream = connect::encrypt(&self.tls, stream, webhook.url).await?;
            return exchange::exchange(stream, webhook).await;
        }
        exchange::exchange(stream, webhook).await
    }
}

impl WebhookSender for HttpWebhookSender {
    async fn send(&self, webhook: OutgoingWebhook<'_>) -> SendEnd {
        let began = Instant::now();
        let answer = timeout(self.attempt_timeout, self.attempt(webhook)).await;
        SendEnd {
            answer: answer.unwrap_or(Err(SendError::TimedOut)),
            latency_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        }
    }
}
