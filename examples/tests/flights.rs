//! The flights example as its user sees it: the same bytes for all settings, one clear line for
//! each mistake, and never half a file.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use examples::cli::Options;
use examples::input::Source;
use tempfile::TempDir;

const HEADER: &str = "time_hour,tailnum,origin,dest";
const GOOD_ROW: &str = "2013-01-01T10:00:00Z,N14228,EWR,IAH";

/// One database for all tests; the test that comes first builds it.
fn database() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("flights-test.sqlite")
}

/// Returns the program itself. `cargo test` builds examples, but does not pass their place to
/// tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("flights{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "build it first: cargo build -p examples --example flights");
    program
}

/// A folder to run the program in, with its output in `out.csv`.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(program())
            .current_dir(self.folder.path())
            .args(["--output", "out.csv", "--database"])
            .arg(database())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs a command that must fail, and returns its one line on standard error.
    fn problem(&self, arguments: &[&str]) -> String {
        one_line(&self.run(arguments))
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("flights: "), "{text}");
    text
}

fn report(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "no progress bar where there is no terminal");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Returns the numbers of one line of the table, without their commas.
fn numbers(report: &str, line: &str) -> Vec<f64> {
    let found = report.lines().find(|have| have.starts_with(line));
    let found = found.unwrap_or_else(|| panic!("no line {line:?} in:\n{report}"));
    let fields = found[line.len()..].split_whitespace();
    fields.map(|field| field.replace([',', '%'], "").parse().unwrap()).collect()
}

/// Enriches in this process and returns the bytes written.
fn enriched(change: impl FnOnce(&mut Options)) -> Vec<u8> {
    let bench = Bench::new();
    let mut options = Options {
        output: bench.path("out.csv"),
        database: database(),
        limit: Some(1_700),
        baseline_rows: 0,
        ..Options::default()
    };
    change(&mut options);
    examples::run(&options, &mut Vec::new()).unwrap();
    fs::read(&options.output).unwrap()
}

#[test]
fn output_is_the_same_with_and_without_cache_on_one_or_many_threads() {
    let expected = enriched(|options| {
        options.cache = false;
        options.threads = 1;
    });
    assert_eq!(expected.iter().filter(|byte| **byte == b'\n').count(), 1_701);
    for cache in [true, false] {
        for threads in [1, 2, 7] {
            let found = enriched(|options| {
                options.cache = cache;
                options.threads = threads;
            });
            assert!(found == expected, "differs with cache {cache}, threads {threads}");
        }
    }
}

#[test]
fn output_is_the_same_when_the_caches_are_tiny() {
    let bench = Bench::new();
    let report = report(&bench.run(&["--limit", "600", "--capacity", "5", "--threads", "3"]));
    for function in ["plane", "weather", "night_share"] {
        assert!(numbers(&report, function)[4] <= 5.0, "{report}");
    }
    let expected = enriched(|options| {
        options.cache = false;
        options.limit = Some(600);
    });
    assert!(fs::read(bench.path("out.csv")).unwrap() == expected);
}

/// With a server that runs: `.ci/run`, and the tests of `tiers.rs`.
#[test]
fn output_is_the_same_when_the_memcached_does_not_run() {
    let bench = Bench::new();
    let (port, rows) = (closed_port(), ["--limit", "1700", "--baseline-rows", "40"]);
    let server = format!("127.0.0.1:{port}");
    let report = report(&bench.run(&[&rows[..], &["--tier", &server]].concat()));
    let found = fs::read(bench.path("out.csv")).unwrap();
    assert!(found == enriched(|options| options.cache = false));
    assert!(report.contains(&format!("{server} was cold: it had 0 of ")), "{report}");
    assert!(report.contains("is it running?"), "{report}");
    for function in ["plane", "weather", "night_share"] {
        let [memory, remote, loads, _] = numbers(&report, function)[..] else {
            panic!("four numbers in {report}");
        };
        assert_eq!((memory + loads, remote), (1_700.0, 0.0), "{report}");
    }
}

