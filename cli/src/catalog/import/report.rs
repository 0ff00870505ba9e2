//! What is wrong with rejected rows: the first ones for people, all of them in a file.

use super::outcome::Failure;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Reasons told to people at most.
const TOLD_MAX: usize = 20;

/// Something wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Where the row begins, from 1.
    pub(crate) line: u64,
    /// Empty for the row as a whole.
    pub(crate) column: String,
    pub(crate) reason: String,
}

impl Rejection {
    /// `pointer` is a column's name, with or without a slash before it.
    pub(crate) fn new(line: u64, pointer: &str, reason: impl Into<String>) -> Self {
        Self {
            line,
            column: pointer.trim_start_matches('/').to_owned(),
            reason: reason.into(),
        }
    }
}

/// Takes rejections as they come: none is kept in memory.
#[derive(Debug)]
pub(crate) struct Report {
    file: Option<(PathBuf, csv::Writer<File>)>,
    told: usize,
    untold: u64,
}

impl Report {
    /// Makes the file, if one is wanted.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|e| failed(path, e))?;
                let mut writer = csv::Writer::from_writer(file);
                let names = ["line", "column", "reason"];
                writer.write_record(names).map_err(|e| failed(path, e))?;
                Some((path.to_owned(), writer))
            }
        };
        Ok(Self {
            file,
            told: 0,
            untold: 0,
        })
    }

    pub(crate) fn note(&mut self, rejections: &[Rejection]) -> Result<(), Failure> {
        for rejection in rejections {
            let Rejection {
                line,
                column,
                reason,
            } = rejection;
            if self.told < TOLD_MAX {
                self.told = self.told.saturating_add(1);
                let place = if column.is_empty() { "" } else { ", " };
                eprintln!("line {line}{place}{column}: {reason}");
            } else {
                self.untold = self.untold.saturating_add(1);
            }
            if let Some((path, writer)) = &mut self.file {
                let record = [&line.to_string(), column, reason];
                writer.write_record(record).map_err(|e| failed(path, e))?;
            }
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        match &mut self.file {
            Some((path, writer)) => writer.flush().map_err(|e| failed(path, e))?,
            None if self.untold > 0 => {
                eprintln!("and {} more reasons; --report FILE writes all", self.untold);
            }
            None => {}
        }
        Ok(())
    }
}

fn failed(path: &Path, error: impl Into<io::Error>) -> Failure {
    Failure::Report {
        path: path.to_owned(),
        source: error.into(),
    }
}
