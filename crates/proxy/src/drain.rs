//! Draining: tells every connection to finish, and waits until all have.

use tokio::sync::{mpsc, watch};

/// Makes the two ends.
pub fn channel() -> (Signal, Watch) {
    let (start, started) = watch::channel(false);
    let (guard, guards) = mpsc::channel(1);
    let signal = Signal { start, guards };
    let watch = Watch {
        started,
        _guard: guard,
    };
    (signal, watch)
}

/// Starts the drain, once.
pub struct Signal {
    start: watch::Sender<bool>,
    guards: mpsc::Receiver<()>,
}

impl Signal {
    /// Resolves when every `Watch` is dropped; the caller bounds how long it waits.
    pub async fn drain(mut self) {
        self.start.send_replace(true);
        // Nothing is ever sent: the end of the channel is the end of the last guard.
        let _ = self.guards.recv().await;
    }
}

/// Held by whatever must be waited for. Clones count one by one.
#[derive(Clone)]
pub struct Watch {
    started: watch::Receiver<bool>,
    _guard: mpsc::Sender<()>,
}

impl Watch {
    /// Resolves when draining starts; at once when it has.
    pub async fn draining(&mut self) {
        if self.started.wait_for(|started| *started).await.is_err() {
            // The signal was dropped without draining: nobody will ever ask.
            std::future::pending::<()>().await;
        }
    }

    pub fn is_draining(&self) -> bool {
        *self.started.borrow()
    }

    /// Makes watches without being waited for itself.
    pub fn source(&self) -> Source {
        Source {
            started: self.started.clone(),
            guard: self._guard.downgrade(),
        }
    }
}

/// Where a listener that outlives the start of a drain takes its connections' watches from.
pub struct Source {
    started: watch::Receiver<bool>,
    guard: mpsc::WeakSender<()>,
}

impl Source {
    /// None: all is drained, and there is nobody left to tell.
    pub fn watch(&self) -> Option<Watch> {
        Some(Watch {
            started: self.started.clone(),
            _guard: self.guard.upgrade()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::channel;

    #[tokio::test]
    async fn drains_when_the_last_watch_is_gone() {
        let (signal, watch) = channel();
        let mut second = watch.clone();
        let connection = tokio::spawn(async move {
            second.draining().await;
            assert!(second.is_draining());
        });
        assert!(!watch.is_draining());
        let drained = tokio::spawn(signal.drain());
        connection.await.unwrap();
        assert!(!drained.is_finished());
        drop(watch);
        drained.await.unwrap();
    }
}
