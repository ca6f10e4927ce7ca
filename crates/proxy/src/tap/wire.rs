//! Events in the form that a watcher is sent. A protobuf message may come as several, one after the
//! other: what all events of a request share is encoded once, and each adds its own part.

use bytes::{BufMut, Bytes, BytesMut};
use linkerd2_proxy_api::tap as pb;
use pb::tap_event::http::Event;
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstCodec;

/// `base` is an encoded `TapEvent` without its event.
pub fn joined(base: &[u8], event: Event) -> Bytes {
    let event = pb::TapEvent {
        event: Some(pb::tap_event::Event::Http(pb::tap_event::Http {
            event: Some(event),
        })),
        ..pb::TapEvent::default()
    };
    let mut message = BytesMut::with_capacity(base.len() + event.encoded_len());
    message.extend_from_slice(base);
    // Memory that grows has room for any message.
    let _ = event.encode(&mut message);
    message.freeze()
}

/// gRPC's framing of requests to observe, and of events that are encoded already.
#[derive(Default)]
pub struct Events(ProstCodec<pb::TapEvent, pb::ObserveRequest>);

pub struct Verbatim;

impl Codec for Events {
    type Encode = Bytes;
    type Decode = pb::ObserveRequest;
    type Encoder = Verbatim;
    type Decoder = <ProstCodec<pb::TapEvent, pb::ObserveRequest> as Codec>::Decoder;

    fn encoder(&mut self) -> Verbatim {
        Verbatim
    }

    fn decoder(&mut self) -> Self::Decoder {
        self.0.decoder()
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}
