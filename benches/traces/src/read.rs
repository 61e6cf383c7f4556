//! Traces in files, in the formats that public traces come in.
//!
//! * text, all other endings: one key a line, as it stands there.
//! * bin, `.bin`: a key of 8 bytes for each access, little-endian. If there is a `NAME.sz` beside
//!   it, that has a size of 4 bytes for each.
//! * lis, `.lis`, the traces of the ARC paper: first block, number of blocks, and two fields that
//!   are not used. Each block is an access.
//! * csv, `.csv`: with a header that names columns (`obj_id`, `id`, `key`, `object` or `lbn`;
//!   `size` or `obj_size`), or without one: time, key, size. No quotes.
//! * oracle, `.oracleGeneral` or `.oracleGeneral.bin`: libCacheSim's records of 24 bytes,
//!   little-endian: time (4), key (8), size (4), next access (8).

use crate::trace::Trace;
use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// How a file is to be read; the head of this module has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One key a line.
    Text,
    /// Keys of 8 bytes.
    Bin,
    /// The traces of the ARC paper.
    Lis,
    /// Columns with commas between them.
    Csv,
    /// libCacheSim's binary records.
    Oracle,
}

impl Format {
    /// Returns what the name of a file says.
    pub fn of(path: &Path) -> Format {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        match name.rsplit('.').next() {
            _ if name.contains(".oraclegeneral") => Format::Oracle,
            Some("bin") => Format::Bin,
            Some("lis") => Format::Lis,
            Some("csv") => Format::Csv,
            _ => Format::Text,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "bin" => Ok(Format::Bin),
            "lis" => Ok(Format::Lis),
            "csv" => Ok(Format::Csv),
            "oracle" => Ok(Format::Oracle),
            _ => Err(format!("a format is text, bin, lis, csv or oracle, not {text}")),
        }
    }
}

/// Reads a trace; without a format, in that which its name says. The error names the file and, if
/// there is one, the line.
pub fn read(path: &Path, format: Option<Format>) -> Result<Trace, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let trace = match format.unwrap_or_else(|| Format::of(path)) {
        Format::Text => Ok(Trace::of_keys("", lines(&bytes).map(|(_, line)| line))),
        Format::Bin => bin(&bytes, sizes_beside(path).map_err(failed)?),
        Format::Lis => lis(&bytes),
        Format::Csv => csv(&bytes),
        Format::Oracle => oracle(&bytes),
    };
    let trace = Trace { name: name(path), ..trace.map_err(failed)? };
    if trace.ids.is_empty() { Err(failed("no accesses".to_owned())) } else { Ok(trace) }
}

/// Returns the file's name up to its first dot.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Returns the lines that are not empty, without blanks around them, and their numbers from 1.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    lines.filter(|(_, line)| !line.is_empty())
}

fn sizes_beside(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let beside: PathBuf = path.with_extension("sz");
    match fs::read(&beside) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", beside.display())),
    }
}

/// Splits into records of `N` bytes, of which nothing may be left over.
fn records<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]], String> {
    match bytes.as_chunks() {
        (records, []) => Ok(records),
        _ => Err(format!("{} bytes are not a multiple of {N}", bytes.len())),
    }
}

fn bin(bytes: &[u8], sizes: Option<Vec<u8>>) -> Result<Trace, String> {
    let keys = records::<8>(bytes)?;
    let Some(sizes) = sizes else { return Ok(Trace::of_keys("", keys)) };
    let sizes = records::<4>(&sizes)?;
    if sizes.len() != keys.len() {
        return Err(format!("{} keys, but {} sizes beside them", keys.len(), sizes.len()));
    }
    let sizes = sizes.iter().map(|size| Some(u32::from_le_bytes(*size)));
    Ok(Trace::of_accesses("", keys.iter().zip(sizes)))
}

fn lis(bytes: &[u8]) -> Result<Trace, String> {
    let mut keys = Vec::new();
    for (number, line) in lines(bytes) {
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(start)), Some(Ok(count))) = (fields.next(), fields.next()) else {
            return Err(format!("line {number}: no first block and number of blocks: {text}"));
        };
        keys.extend((0..count).map(|block| start.wrapping_add(block)));
    }
    Ok(Trace::of_keys("", keys))
}

/// Where the key and the size stand.
struct Columns {
    key: usize,
    size: Option<usize>,
}

impl Columns {
    /// The names in a header, if that is one.
    fn named(line: &[u8]) -> Option<Columns> {
        let text = String::from_utf8_lossy(line).to_lowercase().replace('-', "_");
        let names: Vec<&str> = text.trim_start_matches('#').split(',').map(str::trim).collect();
        let place = |known: &[&str]| names.iter().position(|name| known.contains(name));
        let key = place(&["obj_id", "id", "key", "object", "object_id", "lbn"])?;
        Some(Columns { key, size: place(&["size", "obj_size", "object_size"]) })
    }
}

fn csv(bytes: &[u8]) -> Result<Trace, String> {
    let mut rows = lines(bytes).peekable();
    let named = rows.peek().and_then(|(_, line)| Columns::named(line));
    if named.is_some() {
        rows.next();
    }
    let columns = named.unwrap_or(Columns { key: 1, size: Some(2) });
    let row = |(number, line)| cells(line, &columns).map_err(|why| format!("line {number}: {why}"));
    let accesses: Result<Vec<_>, String> = rows.map(row).collect();
    Ok(Trace::of_accesses("", accesses?))
}

