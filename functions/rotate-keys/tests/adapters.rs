//! What the adapters say to the two clouds, and what they make of the answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Config, Credentials, Region, retry::RetryConfig,
};
use souk_app::signing_keys::SigningRing;
use souk_app::{EdgeSigner as _, KeyVault as _};
use souk_rotate_keys::{CloudflareWorker, SecretsManagerRing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const KEY: &str = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==";

/// Gives each of `answers` once, and tells what it was asked.
async fn cloud(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut some = [0; 4096];
                let read = stream.read(&mut some).await.unwrap();
                assert!(read > 0, "a request ends with its body");
                request.extend_from_slice(&some[..read]);
            }
            asked.push(String::from_utf8(request).unwrap());
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
        }
        asked
    });
    (url, serving)
}

fn ring() -> SigningRing {
    SigningRing::parse(&text()).unwrap()
}

fn text() -> String {
    format!(r#"{{"keys":{{"edge-a1":"{KEY}"}},"signs":"edge-a1"}}"#)
}

fn vault(url: String) -> SecretsManagerRing {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
    SecretsManagerRing::new(client, "souk-prod/edge-ring".to_owned())
}

fn described(current: &str, copies: &str) -> String {
    format!(
        r#"{{"Name":"souk-prod/edge-ring","VersionIdsToStages":{{"{current}":["AWSCURRENT"],"other":["SOUKNEXT"]}},"ReplicationStatus":{copies}}}"#
    )
}

#[tokio::test]
async fn a_ring_takes_the_place_of_the_one_that_was_read_and_of_no_other() {
    let read = serde_json::json!({ "VersionId": "v1", "SecretString": text() }).to_string();
    let put = r#"{"VersionId":"v2"}"#.to_owned();
    let (url, serving) = cloud(vec![(200, read), (200, put), (200, "{}".to_owned())]).await;
    let vault = vault(url);
    let kept = vault.read().await.unwrap();
    assert_eq!((kept.ring.clone(), kept.version.as_str()), (ring(), "v1"));
    assert!(vault.replace("v1", &ring()).await.unwrap());
    let asked = serving.await.unwrap();
    assert!(asked[1].contains("PutSecretValue"), "{}", asked[1]);
    assert!(
        asked[1].contains(r#""VersionStages":["SOUKNEXT"]"#),
        "the current one stays meanwhile"
    );
    for words in [
        "UpdateSecretVersionStage",
        r#""VersionStage":"AWSCURRENT""#,
        r#""MoveToVersionId":"v2""#,
        r#""RemoveFromVersionId":"v1""#,
    ] {
        assert!(asked[2].contains(words), "{words} in {}", asked[2]);
    }
}

#[tokio::test]
async fn who_was_overtaken_or_lost_an_answer_finds_out() {
    let refused = || {
        r#"{"__type":"InvalidParameterException","Message":"the label is elsewhere"}"#.to_owned()
    };
    for (current, expected) in [("v2", Some(true)), ("v7", Some(false)), ("v1", None)] {
        let (url, serving) = cloud(vec![
            (200, r#"{"VersionId":"v2"}"#.to_owned()),
            (400, refused()),
            (200, described(current, "[]")),
        ])
        .await;
        let replaced = vault(url).replace("v1", &ring()).await;
        assert_eq!(replaced.clone().ok(), expected, "{replaced:?}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_that_is_not_in_step_is_waited_for() {
    for (copies, expected) in [
        ("[]", true),
        (r#"[{"Region":"eu-west-1","Status":"InSync"}]"#, true),
        (
            r#"[{"Region":"eu-west-1","Status":"InSync"},{"Region":"eu-west-2","Status":"InProgress"}]"#,
            false,
        ),
        (r#"[{"Region":"eu-west-1","Status":"Failed"}]"#, false),
        (r#"[{"Region":"eu-west-1"}]"#, false),
    ] {
        let (url, serving) = cloud(vec![(200, described("v1", copies))]).await;
        assert_eq!(vault(url).is_everywhere().await, Ok(expected), "{copies}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn key_and_id_change_in_one_request() {
    let (url, serving) = cloud(vec![(200, r#"{"success":true}"#.to_owned())]).await;
    let worker = CloudflareWorker::new(Some(&url), "acc", "souk-prod-edge", "t0ken").unwrap();
    worker.sign_with("edge-b2", KEY).await.unwrap();
    let asked = serving.await.unwrap().concat();
    assert!(
        asked.starts_with(
            "PATCH /client/v4/accounts/acc/workers/scripts/souk-prod-edge/secrets-bulk HTTP/1.1"
        ),
        "{asked}"
    );
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_lowercase()
            .contains("content-type: application/merge-patch+json"),
        "{head}"
    );
    assert!(head.contains("Bearer t0ken"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["secrets"]["SIGNING_KEY"]["text"], KEY);
    assert_eq!(body["secrets"]["SIGNING_KEY_ID"]["text"], "edge-b2");
    assert_eq!(body["secrets"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let told =
        |code: u32| format!(r#"{{"success":false,"errors":[{{"code":{code},"message":"no"}}]}}"#);
    let fine = || (200, r#"{"success":true}"#.to_owned());
    for (answers, expected) in [
        (vec![(500, told(1)), (429, String::new()), fine()], ""),
        (vec![(503, told(1)), (502, told(1)), (500, told(7))], "500"),
        (vec![(403, told(10000))], "403"),
        (vec![(200, told(7))], "no"),
        (
            vec![(400, told(10215))],
            "a deployment of the edge is under way",
        ),
    ] {
        let (url, serving) = cloud(answers).await;
        let worker = CloudflareWorker::new(Some(&url), "acc", "w", "t0ken").unwrap();
        let told = worker.sign_with("edge-b2", KEY).await.err();
        let told = told.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            told.contains(expected) && told.is_empty() == expected.is_empty(),
            "{told}"
        );
        assert!(!told.contains("t0ken") && !told.contains(KEY), "{told}");
        serving.await.unwrap();
    }
}

#[test]
fn a_token_goes_nowhere_else() {
    for (url, account, name) in [
        (Some("http://example.com"), "acc", "w"),
        (Some("ftp://127.0.0.1"), "acc", "w"),
        (None, "acc/../x", "w"),
        (None, "acc", ""),
    ] {
        assert!(CloudflareWorker::new(url, account, name, "t").is_err());
    }
    assert!(CloudflareWorker::new(None, "acc", "w", "t\n").is_err());
    let worker = CloudflareWorker::new(None, "acc", "w", "t0ken").unwrap();
    assert!(!format!("{worker:?}").contains("t0ken"));
}
