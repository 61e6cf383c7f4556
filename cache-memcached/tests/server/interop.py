"""The other side of interop.rs: reads what Rust wrote, and writes what Rust is to read.

    python interop.py PORT

Keys are namespace:name:schema:generation:key. The generation is a counter of its own,
namespace:~g:name:generation, which a flush raises: read it anew about once a second, as the Rust
side does.
"""

import json
import sys

from pymemcache.client.base import Client


def main() -> None:
    client = Client(("127.0.0.1", int(sys.argv[1])))

    def key(name: str, key: str) -> str:
        generation = client.get(f"test:~g:{name}:generation")
        assert generation, f"there is no generation of {name}"
        return f"test:{name}:0:{int(generation)}:{key}"

    found = client.get(key("greetings", "de"))
    assert found == "Grüezi".encode(), found
    found = json.loads(client.get(key("users", "7")))
    assert found == {"name": "Ada", "visits": 3}, found
    assert client.get(key("users", "8")) is None, "it was removed"

    client.set(key("greetings", "fr"), "Bonjour à tous".encode(), expire=60)
    client.set(key("users", "9"), json.dumps({"name": "Grace", "visits": 1}), expire=60)
    client.set(key("users", "10"), "{ this is no JSON", expire=60)
    assert client.delete(key("greetings", "it"), noreply=False), "Rust had written it"
    print("read and written")


if __name__ == "__main__":
    main()
