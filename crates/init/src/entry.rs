//! The proxy container's entry: writes a fresh key and a CSR for it into the in-memory identity
//! folder, then becomes the proxy. The formats are those that linkerd2-proxy reads: PKCS#8 and
//! PKCS#10, both DER, in `key.p8` and `csr.der`.

use crate::gate::{self, GateError};
use crate::witness;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType,
};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "LINKERD2_PROXY_IDENTITY_DIR";
const NAME: &str = "LINKERD2_PROXY_IDENTITY_LOCAL_NAME";
/// Set by the injector where a CNI plugin redirects the pod, so that no init container failed first.
const PLUGIN: &str = "TULLE_REDIRECTED_BY";
/// Under SPIRE the workload API hands the proxy its key.
const SPIRE: [&str; 2] = [
    "LINKERD2_PROXY_IDENTITY_SPIRE_WORKLOAD_API_ADDRESS",
    "LINKERD2_PROXY_IDENTITY_SPIRE_SOCKET",
];
/// RFC 5280, ub-common-name. A longer identity stands in the SAN alone.
const COMMON_NAME_LIMIT: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("{0} is not set; the injector sets it, so this container was not made by it")]
    Unset(&'static str),
    #[error("{NAME} is `{0}`, which is not a DNS name")]
    Name(String),
    #[error(
        "this pod's traffic is not redirected to its proxy: {0} did not see the pod start; see that it runs \
         on this node (kubectl -n {0} get pods -o wide), then delete this pod"
    )]
    NotRedirected(String),
    #[error("{path} cannot be written: {cause}; {FOLDER} must be a folder on a writable in-memory volume", path = .path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("key or CSR could not be made")]
    Make(#[from] rcgen::Error),
    #[error("{program} could not be started: {cause}")]
    Exec { program: String, cause: io::Error },
}

/// Returns only if the program could not be started.
pub fn run(program: &[OsString]) -> Result<Infallible, EntryError> {
    gate::close()?;
    if let Ok(plugin) = variable(PLUGIN)
        && !witness::is_shown()
    {
        return Err(EntryError::NotRedirected(plugin));
    }
    if !SPIRE.iter().any(|name| std::env::var_os(name).is_some()) {
        let folder = PathBuf::from(variable(FOLDER)?);
        write_identity(&folder, &variable(NAME)?)?;
    }
    let (name, arguments) = program
        .split_first()
        .expect("args refuses a run without program");
    let cause = Command::new(name).args(arguments).exec();
    Err(EntryError::Exec {
        program: name.to_string_lossy().into_owned(),
        cause,
    })
}

fn variable(name: &'static str) -> Result<String, EntryError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or(EntryError::Unset(name))
}

fn write_identity(folder: &Path, name: &str) -> Result<(), EntryError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = signing_request(name, &key)?;
    write_private(&folder.join("key.p8"), key.serialized_der())?;
    write_private(&folder.join("csr.der"), &request)
}

fn signing_request(name: &str, key: &KeyPair) -> Result<Vec<u8>, EntryError> {
    if !is_dns_name(name) {
        return Err(EntryError::Name(name.to_owned()));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if name.len() <= COMMON_NAME_LIMIT {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.subject_alt_names = vec![SanType::DnsName(name.try_into()?)];
    Ok(params.serialize_request(key)?.der().to_vec())
}

fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let has_length = (1..=63).contains(&label.len());
        let has_letters = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        has_length && has_letters && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Replaces what a container before this one left, since the volume outlives it.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), EntryError> {
    let error = |cause| EntryError::Write {
        path: path.to_owned(),
        cause,
    };
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(error(cause)),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.map_err(error)?.write_all(bytes).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_names() {
        assert!(is_dns_name(
            "default.default.serviceaccount.identity.tulle.cluster.local"
        ));
        for wrong in ["", "a..b", "-a.b", "a b.c", "a.b.", &"a".repeat(64)] {
            assert!(!is_dns_name(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_long_name_still_gets_a_request() {
        let name = format!(
            "{}.ns.serviceaccount.identity.tulle.cluster.local",
            "a".repeat(60)
        );
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let request = signing_request(&name, &key).unwrap();
        let found = request
            .windows(name.len())
            .filter(|window| *window == name.as_bytes());
        assert_eq!(found.count(), 1, "once as SAN, not as common name");
    }
}
