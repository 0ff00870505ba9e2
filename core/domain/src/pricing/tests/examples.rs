//! Numbers checked by hand.

use super::{request, sheet};
use crate::pricing::{NotApplicable, PricingError, Totals, price};
use serde_json::{Value, json};

fn minor(totals: &Totals) -> [i64; 5] {
    [
        totals.subtotal,
        totals.discount,
        totals.shipping,
        totals.tax,
        totals.total,
    ]
    .map(|money| money.amount_minor())
}

fn line_parts(totals: &Totals) -> Vec<(i64, i64)> {
    let parts =
        |line: &crate::pricing::PricedLine| (line.discount.amount_minor(), line.tax.amount_minor());
    totals.lines.iter().map(parts).collect()
}

fn germany(rounding: &str) -> Value {
    json!({
        "prices_include_tax": true,
        "tax_rounding": rounding,
        "tax_rates": [
            {"country": "DE", "category": "standard", "rate_ppm": 190_000},
            {"country": "DE", "category": "reduced", "rate_ppm": 70_000}
        ],
        "discounts": [
            {"name": "ten-percent", "effect": {"type": "percent", "rate_ppm": 100_000}}
        ],
        "shipping_rates": [
            {"country": "DE", "currency": "EUR", "amount_minor": 490, "free_from_minor": 10_000}
        ]
    })
}

/// 3 × 2.50 at 7 % and 59.00 at 19 %, less 10 %, shipping 4.90 at 19 %, all with the tax in it:
/// 6.75 × 7/107 = 0.4416, 53.10 × 19/119 = 8.478, 4.90 × 19/119 = 0.782.
#[test]
fn germany_has_the_tax_in_its_prices() {
    for rounding in ["line", "order"] {
        let skus = [("TEA", 250, "reduced"), ("POT", 5_900, "standard")];
        let sheet = sheet("EUR", &germany(rounding), &skus);
        let request = request("EUR", &[("TEA", 3), ("POT", 1)], "DE", &[]);
        let totals = price(&request, &sheet).unwrap();
        assert_eq!(minor(&totals), [6_650, 665, 490, 970, 6_475], "{rounding}");
        assert_eq!(line_parts(&totals), [(75, 44), (590, 848)], "{rounding}");
        let shipping = totals.breakdown.shipping.unwrap();
        assert_eq!(shipping.tax.amount_minor(), 78, "{rounding}");
        let taxes: Vec<(u32, i64, i64)> = totals
            .breakdown
            .taxes
            .iter()
            .map(|part| {
                (
                    part.rate_ppm,
                    part.base.amount_minor(),
                    part.amount.amount_minor(),
                )
            })
            .collect();
        assert_eq!(
            taxes,
            [(70_000, 631, 44), (190_000, 4_874, 926)],
            "{rounding}"
        );
    }
}

#[test]
fn shipping_is_free_from_a_subtotal_before_discounts() {
    let sheet = sheet("EUR", &germany("line"), &[("POT", 5_000, "standard")]);
    let two = price(&request("EUR", &[("POT", 2)], "DE", &[]), &sheet).unwrap();
    assert_eq!(minor(&two), [10_000, 1_000, 0, 1_437, 9_000]);
    let one = price(&request("EUR", &[("POT", 1)], "DE", &[]), &sheet).unwrap();
    assert_eq!(one.shipping.amount_minor(), 490);
}

/// 100.00 × 8.1/108.1 = 7.4931, 12.35 × 2.6/102.6 = 0.3130.
#[test]
fn switzerland_has_rates_with_a_decimal() {
    let rules = json!({"tax_rates": [
        {"country": "CH", "category": "standard", "rate_ppm": 81_000},
        {"country": "CH", "category": "reduced", "rate_ppm": 26_000}
    ]});
    let skus = [("WATCH", 10_000, "standard"), ("TEA", 1_235, "reduced")];
    let sheet = sheet("CHF", &rules, &skus);
    let totals = price(
        &request("CHF", &[("WATCH", 1), ("TEA", 1)], "CH", &[]),
        &sheet,
    )
    .unwrap();
    assert_eq!(minor(&totals), [11_235, 0, 0, 780, 11_235]);
    assert_eq!(line_parts(&totals), [(0, 749), (0, 31)]);
    assert!(totals.tax_included);
}

