//! Versions of functions, called by AWS Lambda's API.

use crate::{Doubt, Versions};
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use serde_json::Value;

/// Calls functions of this account, by name.
#[derive(Debug, Clone)]
pub struct LambdaVersions(Client);

impl LambdaVersions {
    /// Those of the region of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }
}

impl Versions for LambdaVersions {
    async fn invoke(&self, function: &str, qualifier: &str, event: &Value) -> Result<Value, Doubt> {
        let call = self.0.invoke().function_name(function).qualifier(qualifier);
        let sent = call.payload(Blob::new(event.to_string())).send();
        let answer = sent.await.map_err(|error| {
            let cause = DisplayErrorContext(error);
            Doubt(format!("{function}:{qualifier} cannot be called: {cause}"))
        })?;
        if answer.function_error.is_some() {
            // What it says may name what was in the request; its log has it.
            return Err(Doubt(format!("{function}:{qualifier} fails: see its log")));
        }
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        serde_json::from_slice(&payload)
            .map_err(|_| Doubt(format!("{function}:{qualifier} answers no JSON")))
    }
}
