//! The limiter's question and answer as texts, between a worker and the Durable Object that keeps the
//! states.

use souk_policy::gcra::{Rule, Verdict};
use souk_policy::limit::{Charge, LimitQuestion, Silence, decide_charges};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lines: the cost, then for each charge interval, burst and key, separated by blanks.
pub(crate) fn question_text(question: &LimitQuestion) -> String {
    let mut text = question.cost.to_string();
    for charge in &question.charges {
        let (interval_us, burst) = (charge.rule.interval_us(), charge.rule.burst());
        let _infallible = write!(text, "\n{interval_us} {burst} {}", charge.key);
    }
    text
}

fn parse_question(limiter: &str, text: &str) -> Option<LimitQuestion> {
    let mut lines = text.split('\n');
    let cost = lines.next()?.parse().ok()?;
    let charges = lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let interval_us = words.next()?.parse().ok()?;
            let rule = Rule::new(interval_us, words.next()?.parse().ok()?).ok()?;
            let key = words.next()?.to_owned();
            Some(Charge {
                name: "",
                key,
                rule,
            })
        })
        .collect::<Option<_>>()?;
    Some(LimitQuestion {
        limiter: limiter.to_owned(),
        charges,
        cost,
        silence: Silence::Passes,
    })
}

/// A line for each verdict: whether it is allowed, the state to keep, what remains, microseconds until
/// the burst is full and, where it is refused, until it is not.
fn answer_text(verdicts: &[Verdict]) -> String {
    let lines: Vec<String> = verdicts
        .iter()
        .map(|verdict| {
            let retry = verdict
                .retry_us
                .map_or_else(String::new, |us| us.to_string());
            format!(
                "{} {} {} {} {retry}",
                u8::from(verdict.allowed),
                verdict.tat_us,
                verdict.remaining,
                verdict.reset_us
            )
        })
        .collect();
    lines.join("\n")
}

pub(crate) fn parse_answer(text: &str) -> Option<Vec<Verdict>> {
    text.split('\n')
        .map(|line| {
            let mut words = line.split(' ');
            Some(Verdict {
                allowed: words.next()? == "1",
                tat_us: words.next()?.parse().ok()?,
                remaining: words.next()?.parse().ok()?,
                reset_us: words.next()?.parse().ok()?,
                retry_us: words.next()?.parse().ok(),
            })
        })
        .collect()
}

/// The Durable Object's part: decides `question` from `states`, one for each of its charges and empty
/// where there is none, at `now_us`. Empty where the question has another form.
pub(crate) fn decide_text(question: &str, states: &str, now_us: u64) -> String {
    let Some(question) = parse_question("", question) else {
        return String::new();
    };
    let kept: BTreeMap<&str, u64> = question
        .charges
        .iter()
        .zip(states.split('\n'))
        .filter_map(|(charge, state)| Some((charge.key.as_str(), state.parse().ok()?)))
        .collect();
    answer_text(&decide_charges(&question, now_us, |key| {
        kept.get(key).copied()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use souk_policy::limit_states::States;

    fn question(cost: u32) -> LimitQuestion {
        let charge = |name, key: &str, interval_us, burst| Charge {
            name,
            key: key.to_owned(),
            rule: Rule::new(interval_us, burst).unwrap(),
        };
        LimitQuestion {
            limiter: "ten_1".to_owned(),
            charges: vec![
                charge("tenant", "tenant", 1_000, 50),
                charge("key", "key:es|a b", 10_000, 2),
            ],
            cost,
            silence: Silence::IsDecidedHere,
        }
    }

    #[test]
    fn the_object_says_what_the_worker_would() {
        let mut states = States::new();
        let (mut tenant, mut key) = (String::new(), String::new());
        for step in 0..200_u64 {
            let now_us = 1_763_700_000_000_000 + step * 1_500;
            let question = question(1);
            let kept = format!("{tenant}\n{key}");
            let told =
                parse_answer(&decide_text(&question_text(&question), &kept, now_us)).unwrap();
            assert_eq!(told, states.decide(&question, now_us));
            tenant = told[0].tat_us.to_string();
            key = told[1].tat_us.to_string();
        }
    }

    #[test]
    fn who_is_refused_by_one_limit_uses_up_no_other() {
        let mut states = States::new();
        let mut refused = 0;
        for _ in 0..100 {
            let verdicts = states.decide(&question(1), 5);
            refused += u32::from(!verdicts[1].allowed);
            assert_eq!(
                verdicts[0].remaining,
                if refused == 0 { 50 } else { 48 }
                    - u32::from(refused == 0) * (2 - verdicts[1].remaining)
            );
        }
        assert_eq!(refused, 98);
    }

    #[test]
    fn another_form_is_no_question() {
        for bad in ["", "1\n", "1\n0 1 a", "1\n5 5", "x\n5 5 a"] {
            assert_eq!(decide_text(bad, "", 0), "", "{bad:?}");
        }
        assert_eq!(parse_answer(""), None);
    }
}
