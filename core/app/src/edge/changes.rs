//! What changes of one tenant and of all have in common.

use super::EdgeError;
use souk_policy::operations::{Function, OPERATIONS};

/// What stands for more than one operation, besides the names of functions.
const GROUPS: [&str; 2] = ["writes", "all"];

/// A switch that turns nothing off would be believed to have done so.
pub(super) fn check_switches(names: &[String]) -> Result<(), EdgeError> {
    let is_known = |name: &str| {
        GROUPS.contains(&name)
            || OPERATIONS.iter().any(|operation| operation.name == name)
            || Function::ALL.iter().any(|function| function.name() == name)
    };
    match names.iter().find(|name| !is_known(name)) {
        Some(name) => Err(EdgeError::UnknownSwitch(name.clone())),
        None => Ok(()),
    }
}

/// Adds what is not there; the order says nothing, so it is always the same.
pub(super) fn with(list: &mut Vec<String>, more: &[String]) {
    list.extend_from_slice(more);
    list.sort_unstable();
    list.dedup();
}

pub(super) fn without(list: &mut Vec<String>, less: &[String]) {
    list.retain(|name| !less.contains(name));
}

/// In order, and each once.
pub(super) fn as_set(list: &[String]) -> Vec<String> {
    let mut set = Vec::new();
    with(&mut set, list);
    set
}
