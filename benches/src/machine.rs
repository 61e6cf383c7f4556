//! The circumstances of a measurement: machine, compiler, commit, and the versions of the peers.

use crate::built;
use serde_json::{Value, json};
use std::{
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// The crates that are measured beside ours.
const PEERS: [&str; 11] = [
    "TinyUFO",
    "cached",
    "foyer-memory",
    "hashbrown",
    "lru",
    "memcache",
    "memoize",
    "mini-moka",
    "moka",
    "quick_cache",
    "scc",
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What a figure depends on beside the code of the benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Circumstances {
    /// The processor and its number of cores, the second-level cache, the kernel.
    pub machine: String,
    /// The compiler.
    pub compiler: String,
    /// The target triple.
    pub target: String,
    /// The commit; with `+` if files have been changed since.
    pub commit: String,
    /// Month and year.
    pub date: String,
    /// Names and versions of the peers.
    pub peers: Vec<(String, String)>,
}

impl Circumstances {
    /// Returns those of this process.
    pub fn now() -> Circumstances {
        let lock = fs::read_to_string(built::at_root("Cargo.lock")).unwrap_or_default();
        let manifest = fs::read_to_string(built::at_root("benches/Cargo.toml")).unwrap_or_default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Circumstances {
            machine: machine(),
            compiler: built::COMPILER.to_owned(),
            target: built::TARGET.to_owned(),
            commit: commit(),
            date: month(since.as_secs() / 86_400),
            peers: versions(&lock, &manifest),
        }
    }

    /// Returns all of it in two sentences.
    pub fn text(&self) -> String {
        let peers: Vec<String> =
            self.peers.iter().map(|(name, version)| format!("{name} {version}")).collect();
        format!(
            "Commit {}, {}, {}, {}.\nPeers: {}.",
            self.commit,
            self.date,
            self.machine,
            self.compiler,
            peers.join(", ")
        )
    }

    /// Returns all of it, for programs.
    pub fn json(&self) -> Value {
        let peers: serde_json::Map<String, Value> =
            self.peers.iter().map(|(name, version)| (name.clone(), json!(version))).collect();
        json!({
            "machine": self.machine,
            "compiler": self.compiler,
            "target": self.target,
            "commit": self.commit,
            "date": self.date,
            "peers": peers,
        })
    }
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let model = model(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cache = match read("/sys/devices/system/cpu/cpu0/cache/index2/size") {
        size if size.is_empty() => String::new(),
        size => format!(", second-level cache {size}"),
    };
    // The number of the release; what comes after it is the builder's.
    let release = read("/proc/sys/kernel/osrelease");
    let release = release.split('-').next().unwrap_or_default();
    format!("{model}, {cores} cores{cache}, {} {release}", std::env::consts::OS).trim().to_owned()
}

/// Returns the name of the processor in the text of `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(built::root()).args(arguments).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=7", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // Documents and pictures are what this run itself may have written.
    let code = ["status", "--porcelain", "--", "*.rs", "*.toml", "Cargo.lock"];
    match git(&code) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + "+",
    }
}

/// Returns the month that a day is in, counted from the first of January 1970.
fn month(days: u64) -> String {
    let mut left = days;
    let mut year = 1970;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut at = 0;
    while left >= lengths[at] {
        left -= lengths[at];
        at += 1;
    }
    format!("{} {year}", MONTHS[at])
}

/// Returns the versions of the peers in the text of `Cargo.lock`. Where it has several of a crate,
/// that is the one that the manifest of the benchmarks asks for.
fn versions(lock: &str, manifest: &str) -> Vec<(String, String)> {
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.trim_start_matches([' ', '=']).trim_matches('"').to_owned())
    };
    let package = |block: &str| {
        let mut lines = block.lines();
        let name = lines.find_map(|line| value(line, "name"))?;
        let version = lines.find_map(|line| value(line, "version"))?;
        let wanted = PEERS.contains(&name.as_str()) && is_wanted(&name, &version, manifest);
        wanted.then_some((name, version))
    };
    lock.split("[[package]]").filter_map(package).collect()
}

/// Returns `true` if the manifest's requirement of a crate allows this version. It looks at the
/// text of the requirement only, which is enough for those in use.
fn is_wanted(name: &str, version: &str, manifest: &str) -> bool {
    let line = manifest
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '=', '.'])));
    // Inherited from the workspace, or not named: there is but one.
    let Some(requirement) = line.and_then(|line| {
        line.split('"').find(|part| part.trim_start_matches('=').starts_with(char::is_numeric))
    }) else {
        return true;
    };
    let mut parts = requirement.trim_start_matches('=').split('.');
    // The first number that is not zero decides what is compatible.
    let decides = |part: &&str| *part == "0";
    let count = parts.clone().take_while(decides).count() + 1;
    let wanted: Vec<&str> = parts.by_ref().take(count).collect();
    version.split('.').take(count).eq(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_in_their_months() {
        let days = [0, 30, 31, 789, 790, 11_016, 20_786, 20_787];
        let wanted = [
            "January 1970",
            "January 1970",
            "February 1970",
            "February 1972",
            "March 1972",
            "February 2000",
            "November 2026",
            "November 2026",
        ];
        assert_eq!(days.map(month), wanted);
    }

    #[test]
    fn of_two_versions_the_manifest_decides() {
        let lock = "[[package]]\nname = \"lru\"\nversion = \"0.7.8\"\n\n\
                    [[package]]\nname = \"lru\"\nversion = \"0.19.1\"\n\n\
                    [[package]]\nname = \"scc\"\nversion = \"3.8.8\"\n\n\
                    [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n";
        let manifest = "lru = { version = \"0.19\", default-features = false }\nscc = \"3.8\"\n";
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(versions(lock, manifest), [pair("lru", "0.19.1"), pair("scc", "3.8.8")]);
    }

    #[test]
    fn the_processor_is_named() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A Processor 9\nflags\t: fpu\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("A Processor 9"));
        assert_eq!(model("processor: 0\n"), None);
    }

    #[test]
    fn the_text_and_the_json_have_all_of_it() {
        let now = Circumstances::now();
        let (text, json) = (now.text(), now.json());
        for part in [&now.commit, &now.date, &now.machine, &now.compiler] {
            assert!(!part.is_empty() && text.contains(part.as_str()), "{part} in {text}");
        }
        assert!(text.contains("quick_cache 0."), "{text}");
        assert_eq!(json["compiler"], now.compiler);
        assert!(json["peers"]["moka"].as_str().is_some());
    }
}
