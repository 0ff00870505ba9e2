//! Cuts a file into records of bounded size, whatever its bytes are.

use std::io::{self, BufRead};

/// Bytes of one record at most.
pub(crate) const RECORD_BYTES_MAX: usize = 64 * 1024;

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// At each line's end.
    AtLines,
    /// At a line's end that is not within quotes (RFC 4180).
    OutsideQuotes,
}

/// One record of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Its bytes, without the line's end, and the line where it begins, from 1.
    Bytes { line: u64, bytes: Vec<u8> },
    /// One of more than [`RECORD_BYTES_MAX`], skipped.
    TooLong { line: u64 },
    /// A quote that begins on this line does not end within [`RECORD_BYTES_MAX`], or at all: where the
    /// next record begins is not known.
    UnclosedQuote { line: u64 },
}

/// Where in a record of CSV the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    FieldStart,
    Plain,
    Quotes,
    /// After a quote within quotes: their end, or the first half of a quote that is meant.
    QuoteInQuotes,
}

impl Within {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quotes, b'"') => Self::QuoteInQuotes,
            (Self::FieldStart | Self::QuoteInQuotes, b'"') | (Self::Quotes, _) => Self::Quotes,
            (Self::FieldStart | Self::Plain | Self::QuoteInQuotes, b',') => Self::FieldStart,
            (Self::FieldStart | Self::Plain | Self::QuoteInQuotes, _) => Self::Plain,
        }
    }
}

/// The records of a file, one by one.
#[derive(Debug)]
pub(crate) struct Records<R> {
    input: R,
    ends: Ends,
    /// The line that is read next.
    line: u64,
}

impl<R: BufRead> Records<R> {
    pub(crate) const fn new(input: R, ends: Ends) -> Self {
        let line = 1;
        Self { input, ends, line }
    }

    pub(crate) const fn input(&self) -> &R {
        &self.input
    }

    /// The next record, empty lines among them; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record>> {
        let line = self.line;
        let mut bytes = Vec::new();
        let mut too_long = false;
        let mut begun = false;
        let mut within = Within::FieldStart;
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                break;
            }
            begun = true;
            let mut used = 0_usize;
            let mut ended = false;
            for byte in available {
                used = used.saturating_add(1);
                if *byte == b'\n' {
                    self.line = self.line.saturating_add(1);
                    if within != Within::Quotes {
                        ended = true;
                        break;
                    }
                }
                if self.ends == Ends::OutsideQuotes {
                    within = within.after(*byte);
                }
                if bytes.len() < RECORD_BYTES_MAX {
                    bytes.push(*byte);
                } else {
                    too_long = true;
                }
            }
            self.input.consume(used);
            if too_long && within == Within::Quotes {
                return Ok(Some(Record::UnclosedQuote { line }));
            }
            if ended {
                break;
            }
        }
        Ok(match (begun, too_long, within) {
            (false, _, _) => None,
            (true, _, Within::Quotes) => Some(Record::UnclosedQuote { line }),
            (true, true, _) => Some(Record::TooLong { line }),
            (true, false, _) => Some(Record::Bytes { line, bytes }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn records(text: &[u8], ends: Ends, buffer: usize) -> Vec<Record> {
        let mut records = Records::new(BufReader::with_capacity(buffer, text), ends);
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let stop = matches!(record, Record::UnclosedQuote { .. });
            all.push(record);
            if stop {
                break;
            }
        }
        all
    }

    fn bytes(line: u64, text: &str) -> Record {
        Record::Bytes {
            line,
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_line_break_within_quotes_does_not_end_a_record() {
        let text = b"a,\"b\nc\",d\r\n5\" pipe,x\n\"say \"\"hi\"\"\n\",y\n\nlast";
        for buffer in [1, 3, 8_192] {
            assert_eq!(
                records(text, Ends::OutsideQuotes, buffer),
                [
                    bytes(1, "a,\"b\nc\",d\r"),
                    bytes(3, "5\" pipe,x"),
                    bytes(4, "\"say \"\"hi\"\"\n\",y"),
                    bytes(6, ""),
                    bytes(7, "last"),
                ]
            );
        }
        assert_eq!(
            records(b"\"a\nb", Ends::AtLines, 8),
            [bytes(1, "\"a"), bytes(2, "b")]
        );
    }

    #[test]
    fn a_huge_line_is_skipped_and_an_open_quote_stops() {
        let huge = "x".repeat(RECORD_BYTES_MAX + 1);
        let text = format!("a\n{huge}\nb\n");
        assert_eq!(
            records(text.as_bytes(), Ends::OutsideQuotes, 8_192),
            [bytes(1, "a"), Record::TooLong { line: 2 }, bytes(3, "b")]
        );
        let open = format!("a\n\"{}", "x\n".repeat(RECORD_BYTES_MAX));
        let unclosed = Record::UnclosedQuote { line: 2 };
        assert_eq!(
            records(open.as_bytes(), Ends::OutsideQuotes, 8_192),
            [bytes(1, "a"), unclosed]
        );
        let unclosed = Record::UnclosedQuote { line: 1 };
        assert_eq!(records(b"\"a\n", Ends::OutsideQuotes, 8), [unclosed]);
    }

    proptest! {
        /// What a writer of CSV writes is cut where it ended its records.
        #[test]
        fn what_csv_writes_is_cut_into_its_records(
            rows in proptest::collection::vec(proptest::collection::vec("[a\",\n\r ]{0,6}", 2..4), 1..6)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let cut = records(&text, Ends::OutsideQuotes, 5);
            prop_assert_eq!(cut.len(), rows.len());
        }
    }
}
