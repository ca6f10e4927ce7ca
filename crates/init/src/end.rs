//! Waits until the pod's application listens no more, as the preStop hook of a proxy that gets its
//! signal together with the application: until then the proxy carries what still arrives.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(200);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Bounded by the pod's grace period alone. Without a known port it returns at once.
pub fn wait(address: IpAddr, ports: &[u16]) {
    while ports.iter().any(|port| listens(address, *port)) {
        std::thread::sleep(EVERY);
    }
}

fn listens(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), CONNECT_WITHIN).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn it_waits_as_long_as_one_port_is_open() {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let [stays, goes] = [(); 2].map(|()| TcpListener::bind((address, 0)).unwrap());
        let ports = [&stays, &goes].map(|listener| listener.local_addr().unwrap().port());
        drop(goes);
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            wait(address, &ports);
            done.send(()).unwrap();
        });
        assert!(ended.recv_timeout(3 * EVERY).is_err(), "one still listens");
        drop(stays);
        ended.recv_timeout(Duration::from_secs(30)).unwrap();
        wait(address, &[]);
    }
}
