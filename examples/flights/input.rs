//! Reading flights from csv, with a message for every way in which a file can be wrong.
//!
//! Columns are found by the names in the header, so the order does not matter, and columns that the
//! program does not know go through to the output untouched. Only four are read: the hour, the
//! plane and the two airports.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, StringRecord};
use flate2::bufread::MultiGzDecoder;

use crate::data;
use crate::enrich::ADDED_COLUMNS;
use crate::lines::Lines;
use crate::problem::{Problem, quoted};

/// The columns that must be there.
const REQUIRED: [&str; 4] = ["time_hour", "tailnum", "origin", "dest"];

/// Where the flights come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The embedded file.
    Bundled,
    /// A csv file, plain or packed with gzip.
    File(PathBuf),
    /// Plain csv that is already in memory.
    Memory(Arc<[u8]>),
}

impl Source {
    /// Returns the name of the source in messages.
    pub fn label(&self) -> String {
        match self {
            Source::Bundled => "the bundled flights.csv".to_owned(),
            Source::File(path) => path.display().to_string(),
            Source::Memory(_) => "rows in memory".to_owned(),
        }
    }

    /// Returns the bytes of the source, still packed, and their number.
    fn open(&self) -> Result<(Box<dyn Read + Send>, u64), Problem> {
        match self {
            Source::Bundled => Ok((Box::new(data::FLIGHTS), data::FLIGHTS.len() as u64)),
            Source::Memory(bytes) => {
                Ok((Box::new(io::Cursor::new(Arc::clone(bytes))), bytes.len() as u64))
            }
            Source::File(path) => File::open(path)
                .and_then(|file| {
                    let length = file.metadata()?.len();
                    Ok((Box::new(file) as Box<dyn Read + Send>, length))
                })
                .map_err(|error| {
                    let what = format!("cannot be opened ({error})");
                    Problem::in_file(path, what, "give the path of a csv file of flights")
                }),
        }
    }
}

/// The places, in a row, of the columns that are read.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The hour of departure.
    pub time_hour: usize,
    /// The plane.
    pub tailnum: usize,
    /// The airport of departure.
    pub origin: usize,
    /// The airport of arrival.
    pub dest: usize,
}

/// One row and the line that it begins on.
#[derive(Clone, Debug)]
pub struct Row {
    /// Counted from 1, which is the header.
    pub line: u64,
    /// The values.
    pub fields: StringRecord,
}

/// The rows of one source, in order.
pub struct Rows {
    label: String,
    header: StringRecord,
    columns: Columns,
    reader: csv::Reader<Lines<Box<dyn BufRead + Send>>>,
    length: u64,
    consumed: Arc<AtomicU64>,
}

impl Rows {
    /// Opens the source and reads its header.
    pub fn open(source: &Source) -> Result<Rows, Problem> {
        let label = source.label();
        let (bytes, length) = source.open()?;
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counting { inner: bytes, consumed: Arc::clone(&consumed) };
        let plain = unpacked(counted).map_err(|error| unreadable(&label, &error))?;
        // Without headers for the csv reader: the first row is read like every other.
        let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(Lines::new(plain));
        let nothing = StringRecord::new();
        let columns = Columns { time_hour: 0, tailnum: 0, origin: 0, dest: 0 };
        let mut rows = Rows { label, header: nothing, columns, reader, length, consumed };
        let Some(first) = rows.next().transpose()? else {
            let remedy = "its first line must name the columns";
            return Err(Problem::at_line(&rows.label, 1, "the file is empty", remedy));
        };
        rows.columns = find_columns(&rows.label, &first)?;
        rows.header = first.fields;
        Ok(rows)
    }

    /// Returns the names of the columns.
    pub fn header(&self) -> &StringRecord {
        &self.header
    }

    /// Returns the places of the columns that are read.
    pub fn columns(&self) -> Columns {
        self.columns
    }

    /// Returns the length of the source in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the counter of the bytes read so far; another thread may watch it.
    pub fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = ByteRecord::new();
        let read = self.reader.read_byte_record(&mut bytes);
        // The reader stands on the row's last line; values with line breaks in them began earlier.
        let breaks = bytes.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
        let line = self.reader.get_ref().line().saturating_sub(breaks).max(1);
        match read {
            Ok(false) => None,
            Ok(true) => Some(
                StringRecord::from_byte_record(bytes).map(|fields| Row { line, fields }).map_err(
                    |_| {
                        let remedy = "save the file as UTF-8";
                        Problem::at_line(&self.label, line, "the text is not UTF-8", remedy)
                    },
                ),
            ),
            Err(error) => Some(Err(explain(&self.label, line, &error))),
        }
    }
}

/// Finds the required columns, and refuses a header that would make the output ambiguous.
fn find_columns(label: &str, first: &Row) -> Result<Columns, Problem> {
    let header = &first.fields;
    let wrong = |what: String, remedy: &str| Err(Problem::at_line(label, first.line, what, remedy));
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return wrong(format!("two columns are called {}", quoted(twice[0])), "rename one");
    }
    if let Some(name) = ADDED_COLUMNS.iter().find(|name| header.iter().any(|have| have == **name)) {
        return wrong(
            format!("there is a column {name} already"),
            "give a file that was not enriched",
        );
    }
    let places = REQUIRED.map(|name| header.iter().position(|have| have == name));
    if let Some(missing) = places.iter().position(Option::is_none) {
        let what = format!("there is no column {}", REQUIRED[missing]);
        let have = names.join(", ");
        let have: String = have.chars().filter(|c| !c.is_control()).take(200).collect();
        let remedy = format!("the header must name {}; it names {have}", REQUIRED.join(", "));
        return wrong(what, &remedy);
    }
    let [time_hour, tailnum, origin, dest] = places.map(Option::unwrap_or_default);
    Ok(Columns { time_hour, tailnum, origin, dest })
}

/// Words an error of the csv reader so that it says what to correct in the file.
fn explain(label: &str, line: u64, error: &csv::Error) -> Problem {
    let what = match error.kind() {
        csv::ErrorKind::Io(cause) => return unreadable(label, cause),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("number of values is {len}, the header names {expected_len}")
        }
        _ => error.to_string(),
    };
    Problem::at_line(label, line, what, "correct the row, or leave it out")
}

fn unreadable(label: &str, error: &io::Error) -> Problem {
    Problem::new(format!("{label}: cannot be read ({error}); give a csv file, plain or gzip"))
}

/// Counts the bytes that pass, for the progress bar.
struct Counting {
    inner: Box<dyn Read + Send>,
    consumed: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Unpacks gzip, which is recognised by its first two bytes.
fn unpacked(bytes: Counting) -> io::Result<Box<dyn BufRead + Send>> {
    let mut buffered = BufReader::with_capacity(64 * 1024, bytes);
    let packed = buffered.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed {
        Box::new(BufReader::new(MultiGzDecoder::new(buffered)))
    } else {
        Box::new(buffered)
    })
}