/// Returns a port on which nothing listens, as long as nothing else takes it.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn output_holds_the_row_and_what_belongs_to_it() {
    let bench = Bench::new();
    let rows = [
        "note,dest,origin,tailnum,time_hour",
        "\"a, \"\"b\"\"\",IAH,EWR,N14228,2013-01-01T10:00:00Z",
        "unknown plane and airport,SJU,JFK,,2013-07-01T16:00:00Z",
        "no weather,LAX,JFK,N14228,1999-12-22T04:00:00Z",
    ];
    bench.file("in.csv", rows.join("\n"));
    report(&bench.run(&["in.csv", "--baseline-rows", "10"]));
    let found = fs::read_to_string(bench.path("out.csv")).unwrap();
    let expected = [
        concat!(
            ",plane_year,plane_manufacturer,plane_model,plane_seats",
            ",temp,wind_speed,precip,visib,night_share"
        ),
        ",1999,BOEING,737-824,149,39.02,12.66,0.00,10.00,0.829",
        ",,,,,73.94,5.75,0.21,6.00,",
        ",1999,BOEING,737-824,149,,,,,1.000",
    ];
    for ((line, row), end) in found.lines().zip(rows).zip(expected) {
        assert!(line.starts_with(&format!("{row}{end}")), "{line}");
    }
    assert_eq!(found.lines().count(), rows.len());
    assert!(found.lines().nth(2).unwrap().ends_with(','), "no share where an airport is unknown");
}

#[test]
fn report_shows_speeds_and_counts() {
    let bench = Bench::new();
    let report =
        report(&bench.run(&["--limit", "1300", "--baseline-rows", "40", "--threads", "1"]));
    assert!(report.contains("1,300 rows of the bundled flights.csv, 1 thread\n"), "{report}");
    assert!(report.contains("enriched rows: out.csv\n"), "{report}");
    assert_eq!(numbers(&report, "with cache, every row, from empty caches")[0], 1_300.0);
    assert_eq!(numbers(&report, "without cache, rows taken at even distances")[0], 40.0);
    assert!(report.contains("speed-up: "), "{report}");
    for function in ["plane", "weather", "night_share"] {
        let [hits, misses, loads, ratio, entries, _] = numbers(&report, function)[..] else {
            panic!("six numbers in {report}");
        };
        assert_eq!(hits + misses, 1_300.0, "{report}");
        assert_eq!((misses, loads), (entries, entries), "one load for each entry: {report}");
        assert!((ratio - 100.0 * hits / 1_300.0).abs() < 0.1, "{report}");
    }
}

#[test]
fn report_without_cache_has_no_counts() {
    let report = report(&Bench::new().run(&["--limit", "10", "--no-cache", "--threads", "2"]));
    assert_eq!(numbers(&report, "without cache, every row")[0], 10.0);
    assert!(!report.contains("hit ratio") && !report.contains("speed-up"), "{report}");
}

#[test]
fn rows_without_any_give_a_header_only() {
    let bench = Bench::new();
    bench.file("in.csv", HEADER);
    report(&bench.run(&["in.csv"]));
    assert_eq!(fs::read_to_string(bench.path("out.csv")).unwrap().lines().count(), 1);
}

