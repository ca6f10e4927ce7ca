"""Answers that follow the index."""

import asyncio

import pytest
from world import World

from tulle.index.views import Views


@pytest.fixture
def views(world):
    return Views(world.index)


def ports(reader):
    service = reader.service("shop", "web")
    return tuple(entry.port for entry in service.ports) if service else ()


async def test_a_view_follows_what_it_read(world, views):
    with views.follow("ports", ports) as view:
        assert view.value == ()
        world.service(ports=((80, "", 80),))
        assert await view.after(1) == 2
        assert view.value == (80,)


async def test_all_who_ask_the_same_share_one_computation(world, views):
    count = 0

    def counted(reader):
        nonlocal count
        count += 1
        return ports(reader)

    with views.follow("ports", counted) as first, views.follow("ports", counted) as second:
        assert first is second
        world.service()
        await first.after(1)
    assert count == 2
    assert len(views) == 0


async def test_changes_of_one_turn_are_merged(world, views):
    with views.follow("ports", ports) as view:
        for port in (1, 2, 3):
            world.service(ports=((port, "", port),))
        assert await view.after(1) == 2
        assert view.value == (3,)


async def test_what_a_view_did_not_read_leaves_it_alone(world, views):
    calls = []

    def noted(reader):
        calls.append(1)
        return ports(reader)

    with views.follow("ports", noted):
        world.service("other")
        world.pod("web-1", "10.0.0.1")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(calls) == 1


async def test_an_equal_answer_wakes_nobody(world, views):
    with views.follow("ports", ports) as view:
        world.service(annotations={"retry.linkerd.io/limit": "2"})
        await view.after(1)
        world.service(annotations={"retry.linkerd.io/limit": "3"})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert view.version == 2


async def test_one_that_cannot_be_computed_leaves_the_others_alone(world, views):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def broken(reader):
        if reader.service("shop", "web"):
            raise ValueError("no such answer")

    with views.follow("broken", broken), views.follow("ports", ports) as view:
        world.service()
        await view.after(1)
        assert view.value == (80,)
    assert len(failures) == 1


async def test_a_slow_subscriber_finds_the_latest_only(world, views):
    with views.follow("ports", ports) as view:
        for port in (1, 2, 3):
            seen = view.version
            world.service(ports=((port, "", port),))
            await view.after(seen)
        assert await view.after(1) == 4
        assert view.value == (3,)


def test_an_empty_world_has_no_groups():
    world = World()
    world.pod("web-1", "10.0.0.1")
    world.remove("Pod", "web-1")
    assert world.index._groups == {}
