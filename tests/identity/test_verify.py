"""What a TokenReview's answer means. The real API server's answers: test_apiserver.py."""

import pytest

from tulle.identity import verify
from tulle.identity.verify import ServiceAccount


class Reviews:
    """Answers reviews by their audience: the first of `answers`, then the next."""

    def __init__(self, *answers) -> None:
        self.answers, self.asked = list(answers), []

    async def create(self, path, body, **_):
        assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
        self.asked.append(body["spec"])
        return {"status": self.answers.pop(0)}


def account(username: str) -> dict:
    return {"authenticated": True, "user": {"username": username}}


async def test_the_account_of_a_good_token() -> None:
    reviews = Reviews(account("system:serviceaccount:shop:web"))
    assert await verify.service_account(reviews, "t") == ServiceAccount("shop", "web")
    assert reviews.asked == [{"token": "t", "audiences": ["identity.l5d.io"]}]


async def test_a_token_of_another_audience_is_asked_for_again_without_one() -> None:
    wrong = {"error": "[invalid bearer token, token audiences [a] is invalid for [b]]"}
    reviews = Reviews(wrong, account("system:serviceaccount:shop:web"))
    assert await verify.service_account(reviews, "t") == ServiceAccount("shop", "web")
    assert "audiences" not in reviews.asked[1]


async def test_an_error_is_an_invalid_token() -> None:
    with pytest.raises(verify.InvalidToken, match="expired"):
        await verify.service_account(Reviews({"error": "the token has expired"}), "t")


async def test_no_authentication() -> None:
    with pytest.raises(verify.NotAuthenticated):
        await verify.service_account(Reviews({}), "t")


@pytest.mark.parametrize(
    "username",
    [
        "admin",
        "system:node:worker",
        "system:serviceaccount:shop",
        "system:serviceaccount:shop:web:x",
        "system:serviceaccount:shop:web.api",
        "system:serviceaccount:Shop:web",
        "system:serviceaccount::web",
        "system:serviceaccount:shop::web",
        "system:bootstrap:shop:web",
        "root:serviceaccount:shop:web",
    ],
)
async def test_users_that_are_no_identity(username) -> None:
    with pytest.raises(verify.InvalidToken):
        await verify.service_account(Reviews(account(username)), "t")
