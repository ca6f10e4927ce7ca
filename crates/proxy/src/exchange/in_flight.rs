//! How many requests of one direction may be unanswered at a time; what is more is shed at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::respond::Fault;

pub struct InFlight {
    most: usize,
    now: AtomicUsize,
}

/// One of them, until it is dropped.
pub struct Admitted<'a>(&'a AtomicUsize);

impl InFlight {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            now: AtomicUsize::new(0),
        }
    }

    pub fn admit(&self) -> Result<Admitted<'_>, Fault> {
        let before = self.now.fetch_add(1, Relaxed);
        let admitted = Admitted(&self.now);
        match before < self.most {
            true => Ok(admitted),
            false => Err(Fault::unavailable(format!(
                "service unavailable: {} requests are in flight",
                self.most
            ))),
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_shed_takes_no_place() {
        let limit = InFlight::new(1);
        let first = limit.admit().unwrap();
        for _ in 0..2 {
            let shed = limit.admit().err().unwrap();
            assert_eq!((shed.status.as_u16(), shed.label), (503, "loadshed"));
        }
        drop(first);
        assert!(limit.admit().is_ok());
    }
}
