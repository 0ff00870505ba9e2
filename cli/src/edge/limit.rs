//! Limits as people write them: `100/s:200`.

use anyhow::{Context as _, Result, ensure};
use souk_app::edge::LimitRow;

/// Periods and their microseconds.
const PERIODS: [(&str, u64); 3] = [("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000)];

/// Reads `100/s:200`: 100 a second in the long run, 200 at once after a rest; without the second number as
/// many at once as in a period. The interval between two is rounded up to whole microseconds.
pub(crate) fn limit(text: &str) -> Result<LimitRow> {
    let form = "a limit is like 100/s:200, 600/min or 50/h:10";
    let (rate, burst) = match text.split_once(':') {
        Some((rate, burst)) => (rate, Some(burst)),
        None => (text, None),
    };
    let (count, period) = rate.split_once('/').context(form)?;
    let count: u64 = count.parse().context(form)?;
    let period = PERIODS.iter().find(|(name, _)| *name == period);
    let (_, period_us) = period.context(form)?;
    ensure!(count > 0, form);
    ensure!(
        count <= *period_us,
        "a limit is at most one in each microsecond"
    );
    let burst = match burst {
        Some(burst) => burst.parse().context(form)?,
        None => u32::try_from(count).context(form)?,
    };
    Ok(LimitRow {
        emission_interval_us: period_us.div_ceil(count),
        burst,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        for (text, emission_interval_us, burst) in [
            ("100/s:200", 10_000, 200),
            ("600/min", 100_000, 600),
            ("7/s:1", 142_858, 1),
            ("1/h", 3_600_000_000, 1),
        ] {
            let expected = LimitRow {
                emission_interval_us,
                burst,
            };
            assert_eq!(limit(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "",
            "100",
            "0/s",
            "-1/s",
            "1/d",
            "1/s:",
            "1/s:x",
            "2000000/s",
            "/s",
            "1.5/s",
        ] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
