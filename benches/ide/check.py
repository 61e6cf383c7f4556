"""What an editor shows of functions under `#[cached]`, asked of rust-analyzer.

Usage: python3 benches/ide/check.py          (`rustup component add rust-analyzer` first)

A crate with cached functions is opened as an editor would open it, and typed in. Each check is a
question to the language server at a place in the text, and words that the answer must hold. The
place is marked by `^`, which is not part of the text.
"""

import json
import pathlib
import queue
import shutil
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRATE = ROOT / "target" / "ide"
PATIENCE = 300

MANIFEST = f"""[package]
name = "edited"
version = "0.0.0"
edition = "2024"

[dependencies]
cache-core = {{ path = "{ROOT}/cache-core" }}

[workspace]
"""

TEXT = """use cache_core::cached;
use std::sync::Arc;
use std::time::Duration;

struct Config {
    ttl: Duration,
}

const CFG: Config = Config { ttl: Duration::from_secs(60) };

/// What an article costs.
#[cached(@)]
fn price(sku: &str, qty: u64) -> Arc<str> {
    let text = sku.repeat(2);
    format!("{} {qty}", text.len()).into()
}

struct Shop {
    id: u64,
}

impl Shop {
    #[cached(key(self.id))]
    fn rent(&self, month: u64) -> u64 {
        self.id + month
    }
}

fn main() {
    let shop = Shop { id: 1 };
    shop.rent(1);
    let shown = price("a", 1);
    let looked = price::get("a", 1);
    price::cache();
    price::clear();
    price::get_with_status("a", 1);
    #
}
"""

OPTIONS = "ttl = CFG.ttl, max_capacity = 10"
COMPANION = [
    "cache", "clear", "get", "get_with_status", "insert", "invalidate", "refresh", "stats",
    "uncached",
]


