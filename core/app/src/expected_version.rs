//! Which version of something a command is meant for.

/// As `If-Match` says it (RFC 9110, section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExpectedVersion {
    /// Whichever it has, if any.
    #[default]
    Any,
    /// Whichever it has; but it must be there.
    Existing,
    /// One of these; none at all where the list is empty.
    OneOf(Vec<u64>),
}

impl ExpectedVersion {
    /// Whether something in version `current`, none where it does not exist, is what is meant.
    pub(crate) fn fits(&self, current: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Existing => current.is_some(),
            Self::OneOf(versions) => current.is_some_and(|current| versions.contains(&current)),
        }
    }
}
