//! Bars for the terminal, and a chart as SVG.

use std::fmt::Write;
use traces::capacity::Capacity;

/// A hit ratio at a capacity.
pub(crate) struct Point {
    pub(crate) capacity: u64,
    pub(crate) percent: f64,
}

/// What one cache attains, a point for each capacity.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<Point>,
}

/// Characters of a bar of 100 %.
const BAR: usize = 50;

/// Returns a group of bars for each capacity.
pub(crate) fn bars(curves: &[Curve], asked: &[Capacity]) -> String {
    let mut text = String::new();
    for (place, asked) in asked.iter().enumerate() {
        let capacity = curves[0].points[place].capacity;
        let share = match asked {
            Capacity::Share(_) => format!(" ({asked})"),
            Capacity::Count(_) => String::new(),
        };
        let _ = writeln!(text, "\ncapacity {capacity}{share}");
        for curve in curves {
            let percent = curve.points[place].percent;
            let bar = "█".repeat((percent / 100.0 * BAR as f64).round() as usize);
            let _ = writeln!(text, "  {:<11}{percent:>6.2} %  {bar}", curve.name);
        }
    }
    text
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Around the plot, for what is written beside it.
const MARGIN: f64 = 50.0;
const COLORS: [&str; 3] = ["#1b6ca8", "#c0602a", "#777777"];

/// Where capacities and percentages lie in the picture; capacities on a logarithmic scale.
struct Axes {
    least: f64,
    most: f64,
}

impl Axes {
    fn of(curves: &[Curve]) -> Axes {
        let logs =
            curves.iter().flat_map(|curve| &curve.points).map(|at| (at.capacity as f64).ln());
        let (least, most) =
            logs.fold((f64::MAX, f64::MIN), |(low, high), log| (low.min(log), high.max(log)));
        // One capacity alone stands at the left.
        Axes { least, most: most.max(least + 1e-9) }
    }

    fn x(&self, capacity: u64) -> f64 {
        let part = ((capacity as f64).ln() - self.least) / (self.most - self.least);
        MARGIN + part * (WIDTH - 2.0 * MARGIN)
    }

    fn y(percent: f64) -> f64 {
        HEIGHT - MARGIN - percent / 100.0 * (HEIGHT - 2.0 * MARGIN)
    }
}

/// Returns the curves as a picture.
pub(crate) fn svg(title: &str, curves: &[Curve]) -> String {
    let axes = Axes::of(curves);
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"25\" font-size=\"15\">{title}: hits in %, by capacity</text>\n"
    );
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let (y, right) = (Axes::y(percent), WIDTH - MARGIN);
        let _ = writeln!(
            svg,
            "<path d=\"M{MARGIN} {y:.1}H{right}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{percent}</text>",
            MARGIN - 6.0,
            y + 4.0
        );
    }
    for point in curves.iter().take(1).flat_map(|curve| &curve.points) {
        let (x, y) = (axes.x(point.capacity), HEIGHT - MARGIN + 18.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            point.capacity
        );
    }
    for (place, (curve, color)) in curves.iter().zip(COLORS).enumerate() {
        svg.push_str(&line(&axes, curve, color, place));
    }
    svg.push_str("</svg>\n");
    svg
}

/// A curve, and its name in its colour below the title.
fn line(axes: &Axes, curve: &Curve, color: &str, place: usize) -> String {
    let corner =
        |point: &Point| format!("{:.1},{:.1}", axes.x(point.capacity), Axes::y(point.percent));
    let corners: Vec<String> = curve.points.iter().map(corner).collect();
    let mut text = format!(
        "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"{}\"/>\n",
        corners.join(" ")
    );
    for point in &curve.points {
        let (x, y) = (axes.x(point.capacity), Axes::y(point.percent));
        let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
    }
    let x = MARGIN + 100.0 * place as f64;
    let _ = writeln!(text, "<text x=\"{x}\" y=\"42\" fill=\"{color}\">{}</text>", curve.name);
    text
}
