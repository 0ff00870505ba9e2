//! Commands in Stripe's parameters.

use super::answers::{INTENT, OPERATION, ORDER, REFUND, TENANT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use souk_app::{ProviderCommand, ProviderRequest};
use souk_domain::Money;
use souk_domain::payment::CaptureMethod;

/// Everything of an id that is not sure to be one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');
/// Shows the charge and its refunds with a payment.
const EXPAND: (&str, &str) = ("expand[0]", "latest_charge.refunds");

/// Names and values, to be encoded.
pub(super) type Parameters = Vec<(String, String)>;

/// The path of one of Stripe's objects.
pub(super) fn path(collection: &str, id: &str) -> String {
    format!("/v1/{collection}/{}", utf8_percent_encode(id, SEGMENT))
}

/// Shows a payment with all that is read of it.
pub(super) fn expanded() -> Parameters {
    vec![(EXPAND.0.to_owned(), EXPAND.1.to_owned())]
}

/// Why a command cannot be sent: Stripe counts this currency otherwise than ISO 4217 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uncountable;

/// The amount as Stripe counts it (docs.stripe.com/currencies).
fn amount(money: Money) -> Result<String, Uncountable> {
    let (code, minor) = (money.currency().code(), money.amount_minor());
    let counted_otherwise = matches!(code, "ISK" | "MGA" | "UGX");
    // Stripe wants the last of three decimals to be 0.
    let too_fine = money.currency().exponent() >= 3 && minor.checked_rem(10) != Some(0);
    if counted_otherwise || too_fine {
        return Err(Uncountable);
    }
    Ok(minor.to_string())
}

/// Path and parameters of a command.
pub(super) fn of(request: &ProviderRequest<'_>) -> Result<(String, Parameters), Uncountable> {
    let plain = |pairs: &[(&str, String)]| -> Parameters {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        owned.collect()
    };
    let of_payment =
        |payment: &str, verb: &str| format!("{}/{verb}", path("payment_intents", payment));
    match request.command {
        ProviderCommand::Authorize {
            existing: Some(payment),
            payment_method,
            return_url,
            ..
        } => {
            let mut parameters = expanded();
            parameters.extend(plain(&[("payment_method", payment_method.to_owned())]));
            parameters.extend(return_url.map(|url| ("return_url".to_owned(), url.to_owned())));
            Ok((of_payment(payment.as_str(), "confirm"), parameters))
        }
        ProviderCommand::Authorize { existing: None, .. } => {
            Ok(("/v1/payment_intents".to_owned(), create(request)?))
        }
        ProviderCommand::Capture {
            payment,
            amount: wanted,
            is_final,
        } => {
            let mut parameters = expanded();
            parameters.extend(plain(&[("amount_to_capture", amount(wanted)?)]));
            if !is_final {
                parameters.extend(plain(&[("final_capture", "false".to_owned())]));
            }
            Ok((of_payment(payment.as_str(), "capture"), parameters))
        }
        ProviderCommand::Void { payment } => {
            Ok((of_payment(payment.as_str(), "cancel"), expanded()))
        }
        ProviderCommand::Refund {
            payment,
            refund,
            amount: wanted,
        } => {
            let mut parameters = plain(&[
                ("payment_intent", payment.to_string()),
                ("amount", amount(wanted)?),
            ]);
            parameters.push(metadata(REFUND, &refund.to_string()));
            parameters.extend(origin(request));
            Ok(("/v1/refunds".to_owned(), parameters))
        }
    }
}

/// A payment that is made and confirmed at once.
fn create(request: &ProviderRequest<'_>) -> Result<Parameters, Uncountable> {
    let ProviderCommand::Authorize {
        intent,
        order,
        amount: wanted,
        capture_method,
        payment_method,
        return_url,
        ..
    } = request.command
    else {
        return Ok(Parameters::new());
    };
    let mut parameters = expanded();
    let mut put = |name: &str, value: &str| parameters.push((name.to_owned(), value.to_owned()));
    put("amount", &amount(wanted)?);
    put("currency", &wanted.currency().code().to_ascii_lowercase());
    put("capture_method", capture_method.as_str());
    put("payment_method", payment_method);
    put("payment_method_types[0]", "card");
    if capture_method == CaptureMethod::Manual {
        put(
            "payment_method_options[card][request_multicapture]",
            "if_available",
        );
    }
    put("confirm", "true");
    if let Some(url) = return_url {
        put("return_url", url);
    }
    parameters.push(metadata(INTENT, &intent.to_string()));
    parameters.push(metadata(ORDER, &order.to_string()));
    parameters.extend(origin(request));
    Ok(parameters)
}

fn metadata(key: &str, value: &str) -> (String, String) {
    (format!("metadata[{key}]"), value.to_owned())
}

fn origin(request: &ProviderRequest<'_>) -> [(String, String); 2] {
    [
        metadata(TENANT, &request.tenant.to_string()),
        metadata(OPERATION, &request.operation.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_one_segment() {
        assert_eq!(path("disputes", "du_1-x"), "/v1/disputes/du_1-x");
        assert_eq!(
            path("disputes", "../a?b#c"),
            "/v1/disputes/%2E%2E%2Fa%3Fb%23c"
        );
    }

    #[test]
    fn money_that_stripe_counts_otherwise_is_not_sent() {
        let of = |minor, code: &str| amount(Money::new(minor, code.parse().unwrap()));
        for (minor, code) in [(1_999, "EUR"), (500, "JPY"), (1_230, "KWD")] {
            assert_eq!(of(minor, code), Ok(minor.to_string()));
        }
        for (minor, code) in [(1_234, "KWD"), (500, "ISK"), (500, "UGX"), (500, "MGA")] {
            assert_eq!(of(minor, code), Err(Uncountable), "{code}");
        }
    }
}
