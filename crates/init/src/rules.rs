//! From settings to the list of iptables commands, in order. Pure: what already exists and the
//! time are handed in, so every list is the same for the same facts.

use std::net::IpAddr;
use std::str::FromStr;

pub const INBOUND_CHAIN: &str = "PROXY_INIT_REDIRECT";
pub const OUTBOUND_CHAIN: &str = "PROXY_INIT_OUTPUT";

/// The multiport match takes 15 ports; a range counts as two.
const MULTIPORT_LIMIT: usize = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    All,
    Listed(Vec<u16>),
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub inbound_port: u16,
    pub outbound_port: u16,
    pub proxy_uid: Option<u32>,
    pub proxy_gid: Option<u32>,
    pub redirect: Redirect,
    pub inbound_ignored: Vec<Ports>,
    pub outbound_ignored: Vec<Ports>,
    pub subnets_ignored: Vec<Subnet>,
}

/// What an earlier run left in the nat table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    pub has_inbound_chain: bool,
    pub has_outbound_chain: bool,
    pub has_inbound_jump: bool,
    pub has_outbound_jump: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a port, a range or a network")]
pub struct Malformed;

/// One iptables invocation: the arguments after the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule(pub Vec<String>);

/// Each rule's comment ends in the run's time, so that one run's rules can be told from another's.
struct Writer {
    unix_seconds: u64,
    rules: Vec<Rule>,
}

impl Writer {
    fn push(&mut self, arguments: &str, name: &str) {
        let comment = format!("proxy-init/{name}/{}", self.unix_seconds);
        let words = ["-t", "nat"].into_iter().chain(arguments.split(' '));
        let words = words.chain(["-m", "comment", "--comment", &comment, "-w"]);
        self.rules.push(Rule(words.map(str::to_owned).collect()));
    }

    fn chain(&mut self, chain: &str, exists: bool) {
        if exists {
            self.push(&format!("-F {chain}"), "flush-chain");
        } else {
            self.push(&format!("-N {chain}"), "redirect-common-chain");
        }
    }

    fn ignored_ports(&mut self, chain: &str, ignored: &[Ports]) {
        for ports in multiports(ignored) {
            let arguments =
                format!("-A {chain} -p tcp --match multiport --dports {ports} -j RETURN");
            self.push(&arguments, &format!("ignore-port-{ports}"));
        }
    }
}

/// The commands that redirect this pod's TCP traffic, in the order in which they are to be run.
pub fn redirecting(
    settings: &Settings,
    family: Family,
    existing: Existing,
    unix_seconds: u64,
) -> Vec<Rule> {
    let mut writer = Writer {
        unix_seconds,
        rules: Vec::new(),
    };
    inbound(&mut writer, settings, family, existing);
    outbound(&mut writer, settings, existing);
    writer.rules
}

fn inbound(writer: &mut Writer, settings: &Settings, family: Family, existing: Existing) {
    writer.chain(INBOUND_CHAIN, existing.has_inbound_chain);
    writer.ignored_ports(INBOUND_CHAIN, &settings.inbound_ignored);
    let subnets = settings.subnets_ignored.iter();
    for subnet in subnets.filter(|subnet| subnet.family() == family) {
        let subnet = subnet.to_string();
        let arguments = format!("-A {INBOUND_CHAIN} -p all -j RETURN -s {subnet}");
        writer.push(&arguments, &format!("ignore-subnet-{subnet}"));
    }
    let to = settings.inbound_port;
    match &settings.redirect {
        Redirect::All => writer.push(
            &format!("-A {INBOUND_CHAIN} -p tcp -j REDIRECT --to-port {to}"),
            "redirect-all-incoming-to-proxy-port",
        ),
        Redirect::Listed(ports) => {
            for port in ports {
                writer.push(
                    &format!("-A {INBOUND_CHAIN} -p tcp --destination-port {port} -j REDIRECT --to-port {to}"),
                    &format!("redirect-port-{port}-to-proxy-port"),
                );
            }
        }
    }
    if !existing.has_inbound_jump {
        let arguments = format!("-A PREROUTING -j {INBOUND_CHAIN}");
        writer.push(&arguments, "install-proxy-init-prerouting");
    }
}

fn outbound(writer: &mut Writer, settings: &Settings, existing: Existing) {
    writer.chain(OUTBOUND_CHAIN, existing.has_outbound_chain);
    if let Some(uid) = settings.proxy_uid {
        let arguments = format!("-A {OUTBOUND_CHAIN} -m owner --uid-owner {uid} -j RETURN");
        writer.push(&arguments, "ignore-proxy-user-id");
    }
    if let Some(gid) = settings.proxy_gid {
        let arguments = format!("-A {OUTBOUND_CHAIN} -m owner --gid-owner {gid} -j RETURN");
        writer.push(&arguments, "ignore-proxy-group-id");
    }
    writer.push(
        &format!("-A {OUTBOUND_CHAIN} -o lo -j RETURN"),
        "ignore-loopback",
    );
    writer.ignored_ports(OUTBOUND_CHAIN, &settings.outbound_ignored);
    let to = settings.outbound_port;
    writer.push(
        &format!("-A {OUTBOUND_CHAIN} -p tcp -j REDIRECT --to-port {to}"),
        "redirect-all-outgoing-to-proxy-port",
    );
    if !existing.has_outbound_jump {
        let arguments = format!("-A OUTPUT -j {OUTBOUND_CHAIN}");
        writer.push(&arguments, "install-proxy-init-output");
    }
}