/// Every way in which a row or a header can be wrong, the line to be named and a word of the text.
#[test]
fn input_that_is_wrong_names_file_and_line_and_leaves_nothing() {
    let many = format!("{GOOD_ROW}\n").repeat(1_234);
    let cases: [(&str, Vec<u8>, u64, &str); 14] = [
        ("too few values", format!("{HEADER}\n{GOOD_ROW}\nx,y\n").into(), 3, "is 2"),
        ("too many values", format!("{HEADER}\n{GOOD_ROW},more\n").into(), 2, "is 5"),
        ("after blank lines", format!("{HEADER}\n\n\nx,y\n").into(), 4, "is 2"),
        ("after many rows", format!("{HEADER}\n{many}x,y\n").into(), 1_236, "is 2"),
        ("lines of windows", format!("{HEADER}\r\n{GOOD_ROW}\r\nx,y\r\n").into(), 3, "is 2"),
        ("after a long row", format!("{HEADER},n\n{GOOD_ROW},\"a\nb\"\nx,y\n").into(), 4, "is 2"),
        (
            "open quote",
            format!("{HEADER}\n{GOOD_ROW}\n\"{GOOD_ROW}\n{GOOD_ROW}\n").into(),
            3,
            "is 1",
        ),
        ("no number", format!("{HEADER}\n2013-01-01T1x:00:00Z,N1,EWR,IAH").into(), 2, "T1x:00"),
        ("no such day", format!("{HEADER}\n2013-02-30T10:00:00Z,N1,EWR,IAH").into(), 2, "write it"),
        ("no column", format!("time_hour,tail,origin,dest\n{GOOD_ROW}\n").into(), 1, "tailnum"),
        ("column twice", format!("{HEADER},dest\n").into(), 1, "two columns"),
        ("enriched already", format!("{HEADER},night_share\n").into(), 1, "already"),
        ("empty", Vec::new(), 1, "empty"),
        ("not UTF-8", [HEADER.as_bytes(), b"\n2013,N\xff,EWR,IAH\n"].concat(), 2, "UTF-8"),
    ];
    for (name, content, line, word) in cases {
        let bench = Bench::new();
        bench.file("in.csv", content);
        let text = bench.problem(&["in.csv", "--threads", "3"]);
        assert!(text.contains(&format!("in.csv, line {line}: ")), "{name}: {text}");
        assert!(text.contains(word) && text.contains("; "), "{name}: {text}");
        assert_eq!(bench.names(), BTreeSet::from(["in.csv".to_owned()]), "{name}");
    }
}

#[test]
fn input_with_two_problems_names_the_first() {
    let bench = Bench::new();
    let rows = format!("{GOOD_ROW}\n").repeat(700);
    bench.file("in.csv", format!("{HEADER}\n{rows}bad,N1,EWR,IAH\n{rows}x,y\n"));
    let text = bench.problem(&["in.csv", "--threads", "4"]);
    assert!(text.contains("line 702: time_hour is \"bad\""), "{text}");
}

#[test]
fn input_that_cannot_be_read_is_named() {
    let bench = Bench::new();
    let text = bench.problem(&["nothing.csv"]);
    assert!(text.contains("nothing.csv: cannot be opened"), "{text}");
    bench.file("cut.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0]);
    let text = bench.problem(&["cut.csv.gz"]);
    assert!(text.contains("cut.csv.gz: cannot be read"), "{text}");
    assert_eq!(bench.names(), BTreeSet::from(["cut.csv.gz".to_owned()]));
}

#[test]
fn input_packed_with_gzip_or_with_a_byte_order_mark_is_read() {
    let bench = Bench::new();
    bench.file("in.csv", format!("\u{feff}{HEADER}\n{GOOD_ROW}\n"));
    report(&bench.run(&["in.csv", "--baseline-rows", "0"]));
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights.csv.gz");
    let found = enriched(|options| options.source = Source::File(packed.into()));
    assert!(found == enriched(|_| ()), "the bundled file, read from its place");
}

#[test]
fn output_that_exists_survives_a_problem_and_is_replaced_by_success() {
    let bench = Bench::new();
    let out = bench.file("out.csv", "from an earlier run");
    bench.file("in.csv", format!("{HEADER}\n{GOOD_ROW}\nx,y\n"));
    bench.problem(&["in.csv"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "from an earlier run");
    report(&bench.run(&["in.csv", "--limit", "1"]));
    assert!(fs::read_to_string(&out).unwrap().starts_with(HEADER));
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let bench = Bench::new();
    let text = bench.problem(&["--limit", "5", "--output", "no/such/folder.csv"]);
    assert!(text.contains("folder.csv: cannot be written (its folder does not exist)"), "{text}");
    let text = bench.problem(&["--limit", "5", "--output", "."]);
    assert!(text.contains("cannot be written"), "{text}");
    bench.file("in.csv", format!("{HEADER}\n{GOOD_ROW}\n"));
    let text = bench.problem(&["in.csv", "--output", "./in.csv"]);
    assert!(text.contains("is the input"), "{text}");
    assert_eq!(bench.names(), BTreeSet::from(["in.csv".to_owned()]));
}

#[cfg(target_os = "linux")]
#[test]
fn output_on_a_full_disk_leaves_nothing() {
    use std::os::unix::fs::FileTypeExt;

    let bench = Bench::new();
    let text = bench.problem(&["--limit", "5", "--output", "/dev/full"]);
    assert!(text.contains("/dev/full: cannot be written (No space left"), "{text}");
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device(), "still the device");

    // A limit on the size of files stops an ordinary one half way.
    report(&bench.run(&["--limit", "1"]));
    fs::remove_file(bench.path("out.csv")).unwrap();
    let limited =
        "trap '' XFSZ; ulimit -f 40; exec \"$0\" --limit 2000 --output out.csv --database \"$1\"";
    let output = Command::new("sh")
        .current_dir(bench.folder.path())
        .args(["-c", limited])
        .args([program(), database()])
        .output()
        .unwrap();
    let text = one_line(&output);
    assert!(text.contains("out.csv: cannot be written (File too large"), "{text}");
    assert_eq!(bench.names(), BTreeSet::new());
}

#[test]
fn options_that_are_wrong_get_one_line() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 12] = [
        (&["--threads", "0"], "--threads \"0\": give a whole number, from 1 to 1024"),
        (&["--capacity", "0"], "--capacity \"0\": give a whole number, 1 or more"),
        (&["--limit", "0"], "--limit \"0\""),
        (&["--limit", "1e3"], "--limit \"1e3\""),
        (&["--threads", "-1"], "--threads \"-1\""),
        (&["--baseline-rows", "some"], "--baseline-rows \"some\""),
        (&["--capacity"], "--capacity"),
        (&["--cache"], "--cache"),
        (&["--tier"], "--tier"),
        (&["--tier", "localhost"], "--tier \"localhost\": "),
        (&["--tier", "localhost:11211", "--no-cache"], "--tier and --no-cache exclude each other"),
        (&["one.csv", "two.csv"], "two.csv"),
    ];
    for (arguments, text) in cases {
        let found = bench.problem(arguments);
        assert!(found.contains(text), "{found}");
    }
    assert_eq!(bench.names(), BTreeSet::new());
    assert!(report(&bench.run(&["--help"])).contains("--baseline-rows"));
}

