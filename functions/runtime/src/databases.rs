//! The databases of the configuration: one, or several shards and the directory that knows who is
//! where. None is connected to yet.

use crate::config::{
    ConfigError, DATABASE_POOL_MAX, DATABASE_POOL_MAX_DEFAULT, DATABASE_POOLER, DATABASE_URL,
    DIRECTORY_DATABASE_URL, Lookup, RELAY_DATABASE_URL, RELAY_SHARDS, REPLICA_DATABASE_URL, SHARDS,
    SWEEPER_DATABASE_URL, SWEEPER_SHARDS,
};
use serde::Deserialize;
use souk_app::tenants::{Directory, ShardName};
use souk_app::{Database, Pooler, Shard, Shards};
use std::collections::BTreeMap;

/// Connections to the directory: it is asked once in some seconds for each tenant.
const DIRECTORY_CONNECTIONS_MAX: u32 = 1;

/// Where a shard is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardUrls {
    primary: String,
    replica: Option<String>,
}

/// The database of the configuration.
pub fn database(lookup: &Lookup<'_>) -> Result<Database, ConfigError> {
    connect(lookup, DATABASE_URL, &lookup.required(DATABASE_URL)?)
}

/// The databases of all tenants: the one database, with its replica if there is one, or the shards
/// with the directory.
pub fn shards(lookup: &Lookup<'_>) -> Result<Shards, ConfigError> {
    if lookup.optional(DIRECTORY_DATABASE_URL).is_none() {
        let only = Shard::new(ShardName::only(), database(lookup)?);
        return Ok(Shards::one(match lookup.optional(REPLICA_DATABASE_URL) {
            Some(url) => only.with_replica(connect(lookup, REPLICA_DATABASE_URL, &url)?),
            None => only,
        }));
    }
    let shards = shard_urls(lookup, SHARDS)?
        .into_iter()
        .map(|(name, urls)| {
            let shard = Shard::new(name, connect(lookup, SHARDS, &urls.primary)?);
            Ok(match urls.replica {
                Some(url) => shard.with_replica(connect(lookup, SHARDS, &url)?),
                None => shard,
            })
        })
        .collect::<Result<Vec<_>, ConfigError>>()?;
    Ok(Shards::placed_by(directory(lookup)?, shards))
}

/// The primaries of the shards that `variable` names, by its roles: for those who look after a shard
/// rather than a tenant.
pub fn primaries(
    lookup: &Lookup<'_>,
    variable: &'static str,
) -> Result<BTreeMap<ShardName, Database>, ConfigError> {
    let primary = |(name, urls): (ShardName, ShardUrls)| {
        let database = connect(lookup, variable, &urls.primary)?.of_shard(name.clone());
        Ok((name, database))
    };
    shard_urls(lookup, variable)?
        .into_iter()
        .map(primary)
        .collect()
}

/// The same, or the one database where no shards are named.
pub fn all_primaries(
    lookup: &Lookup<'_>,
    variable: &'static str,
) -> Result<BTreeMap<ShardName, Database>, ConfigError> {
    if lookup.optional(variable).is_some() {
        return primaries(lookup, variable);
    }
    Ok(BTreeMap::from([(ShardName::only(), database(lookup)?)]))
}

/// Every database by the role `souk_sweeper`: the one, or those of all shards.
pub fn sweepers(lookup: &Lookup<'_>) -> Result<Vec<Database>, ConfigError> {
    match lookup.optional(SWEEPER_DATABASE_URL) {
        Some(url) => Ok(vec![connect(lookup, SWEEPER_DATABASE_URL, &url)?]),
        None => Ok(primaries(lookup, SWEEPER_SHARDS)?.into_values().collect()),
    }
}

/// Every database by the role `souk_relay`, for an operator who looks at outboxes: the one, or those of
/// all shards.
pub fn relays(lookup: &Lookup<'_>) -> Result<BTreeMap<ShardName, Database>, ConfigError> {
    match lookup.optional(RELAY_DATABASE_URL) {
        Some(url) => {
            let only = connect(lookup, RELAY_DATABASE_URL, &url)?;
            Ok(BTreeMap::from([(ShardName::only(), only)]))
        }
        None => primaries(lookup, RELAY_SHARDS),
    }
}

