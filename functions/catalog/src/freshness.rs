//! How long answers may be kept, and by whom.

use souk_app::{Audience, StoredResponse};
use souk_domain::Timestamp;
use souk_runtime::conditional::entity_tag;

/// Seconds for which a public answer is fresh. A price or title that was changed is seen everywhere
/// within a minute, and a product that everybody looks at costs one request a minute and cache.
const MAX_AGE_S: i64 = 60;
/// Seconds after that for which a cache may answer at once with what it has while it asks for news: a
/// page never waits for us, and survives ten minutes without us. An order is priced from the database
/// whatever a page has shown.
const STALE_WHILE_REVALIDATE_S: i64 = 600;
/// What an answer depends on besides its address: who asks decides how much of the catalog is shown, and
/// who has just written must see it.
const VARY: &str = "Authorization, Souk-Consistency";

/// Marks a catalog answer: its tag, and how long it may be kept. `next_change` is when a price in it is
/// known to change: no cache shows it longer, stale or not.
pub(crate) fn mark(
    mut response: StoredResponse,
    version: Option<u64>,
    audience: Audience,
    (now, next_change): (Timestamp, Option<Timestamp>),
) -> StoredResponse {
    let cache_control = match audience {
        Audience::Public => public(now, next_change),
        // May be asked for again with the tag, and is kept by nobody else.
        Audience::Shop => "private, no-cache".to_owned(),
    };
    let tag = entity_tag(version, &response.body);
    for (name, value) in [
        ("etag", tag),
        ("cache-control", cache_control),
        ("vary", VARY.to_owned()),
    ] {
        response.headers.insert(name.to_owned(), value);
    }
    response
}

/// Marks an answer that nobody may keep.
pub(crate) fn never_kept(mut response: StoredResponse) -> StoredResponse {
    let name = "cache-control".to_owned();
    response.headers.insert(name, "no-store".to_owned());
    response
}

fn public(now: Timestamp, next_change: Option<Timestamp>) -> String {
    let left_s = next_change.map_or(i64::MAX, |at| at.unix_s().saturating_sub(now.unix_s()));
    let max_age = MAX_AGE_S.min(left_s).max(0);
    let stale = STALE_WHILE_REVALIDATE_S
        .min(left_s.saturating_sub(max_age))
        .max(0);
    format!("public, max-age={max_age}, stale-while-revalidate={stale}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_shows_a_price_beyond_its_end() {
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds * 1_000).unwrap();
        for (left_s, max_age, stale) in [
            (None, 60, 600),
            (Some(10_000), 60, 600),
            (Some(660), 60, 600),
            (Some(100), 60, 40),
            (Some(60), 60, 0),
            (Some(7), 7, 0),
            (Some(0), 0, 0),
        ] {
            let expected = format!("public, max-age={max_age}, stale-while-revalidate={stale}");
            assert_eq!(
                public(at(1_000), left_s.map(|left| at(1_000 + left))),
                expected
            );
        }
    }
}