class Server:
    """A language server, and the one file that is open in it."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.answers = queue.Queue()
        self.asked = 0
        self.version = 0
        self.complaints = []
        self.quiescent = threading.Event()
        self.uri = (CRATE / "src" / "main.rs").as_uri()
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        """Keeps what the server prints: a panic of a macro is told there."""
        for line in self.process.stderr:
            line = line.decode(errors="replace")
            if "panicked" in line:
                self.complaints.append(line.strip())

    def read(self):
        pipe = self.process.stdout
        while True:
            length = 0
            while (line := pipe.readline()).strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                return
            message = json.loads(pipe.read(length))
            if message.get("method") == "experimental/serverStatus":
                status = message["params"]
                if status.get("health") == "error":
                    self.complaints.append(status.get("message") or "the server is unwell")
                if status.get("quiescent"):
                    self.quiescent.set()
                else:
                    self.quiescent.clear()
            elif "method" in message and "id" in message:
                wanted = message["params"].get("items", []) if message.get("params") else []
                self.send({"id": message["id"], "result": [None for _ in wanted]})
            elif "id" in message:
                self.answers.put(message)

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def ask(self, method, params):
        self.asked += 1
        self.send({"id": self.asked, "method": method, "params": params})
        while True:
            answer = self.answers.get(timeout=PATIENCE)
            if answer["id"] != self.asked:
                continue
            error = answer.get("error", {})
            # It was overtaken by what the server has learnt meanwhile: once more.
            if error.get("code") == -32801:
                return self.ask(method, params)
            if error:
                raise RuntimeError(f"{method}: {error.get('message')}")
            return answer.get("result")

    def start(self):
        self.ask("initialize", {
            "processId": None,
            "rootUri": CRATE.as_uri(),
            "capabilities": {
                "experimental": {"serverStatusNotification": True},
                "textDocument": {"hover": {"contentFormat": ["plaintext"]}},
            },
            "initializationOptions": {
                "cachePriming": {"enable": False},
                "checkOnSave": False,
            },
        })
        self.notify("initialized", {})
        if not self.quiescent.wait(PATIENCE):
            sys.exit("rust-analyzer has not read the crate")

    def type(self, text):
        """The file has this text from now on."""
        self.version += 1
        if self.version == 1:
            document = {"uri": self.uri, "languageId": "rust", "version": 1, "text": text}
            return self.notify("textDocument/didOpen", {"textDocument": document})
        document = {"uri": self.uri, "version": self.version}
        changes = [{"text": text}]
        self.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": changes}
        )

    def at(self, text, place):
        """The parameters of a question at the place that is marked in a piece of the text."""
        piece = place.replace("^", "")
        if text.count(piece) != 1:
            raise RuntimeError(f"{piece!r} is not there once")
        offset = text.index(piece) + place.index("^")
        before = text[:offset].split("\n")
        position = {"line": len(before) - 1, "character": len(before[-1])}
        return {"textDocument": {"uri": self.uri}, "position": position}

    def hover(self, text, place):
        shown = self.ask("textDocument/hover", self.at(text, place))
        return shown["contents"]["value"] if shown else ""

    def completions(self, text, place):
        found = self.ask("textDocument/completion", self.at(text, place)) or []
        items = found["items"] if isinstance(found, dict) else found
        return sorted(item.get("filterText") or item["label"] for item in items)

    def definition(self, text, place):
        """The lines that it leads to."""
        found = self.ask("textDocument/definition", self.at(text, place)) or []
        found = found if isinstance(found, list) else [found]
        lines = text.split("\n")
        own = [place for place in found if place.get("uri", place.get("targetUri")) == self.uri]
        ranges = [place.get("range") or place["targetSelectionRange"] for place in own]
        return [lines[range["start"]["line"]] for range in ranges]


class Checks:
    def __init__(self):
        self.failed = 0

    def holds(self, what, found, wanted):
        missing = [word for word in wanted if word not in found]
        print(f"{'FAILED' if missing else 'ok':6} {what}")
        if missing:
            self.failed += 1
            print(f"       missing: {missing}\n       found: {found}")


def written(options=OPTIONS, line=""):
    return TEXT.replace("@", options).replace("#\n", line + "\n")


def whole(server, checks):
    """The text is whole."""
    text = written()
    server.type(text)
    signature = "fn price(sku: &str, qty: u64) -> Arc<str>"
    for place in ['shown = pri^ce("a", 1)', "fn pri^ce(sku"]:
        shown = server.hover(text, place)
        checks.holds(f"hover: {place}", shown, [signature, "What an article costs."])
    for place, wanted in [
        ("price::cac^he();", ["fn cache() -> &'static ", "The cache of the function."]),
        ("price::cle^ar();", ["fn clear()", "Removes all cached values."]),
        ("looked = price::g^et(", ["fn get(sku: &str, qty: u64) -> ", "Option<Arc<str>>"]),
        ("let text = s^ku.repeat", ["sku: &str"]),
        ("let te^xt = sku", ["text: String"]),
        ("let sho^wn = price", ["shown: Arc<str>"]),
        ("let loo^ked = price", ["looked: Option<Arc<str>>"]),
        ("shop.re^nt(1)", ["fn rent(&self, month: u64) -> u64"]),
        ("ttl = CFG.t^tl", ["ttl: Duration"]),
    ]:
        checks.holds(f"hover: {place}", server.hover(text, place), wanted)
    for place, line in [
        ('shown = pri^ce("a", 1)', "fn price(sku: &str, qty: u64) -> Arc<str> {"),
        ('price::get_with_st^atus("a", 1)', "fn price(sku: &str, qty: u64) -> Arc<str> {"),
        ('pri^ce::get_with_status("a", 1)', "fn price(sku: &str, qty: u64) -> Arc<str> {"),
        ("shop.re^nt(1)", "    fn rent(&self, month: u64) -> u64 {"),
        ("te^xt.len()", "    let text = sku.repeat(2);"),
    ]:
        checks.holds(f"definition: {place}", server.definition(text, place), [line])


def typing(server, checks):
    """A line is being typed, and options are."""
    # What needs the key is not there while its parts are wrong, nor `cache` for each thread.
    without_cache = ["key()", "skip(q)", "thread_local, ttl = "]
    for options in [OPTIONS, "", "tt", "ttl", "ttl = ", "ttl = CFG.", "ttl = CFG.t, max_"]:
        companion(server, checks, options, COMPANION)
    for options in without_cache:
        companion(server, checks, options, [name for name in COMPANION if name != "cache"])
    for options, place, wanted in [
        ("ttl = CFG.t", "ttl = CFG.t^", "ttl"),
        ("ttl = CF", "ttl = CF^", "CFG"),
        ("key(name: String = sku.to)", "sku.to^", "to_owned"),
        ("max_capacity = 10, weigher = |_, v| v.le", "|_, v| v.le^", "len"),
    ]:
        text = written(options)
        server.type(text)
        checks.holds(f"completion: {place}", server.completions(text, place), [wanted])
    text = written().replace("text.len()", "text.")
    server.type(text)
    checks.holds("completion: in the body", server.completions(text, '"{} {qty}", text.^'), ["len"])


def companion(server, checks, options, wanted):
    """With these options, which may be wrong, the function and its companion are known."""
    text = written(options, "price::")
    server.type(text)
    found = server.completions(text, "\n    price::^\n")
    checks.holds(f"completion: #[cached({options})] .. price::^", found, wanted)
    # Whatever it finds there, it does not fail.
    server.completions(text, f"#[cached({options}^)]")
    shown = server.hover(text, 'shown = pri^ce("a", 1)')
    checks.holds(f"hover: #[cached({options})] .. price", shown, ["fn price(sku: &str, qty: u64)"])


def main():
    program = shutil.which("rust-analyzer")
    working = program and subprocess.run([program, "--version"], capture_output=True)
    if not working or working.returncode:
        return print("rust-analyzer is not installed: nothing was checked")
    (CRATE / "src").mkdir(parents=True, exist_ok=True)
    (CRATE / "Cargo.toml").write_text(MANIFEST)
    (CRATE / "src" / "main.rs").write_text(written())
    shutil.copy(ROOT / "Cargo.lock", CRATE / "Cargo.lock")
    server, checks = Server(program), Checks()
    try:
        server.start()
        whole(server, checks)
        typing(server, checks)
    finally:
        server.process.kill()
    checks.holds("nothing panicked", "" if server.complaints else "nothing", ["nothing"])
    for complaint in server.complaints:
        print(f"       {complaint}")
    if checks.failed:
        sys.exit(f"{checks.failed} checks failed")


if __name__ == "__main__":
    main()
