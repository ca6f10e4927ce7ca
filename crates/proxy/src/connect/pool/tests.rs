use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::connect::tcp::ConnectSettings;
use crate::telemetry::labels::Labels;
use crate::telemetry::metrics::Metrics;

const MAX_IDLE: usize = 3;
const IDLE: Duration = Duration::from_secs(3);

fn pool() -> Arc<Pool> {
    let connect = ConnectSettings {
        timeout: Duration::from_secs(1),
        keepalive: None,
        user_timeout: None,
    };
    let dial = Dial {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        peer: None,
        header: None,
    };
    let settings = PoolSettings {
        idle_timeout: IDLE,
        max_idle: MAX_IDLE,
        http2: HttpSettings::default(),
    };
    let metrics = Metrics::new(Duration::from_secs(60)).transport(Labels::new());
    Pool::new(
        dial,
        Arc::new(Connector::new(connect, None)),
        settings,
        metrics,
    )
}

/// A connection whose server does nothing; `None` of it: one that has already ended.
async fn connection(
    has_ended: bool,
) -> (http1::SendRequest<Body>, Option<tokio::io::DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(64);
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap();
    if has_ended {
        drop(theirs);
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
        return (sender, None);
    }
    (sender, Some(theirs))
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        has_ended: bool,
    },
    Take,
    /// Its idle time passes for all that are there now.
    Sweep {
        is_late: bool,
    },
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|ended| Step::Put { has_ended: ended }),
        4 => Just(Step::Take),
        1 => any::<bool>().prop_map(|is_late| Step::Sweep { is_late }),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #[test]
    fn a_pool_keeps_what_it_may_and_gives_only_what_lives(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps))?;
    }
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let pool = pool();
    let mut servers = Vec::new();
    let (mut kept, mut is_closed) = (0, false);
    for step in steps {
        match step {
            Step::Put { has_ended } => {
                let (sender, server) = connection(has_ended).await;
                servers.push(server);
                pool.put(sender);
                kept += usize::from(!has_ended && !is_closed && kept < MAX_IDLE);
            }
            Step::Take => {
                let taken = pool.take();
                prop_assert_eq!(taken.is_some(), kept > 0);
                prop_assert!(taken.is_none_or(|(sender, _)| sender.is_ready()));
                kept = kept.saturating_sub(1);
            }
            Step::Sweep { is_late } => {
                let passed = if is_late { IDLE } else { Duration::ZERO };
                let is_any_left = pool.drop_idle(Instant::now() + passed);
                kept = if is_late { 0 } else { kept };
                prop_assert_eq!(is_any_left, kept > 0);
            }
            Step::Close => {
                pool.close();
                (kept, is_closed) = (0, true);
            }
        }
        let idle = pool.idle.lock().unwrap().connections.len();
        prop_assert_eq!(idle, kept);
    }
    Ok(())
}
