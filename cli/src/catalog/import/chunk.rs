//! Rows that travel together.

use sha2::{Digest as _, Sha256};

/// Bytes of a chunk's rows at most: a body has at most 256 KiB.
const CHUNK_BYTES_MAX: usize = 200 * 1024;
/// Hexadecimal digits of a digest that are enough to name something.
const DIGITS: usize = 32;

/// Rows that are sent in one request.
#[derive(Debug)]
pub(crate) struct Chunk {
    file: String,
    number: u64,
    rows_max: usize,
    rows: Vec<String>,
    lines: Vec<u64>,
    bytes: usize,
}

impl Chunk {
    /// The first chunk of what `naming` names, with at most `rows_max` rows.
    pub(crate) fn new(naming: &str, rows_max: u16) -> Self {
        Self {
            file: hex::encode(Sha256::digest(naming)),
            number: 1,
            rows_max: usize::from(rows_max),
            rows: Vec::new(),
            lines: Vec::new(),
            bytes: 0,
        }
    }

    pub(crate) fn has_room_for(&self, json: &str) -> bool {
        let bytes = self.bytes.saturating_add(json.len());
        self.rows.is_empty() || (self.rows.len() < self.rows_max && bytes <= CHUNK_BYTES_MAX)
    }

    pub(crate) fn push(&mut self, line: u64, json: String) {
        self.bytes = self.bytes.saturating_add(json.len()).saturating_add(1);
        self.rows.push(json);
        self.lines.push(line);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    /// The line where a row begins.
    pub(crate) fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }

    pub(crate) fn body(&self) -> String {
        format!("{{\"rows\":[{}]}}", self.rows.join(","))
    }

    /// The same for the same chunk of the same file, and for nothing else: the content of the file, the
    /// chunk's number, and its own content, which another size of chunks or a later version of this
    /// command may cut otherwise.
    pub(crate) fn key(&self) -> String {
        let own = hex::encode(Sha256::digest(self.body()));
        let digits = |digest: &str| digest.chars().take(DIGITS).collect::<String>();
        format!(
            "catalog-import-{}-{}-{}",
            digits(&self.file),
            self.number,
            digits(&own)
        )
    }

    /// Goes on with the next one.
    pub(crate) fn clear(&mut self) {
        self.number = self.number.saturating_add(1);
        self.rows.clear();
        self.lines.clear();
        self.bytes = 0;
    }
}
