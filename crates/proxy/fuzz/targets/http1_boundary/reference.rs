//! RFC 9112's message framing, at its strictest: heads by `httparse`, bodies by the rules of section 6.

/// A request as an application would get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
}

enum Framing {
    Length(usize),
    Chunked,
}

/// After such a request the connection is something else.
pub fn is_last(method: &str, has_upgrade: bool) -> bool {
    method == "CONNECT" || has_upgrade
}

/// All whole requests, up to the first doubt.
pub fn read(mut bytes: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Some((seen, is_end, rest)) = request(bytes) {
        all.push(seen);
        bytes = rest;
        if is_end {
            break;
        }
    }
    all
}

fn request(bytes: &[u8]) -> Option<(Seen, bool, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(end)) = head.parse(bytes) else {
        return None;
    };
    // A target has no fragment; ours leaves one out, and so nobody after us reads it.
    let target = head.path?.split('#').next()?.to_string();
    let method = head.method?.to_string();
    let framing = framing(head.headers, head.version?)?;
    let (body, rest) = match framing {
        Framing::Length(length) => {
            let (body, rest) = bytes[end..].split_at_checked(length)?;
            (body.to_vec(), rest)
        }
        Framing::Chunked => chunked(&bytes[end..])?,
    };
    let has_upgrade = head.headers.iter().any(|h| h.name.eq_ignore_ascii_case("upgrade"));
    let is_end = is_last(&method, has_upgrade);
    Some((Seen { method, target, body }, is_end, rest))
}

fn framing(headers: &[httparse::Header<'_>], version: u8) -> Option<Framing> {
    let named = |name: &'static str| {
        headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    };
    let has_coding = named("transfer-encoding").next().is_some();
    let codings = named("transfer-encoding").flat_map(|v| v.split(|&b| b == b','));
    // RFC 9110, section 5.6.1.2: empty elements of a list count for nothing.
    let codings: Vec<&[u8]> = codings.filter(|coding| !coding.trim_ascii().is_empty()).collect();
    if has_coding {
        let (last, others) = codings.split_last()?;
        let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        let is_clear = version == 1 && is_chunked(last) && !others.iter().any(|c| is_chunked(c));
        return is_clear.then_some(Framing::Chunked);
    }
    let mut lengths = named("content-length").flat_map(|v| v.split(|&b| b == b','));
    let Some(first) = lengths.next() else { return Some(Framing::Length(0)) };
    let first = length(first)?;
    // The same length said twice is still one length.
    lengths.all(|other| length(other) == Some(first)).then_some(Framing::Length(first))
}

fn length(digits: &[u8]) -> Option<usize> {
    let digits = digits.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

fn chunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (line, rest) = line(bytes)?;
        let digits = line.split(|&b| b == b';').next()?.trim_ascii_end();
        let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_hex)?, 16).ok()?;
        bytes = rest;
        if size == 0 {
            break;
        }
        let (data, rest) = bytes.split_at_checked(size)?;
        body.extend_from_slice(data);
        bytes = rest.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, rest) = line(bytes)?;
        bytes = rest;
        if trailer.is_empty() {
            return Some((body, bytes));
        }
    }
}

/// Up to CR LF, without it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}
