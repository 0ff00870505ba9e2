//! Which rows of an import can be applied, and what they come to together.

use souk_domain::catalog::{
    BelowReserved, CatalogStatus, ImportFields, ImportRow, Location, PriceSchedule, ProductCode,
    Restocked, StockCell, Title, Violation,
};
use souk_domain::{Currency, Sku};
use souk_postgres::catalog_imports::ImportedSku;
use std::collections::{BTreeMap, BTreeSet};

/// Something wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRejection {
    /// Which row, from 0.
    pub row: usize,
    /// What is wrong; the pointer points into the row.
    pub violation: Violation,
}

/// Rows that are well-formed, with their numbers, and what is wrong with the others.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) rows: Vec<(usize, ImportRow)>,
    pub(crate) rejected: Vec<RowRejection>,
}

impl Checked {
    pub(crate) fn new(rows: Vec<ImportFields>) -> Self {
        let mut checked = Self::default();
        for (number, fields) in rows.into_iter().enumerate() {
            match fields.check() {
                Ok(row) => checked.rows.push((number, row)),
                Err(violations) => {
                    let reasons = violations.into_iter().map(|violation| RowRejection {
                        row: number,
                        violation,
                    });
                    checked.rejected.extend(reasons);
                }
            }
        }
        checked
    }

    pub(crate) fn product_codes(&self) -> BTreeSet<&ProductCode> {
        let products = self.rows.iter().filter_map(|(_, row)| row.product.as_ref());
        products.map(|product| &product.code).collect()
    }

    pub(crate) fn skus(&self) -> BTreeSet<&Sku> {
        self.rows.iter().map(|(_, row)| &row.sku).collect()
    }

    pub(crate) fn places(&self) -> BTreeSet<(Sku, Location)> {
        let places = self.rows.iter().filter_map(|(_, row)| {
            let stock = row.stock.as_ref()?;
            Some((row.sku.clone(), stock.location.clone()))
        });
        places.collect()
    }

    /// Rejects what does not go with what is there: fewer units than orders hold, and variants of
    /// products that neither are offered nor come with the import. A row is applied as a whole or not
    /// at all.
    pub(crate) fn against(
        mut self,
        products: &BTreeMap<ProductCode, CatalogStatus>,
        cells: &BTreeMap<(Sku, Location), Vec<StockCell>>,
    ) -> Self {
        let rejected = &mut self.rejected;
        let mut reject = |row: usize, pointer: &str, reason: String| {
            let pointer = pointer.to_owned();
            let violation = Violation { pointer, reason };
            rejected.push(RowRejection { row, violation });
        };
        self.rows.retain(|(number, row)| match restock(row, cells) {
            Some((_, Err(refused))) => {
                reject(*number, "/on_hand", refused.to_string());
                false
            }
            Some((_, Ok(_))) | None => true,
        });
        // Titles of rejected rows make no product.
        let titled: BTreeSet<ProductCode> = titles(&self.rows).into_keys().cloned().collect();
        self.rows.retain(|(number, row)| {
            let Some(product) = &row.product else {
                return true;
            };
            let reason = match products.get(&product.code) {
                _ if titled.contains(&product.code) => return true,
                Some(CatalogStatus::Active) => return true,
                Some(CatalogStatus::Archived) => "the product is archived",
                None => "there is no such product: give its product_title",
            };
            reject(*number, "/product_code", reason.to_owned());
            false
        });
        self.rejected.sort_by_key(|rejection| rejection.row);
        self
    }
}

/// Titles of products; of several rows, the last counts. So it is with all that follows.
pub(crate) fn titles(rows: &[(usize, ImportRow)]) -> BTreeMap<&ProductCode, &Title> {
    let products = rows.iter().filter_map(|(_, row)| row.product.as_ref());
    products
        .filter_map(|product| Some((&product.code, product.title.as_ref()?)))
        .collect()
}

pub(crate) fn variants(rows: &[(usize, ImportRow)]) -> BTreeMap<&Sku, ImportedSku<'_>> {
    let mut variants: BTreeMap<&Sku, ImportedSku<'_>> = BTreeMap::new();
    for (_, row) in rows {
        let product = row.product.as_ref().map(|product| &product.code);
        let tax_category = row.tax_category.as_ref();
        // What this row leaves out stays as an earlier one has it.
        let before = variants.get(&row.sku).copied();
        let variant = ImportedSku {
            title: &row.title,
            product: product.or(before.and_then(|before| before.product)),
            tax_category: tax_category.or(before.and_then(|before| before.tax_category)),
        };
        variants.insert(&row.sku, variant);
    }
    variants
}

