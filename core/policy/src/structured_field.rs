//! Structured field values (RFC 9651): dictionaries of items and inner lists, parsed and written
//! back in canonical form.
//!
//! Three things a lenient parser lets pass are refused here, because two parsers could read them
//! differently or because they would let a signed text be altered without notice: a dictionary or
//! parameter key that occurs twice, a byte sequence whose padding is missing, and one whose unused
//! bits are not zero. No serializer writes any of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Bytes of a field that is parsed at most.
const FIELD_BYTES_MAX: usize = 8 * 1024;

/// A field that is not the structured field it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid structured field: {0}")]
pub struct FieldError(&'static str);

/// A value without parameters (RFC 9651, section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BareItem {
    /// Of at most 15 digits.
    Integer(i64),
    /// In canonical text.
    Decimal(String),
    /// ASCII, without its quotes and escapes.
    String(String),
    /// A name that is no text of a person's.
    Token(String),
    /// Decoded.
    Bytes(Vec<u8>),
    /// `?1` or `?0`.
    Boolean(bool),
    /// Unix seconds.
    Date(i64),
    /// Unicode, without its quotes and escapes.
    DisplayString(String),
}

/// In the order of their first occurrence.
pub type Parameters = Vec<(String, BareItem)>;

/// A value with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub value: BareItem,
    /// What is said of it.
    pub parameters: Parameters,
}

/// A list of items that itself has parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerList {
    /// In order.
    pub items: Vec<Item>,
    /// What is said of the list.
    pub parameters: Parameters,
}

/// The value of a dictionary's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// One value.
    Item(Item),
    /// Several.
    InnerList(InnerList),
}

/// A dictionary (RFC 9651, section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary {
    members: Vec<(String, Member)>,
}

impl Dictionary {
    /// Parses the field's combined value.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if text.len() > FIELD_BYTES_MAX {
            return Err(FieldError("too long"));
        }
        let mut parser = Parser {
            rest: text.trim_matches(' ').as_bytes(),
        };
        parser.dictionary()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Member> {
        let found = self.members.iter().find(|(name, _)| name == key);
        found.map(|(_, member)| member)
    }

    /// The canonical text (RFC 9651, section 4.1.2).
    pub fn serialize(&self) -> String {
        let mut text = String::new();
        for (position, (key, member)) in self.members.iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            text.push_str(key);
            match member {
                Member::Item(item) => {
                    if item.value != BareItem::Boolean(true) {
                        text.push('=');
                        write_bare_item(&mut text, &item.value);
                    }
                    write_parameters(&mut text, &item.parameters);
                }
                Member::InnerList(list) => {
                    text.push('=');
                    text.push_str(&list.serialize());
                }
            }
        }
        text
    }
}

impl InnerList {
    /// The canonical text (RFC 9651, section 4.1.1.1).
    pub fn serialize(&self) -> String {
        let mut text = String::from("(");
        for (position, item) in self.items.iter().enumerate() {
            if position > 0 {
                text.push(' ');
            }
            write_bare_item(&mut text, &item.value);
            write_parameters(&mut text, &item.parameters);
        }
        text.push(')');
        write_parameters(&mut text, &self.parameters);
        text
    }
}

fn write_parameters(text: &mut String, parameters: &Parameters) {
    for (key, value) in parameters {
        text.push(';');
        text.push_str(key);
        if *value != BareItem::Boolean(true) {
            text.push('=');
            write_bare_item(text, value);
        }
    }
}