/// Three times 15 yen at 10 %: 1.5 each, to even 2, makes 6; 4.5 over the order, to even 4.
#[test]
fn japan_shows_what_the_rounding_rule_does() {
    for (rounding, tax, lines) in [("line", 6, [2, 2, 2]), ("order", 4, [2, 1, 1])] {
        let rules = json!({
            "prices_include_tax": false,
            "tax_rounding": rounding,
            "tax_rates": [{"country": "JP", "category": "standard", "rate_ppm": 100_000}]
        });
        let skus = [
            ("A", 15, "standard"),
            ("B", 15, "standard"),
            ("C", 15, "standard"),
        ];
        let sheet = sheet("JPY", &rules, &skus);
        let request = request("JPY", &[("A", 1), ("B", 1), ("C", 1)], "JP", &[]);
        let totals = price(&request, &sheet).unwrap();
        assert_eq!(minor(&totals), [45, 0, 0, tax, 45 + tax], "{rounding}");
        let taxes: Vec<i64> = totals.lines.iter().map(|l| l.tax.amount_minor()).collect();
        assert_eq!(taxes, lines, "{rounding}");
    }
}

/// 19.99 × 7.25 % = 1.4493 on top; groceries and shipping are exempt.
#[test]
fn a_sales_tax_is_added() {
    let rules = json!({
        "prices_include_tax": false,
        "tax_rates": [
            {"country": "US", "category": "standard", "rate_ppm": 72_500},
            {"country": "US", "category": "exempt", "rate_ppm": 0}
        ],
        "shipping_rates": [
            {"country": "US", "currency": "USD", "amount_minor": 500, "tax_category": "exempt"}
        ]
    });
    let skus = [("BOOK", 1_999, "standard"), ("BREAD", 350, "exempt")];
    let sheet = sheet("USD", &rules, &skus);
    let totals = price(
        &request("USD", &[("BOOK", 1), ("BREAD", 1)], "US", &[]),
        &sheet,
    )
    .unwrap();
    assert_eq!(minor(&totals), [2_349, 0, 500, 145, 2_994]);
    assert_eq!(line_parts(&totals), [(0, 145), (0, 0)]);
    assert!(!totals.tax_included);
}

/// 7 units of 2.50 make two sets of three: two are free. 5.00 over 10.00 and 7.50 is 2.857 and 2.143.
#[test]
fn buy_two_get_one_counts_over_lines() {
    let rules = json!({"discounts": [{
        "name": "three-for-two",
        "effect": {"type": "buy_get", "sku": "TEA", "buy": 2, "get": 1}
    }]});
    let skus = [("TEA", 250, "standard"), ("POT", 5_900, "standard")];
    let sheet = sheet("EUR", &rules, &skus);
    let lines = [("TEA", 4), ("POT", 1), ("TEA", 3)];
    let totals = price(&request("EUR", &lines, "", &[]), &sheet).unwrap();
    assert_eq!(minor(&totals), [7_650, 500, 0, 0, 7_150]);
    assert_eq!(line_parts(&totals), [(286, 0), (0, 0), (214, 0)]);
    let two = price(&request("EUR", &[("TEA", 2)], "", &[]), &sheet).unwrap();
    assert_eq!(two.discount.amount_minor(), 0);
}

fn shop() -> Value {
    json!({"discounts": [
        {"name": "early", "code": "EARLY", "valid_from": "2026-11-21T08:00:00.000001Z",
         "effect": {"type": "percent", "rate_ppm": 1}},
        {"name": "late", "code": "LATE", "valid_until": "2026-11-21T08:00:00Z",
         "effect": {"type": "percent", "rate_ppm": 1}},
        {"name": "big", "code": "BIG",
         "minimum_subtotal": [{"amount_minor": 1_001, "currency": "EUR"}],
         "effect": {"type": "percent", "rate_ppm": 500_000}},
        {"name": "dollars", "code": "DOLLARS",
         "effect": {"type": "amount", "amounts": [{"amount_minor": 1, "currency": "USD"}]}},
        {"name": "pots", "code": "POTS",
         "effect": {"type": "buy_get", "sku": "POT", "buy": 1, "get": 1}},
        {"name": "tiny", "code": "TINY", "effect": {"type": "percent", "rate_ppm": 1}},
        {"name": "alone", "code": "ALONE", "combines": false, "priority": -1,
         "effect": {"type": "amount", "amounts": [{"amount_minor": 300, "currency": "EUR"}]}},
        {"name": "five-off", "code": "FIVE", "priority": 2,
         "effect": {"type": "amount", "amounts": [{"amount_minor": 500, "currency": "EUR"}]}},
        {"name": "half", "code": "HALF", "priority": 1,
         "effect": {"type": "percent", "rate_ppm": 500_000}}
    ]})
}

