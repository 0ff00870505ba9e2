//! The databases of the stack: two shards and the directory, by role.

use super::secrets::Secrets;
use crate::postgres::set_login;
use anyhow::Result;
use serde_json::{Map, Value, json};
use url::Url;

/// The shards, and the database of each.
pub(crate) const SHARDS: [(&str, &str); 2] = [("a", "souk_a"), ("b", "souk_b")];
const DIRECTORY: &str = "souk_directory";

/// Who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Owner,
    App,
    Relay,
    Sweeper,
    DirectoryReader,
}

/// What the functions are told of a shard's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    Primary,
    /// The replica as well, where there is one.
    All,
}

/// Where they are, and what opens them.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    server: Url,
    replica: Option<Url>,
    secrets: Secrets,
}

impl Databases {
    /// On the server at `server`, and on its replica if it has one.
    pub(crate) fn new(server: Url, replica: Option<Url>, secrets: &Secrets) -> Self {
        Self {
            server,
            replica,
            secrets: secrets.clone(),
        }
    }

    /// The server, as the role that may do everything.
    pub(crate) const fn server(&self) -> &Url {
        &self.server
    }

    /// Its replica, by the same role.
    pub(crate) const fn replica(&self) -> Option<&Url> {
        self.replica.as_ref()
    }

    /// The directory of tenants.
    pub(crate) fn directory(&self, role: Role) -> Result<Url> {
        self.login(&self.server, DIRECTORY, role)
    }

    /// A shard's primary, by the shard's database.
    pub(crate) fn primary(&self, database: &str, role: Role) -> Result<Url> {
        self.login(&self.server, database, role)
    }

    /// The value of `SOUK_SHARDS`.
    pub(crate) fn shards(&self, role: Role, servers: Servers) -> Result<String> {
        let mut shards = Map::new();
        for (name, database) in SHARDS {
            let primary = self.login(&self.server, database, role)?;
            let mut shard = json!({ "primary": primary.as_str() });
            if servers == Servers::All
                && let Some(replica) = &self.replica
            {
                let replica = self.login(replica, database, role)?;
                shard = json!({ "primary": primary.as_str(), "replica": replica.as_str() });
            }
            shards.insert(name.to_owned(), shard);
        }
        Ok(Value::Object(shards).to_string())
    }

    fn login(&self, server: &Url, database: &str, role: Role) -> Result<Url> {
        let secrets = &self.secrets;
        let (name, password) = match role {
            Role::Owner => ("souk_owner", &secrets.owner_password),
            Role::App => ("souk_app", &secrets.app_password),
            Role::Relay => ("souk_relay", &secrets.relay_password),
            Role::Sweeper => ("souk_sweeper", &secrets.sweeper_password),
            Role::DirectoryReader => ("souk_directory_reader", &secrets.directory_reader_password),
        };
        let mut url = server.clone();
        url.set_path(database);
        set_login(&mut url, name, password)?;
        Ok(url)
    }
}
