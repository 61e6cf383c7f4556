//! Passes bytes on line by line, and so knows on which line a csv reader stands.
//!
//! The csv reader counts lines too, but leaves blank lines and those ended by `\r\n` out of its
//! count, and a message that names the wrong line is worse than none. It asks for more bytes only
//! when it has used up those it has. Given one line at a time it therefore always stands on the
//! last line that was passed on.

use std::io::{self, BufRead, Read};

/// A reader that never gives out bytes of two lines at once.
#[derive(Debug)]
pub struct Lines<R> {
    inner: R,
    line: u64,
    at_end: bool,
}

impl<R> Lines<R> {
    /// Stands before the first line.
    pub fn new(inner: R) -> Lines<R> {
        Lines { inner, line: 0, at_end: true }
    }

    /// Returns the number of the line that was passed on last, from 1; 0 before the first.
    pub fn line(&self) -> u64 {
        self.line
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            // A csv reader that asks for more here is inside a value whose closing quote is
            // missing, on the line that would follow.
            self.line += u64::from(std::mem::take(&mut self.at_end));
            return Ok(0);
        }
        let whole = available.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
        let count = whole.unwrap_or(available.len()).min(buffer.len());
        if count == 0 {
            return Ok(0); // no room in the buffer
        }
        buffer[..count].copy_from_slice(&available[..count]);
        self.inner.consume(count);
        if self.at_end {
            self.line += 1;
        }
        self.at_end = buffer[count - 1] == b'\n';
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use std::io::{BufReader, Read};

    #[test]
    fn lines_come_one_at_a_time_whatever_the_buffers() {
        for (below, above) in [(1, 1), (3, 64), (64, 3), (64, 64)] {
            let text = "one\r\n\ntwo, longer\nthree";
            let mut lines = Lines::new(BufReader::with_capacity(below, text.as_bytes()));
            let mut read = Vec::new();
            let mut buffer = vec![0; above];
            loop {
                let count = lines.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                read.extend_from_slice(&buffer[..count]);
                let ended = read[..read.len() - 1].iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(lines.line(), ended as u64 + 1, "buffers of {below} and {above}");
            }
            assert_eq!(read, text.as_bytes());
        }
    }
}
