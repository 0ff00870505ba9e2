//! The ring in AWS Secrets Manager. A version is written beside the current one, and made the current one only if
//! that is still the one that was read.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_sdk_secretsmanager::types::StatusType;
use core::time::Duration;
use souk_app::signing_keys::SigningRing;
use souk_app::{KeptRing, KeyStoreError, KeyVault};
use souk_runtime::adapters::{AwsBounds, aws_config};
use souk_runtime::config::{ConfigError, EDGE_RING_SECRET, Lookup};

/// The label of the version that is read.
const CURRENT: &str = "AWSCURRENT";
/// That of a version that is not the current one yet.
const NEXT: &str = "SOUKNEXT";
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(3),
    operation_timeout: Duration::from_secs(8),
    attempts_max: 3,
};

/// The secret with the ring.
#[derive(Debug)]
pub struct SecretsManagerRing {
    client: Client,
    name: String,
}

impl SecretsManagerRing {
    /// The secret that the configuration names.
    ///
    /// # Errors
    /// Where it names none.
    pub async fn configured(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let name = lookup.required(EDGE_RING_SECRET)?;
        let client = Client::new(&aws_config(BOUNDS).await);
        Ok(Self { client, name })
    }

    /// The secret `name`, through `client`.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    async fn current_version(&self) -> Result<Option<String>, KeyStoreError> {
        let described = self.client.describe_secret().secret_id(&self.name).send();
        let described = described.await.map_err(told)?;
        let versions = described.version_ids_to_stages.unwrap_or_default();
        let is_current = |stages: &Vec<String>| stages.iter().any(|stage| stage == CURRENT);
        let mut versions = versions.into_iter();
        Ok(versions.find_map(|(id, stages)| is_current(&stages).then_some(id)))
    }
}

impl KeyVault for SecretsManagerRing {
    async fn read(&self) -> Result<KeptRing, KeyStoreError> {
        let answer = self.client.get_secret_value().secret_id(&self.name).send();
        let answer = answer.await.map_err(told)?;
        let (Some(text), Some(version)) = (answer.secret_string, answer.version_id) else {
            return Err(KeyStoreError("the secret has no text".to_owned()));
        };
        let ring = SigningRing::parse(&text).map_err(|error| KeyStoreError(error.to_string()))?;
        Ok(KeptRing { ring, version })
    }

    async fn replace(&self, read: &str, ring: &SigningRing) -> Result<bool, KeyStoreError> {
        let text = ring.to_text().map_err(|e| KeyStoreError(e.to_string()))?;
        let put = self.client.put_secret_value().secret_id(&self.name);
        let put = put.secret_string(text).version_stages(NEXT).send();
        let written = put.await.map_err(told)?.version_id;
        let written = written.ok_or_else(|| KeyStoreError("a version has no id".to_owned()))?;
        let moved = self.client.update_secret_version_stage();
        let moved = moved
            .secret_id(&self.name)
            .version_stage(CURRENT)
            .move_to_version_id(&written)
            .remove_from_version_id(read)
            .send();
        let Err(error) = moved.await else {
            return Ok(true);
        };
        // Moved all the same, where an answer was lost; or the label is not where it was read.
        let current = self.current_version().await?;
        match current {
            Some(current) if current == written => Ok(true),
            Some(current) if current != read => Ok(false),
            Some(_) | None => Err(told(error)),
        }
    }

    async fn is_everywhere(&self) -> Result<bool, KeyStoreError> {
        let described = self.client.describe_secret().secret_id(&self.name).send();
        let described = described.await.map_err(told)?;
        let copies = described.replication_status.unwrap_or_default();
        let in_step = |status: Option<StatusType>| status == Some(StatusType::InSync);
        Ok(copies.into_iter().all(|copy| in_step(copy.status)))
    }
}

fn told(error: impl core::error::Error) -> KeyStoreError {
    KeyStoreError(DisplayErrorContext(error).to_string())
}
