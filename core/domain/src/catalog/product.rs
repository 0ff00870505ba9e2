//! Products and their variants.

use super::text::{Attributes, CatalogTextError, Description, ProductCode, Title};
use super::{Violation, Violations};
use crate::pricing::TaxCategory;
use crate::{Sku, Timestamp};
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tax category of a variant for which none is given.
const TAX_CATEGORY_DEFAULT: &str = "standard";

/// Whether something is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogStatus {
    /// It is.
    Active,
    /// It is not, until it is put again; what was ordered of it stays ordered.
    Archived,
}

impl CatalogStatus {
    /// The name, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

impl FromStr for CatalogStatus {
    type Err = CatalogTextError;

    fn from_str(name: &str) -> Result<Self, CatalogTextError> {
        [Self::Active, Self::Archived]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or(CatalogTextError::Status)
    }
}

/// What a shop says of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductContent {
    /// Its name.
    pub title: Title,
    /// More about it.
    pub description: Description,
    /// And what else there is to say.
    pub attributes: Attributes,
}

/// Something that is sold, in one or more variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its code.
    pub code: ProductCode,
    /// What is said of it.
    pub content: ProductContent,
    /// Whether it is offered.
    pub status: CatalogStatus,
    /// Raised by each change, from 1.
    pub version: u64,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a shop says of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantContent {
    /// Its name.
    pub title: Title,
    /// What it is a variant of, if it belongs to a product.
    pub product: Option<ProductCode>,
    /// How it is taxed.
    pub tax_category: TaxCategory,
    /// And what else there is to say.
    pub attributes: Attributes,
}

/// What is ordered: a variant of a product, kept in stock under its own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its code.
    pub sku: Sku,
    /// What is said of it.
    pub content: VariantContent,
    /// Whether it is offered.
    pub status: CatalogStatus,
    /// Raised by each change, from 1.
    pub version: u64,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A product as a request has it: nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedProduct {
    /// See [`ProductContent`].
    pub title: String,
    /// Empty where absent.
    pub description: Option<String>,
    /// None where absent.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl RequestedProduct {
    /// Checks every field.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<ProductContent, Vec<Violation>> {
        let mut found = Violations::default();
        let title = found.take("/title", self.title.parse());
        let description = match self.description {
            Some(text) => found.take("/description", text.parse()),
            None => Some(Description::empty()),
        };
        let attributes = check_attributes(&mut found, self.attributes);
        let content = title.zip(description).zip(attributes);
        found.or(
            content.map(|((title, description), attributes)| ProductContent {
                title,
                description,
                attributes,
            }),
        )
    }
}

/// A variant as a request has it: nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedVariant {
    /// See [`VariantContent`].
    pub title: String,
    /// None where absent.
    pub product_code: Option<String>,
    /// `standard` where absent.
    pub tax_category: Option<String>,
    /// None where absent.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl RequestedVariant {
    /// Checks every field.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<VariantContent, Vec<Violation>> {
        let mut found = Violations::default();
        let title = found.take("/title", self.title.parse());
        let product = self
            .product_code
            .and_then(|code| found.take("/product_code", code.parse()));
        let tax_category = check_tax_category(&mut found, self.tax_category.as_deref());
        let attributes = check_attributes(&mut found, self.attributes);
        let content = title.zip(tax_category).zip(attributes);
        found.or(
            content.map(|((title, tax_category), attributes)| VariantContent {
                title,
                product,
                tax_category,
                attributes,
            }),
        )
    }
}

/// The tax category, or the default one.
pub(super) fn check_tax_category(
    found: &mut Violations,
    name: Option<&str>,
) -> Option<TaxCategory> {
    let name = name.unwrap_or(TAX_CATEGORY_DEFAULT);
    found.take("/tax_category", name.parse())
}

fn check_attributes(
    found: &mut Violations,
    entries: BTreeMap<String, String>,
) -> Option<Attributes> {
    Attributes::new(entries)
        .map_err(|errors| {
            for (name, error) in errors {
                let name = name.map(|name| name.replace('~', "~0").replace('/', "~1"));
                let pointer = name.map_or("/attributes".to_owned(), |name| {
                    format!("/attributes/{name}")
                });
                found.note(pointer, error);
            }
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(violations: &[Violation]) -> Vec<&str> {
        violations.iter().map(|v| v.pointer.as_str()).collect()
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let attributes = BTreeMap::from([("a/b~c".to_owned(), "x".to_owned())]);
        let product = RequestedProduct {
            title: " ".to_owned(),
            description: Some("\0".to_owned()),
            attributes: attributes.clone(),
        };
        assert_eq!(
            pointers(&product.check().unwrap_err()),
            ["/title", "/description", "/attributes/a~1b~0c"]
        );
        let variant = RequestedVariant {
            title: String::new(),
            product_code: Some("a b".to_owned()),
            tax_category: Some("Reduced".to_owned()),
            attributes,
        };
        assert_eq!(
            pointers(&variant.check().unwrap_err()),
            [
                "/title",
                "/product_code",
                "/tax_category",
                "/attributes/a~1b~0c"
            ]
        );
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let variant = RequestedVariant {
            title: "Green tea".to_owned(),
            ..RequestedVariant::default()
        };
        let content = variant.check().unwrap();
        assert_eq!(content.tax_category.as_str(), "standard");
        assert_eq!(content.product, None);
        let product = RequestedProduct {
            title: "Tea".to_owned(),
            ..RequestedProduct::default()
        };
        assert_eq!(product.check().unwrap().description.as_str(), "");
    }

    #[test]
    fn a_status_has_one_name() {
        for status in [CatalogStatus::Active, CatalogStatus::Archived] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!(
            "gone".parse::<CatalogStatus>(),
            Err(CatalogTextError::Status)
        );
    }
}
