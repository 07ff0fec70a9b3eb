//! Whatever the command prints for people goes through here.
//!
//! What a sender wrote cannot move the cursor of a terminal, whoever prints it: characters that do something
//! else than to show themselves are written out ([`contracts::printable`]). On standard error and in the log
//! no address shows its password ([`contracts::secret`]). The two macros stand in front of those of the
//! standard library, so that no line of the command can be printed past them.

use std::io::{self, Write};

use contracts::printable::{printable, printable_lines};
use contracts::secret::hidden;
use tracing_subscriber::fmt::MakeWriter;

macro_rules! println {
    () => { crate::say::out("") };
    ($($words:tt)*) => { crate::say::out(&contracts::printable::printable_lines(&std::format!($($words)*))) };
}

macro_rules! eprintln {
    () => { std::eprintln!() };
    ($($words:tt)*) => { std::eprintln!("{}", crate::say::shown(&std::format!($($words)*))) };
}

/// Prints a line.
pub(crate) fn out(text: &str) {
    if let Err(error) = as_far_as_read(writeln!(io::stdout().lock(), "{text}")) {
        panic!("cannot print: {error}");
    }
}

/// Who reads may have enough of what is printed, as `head` has: the command goes on to its end.
pub(crate) fn as_far_as_read(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A text of several lines as it may be shown.
pub(crate) fn shown(text: &str) -> String {
    printable_lines(&hidden(text))
}

/// Standard error for the log: an event is a line, whatever a field of it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log;

impl Write for Log {
    /// Takes what the formatter writes, which is an event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

fn line(event: &str) -> String {
    let mut line = printable(&hidden(event.strip_suffix('\n').unwrap_or(event)));
    line.push('\n');
    line
}

/// Lets panics be told in the same way.
pub(crate) fn guard_panics() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}\n{}", std::backtrace::Backtrace::capture());
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_without_passwords() {
        let event = "WARN x: fault a=\"b\"\u{1b}[2J\nWARN forged url=postgresql://a:hunter2@b/c\n";
        assert_eq!(
            line(event),
            "WARN x: fault a=\"b\"\\u001b[2J\\u000aWARN forged url=postgresql://a:***@b/c\n"
        );
    }
}
