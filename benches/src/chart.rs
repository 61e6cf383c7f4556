//! A picture of times: a line for each subject between two of them (its median and its 99th
//! percentile, or its time on one thread and on two), on a logarithmic scale. Written by hand as
//! SVG: it is some rectangles and texts, and only so can it have colours for dark pages beside
//! those for light ones.

use std::fmt::Write;

/// What one line shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The subject.
    pub name: String,
    /// More about it, in smaller letters; may be empty.
    pub note: String,
    /// `true` if it is ours: its name stands out.
    pub is_ours: bool,
    /// The two times, in nanoseconds.
    pub nanos: [f64; 2],
}

const WIDTH: f64 = 820.0;
/// Where the scale begins and ends; the names stand to the left.
const SCALE: [f64; 2] = [262.0, 768.0];
/// Where the first line stands, and how far apart they are.
const FIRST: f64 = 104.0;
const STEP: f64 = 46.0;
/// How far apart they are if none has a note.
const SHORT_STEP: f64 = 30.0;

/// The background is part of the picture, so it is readable on any page.
const STYLE: &str = "
  .card { fill: #ffffff; stroke: #d0d7de }
  .text, .name { fill: #1f2328 }
  .soft { fill: #59636e }
  .grid { stroke: #d8dee4 }
  .range { stroke: #9db7d9; stroke-width: 6; stroke-linecap: round }
  .first, .ours { fill: #0b57b0 }
  .second { fill: #bc4c00 }
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
  .title { font-size: 17px; font-weight: 600 }
  .name { font-size: 14px; font-weight: 600 }
  .value { font-size: 13px; font-weight: 600 }
  .small { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .card { fill: #151b23; stroke: #3d444d }
    .text, .name { fill: #f0f6fc }
    .soft { fill: #a3adb8 }
    .grid { stroke: #313943 }
    .range { stroke: #3b5a80 }
    .first, .ours { fill: #79b8ff }
    .second { fill: #ffa657 }
  }
";

/// Returns an SVG document. `legend`: what the two times are; `caption`: the lines below the scale.
pub fn svg(title: &str, legend: [&str; 2], bars: &[Bar], caption: &[&str]) -> String {
    let (low, high) = decades(bars);
    let has_notes = bars.iter().any(|bar| !bar.note.is_empty());
    let step = if has_notes { STEP } else { SHORT_STEP };
    let end = FIRST + step * bars.len() as f64 - 12.0;
    let height = end + 44.0 + 18.0 * caption.len() as f64;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = head(&mut out, title, legend, height);
    let _ = scale(&mut out, low, high, end);
    for (at, bar) in bars.iter().enumerate() {
        let _ = line(&mut out, bar, FIRST + step * at as f64, |nanos| place(nanos, low, high));
    }
    for (at, text) in caption.iter().enumerate() {
        let y = end + 46.0 + 18.0 * at as f64;
        let _ =
            writeln!(out, r#"<text class="soft small" x="24" y="{y}">{}</text>"#, escaped(text));
    }
    out.push_str("</svg>\n");
    out
}

fn head(out: &mut String, title: &str, legend: [&str; 2], height: f64) -> std::fmt::Result {
    let (title, inner) = (escaped(title), height - 1.0);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img"
  viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">"#
    )?;
    writeln!(out, "<title>{title}</title>\n<style>{STYLE}</style>")?;
    let right = WIDTH - 1.0;
    writeln!(
        out,
        r#"<rect class="card" x="0.5" y="0.5" width="{right}" height="{inner}" rx="8"/>"#
    )?;
    writeln!(out, r#"<text class="text title" x="24" y="34">{title}</text>"#)?;
    for (class, text, x) in [("first", legend[0], SCALE[0]), ("second", legend[1], 368.0)] {
        let text = escaped(text);
        let beside = x + 12.0;
        writeln!(out, r#"<circle class="{class}" cx="{x}" cy="58" r="6"/>"#)?;
        writeln!(out, r#"<text class="soft small" x="{beside}" y="62">{text}</text>"#)?;
    }
    Ok(())
}

/// A line and a label for each power of ten.
fn scale(out: &mut String, low: i32, high: i32, end: f64) -> std::fmt::Result {
    for decade in low..=high {
        let nanos = 10_f64.powi(decade);
        let (x, top, below) = (place(nanos, low, high), FIRST - 26.0, end + 18.0);
        writeln!(out, r#"<line class="grid" x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{end}"/>"#)?;
        writeln!(
            out,
            r#"<text class="soft small" x="{x:.1}" y="{below}" text-anchor="middle">{}</text>"#,
            duration(nanos)
        )?;
    }
    Ok(())
}

fn line(out: &mut String, bar: &Bar, y: f64, x: impl Fn(f64) -> f64) -> std::fmt::Result {
    let [first, second] = bar.nanos.map(x);
    // The text of the smaller stands to the left of both, that of the other to the right.
    let (left, right) = ((-13.0, "end"), (13.0, "start"));
    let (of_first, of_second) = if first <= second { (left, right) } else { (right, left) };
    let (upper, lower, middle) =
        if bar.note.is_empty() { (y + 5.0, y, y + 4.5) } else { (y - 3.0, y + 14.0, y + 4.5) };
    let name = escaped(&bar.name);
    let ours = if bar.is_ours { " ours" } else { "" };
    writeln!(out, r#"<text class="name{ours}" x="24" y="{upper}">{name}</text>"#)?;
    if !bar.note.is_empty() {
        let note = escaped(&bar.note);
        writeln!(out, r#"<text class="soft small" x="24" y="{lower}">{note}</text>"#)?;
    }
    writeln!(out, r#"<line class="range" x1="{first:.1}" y1="{y}" x2="{second:.1}" y2="{y}"/>"#)?;
    for (class, nanos, at, (shift, anchor)) in
        [("second", bar.nanos[1], second, of_second), ("first", bar.nanos[0], first, of_first)]
    {
        writeln!(out, r#"<circle class="{class}" cx="{at:.1}" cy="{y}" r="7"/>"#)?;
        let (x, text) = (at + shift, duration(nanos));
        write!(out, r#"<text class="{class} value" text-anchor="{anchor}" "#)?;
        writeln!(out, r#"x="{x:.1}" y="{middle}">{text}</text>"#)?;
    }
    Ok(())
}

/// Returns the powers of ten between which the scale runs. At its beginning there is room for the
/// text beside the first point.
fn decades(bars: &[Bar]) -> (i32, i32) {
    let logs = || bars.iter().flat_map(|bar| bar.nanos).map(|nanos| nanos.max(1.0).log10());
    let low = logs().fold(f64::INFINITY, f64::min);
    let high = logs().fold(f64::NEG_INFINITY, f64::max);
    if bars.is_empty() {
        return (0, 1);
    }
    ((low - 0.6).floor().max(0.0) as i32, (high + 0.6).ceil() as i32)
}

fn place(nanos: f64, low: i32, high: i32) -> f64 {
    let part = (nanos.max(1.0).log10() - f64::from(low)) / f64::from(high - low);
    SCALE[0] + part * (SCALE[1] - SCALE[0])
}

/// Formats nanoseconds to two significant digits, in the unit that fits.
pub fn duration(nanos: f64) -> String {
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = usize::from(value < 9.95 && value.fract() > 0.0);
    format!("{value:.digits$} {unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, first: f64, second: f64) -> Bar {
        let (name, note) = (name.to_owned(), "a note".to_owned());
        Bar { name, note, is_ours: false, nanos: [first, second] }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let texts = [16.0, 1_000.0, 1_540.0, 64_207.0, 1_200_000.0, 2e9].map(duration);
        assert_eq!(texts, ["16 ns", "1 µs", "1.5 µs", "64 µs", "1.2 ms", "2 s"]);
    }

    #[test]
    fn the_scale_is_logarithmic_and_holds_all() {
        let bars = [bar("near", 50.0, 90.0), bar("far", 60_000.0, 900_000.0)];
        let (low, high) = decades(&bars);
        assert_eq!((low, high), (1, 7));
        let gaps =
            [1e2, 1e3, 1e4].map(|nanos| place(nanos * 10.0, low, high) - place(nanos, low, high));
        assert!(gaps.iter().all(|gap| (gap - gaps[0]).abs() < 1e-9), "{gaps:?}");
        for nanos in [50.0, 900_000.0] {
            let x = place(nanos, low, high);
            assert!(x > SCALE[0] && x < SCALE[1], "{nanos}: {x}");
        }
    }

    #[test]
    fn every_subject_and_figure_is_in_the_picture_once() {
        let bars = [bar("a & b", 50.0, 90.0), bar("far", 60_000.0, 120_000.0)];
        let text = svg("Latency", ["here", "there"], &bars, &["below", "<the scale>"]);
        for found in ["a &amp; b", ">far<", ">50 ns<", ">90 ns<", ">60 µs<", ">120 µs<"] {
            assert_eq!(text.matches(found).count(), 1, "{found} in {text}");
        }
        assert!(text.contains(">here<") && text.contains(">there<"));
        assert!(text.contains("below") && text.contains("&lt;the scale&gt;"));
        assert_eq!(text.matches("<circle").count(), 2 * bars.len() + 2, "points and the legend");
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn nothing_to_show_is_a_picture_too() {
        assert!(svg("Latency", ["one", "two"], &[], &[]).contains("Latency"));
    }

    /// Two threads may take less for an operation than one, or more; the texts do not collide.
    #[test]
    fn the_text_of_the_smaller_time_stands_to_the_left() {
        for (first, second) in [(50.0, 60.0), (60.0, 50.0)] {
            let text = svg("t", ["one", "two"], &[bar("a", first, second)], &[]);
            let anchor = |value: &str| {
                let line = text.lines().find(|line| line.contains(value)).unwrap();
                line.contains(r#"text-anchor="end""#)
            };
            assert!(anchor(">50 ns<") && !anchor(">60 ns<"), "{text}");
        }
    }

    #[test]
    fn the_name_of_ours_stands_out() {
        let bars = [Bar { is_ours: true, ..bar("own", 1.0, 2.0) }, bar("peer", 1.0, 2.0)];
        let text = svg("t", ["one", "two"], &bars, &[]);
        assert_eq!(text.matches("name ours").count(), 1);
    }
}
