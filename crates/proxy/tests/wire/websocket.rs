//! WebSocket with a library of its own on both ends.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::{Bytes, Message, handshake::client::generate_key};

use super::raw::{Path, Way};

#[tokio::test]
async fn messages_pass_until_either_end_closes() {
    for way in Way::ALL {
        let echo = tulle_testkit::serve::tcp(|stream| async move {
            let mut socket = tokio_tungstenite::accept_async(stream)
                .await
                .expect("the handshake came through whole");
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        })
        .await;
        let path = Path::open(way, echo.address).await;
        let client = path.connect().await;
        let request = http::Request::get("ws://web.test/chat")
            .header("host", "web.test")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .body(())
            .unwrap();
        let (mut socket, answer) = tokio_tungstenite::client_async(request, client.stream)
            .await
            .expect("the proxy lets it upgrade");
        assert_eq!(answer.status(), 101, "{way:?}");
        let large = Bytes::from(vec![7; 300_000]);
        for message in [Message::text("hello"), Message::binary(large)] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message, "{way:?}");
        }
        socket.close(None).await.unwrap();
        let last = socket.next().await;
        assert!(
            matches!(last, Some(Ok(Message::Close(_))) | None),
            "{way:?} {last:?}"
        );
    }
}
