"""A ServiceProfile is made and changed in the browser, by the right of whoever has a token."""

import re

import pytest
from kube_of_profiles import TOKEN, Kube
from playwright.sync_api import expect
from site_of_shop import Site

pytestmark = pytest.mark.browser

PATH = "/namespaces/shop/services/web?tab=profile"
NAME = "web.shop.svc.cluster.local"
PROFILE = f"""\
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: {NAME}
  namespace: shop
spec:
  routes:
  - name: GET /items
    condition:
      method: GET
      pathRegex: /items
"""


@pytest.fixture
def kube():
    return Kube()


@pytest.fixture
def site(kube):
    with Site(kube=kube) as found:
        yield found


def test_a_profile_is_made_by_the_users_own_right(site, kube, open_page):
    page = open_page(site, PATH, may_complain=True)
    editor = page.get_by_label("Profile (YAML)")
    expect(editor).to_have_value(re.compile(f"name: {re.escape(NAME)}"))
    editor.fill(PROFILE)
    token = page.get_by_label("Your bearer token")
    token.fill("of-somebody-else")
    page.get_by_role("button", name="Make the profile").click()
    said = page.locator("#profile-result")
    expect(said).to_contain_text("User cannot create it in shop")
    expect(said).to_contain_text("RBAC")
    assert not kube.profiles
    token.fill(TOKEN)
    page.get_by_role("button", name="Make the profile").click()
    expect(page.get_by_role("button", name="Save")).to_be_visible()
    assert kube.profiles[NAME]["spec"]["routes"][0]["name"] == "GET /items"
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert TOKEN not in stored


def test_what_is_wrong_is_said_with_its_line(site, kube, open_page):
    page = open_page(site, PATH, may_complain=True)
    page.get_by_label("Profile (YAML)").fill(PROFILE.replace("pathRegex: /items", "pathRegex: '('"))
    page.get_by_label("Your bearer token").fill(TOKEN)
    page.get_by_role("button", name="Make the profile").click()
    said = page.locator("#profile-result")
    expect(said).to_contain_text("The profile has 1 problem.")
    expect(said.locator("li").first).to_contain_text("line")
    assert not kube.profiles
