use proptest::prelude::*;

use super::*;
use crate::connect::tcp::ConnectSettings;
use crate::exchange::serve::HttpSettings;
use crate::telemetry::metrics::Metrics;

/// Of so many addresses each change names some: enough to meet again and again.
const ADDRESSES: u8 = 6;

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 1, 0, number], 80))
}

fn spec(number: u8, weight: u32) -> EndpointSpec {
    EndpointSpec {
        weight,
        ..EndpointSpec::plain(address(number))
    }
}

fn set() -> EndpointSet {
    let connect = ConnectSettings {
        timeout: Duration::from_secs(1),
        keepalive: None,
        user_timeout: None,
    };
    let settings = EndpointSettings {
        connector: Arc::new(Connector::new(connect, None)),
        pool: PoolSettings {
            idle_timeout: Duration::from_secs(3),
            max_idle: 8,
            http2: HttpSettings::default(),
        },
        local: Vec::new(),
        metrics: Metrics::new(Duration::from_secs(60)),
        backoff: Backoff {
            min: Duration::from_millis(100),
            max: Duration::from_secs(10),
            jitter: 0.1,
        },
    };
    EndpointSet {
        authority: "web.shop.svc.cluster.local:80".into(),
        balance: BalanceSettings::default(),
        settings: Arc::new(settings),
        endpoints: watch::Sender::new(None),
        updates: Updates::default(),
    }
}

fn changes() -> impl Strategy<Value = (Change, bool)> {
    let numbers = || prop::collection::vec(0..ADDRESSES, 0..5);
    let added = prop::collection::vec((0..ADDRESSES, 1..3_u32), 0..5);
    let added = added.prop_map(|all| Change::Add(all.iter().map(|&(n, w)| spec(n, w)).collect()));
    let removed = numbers().prop_map(|all| Change::Remove(all.into_iter().map(address).collect()));
    let change = prop_oneof![4 => added, 3 => removed, 1 => Just(Change::Clear)];
    (change, prop::bool::weighted(0.15))
}

/// What a change leaves: its first message tells all there is.
fn model(known: &mut BTreeMap<SocketAddr, u32>, change: &Change, is_first: bool) {
    if is_first {
        known.clear();
    }
    match change {
        Change::Clear => known.clear(),
        Change::Remove(gone) => known.retain(|address, _| !gone.contains(address)),
        Change::Add(specs) => known.extend(specs.iter().map(|s| (s.address, s.weight))),
    }
}

proptest! {
    #[test]
    fn after_any_changes_the_endpoints_are_those_that_were_told(
        all in prop::collection::vec(changes(), 1..20),
    ) {
        let set = set();
        let mut told = BTreeMap::new();
        let mut now = BTreeMap::new();
        for (change, is_first) in all {
            model(&mut told, &change, is_first);
            let before = now.clone();
            (now, _) = set.changed(now, change, is_first);
            let seen: BTreeMap<_, _> = now.iter().map(|(a, e)| (*a, e.spec.weight)).collect();
            prop_assert_eq!(&seen, &told);
            prop_assert!(now.values().all(|e| !e.is_gone()));
            for (address, old) in before {
                let is_kept = now.get(&address).is_some_and(|e| Arc::ptr_eq(e, &old));
                // Its connections are kept or ended, never forgotten.
                prop_assert_eq!(old.is_gone(), !is_kept);
            }
        }
    }

    #[test]
    fn a_pick_is_one_that_can_be_reached_if_there_is_any(
        failing in prop::collection::vec(any::<bool>(), 0..8),
        weights in prop::collection::vec(0..20_000_u32, 8),
    ) {
        let set = set();
        let specs = (0..failing.len()).map(|n| spec(u8::try_from(n).unwrap(), weights[n]));
        let change = Change::Add(specs.collect());
        let endpoints: Vec<_> = set.changed(BTreeMap::new(), change, true).0.into_values().collect();
        for (endpoint, is_failing) in endpoints.iter().zip(&failing) {
            if *is_failing {
                endpoint.connect_failed();
            }
        }
        for _ in 0..20 {
            match pick(&endpoints) {
                Some(picked) => prop_assert!(picked.is_available()),
                None => prop_assert!(failing.iter().all(|is_failing| *is_failing)),
            }
        }
    }

    #[test]
    fn of_two_the_one_with_less_to_do_is_picked(busy in 1..50_usize) {
        let set = set();
        let change = Change::Add(vec![spec(0, 1), spec(1, 1)]);
        let endpoints: Vec<_> = set.changed(BTreeMap::new(), change, true).0.into_values().collect();
        let now = Instant::now();
        let _pending: Vec<_> = (0..busy).map(|_| endpoints[0].load.start(now)).collect();
        for _ in 0..20 {
            let picked = pick(&endpoints).expect("both can be reached");
            prop_assert_eq!(picked.spec.address, address(1));
        }
    }

    #[test]
    fn under_load_every_endpoint_gets_its_turn(count in 2..8_u8) {
        let set = set();
        let change = Change::Add((0..count).map(|n| spec(n, 1)).collect());
        let endpoints: Vec<_> = set.changed(BTreeMap::new(), change, true).0.into_values().collect();
        let mut pending = Vec::new();
        let mut picked = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let endpoint = pick(&endpoints).expect("all can be reached");
            pending.push(endpoint.load.start(Instant::now()));
            picked.insert(endpoint.spec.address);
        }
        prop_assert_eq!(picked.len(), usize::from(count));
    }

    #[test]
    fn a_failing_endpoint_is_left_alone_ever_longer_but_not_for_long(failures in 1..40_u32) {
        let set = set();
        let change = Change::Add(vec![spec(0, 1)]);
        let endpoints: Vec<_> = set.changed(BTreeMap::new(), change, true).0.into_values().collect();
        let [endpoint] = &endpoints[..] else { unreachable!("one was added") };
        let mut last = Duration::ZERO;
        for _ in 0..failures {
            let now = Instant::now();
            endpoint.connect_failed();
            let wait = endpoint.retry_at().expect("it failed") - now;
            prop_assert!(wait + Duration::from_secs(2) >= last);
            prop_assert!(wait <= Duration::from_secs(12), "{:?}", wait);
            last = wait;
        }
        endpoint.connected();
        prop_assert!(endpoint.is_available());
    }
}
