//! Reads a file row by row and checks each row.

use super::outcome::Failure;
use super::record::{Ends, RECORD_BYTES_MAX, Record, Records};
use super::report::Rejection;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use souk_domain::catalog::{IMPORT_COLUMNS, ImportFields};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The byte order mark that some programs put before UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values (RFC 4180), names first.
    Csv,
    /// JSON Lines.
    Jsonl,
}

/// A row that is checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Can be sent: its JSON, and the line where it begins.
    Good { line: u64, json: String },
    /// Cannot, for these reasons.
    Rejected(Vec<Rejection>),
}

/// A file of rows.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    records: Records<BufReader<Hashed>>,
    /// Of CSV.
    columns: Option<Vec<(&'static str, bool)>>,
    digest: String,
    bytes_total: u64,
    first: bool,
}

impl Source {
    /// Opens the file, reads it once for its digest, and reads the names of its columns.
    pub(crate) fn open(path: &Path, format: Option<Format>) -> Result<Self, Failure> {
        let unreadable = |source| Failure::Unreadable {
            path: path.to_owned(),
            source,
        };
        let format = match format {
            Some(format) => format,
            None => format_of(path).ok_or_else(|| Failure::UnknownFormat(path.to_owned()))?,
        };
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(Failure::NoFile(path.to_owned()));
        }
        let mut once = Hashed::open(path).map_err(unreadable)?;
        io::copy(&mut once, &mut io::sink()).map_err(unreadable)?;
        let again = BufReader::new(Hashed::open(path).map_err(unreadable)?);
        let ends = match format {
            Format::Csv => Ends::OutsideQuotes,
            Format::Jsonl => Ends::AtLines,
        };
        let mut source = Self {
            path: path.to_owned(),
            records: Records::new(again, ends),
            columns: None,
            digest: once.digest(),
            bytes_total: once.read,
            first: true,
        };
        if format == Format::Csv {
            source.columns = Some(source.read_header()?);
        }
        Ok(source)
    }

    /// SHA-256 of the whole file in hexadecimal digits.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) const fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.records.input().get_ref().read
    }

    /// Nothing, if what was read is what the digest is of. For when the end was reached.
    pub(crate) fn check_unchanged(&self) -> Result<(), Failure> {
        if self.records.input().get_ref().digest() == self.digest {
            return Ok(());
        }
        Err(Failure::Changed)
    }

    /// The next row; none at the end. Empty lines are no rows.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, Failure> {
        loop {
            let (line, bytes) = match self.record()? {
                None => return Ok(None),
                Some(Record::Bytes { line, bytes }) => (line, bytes),
                Some(Record::TooLong { line }) => {
                    let reason = format!("the row has more than {RECORD_BYTES_MAX} bytes");
                    return Ok(Some(Row::Rejected(vec![Rejection::new(line, "", reason)])));
                }
                Some(Record::UnclosedQuote { line }) => {
                    let bytes_max = RECORD_BYTES_MAX;
                    return Err(Failure::UnclosedQuote { line, bytes_max });
                }
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let fields = match &self.columns {
                Some(columns) => from_csv(columns, line, &bytes),
                None => from_json(line, &bytes),
            };
            return Ok(Some(match fields {
                Ok(fields) => checked(line, &fields),
                Err(rejections) => Row::Rejected(rejections),
            }));
        }
    }

    fn record(&mut self) -> Result<Option<Record>, Failure> {
        let record = self.records.next().map_err(|source| Failure::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        if !core::mem::take(&mut self.first) {
            return Ok(record);
        }
        Ok(match record {
            Some(Record::Bytes { line, bytes }) => {
                if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                    return Err(Failure::Utf16);
                }
                let bytes = bytes
                    .strip_prefix(UTF8_MARK)
                    .map(<[u8]>::to_vec)
                    .unwrap_or(bytes);
                Some(Record::Bytes { line, bytes })
            }
            other => other,
        })
    }

    fn read_header(&mut self) -> Result<Vec<(&'static str, bool)>, Failure> {
        let Some(Record::Bytes { bytes, .. }) = self.record()? else {
            return Err(Failure::Header("there is none".to_owned()));
        };
        let names = cells(&bytes).ok_or_else(|| Failure::Header("it is no CSV".to_owned()))?;
        let known: Vec<&str> = IMPORT_COLUMNS.iter().map(|(name, _)| *name).collect();
        let mut columns: Vec<(&'static str, bool)> = Vec::with_capacity(names.len());
        let mut wrong = Vec::new();
        for name in &names {
            let name = String::from_utf8_lossy(name);
            match IMPORT_COLUMNS
                .iter()
                .find(|(known, _)| *known == name.trim())
            {
                None => wrong.push(format!("{:?} is unknown", name.trim())),
                Some(column) if columns.contains(column) => {
                    wrong.push(format!("{:?} occurs twice", column.0));
                }
                Some(column) => columns.push(*column),
            }
        }
        for needed in ["sku", "title"] {
            if !columns.iter().any(|(name, _)| *name == needed) {
                wrong.push(format!("{needed:?} is missing"));
            }
        }
        if wrong.is_empty() {
            return Ok(columns);
        }
        let known = known.join(", ");
        Err(Failure::Header(format!(
            "{}. It has names of {known}, with commas between them",
            wrong.join(", ")
        )))
    }
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn checked(line: u64, fields: &ImportFields) -> Row {
    if let Err(violations) = fields.clone().check() {
        let rejections = violations
            .into_iter()
            .map(|violation| Rejection::new(line, &violation.pointer, violation.reason));
        return Row::Rejected(rejections.collect());
    }
    match serde_json::to_string(fields) {
        Ok(json) => Row::Good { line, json },
        Err(error) => Row::Rejected(vec![Rejection::new(line, "", error.to_string())]),
    }
}

fn from_json(line: u64, bytes: &[u8]) -> Result<ImportFields, Vec<Rejection>> {
    serde_json::from_slice(bytes).map_err(|error| {
        let reason = if core::str::from_utf8(bytes).is_err() {
            "the line is not UTF-8".to_owned()
        } else {
            format!("the line is no JSON (at its column {})", error.column())
        };
        vec![Rejection::new(line, "", reason)]
    })
}

fn from_csv(
    columns: &[(&'static str, bool)],
    line: u64,
    bytes: &[u8],
) -> Result<ImportFields, Vec<Rejection>> {
    let reject = |reason: &str| vec![Rejection::new(line, "", reason)];
    let cells = cells(bytes).ok_or_else(|| reject("the row is no CSV"))?;
    if cells.len() != columns.len() {
        let (cells, columns) = (cells.len(), columns.len());
        let reason = format!("the row has {cells} cells, and there are {columns} columns");
        return Err(reject(&reason));
    }
    let mut wrong = Vec::new();
    let mut fields = Vec::with_capacity(columns.len());
    for ((name, integer), cell) in columns.iter().zip(&cells) {
        let Ok(text) = core::str::from_utf8(cell) else {
            wrong.push(Rejection::new(line, name, "the cell is not UTF-8"));
            continue;
        };
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        // What is no integer stays a text, and the check of the row says so.
        let number = text.parse::<i64>().ok().filter(|_| *integer);
        let value = number.map_or_else(|| Value::from(text), Value::from);
        fields.push(((*name).to_owned(), value));
    }
    if wrong.is_empty() {
        return Ok(ImportFields::new(fields));
    }
    Err(wrong)
}

/// The cells of one record.
fn cells(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(bytes.len().max(1))
        .from_reader(bytes);
    let record = reader.byte_records().next()?.ok()?;
    Some(record.iter().map(<[u8]>::to_vec).collect())
}

/// A file, and the digest of what was read of it.
struct Hashed {
    file: File,
    hasher: Sha256,
    read: u64,
}

impl core::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hashed")
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl Hashed {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            hasher: Sha256::new(),
            read: 0,
        })
    }

    fn digest(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.read = self
            .read
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