#[test]
fn a_code_that_does_not_apply_is_named_with_the_reason() {
    let sheet = sheet("EUR", &shop(), &[("TEA", 250, "standard")]);
    let ask = |codes: &[&str]| price(&request("EUR", &[("TEA", 4)], "", codes), &sheet);
    let not_combinable = NotApplicable::NotCombinable {
        with: "half".parse().unwrap(),
    };
    for (codes, code, reason) in [
        (&["EARLY"][..], "EARLY", NotApplicable::NotYet),
        (&["LATE"], "LATE", NotApplicable::Over),
        (&["BIG"], "BIG", NotApplicable::BelowMinimum),
        (&["DOLLARS"], "DOLLARS", NotApplicable::OtherCurrency),
        (&["POTS"], "POTS", NotApplicable::TooFewUnits),
        (&["TINY"], "TINY", NotApplicable::TakesNothing),
        (&["ALONE", "HALF"], "ALONE", not_combinable),
    ] {
        let code = code.parse().unwrap();
        let expected = PricingError::DiscountCodeNotApplicable { code, reason };
        assert_eq!(ask(codes), Err(expected), "{codes:?}");
    }
    let code = "half".parse().unwrap();
    assert_eq!(
        ask(&["half"]),
        Err(PricingError::UnknownDiscountCode { code })
    );
    assert_eq!(ask(&["ALONE"]).unwrap().discount.amount_minor(), 300);
    assert_eq!(ask(&[]).unwrap().discount.amount_minor(), 0);
}

/// 10.00 - 5.00, then half of the 5.00 left.
#[test]
fn discounts_follow_each_other_by_priority() {
    let sheet = sheet("EUR", &shop(), &[("TEA", 250, "standard")]);
    for codes in [["HALF", "FIVE"], ["FIVE", "HALF"]] {
        let totals = price(&request("EUR", &[("TEA", 4)], "", &codes), &sheet).unwrap();
        assert_eq!(minor(&totals), [1_000, 750, 0, 0, 250]);
        let applied: Vec<(&str, i64)> = totals
            .breakdown
            .discounts
            .iter()
            .map(|d| (d.name.as_str(), d.amount.amount_minor()))
            .collect();
        assert_eq!(applied, [("five-off", 500), ("half", 250)]);
    }
}

#[test]
fn a_discount_takes_no_more_than_there_is() {
    let sheet = sheet("EUR", &shop(), &[("TEA", 250, "standard")]);
    let totals = price(&request("EUR", &[("TEA", 1)], "", &["FIVE"]), &sheet).unwrap();
    assert_eq!(minor(&totals), [250, 250, 0, 0, 0]);
}

#[test]
fn what_cannot_be_priced_is_said() {
    let sheet = sheet(
        "EUR",
        &germany("line"),
        &[("TEA", 250, "reduced"), ("GIN", 1, "spirits")],
    );
    let ask = |sku, country| price(&request("EUR", &[(sku, 1)], country, &[]), &sheet);
    assert_eq!(ask("TEA", ""), Err(PricingError::CountryMissing));
    let (at, de) = ("AT".parse().unwrap(), "DE".parse().unwrap());
    let category = |name: &str| name.parse().unwrap();
    let not_taxed = PricingError::NotTaxed {
        country: at,
        category: category("reduced"),
    };
    assert_eq!(ask("TEA", "AT"), Err(not_taxed));
    let not_taxed = PricingError::NotTaxed {
        country: de,
        category: category("spirits"),
    };
    assert_eq!(ask("GIN", "DE"), Err(not_taxed));
    let (sku, currency) = ("POT".parse().unwrap(), "EUR".parse().unwrap());
    assert_eq!(
        ask("POT", "DE"),
        Err(PricingError::NotSold { sku, currency })
    );
}

#[test]
fn a_country_without_shipping_is_refused() {
    let rules = json!({"shipping_rates": [
        {"country": "DE", "currency": "EUR", "amount_minor": 490}
    ]});
    let sheet = sheet("EUR", &rules, &[("TEA", 250, "standard")]);
    let ask = |country| price(&request("EUR", &[("TEA", 1)], country, &[]), &sheet);
    assert_eq!(minor(&ask("DE").unwrap()), [250, 0, 490, 0, 740]);
    assert_eq!(ask(""), Err(PricingError::CountryMissing));
    let (country, currency) = ("FR".parse().unwrap(), "EUR".parse().unwrap());
    assert_eq!(
        ask("FR"),
        Err(PricingError::NotShipped { country, currency })
    );
}

#[test]
fn what_does_not_fit_is_an_error() {
    let sheet = sheet(
        "EUR",
        &json!({}),
        &[("A", i64::MAX, "standard"), ("B", 1, "standard")],
    );
    let ask = |lines: &[(&str, u32)]| price(&request("EUR", lines, "", &[]), &sheet);
    assert_eq!(ask(&[("A", 1)]).unwrap().total.amount_minor(), i64::MAX);
    assert_eq!(ask(&[("A", 2)]), Err(PricingError::TotalTooLarge));
    assert_eq!(ask(&[("A", 1), ("B", 1)]), Err(PricingError::TotalTooLarge));
}
