"""What `tulle inject` says of each object on standard error."""

from collections.abc import Iterable, Sequence

from tulle.injector.decision import HOST_NETWORK, SIDECAR_EXISTS
from tulle.install.meshing import Action, Outcome, is_disabled


def report(outcomes: Sequence[Outcome], *, verbose: bool) -> str:
    """Warnings first, then a line per object; the classes without a finding only if asked for."""
    findings = [
        _finding(
            "pods do not use the host's network",
            "the host's network is used by",
            (item for item in outcomes if HOST_NETWORK in item.reasons),
        ),
        _finding(
            "pods have no proxy of another kind",
            "a proxy that is not ours is in",
            (item for item in outcomes if SIDECAR_EXISTS in item.reasons),
        ),
        _finding(
            "no pod is exempted",
            'injection is disabled by "linkerd.io/inject: disabled" in',
            (item for item in outcomes if is_disabled(item)),
        ),
        _finding(
            "pods use no UDP",
            'the proxy does not carry "protocol: UDP", which is used by',
            (item for item in outcomes if "udp" in item.warnings),
        ),
    ]
    done = any(item.action is not Action.SKIPPED for item in outcomes)
    unsupported = ("there are objects to inject", "" if done else "no object was injected")
    lines = [""]
    lines += [f"‼ {warning}" for _, warning in (*findings, unsupported) if warning]
    if verbose:
        lines += [f"√ {fine}" for fine, warning in (*findings, unsupported) if not warning]
    if len(lines) > 1:
        lines.append("")
    errors = [item for item in outcomes if item.is_error]
    lines += [f"cannot inject {item.display}: {'; '.join(item.sentences)}" for item in errors]
    if errors:
        lines.append("")
    lines += [_line(item) for item in outcomes if not item.is_error]
    return "\n".join(lines) + "\n\n"


def _finding(fine: str, warning: str, items: Iterable[Outcome]) -> tuple[str, str]:
    named = ", ".join(item.display for item in items)
    return fine, f"{warning} {named}" if named else ""


def _line(item: Outcome) -> str:
    if not item.kind:
        return "document without a kind skipped"
    line = f'{item.kind.lower()} "{item.name}" {item.action.value}'
    return f"{line}: {'; '.join(item.sentences)}" if item.sentences else line
