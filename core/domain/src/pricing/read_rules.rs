//! Reads pricing rules, and says all that is wrong with them at once.

use super::divide::WHOLE_PPM;
use super::rules::{
    DISCOUNT_CURRENCIES_MAX, DISCOUNTS_MAX, Discount, Effect, PRICING_RULES_BYTES_MAX,
    PricingRules, SHIPPING_RATES_MAX, ShippingRate, TAX_RATES_MAX, TaxRate, TaxRounding,
};
use crate::{Money, QUANTITY_MAX, Timestamp};
use core::cmp::Reverse;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Violations that are told at most.
const VIOLATIONS_MAX: usize = 100;

/// One thing that is wrong with a document of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleViolation {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What.
    pub reason: String,
}

/// All that is wrong with a document of rules; at least one thing, and the first hundred at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingRulesError {
    /// In the order of the document.
    pub violations: Vec<RuleViolation>,
}

impl fmt::Display for PricingRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pricing rules are not valid:")?;
        self.violations
            .iter()
            .try_for_each(|v| write!(f, " {:?} {};", v.pointer, v.reason))
    }
}

impl core::error::Error for PricingRulesError {}

impl PricingRules {
    /// Reads a document. Every member that the documentation does not know is refused.
    ///
    /// # Errors
    /// [`PricingRulesError`] with all that is wrong.
    pub fn from_json(document: &Value) -> Result<Self, PricingRulesError> {
        let mut reader = Reader::default();
        let rules = reader.rules(document);
        match rules {
            Some(rules) if reader.violations.is_empty() => Ok(rules),
            _ => Err(PricingRulesError {
                violations: reader.violations,
            }),
        }
    }
}

impl<'de> Deserialize<'de> for PricingRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Value::deserialize(deserializer)?;
        Self::from_json(&document).map_err(de::Error::custom)
    }
}

/// An object of the document, and where it is.
struct Object<'v> {
    members: &'v Map<String, Value>,
    pointer: String,
}

impl Object<'_> {
    fn pointer_to(&self, name: &str) -> String {
        format!(
            "{}/{}",
            self.pointer,
            name.replace('~', "~0").replace('/', "~1")
        )
    }
}

/// A member is there and is not what it should be.
struct Wrong;

/// Keeps what was wrong while it reads on. What it returns is `None` where something was.
#[derive(Default)]
struct Reader {
    violations: Vec<RuleViolation>,
}

