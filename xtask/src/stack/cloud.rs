//! Clients of the AWS API that MiniStack serves.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};

/// MiniStack's own default.
pub(crate) const REGION: &str = "us-east-1";
/// The account of MiniStack's resources.
pub(crate) const ACCOUNT: &str = "000000000000";

/// MiniStack takes any.
const ACCESS_KEY: &str = "local";

/// A client for each service that is used.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    /// Where MiniStack listens.
    pub(crate) endpoint: String,
    pub(crate) api_gateway: aws_sdk_apigatewayv2::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) scheduler: aws_sdk_scheduler::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

impl Cloud {
    /// Talks to `endpoint` and to nothing else: the caller's profiles and AWS_* variables do not
    /// count.
    pub(crate) fn at(endpoint: &str) -> Self {
        let credentials = Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "souk-local");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self {
            endpoint: endpoint.to_owned(),
            api_gateway: aws_sdk_apigatewayv2::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            scheduler: aws_sdk_scheduler::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        }
    }
}

impl Cloud {
    /// The same for programs that go by the environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.to_owned()),
        ]
    }
}

/// The ARN of a resource of ours.
pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
}
