//! Parameters in Stripe's form: `metadata[key]=value`, `expand[0]=latest_charge`.

use crate::world::{ApiError, Metadata};
use url::form_urlencoded;

/// Parameters of a request.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Like Stripe, refuses what it does not know; `known` are names before the first bracket.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        for (name, _) in &self.0 {
            let base = name.split('[').next().unwrap_or_default();
            if !known.contains(&base) {
                return Err(ApiError::invalid(
                    "parameter_unknown",
                    format!("Received unknown parameter: {name}"),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let found = all.find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            ApiError::invalid(
                "parameter_invalid_integer",
                format!("Invalid integer: {name}"),
            )
        })?;
        Ok(Some(number))
    }

    pub(super) fn metadata(&self) -> Metadata {
        let own = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), value.clone()))
        });
        own.collect()
    }

    /// Whether `path` or something below it is to be shown whole.
    pub(super) fn expands(&self, path: &str) -> bool {
        self.0.iter().any(|(name, value)| {
            name.starts_with("expand[")
                && value
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_read() {
        let form =
            Form::parse(b"amount=5&metadata%5Ba%5D=1&metadata[b]=x+y&expand[]=charge.refunds");
        assert_eq!(form.number("amount").unwrap(), Some(5));
        assert_eq!(form.metadata().get("b").map(String::as_str), Some("x y"));
        assert!(form.expands("charge") && form.expands("charge.refunds"));
        assert!(!form.expands("char") && !form.expands("charge.refunds.data"));
        assert!(form.only(&["amount", "metadata"]).is_err());
        assert!(form.only(&["amount", "metadata", "expand"]).is_ok());
    }
}