fn write_bare_item(text: &mut String, value: &BareItem) {
    match value {
        BareItem::Integer(number) => text.push_str(&number.to_string()),
        BareItem::Decimal(canonical) | BareItem::Token(canonical) => text.push_str(canonical),
        BareItem::String(string) => {
            text.push('"');
            for character in string.chars() {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
        BareItem::Bytes(bytes) => {
            text.push(':');
            BASE64.encode_string(bytes, text);
            text.push(':');
        }
        BareItem::Boolean(true) => text.push_str("?1"),
        BareItem::Boolean(false) => text.push_str("?0"),
        BareItem::Date(unix_s) => {
            text.push('@');
            text.push_str(&unix_s.to_string());
        }
        BareItem::DisplayString(string) => write_display_string(text, string),
    }
}

fn write_display_string(text: &mut String, string: &str) {
    text.push_str("%\"");
    for byte in string.bytes() {
        if matches!(byte, b'%' | b'"') || !matches!(byte, 0x20..=0x7e) {
            text.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
        } else {
            text.push(char::from(byte));
        }
    }
    text.push('"');
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn take_while(&mut self, accepts: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !accepts(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn dictionary(&mut self) -> Result<Dictionary, FieldError> {
        let mut members: Vec<(String, Member)> = Vec::new();
        while !self.rest.is_empty() {
            let key = self.key()?;
            if members.iter().any(|(known, _)| *known == key) {
                return Err(FieldError("a key occurs twice"));
            }
            let member = self.member()?;
            members.push((key, member));
            self.take_while(is_optional_whitespace);
            if self.rest.is_empty() {
                break;
            }
            if !self.take(b',') {
                return Err(FieldError("expected a comma"));
            }
            self.take_while(is_optional_whitespace);
            if self.rest.is_empty() {
                return Err(FieldError("a comma at the end"));
            }
        }
        Ok(Dictionary { members })
    }

    fn member(&mut self) -> Result<Member, FieldError> {
        if !self.take(b'=') {
            return Ok(Member::Item(Item {
                value: BareItem::Boolean(true),
                parameters: self.parameters()?,
            }));
        }
        if self.take(b'(') {
            return Ok(Member::InnerList(self.inner_list()?));
        }
        Ok(Member::Item(self.item()?))
    }

    /// After the opening parenthesis.
    fn inner_list(&mut self) -> Result<InnerList, FieldError> {
        let mut items = Vec::new();
        loop {
            self.take_while(|byte| byte == b' ');
            if self.take(b')') {
                return Ok(InnerList {
                    items,
                    parameters: self.parameters()?,
                });
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(FieldError("an inner list is not closed"));
            }
        }
    }

    fn item(&mut self) -> Result<Item, FieldError> {
        Ok(Item {
            value: self.bare_item()?,
            parameters: self.parameters()?,
        })
    }

    fn parameters(&mut self) -> Result<Parameters, FieldError> {
        let mut parameters = Parameters::new();
        while self.take(b';') {
            self.take_while(|byte| byte == b' ');
            let key = self.key()?;
            if parameters.iter().any(|(known, _)| *known == key) {
                return Err(FieldError("a parameter occurs twice"));
            }
            let value = if self.take(b'=') {
                self.bare_item()?
            } else {
                BareItem::Boolean(true)
            };
            parameters.push((key, value));
        }
        Ok(parameters)
    }

    fn key(&mut self) -> Result<String, FieldError> {
        if !matches!(self.peek(), Some(b'a'..=b'z' | b'*')) {
            return Err(FieldError("a key does not start with a lower-case letter"));
        }
        let key = self.take_while(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'),
        );
        Ok(ascii(key))
    }

    fn bare_item(&mut self) -> Result<BareItem, FieldError> {
        match self.peek() {
            Some(b'"') => self.string().map(BareItem::String),
            Some(b':') => self.bytes().map(BareItem::Bytes),
            Some(b'?') => self.boolean().map(BareItem::Boolean),
            Some(b'@') => self.date().map(BareItem::Date),
            Some(b'%') => self.display_string().map(BareItem::DisplayString),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'*' => {
                let token = self.take_while(is_token);
                Ok(BareItem::Token(ascii(token)))
            }
            _ => Err(FieldError("expected a value")),
        }
    }

    fn string(&mut self) -> Result<String, FieldError> {
        self.next();
        let mut string = String::new();
        loop {
            match self.next() {
                Some(b'"') => return Ok(string),
                Some(b'\\') => match self.next() {
                    Some(escaped @ (b'"' | b'\\')) => string.push(char::from(escaped)),
                    _ => return Err(FieldError("an unknown escape in a string")),
                },
                Some(byte @ 0x20..=0x7e) => string.push(char::from(byte)),
                _ => return Err(FieldError("a string is not closed")),
            }
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, FieldError> {
        self.next();
        let encoded = self.take_while(|byte| byte != b':');
        if !self.take(b':') {
            return Err(FieldError("a byte sequence is not closed"));
        }
        BASE64
            .decode(encoded)
            .map_err(|_| FieldError("a byte sequence is not canonical base64"))
    }

    fn boolean(&mut self) -> Result<bool, FieldError> {
        self.next();
        match self.next() {
            Some(b'0') => Ok(false),
            Some(b'1') => Ok(true),
            _ => Err(FieldError("a boolean is neither ?0 nor ?1")),
        }
    }

    fn date(&mut self) -> Result<i64, FieldError> {
        self.next();
        if let BareItem::Integer(unix_s) = self.number()? {
            return Ok(unix_s);
        }
        Err(FieldError("a date is not a whole number"))
    }

    fn number(&mut self) -> Result<BareItem, FieldError> {
        let negative = self.take(b'-');
        let whole = ascii(self.take_while(|byte| byte.is_ascii_digit()));
        if whole.is_empty() {
            return Err(FieldError("a number without digits"));
        }
        if self.take(b'.') {
            let fraction = ascii(self.take_while(|byte| byte.is_ascii_digit()));
            if whole.len() > 12 || !matches!(fraction.len(), 1..=3) {
                return Err(FieldError("a decimal has too many or too few digits"));
            }
            return Ok(BareItem::Decimal(decimal(negative, &whole, &fraction)));
        }
        if whole.len() > 15 {
            return Err(FieldError("an integer has more than 15 digits"));
        }
        let sign = if negative { "-" } else { "" };
        let number = format!("{sign}{whole}").parse();
        number
            .map(BareItem::Integer)
            .map_err(|_| FieldError("not a number"))
    }

    fn display_string(&mut self) -> Result<String, FieldError> {
        self.next();
        if !self.take(b'"') {
            return Err(FieldError("a display string does not start with a quote"));
        }
        let mut bytes = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'%') => bytes.push(self.escaped_byte()?),
                Some(byte @ 0x20..=0x7e) => bytes.push(byte),
                _ => return Err(FieldError("a display string is not closed")),
            }
        }
        String::from_utf8(bytes).map_err(|_| FieldError("a display string is not UTF-8"))
    }

    fn escaped_byte(&mut self) -> Result<u8, FieldError> {
        let mut byte = 0_u8;
        for _ in 0..2 {
            let nibble = match self.next() {
                Some(digit @ b'0'..=b'9') => digit & 0x0f,
                Some(letter @ b'a'..=b'f') => (letter & 0x0f).wrapping_add(9),
                _ => return Err(FieldError("an escape is not lower-case hexadecimal")),
            };
            byte = (byte << 4) | nibble;
        }
        Ok(byte)
    }
}

/// The canonical text (RFC 9651, section 4.1.5).
fn decimal(negative: bool, whole: &str, fraction: &str) -> String {
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let zero = whole == "0" && fraction == "0";
    let sign = if negative && !zero { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

fn is_optional_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}

/// Only called with bytes that were checked to be ASCII.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inner_list(text: &str) -> String {
        let dictionary = Dictionary::parse(text).unwrap();
        match dictionary.get("a") {
            Some(Member::InnerList(list)) => list.serialize(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn writes_an_inner_list_canonically() {
        assert_eq!(
            inner_list(
                r#"  a=(  "x"   "y\"\\";sf; n=-007 );created=0001;d=01.50;b;f=?0;t=@5 ,	b=1 "#
            ),
            r#"("x" "y\"\\";sf;n=-7);created=1;d=1.5;b;f=?0;t=@5"#
        );
        assert_eq!(
            inner_list(r#"a=(*t/x :aGk=: -0.0 %"%61%c3%bc%25")"#),
            r#"(*t/x :aGk=: 0.0 %"a%c3%bc%25")"#
        );
        assert_eq!(inner_list("a=()"), "()");
    }

    #[test]
    fn refuses_what_is_malformed_or_ambiguous() {
        for bad in [
            "a=1,",
            "a=1 b=2",
            "A=1",
            "a=",
            "a=(1",
            "a=(1,2)",
            "a=(\"x\"\"y\")",
            "a=\"x",
            "a=\"\\n\"",
            "a=\"\u{e9}\"",
            "a=:aGk:",
            "a=:aGl=:",
            "a=:aGk=",
            "a=?2",
            "a=1234567890123456",
            "a=1.",
            "a=1.2345",
            "a=1;b;b",
            "a=1, a=1",
            "a=--1",
            "a=@1.5",
            "a=%\"%C3%BC\"",
            "a=%\"%ff\"",
            ",",
        ] {
            assert!(Dictionary::parse(bad).is_err(), "{bad:?} was accepted");
        }
        let long = format!("a=\"{}\"", "x".repeat(FIELD_BYTES_MAX));
        assert!(Dictionary::parse(&long).is_err());
        assert!(Dictionary::parse("").unwrap().get("a").is_none());
    }

    /// The peer's parse of `text`, written back, or nothing where it has a key twice or base64 that
    /// is not canonical: there alone may the two differ.
    fn peer(text: &str) -> Result<String, sfv::Error> {
        let dictionary: sfv::Dictionary = sfv::Parser::new(text).parse()?;
        let mut serializer = sfv::DictSerializer::new();
        serializer.members(dictionary.iter());
        Ok(serializer.finish().unwrap_or_default())
    }

    fn ours(text: &str) -> Result<String, FieldError> {
        Ok(Dictionary::parse(text)?.serialize())
    }

    fn differs_by_intent(error: FieldError) -> bool {
        [
            "a key occurs twice",
            "a parameter occurs twice",
            "a byte sequence is not canonical base64",
        ]
        .contains(&error.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn agrees_with_the_sfv_crate(
            text in proptest::collection::vec(
                prop_oneof![
                    Just("a"), Just("b"), Just("="), Just("("), Just(")"), Just(";"), Just(" "),
                    Just(", "), Just("\t"), Just("\"x\""), Just("\"\\\""), Just("\""), Just("\\"),
                    Just(":aGk=:"), Just(":aGl=:"), Just("?1"), Just("?0"), Just("@"), Just("-"),
                    Just("01"), Just("7"), Just("."), Just("50"), Just("%\"%c3%bc\""), Just("%"),
                    Just("*"), Just("T/"), Just("a=("), Just(";k="), Just("123456789012"),
                ],
                0..14,
            )
        ) {
            let text = text.concat();
            match (ours(&text), peer(&text)) {
                (Ok(ours), Ok(peer)) => prop_assert_eq!(ours, peer),
                (Err(error), Ok(_)) => prop_assert!(differs_by_intent(error), "{error} {text:?}"),
                (Ok(ours), Err(error)) => prop_assert!(false, "{error}: {text:?} read as {ours:?}"),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
