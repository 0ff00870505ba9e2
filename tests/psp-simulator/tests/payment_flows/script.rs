//! What happens in a flow, drawn from its seed.

use fastrand::Rng;
use souk_app::Once;
use souk_domain::payment::CaptureMethod;
use souk_domain::{IdempotencyKey, RequestFingerprint};
use souk_psp_simulator::{CallRates, Faults};

/// What a client wants.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Create {
        capture_method: CaptureMethod,
        token: Option<&'static str>,
        confirm: bool,
    },
    Confirm(&'static str),
    Capture {
        amount: Option<i64>,
        is_final: bool,
    },
    Cancel,
    Refund(Option<i64>),
    CancelOrder,
}

/// What happens next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    One(Command),
    /// At the same time.
    Both(Command, Command),
    Sweep,
    Webhooks,
    /// The customer does what the bank wants, or fails at it.
    Action {
        well: bool,
    },
    TimePasses {
        ms: i64,
    },
    /// The customer goes to the bank.
    Dispute,
}

pub(crate) fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

fn token(rng: &mut Rng) -> &'static str {
    match rng.u8(..100) {
        0..72 => "pm_card_visa",
        72..80 => "pm_card_chargeDeclined",
        80..84 => "pm_card_chargeDeclinedInsufficientFunds",
        84..90 => "pm_card_authenticationRequired",
        90..94 => "pm_usBankAccount",
        94..96 => "pm_usBankAccount_insufficientFunds",
        96..98 => "pm_card_createDispute",
        _ => "pm_missing",
    }
}

fn part(rng: &mut Rng) -> Option<i64> {
    rng.bool().then(|| rng.i64(1..=1_600))
}

fn command(rng: &mut Rng) -> Command {
    match rng.u8(..100) {
        0..8 => create(rng),
        8..35 => Command::Confirm(token(rng)),
        35..62 => Command::Capture {
            amount: part(rng),
            is_final: rng.u8(..10) < 6,
        },
        62..72 => Command::Cancel,
        72..95 => Command::Refund(part(rng)),
        _ => Command::CancelOrder,
    }
}

fn create(rng: &mut Rng) -> Command {
    let capture_method = if rng.bool() {
        CaptureMethod::Automatic
    } else {
        CaptureMethod::Manual
    };
    let confirm = rng.u8(..10) < 7;
    let token = (confirm || rng.bool()).then(|| token(rng));
    Command::Create {
        capture_method,
        token,
        confirm,
    }
}

fn time_passes(rng: &mut Rng) -> Step {
    let minute = 60_000;
    let ms = match rng.u8(..100) {
        0..50 => rng.i64(1..=5_000),
        50..80 => rng.i64(minute..=10 * minute),
        80..92 => rng.i64(60 * minute..=6 * 60 * minute),
        92..98 => rng.i64(23 * 60 * minute..=26 * 60 * minute),
        _ => 8 * 24 * 60 * minute,
    };
    Step::TimePasses { ms }
}

/// The script of a seed: the intent first, then a few of everything.
pub(crate) fn script(rng: &mut Rng) -> Vec<Step> {
    let mut steps = vec![Step::One(create(rng))];
    for _ in 0..rng.u8(3..=9) {
        steps.push(match rng.u8(..100) {
            0..45 => Step::One(command(rng)),
            45..60 => Step::Both(command(rng), command(rng)),
            60..70 => Step::Sweep,
            70..80 => Step::Webhooks,
            80..85 => Step::Action {
                well: rng.u8(..10) < 7,
            },
            85..98 => time_passes(rng),
            _ => Step::Dispute,
        });
    }
    steps
}

/// What goes wrong: in some flows nothing, in most a lot.
pub(crate) fn faults(rng: &mut Rng, seed: u64) -> Faults {
    let percent = match rng.u8(..10) {
        0 => 0,
        1..3 => 10,
        3..7 => 35,
        _ => 70,
    };
    let way = Faults::on_the_way(seed, percent);
    let crashes = percent;
    Faults {
        calls: CallRates {
            wrong_answer: percent / 3,
            wrong_amount: percent / 3,
            declined: 20,
            requires_action: 20,
            crash_before: crashes * 2,
            crash_after: crashes * 2,
            ..way.calls
        },
        reads: CallRates {
            crash_before: crashes,
            crash_after: crashes,
            ..way.reads
        },
        refunds_pending: 300,
        refunds_failing: 300,
        ..way
    }
}
