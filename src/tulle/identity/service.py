"""Certify: checks a request step by step and answers with a leaf certificate."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from tulle import names
from tulle.identity import csr
from tulle.identity.authority import Authority
from tulle.identity.issuer import IssuerError, Leaf
from tulle.identity.verify import Api, InvalidToken, NotAuthenticated, ServiceAccount
from tulle.identity.verify import service_account as verified_account
from tulle.k8s.client import ApiError, Unreachable
from tulle.k8s.events import Recorder, Subject
from tulle.proto import identity_pb2
from tulle.serve import grpc
from tulle.serve.logs import Log

log = Log("identity")

SERVICE = "io.linkerd.proxy.identity.Identity"


@dataclass(frozen=True, slots=True)
class Domain:
    """What identities end in."""

    control_namespace: str
    trust_domain: str
    spiffe: bool = False  # leaves carry a SPIFFE URI after the DNS name

    def name(self, account: ServiceAccount) -> str:
        return names.workload_identity(
            account.name,
            account.namespace,
            control_namespace=self.control_namespace,
            trust_domain=self.trust_domain,
        )

    def account(self, name: str) -> ServiceAccount:
        """The account that an identity names. Refuses names outside this domain."""
        first, _, rest = name.partition(".")
        account = ServiceAccount(namespace=rest.partition(".")[0], name=first)
        if self.name(account) != name:
            raise grpc.FailedPrecondition(
                f"{name} is no identity here: it must be SERVICEACCOUNT.NAMESPACE.serviceaccount."
                f"identity.{self.control_namespace}.{self.trust_domain}"
            )
        return account

    def uri(self, account: ServiceAccount) -> str:
        return f"spiffe://{self.trust_domain}/ns/{account.namespace}/sa/{account.name}"


class Identity:
    """The gRPC service that certifies proxies."""

    def __init__(
        self,
        api: Api,
        authority: Authority,
        domain: Domain,
        events: Recorder,
        now: Callable[[], datetime],
    ) -> None:
        self._api, self._authority, self._domain = api, authority, domain
        self._events, self._now = events, now

    def handler(self) -> object:
        method = grpc.Unary("Certify", identity_pb2.CertifyRequest, self._certify)
        return grpc.service(SERVICE, method)

    async def _certify(self, request: identity_pb2.CertifyRequest) -> bytes:
        for part in ("identity", "token", "certificate_signing_request"):
            if not getattr(request, part):
                raise grpc.InvalidArgument(f"missing {part.replace('_', ' ')}")
        asked: str = request.identity
        try:
            parsed = csr.parse(request.certificate_signing_request)
        except csr.CsrUnreadable as error:
            raise grpc.InvalidArgument(str(error)) from error
        claimed = self._domain.account(asked)
        uri = self._domain.uri(claimed)
        try:
            key = csr.certifiable_key(parsed, asked, uri)
        except csr.CsrRefused as error:
            log.info("refused a signing request", identity=asked, reason=error)
            raise grpc.FailedPrecondition(str(error)) from error
        proven = await self._account(asked, request.token)
        if proven != claimed:
            log.info("identity and token differ", asked=asked, token=self._domain.name(proven))
            raise grpc.FailedPrecondition(
                f"the token is of {self._domain.name(proven)}, not of {asked}"
            )
        try:
            leaf = self._authority.issue(key, asked, uri if self._domain.spiffe else None)
        except IssuerError as error:
            raise grpc.Unavailable(f"no certificate can be issued: {error}") from error
        self._tell(proven, asked, leaf)
        return _response(leaf)

    async def _account(self, asked: str, token: bytes) -> ServiceAccount:
        """The token's account, or the refusal that the caller sees."""
        try:
            return await verified_account(self._api, token.decode("ascii", "replace").strip())
        except InvalidToken as error:
            log.info("refused a token", identity=asked, reason=error)
            raise grpc.InvalidArgument(str(error)) from error
        except NotAuthenticated as error:
            log.info("refused a token", identity=asked, reason=error)
            raise grpc.FailedPrecondition(str(error)) from error
        except (ApiError, Unreachable) as error:
            log.error("cannot have a token reviewed", identity=asked, reason=error)
            raise grpc.Unavailable(f"the token cannot be verified now: {error}") from error

    def _tell(self, account: ServiceAccount, name: str, leaf: Leaf) -> None:
        digest = hashlib.sha256(leaf.certificate).hexdigest()
        until = leaf.not_after.isoformat()
        log.info("issued a certificate", identity=name, until=until, sha256=digest)
        self._events.record(
            Subject("v1", "ServiceAccount", account.namespace, account.name),
            "IssuedLeafCertificate",
            f"issued a certificate for {name} until {until}: {digest}",
            key="leaf",
        )


def _response(leaf: Leaf) -> bytes:
    until = Timestamp()
    until.FromDatetime(leaf.not_after)
    message = identity_pb2.CertifyResponse(
        leaf_certificate=leaf.certificate,
        intermediate_certificates=leaf.intermediates,
        valid_until=until,
    )
    encoded: bytes = message.SerializeToString()
    return encoded
