//! Totals as a picture: a group of bars for each number of orders, as long as the logarithm of what it
//! costs.

use super::model::Model;
use anyhow::Result;
use std::fmt::Write as _;

const BAR: usize = 16;
const GAP: usize = 22;
const LEFT: usize = 190;
const WIDTH: usize = 900;
/// Pixels for each doubling.
const DOUBLING: u128 = 30;
const COLOURS: [&str; 4] = ["#999999", "#4c9f70", "#3b6ea5", "#c8553d"];

/// Draws `profiles` at `scales`.
pub(super) fn draw(model: &Model, profiles: &[String], scales: &[u64]) -> Result<String> {
    let mut bars = String::new();
    let mut y = GAP.saturating_mul(2);
    for orders in scales {
        writeln!(
            bars,
            "<text x=\"8\" y=\"{}\">{orders} orders a month</text>",
            y.saturating_add(BAR)
        )?;
        for (profile, colour) in profiles.iter().zip(COLOURS.iter().cycle()) {
            let total = model.cost(profile, *orders)?.total;
            let length = length(total.hundredths());
            let text_y = y.saturating_add(12);
            let end = u128::try_from(LEFT)?
                .saturating_add(length)
                .saturating_add(6);
            writeln!(
                bars,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"{BAR}\" fill=\"{colour}\"/><text x=\"{end}\" y=\"{text_y}\">{} {} {profile}</text>",
                total.cents(),
                model.currency,
            )?;
            y = y.saturating_add(BAR).saturating_add(2);
        }
        y = y.saturating_add(GAP);
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <text x=\"8\" y=\"20\" font-size=\"14\">What a month costs, by list prices of {} in {}; a bar's length is a logarithm</text>\n{bars}</svg>\n",
        model.as_of, model.region
    ))
}

/// Pixels for a number of hundredths: the logarithm to base 2, straight between powers.
fn length(hundredths: u128) -> u128 {
    let Some(power) = hundredths.checked_ilog2() else {
        return 0;
    };
    let base = 1_u128.checked_shl(power).unwrap_or(u128::MAX);
    let beyond = hundredths
        .saturating_sub(base)
        .saturating_mul(DOUBLING)
        .checked_div(base)
        .unwrap_or_default();
    u128::from(power)
        .saturating_mul(DOUBLING)
        .saturating_add(beyond)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::{MODEL, SCALES};
    use super::*;

    #[test]
    fn more_is_longer_and_every_bar_has_its_number() {
        assert_eq!(length(0), 0);
        let lengths: Vec<_> = [1, 2, 3, 4, 100, 1_000_000]
            .into_iter()
            .map(length)
            .collect();
        assert!(
            lengths.is_sorted() && lengths.last() < Some(&700),
            "{lengths:?}"
        );
        let model = Model::parse(MODEL).unwrap();
        let profiles = model.profiles(None).unwrap();
        let svg = draw(&model, &profiles, &SCALES).unwrap();
        assert_eq!(svg.matches("<rect").count(), profiles.len() * SCALES.len());
    }
}
