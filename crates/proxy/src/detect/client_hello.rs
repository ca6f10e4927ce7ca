//! Reads the server name out of the beginning of a TLS connection without ending the connection.
//! A hello may come in many reads and records: hybrid key shares make it longer than a packet.

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sni {
    NeedMore,
    NotTls,
    /// A ClientHello that names no server.
    Absent,
    Name(String),
}

/// The longest beginning of a connection that is looked at.
pub const ENOUGH: usize = 8 * 1_024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What stopped a reader.
enum Stop {
    /// The bytes end before the value does.
    Short,
    Malformed,
}

pub fn tls_sni(bytes: &[u8]) -> Sni {
    let hello = match handshake_bytes(bytes) {
        Ok(hello) => hello,
        Err(Stop::Short) if bytes.len() < ENOUGH => return Sni::NeedMore,
        Err(_) => return Sni::NotTls,
    };
    match server_name(&hello) {
        Ok(Some(name)) => Sni::Name(name),
        Ok(None) => Sni::Absent,
        Err(Stop::Short) if bytes.len() < ENOUGH => Sni::NeedMore,
        Err(_) => Sni::NotTls,
    }
}

/// The handshake's bytes out of as many records as there are, without their headers.
fn handshake_bytes(bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut records = Reader(bytes);
    let mut handshake = Vec::with_capacity(bytes.len().min(ENOUGH));
    loop {
        let rest = records.0;
        // Judged byte by byte, so that what is not TLS is known from its first byte. The version's
        // second byte says nothing (RFC 8446, section 5.1).
        let is_record = rest.first().is_none_or(|&kind| kind == HANDSHAKE)
            && rest.get(1).is_none_or(|&major| major == 3);
        if !is_record {
            return Err(Stop::Malformed);
        }
        if rest.len() < 5 {
            break;
        }
        records.take(3)?;
        let length = usize::from(records.u16()?);
        if length == 0 || length > 1 << 14 {
            return Err(Stop::Malformed);
        }
        let part = records.0.len().min(length);
        handshake.extend_from_slice(records.take(part)?);
        if handshake.first().is_some_and(|&kind| kind != CLIENT_HELLO) {
            return Err(Stop::Malformed);
        }
        if part < length || is_whole(&handshake) {
            break;
        }
    }
    match handshake.is_empty() {
        true => Err(Stop::Short),
        false => Ok(handshake),
    }
}

fn is_whole(handshake: &[u8]) -> bool {
    let mut reader = Reader(handshake);
    let length = reader.take(1).and_then(|_| reader.u24());
    length.is_ok_and(|length| reader.0.len() >= length)
}

/// RFC 8446, section 4.1.2, and RFC 6066, section 3. Answers as soon as the name is there.
fn server_name(handshake: &[u8]) -> Result<Option<String>, Stop> {
    let mut hello = Reader(handshake);
    hello.take(1)?;
    let length = hello.u24()?;
    if length > 1 << 16 {
        return Err(Stop::Malformed);
    }
    if hello.0.len() > length {
        hello.0 = &hello.0[..length];
    }
    let is_cut = hello.0.len() < length;
    let ended = |stop| match (is_cut, stop) {
        (false, Stop::Short) => Stop::Malformed, // its own lengths contradict each other
        (_, stop) => stop,
    };
    in_extensions(&mut hello).map_err(ended)
}

fn in_extensions(hello: &mut Reader<'_>) -> Result<Option<String>, Stop> {
    hello.take(2 + 32)?; // version, random
    let session = hello.u8()?;
    hello.take(session.into())?;
    let suites = hello.u16()?;
    hello.take(suites.into())?;
    let compressions = hello.u8()?;
    hello.take(compressions.into())?;
    if hello.0.is_empty() {
        return Err(Stop::Short);
    }
    let mut left = usize::from(hello.u16()?);
    while left > 0 {
        let kind = hello.u16()?;
        let length = hello.u16()?;
        let body = hello.take(length.into())?;
        if kind == SERVER_NAME {
            return host_name(body).map_err(|_| Stop::Malformed);
        }
        left = left
            .checked_sub(4 + usize::from(length))
            .ok_or(Stop::Malformed)?;
    }
    Ok(None)
}

fn host_name(extension: &[u8]) -> Result<Option<String>, Stop> {
    let mut names = Reader(extension);
    names.u16()?;
    while !names.0.is_empty() {
        let kind = names.u8()?;
        let length = names.u16()?;
        let name = names.take(length.into())?;
        if kind == HOST_NAME {
            let name = std::str::from_utf8(name).map_err(|_| Stop::Malformed)?;
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
            return if is_name {
                Ok(Some(name.to_string()))
            } else {
                Err(Stop::Malformed)
            };
        }
    }
    Ok(None)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Stop::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u24(&mut self) -> Result<usize, Stop> {
        let bytes = self.take(3)?;
        Ok(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize)
    }
}
