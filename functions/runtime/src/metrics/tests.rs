//! The specification's rules, and what a histogram may not do to the values it stands for.
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn document() -> MetricDocument {
    MetricDocument::new("Souk", Timestamp::from_unix_ms(1_795_000_000_123).unwrap())
}

/// What the specification says of a line, each rule by itself.
fn follows_the_specification(line: &str) {
    assert!(line.len() <= DOCUMENT_BYTES_MAX && !line.contains('\n'));
    let root: Value = serde_json::from_str(line).unwrap();
    let root = root.as_object().unwrap();
    assert!(root["_aws"]["Timestamp"].is_i64());
    let directives = root["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    for directive in directives {
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=255).contains(&namespace.len()));
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for set in sets {
            let keys = set.as_array().unwrap();
            assert!(keys.len() <= DIMENSIONS_MAX);
            for key in keys {
                assert!(root[key.as_str().unwrap()].is_string());
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=METRICS_MAX).contains(&metrics.len()));
        let mut names = BTreeSet::new();
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!(names.insert(name) && metric["Unit"].is_string());
            target_is_numeric(&root[name]);
        }
    }
}

fn target_is_numeric(target: &Value) {
    if target.is_u64() {
        return;
    }
    let values = target["Values"].as_array().unwrap();
    let counts = target["Counts"].as_array().unwrap();
    assert_eq!(values.len(), counts.len());
    assert!((1..=VALUES_MAX).contains(&values.len()));
    assert!(values.iter().chain(counts).all(Value::is_u64));
}

#[test]
fn a_document_has_the_published_form() {
    let mut fill = Histogram::default();
    fill.record_many(10, 7);
    fill.record(3);
    let lines = document()
        .dimension("Function", "souk-outbox-relay")
        .property("shard", "a")
        .metric("Published", Unit::Count, 73)
        .histogram("BatchFill", Unit::Count, &fill)
        .lines()
        .unwrap();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    follows_the_specification(line);
    let expected = json!({
        "_aws": {
            "Timestamp": 1_795_000_000_123_i64,
            "CloudWatchMetrics": [{
                "Namespace": "Souk",
                "Dimensions": [["Function"]],
                "Metrics": [
                    { "Name": "Published", "Unit": "Count" },
                    { "Name": "BatchFill", "Unit": "Count" },
                ],
            }],
        },
        "Function": "souk-outbox-relay",
        "shard": "a",
        "Published": 73,
        "BatchFill": { "Values": [3, 10], "Counts": [1, 7], "Min": 3, "Max": 10, "Sum": 73, "Count": 8 },
    });
    assert_eq!(serde_json::from_str::<Value>(line).unwrap(), expected);
}

#[test]
fn without_a_dimension_there_is_one_empty_set() {
    let lines = document().metric("Failed", Unit::Count, 0).lines().unwrap();
    let root: Value = serde_json::from_str(&lines[0]).unwrap();
    follows_the_specification(&lines[0]);
    assert_eq!(
        root["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([[]])
    );
}

#[test]
fn nothing_to_say_is_no_line() {
    let silent = document()
        .dimension("Function", "souk-outbox-relay")
        .histogram("Lag", Unit::Milliseconds, &Histogram::default());
    assert_eq!(silent.lines(), Ok(Vec::new()));
}

/// Names that live as long as the process: metrics have no others.
fn names(count: usize) -> Vec<&'static str> {
    (0..count)
        .map(|n| &*Box::leak(format!("Metric{n}").into_boxed_str()))
        .collect()
}

#[test]
fn more_than_a_hundred_metrics_are_several_documents() {
    for (count, documents) in [(100, 1), (101, 2), (250, 3)] {
        let names = names(count);
        let many = names
            .iter()
            .fold(document().dimension("Function", "f"), |document, name| {
                document.metric(name, Unit::None, 1)
            });
        let lines = many.lines().unwrap();
        assert_eq!(lines.len(), documents);
        for line in &lines {
            follows_the_specification(line);
        }
        let said: BTreeSet<String> = lines
            .iter()
            .flat_map(|line| {
                let root: Value = serde_json::from_str(line).unwrap();
                root.as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect::<Vec<_>>()
            })
            .filter(|name| name.starts_with("Metric"))
            .collect();
        assert_eq!(said.len(), count);
    }
}