pub(crate) fn schedules(
    rows: &[(usize, ImportRow)],
) -> BTreeMap<(&Sku, &'static str), PriceSchedule> {
    let key = |sku, currency: Currency| (sku, currency.code());
    rows.iter()
        .filter_map(|(_, row)| {
            let price = row.price?;
            Some((
                key(&row.sku, price.currency()),
                PriceSchedule::constant(price),
            ))
        })
        .collect()
}

pub(crate) fn restocked(
    rows: &[(usize, ImportRow)],
    cells: &BTreeMap<(Sku, Location), Vec<StockCell>>,
) -> BTreeMap<(Sku, Location), Restocked> {
    let counted = rows.iter().filter_map(|(_, row)| restock(row, cells));
    counted
        .filter_map(|(place, restocked)| Some((place, restocked.ok()?)))
        .collect()
}

type Counted = ((Sku, Location), Result<Restocked, BelowReserved>);

fn restock(row: &ImportRow, cells: &BTreeMap<(Sku, Location), Vec<StockCell>>) -> Option<Counted> {
    let stock = row.stock.as_ref()?;
    let place = (row.sku.clone(), stock.location.clone());
    let before = cells.get(&place).map_or(&[][..], Vec::as_slice);
    let restocked = stock.setting.apply(before);
    Some((place, restocked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(rows: Value) -> Checked {
        Checked::new(serde_json::from_value(rows).unwrap())
    }

    fn rejected(checked: &Checked) -> Vec<(usize, &str)> {
        let rejected = checked.rejected.iter();
        rejected
            .map(|rejection| (rejection.row, rejection.violation.pointer.as_str()))
            .collect()
    }

    #[test]
    fn the_last_row_of_a_sku_counts_and_keeps_what_it_leaves_out() {
        let rows = checked(json!([
            { "sku": "A", "title": "one", "product_code": "P", "product_title": "P1",
              "tax_category": "reduced", "currency": "EUR", "amount_minor": 1, "on_hand": 1 },
            { "sku": "A", "title": "two", "currency": "USD", "amount_minor": 2, "on_hand": 7 },
            { "sku": "B", "title": "b", "product_code": "P", "product_title": "P2" },
        ]))
        .rows;
        let variants = variants(&rows);
        let a = variants[&"A".parse::<Sku>().unwrap()];
        assert_eq!(a.title.as_str(), "two");
        assert_eq!(a.product.unwrap().as_str(), "P");
        assert_eq!(a.tax_category.unwrap().as_str(), "reduced");
        assert_eq!(titles(&rows).values().next().unwrap().as_str(), "P2");
        assert_eq!(schedules(&rows).len(), 2);
        let stock = restocked(&rows, &BTreeMap::new());
        let units: Vec<u64> = stock.values().map(|r| r.cells[0].available).collect();
        assert_eq!(units, [7]);
    }

    #[test]
    fn a_row_that_is_refused_for_its_stock_makes_no_product() {
        let held = StockCell {
            bucket: 0,
            available: 0,
            reserved: 5,
            sold: 0,
        };
        let place = ("A".parse().unwrap(), Location::main());
        let cells = BTreeMap::from([(place, vec![held])]);
        let rows = checked(json!([
            { "sku": "A", "title": "a", "product_code": "NEW", "product_title": "New", "on_hand": 4 },
            { "sku": "B", "title": "b", "product_code": "NEW" },
            { "sku": "C", "title": "c", "product_code": "OLD" },
            { "sku": "D", "title": "d", "product_code": "GONE" },
            { "sku": "", "title": "e" },
            { "sku": "A", "title": "a", "on_hand": 5 },
        ]));
        let products = BTreeMap::from([
            ("OLD".parse().unwrap(), CatalogStatus::Active),
            ("GONE".parse().unwrap(), CatalogStatus::Archived),
        ]);
        let rows = rows.against(&products, &cells);
        assert_eq!(
            rejected(&rows),
            [
                (0, "/on_hand"),
                (1, "/product_code"),
                (3, "/product_code"),
                (4, "/sku")
            ]
        );
        let kept: Vec<usize> = rows.rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(kept, [2, 5]);
    }
}
