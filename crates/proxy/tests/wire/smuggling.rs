//! Ambiguous requests: `smuggling.txt` lists them, each with its verdict.

use super::raw::{Application, Path, Way};

#[derive(Debug, PartialEq)]
enum Verdict {
    Refused(u16),
    Passed(usize),
    Opaque,
}

struct Case {
    name: String,
    verdict: Verdict,
    bytes: Vec<u8>,
    holds: Vec<String>,
    lacks: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("smuggling.txt").lines() {
        if let Some(name) = line.strip_prefix("= ") {
            cases.push(Case {
                name: name.to_string(),
                verdict: Verdict::Opaque,
                bytes: Vec::new(),
                holds: Vec::new(),
                lacks: Vec::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        let text = |bytes| String::from_utf8(bytes).expect("expectations are text");
        if let Some(verdict) = line.strip_prefix("verdict: ") {
            case.verdict = read_verdict(verdict);
        } else if let Some(bytes) = line.strip_prefix("| ") {
            case.bytes.extend(unescaped(bytes));
        } else if let Some(part) = line.strip_prefix("+ ") {
            case.holds.push(text(unescaped(part)));
        } else if let Some(part) = line.strip_prefix("- ") {
            case.lacks.push(text(unescaped(part)));
        } else {
            assert_eq!(line, "", "a line of {}", case.name);
        }
    }
    cases
}

fn read_verdict(text: &str) -> Verdict {
    match text.split_once(' ') {
        Some(("refused", status)) => Verdict::Refused(status.parse().expect("a status")),
        Some(("passed", count)) => Verdict::Passed(count.parse().expect("a count")),
        _ => {
            assert_eq!(text, "opaque");
            Verdict::Opaque
        }
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape has a letter") {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).expect("two digits");
                u8::from_str_radix(digits, 16).expect("two digits")
            }
            other => panic!("no such escape: {}", char::from(other)),
        });
    }
    bytes
}

/// One proxy or pair for all cases of a way: an application that answers, and one that echoes.
struct Court {
    application: Application,
    to_application: Path,
    _echo: tulle_testkit::serve::Running,
    to_echo: Path,
}

impl Court {
    async fn open(way: Way) -> Self {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let application = Application::saying(answer).await;
        let echo = tulle_testkit::echo::tcp().await;
        Self {
            to_application: Path::open(way, application.address()).await,
            application,
            to_echo: Path::open(way, echo.address).await,
            _echo: echo,
        }
    }

    async fn judge(&self, case: &Case) -> Result<(), String> {
        if case.verdict == Verdict::Opaque {
            return self.judge_opaque(case).await;
        }
        self.application.forget();
        let said = self.to_application.talk(&case.bytes).await;
        let got = self.application.requests();
        let fail = |why: &str| Err(format!("{why}; said {said:?}, got {got:?}"));
        match case.verdict {
            Verdict::Refused(status) => {
                if !said.starts_with(&format!("HTTP/1.1 {status} ")) {
                    return fail("it was not refused");
                }
                if said.matches("HTTP/1.").count() != 1 || !got.is_empty() {
                    return fail("more than a refusal");
                }
            }
            Verdict::Passed(count) => {
                if got.len() != count || !said.contains(" 200 OK\r\n") {
                    return fail("it did not pass as often");
                }
            }
            Verdict::Opaque => unreachable!("judged above"),
        }
        for request in &got {
            if request.starts_with("GET /smuggled") {
                return fail("it was smuggled");
            }
            if let Some(missing) = case.holds.iter().find(|part| !request.contains(*part)) {
                return fail(&format!("{missing:?} is missing"));
            }
            if let Some(left) = case.lacks.iter().find(|part| request.contains(*part)) {
                return fail(&format!("{left:?} was passed on"));
            }
        }
        Ok(())
    }

    async fn judge_opaque(&self, case: &Case) -> Result<(), String> {
        let mut client = self.to_echo.connect().await;
        client.send(&case.bytes).await;
        let end = String::from_utf8_lossy(&case.bytes).into_owned();
        let echoed = client.until(&end).await;
        match echoed.as_bytes() == case.bytes {
            true => Ok(()),
            false => Err(format!("the bytes changed to {echoed:?}")),
        }
    }
}

async fn judge_all(way: Way) {
    let cases = cases();
    assert!(cases.len() > 50, "the file was read");
    let court = Court::open(way).await;
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(why) = court.judge(case).await {
            wrong.push(format!("{}: {why}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{way:?}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn inbound_judges_each_as_written() {
    judge_all(Way::Inbound).await;
}

#[tokio::test]
async fn outbound_judges_each_as_written() {
    judge_all(Way::Outbound).await;
}

#[tokio::test]
async fn carried_in_http2_each_is_judged_the_same() {
    judge_all(Way::MeshHttp2).await;
}
