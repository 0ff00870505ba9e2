//! The environment of a function, with what its secrets are. A variable names a secret by
//! `{{secret:NAME}}`, anywhere in its text, and its value is put in there when the function starts:
//! what Lambda, Terraform and their logs see of a variable is the name.

use crate::adapters::{AwsBounds, aws_config};
use crate::config::Lookup;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use core::fmt;
use core::time::Duration;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::OnceCell;

/// Secrets that a function may name, at most.
pub const SECRETS_MAX: usize = 16;
const OPENING: &str = "{{secret:";
const CLOSING: &str = "}}";
/// Lambda gives a function ten seconds to start.
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(2),
    operation_timeout: Duration::from_secs(6),
    attempts_max: 3,
};

/// A request waits for this.
const BOUNDS_OF_LATER: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_millis(900),
    operation_timeout: Duration::from_secs(2),
    attempts_max: 2,
};

/// Why the environment is not complete. Names secrets, never shows one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A name is opened and never closed.
    #[error("a secret's name does not end with `}}}}`")]
    Unclosed,
    /// More than [`SECRETS_MAX`].
    #[error("{0} secrets are named, {SECRETS_MAX} at most")]
    TooMany(usize),
    /// It is not there, may not be read, or is no text.
    #[error("the secret {name} cannot be read: {reason}")]
    Unread {
        /// The secret.
        name: String,
        /// What Secrets Manager says.
        reason: String,
    },
}

/// A variable's value, by its name.
type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The process's environment, with the values of secrets in place of their names.
pub struct Environment {
    find: Box<Find>,
    /// Variables as they are, where they name secrets.
    named: BTreeMap<String, String>,
}

/// The text of a variable that names secrets, to be read again: secrets change while a process lives.
#[derive(Debug)]
pub struct SecretText {
    text: String,
    client: OnceCell<Client>,
}

impl SecretText {
    /// The text with today's secrets in it.
    ///
    /// # Errors
    /// Where one cannot be read, in two seconds.
    pub async fn read(&self) -> Result<String, EnvironmentError> {
        let connect = async || Client::new(&aws_config(BOUNDS_OF_LATER).await);
        let client = self.client.get_or_init(connect).await;
        let names = names_in([&self.text].into_iter())?;
        let read = names.into_iter().map(|name| read(client, name));
        let secrets = try_join_all(read).await?.into_iter().collect();
        Ok(fill(&self.text, &secrets))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    /// Reads the process's environment, and each secret that one of its variables names once, all at
    /// the same time. Asks nobody where none is named.
    ///
    /// # Errors
    /// Where a secret cannot be read.
    pub async fn load() -> Result<Self, EnvironmentError> {
        let variables = own_variables();
        let names = names_in(variables.values())?;
        let secrets = if names.is_empty() {
            BTreeMap::new()
        } else {
            let client = Client::new(&aws_config(BOUNDS).await);
            let read = names.into_iter().map(|name| read(&client, name));
            try_join_all(read).await?.into_iter().collect()
        };
        Ok(Self::of(variables, &secrets))
    }

    fn of(variables: BTreeMap<String, String>, secrets: &BTreeMap<String, String>) -> Self {
        let named = variables.iter();
        let named = named.filter(|(_, text)| text.contains(OPENING));
        let named = named.map(|(variable, text)| (variable.clone(), text.clone()));
        let named = named.collect();
        let filled: BTreeMap<_, _> = variables
            .into_iter()
            .map(|(variable, text)| (variable, fill(&text, secrets)))
            .collect();
        Self {
            find: Box::new(move |variable| filled.get(variable).cloned()),
            named,
        }
    }

    /// The variable's text, to be read again later; none where it names no secret.
    pub fn secret_text(&self, variable: &'static str) -> Option<SecretText> {
        let text = self.named.get(variable)?.clone();
        Some(SecretText {
            text,
            client: OnceCell::new(),
        })
    }

    /// What configuration is read through.
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup::new(&*self.find)
    }
}

/// Souk's own variables, which are all that the configuration of a function asks for.
#[allow(
    clippy::disallowed_methods,
    reason = "reads the environment for `Lookup`"
)]
fn own_variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(variable, text)| {
            Some((variable.into_string().ok()?, text.into_string().ok()?))
        })
        .filter(|(variable, _)| variable.starts_with("SOUK_"))
        .collect()
}

async fn read(client: &Client, name: String) -> Result<(String, String), EnvironmentError> {
    let unread = |reason: String| EnvironmentError::Unread {
        name: name.clone(),
        reason,
    };
    let answer = client
        .get_secret_value()
        .secret_id(&name)
        .send()
        .await
        .map_err(|error| unread(DisplayErrorContext(error).to_string()))?;
    let value = answer
        .secret_string
        .ok_or_else(|| unread("it has no text".to_owned()))?;
    Ok((name, value))
}

/// The secrets that texts name.
fn names_in<'a>(
    texts: impl Iterator<Item = &'a String>,
) -> Result<BTreeSet<String>, EnvironmentError> {
    let mut names = BTreeSet::new();
    for text in texts {
        let mut rest = text.as_str();
        while let Some((_, opened)) = rest.split_once(OPENING) {
            let (name, after) = opened
                .split_once(CLOSING)
                .ok_or(EnvironmentError::Unclosed)?;
            names.insert(name.to_owned());
            rest = after;
        }
    }
    if names.len() > SECRETS_MAX {
        return Err(EnvironmentError::TooMany(names.len()));
    }
    Ok(names)
}

