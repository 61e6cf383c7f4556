//! The source of the lookups: an SQLite database of planes, weather and airports.
//!
//! It is built once from the embedded files, under a temporary name in the same folder, and moved
//! to its own name when it is whole; so two first runs at once do not disturb each other, and a
//! run that is cut off leaves no half database behind. Every thread has its own connection,
//! since a connection cannot be used by two threads at once and opening one for each lookup would
//! cost more than the lookup.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, ToSql, params};

use crate::data;
use crate::hour::Hour;
use crate::output::temporary_beside;
use crate::problem::Problem;

/// Marks the file as ours ("FLT1"), so that no other program's database is ever overwritten.
const APPLICATION_ID: i32 = 0x464c_5431;

const SCHEMA: &str = "
    CREATE TABLE plane (
        tailnum TEXT PRIMARY KEY, year INTEGER, manufacturer TEXT, model TEXT, seats INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE weather (
        origin TEXT, hour INTEGER, temp REAL, wind_speed REAL, precip REAL, visib REAL,
        PRIMARY KEY (origin, hour)
    ) WITHOUT ROWID;
    CREATE TABLE airport (
        faa TEXT PRIMARY KEY, name TEXT, lat REAL NOT NULL, lon REAL NOT NULL
    ) WITHOUT ROWID;
";

const REMEDY_ANOTHER: &str = "name another place with --database";
const REMEDY_DELETE: &str = "delete the file to have it built again";

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// What exists under the name that was given for the database.
#[derive(Debug, PartialEq)]
enum Found {
    Nothing,
    Outdated,
    Current,
}

/// Returns a checksum of what is in the database.
pub fn version() -> i32 {
    data::fingerprint(SCHEMA)
}

/// Builds the database unless a current one exists; returns `true` if it was built.
pub fn ensure(path: &Path) -> Result<bool, Problem> {
    let version = version();
    if look(path, version)? == Found::Current {
        return Ok(false);
    }
    let failed = |what: &dyn std::fmt::Display| {
        Problem::in_file(path, format!("cannot build the database: {what}"), REMEDY_ANOTHER)
    };
    let temporary = temporary_beside(path).map_err(|error| failed(&error))?;
    build(temporary.path(), version).map_err(|error| failed(&error))?;
    temporary.as_file().sync_all().map_err(|error| failed(&error))?;
    temporary.persist(path).map_err(|error| failed(&error.error))?;
    Ok(true)
}

fn look(path: &Path, version: i32) -> Result<Found, Problem> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(Problem::in_file(path, error, REMEDY_ANOTHER)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Problem::in_file(path, "is not a file", REMEDY_ANOTHER));
        }
        Ok(_) => {}
    }
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0))
    };
    let marks = open(path)
        .and_then(|file| Ok((pragma(&file, "application_id")?, pragma(&file, "user_version")?)));
    match marks {
        Ok((APPLICATION_ID, found)) if found == version => Ok(Found::Current),
        Ok((APPLICATION_ID, _)) => Ok(Found::Outdated),
        _ => Err(Problem::in_file(path, "is not a database of this program", REMEDY_ANOTHER)),
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // A connection never leaves its thread, so SQLite need not lock it.
    Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

/// Why building failed: the copying reads csv and writes SQL.
type BuildResult<T> = Result<T, Box<dyn std::error::Error>>;

fn build(path: &Path, version: i32) -> BuildResult<()> {
    let mut file = Connection::open(path)?;
    // The file is thrown away when anything fails, so a journal would protect nothing.
    file.pragma_update(None, "journal_mode", "OFF")?;
    file.pragma_update(None, "application_id", APPLICATION_ID)?;
    file.pragma_update(None, "user_version", version)?;
    let all = file.transaction()?;
    all.execute_batch(SCHEMA)?;
    fill(&all, "INSERT INTO plane VALUES (?, ?, ?, ?, ?)", data::PLANES, |row| {
        Ok([text(row, 0), integer(row, 1)?, text(row, 2), text(row, 3), integer(row, 4)?])
    })?;
    fill(&all, "INSERT INTO weather VALUES (?, ?, ?, ?, ?, ?)", data::WEATHER, |row| {
        let hour = Hour::parse(&row[1]).ok_or("not an hour")?.since_1970;
        let [temp, wind, precip, visib] =
            [real(row, 2)?, real(row, 3)?, real(row, 4)?, real(row, 5)?];
        Ok([text(row, 0), Box::new(hour), temp, wind, precip, visib])
    })?;
    fill(&all, "INSERT INTO airport VALUES (?, ?, ?, ?)", data::AIRPORTS, |row| {
        Ok([text(row, 0), text(row, 1), real(row, 2)?, real(row, 3)?])
    })?;
    all.commit()?;
    file.close().map_err(|(_, error)| error)?;
    Ok(())
}

type Value = Box<dyn ToSql>;

/// Copies one embedded csv file into a table, each row through `convert`.
fn fill<const COLUMNS: usize>(
    connection: &Connection,
    sql: &str,
    packed: &'static [u8],
    convert: impl Fn(&csv::StringRecord) -> BuildResult<[Value; COLUMNS]>,
) -> BuildResult<()> {
    let mut statement = connection.prepare(sql)?;
    for row in data::reader(packed).into_records() {
        statement.execute(rusqlite::params_from_iter(convert(&row?)?))?;
    }
    Ok(())
}

fn text(row: &csv::StringRecord, column: usize) -> Value {
    Box::new(row[column].to_owned())
}

fn integer(row: &csv::StringRecord, column: usize) -> BuildResult<Value> {
    Ok(Box::new(optional::<i64>(&row[column])?))
}

fn real(row: &csv::StringRecord, column: usize) -> BuildResult<Value> {
    Ok(Box::new(optional::<f64>(&row[column])?))
}

/// An empty field is a value that was not recorded.
fn optional<T: std::str::FromStr>(field: &str) -> Result<Option<T>, T::Err> {
    if field.is_empty() { Ok(None) } else { field.parse().map(Some) }
}

/// Opens this thread's connection; a lookup on a thread without one fails.
pub fn open_on_this_thread(path: &Path) -> Result<(), Problem> {
    let opened = open(path).map_err(|error| Problem::in_file(path, error, REMEDY_DELETE))?;
    CONNECTION.set(Some(opened));
    Ok(())
}

/// Returns the first row that `sql` finds, or `None`. The statement is prepared once per
/// connection.
pub fn find<T>(
    sql: &str,
    key: &[&dyn ToSql],
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Problem> {
    CONNECTION.with_borrow(|connection| {
        let connection = connection
            .as_ref()
            .ok_or_else(|| Problem::new("a lookup on a thread that opened no database"))?;
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(key, read).optional())
            .map_err(|error| {
                let path = connection.path().unwrap_or_default();
                Problem::in_file(Path::new(path), error, REMEDY_DELETE)
            })
    })
}

/// Describes the database by the rows of its tables, for the line that reports that it was built.
pub fn describe(path: &Path) -> Result<String, Problem> {
    let count = |connection: &Connection, table: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), params![], |row| {
            row.get::<_, i64>(0)
        })
    };
    open(path)
        .and_then(|file| {
            let (planes, hours) = (count(&file, "plane")?, count(&file, "weather")?);
            let airports = count(&file, "airport")?;
            Ok(format!("{planes} planes, {hours} hours of weather, {airports} airports"))
        })
        .map_err(|error| Problem::in_file(path, error, REMEDY_DELETE))
}