impl Reader {
    fn wrong(&mut self, pointer: String, reason: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            let reason = reason.into();
            self.violations.push(RuleViolation { pointer, reason });
        }
    }

    fn rules(&mut self, document: &Value) -> Option<PricingRules> {
        // Writing a value that was read cannot fail.
        let bytes = serde_json::to_vec(document).unwrap_or_default().len();
        if bytes > PRICING_RULES_BYTES_MAX {
            let reason = format!("{bytes} bytes, {PRICING_RULES_BYTES_MAX} are allowed");
            self.wrong(String::new(), reason);
            return None;
        }
        let object = self.object(
            document,
            String::new(),
            &[
                "prices_include_tax",
                "tax_rounding",
                "tax_rates",
                "discounts",
                "shipping_rates",
            ],
        )?;
        let defaults = PricingRules::default();
        let prices_include_tax = self.boolean(&object, "prices_include_tax", true);
        let tax_rounding = self.tax_rounding(&object, defaults.tax_rounding);
        let tax_rates = self.list(&object, "tax_rates", TAX_RATES_MAX, Self::tax_rate);
        let discounts = self.list(&object, "discounts", DISCOUNTS_MAX, Self::discount);
        let shipping = self.list(
            &object,
            "shipping_rates",
            SHIPPING_RATES_MAX,
            Self::shipping_rate,
        );
        let (tax_rates, discounts, shipping) = (tax_rates?, discounts?, shipping?);
        self.refuse_doubles(&tax_rates, "tax_rates", "", |rate| {
            Some((rate.country, rate.category.clone()))
        });
        self.refuse_doubles(&discounts, "discounts", "/name", |d| Some(d.name.clone()));
        self.refuse_doubles(&discounts, "discounts", "/code", |d| d.code.clone());
        self.refuse_doubles(&shipping, "shipping_rates", "", |rate| {
            Some((rate.country, rate.currency.code()))
        });
        self.refuse_untaxed_shipping(&tax_rates, &shipping);
        let mut rules = PricingRules {
            prices_include_tax: prices_include_tax?,
            tax_rounding: tax_rounding?,
            tax_rates,
            discounts,
            shipping_rates: shipping,
        };
        rules.tax_rates.sort();
        rules
            .discounts
            .sort_by(|a, b| (Reverse(a.priority), &a.name).cmp(&(Reverse(b.priority), &b.name)));
        rules
            .shipping_rates
            .sort_by_key(|rate| (rate.country, rate.currency.code()));
        Some(rules)
    }

    fn tax_rate(&mut self, value: &Value, pointer: String) -> Option<TaxRate> {
        let object = self.object(value, pointer, &["country", "category", "rate_ppm"])?;
        let country = self.text(&object, "country");
        let category = self.text(&object, "category");
        let rate_ppm = self.integer(&object, "rate_ppm", 0..=WHOLE_PPM);
        Some(TaxRate {
            country: country?,
            category: category?,
            rate_ppm: rate_ppm?,
        })
    }

    fn shipping_rate(&mut self, value: &Value, pointer: String) -> Option<ShippingRate> {
        let members = [
            "country",
            "currency",
            "amount_minor",
            "free_from_minor",
            "tax_category",
        ];
        let object = self.object(value, pointer, &members)?;
        let country = self.text(&object, "country");
        let currency = self.text(&object, "currency");
        let amount_minor = self.integer(&object, "amount_minor", 0..=i64::MAX);
        let free_from_minor = self.optional(&object, "free_from_minor", |reader, object, name| {
            reader.integer(object, name, 0..=i64::MAX)
        });
        let tax_category = self.optional(&object, "tax_category", Self::text);
        Some(ShippingRate {
            country: country?,
            currency: currency?,
            amount_minor: amount_minor?,
            free_from_minor: free_from_minor.ok()?,
            // As with skus.
            tax_category: tax_category.ok()?.or_else(|| "standard".parse().ok())?,
        })
    }

    fn discount(&mut self, value: &Value, pointer: String) -> Option<Discount> {
        let members = [
            "name",
            "code",
            "priority",
            "combines",
            "valid_from",
            "valid_until",
            "minimum_subtotal",
            "effect",
        ];
        let object = self.object(value, pointer, &members)?;
        let name = self.text(&object, "name");
        let code = self.optional(&object, "code", Self::text);
        let priority = self.optional(&object, "priority", |reader, object, name| {
            reader.integer(object, name, i32::MIN..=i32::MAX)
        });
        let combines = self.boolean(&object, "combines", true);
        let valid_from = self.optional(&object, "valid_from", Self::instant);
        let valid_until = self.optional(&object, "valid_until", Self::instant);
        if let (Ok(Some(from)), Ok(Some(until))) = (&valid_from, &valid_until)
            && until <= from
        {
            self.wrong(
                object.pointer_to("valid_until"),
                "must be later than valid_from",
            );
        }
        let minimum_subtotal = self.amounts(&object, "minimum_subtotal");
        let effect = self.effect(&object);
        Some(Discount {
            name: name?,
            code: code.ok()?,
            priority: priority.ok()?.unwrap_or(0),
            combines: combines?,
            valid_from: valid_from.ok()?,
            valid_until: valid_until.ok()?,
            minimum_subtotal: minimum_subtotal?,
            effect: effect?,
        })
    }

    fn effect(&mut self, discount: &Object<'_>) -> Option<Effect> {
        let value = self.required(discount, "effect")?;
        let pointer = discount.pointer_to("effect");
        match value.get("type").and_then(Value::as_str) {
            Some("percent") => {
                let object = self.object(value, pointer, &["type", "rate_ppm"])?;
                let rate_ppm = self.integer(&object, "rate_ppm", 1..=WHOLE_PPM)?;
                Some(Effect::Percent { rate_ppm })
            }
            Some("amount") => {
                let object = self.object(value, pointer, &["type", "amounts"])?;
                self.required(&object, "amounts")?;
                let amounts = self.amounts(&object, "amounts")?;
                if amounts.is_empty() {
                    self.wrong(object.pointer_to("amounts"), "at least one is needed");
                }
                Some(Effect::Amount { amounts })
            }
            Some("buy_get") => {
                let object = self.object(value, pointer, &["type", "sku", "buy", "get"])?;
                let sku = self.text(&object, "sku");
                let buy = self.integer(&object, "buy", 1..=QUANTITY_MAX);
                let get = self.integer(&object, "get", 1..=QUANTITY_MAX);
                Some(Effect::BuyGet {
                    sku: sku?,
                    buy: buy?,
                    get: get?,
                })
            }
            Some(_) | None => {
                let reason = "an object whose type is percent, amount or buy_get is wanted";
                self.wrong(pointer, reason);
                None
            }
        }
    }

    /// Amounts of money above zero, at most one a currency; none where the member is absent.
    fn amounts(&mut self, object: &Object<'_>, name: &str) -> Option<Vec<Money>> {
        let mut amounts = self.list(object, name, DISCOUNT_CURRENCIES_MAX, Self::amount)?;
        let mut seen = BTreeSet::new();
        if amounts
            .iter()
            .any(|money| !seen.insert(money.currency().code()))
        {
            self.wrong(object.pointer_to(name), "a currency occurs more than once");
        }
        amounts.sort_by_key(|money| money.currency().code());
        Some(amounts)
    }

    fn amount(&mut self, value: &Value, pointer: String) -> Option<Money> {
        let object = self.object(value, pointer, &["amount_minor", "currency"])?;
        let amount_minor = self.integer(&object, "amount_minor", 1..=i64::MAX);
        let currency = self.text(&object, "currency");
        Some(Money::new(amount_minor?, currency?))
    }

    fn tax_rounding(&mut self, object: &Object<'_>, default: TaxRounding) -> Option<TaxRounding> {
        match object.members.get("tax_rounding").map(Value::as_str) {
            None => Some(default),
            Some(Some("line")) => Some(TaxRounding::Line),
            Some(Some("order")) => Some(TaxRounding::Order),
            Some(_) => {
                self.wrong(
                    object.pointer_to("tax_rounding"),
                    "\"line\" or \"order\" is wanted",
                );
                None
            }
        }
    }

    fn instant(&mut self, object: &Object<'_>, name: &str) -> Option<Timestamp> {
        let value = self.required(object, name)?;
        let instant = Timestamp::deserialize(value).ok();
        if instant.is_none() {
            self.wrong(
                object.pointer_to(name),
                "an instant as in RFC 3339 is wanted",
            );
        }
        instant
    }

    fn boolean(&mut self, object: &Object<'_>, name: &str, default: bool) -> Option<bool> {
        let Some(value) = object.members.get(name) else {
            return Some(default);
        };
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(object.pointer_to(name), "true or false is wanted");
        }
        flag
    }

    fn integer<T>(&mut self, object: &Object<'_>, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let value = self.required(object, name)?;
        let number = value
            .as_i64()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            let reason = format!("an integer {} to {} is wanted", range.start(), range.end());
            self.wrong(object.pointer_to(name), reason);
        }
        number
    }

    fn text<T: FromStr>(&mut self, object: &Object<'_>, name: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let value = self.required(object, name)?;
        let Some(text) = value.as_str() else {
            self.wrong(object.pointer_to(name), "a string is wanted");
            return None;
        };
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.wrong(object.pointer_to(name), error.to_string());
                None
            }
        }
    }

    /// Reads the member where it is present.
    fn optional<T>(
        &mut self,
        object: &Object<'_>,
        name: &str,
        read: impl FnOnce(&mut Self, &Object<'_>, &str) -> Option<T>,
    ) -> Result<Option<T>, Wrong> {
        if object.members.contains_key(name) {
            return read(self, object, name).map(Some).ok_or(Wrong);
        }
        Ok(None)
    }

    fn required<'v>(&mut self, object: &Object<'v>, name: &str) -> Option<&'v Value> {
        let value = object.members.get(name);
        if value.is_none() {
            self.wrong(
                object.pointer.clone(),
                format!("the member {name} is missing"),
            );
        }
        value
    }

    /// Empty where the member is absent.
    fn list<T>(
        &mut self,
        object: &Object<'_>,
        name: &str,
        items_max: usize,
        read: fn(&mut Self, &Value, String) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(value) = object.members.get(name) else {
            return Some(Vec::new());
        };
        let pointer = object.pointer_to(name);
        let Some(items) = value.as_array() else {
            self.wrong(pointer, "an array is wanted");
            return None;
        };
        if items.len() > items_max {
            self.wrong(
                pointer,
                format!("{} items, {items_max} are allowed", items.len()),
            );
            return None;
        }
        // Every item is read, also after one that is wrong.
        let read: Vec<Option<T>> = (0_usize..)
            .zip(items)
            .map(|(index, item)| read(self, item, format!("{pointer}/{index}")))
            .collect();
        read.into_iter().collect()
    }

    fn object<'v>(
        &mut self,
        value: &'v Value,
        pointer: String,
        allowed: &[&str],
    ) -> Option<Object<'v>> {
        let Some(members) = value.as_object() else {
            self.wrong(pointer, "an object is wanted");
            return None;
        };
        let object = Object { members, pointer };
        for name in members.keys() {
            if !allowed.contains(&name.as_str()) {
                self.wrong(object.pointer_to(name), "unknown member");
            }
        }
        Some(object)
    }

    fn refuse_doubles<T, K: Ord>(
        &mut self,
        items: &[T],
        list: &str,
        member: &str,
        key: impl Fn(&T) -> Option<K>,
    ) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if key(item).is_some_and(|key| !seen.insert(key)) {
                self.wrong(format!("/{list}/{index}{member}"), "occurs more than once");
            }
        }
    }

    /// An order that could never be priced is better refused here.
    fn refuse_untaxed_shipping(&mut self, tax_rates: &[TaxRate], shipping: &[ShippingRate]) {
        if tax_rates.is_empty() {
            return;
        }
        let rates: BTreeSet<_> = tax_rates.iter().map(|r| (r.country, &r.category)).collect();
        for (index, rate) in shipping.iter().enumerate() {
            if !rates.contains(&(rate.country, &rate.tax_category)) {
                let reason = "the country has no tax rate for this category";
                self.wrong(format!("/shipping_rates/{index}/tax_category"), reason);
            }
        }
    }
}