/// The same commands as the input of `iptables-restore`, which knows a chain by a line of its own.
pub fn table(rules: &[Rule]) -> String {
    let line = |rule: &Rule| match rule.0.get(2..4) {
        Some([flag, chain]) if flag == "-N" => format!(":{chain} - [0:0]\n"),
        _ => {
            let words = rule.0.iter().skip(2).filter(|word| *word != "-w");
            words.map(String::as_str).collect::<Vec<_>>().join(" ") + "\n"
        }
    };
    let lines: String = rules.iter().map(line).collect();
    format!("*nat\n{lines}COMMIT\n")
}

/// The commands that remove what an earlier run left; every jump goes before its chain.
pub fn removing(existing: Existing, jumps: &[String]) -> Vec<Rule> {
    let mut lines: Vec<String> = jumps
        .iter()
        .map(|jump| jump.replacen("-A", "-D", 1))
        .collect();
    let chains = [
        (existing.has_inbound_chain, INBOUND_CHAIN),
        (existing.has_outbound_chain, OUTBOUND_CHAIN),
    ];
    for (_, chain) in chains.iter().filter(|(exists, _)| *exists) {
        lines.push(format!("-F {chain}"));
        lines.push(format!("-X {chain}"));
    }
    let rule = |line: &String| {
        let words = ["-t", "nat"]
            .into_iter()
            .chain(line.split(' '))
            .chain(["-w"]);
        Rule(
            words
                .map(|word| word.trim_matches('"').to_owned())
                .collect(),
        )
    };
    lines.iter().map(rule).collect()
}

/// The lines of `iptables -t nat -S` by which a built-in chain jumps to one of ours.
pub fn jumps(listing: &str) -> Vec<String> {
    let ends = [INBOUND_CHAIN, OUTBOUND_CHAIN].map(|chain| format!("-j {chain}"));
    let is_jump = |line: &&str| {
        let from_builtin = line.starts_with("-A PREROUTING ") || line.starts_with("-A OUTPUT ");
        from_builtin && ends.iter().any(|end| line.ends_with(end.as_str()))
    };
    listing
        .lines()
        .map(str::trim_end)
        .filter(is_jump)
        .map(str::to_owned)
        .collect()
}

impl Existing {
    pub fn is_complete(self) -> bool {
        let has_chains = self.has_inbound_chain && self.has_outbound_chain;
        has_chains && self.has_inbound_jump && self.has_outbound_jump
    }

    /// Reads the output of `iptables -t nat -S`.
    pub fn parse(listing: &str) -> Self {
        let jumps = jumps(listing);
        let has_line = |wanted: String| listing.lines().any(|line| line.trim_end() == wanted);
        let has_jump = |start: &str| jumps.iter().any(|jump| jump.starts_with(start));
        Existing {
            has_inbound_chain: has_line(format!("-N {INBOUND_CHAIN}")),
            has_outbound_chain: has_line(format!("-N {OUTBOUND_CHAIN}")),
            has_inbound_jump: has_jump("-A PREROUTING"),
            has_outbound_jump: has_jump("-A OUTPUT"),
        }
    }
}

/// Comma-separated lists, each short enough for one multiport match.
fn multiports(ports: &[Ports]) -> Vec<String> {
    let mut lists: Vec<(usize, Vec<String>)> = Vec::new();
    for ports in ports {
        let size = if ports.first == ports.last { 1 } else { 2 };
        match lists.last_mut() {
            Some((used, list)) if *used + size <= MULTIPORT_LIMIT => {
                *used += size;
                list.push(ports.to_string());
            }
            _ => lists.push((size, vec![ports.to_string()])),
        }
    }
    lists.into_iter().map(|(_, list)| list.join(",")).collect()
}

impl FromStr for Ports {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_| Malformed);
        let ports = Ports {
            first: number(first)?,
            last: number(last)?,
        };
        if ports.first > ports.last {
            return Err(Malformed);
        }
        Ok(ports)
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}:{}", self.first, self.last)
    }
}

impl Subnet {
    fn family(&self) -> Family {
        match self.address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

impl FromStr for Subnet {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (address, prefix) = text.split_once('/').ok_or(Malformed)?;
        let address: IpAddr = address.parse().map_err(|_| Malformed)?;
        let prefix: u8 = prefix.parse().map_err(|_| Malformed)?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(Malformed);
        }
        Ok(Subnet { address, prefix })
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests;