/// The directory of the configuration.
pub fn directory(lookup: &Lookup<'_>) -> Result<Directory, ConfigError> {
    let url = lookup.required(DIRECTORY_DATABASE_URL)?;
    Directory::connect_lazily(&url, DIRECTORY_CONNECTIONS_MAX)
        .map_err(|_| not_a_url(DIRECTORY_DATABASE_URL))
}

/// The same as a database, for its owner; none where all tenants are in one database.
pub fn directory_database(lookup: &Lookup<'_>) -> Result<Option<Database>, ConfigError> {
    lookup
        .optional(DIRECTORY_DATABASE_URL)
        .map(|url| connect(lookup, DIRECTORY_DATABASE_URL, &url))
        .transpose()
}

fn shard_urls(
    lookup: &Lookup<'_>,
    variable: &'static str,
) -> Result<Vec<(ShardName, ShardUrls)>, ConfigError> {
    let invalid = |reason: &str| ConfigError::Invalid {
        variable,
        reason: reason.to_owned(),
    };
    // The parser's message would show what it did not understand, which may be a password.
    let entries: BTreeMap<String, ShardUrls> = serde_json::from_str(&lookup.required(variable)?)
        .map_err(|_| {
            invalid("a JSON object of shard name to {\"primary\": …, \"replica\": …} is wanted")
        })?;
    if entries.is_empty() {
        return Err(invalid("at least one shard is wanted"));
    }
    let named = entries.into_iter().map(|(name, urls)| {
        let name = name
            .parse()
            .map_err(|_| invalid("a shard's name is malformed"))?;
        Ok((name, urls))
    });
    named.collect()
}

fn connect(
    lookup: &Lookup<'_>,
    variable: &'static str,
    url: &str,
) -> Result<Database, ConfigError> {
    let connections_max = lookup.parsed_or(DATABASE_POOL_MAX, DATABASE_POOL_MAX_DEFAULT)?;
    let pooler = lookup.parsed_or(DATABASE_POOLER, Pooler::None)?;
    Database::connect_through(pooler, url, connections_max).map_err(|_| not_a_url(variable))
}

fn not_a_url(variable: &'static str) -> ConfigError {
    ConfigError::Invalid {
        variable,
        reason: "a postgres:// URL is wanted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard_names(entries: &[(&'static str, &'static str)]) -> Result<Vec<String>, ConfigError> {
        let find = |asked: &str| {
            let found = entries.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| (*value).to_owned())
        };
        let shards = shards(&Lookup::new(&find))?;
        Ok(shards
            .all()
            .iter()
            .map(|shard| shard.name().to_string())
            .collect())
    }

    #[test]
    fn there_is_one_database_or_there_are_shards_with_a_directory() {
        let one = (DATABASE_URL, "postgres://localhost/souk");
        let directory = (
            DIRECTORY_DATABASE_URL,
            "postgres://localhost/souk_directory",
        );
        let two = (
            SHARDS,
            r#"{"b":{"primary":"postgres://h/b"},"a":{"primary":"postgres://h/a","replica":"postgres://h/r"}}"#,
        );
        assert_eq!(shard_names(&[one]), Ok(vec!["main".to_owned()]));
        assert_eq!(
            shard_names(&[directory, two]),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        // The directory decides, also where an old variable is still there.
        assert_eq!(
            shard_names(&[one, directory, two]).map(|names| names.len()),
            Ok(2)
        );
        assert_eq!(shard_names(&[directory]), Err(ConfigError::Missing(SHARDS)));
        assert_eq!(shard_names(&[]), Err(ConfigError::Missing(DATABASE_URL)));
    }

    #[test]
    fn malformed_shards_are_refused_and_not_shown() {
        let directory = (
            DIRECTORY_DATABASE_URL,
            "postgres://localhost/souk_directory",
        );
        for bad in [
            "{}",
            "[]",
            r#"{"a":"postgres://h/secret"}"#,
            r#"{"A":{"primary":"postgres://h/secret"}}"#,
            r#"{"a":{"replica":"postgres://h/secret"}}"#,
            r#"{"a":{"primary":"postgres://h/secret","standby":"postgres://h/secret"}}"#,
            r#"{"a":{"primary":"http://h/secret"}}"#,
        ] {
            let error = shard_names(&[directory, (SHARDS, bad)])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(SHARDS) && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
