//! The id of a request, made at the edge.

use souk_domain::RequestId;
use uuid::Builder;

/// Builds the id: a UUID version 7 (RFC 9562, section 5.7) of the time in Unix milliseconds and ten
/// bytes from a cryptographic source.
pub fn request_id(now_unix_ms: u64, random: &[u8; 10]) -> RequestId {
    RequestId::from_uuid(Builder::from_unix_timestamp_millis(now_unix_ms, random).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_time_and_random_bits() {
        // RFC 9562, appendix A.6.
        let random = [0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f];
        let id = request_id(0x017f_22e2_79b0, &random);
        assert_eq!(id.to_string(), "req_017f22e279b07cc398c4dc0c0c07398f");
        assert_eq!(id.as_uuid().get_version_num(), 7);
    }
}
