//! One flat row of a catalog to import, as spreadsheets have it.

use super::prices::check_amount;
use super::product::check_tax_category;
use super::stock::{RequestedStock, StockSetting, check_setting};
use super::text::{Location, ProductCode, Title};
use super::{Violation, Violations};
use crate::pricing::TaxCategory;
use crate::{Currency, Money, Sku};
use core::fmt;
use core::str::FromStr;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Rows in one request at most.
pub const IMPORT_ROWS_MAX: usize = 500;

/// The names that a row may have, and whether their values are integers.
pub const IMPORT_COLUMNS: [(&str, bool); 10] = [
    ("product_code", false),
    ("product_title", false),
    ("sku", false),
    ("title", false),
    ("tax_category", false),
    ("currency", false),
    ("amount_minor", true),
    ("location", false),
    ("on_hand", true),
    ("buckets", true),
];

/// Reasons for refusing a row at most: a bit more than there are columns.
const REASONS_MAX: usize = 12;
/// Bytes of an unknown name that are repeated at most.
const NAME_BYTES_SHOWN_MAX: usize = 64;

/// A row as it came: nothing is checked yet. Whatever JSON value there is can be read as one, so that
/// one bad row does not spoil the others.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportFields {
    /// Names and values in the order in which they came, doubles included; none for what is no
    /// object.
    fields: Option<Vec<(String, Value)>>,
}

/// A row that can be applied. What a row leaves out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// What it is a variant of.
    pub product: Option<ImportProduct>,
    /// The variant's code.
    pub sku: Sku,
    /// The variant's name.
    pub title: Title,
    /// How it is taxed.
    pub tax_category: Option<TaxCategory>,
    /// What one unit costs, since ever and for ever, in this currency.
    pub price: Option<Money>,
    /// What lies at a location.
    pub stock: Option<ImportStock>,
}

/// The product of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProduct {
    /// Its code.
    pub code: ProductCode,
    /// Its name; where absent, the product must be there already.
    pub title: Option<Title>,
}

/// The stock of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportStock {
    /// Where.
    pub location: Location,
    /// How much.
    pub setting: StockSetting,
}

impl ImportFields {
    /// From names and values.
    pub const fn new(fields: Vec<(String, Value)>) -> Self {
        Self {
            fields: Some(fields),
        }
    }

    /// Checks every field. At most 12 reasons are given.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<ImportRow, Vec<Violation>> {
        let mut found = Violations::default();
        let Some(fields) = self.fields else {
            found.note("", "an object is wanted");
            return Err(found.0);
        };
        let mut fields = Fields::new(&mut found, fields);
        let sku = fields.needed::<Sku>("sku");
        let title = fields.needed::<Title>("title");
        let product_code = fields.parsed::<ProductCode>("product_code");
        let product_title = fields.parsed::<Title>("product_title");
        let tax_category = fields.text("tax_category");
        let currency = fields.parsed::<Currency>("currency");
        let amount_minor = fields.integer("amount_minor");
        let location = fields.parsed::<Location>("location");
        let on_hand = fields.integer("on_hand");
        let buckets = fields.integer("buckets");
        let tax_category = tax_category
            .value()
            .and_then(|name| check_tax_category(&mut found, Some(&name)));
        let product = check_product(&mut found, product_code, product_title);
        let price = check_price(&mut found, &currency, &amount_minor);
        let stock = check_stock(&mut found, location, &on_hand, &buckets);
        let row = sku
            .value()
            .zip(title.value())
            .map(|(sku, title)| ImportRow {
                product,
                sku,
                title,
                tax_category,
                price,
                stock,
            });
        found.0.truncate(REASONS_MAX);
        found.or(row)
    }
}

impl From<&Value> for ImportFields {
    fn from(value: &Value) -> Self {
        let members = value.as_object();
        Self {
            fields: members.map(|members| {
                let pairs = members.iter();
                pairs
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect()
            }),
        }
    }
}

/// What became of a field.
enum Field<T> {
    Absent,
    /// Noted already.
    Wrong,
    Given(T),
}

impl<T> Field<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

struct Fields<'a> {
    found: &'a mut Violations,
    fields: Vec<(String, Value)>,
}