/// Puts secrets in the places of their names. What a secret itself says is not looked at.
fn fill(text: &str, secrets: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once(OPENING) {
        let Some((name, after)) = opened.split_once(CLOSING) else {
            break;
        };
        filled.push_str(before);
        filled.push_str(secrets.get(name).map_or("", String::as_str));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A client of a Secrets Manager that gives each of `answers` once, and what it was asked.
    async fn secrets_manager(
        answers: Vec<(u16, &'static str)>,
    ) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
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
                    request.extend_from_slice(some.get(..read).unwrap());
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
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
            .region(aws_sdk_secretsmanager::config::Region::from_static(
                "eu-central-1",
            ))
            .credentials_provider(aws_sdk_secretsmanager::config::Credentials::new(
                "key", "secret", None, None, "test",
            ))
            .endpoint_url(url)
            .build();
        (Client::from_conf(config), serving)
    }

    #[tokio::test]
    async fn a_secret_is_asked_for_by_its_name() {
        let answer = r#"{"Name":"souk-prod/db-app","SecretString":"p4ss"}"#;
        let (client, serving) = secrets_manager(vec![(200, answer)]).await;
        let found = read(&client, "souk-prod/db-app".to_owned()).await.unwrap();
        assert_eq!(found, ("souk-prod/db-app".to_owned(), "p4ss".to_owned()));
        let asked = serving.await.unwrap().concat();
        assert!(asked.contains("secretsmanager.GetSecretValue"), "{asked}");
        assert!(
            asked.contains(r#""SecretId":"souk-prod/db-app""#),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_secret_that_may_not_be_read_or_has_no_text_is_named() {
        let refused = r#"{"__type":"AccessDeniedException","Message":"not you"}"#;
        let binary = r#"{"Name":"a","SecretBinary":"cDRzcw=="}"#;
        for (status, answer, words) in [(400, refused, "AccessDenied"), (200, binary, "no text")] {
            let (client, serving) = secrets_manager(vec![(status, answer)]).await;
            let error = read(&client, "souk-prod/a".to_owned()).await.unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("souk-prod/a") && text.contains(words),
                "{text}"
            );
            assert!(!text.contains("p4ss") && !text.contains("cDRzcw"), "{text}");
            serving.await.unwrap();
        }
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect()
    }

    #[test]
    fn values_stand_where_names_stood() {
        let variables = map(&[
            (
                "SOUK_SHARDS",
                r#"{"main":{"primary":"postgres://app:{{secret:souk-prod/db-app}}@h/souk"}}"#,
            ),
            (
                "SOUK_EDGE_KEYS",
                r#"{"a1":"{{secret:a}}","b2":"{{secret:b}}"}"#,
            ),
            ("SOUK_LOG", "info"),
        ]);
        let names = names_in(variables.values()).unwrap();
        assert_eq!(
            names,
            ["a", "b", "souk-prod/db-app"].map(str::to_owned).into()
        );
        let secrets = map(&[("souk-prod/db-app", "p4ss"), ("a", "QQ=="), ("b", "Qg==")]);
        let environment = Environment::of(variables, &secrets);
        let lookup = environment.lookup();
        assert_eq!(
            lookup.required("SOUK_SHARDS").unwrap(),
            r#"{"main":{"primary":"postgres://app:p4ss@h/souk"}}"#
        );
        assert_eq!(
            lookup.required("SOUK_EDGE_KEYS").unwrap(),
            r#"{"a1":"QQ==","b2":"Qg=="}"#
        );
        assert_eq!(lookup.required("SOUK_LOG").unwrap(), "info");
        assert!(environment.secret_text("SOUK_LOG").is_none());
        let again = environment.secret_text("SOUK_EDGE_KEYS").unwrap();
        assert_eq!(again.text, r#"{"a1":"{{secret:a}}","b2":"{{secret:b}}"}"#);
        assert_eq!(lookup.optional("SOUK_ABSENT"), None);
    }

    #[test]
    fn a_secret_that_looks_like_a_name_stays_as_it_is() {
        let secrets = map(&[("a", "{{secret:b}}"), ("b", "never")]);
        assert_eq!(fill("x{{secret:a}}y", &secrets), "x{{secret:b}}y");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_not_shown() {
        let unclosed = "p4ss{{secret:souk".to_owned();
        let error = names_in([&unclosed].into_iter()).unwrap_err();
        assert_eq!(error, EnvironmentError::Unclosed);
        assert!(!error.to_string().contains("p4ss"), "{error}");
        let many: Vec<_> = (0..=SECRETS_MAX)
            .map(|n| format!("{{{{secret:{n}}}}}"))
            .collect();
        assert!(matches!(
            names_in(many.iter()),
            Err(EnvironmentError::TooMany(_))
        ));
        let environment = Environment::of(map(&[("SOUK_A", "p4ss")]), &BTreeMap::new());
        assert!(!format!("{environment:?}").contains("p4ss"));
    }

    proptest! {
        #[test]
        fn a_text_without_names_stays_as_it_is(text in "[^{]*") {
            prop_assert_eq!(fill(&text, &BTreeMap::new()), text.clone());
            prop_assert!(names_in([&text].into_iter()).unwrap().is_empty());
        }

        #[test]
        fn every_name_is_found_and_filled(parts in prop::collection::vec("[a-z]{0,8}", 1..6), names in prop::collection::vec("[a-z/-]{1,12}", 5)) {
            let mut text = String::new();
            let mut expected = String::new();
            for (part, name) in parts.iter().zip(&names) {
                text += &[part.as_str(), OPENING, name, CLOSING].concat();
                expected += &[part.as_str(), "<", name, ">"].concat();
            }
            let found = names_in([&text].into_iter()).unwrap();
            let secrets = found.into_iter().map(|name| (name.clone(), format!("<{name}>"))).collect();
            prop_assert_eq!(fill(&text, &secrets), expected);
        }
    }
}