#[test]
fn a_document_is_split_before_it_is_too_large_for_a_log_event() {
    let mut wide = Histogram::default();
    for shift in 0..63 {
        wide.record_many((1 << shift) - 1, u64::MAX >> 8);
    }
    let names = names(METRICS_MAX);
    let many = names.iter().fold(document(), |document, name| {
        document.histogram(name, Unit::None, &wide)
    });
    let lines = many.property("note", "x".repeat(100_000)).lines().unwrap();
    assert!(lines.len() > 1);
    for line in &lines {
        follows_the_specification(line);
    }
}

#[test]
fn what_cloudwatch_would_drop_is_an_error() {
    let good = || document().metric("A", Unit::Count, 1);
    let long: &'static str = Box::leak("x".repeat(NAME_CHARS_MAX + 1).into_boxed_str());
    let refused = [
        good().metric("A", Unit::Count, 2),
        good().property("A", 1),
        good().dimension("_aws", "f"),
        good().metric("", Unit::Count, 1),
        good().metric(long, Unit::Count, 1),
        good().dimension("Function", ""),
        good().dimension("Function", "x".repeat(DIMENSION_VALUE_CHARS_MAX + 1)),
        MetricDocument::new("", Timestamp::from_unix_ms(0).unwrap()).metric("A", Unit::Count, 1),
        good().property("note", "x".repeat(DOCUMENT_BYTES_MAX)),
        names(DIMENSIONS_MAX + 1)
            .into_iter()
            .fold(good(), |document, key| document.dimension(key, "v")),
    ];
    for document in refused {
        assert!(document.lines().is_err(), "{document:?}");
    }
    assert!(good().lines().is_ok());
}

proptest! {
    #[test]
    fn a_histogram_keeps_count_and_extremes_and_moves_no_value_far(
        values in prop::collection::vec((any::<u64>(), 0_u32..60), 1..400),
    ) {
        let values: Vec<u64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
        let mut histogram = Histogram::default();
        let (mut even, mut odd) = (Histogram::default(), Histogram::default());
        for (place, value) in values.iter().enumerate() {
            histogram.record(*value);
            if place % 2 == 0 { even.record(*value) } else { odd.record(*value) }
        }
        even.merge(&odd);
        prop_assert_eq!(&even, &histogram);

        let target = histogram.target().unwrap();
        target_is_numeric(&target);
        let number = |value: &Value| value.as_u64().unwrap();
        let (min, max) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        prop_assert_eq!((number(&target["Min"]), number(&target["Max"])), (min, max));
        prop_assert_eq!(histogram.max(), Some(max));
        let said: Vec<u64> = target["Values"].as_array().unwrap().iter().map(number).collect();
        let counts: Vec<u64> = target["Counts"].as_array().unwrap().iter().map(number).collect();
        prop_assert_eq!(counts.iter().sum::<u64>(), u64::try_from(values.len()).unwrap());
        prop_assert!(said.is_sorted() && said.iter().all(|value| (min..=max).contains(value)));
        // In order, each value is told as one that is off by less than half of it.
        let mut told = said.iter().zip(&counts).flat_map(|(value, count)| std::iter::repeat_n(*value, usize::try_from(*count).unwrap()));
        let mut sorted = values.clone();
        sorted.sort_unstable();
        for value in sorted {
            let told = told.next().unwrap();
            prop_assert!(told.abs_diff(value) <= value / 2, "{} as {}", value, told);
        }
    }

    #[test]
    fn few_octaves_are_told_finely(values in prop::collection::vec(16_u64..1000, 1..200)) {
        let mut histogram = Histogram::default();
        for value in &values {
            histogram.record(*value);
        }
        let target = histogram.target().unwrap();
        for value in target["Values"].as_array().unwrap() {
            let told = value.as_u64().unwrap();
            prop_assert!(values.iter().any(|value| told.abs_diff(*value) <= value / 16));
        }
    }
}
