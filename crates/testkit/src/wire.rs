//! A link whose packets pass through this process, which loses, delays and reorders them: what `netem` does, on
//! kernels that lack it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio_tun::Tun;

const MTU: i32 = 1_500;

/// What happens to each packet, in either direction.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Of one.
    pub loss: f64,
    pub delay: Duration,
    /// Up to so much is added to the delay: packets overtake one another.
    pub jitter: Duration,
}

/// Counts of both directions.
#[derive(Debug, Default)]
pub struct Carried {
    pub passed: AtomicU64,
    pub lost: AtomicU64,
    /// Sent after one that came later.
    pub overtaken: AtomicU64,
}

/// The packets of one link; it ends when this is dropped.
pub struct Wire {
    pub carried: Arc<Carried>,
    _end: tokio::sync::oneshot::Sender<()>,
}

/// The names of the two interfaces: in the pod, and in the node.
pub struct Ends {
    pub pod: String,
    pub node: String,
}

impl Wire {
    /// The entrances lead the relay's thread into the two networks; both interfaces are there when it returns.
    pub fn start(
        ends: Ends,
        into_pod: impl FnOnce() + Send + 'static,
        into_node: impl FnOnce() + Send + 'static,
        trouble: Trouble,
    ) -> Self {
        let carried = Arc::new(Carried::default());
        let counted = Arc::clone(&carried);
        let (end, ended) = tokio::sync::oneshot::channel();
        let (made, is_made) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a thread can be started");
            runtime.block_on(async move {
                into_pod();
                let pod = Arc::new(tun(&ends.pod));
                into_node();
                let node = Arc::new(tun(&ends.node));
                let _ = made.send(());
                let there = relay(&pod, &node, trouble, &counted, 0x9e37_79b9_7f4a_7c15);
                let back = relay(&node, &pod, trouble, &counted, 0x2545_f491_4f6c_dd1d);
                tokio::select! {
                    () = there => {}
                    () = back => {}
                    _ = ended => {}
                }
            });
        });
        is_made.recv().expect("root may make interfaces");
        Self { carried, _end: end }
    }
}

fn tun(name: &str) -> Tun {
    let made = Tun::builder().name(name).mtu(MTU).up().build();
    let mut queues = made.expect("root may make interfaces");
    queues.pop().expect("there is one queue")
}

async fn relay(
    from: &Arc<Tun>,
    to: &Arc<Tun>,
    trouble: Trouble,
    carried: &Arc<Carried>,
    mut chance: u64,
) {
    let mut packet = vec![0; MTU as usize + 4];
    let mut number = 0_u64;
    let newest = Arc::new(AtomicU64::new(0));
    while let Ok(length) = from.recv(&mut packet).await {
        if next(&mut chance) < trouble.loss {
            carried.lost.fetch_add(1, Relaxed);
            continue;
        }
        number += 1;
        let wait = trouble.delay + trouble.jitter.mul_f64(next(&mut chance));
        let (to, carried, newest) = (Arc::clone(to), Arc::clone(carried), Arc::clone(&newest));
        let packet = packet[..length].to_vec();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if newest.fetch_max(number, Relaxed) > number {
                carried.overtaken.fetch_add(1, Relaxed);
            }
            carried.passed.fetch_add(1, Relaxed);
            let _ = to.send(&packet).await;
        });
    }
}

/// From 0 to 1.
fn next(chance: &mut u64) -> f64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    (*chance >> 11) as f64 / (1_u64 << 53) as f64
}
