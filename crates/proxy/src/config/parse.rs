//! Text of one variable -> value. The error is what would have been allowed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

type Parsed<T> = Result<T, &'static str>;

pub fn duration(text: &str) -> Parsed<Duration> {
    const ALLOWED: &str = "a duration: a whole number and ms, s, m, h or d, such as 500ms or 10s";
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| ALLOWED)?;
    let milliseconds_each = match unit {
        "" if number == 0 => 1,
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(ALLOWED),
    };
    let milliseconds = number.checked_mul(milliseconds_each).ok_or(ALLOWED)?;
    Ok(Duration::from_millis(milliseconds))
}

pub fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false"),
    }
}

pub fn count(text: &str) -> Parsed<usize> {
    text.parse().map_err(|_| "a whole number")
}

pub fn window(text: &str) -> Parsed<u32> {
    match text.parse() {
        Ok(bytes) if bytes <= i32::MAX as u32 => Ok(bytes),
        _ => Err("a number of bytes from 0 to 2147483647"),
    }
}

pub fn ratio(text: &str) -> Parsed<f64> {
    match text.parse() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
        _ => Err("a number above 0 and up to 1"),
    }
}

pub fn jitter(text: &str) -> Parsed<f64> {
    match text.parse() {
        Ok(ratio) if (0.0..=100.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 100"),
    }
}

pub fn text(text: &str) -> Parsed<String> {
    Ok(text.to_string())
}

pub fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| "an IP:PORT")
}

pub fn addresses(list: &str) -> Parsed<Vec<SocketAddr>> {
    const ALLOWED: &str = "one or two IP:PORT (IPv4, IPv6), separated by a comma";
    let parsed: Vec<_> = items(list)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| ALLOWED)?;
    if parsed.is_empty() || parsed.len() > 2 {
        return Err(ALLOWED);
    }
    Ok(parsed)
}

/// `host:port`, `1.2.3.4:port` or `[::1]:port`.
pub fn authority(text: &str) -> Parsed<(String, u16)> {
    const ALLOWED: &str = "host:port or IP:port";
    let (host, port) = text.rsplit_once(':').ok_or(ALLOWED)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_v6 = bare.is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    if !is_v6 && !is_host(host) {
        return Err(ALLOWED);
    }
    let port: u16 = port.parse().map_err(|_| ALLOWED)?;
    Ok((bare.unwrap_or(host).to_string(), port))
}

fn is_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// A DNS-like identity, or a SPIFFE id.
pub fn identity(text: &str) -> Parsed<String> {
    if is_host(text)
        || text
            .strip_prefix("spiffe://")
            .is_some_and(|rest| !rest.is_empty())
    {
        return Ok(text.to_string());
    }
    Err(
        "an identity: a DNS-like name such as web.shop.serviceaccount.identity.tulle.cluster.local, or spiffe://…",
    )
}

pub fn networks(list: &str) -> Parsed<Vec<IpNet>> {
    items(list)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| "a list of networks such as 10.0.0.0/8,fd00::/8")
}

pub fn ips(list: &str) -> Parsed<Vec<IpAddr>> {
    items(list)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| "a list of IP addresses")
}

/// Lower-case suffixes without a final dot; the root `.` becomes the empty suffix, which all names have.
pub fn suffixes(list: &str) -> Parsed<Vec<String>> {
    let suffix = |item: &str| {
        if item != "." && !is_host(item) {
            return Err("a list of DNS suffixes such as svc.cluster.local.");
        }
        Ok(item.trim_end_matches('.').to_ascii_lowercase())
    };
    items(list).map(suffix).collect()
}

pub fn ports(list: &str) -> Parsed<PortSet> {
    const ALLOWED: &str = "a list of ports and ranges such as 80,443,4567-4568";
    let mut ranges = Vec::new();
    for item in items(list) {
        let (low, high) = item.split_once('-').unwrap_or((item, item));
        let low: u16 = low.trim().parse().map_err(|_| ALLOWED)?;
        let high: u16 = high.trim().parse().map_err(|_| ALLOWED)?;
        if low > high {
            return Err(ALLOWED);
        }
        ranges.push((low, high));
    }
    Ok(PortSet { ranges })
}

/// A few ranges, searched in order: such lists are short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet {
    ranges: Vec<(u16, u16)>,
}

impl PortSet {
    pub fn contains(&self, port: u16) -> bool {
        self.ranges
            .iter()
            .any(|&(low, high)| (low..=high).contains(&port))
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ranges.iter().flat_map(|&(low, high)| low..=high)
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}
