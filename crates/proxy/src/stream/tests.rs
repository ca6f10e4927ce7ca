use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::ahead::ReadAhead;
use super::copy::both_ways;
use super::lent::SIZE;

const QUIET: Duration = Duration::from_millis(20);

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// The two ends of a connection through `both_ways`, and its outcome.
fn joined(
    capacity: usize,
) -> (
    DuplexStream,
    DuplexStream,
    tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let (client, a) = duplex(capacity);
    let (server, b) = duplex(capacity);
    (client, server, tokio::spawn(both_ways(a, b)))
}

#[test]
fn each_way_ends_by_itself() {
    run(async {
        let (mut client, mut server, copying) = joined(1024);
        client.write_all(b"question").await.expect("there is room");
        client.shutdown().await.expect("the end is passed on");
        let mut asked = Vec::new();
        server.read_to_end(&mut asked).await.expect("an end");
        assert_eq!(asked, b"question");
        assert!(!copying.is_finished(), "the other way is still open");
        server.write_all(b"answer").await.expect("there is room");
        drop(server);
        let mut answered = Vec::new();
        client.read_to_end(&mut answered).await.expect("an end");
        assert_eq!(answered, b"answer");
        copying.await.expect("no panic").expect("no error");
    });
}

#[test]
fn a_side_that_is_gone_ends_both() {
    run(async {
        let (mut client, server, copying) = joined(1024);
        drop(server);
        client
            .write_all(b"into the void")
            .await
            .expect("there is room");
        let error = copying.await.expect("no panic").expect_err("nobody reads");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_slow_reader_holds_its_writer_back() {
    run(async {
        let (mut client, mut server, _copying) = joined(16);
        let bytes = vec![7; 4 * SIZE];
        let writing = tokio::spawn(async move {
            client.write_all(&bytes).await.expect("it is read at last");
            client
        });
        tokio::time::sleep(QUIET).await;
        assert!(
            !writing.is_finished(),
            "more was taken than there is memory for"
        );
        let mut read = vec![0; 4 * SIZE];
        server.read_exact(&mut read).await.expect("all of it");
        assert!(read.iter().all(|byte| *byte == 7));
        writing.await.expect("no panic");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reading_ahead_changes_no_byte(
        lengths in prop::collection::vec(1..3 * SIZE, 1..4),
        at_a_time in 1..2 * SIZE,
    ) {
        let sent: Vec<u8> = (0..lengths.iter().sum()).map(|at: usize| (at % 251) as u8).collect();
        let mut rest = sent.clone();
        let read = run(async move {
            let (mut writer, reader) = duplex(SIZE);
            tokio::spawn(async move {
                for length in lengths {
                    let piece: Vec<u8> = rest.drain(..length).collect();
                    writer.write_all(&piece).await.expect("it is read");
                    tokio::time::sleep(QUIET).await;
                }
            });
            let mut reader = ReadAhead::new(reader);
            let (mut all, mut buffer) = (Vec::new(), vec![0; at_a_time]);
            loop {
                match reader.read(&mut buffer).await.expect("no error") {
                    0 => return all,
                    length => all.extend_from_slice(&buffer[..length]),
                }
            }
        });
        prop_assert!(read == sent);
    }
}