#[test]
fn database_is_built_once_and_again_when_outdated() {
    let bench = Bench::new();
    let run = || report(&bench.run(&["--limit", "3", "--database", "own.sqlite"]));
    assert!(run().starts_with("built own.sqlite with 3322 planes"), "the first time");
    assert!(!run().contains("built"), "not the second time");
    let connection = rusqlite::Connection::open(bench.path("own.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    drop(connection);
    assert!(run().starts_with("built own.sqlite"), "when its version differs");
    assert_eq!(bench.names(), ["out.csv", "own.sqlite"].map(String::from).into());
}

#[test]
fn database_of_another_program_is_not_touched() {
    let bench = Bench::new();
    let letter = bench.file("letter.txt", "Dear Ada,");
    let theirs = bench.path("theirs.sqlite");
    let connection = rusqlite::Connection::open(&theirs).unwrap();
    connection.execute_batch("CREATE TABLE secret (word TEXT)").unwrap();
    drop(connection);
    let before = fs::read(&theirs).unwrap();
    for name in ["letter.txt", "theirs.sqlite"] {
        let text = bench.problem(&["--limit", "3", "--database", name]);
        assert!(text.contains(&format!("{name}: is not a database of this program")), "{text}");
    }
    assert_eq!(fs::read_to_string(letter).unwrap(), "Dear Ada,");
    assert!(fs::read(theirs).unwrap() == before);
    assert_eq!(bench.names(), ["letter.txt", "theirs.sqlite"].map(String::from).into());
}

#[test]
fn database_that_is_damaged_is_named_and_leaves_no_output() {
    let bench = Bench::new();
    report(&bench.run(&["--limit", "3", "--database", "own.sqlite"]));
    fs::remove_file(bench.path("out.csv")).unwrap();
    let mut content = fs::read(bench.path("own.sqlite")).unwrap();
    content[200..].fill(0x5a);
    bench.file("own.sqlite", content);
    let text = bench.problem(&["--limit", "3", "--database", "own.sqlite"]);
    assert!(text.contains("own.sqlite: ") && text.contains("delete the file"), "{text}");
    assert_eq!(bench.names(), BTreeSet::from(["own.sqlite".to_owned()]));
}
