//! The live view: a few lines drawn over on a terminal, one block every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use contracts::printable::printable;

/// How often a terminal is drawn.
const REDRAW: Duration = Duration::from_millis(500);
/// How often a file gets a block.
const LOG: Duration = Duration::from_secs(10);

/// Draws to standard error.
pub(crate) struct View {
    terminal: bool,
    drawn_lines: usize,
    last: Option<Instant>,
}

impl View {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), drawn_lines: 0, last: None }
    }

    /// How often to offer new lines.
    pub(crate) const fn interval() -> Duration {
        REDRAW
    }

    /// Draws the lines, where it is time to.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        let every = if self.terminal { REDRAW } else { LOG };
        if self.last.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.last = Some(Instant::now());
        self.write(lines);
    }

    /// Draws the lines for the last time and leaves them standing.
    pub(crate) fn finish(&mut self, lines: &[String]) {
        self.write(lines);
        self.drawn_lines = 0;
    }

    fn write(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.terminal && self.drawn_lines > 0 {
            // Up to the first line of the block, then clear to the end of the screen.
            text += &format!("\x1b[{}A\x1b[J", self.drawn_lines);
        }
        let columns = if self.terminal { width() } else { usize::MAX };
        for line in lines {
            text.extend(printable(line).chars().take(columns));
            text.push('\n');
        }
        self.drawn_lines = lines.len();
        // A closed terminal is no reason to stop.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// The terminal's width: a wrapped line would break the redrawing.
fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(160)
}
