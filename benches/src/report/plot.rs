//! The plot: a bar for each figure, in groups of what was compared.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Row, figure, human};

const WIDTH: i32 = 1240;
const LINE: i32 = 18;
const LEFT: i32 = 250;
const RIGHT: i32 = 560;
const COLOURS: [RGBColor; 4] =
    [RGBColor(38, 84, 124), RGBColor(6, 147, 116), RGBColor(200, 120, 20), RGBColor(150, 60, 110)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws rows to a file.
pub(super) fn draw(suite: &str, rows: &[Row], path: &Path) -> Result<()> {
    let groups = group(rows);
    let bars: usize = groups.iter().map(|rows| figures(rows).count()).sum();
    let lines = bars + 2 * groups.len() + 3;
    let height = i32::try_from(lines)? * LINE;
    let area =
        SVGBackend::new(path, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    let failed = |error| anyhow!("cannot draw {}: {error}", path.display());
    draw_groups(suite, &groups, &area).map_err(failed)?;
    area.present().map_err(failed)
}

/// Neighbours of one case, direction, size, number of threads and metric.
fn group(rows: &[Row]) -> Vec<&[Row]> {
    let key = |row: &Row| (row.case.clone(), row.direction, row.size, row.metric);
    rows.chunk_by(|a, b| key(a) == key(b)).collect()
}

/// A figure with several ratios is several rows, and one bar.
fn figures(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| (&a.subject, a.threads) == (&b.subject, b.threads))
}

fn draw_groups(
    suite: &str,
    groups: &[&[Row]],
    area: &Area<'_>,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    area.fill(&WHITE)?;
    let text = |words: String, at: (i32, i32), size: i32| {
        area.draw(&Text::new(words, at, ("sans-serif", size)))
    };
    let title = format!("keyfold benchmarks, suite {suite}: medians, measured in turns");
    text(title, (10, 10), 16)?;
    let mut y = 2 * LINE;
    for rows in groups {
        let first = &rows[0];
        let title = format!(
            "{}, {}, {}: {} in {}",
            first.case,
            first.direction,
            human(first.size),
            first.metric,
            first.unit
        );
        y += LINE / 2;
        text(title, (10, y), 14)?;
        y += LINE;
        let most = rows.iter().map(|row| row.value).fold(f64::MIN_POSITIVE, f64::max);
        for (same, colour) in figures(rows).zip(COLOURS.iter().cycle()) {
            let row = &same[0];
            let threads =
                if row.threads > 1 { format!(", {} threads", row.threads) } else { String::new() };
            text(format!("{}{threads}", row.subject), (20, y), 12)?;
            // At most WIDTH, and never negative.
            #[allow(clippy::cast_possible_truncation)]
            let length = (f64::from(WIDTH - LEFT - RIGHT) * row.value / most) as i32;
            let bar = [(LEFT, y), (LEFT + length, y + LINE - 5)];
            area.draw(&Rectangle::new(bar, colour.filled()))?;
            let ratios = same
                .iter()
                .filter_map(|row| Some((row.ratio?, row.ratio_to.as_ref()?)))
                .map(|(ratio, to)| format!(" ({ratio:.2}x the speed of {to})"))
                .collect::<Vec<_>>()
                .concat();
            text(format!("{}{ratios}", figure(row.value)), (LEFT + length + 6, y), 12)?;
            y += LINE;
        }
        y += LINE / 2;
    }
    Ok(())
}
