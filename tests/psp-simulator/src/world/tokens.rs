//! What a payment method does, by its token: Stripe's own test tokens, and a few more.

/// What the bank says when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bank {
    Approves,
    /// Approves, and the customer disputes it once it is captured.
    ApprovesAndDisputes,
    Declines(&'static str),
    /// Wants the customer to do something first.
    WantsAction,
    /// Takes its time, then approves or declines.
    TakesTime {
        approves: bool,
    },
}

/// None: there is no such payment method.
pub(super) fn bank_of(token: &str) -> Option<Bank> {
    if !token.starts_with("pm_") {
        return None;
    }
    Some(match token {
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => {
            Bank::Declines("generic_decline")
        }
        "pm_card_chargeDeclinedInsufficientFunds"
        | "pm_card_visa_chargeDeclinedInsufficientFunds" => Bank::Declines("insufficient_funds"),
        "pm_card_authenticationRequired" | "pm_card_threeDSecure2Required" => Bank::WantsAction,
        "pm_card_createDispute" => Bank::ApprovesAndDisputes,
        "pm_usBankAccount" => Bank::TakesTime { approves: true },
        "pm_usBankAccount_insufficientFunds" => Bank::TakesTime { approves: false },
        "pm_missing" => return None,
        _ => Bank::Approves,
    })
}
