//! The file of prices and usage, and what comes of it.

use super::amount::Amount;
use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an order uses, what stands idle, and for how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    /// When prices were read.
    pub(super) as_of: String,
    pub(super) region: String,
    pub(super) currency: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "hours_per_month")]
    _hours_per_month: Amount,
    profiles: BTreeMap<String, String>,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    what: String,
    /// Profiles that have it.
    r#in: Vec<String>,
    #[serde(default)]
    per_order: Amount,
    #[serde(default)]
    per_month: Amount,
    /// Of a month's quantity, what is paid for elsewhere.
    #[serde(default)]
    included: Amount,
    price: Amount,
    /// The quantity that the price is for.
    of: Amount,
    unit: String,
    source: String,
}

/// What one line costs.
#[derive(Debug)]
pub(super) struct CostLine {
    pub(super) what: String,
    pub(super) quantity: Amount,
    pub(super) unit: String,
    pub(super) price: Amount,
    pub(super) of: Amount,
    pub(super) source: String,
    pub(super) cost: Amount,
}

/// What a month costs.
#[derive(Debug)]
pub(super) struct Cost {
    pub(super) profile: String,
    pub(super) orders: u64,
    pub(super) lines: Vec<CostLine>,
    pub(super) total: Amount,
}

impl Model {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let model: Self = serde_json::from_str(text).context("the file of prices and usage")?;
        for line in &model.lines {
            for profile in &line.r#in {
                if !model.profiles.contains_key(profile) {
                    bail!(
                        "{:?} is in the profile {profile:?}, which there is not",
                        line.what
                    );
                }
            }
        }
        Ok(model)
    }

    /// The one that is asked for, or all.
    pub(super) fn profiles(&self, wanted: Option<&str>) -> Result<Vec<String>> {
        let names: Vec<_> = self.profiles.keys().cloned().collect();
        match wanted {
            None => Ok(names),
            Some(name) if self.profiles.contains_key(name) => Ok(vec![name.to_owned()]),
            Some(name) => bail!("no profile {name:?}, but {}", names.join(", ")),
        }
    }

    /// What `orders` cost in a month of `profile`.
    pub(super) fn cost(&self, profile: &str, orders: u64) -> Result<Cost> {
        let lines = self
            .lines
            .iter()
            .filter(|line| line.r#in.iter().any(|name| name == profile))
            .map(|line| {
                line.cost(orders)
                    .with_context(|| format!("{:?} is too much", line.what))
            })
            .collect::<Result<Vec<_>>>()?;
        let total = lines
            .iter()
            .try_fold(Amount::default(), |sum, line| sum.plus(line.cost))
            .context("the total is too much")?;
        Ok(Cost {
            profile: profile.to_owned(),
            orders,
            lines,
            total,
        })
    }
}

impl Line {
    fn cost(&self, orders: u64) -> Option<CostLine> {
        let used = self
            .per_order
            .times(Amount::whole(orders)?)?
            .plus(self.per_month)?;
        let quantity = used.less(self.included);
        Some(CostLine {
            what: self.what.clone(),
            quantity,
            unit: self.unit.clone(),
            price: self.price,
            of: self.of,
            source: self.source.clone(),
            cost: quantity.over(self.of)?.times(self.price)?,
        })
    }
}

impl Cost {
    /// For programs: amounts as texts.
    pub(super) fn to_json(&self) -> Value {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "what": line.what,
                    "quantity": line.quantity.to_string(),
                    "unit": line.unit,
                    "price": line.price.to_string(),
                    "of": line.of.to_string(),
                    "source": line.source,
                    "cost": line.cost.to_string(),
                })
            })
            .collect();
        json!({
            "profile": self.profile,
            "orders": self.orders,
            "total": self.total.to_string(),
            "lines": lines,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::{MODEL, SCALES};
    use super::*;
    use proptest::prelude::*;

    fn small() -> Model {
        let text = r#"{"as_of":"2026-11","region":"r","currency":"USD","about":"","hours_per_month":"730",
            "profiles":{"a":"","b":""},
            "lines":[
              {"what":"plan","in":["a"],"per_month":"1","price":"5","of":"1","unit":"plan","source":"s"},
              {"what":"requests","in":["a","b"],"per_order":"4","included":"1000","price":"0.30","of":"1000000","unit":"requests","source":"s"}]}"#;
        Model::parse(text).unwrap()
    }

    #[test]
    fn a_line_is_what_is_used_beyond_what_is_included() {
        let cost = small().cost("a", 1_000_250).unwrap();
        assert_eq!(cost.lines[1].quantity.to_string(), "4000000");
        assert_eq!(cost.lines[1].cost.to_string(), "1.2");
        assert_eq!(cost.total.to_string(), "6.2");
        assert_eq!(small().cost("b", 10).unwrap().total, Amount::default());
    }

    #[test]
    fn the_committed_file_is_whole_and_each_line_says_where_it_is_from() {
        let model = Model::parse(MODEL).unwrap();
        for line in &model.lines {
            assert!(line.source.len() > 6, "{}", line.what);
            assert!(line.per_order > Amount::default() || line.per_month > Amount::default());
        }
        for profile in model.profiles(None).unwrap() {
            for orders in SCALES {
                assert!(model.cost(&profile, orders).unwrap().total > Amount::default());
            }
        }
        assert!(model.profiles(Some("nothing")).is_err());
    }

    proptest! {
        #[test]
        fn more_orders_never_cost_less_and_the_total_is_the_sum(orders in 0_u64..1_000_000_000, more in 0_u64..1_000_000) {
            let model = Model::parse(MODEL).unwrap();
            for profile in model.profiles(None).unwrap() {
                let fewer = model.cost(&profile, orders).unwrap();
                prop_assert!(fewer.total <= model.cost(&profile, orders.saturating_add(more)).unwrap().total);
                let sum = fewer.lines.iter().fold(Amount::default(), |sum, line| sum.plus(line.cost).unwrap());
                prop_assert_eq!(sum, fewer.total);
            }
        }
    }
}
