//! Opens streams of the control plane. There are several for each destination, and nearly all are silent,
//! so what one holds while it waits is small.

use std::future::Future;
use std::pin::Pin;

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{BufferSettings, Codec, Streaming};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstDecoder, ProstEncoder};

use super::stream::Channel;

/// Bytes that are held for a message before the first has come. Longer ones make it grow.
const BUFFER: usize = 256;
/// As much is encoded before it is sent; of our requests each is shorter.
const YIELD: usize = 32 * 1024;

/// On the heap, so that a stream that is open does not hold the place of its opening.
pub type Opening<A> = Pin<Box<dyn Future<Output = Result<Response<Streaming<A>>, Status>> + Send>>;

/// Asks `method`, such as `/io.linkerd.proxy.destination.Destination/Get`, for a stream of answers.
pub fn open<Q, A>(channel: &Channel, method: &'static str, request: Q) -> Opening<A>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let mut client = Grpc::new(channel.clone());
    let method = PathAndQuery::from_static(method);
    let codec = Small(std::marker::PhantomData);
    Box::pin(async move {
        client
            .server_streaming(Request::new(request), method, codec)
            .await
    })
}

/// Protobuf, with small buffers.
struct Small<Q, A>(std::marker::PhantomData<fn(Q) -> A>);

impl<Q, A> Codec for Small<Q, A>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    type Encode = Q;
    type Decode = A;
    type Encoder = ProstEncoder<Q>;
    type Decoder = ProstDecoder<A>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, YIELD))
    }
}