impl<'a> Fields<'a> {
    /// Notes unknown names and names that occur twice.
    fn new(found: &'a mut Violations, fields: Vec<(String, Value)>) -> Self {
        let mut known: Vec<(String, Value)> = Vec::with_capacity(IMPORT_COLUMNS.len());
        for (name, value) in fields {
            if name.len() > NAME_BYTES_SHOWN_MAX {
                found.note("", "a field has a name that is unknown and very long");
                continue;
            }
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            if !IMPORT_COLUMNS.iter().any(|(column, _)| *column == name) {
                found.note(pointer, "unknown field");
            } else if known.iter().any(|(other, _)| *other == name) {
                found.note(pointer, "the field occurs twice");
            } else {
                known.push((name, value));
            }
        }
        Self {
            found,
            fields: known,
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(other, _)| other == name)?;
        Some(self.fields.swap_remove(index).1).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Field<String> {
        match self.take(name) {
            None => Field::Absent,
            Some(Value::String(text)) => Field::Given(text),
            Some(_) => {
                self.found.note(format!("/{name}"), "a string is wanted");
                Field::Wrong
            }
        }
    }

    fn integer(&mut self, name: &str) -> Field<i64> {
        let Some(value) = self.take(name) else {
            return Field::Absent;
        };
        let Some(integer) = value.as_i64() else {
            self.found.note(format!("/{name}"), "an integer is wanted");
            return Field::Wrong;
        };
        Field::Given(integer)
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Field<T> {
        match self.text(name) {
            Field::Absent => Field::Absent,
            Field::Wrong => Field::Wrong,
            Field::Given(text) => self
                .found
                .take(&format!("/{name}"), text.parse())
                .map_or(Field::Wrong, Field::Given),
        }
    }

    fn needed<T: FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Field<T> {
        let field = self.parsed(name);
        if field.is_absent() {
            self.found.note(format!("/{name}"), "it is needed");
        }
        field
    }
}

fn check_product(
    found: &mut Violations,
    code: Field<ProductCode>,
    title: Field<Title>,
) -> Option<ImportProduct> {
    if code.is_absent() && !title.is_absent() {
        found.note("/product_code", "it is needed beside product_title");
    }
    let title = title.value();
    code.value().map(|code| ImportProduct { code, title })
}

fn check_price(
    found: &mut Violations,
    currency: &Field<Currency>,
    amount_minor: &Field<i64>,
) -> Option<Money> {
    match (currency, amount_minor) {
        (Field::Given(currency), Field::Given(amount_minor)) => {
            check_amount(found, "/amount_minor", *amount_minor)
                .map(|amount_minor| Money::new(amount_minor, *currency))
        }
        (Field::Absent, Field::Given(_) | Field::Wrong) => {
            found.note("/currency", "it is needed beside amount_minor");
            None
        }
        (Field::Given(_) | Field::Wrong, Field::Absent) => {
            found.note("/amount_minor", "it is needed beside currency");
            None
        }
        (Field::Absent, Field::Absent)
        | (Field::Wrong, Field::Given(_) | Field::Wrong)
        | (Field::Given(_), Field::Wrong) => None,
    }
}

fn check_stock(
    found: &mut Violations,
    location: Field<Location>,
    on_hand: &Field<i64>,
    buckets: &Field<i64>,
) -> Option<ImportStock> {
    match on_hand {
        Field::Given(units) => {
            let requested = RequestedStock {
                on_hand: *units,
                buckets: match buckets {
                    Field::Given(count) => Some(*count),
                    Field::Absent | Field::Wrong => None,
                },
            };
            let setting = check_setting(found, requested)?;
            let location = location.value().unwrap_or_else(Location::main);
            Some(ImportStock { location, setting })
        }
        Field::Absent if !location.is_absent() || !buckets.is_absent() => {
            found.note("/on_hand", "it is needed beside location and buckets");
            None
        }
        Field::Absent | Field::Wrong => None,
    }
}

impl Serialize for ImportFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = &self.fields else {
            return serializer.serialize_unit();
        };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ImportFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

struct RowVisitor;

macro_rules! no_object {
    ($($visit:ident: $of:ty),*) => {
        $(fn $visit<E>(self, _value: $of) -> Result<ImportFields, E> {
            Ok(ImportFields::default())
        })*
    };
}

impl<'de> Visitor<'de> for RowVisitor {
    type Value = ImportFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ImportFields, A::Error> {
        let mut fields = Vec::with_capacity(IMPORT_COLUMNS.len());
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(ImportFields::new(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ImportFields, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ImportFields::default())
    }

    fn visit_unit<E>(self) -> Result<ImportFields, E> {
        Ok(ImportFields::default())
    }

    no_object!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(json: &str) -> Result<ImportRow, Vec<Violation>> {
        serde_json::from_str::<ImportFields>(json).unwrap().check()
    }

    fn wrong(json: &str) -> Vec<(String, String)> {
        check(json)
            .unwrap_err()
            .into_iter()
            .map(|violation| (violation.pointer, violation.reason))
            .collect()
    }

    #[test]
    fn a_full_and_a_short_row_are_read() {
        let full = check(
            r#"{"product_code":"TEA","product_title":"Tea","sku":"TEA-1","title":"Tea, 1 kg",
                "tax_category":"reduced","currency":"EUR","amount_minor":1299,
                "location":"berlin","on_hand":40,"buckets":4}"#,
        )
        .unwrap();
        assert_eq!(full.price, Some(Money::new(1299, "EUR".parse().unwrap())));
        assert_eq!(full.stock.unwrap().location.as_str(), "berlin");
        let short = check(r#"{"sku":"TEA-1","title":"Tea","currency":null}"#).unwrap();
        assert_eq!(
            (short.product, short.price, short.stock),
            (None, None, None)
        );
        let stocked = check(r#"{"sku":"TEA-1","title":"Tea","on_hand":1}"#).unwrap();
        assert_eq!(stocked.stock.unwrap().location, Location::main());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let pointers = |json: &str| {
            wrong(json)
                .into_iter()
                .map(|(pointer, _)| pointer)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            pointers(
                r#"{"colour":"x","title":"","product_title":"P","tax_category":"X","currency":"EURO",
                    "amount_minor":"12","location":"Berlin","on_hand":-1,"buckets":0}"#
            ),
            [
                "/colour",
                "/sku",
                "/title",
                "/currency",
                "/amount_minor",
                "/location",
                "/tax_category",
                "/product_code",
                "/on_hand",
                "/buckets"
            ]
        );
        assert_eq!(
            pointers(r#"{"sku":"A","title":"A","amount_minor":1,"location":"main"}"#),
            ["/currency", "/on_hand"]
        );
        assert_eq!(
            pointers(r#"{"sku":"A","title":"A","currency":"EUR"}"#),
            ["/amount_minor"]
        );
    }

    #[test]
    fn doubled_fields_and_what_is_no_object_are_refused() {
        assert_eq!(
            wrong(r#"{"sku":"A","title":"A","sku":"B"}"#),
            [("/sku".to_owned(), "the field occurs twice".to_owned())]
        );
        for json in ["1", "-1", "1.5", "null", "true", "\"x\"", "[[1]]"] {
            assert_eq!(
                wrong(json),
                [(String::new(), "an object is wanted".to_owned())],
                "{json}"
            );
        }
        // A price is never rounded.
        assert_eq!(
            wrong(r#"{"sku":"A","title":"A","currency":"EUR","amount_minor":12.5}"#).len(),
            1
        );
    }

    proptest! {
        #[test]
        fn any_row_is_read_or_refused_with_reasons(
            fields in proptest::collection::vec((0_usize..11, "\\PC{0,6}|-?[0-9]{1,12}"), 0..8)
        ) {
            let fields = fields.into_iter().map(|(column, text)| {
                let (name, integer) = IMPORT_COLUMNS.get(column).copied().unwrap_or(("other", false));
                let value = text.parse::<i64>().ok().filter(|_| integer)
                    .map_or(Value::from(text), Value::from);
                (name.to_owned(), value)
            }).collect();
            let row = ImportFields::new(fields);
            if let Err(violations) = row.check() {
                prop_assert!(!violations.is_empty());
                prop_assert!(violations.iter().all(|v| !v.reason.is_empty()));
            }
        }
    }
}