/// Returns the key and the size in a row. A size may be missing, but not be nonsense.
fn cells<'a>(line: &'a [u8], columns: &Columns) -> Result<(&'a [u8], Option<u32>), String> {
    let cells: Vec<&[u8]> = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let key = cells.get(columns.key).ok_or(format!("no column {}", columns.key + 1))?;
    let size = columns.size.and_then(|place| cells.get(place)).filter(|cell| !cell.is_empty());
    let number = |cell: &&[u8]| {
        let text = String::from_utf8_lossy(cell);
        let size = text.parse::<u64>().map_err(|_| format!("the size {text} is no number"))?;
        Ok::<u32, String>(u32::try_from(size).unwrap_or(u32::MAX))
    };
    Ok((*key, size.map(number).transpose()?))
}

fn oracle(bytes: &[u8]) -> Result<Trace, String> {
    let access = |record: &[u8; 24]| {
        let [_, _, _, _, k0, k1, k2, k3, k4, k5, k6, k7, s0, s1, s2, s3, ..] = *record;
        let key = u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]);
        (key, Some(u32::from_le_bytes([s0, s1, s2, s3])))
    };
    Ok(Trace::of_accesses("", records::<24>(bytes)?.iter().map(access)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format_and_the_trace() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("/a/P3.lis"), Format::Lis);
        assert_eq!(of("a.csv"), Format::Csv);
        assert_eq!(of("a.bin"), Format::Bin);
        assert_eq!(of("w.oracleGeneral"), Format::Oracle);
        assert_eq!(of("w.oracleGeneral.bin"), Format::Oracle);
        assert_eq!(of("keys"), Format::Text);
        assert_eq!(name(Path::new("/a/w.oracleGeneral.bin")), "w");
        assert_eq!("csv".parse(), Ok(Format::Csv));
        assert!("xls".parse::<Format>().unwrap_err().ends_with("not xls"));
    }

    #[test]
    fn lis_has_runs_of_blocks() {
        let trace = lis(b"10 3 0 1\n11 1 0 2\r\n\n").unwrap();
        assert_eq!((trace.ids, trace.distinct), (vec![0, 1, 2, 1], 3));
        assert!(lis(b"10 3 0 1\n11 x").unwrap_err().starts_with("line 2:"));
    }

    #[test]
    fn csv_follows_its_header() {
        let trace = csv(b"# version,time,size,lbn\n1,0,512,a\n1,1,100,b\n1,2,7,a").unwrap();
        assert_eq!((trace.ids, trace.sizes), (vec![0, 1, 0], Some(vec![512, 100])));
        let trace = csv(b"obj-id\na\na\nb").unwrap();
        assert_eq!((trace.ids, trace.sizes), (vec![0, 0, 1], None));
    }

    #[test]
    fn csv_without_header_has_time_key_size() {
        let trace = csv(b"0,a,512\n1,b,99999999999\n2,a,7").unwrap();
        assert_eq!((trace.ids, trace.sizes), (vec![0, 1, 0], Some(vec![512, u32::MAX])));
        assert_eq!(csv(b"0,a,5\n1").unwrap_err(), "line 2: no column 2");
        assert_eq!(csv(b"0,a,5\n1,b,x").unwrap_err(), "line 2: the size x is no number");
    }

    #[test]
    fn bin_takes_sizes_from_the_file_beside_it() {
        let keys: Vec<u8> = [7_u64, 8, 7].iter().flat_map(|key| key.to_le_bytes()).collect();
        let sizes: Vec<u8> = [5_u32, 6, 5].iter().flat_map(|size| size.to_le_bytes()).collect();
        assert_eq!(bin(&keys, None).unwrap().ids, [0, 1, 0]);
        assert_eq!(bin(&keys, Some(sizes.clone())).unwrap().sizes, Some(vec![5, 6]));
        assert!(bin(&keys, Some(sizes[..8].to_vec())).unwrap_err().contains("2 sizes"));
        assert!(bin(&keys[1..], None).unwrap_err().contains("multiple of 8"));
    }

    #[test]
    fn oracle_records_are_packed() {
        let record = |key: u64, size: u32| {
            let parts = [&1_u32.to_le_bytes()[..], &key.to_le_bytes(), &size.to_le_bytes()];
            [&parts.concat()[..], &(-1_i64).to_le_bytes()].concat()
        };
        let trace = oracle(&[record(9, 50), record(1, 60), record(9, 50)].concat()).unwrap();
        assert_eq!((trace.ids, trace.sizes), (vec![0, 1, 0], Some(vec![50, 60])));
    }

    #[test]
    fn files_are_read_and_their_faults_named() {
        let folder = std::env::temp_dir().join(format!("traces-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("words.txt");
        fs::write(&path, "one\ntwo\r\none\n").unwrap();
        let trace = read(&path, None).unwrap();
        assert_eq!((trace.name.as_str(), trace.ids), ("words", vec![0, 1, 0]));
        fs::write(&path, "\n").unwrap();
        assert!(read(&path, None).unwrap_err().ends_with("words.txt: no accesses"));
        assert!(read(&folder.join("missing"), None).unwrap_err().contains("missing: "));
        fs::remove_dir_all(&folder).unwrap();
    }
}
